"""Whatever is wrong with what a command line is given, it ends in words: a cause, what to type, and nothing touched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aws_airflow_tasks.world import state
from tests.bad_input import CASES, Case, World
from tests.project import StandInAirflow, airflow, astro_project, embedded, run, tree
from tests.test_setup import Run, project, secrets
from tests.world.front import front
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "embedded", "project", "run", "secrets"]
#: exit codes of a command line that failed
FAILED = (1, 2, 4)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.name}-{' '.join(case.line)[:40]}" for case in CASES])
def test_bad_input_ends_in_a_cause_and_a_command_and_no_file_is_touched(
    case: Case,
    project: Path,
    airflow: StandInAirflow,
    closed_world: Path,
    embedded: Embedded,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_WAIT", "1")
    (tmp_path / "bin").mkdir()
    if case.set_up:
        assert run("setup").code == 0
    if case.line[0] in ("mount", "provider"):
        airflow.mounts, airflow.name, airflow.reads = True, "docker", "compose"
        monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
        monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.url)
    with front(embedded.url) as before:
        case.put(World(project, closed_world, state.locate(project), tmp_path / "bin", before, monkeypatch))
        there = tree(project, closed_world / ".aws")
        done = run(*case.line)
    said = done.out + done.err
    assert (done.code, bool(re.search(case.says, said))) == (case.code, True), said
    assert "unexpected error" not in said
    assert done.code not in FAILED or re.search(r"(?m)^-> \S", said), said
    assert tree(project, closed_world / ".aws") == there
