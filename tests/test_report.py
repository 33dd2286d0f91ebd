"""How results look: rows whose columns hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aws_airflow_tasks import report
from aws_airflow_tasks.core import Check, Result, TaskError
from aws_airflow_tasks.text.layout import Layout


def test_services_that_say_the_same_are_counted_and_others_are_named() -> None:
    names = ("scheduler", "triggerer", "api-server")
    alike = [Check("mount", "ok", "read-only", service=name) for name in names]
    assert report.check_lines(alike) == f"ok       {'mount':<20} read-only (3 services)"
    other = alike[2]._replace(status="failed", hint="invoke start")
    lines = report.check_lines([*alike[:2], other]).splitlines()
    assert lines[0].endswith("read-only (scheduler, triggerer)")
    assert [line.split()[-1] for line in lines[1:]] == ["(api-server)", "start"]
    assert report.check_lines(alike[:1]).endswith("read-only (scheduler)")


def test_a_check_of_no_service_is_told_before_the_next_is_looked_for() -> None:
    told: list[str] = []

    def found() -> Iterator[Check]:
        yield Check("backend", "ok", service="scheduler")
        yield Check("backend", "ok", service="triggerer")
        yield Check("dag-run", "ok")
        assert told == ["backend", "dag-run"]
        yield Check("dag-run", "ok")

    for layer in report.layers(found()):
        told.append(layer[0].check)
    assert told == ["backend", "dag-run", "dag-run"]


@pytest.mark.parametrize("width", [None, 60, 80, 200])
def test_the_command_to_type_next_is_never_broken(width: int | None) -> None:
    command = f"aws sts get-caller-identity --profile {'x' * 30} --endpoint-url http://{'y' * 80}"
    failed = Result("env", "failed", error=TaskError("why " * 40, hint=command))
    shown = (
        report.result_lines(failed, Layout(width=width)),
        report.check_lines([Check("mount", "failed", "why " * 40, command)], Layout(width=width)),
        report.error_lines(TaskError("why " * 40, hint=command), Layout(width=width)),
    )
    assert [text.splitlines()[-1] for text in shown] == [f"-> {command}"] * 3


def test_a_warning_and_what_was_changed_before_a_failure_stand_in_the_columns_of_their_step() -> None:
    said = Result("secrets.sync", "ok", "here", "as wanted", warnings=("mind this",))
    first, second = report.result_lines(said, Layout(names=12)).splitlines()
    assert first.index("here") == second.index("mind") == 22
