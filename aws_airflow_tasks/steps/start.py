"""Airflow runs, healthy, with exactly this environment; it is (re)started only when it does not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Change, Pending, Plan
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.runtimes import Runtime, Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import creds
from aws_airflow_tasks.steps.env import ENV
from aws_airflow_tasks.world import files as world

#: variables that make a difference even when ``.env`` no longer has them
OURS = ("AWS_", "AIRFLOW__SECRETS__")


def plan(settings: Settings, state: Path) -> Plan:
    """Start, restart, or nothing; what differs is named service by service, never with a value."""
    runtime = runtimes.choose(settings, state)
    environment = read_environment(settings.project, runtime)
    running = runtime.running()
    wanted = {settings.mount_path: creds.delivered(settings, state).directory} if runtime.mounts else {}
    differences = _differences(runtime, running, environment, wanted)
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


def _differences(
    runtime: Runtime, running: tuple[Service, ...], environment: Mapping[str, str], mounts: Mapping[str, Path]
) -> list[str]:
    if not running:
        return ["not running"]
    found = {service.name: service for service in running}
    return [
        f"{name}: {difference}"
        for name in runtime.services()
        if (difference := _difference(found.get(name), environment, mounts))
    ]


def _difference(service: Service | None, environment: Mapping[str, str], mounts: Mapping[str, Path]) -> str:
    if service is None:
        return "not running"
    if not service.healthy:
        return "not healthy"
    names = environment.keys() | {name for name in service.environment if name.startswith(OURS)}
    differing = sorted(name for name in names if service.environment.get(name) != environment.get(name))
    if differing:
        return f"{', '.join(differing)} not as in {ENV}"
    return next(
        (problem for target, source in mounts.items() if (problem := mount_problem(service, target, source))), ""
    )


def mount_problem(service: Service, target: str, source: Path) -> str:
    """What is wrong with a service's mount of the credentials directory; empty when nothing is."""
    found = service.mounts.get(target)
    if found is None:
        return f"no mount at {target}"
    if Path(found[0]) != source:
        return f"mount at {target} is {found[0]}, wanted {source}"
    return "" if found[1] else "mount read-write, wanted read-only"
