"""Whose a heartbeat is that Airflow reports: the container's that runs, or the one's before it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from aws_airflow_tasks.runtimes import docker, watching
from aws_airflow_tasks.runtimes.docker import Docker
from aws_airflow_tasks.runtimes.protocol import Ailing, Service
from aws_airflow_tasks.world import cli, containers, docker_engine


@pytest.mark.parametrize(
    ("beat", "healthy"),
    [("2026-11-24T10:00:00.100000+00:00", False), ("2026-11-24T10:00:00.900000+00:00", True)],
    ids=["of the container before", "of this one"],
)
def test_a_heartbeat_of_the_second_in_which_a_container_started_is_told_by_its_fraction(
    beat: str, healthy: bool, tmp_path: Path
) -> None:
    state = {"StartedAt": "2026-11-24T10:00:00.512345678Z", "Running": True, "Status": "running"}
    container: Any = type("Container", (), {
        "id": "1", "attrs": {"State": state, "Config": {}}, "labels": {containers.SERVICE: "scheduler"},
    })()  # fmt: skip
    said = {"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": beat}}
    assert Docker(tmp_path, "/aws", tmp_path)._service(container, (3, said)).healthy is healthy


def test_containers_that_are_only_slow_are_waited_for_without_the_cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    looks = iter([False, False, True])

    def running(runtime: Docker) -> tuple[Service, ...]:
        healthy = next(looks)
        return tuple(Service(name, healthy or name != "triggerer") for name in runtime.services())

    monkeypatch.setattr(docker_engine, "client", contextlib.nullcontext)
    monkeypatch.setattr(containers, "of_project", lambda *_: [])
    monkeypatch.setattr(cli, "run", forbidden)
    monkeypatch.setattr(Docker, "running", running)
    monkeypatch.setattr(docker, "PAUSE", 0.01)
    Docker(tmp_path, "/aws", tmp_path).await_healthy({}, wait=60)
    assert next(looks, None) is None


def forbidden(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing is started")


@pytest.mark.parametrize(("count", "crashes"), [(0, False), (4, False), (5, True)])
def test_a_container_that_the_engine_starts_again_and_again_crashes(count: int, crashes: bool, tmp_path: Path) -> None:
    """A few times is how Airflow 2's services wait for their database."""
    state = {"StartedAt": "2026-11-24T10:00:00.5Z", "Running": True, "Restarting": True, "Status": "restarting"}
    container: Any = type("Container", (), {
        "id": "1", "attrs": {"State": state, "Config": {}, "RestartCount": count},
        "labels": {containers.SERVICE: "scheduler"},
    })()  # fmt: skip
    assert Docker(tmp_path, "/aws", tmp_path)._service(container, (3, {})).crashes is crashes


def box(name: str, status: str = "running", networks: Any = None, **state: Any) -> Any:
    """A container as the engine describes it."""
    restarts = state.pop("RestartCount", 0)
    attrs = {
        "State": {"Status": status, **state},
        "RestartCount": restarts,
        "NetworkSettings": {"Networks": networks or {"airflow": {}}},
    }
    if networks == {}:
        attrs["NetworkSettings"] = {"Networks": {}}
    labels = {containers.SERVICE: name}
    return type("Container", (), {"attrs": attrs, "labels": labels, "status": status})()


@pytest.mark.parametrize(
    ("found", "how", "by_itself"),
    [
        (box("scheduler", "paused", Paused=True), "its container is paused", False),
        (box("scheduler", "exited", ExitCode=137), "its container was killed", False),
        (
            box("scheduler", "exited", ExitCode=137, OOMKilled=True),
            "its container was killed, as it took more memory than there is",
            False,
        ),
        (box("scheduler", "exited", ExitCode=3), "its container ended with exit code 3", True),
        (box("scheduler", "created"), "its container was never started", False),
        (box("scheduler", networks={}), "its container is in no network", False),
        (None, "it has no container", False),
    ],
)
def test_why_waiting_for_a_container_is_in_vain_is_told_of_services_and_their_database(
    found: Any, how: str, by_itself: bool
) -> None:
    others = [box("triggerer"), box("postgres"), box("db-migration", "exited", ExitCode=0)]
    here = [*others, found] if found else others
    assert watching.ailing(here, ["scheduler", "triggerer"], {}) == (Ailing("scheduler", how, by_itself),)
    stopped = [box("postgres", "exited", ExitCode=0), box("scheduler"), box("triggerer", RestartCount=5)]
    database, crashing = watching.ailing(stopped, ["scheduler", "triggerer"], {})
    assert database == Ailing("postgres", "its container ended with exit code 0", by_itself=True)
    assert crashing == Ailing("triggerer", "its container ends again and again", by_itself=True)


def test_of_a_project_without_containers_nothing_ails() -> None:
    assert watching.ailing([], ["scheduler"], {}) == ()


@pytest.mark.parametrize(
    ("beat", "hangs"),
    [
        (timedelta(minutes=3), True),
        (timedelta(minutes=1), False),
        (timedelta(minutes=9), False),
    ],
    ids=["of long ago", "slow", "of the container before"],
)
def test_a_service_whose_heartbeat_has_stopped_hangs_and_makes_room(beat: timedelta, hangs: bool) -> None:
    """One that has had none since it was started is coming up."""
    now = datetime.now(UTC)
    started = (now - timedelta(minutes=5)).isoformat()
    found = [box("postgres"), box("scheduler", StartedAt=started)]
    health = {"scheduler": {"status": "unhealthy", "latest_scheduler_heartbeat": (now - beat).isoformat()}}
    told = [each.how.partition(":")[0] for each in watching.ailing(found, ["scheduler"], health)]
    assert told == ["it hangs"] * hangs
    for each in found:
        each.remove = Mock()
    watching.unstick(found, health)
    assert [each.remove.called for each in found] == [False, hangs]
