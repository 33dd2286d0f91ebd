"""The flow of one step: facts, plan, apply, plan again as proof."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.convergence import converge
from aws_airflow_tasks.core import Change, Pending, Plan, TaskError, unified_diff


class Target:
    """A thing with one value, and a log of what was done to it."""

    def __init__(self, value: str | None, *, stubborn: bool = False) -> None:
        self.value = value
        self.stubborn = stubborn
        self.log: list[str] = []

    def plan(self) -> Plan:
        self.log.append("plan")
        return Plan((Change("target", "patch", self.value, "wanted", self.apply, reason="it differs"),))

    def apply(self) -> None:
        self.log.append("apply")
        if not self.stubborn:
            self.value = "wanted"

    def converge(self, *, check: bool = False):
        return converge(
            "step",
            self.plan,
            check=check,
            hold=lambda: self.log.append("hold"),
            apply=lambda change: change.apply(),
        )


def test_a_change_is_planned_locked_planned_again_applied_and_proven() -> None:
    target = Target("other")
    assert target.converge().status == "changed"
    assert target.log == ["plan", "hold", "plan", "apply", "plan"]


def test_a_converged_step_is_ok_and_takes_no_lock() -> None:
    target = Target("wanted")
    assert target.converge().status == "ok"
    assert target.log == ["plan"]


def test_check_mode_plans_and_does_nothing_else() -> None:
    target = Target(None)
    result = target.converge(check=True)
    assert (result.status, result.reason, target.log) == ("changed", "it differs", ["plan"])


def test_a_change_that_does_not_take_effect_is_an_error_that_names_the_target() -> None:
    with pytest.raises(TaskError, match="target was changed, yet still differs"):
        Target("other", stubborn=True).converge()


def pending() -> Plan:
    raise Pending("init")


def test_a_fact_that_awaits_a_pending_change_is_reported_as_changed_in_check_mode() -> None:
    result = converge("mount", pending, check=True, hold=lambda: None, apply=lambda change: None)
    assert (result.status, result.reason) == ("changed", "known after init")


def test_a_fact_that_is_still_missing_after_its_step_is_an_error() -> None:
    with pytest.raises(TaskError, match="after init"):
        converge("mount", pending, check=False, hold=lambda: None, apply=lambda change: None)


@pytest.mark.parametrize("which", [2, 3], ids=["after the lock", "as proof"])
def test_a_fact_that_goes_missing_while_the_step_runs_is_an_error_too(which: int) -> None:
    target = Target("other")

    def plan() -> Plan:
        if target.log.count("plan") + 1 == which:
            raise Pending("init")
        return target.plan()

    with pytest.raises(TaskError, match="after init is not"):
        converge("step", plan, check=False, hold=lambda: None, apply=lambda change: change.apply())


def test_a_step_that_does_not_apply_is_skipped_with_its_reason() -> None:
    plan = Plan(skipped=True, reason="no containers")
    result = converge("mount", lambda: plan, check=False, hold=lambda: None, apply=lambda change: None)
    assert (result.status, result.reason) == ("skipped", "no containers")


texts = st.none() | st.text(alphabet="ab \r\n\x0b\x85\u2028é", max_size=30)


@given(before=texts, after=texts)
def test_a_diff_is_empty_only_when_nothing_differs(before: str | None, after: str | None) -> None:
    assert bool(unified_diff("f", before, after)) == (before != after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "a\nb\n"),
        ("a\n", "a\nb\n"),
        ("a", "a\nb"),
        ("a\r\nb\r\n", "a\r\nx\r\nb\r\n"),
        ("a\n", None),
        ("one\x0btwo\u2028\n", "one\x0btwo\u2028\nthree\n"),
        (None, ""),
    ],
)
def test_git_applies_the_diff(tmp_path: Path, before: str | None, after: str | None) -> None:
    file = tmp_path / "some file.yml"
    if before is not None:
        file.write_bytes(before.encode())
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    diff = unified_diff(file.name, before, after).encode()
    subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], cwd=tmp_path, input=diff, check=True)
    assert (file.read_bytes().decode() if file.exists() else None) == after
