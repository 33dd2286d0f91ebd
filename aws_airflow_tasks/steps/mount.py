"""Airflow's services carry the credentials directory, read-only, through ``docker-compose.override.yml``."""

from __future__ import annotations

import os
from pathlib import Path

from aws_airflow_tasks.core import Plan
from aws_airflow_tasks.patch import compose
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import files
from aws_airflow_tasks.world import delivery, receipts
from aws_airflow_tasks.world import state as states
from aws_airflow_tasks.world.receipts import Receipt

#: the only name that the Astro CLI reads, in the project's directory
OVERRIDE = "docker-compose.override.yml"


def plan(site: Site) -> Plan:
    """One volume a service, in one plan for all services; none for those of another version of Airflow.

    Raises:
        TaskError: someone else's mount has the target, or the file cannot be patched with proof.
    """
    runtime, settings, known = site.runtime, site.settings, site.delivered
    if not runtime.mounts:
        return Plan(skipped=True, target=OVERRIDE, reason=f"the {runtime.name} runtime reads this host's files itself")
    source = delivery.source(known.directory, Path.home())
    services = runtime.services()
    patch = compose.ensure(
        site.read(OVERRIDE),
        services,
        compose.Mount(source, settings.mount_path, long=known.staged),
        host=_host(site),
        ours=_sources(site),
        absent_from=[name for name in runtime.names if name not in services],
        replace_conflicts=settings.override,
    )
    return files.plan("mount", site.project, OVERRIDE, patch, source=str(known.directory))


def _host(site: Site) -> compose.Host:
    return compose.Host(str(Path.home()), str(site.project), os.environ)


def _sources(site: Site) -> tuple[str, ...]:
    """The directories that we mount, or did before, such as the person's own when credentials were live."""
    written = {str(receipt.content["source"]) for receipt in _ours(site) if "source" in receipt.content}
    return (str(states.root()), *sorted(written))


def _ours(site: Site) -> list[Receipt]:
    return [receipt for receipt in site.receipts if receipt.content.get("path") == OVERRIDE]


def withdrawn(site: Site, data: bytes) -> bytes | None:
    """The override without any mount of ours, where text around them was edited so that no change can be reversed.

    Args:
        site: the project.
        data: the file as it is.

    Returns:
        The file's bytes; None when nothing but our first line is left of a file that we created; ``data`` itself when
        our mounts cannot be told, or took the place of somebody else's.
    """
    sources, changes, target = _sources(site), _ours(site), site.settings.mount_path
    replaced = b"".join(trace.old for receipt in changes for trace in receipts.traces(site.state, receipt))
    names = [delivery.source(Path(source), Path.home()).encode() for source in sources]
    if target.encode() in replaced and not any(name in replaced for name in names):
        return data
    patch = compose.remove(data, site.runtime.names, compose.Mount(sources[-1], target), host=_host(site), ours=sources)
    created = bool(changes) and changes[0].content["before"] is None
    return None if created and patch.after == compose.HEADER.encode() else patch.after
