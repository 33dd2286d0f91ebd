"""Airflow's services carry the credentials directory, read-only, through ``docker-compose.override.yml``."""

from __future__ import annotations

import os
from pathlib import Path

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Plan
from aws_airflow_tasks.patch import compose
from aws_airflow_tasks.runtimes import docker
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import creds, delivery, files
from aws_airflow_tasks.world import files as world
from aws_airflow_tasks.world import receipts
from aws_airflow_tasks.world import state as states

#: the only name that the Astro CLI reads, in the project's directory
OVERRIDE = "docker-compose.override.yml"


def plan(settings: Settings, state: Path) -> Plan:
    """One volume a service, in one plan for all services; none for those of another version of Airflow.

    Raises:
        TaskError: someone else's mount has the target, or the file cannot be patched with proof.
    """
    runtime = runtimes.choose(settings, state)
    if not runtime.mounts:
        return Plan(skipped=True, target=OVERRIDE, reason=f"the {runtime.name} runtime reads this host's files itself")
    known = creds.delivered(settings, state)
    source = delivery.source(known.directory, Path.home())
    services = runtime.services()
    patch = compose.ensure(
        world.read(settings.project / OVERRIDE),
        services,
        compose.Mount(source, settings.mount_path, long=known.staged),
        host=compose.Host(str(Path.home()), str(settings.project), os.environ),
        ours=(str(states.root()), *_written(state)),
        absent_from=[name for name in docker.ALL if name not in services],
        replace_conflicts=settings.override,
    )
    return files.plan(settings.project, OVERRIDE, patch, source=str(known.directory))


def _written(state: Path) -> list[str]:
    """The directories that we mounted before, such as the person's own when credentials were live."""
    found = (receipt.content for receipt in receipts.load(state) if receipt.content.get("path") == OVERRIDE)
    return sorted({str(content["source"]) for content in found if "source" in content})
