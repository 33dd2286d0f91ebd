"""Which mode the Astro CLI is told, where a configuration says standalone and Airflow is to run in Docker."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes import astro, dockerfile
from aws_airflow_tasks.runtimes.docker import Docker
from aws_airflow_tasks.runtimes.protocol import Service
from aws_airflow_tasks.world import cli, containers, docker_engine
from tests.world.server import REAL_SPAWN

STAND_IN = Path(__file__).parents[1] / "bin" / "astro"
NEW = "  --docker   Run Airflow in Docker\n  --no-proxy  x\n  --wait duration  x\n"
OLD = "  --no-proxy  x\n  --wait duration  x\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "project"
    (made / ".astro").mkdir(parents=True)
    (made / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    monkeypatch.setattr(docker_engine, "client", contextlib.nullcontext)
    monkeypatch.setattr(containers, "of_project", lambda *_: [])
    monkeypatch.setattr(containers, "left_behind", lambda *_: [])
    monkeypatch.setattr(Docker, "running", lambda self: (Service("scheduler", True),))
    monkeypatch.setattr(Docker, "made", lambda self: {"demo-scheduler-1": "running"})
    return made


@pytest.mark.parametrize(
    ("image", "labels", "expected"),
    [
        ("mirror.example/runtime@sha256:abc", {dockerfile.RUNTIME_LABEL: "13.2.0"}, 2),
        ("quay.io/astronomer/astro-runtime", {dockerfile.RUNTIME_LABEL: "3.1-12"}, 3),
        ("apache/airflow@sha256:abc", {dockerfile.AIRFLOW_LABEL: "2.11.0"}, 2),
        ("apache/airflow:latest", {dockerfile.AIRFLOW_LABEL: "3.1.0"}, 3),
        ("mirror.example/runtime@sha256:abc", {}, 3),
        ("quay.io/astronomer/astro-runtime:12.7.1", {dockerfile.RUNTIME_LABEL: "3.1-12"}, 2),
    ],
)
def test_an_image_tells_by_its_labels_what_a_name_without_a_version_can_only_suggest(
    image: str, labels: dict[str, str], expected: int, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "Dockerfile").write_text(f"FROM {image}\n")
    monkeypatch.setattr(containers, "image_labels", lambda client, name: labels)
    assert Docker(project, "/home/astro/.aws", tmp_path).major() == expected


def test_without_an_engine_a_name_is_taken_at_its_word_and_what_has_none_is_the_engines_error(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_engine() -> None:
        raise TaskError("no Docker engine answers")

    monkeypatch.setattr(docker_engine, "client", no_engine)
    (project / "Dockerfile").write_text("FROM mirror.example/runtime@sha256:abc\n")
    assert Docker(project, "/home/astro/.aws", tmp_path).major() == 3
    (project / "Dockerfile").write_text("FROM apache/airflow:latest\n")
    with pytest.raises(TaskError, match="no Docker engine answers"):
        Docker(project, "/home/astro/.aws", tmp_path).major()


def test_a_build_argument_without_a_default_is_the_cause_that_is_said(project: Path, tmp_path: Path) -> None:
    (project / "Dockerfile").write_text("ARG TAG\nFROM astrocrpublic.azurecr.io/runtime:${TAG}\n")
    with pytest.raises(TaskError, match="build argument without a default: TAG") as caught:
        Docker(project, "/home/astro/.aws", tmp_path).major()
    assert "ARG TAG=3.1-12" in caught.value.hint


def asked(monkeypatch: pytest.MonkeyPatch, help_text: str) -> list[str]:
    """The commands that a CLI with this help is given, all of which fail."""
    commands: list[str] = []

    def run(argv: Sequence[str], **_: Any) -> cli.Completed:
        if argv[-1] == "--help":
            return cli.Completed(0, help_text, "")
        commands.append(" ".join(argv))
        return cli.Completed(1, "", "Error: whatever")

    monkeypatch.setattr(cli, "run", run)
    astro.knows.cache_clear()
    return commands


def all_three(runtime: Docker, monkeypatch: pytest.MonkeyPatch) -> list[TaskError]:
    """Start, restart by either command, and stop; the errors of those that can fail."""
    caught = []
    for restart, in_place in ((False, True), (True, True), (True, False)):
        monkeypatch.setattr(Docker, "_ports_in_place", lambda self, here=in_place: here)
        with pytest.raises(TaskError, match="whatever") as error:
            runtime.start({}, restart=restart, wait=7)
        caught.append(error.value)
    runtime.stop()
    return caught


@pytest.mark.parametrize("whose", ["the project's", "the person's"])
def test_where_a_configuration_says_standalone_the_cli_is_told_docker_each_time(
    whose: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = project if whose == "the project's" else tmp_path / "astro home"
    monkeypatch.setenv("ASTRO_HOME", str(tmp_path / "astro home"))
    (home / ".astro").mkdir(parents=True, exist_ok=True)
    (home / ".astro" / "config.yaml").write_text("dev:\n  mode: standalone\n")
    commands = asked(monkeypatch, NEW)
    errors = all_three(Docker(project, "/aws", tmp_path), monkeypatch)
    assert commands == [
        "astro dev start --docker --no-browser --wait 7s",
        "astro dev start --docker --no-browser --no-proxy --wait 7s",
        "astro dev restart --docker --wait 7s",
        "astro dev stop --docker",
    ]
    hints = [error.hint for error in errors]
    assert hints == ["astro dev start --docker", "astro dev start --docker", "astro dev restart --docker"]


@pytest.mark.parametrize(
    ("mode", "help_text"),
    [("docker", NEW), ("", NEW), ("standalone", OLD)],
    ids=["of docker mode", "of no mode", "a CLI that has no such mode"],
)
def test_elsewhere_it_is_told_nothing(
    mode: str, help_text: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".astro" / "config.yaml").write_text(f"dev:\n  mode: {mode}\n")
    commands = asked(monkeypatch, help_text)
    all_three(Docker(project, "/aws", tmp_path), monkeypatch)
    assert len(commands) == 4
    assert not [command for command in commands if "--docker" in command]


def test_the_stand_in_takes_the_flag_and_leaves_the_standalone_airflow_alone(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".astro" / "config.yaml").write_text("dev:\n  mode: standalone\n")
    (project / ".astro" / "standalone").mkdir()
    pid = project / ".astro" / "standalone" / "airflow.pid"
    pid.write_text("999999999\n")
    program = tmp_path / "bin" / "astro"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    astro.knows.cache_clear()
    Docker(project, "/aws", tmp_path).stop()  # there is no engine: the CLI says so, and nothing of ours is stopped
    assert pid.exists()


def test_the_log_command_that_the_api_hints_at_is_of_that_mode_too(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".astro" / "config.yaml").write_text("dev:\n  mode: standalone\n")
    asked(monkeypatch, NEW)
    monkeypatch.setattr(Docker, "_one", lambda *_: None)
    monkeypatch.setattr(containers, "published_port", lambda *_: 8081)
    assert Docker(project, "/aws", tmp_path).login().logs == "astro dev logs --docker"
