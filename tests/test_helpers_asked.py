"""When a credential helper is run, seen from whole command lines: once, before the lock is held, and for keys alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.world import state
from tests.project import Done, StandInAirflow, airflow, astro_project, embedded, run

__all__ = ["airflow", "astro_project", "embedded", "run"]


@pytest.fixture
def asked(astro_project: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The profile's keys come from a helper, which leaves a line here: whether the project's lock was held."""
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", "export")
    aws, found = closed_world / ".aws", closed_world / "asked"
    words = (aws / "credentials").read_text().split()
    answer = json.dumps({"Version": 1, "AccessKeyId": words[3], "SecretAccessKey": words[6]})
    script = closed_world / "helper.sh"
    lock = f"'{state.locate(astro_project)}.lock'"
    free = f"if [ ! -e {lock} ] || flock -n {lock} true; then echo free; else echo held; fi"
    script.write_text(f"{free} >> '{found}'\necho '{answer}'\n")
    (aws / "credentials").unlink()
    (aws / "config").write_text(f"[default]\nregion = eu-west-1\ncredential_process = sh '{script}'\n")
    return found


def test_one_command_line_asks_a_helper_once_and_before_it_takes_the_lock(
    asked: Path, airflow: StandInAirflow, run: Callable[..., Done], astro_project: Path
) -> None:
    assert run("setup", "--yes").code == 0
    assert asked.read_text() == "free\n"
    asked.unlink()
    (astro_project / ".env").write_text("")  # so that a step takes the lock while the identity is still known
    assert run("setup").code == 0
    assert asked.read_text() == "free\n"


def test_what_needs_no_key_runs_no_helper(asked: Path, airflow: StandInAirflow, run: Callable[..., Done]) -> None:
    run("creds", "init", "mount", "env", "provider", "dag", "start", "--yes")
    asked.unlink()
    for words in (["stop"], ["init-tasks"], ["init"], ["provider"], ["dag"], ["--version"], ["undo", "--yes"]):
        assert run(*words).code == 0, words
    assert not asked.exists()
