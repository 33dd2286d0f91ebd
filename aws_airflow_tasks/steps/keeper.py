"""A keeper renews what is staged before it ends, for as long as Airflow runs: `start` leaves it, `stop` ends it."""

from __future__ import annotations

import contextlib
import os

from aws_airflow_tasks.core import Change, Plan, Target, TaskError
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.world import keeper, timers

#: what a person calls it
TARGET = "credentials keeper"


def changes(site: Site) -> tuple[Change, ...]:
    """What leaves a keeper where keys may end while Airflow runs, and ends one that is not needed; empty: neither."""
    found, wanted = keeper.running(site.state), _wanted(site)
    if not found and not wanted:
        return ()
    current = keeper.is_current(found, site.settings, os.environ)
    renews = f"renews the keys of profile {site.delivered.profile}\n" if wanted else None
    change = Change(
        target=TARGET,
        action="stop" if not wanted else "restart" if found else "start",
        before=None if not found else renews if current and wanted else "renews keys as before\n",
        after=renews,
        apply=lambda: keeper.start(site.settings, site.state) if wanted else keeper.stop(site.state),
        reason=_reason(site, wanted=wanted, found=bool(found)),
    )
    return (change,)


def _reason(site: Site, *, wanted: bool, found: bool) -> str:
    if not wanted:
        return "the keys need no keeper"
    return "the keeper is older than this tool or its settings" if found else "keys are renewed while Airflow runs"


def _wanted(site: Site) -> bool:
    """Whether there is anything that a keeper could do: keys that are renewed where they came from, and a copy."""
    if site.settings.keep_fresh == "off" or os.environ.get("CI") or not hasattr(os, "setsid"):
        return False
    if site.way.name == "live" or _renewed_by_timer(site):
        return False
    known = site.delivered
    return known.kind != "static" and "environment" not in (known.kind, known.source)


def _renewed_by_timer(site: Site) -> bool:
    """Whether the system runs a timer that renews them: that its files are there is not enough."""
    with contextlib.suppress(TaskError):
        return timers.installed(site.state) and timers.enabled(site.state)
    return False


def stopped(site: Site) -> tuple[Change, ...]:
    """What ends the keeper; empty where none runs."""
    change = Change(TARGET, "stop", "runs\n", None, lambda: keeper.stop(site.state))
    return (change,) if keeper.running(site.state) else ()


def undo(site: Site) -> list[Target]:
    """No keeper runs."""
    there = keeper.running(site.state)
    return [Target(TARGET, lambda: Plan(stopped(site), target=TARGET), needs=(keeper.RECORD,))] if there else []
