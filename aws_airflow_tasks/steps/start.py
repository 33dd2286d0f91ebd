"""Airflow runs, healthy, with exactly this environment; it is (re)started only when it does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Change, Pending, Plan
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.runtimes import Runtime, Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps.env import ENV
from aws_airflow_tasks.world import files as world

#: variables that make a difference even when ``.env`` no longer has them
OURS = ("AWS_", "AIRFLOW__SECRETS__")


def plan(settings: Settings, state: Path) -> Plan:
    """Start, restart, or nothing; what differs is named service by service, never with a value."""
    runtime = runtimes.choose(settings, state)
    environment = read_environment(settings.project, runtime)
    running = runtime.running()
    differences = _differences(runtime, running, environment)
    if not differences:
        return Plan(target="Airflow", reason=f"healthy: {', '.join(service.name for service in running)}")
    change = Change(
        target="Airflow",
        action="restart" if running else "start",
        before="\n".join(differences) + "\n",
        after="".join(f"{name}: healthy, environment as in {ENV}\n" for name in runtime.services()),
        apply=lambda: runtime.start(environment, restart=bool(running), wait=settings.wait),
        receipt=None if running else {"kind": "runtime", "runtime": runtime.name},
        reason="; ".join(differences),
    )
    return Plan((change,))


def stop(settings: Settings, state: Path) -> Plan:
    """Airflow is stopped."""
    runtime = runtimes.choose(settings, state)
    running = runtime.running()
    change = Change(
        target="Airflow",
        action="stop",
        before="".join(f"{service.name}: running\n" for service in running) or None,
        after=None,
        apply=runtime.stop,
    )
    return Plan((change,), target="Airflow", reason="" if running else "not running")


def read_environment(project: Path, runtime: Runtime) -> dict[str, str]:
    """``.env`` as this runtime's reader sees it.

    Raises:
        Pending: there is no ``.env`` yet.
    """
    data = world.read(project / ENV)
    if data is None:
        raise Pending("env")
    return dotenv.read(data, "compose" if runtime.mounts else "standalone")


def _differences(runtime: Runtime, running: tuple[Service, ...], environment: Mapping[str, str]) -> list[str]:
    if not running:
        return ["not running"]
    found = {service.name: service for service in running}
    return [
        f"{name}: {difference}"
        for name in runtime.services()
        if (difference := _difference(found.get(name), environment))
    ]


def _difference(service: Service | None, environment: Mapping[str, str]) -> str:
    if service is None:
        return "not running"
    if not service.healthy:
        return "not healthy"
    names = environment.keys() | {name for name in service.environment if name.startswith(OURS)}
    differing = sorted(name for name in names if service.environment.get(name) != environment.get(name))
    return f"{', '.join(differing)} not as in {ENV}" if differing else ""
