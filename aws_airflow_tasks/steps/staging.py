"""The copy of the profile that Airflow is given: made, renewed, and removed where Airflow reads the person's files."""

from __future__ import annotations

import os
import time
from pathlib import Path

from aws_airflow_tasks.core import Change, Plan, Target
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.world import identity, staging
from aws_airflow_tasks.world.delivery import source
from aws_airflow_tasks.world.staging import Staged


def changes(site: Site, *, renew_before: float = 0) -> tuple[Change, ...]:
    """What brings the staged copy to what the way needs; empty when it is so.

    Args:
        site: the project.
        renew_before: keys exported before this time (seconds since the epoch) are renewed whatever is left of them.
    """
    if site.way.name == "live":
        return (_removal(site),) if staging.folder(site.state).exists() else ()
    found, seen_at = site.staged, site.runtime.credentials(staging.folder(site.state))
    why = staging.missing(found, identity.definition(site.settings, os.environ), seen_at)
    if not why and found and found.exported < renew_before:
        why = "asked to"
    return (_staging(site, found, seen_at, f"{site.way.reason}; {why}"),) if why else ()


def _staging(site: Site, found: Staged | None, seen_at: str, reason: str) -> Change:
    return Change(
        target=_target(site),
        action="refresh" if found else "create",
        before=_described(found) if found else None,
        after="fresh credentials of the profile alone\n",
        apply=lambda: _stage(site, seen_at),
        reason=reason,
    )


def _removal(site: Site) -> Change:
    before = "credentials that were staged earlier\n"
    return Change(_target(site), "delete", before, None, lambda: staging.remove(site.state), reason=site.way.reason)


def undo(site: Site) -> list[Target]:
    """The copy of the person's keys is gone."""
    folder = staging.folder(site.state)
    name = _target(site)

    def there() -> bool:
        return folder.exists() or folder.is_symlink()

    def plan() -> Plan:
        before = "staged credentials\n" if there() else None
        return Plan((Change(name, "delete", before, None, lambda: staging.remove(site.state)),), target=name)

    return [Target(name, plan, needs=(staging.FOLDER, staging.RECORD))] if there() else []


def _target(site: Site) -> str:
    return source(staging.folder(site.state), Path.home())


def _described(found: Staged) -> str:
    if found.expiry is None:
        return "credentials that do not say when they end\n"
    return f"credentials that end at {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(found.expiry))}\n"


def _stage(site: Site, seen_at: str) -> None:
    defined = identity.definition(site.settings, os.environ)  # before the export: a change meanwhile makes it void
    credentials, keys = staging.export(site.settings)
    record = Staged(defined, seen_at, time.time(), keys.expiry)
    staging.stage(site.state, staging.contents(credentials, keys, seen_at), record)
