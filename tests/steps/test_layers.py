"""Findings end at the first cause: what needs a layer that failed is skipped, once, and whatever needs none goes on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.core import Check, Result, TaskError
from aws_airflow_tasks.menu.project import verify
from aws_airflow_tasks.steps.layers import LAYERS, NEEDS, OF_STEPS, UNCHECKED, cause, ended, unproved
from aws_airflow_tasks.tasks import ordered
from aws_airflow_tasks.world.causes import Subject, Unreachable, explain
from tests.steps.raised import refused

SERVICES = ("scheduler", "triggerer")
SEEN_INSIDE = LAYERS[LAYERS.index("mount") : LAYERS.index("backend")]


def found(*failed: str) -> list[Check]:
    """A finding of every layer, and of each service where it is seen inside."""
    return [
        Check(layer, "failed" if layer in failed else "ok", f"{layer} said", "a command", service)
        for layer in LAYERS
        for service in (SERVICES if layer in SEEN_INSIDE else ("",))
    ]


def skipped(checks: Sequence[Check]) -> dict[str, str]:
    return {check.check: check.detail for check in checks if check.status == "skipped"}


def test_where_nothing_failed_every_finding_is_told_as_it_is() -> None:
    assert list(ended(found())) == found()


@pytest.mark.parametrize(
    ("failed", "without"),
    [
        ("identity-in-service", ("raw-secret", "backend", "hook-identity", "dag-run")),
        ("raw-secret", ("backend", "dag-run")),
        ("files-readable", ("identity-in-service", "raw-secret", "backend", "hook-identity", "dag-run")),
        ("backend", ("dag-run",)),
        ("provider", LAYERS[LAYERS.index("runtime-healthy") :]),
        ("host-identity", tuple(layer for layer in LAYERS[1:] if layer not in ("provider", "runtime-healthy"))),
        ("files-converged", ()),
        ("hook-identity", ()),
        ("dag-run", ()),
    ],
)
def test_what_needs_a_layer_that_failed_is_skipped_once_and_names_it(failed: str, without: Sequence[str]) -> None:
    told = list(ended(found(failed)))
    assert [check for check in told if check.status == "skipped"] == [
        Check(layer, "skipped", f"{failed} failed") for layer in without
    ]
    assert [check for check in told if check.status != "skipped"] == [
        check for check in found(failed) if check.check not in without
    ]


def test_what_was_not_looked_at_is_skipped_where_it_stands() -> None:
    told = list(ended([Check("host-identity", "failed"), Check("provider", "ok"), Check("runtime-healthy", "ok")]))
    assert [check.check for check in told] == list(LAYERS)
    assert skipped(told) == {
        layer: "host-identity failed" for layer in LAYERS if layer not in LAYERS[0:4:2] + LAYERS[3:4]
    }


def test_a_value_that_this_host_cannot_read_is_told_first_and_not_again_for_each_service() -> None:
    told = list(ended([Check("raw-secret", "failed", "denied"), *found()]))
    assert told[0] == Check("raw-secret", "failed", "denied")
    assert skipped(told) == {"backend": "raw-secret failed", "dag-run": "raw-secret failed"}


def test_of_two_faults_the_first_is_told_and_after_its_mending_the_second() -> None:
    both = list(ended(found("mount", "backend")))
    assert [check.check for check in both if check.status == "failed"] == ["mount"] * len(SERVICES)
    assert skipped(both)["dag-run"] == "mount failed"
    assert [check.check for check in ended(found("backend")) if check.status == "failed"] == ["backend"]


@given(st.sets(st.sampled_from(LAYERS)))
def test_every_layer_is_told_in_its_order_and_a_failure_never_under_one_that_it_needs(failed: set[str]) -> None:
    told = list(ended(found(*failed)))
    assert list(dict.fromkeys(check.check for check in told)) == list(LAYERS)
    said = {check.check for check in told if check.status == "failed"}
    assert not [layer for layer in said if cause(layer, said)]
    assert min(failed, key=LAYERS.index, default="") == min(said, key=LAYERS.index, default="")


def test_a_layer_needs_only_what_stands_before_it() -> None:
    for layer, needs in NEEDS.items():
        assert all(LAYERS.index(each) < LAYERS.index(layer) for each in needs), layer


def before_the_proof(step: str, error: TaskError | None = None, *warnings: str) -> list[Result]:
    """The results of a command line whose proof had no turn, as a step failed."""
    known = Result("creds", "ok", warnings=warnings)
    failed = Result(step, "failed", error=error or TaskError("why", hint="a command"))
    return [known, failed, Result("verify", "skipped", reason=f"{step} failed")]


@pytest.mark.parametrize("step", OF_STEPS)
def test_a_step_that_fails_before_the_proof_is_told_as_the_layer_that_proves_it(step: str) -> None:
    first, *others = unproved(before_the_proof(step))
    assert first == Check(OF_STEPS[step], "failed", "why", "a command")
    assert {check.detail for check in others} <= {f"{OF_STEPS[step]} failed"}


def test_every_step_before_the_proof_has_its_layer() -> None:
    assert {task.name for task in ordered(verify.pre)} == OF_STEPS.keys()


def test_where_nothing_tells_who_we_are_the_step_that_fails_of_it_is_no_other_layer() -> None:
    warned = f"AWS cannot be reached: no answer from https://sts; {UNCHECKED}"
    silent, denied = Unreachable("AWS has trouble of its own"), TaskError("not allowed")
    assert unproved(before_the_proof("secrets", silent, warned))[0].check == "host-identity"
    assert unproved(before_the_proof("secrets", denied, warned))[0].check == "raw-secret"
    assert unproved(before_the_proof("secrets", silent))[0].check == "raw-secret", "it is known who we are"


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "RequestExpired"])
def test_keys_that_are_refused_since_creds_asked_are_no_matter_of_a_secret(code: str) -> None:
    error = explain(refused(code, operation="DescribeSecret"), Subject("default"))
    assert unproved(before_the_proof("secrets", error))[0].check == "host-identity"


def test_a_proof_that_was_left_out_as_asked_or_that_nobody_wanted_says_nothing() -> None:
    assert unproved([Result("verify", "skipped", reason="check mode")]) == []
    assert unproved(before_the_proof("creds")[:-1]) == []
