"""The flow of one step: facts, plan, apply, plan again as proof; and of many targets, each of them by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pytest

from aws_airflow_tasks.convergence import converge, converge_each
from aws_airflow_tasks.core import Change, Pending, Plan, Result, TaskError


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
    assert result.done == ("would patch: it differs",)
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
    with pytest.raises(TaskError, match="`init` makes"):
        converge("mount", pending, check=False, hold=lambda: None, apply=lambda change: None)


@pytest.mark.parametrize("which", [2, 3], ids=["after the lock", "as proof"])
def test_a_fact_that_goes_missing_while_the_step_runs_is_an_error_too(which: int) -> None:
    target = Target("other")

    def plan() -> Plan:
        if target.log.count("plan") + 1 == which:
            raise Pending("init")
        return target.plan()

    with pytest.raises(TaskError, match="`init` makes, which is not there"):
        converge("step", plan, check=False, hold=lambda: None, apply=lambda change: change.apply())


def test_a_step_that_does_not_apply_is_skipped_with_its_reason() -> None:
    plan = Plan(skipped=True, reason="no containers")
    result = converge("mount", lambda: plan, check=False, hold=lambda: None, apply=lambda change: None)
    assert (result.status, result.reason) == ("skipped", "not needed here: no containers")


def test_the_result_names_the_step_what_changed_and_each_reason_once_and_keeps_the_warnings() -> None:
    made: list[str] = []

    def plan() -> Plan:
        apply = lambda name: lambda: made.append(name)  # noqa: E731
        changes = [
            Change(name, "patch", "x" if name in made else None, "x", apply(name), reason=reason)
            for name, reason in (("a", "it differs"), ("b", "it differs"), ("c", ""), ("d", "it is gone"))
        ]
        return Plan(tuple(changes), "the plan's own", "as wanted", warnings=("mind the gap",))

    arguments = {"check": False, "hold": lambda: None, "apply": lambda change: change.apply()}
    first = converge("step", plan, **arguments)
    assert first[:4] == ("step", "changed", "a, b, c, d", "it differs; it is gone")
    assert first.done == ("patched (it differs)", "patched (it differs)", "patched", "patched (it is gone)")
    assert ([change.target for change in first.changes], first.warnings) == (["a", "b", "c", "d"], ("mind the gap",))
    assert converge("step", plan, **arguments)[:6] == ("step", "ok", "the plan's own", "as wanted", (), first.warnings)
    assert converge("step", pending, **arguments | {"check": True})[:4] == ("step", "changed", "", "known after init")


def test_what_still_differs_is_told_by_its_reason_else_by_its_action_with_the_command_that_shows_it() -> None:
    for reason, said in (("it differs", "it differs"), ("", "patch")):
        change = Change("t", "patch", "a", "b", lambda: None, reason=reason)
        with pytest.raises(TaskError, match=f"yet still differs: {said}$") as caught:
            converge("s", lambda: Plan((change,)), check=False, hold=lambda: None, apply=lambda change: None)  # noqa: B023
        assert caught.value.hint.endswith("status --diff")


# -- many targets -------------------------------------------------------------------------------------------


class Targets:
    """Targets of which each is ``"there"`` until it is taken back, fails with the error given, or is gone already."""

    def __init__(self, **values: TaskError | str | None) -> None:
        self.values = values
        self.log: list[str] = []
        self.left: TaskError | None = None

    def plans(self) -> Mapping[str, Callable[[], Plan]]:
        self.log.append("plans")
        return {name: lambda name=name: self.plan(name) for name, value in self.values.items() if value}  # type: ignore[misc]

    def plan(self, name: str) -> Plan:
        value = self.values[name]
        if isinstance(value, TaskError):
            raise value
        change = Change(name, "delete", value, None, lambda: self.gone(name), reason="it was ours")
        return Plan((change,), name, warnings=("all of them say so", f"{name} says so"))

    def gone(self, name: str) -> None:
        self.log.append(name)
        self.values[name] = None

    def rest(self, done: Collection[str]) -> Plan:
        self.log.append(f"rest after {sorted(done)}")
        if self.left:
            raise self.left
        return Plan(target="the project", reason="nothing is left")

    def converge(self, *, check: bool = False) -> Result:
        return converge_each(
            "undo",
            self.plans,
            self.rest,
            check=check,
            hold=lambda: self.log.append("hold"),
            apply=lambda change: change.apply(),
        )


def test_each_target_is_taken_back_in_its_order_under_the_lock_and_then_the_rest() -> None:
    targets = Targets(a="there", b="there")
    result = targets.converge()
    assert targets.log[:3] == ["plans", "hold", "plans"]
    assert [entry for entry in targets.log if entry in "ab"] == ["a", "b"]
    assert targets.log[-1] == "rest after ['a', 'b']"
    assert (result.step, result.status, result.target, result.reason) == (
        "undo",
        "changed",
        "a, b",
        "it was ours",
    )
    assert [change.target for change in result.changes] == ["a", "b"]
    assert result.warnings == ("all of them say so", "a says so", "b says so")
    assert result.error is None


def test_where_there_is_no_target_the_rest_alone_is_planned_and_no_lock_is_taken_for_it() -> None:
    targets = Targets()
    result = targets.converge()
    assert targets.log == ["plans", "plans", "rest after []"]
    assert (result.status, result.target, result.reason) == ("ok", "the project", "nothing is left")


def test_targets_that_are_gone_leave_the_word_to_the_rest() -> None:
    targets = Targets(a="there")
    targets.plan = lambda name: Plan(target="a", reason="it is gone")  # type: ignore[method-assign]
    assert targets.converge()[:5] == ("undo", "ok", "the project", "nothing is left", ())


def test_in_check_mode_every_target_is_told_and_none_is_locked_or_taken_back() -> None:
    targets = Targets(a="there", b="there")
    result = targets.converge(check=True)
    assert targets.log == ["plans", "plans", "rest after ['a', 'b']"]
    assert (result.status, [change.target for change in result.changes]) == ("changed", ["a", "b"])


def test_a_target_that_fails_keeps_no_other_from_its_end_and_the_rest_is_told_which_are_done() -> None:
    targets = Targets(a="there", b=TaskError("no luck", hint="try again"), c="there")
    result = targets.converge()
    assert targets.values["a"] is targets.values["c"] is None
    assert targets.log[-1] == "rest after ['a', 'c']"
    assert (result.status, result.target) == ("failed", "a, c")
    assert result.error is not None
    assert (result.error.message, result.error.hint) == ("b: no luck", "try again")


def test_each_of_several_that_fail_is_named_with_what_to_do_about_it() -> None:
    targets = Targets(a=TaskError("no luck", hint="try\nagain"))
    targets.left = TaskError("the disk is full", hint="df")
    error = targets.converge().error
    assert error is not None
    assert error.message == "a: no luck; the disk is full"
    assert error.hint == "# a\ntry\nagain\n# the rest\ndf"
