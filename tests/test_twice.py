"""`idempotence` runs `setup` twice, and `open` and the recap say where Airflow is."""

from __future__ import annotations

import contextlib
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import pytest

from aws_airflow_tasks.play import Play
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import cli
from tests.project import StandInAirflow, airflow, astro_project, embedded, run
from tests.test_setup import Run, project, secrets

__all__ = ["airflow", "astro_project", "embedded", "project", "run", "secrets"]

WHERE = {"url": "http://127.0.0.1:9", "user": "admin", "password_file": "/password.json"}


def test_a_second_setup_that_changes_nothing_is_ok(project: Path, run: Run) -> None:
    done = run("idempotence", "--json")
    assert (done.code, done.statuses()["idempotence"]) == (0, "ok")
    twice = [step["status"] for step in done.document["steps"] if step["step"] == "dag"]
    assert twice == ["changed", "ok"]


def test_a_step_that_changes_again_is_named_and_is_a_failure(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = Play.another

    @contextlib.contextmanager
    def disturbed(self: Play, settings: Settings) -> Iterator[Play]:
        (project / "dags" / "example_secrets_dag.py").unlink()
        with another(self, settings) as second:
            yield second

    monkeypatch.setattr(Play, "another", disturbed)
    done = run("idempotence")
    assert done.code == 1
    assert "the second run has changed dag again" in done.out


def test_check_mode_proves_nothing_and_says_so(project: Path, run: Run) -> None:
    done = run("idempotence", "--check", "--json")
    assert (done.code, done.statuses()["idempotence"]) == (3, "skipped")


@pytest.mark.parametrize("task", ["start", "setup"])
def test_a_start_ends_in_where_airflow_is_and_never_in_the_password(project: Path, run: Run, task: str) -> None:
    done = run(task)
    assert "Airflow 3: http://127.0.0.1:9   user admin, password in /password.json" in done.out
    again = run(task, "--json")
    assert again.document["airflow"] == WHERE
    assert "no-word-of-it" not in done.out + done.err + again.out + again.err


def test_check_mode_says_nowhere(project: Path, run: Run) -> None:
    assert "airflow" not in run("setup", "--check", "--json").document


@pytest.mark.parametrize(("somebody", "shown"), [(True, ["http://127.0.0.1:9"]), (False, [])])
def test_open_shows_airflow_where_somebody_sits_at_a_terminal_and_says_where_it_is(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, *, somebody: bool, shown: list[str]
) -> None:
    asked: list[str] = []
    assert run("start").code == 0
    monkeypatch.setattr(cli, "terminal", lambda: somebody)
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)  # type: ignore[func-returns-value]
    done = run("open")
    assert (done.code, asked) == (0, shown)
    assert "http://127.0.0.1:9" in done.out
    assert run("open", "--json").document["airflow"] == WHERE
    assert asked == shown


def test_open_says_how_to_start_what_does_not_run(project: Path, run: Run, airflow: StandInAirflow) -> None:
    done = run("open")
    assert done.code == 1
    assert "-> invoke start" in done.out


def test_where_airflow_is_stands_before_what_to_type_next_whatever_task_was_asked(project: Path, run: Run) -> None:
    lines = run("setup").out.splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["recap:", "Airflow", "next:"]
