"""Airflow's services carry the credentials directory, read-only, through ``docker-compose.override.yml``."""

from __future__ import annotations

import os
from pathlib import Path

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Plan
from aws_airflow_tasks.patch import compose
from aws_airflow_tasks.runtimes import astro
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import creds, delivery, files
from aws_airflow_tasks.world import files as world
from aws_airflow_tasks.world import receipts
from aws_airflow_tasks.world import state as states
from aws_airflow_tasks.world.receipts import Receipt

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
        absent_from=[name for name in astro.ALL if name not in services],
        replace_conflicts=settings.override,
    )
    return files.plan("mount", settings.project, OVERRIDE, patch, source=str(known.directory))


def _written(state: Path) -> list[str]:
    """The directories that we mounted before, such as the person's own when credentials were live."""
    return sorted({str(receipt.content["source"]) for receipt in _ours(state) if "source" in receipt.content})


def _ours(state: Path) -> list[Receipt]:
    return [receipt for receipt in receipts.load(state) if receipt.content.get("path") == OVERRIDE]


def withdrawn(settings: Settings, state: Path, data: bytes) -> bytes | None:
    """The override without any mount of ours, where text around them was edited so that no change can be reversed.

    Args:
        settings: of the command line.
        state: the project's state directory.
        data: the file as it is.

    Returns:
        The file's bytes; None when nothing but our first line is left of a file that we created; ``data`` itself when
        our mounts cannot be told, or took the place of somebody else's.
    """
    sources, changes = (str(states.root()), *_written(state)), _ours(state)
    replaced = b"".join(trace.old for receipt in changes for trace in receipts.traces(state, receipt))
    names = [delivery.source(Path(source), Path.home()).encode() for source in sources]
    if settings.mount_path.encode() in replaced and not any(name in replaced for name in names):
        return data
    host = compose.Host(str(Path.home()), str(settings.project), os.environ)
    patch = compose.remove(data, astro.ALL, compose.Mount(sources[-1], settings.mount_path), host=host, ours=sources)
    created = bool(changes) and changes[0].content["before"] is None
    return None if created and patch.after == compose.HEADER.encode() else patch.after
