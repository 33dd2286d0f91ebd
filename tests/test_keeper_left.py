"""The keeper over whole command lines: `setup` leaves one, and nothing of ours runs after `stop` or `undo`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from aws_airflow_tasks.world import keeper, processes, state
from tests.project import StandInAirflow, airflow, astro_project, embedded, run
from tests.test_setup import Run
from tests.world.server import Embedded
from tests.world.sso_server import assumed, role

__all__ = ["airflow", "astro_project", "embedded", "run"]

START = keeper.start


@pytest.fixture
def project(
    astro_project: Path,
    airflow: StandInAirflow,
    embedded: Embedded,
    closed_world: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """A project of somebody at their own desk whose keys end within the hour; its keeper ends with the test."""
    keys: dict[str, Any] = assumed(embedded, role(embedded, "kept"))
    answer = {"Version": 1, **{name: keys[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}}
    script = closed_world / "helper.py"
    script.write_text(f"print({json.dumps(answer | {'Expiration': keys['Expiration'].isoformat()})!r})")
    command = shlex.join([sys.executable, str(script)])
    (closed_world / ".aws" / "config").write_text(f"[default]\nregion = eu-west-1\ncredential_process = {command}\n")
    (closed_world / ".aws" / "credentials").unlink()
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_KEEP_FRESH", "auto")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", "export")
    monkeypatch.setattr(keeper, "start", START)
    yield astro_project
    keeper.stop(state.locate(astro_project))


def kept(project: Path) -> int:
    """The pid of the project's keeper."""
    found = keeper.running(state.locate(project))
    assert found is not None
    return found.pid


def test_setup_leaves_a_keeper_a_second_one_changes_nothing_and_stop_ends_it(project: Path, run: Run) -> None:
    assert run("setup", "--check").code == 3
    assert keeper.running(state.locate(project)) is None
    done = run("setup", "--json")
    start = next(step for step in done.document["steps"] if step["step"] == "start")
    assert [change["target"] for change in start["changes"]] == ["Airflow", "credentials keeper"]
    pid = kept(project)
    assert run("setup", "--json").document["recap"]["changed"] == 0
    assert kept(project) == pid
    assert run("stop").code == 0
    assert not processes.lives(pid)
    assert list(processes.marked(keeper.MARK, str(state.locate(project)))) == []


def test_undo_ends_the_keeper_and_leaves_nothing_of_it(project: Path, run: Run) -> None:
    assert run("start").code == 0
    pid = kept(project)
    assert run("undo").code == 0
    assert not processes.lives(pid)
    assert not state.locate(project).exists()


def test_a_keeper_that_was_killed_is_left_anew_by_the_next_start(project: Path, run: Run) -> None:
    assert run("start").code == 0
    killed = psutil.Process(kept(project))
    killed.kill()
    killed.wait(60)
    done = run("setup", "--json")
    assert (done.statuses()["start"], done.statuses()["creds"]) == ("changed", "ok")
    assert kept(project) != killed.pid


def test_switched_off_the_next_start_ends_it(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("start").code == 0
    pid = kept(project)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_KEEP_FRESH", "off")
    assert run("start", "--json").statuses()["start"] == "changed"
    assert not processes.lives(pid)
