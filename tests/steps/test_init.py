"""Making an Astro project with the CLI that is there, old or new, and taking back what it made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import init
from aws_airflow_tasks.world import cli, receipts
from aws_airflow_tasks.world import state as states
from tests.project import Done, airflow, run, tree
from tests.world.server import REAL_SPAWN

__all__ = ["airflow", "run"]

MAKES = 'mkdir -p .astro dags include && echo "project: {}" >.astro/config.yaml && echo "FROM x" >Dockerfile && : >.env'
Run = Callable[..., Done]
Astro = Callable[[str], None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my airflow"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def astro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Astro:
    """Puts an `astro` on the PATH that runs this shell script."""
    program = tmp_path / "bin" / "astro"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)

    def made(script: str) -> None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return made


@pytest.mark.parametrize(
    "script",
    [
        f'[ "$*" = "dev init --force" ] && {MAKES}',
        f'[ "$3" != --force ] || exit 1; read answer; [ "$answer" = y ] && {MAKES}',
        f"{MAKES}; echo 'Error: telemetry could not be sent' >&2; exit 1",
    ],
    ids=["knows --force", "asks instead", "fails but has made it"],
)
def test_a_project_is_made_by_any_cli_found_the_next_time_and_taken_back(
    folder: Path, astro: Astro, run: Run, script: str
) -> None:
    astro(script)
    assert run("init", "--check").code == 3
    assert not list(folder.iterdir())
    assert run("init", "--json").statuses() == {"init": "changed"}
    assert (folder / "Dockerfile").read_text() == "FROM x\n"
    assert run("init", "--json").statuses() == {"init": "ok"}
    assert run("undo").code == 0
    assert not list(folder.iterdir())


def test_a_directory_with_something_in_it_is_asked_about_and_yes_keeps_what_was_there(
    folder: Path, astro: Astro, run: Run
) -> None:
    astro(MAKES)
    (folder / "mine.txt").write_text("mine\n")
    before = tree(folder)
    asked = run("init")
    assert (asked.code, "--yes" in asked.out) == (1, True)
    assert tree(folder) == before
    assert run("init", "--yes").code == 0
    assert run("undo").code == 0
    assert tree(folder) == before


@pytest.mark.parametrize("task", ["init", "init-tasks", "dag"])
def test_a_directory_that_is_not_there_is_asked_about_and_yes_makes_it(
    task: str, folder: Path, astro: Astro, run: Run
) -> None:
    astro(MAKES)
    asked = run(task, "--project", "a typo")
    assert (asked.code, "There is no" in asked.out, "--yes" in asked.out) == (1, True, True)
    assert not (folder / "a typo").exists()
    assert run(task, "--project", "a typo", "--yes").code == 0
    assert (folder / "a typo" / ("tasks.py" if task == "init-tasks" else "Dockerfile")).exists()


@pytest.mark.parametrize(("inside", "stays"), [(False, False), (True, True)])
def test_a_directory_that_was_made_for_the_project_is_gone_too_but_not_from_under_the_person(
    inside: bool, stays: bool, folder: Path, astro: Astro, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    astro(MAKES)
    assert run("init", "--project", "new", "--yes").code == 0
    if inside:
        monkeypatch.chdir(folder / "new")
    assert run("undo", "--project", str(folder / "new")).code == 0
    assert (folder / "new").exists() == stays
    assert not tree(folder / "new")
    assert run("undo", "--project", str(folder / "new")).code == 0


def test_a_directory_that_is_not_there_is_named_where_astro_is_not_either(
    folder: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    done = run("init", "--project", "a typo")
    assert f"there is no {folder / 'a typo'}, and `astro` is not installed" in done.out


def test_what_was_changed_since_is_the_persons_own_and_stays(folder: Path, astro: Astro, run: Run) -> None:
    astro(MAKES)
    run("init")
    (folder / "Dockerfile").write_text("FROM y\n")
    (folder / "include" / "query.sql").write_text("select 1\n")
    assert run("undo").code == 0
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["Dockerfile", "query.sql"]


def test_a_cli_that_makes_nothing_is_an_error_with_its_own_words(folder: Path, astro: Astro, run: Run) -> None:
    astro("echo 'Error: something is wrong' >&2; exit 1")
    done = run("init")
    assert done.code == 1
    assert "made no project: Error: something is wrong" in done.out
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "said",
    [
        'failed to get Astro Runtime tag: Get "https://updates.astronomer.io/astronomer-runtime": EOF',
        "Get https://example.org: dial tcp: lookup example.org on 127.0.0.53:53: no such host",
        "dial tcp: lookup example.org: Temporary failure in name resolution",
        "dial tcp: lookup example.org: server misbehaving",
        "dial tcp 192.0.2.1:443: connect: network is unreachable",
    ],
)
def test_a_cli_without_a_network_hints_at_the_command_that_needs_none(
    said: str, folder: Path, astro: Astro, run: Run
) -> None:
    astro(f"echo 'Error: {said}' >&2; exit 1")
    done = run("init", "--json")
    (step,) = done.document["steps"]
    assert step["error"]["message"] == f"`astro dev init` made no project: Error: {said}"
    assert step["error"]["hint"].startswith("astro dev init --runtime-version 3.1-12")


def test_what_an_interrupted_cli_had_made_is_remembered(
    folder: Path, astro: Astro, monkeypatch: pytest.MonkeyPatch
) -> None:
    astro("")
    state = states.make(folder)

    def interrupted(*_: object, **__: object) -> None:
        (folder / "Dockerfile").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    (change,) = init.plan(Site(Settings(project=folder))).needed
    with pytest.raises(KeyboardInterrupt):
        change.apply()
    (receipt,) = receipts.load(state)
    assert list(receipt.content["made"]) == ["Dockerfile"]


def test_a_file_is_no_place_for_a_project(folder: Path, astro: Astro) -> None:
    astro(MAKES)
    (folder / "file").write_text("")
    with pytest.raises(TaskError, match="is not a directory") as caught:
        init.plan(Site(Settings(project=folder / "file")))
    assert caught.value.hint == sh("invoke init --project {}", folder)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no directory is known here in which nobody can make one")
def test_a_directory_that_cannot_be_made_is_said_with_what_is_there_of_it(folder: Path, astro: Astro) -> None:
    astro(MAKES)
    (change,) = init.plan(Site(Settings(project=Path("/proc/new/project")))).needed
    with pytest.raises(TaskError, match="cannot make /proc/new/project: No such file or directory") as caught:
        change.apply()
    assert caught.value.hint == "ls -ld /proc"
