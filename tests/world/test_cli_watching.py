"""Looking on while a command line runs."""

from __future__ import annotations

import sys

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import cli
from tests.world.server import REAL_SPAWN


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)


def python(script: str, **arguments: object) -> cli.Completed:
    return cli.run([sys.executable, "-c", script], **arguments)  # type: ignore[arg-type]


def test_what_is_called_meanwhile_costs_nothing_of_the_output() -> None:
    looks: list[int] = []
    script = "import sys, time\nprint(repr(sys.stdin.read()), 'x' * 200_000, flush=True)\ntime.sleep(0.5)\nprint('end')"
    done = python(script, timeout=600, tick=lambda: looks.append(1), every=0.1)
    assert (done.code, done.stdout.split()) == (0, ["''", "x" * 200_000, "end"])
    assert looks


def test_all_of_the_input_is_read_by_a_child_that_takes_its_time() -> None:
    script = "import sys, time\ntime.sleep(0.5)\nprint(len(sys.stdin.read()))"
    assert python(script, input="x" * 200_000, timeout=600).stdout.split() == ["200000"]


def test_an_error_of_the_look_ends_the_child_and_is_passed_on() -> None:
    def look() -> None:
        raise TaskError("the scheduler has crashed")

    with pytest.raises(TaskError, match="the scheduler has crashed"):
        python("import time; time.sleep(600)", timeout=600, tick=look, every=0.1)


def test_the_timeout_holds_while_somebody_looks_on() -> None:
    with pytest.raises(TaskError, match=r"did not end within 0\.5 seconds"):
        python("import time; time.sleep(600)", timeout=0.5, tick=lambda: None, every=0.1)
