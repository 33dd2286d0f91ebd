"""Which identity Airflow was handed, when and why, is written down before it has the keys, and told on demand."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError, UsageError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import staging
from aws_airflow_tasks.world import history, state
from aws_airflow_tasks.world.history import Handed
from tests.project import airflow, astro_project, embedded, run
from tests.steps.test_refresh import Clock, Helper, apply, clock, folder, helper, key, settings
from tests.test_setup import Run, project, secrets

__all__ = ["airflow", "astro_project", "clock", "embedded", "helper", "project", "run", "secrets", "settings"]

USER = "arn:aws:iam::123456789012:user/airflow-sandbox"


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", "export")


def test_creds_tells_who_was_staged_when_and_why_and_asks_nobody(
    exported: None, project: Path, closed_world: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("creds").code == 0
    assert run("creds").code == 0  # nothing is staged anew, and nothing is written
    assert run("refresh", "--force").code == 0
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", "http://127.0.0.1:9")
    done = run("creds", "--log", "--json")
    steps = done.document["steps"]
    assert [step["status"] for step in steps] == ["ok", "ok"]
    said = [step["reason"] for step in steps]
    assert said == [f"profile default, {USER}: nothing was staged before", f"profile default, {USER}: asked to"]
    assert abs(time.mktime(time.strptime(steps[0]["target"], "%Y-%m-%d %H:%M:%S")) - time.time()) < 3600
    keys = (closed_world / ".aws" / "credentials").read_text()
    secret = keys.split("aws_secret_access_key = ")[1].split()[0]
    written = state.locate(project) / history.NAME
    assert secret not in written.read_text()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_where_nothing_was_staged_that_is_told(project: Path, run: Run) -> None:
    done = run("creds", "--log")
    assert (done.code, "none were ever copied in this project" in done.out) == (0, True)
    assert not state.locate(project).exists()


def test_undo_takes_the_record_with_it(exported: None, project: Path, run: Run) -> None:
    run("creds")
    assert run("undo").code == 0
    assert "none were ever copied" in run("creds", "--log").out


def test_keys_that_are_renewed_are_those_of_before_and_what_aws_cannot_be_asked_is_not_made_up(
    settings: Settings, helper: Helper, clock: Clock
) -> None:
    helper.gives("ONE", 60)
    assert apply(settings)
    (first,) = history.read(folder(settings))
    assert first.expiry == pytest.approx(clock.now + 60 * 60, abs=1)
    assert first._replace(expiry=None) == Handed(clock.now, "default", "", None, "nothing was staged before")
    lines = folder(settings) / history.NAME
    lines.write_text(json.dumps(first._replace(arn=USER)._asdict()) + "\n")
    clock.now += 50 * 60
    helper.gives("TWO", 60)
    assert apply(settings)
    assert [(each.arn, each.why) for each in history.read(folder(settings))] == [
        (USER, "nothing was staged before"),
        (USER, "the staged credentials end soon"),
    ]


def test_what_cannot_be_written_down_is_not_staged(settings: Settings, helper: Helper) -> None:
    helper.gives("ONE", 60)
    (folder(settings) / history.NAME).symlink_to(settings.project / "elsewhere")
    with pytest.raises(TaskError, match="cannot write"):
        apply(settings)
    assert not (settings.project / "elsewhere").exists()
    with pytest.raises(FileNotFoundError):
        key(settings)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes are POSIX's")
def test_nothing_is_written_where_others_can_enter(settings: Settings) -> None:
    place = folder(settings)
    place.chmod(0o755)
    with pytest.raises(UsageError, match="is open to others"):
        history.write(place, Handed(1, "default", USER, None, "x"))
    assert not (place / history.NAME).exists()


def test_a_line_that_a_killed_run_left_half_is_none_and_the_older_half_goes_from_a_size_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = folder(settings)
    one = Handed(1, "default", USER, 2.5, "x" * 20)
    history.write(place, one)
    with (place / history.NAME).open("a") as file:
        file.write('{"at": 1, "pro\n[]\n7\n')
    history.write(place, one)
    assert history.read(place) == [one, one]
    monkeypatch.setattr(history, "LARGEST", 1_000)
    for number in range(50):
        history.write(place, one._replace(at=number))
    kept = [each.at for each in history.read(place)]
    assert kept == list(range(int(kept[0]), 50))
    assert 2 < len(kept) < 12


def test_in_check_mode_nothing_is_written(settings: Settings, helper: Helper) -> None:
    helper.gives("ONE", 60)
    assert staging.changes(Site(settings))
    assert history.read(folder(settings)) == []
