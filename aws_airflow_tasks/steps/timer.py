"""A timer of the system renews what is staged, in the keeper's place: `refresh --install`, `refresh --uninstall`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.core import Action, Change, Plan, Target, TaskError, UsageError
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import keeper
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import files, processes, receipts, timers
from aws_airflow_tasks.world.delivery import source

#: what a person calls it
TARGET = "refresh timer"


@receipts.kind("timer")
class Installed(NamedTuple):
    """A timer of the system, which we installed.

    Attributes:
        name: what the system calls it.
    """

    name: str


def planner(*, install: bool, uninstall: bool) -> Callable[[Site], Plan] | None:
    """What was asked for, if anything.

    Raises:
        UsageError: both were.
    """
    if install and uninstall:
        raise UsageError("--install and --uninstall cannot both be meant", hint=command("refresh", "--install"))
    return plan if install else gone if uninstall else None


def plan(site: Site) -> Plan:
    """The timer's files are there and the system runs it; no keeper does.

    Raises:
        TaskError: it could renew nothing, or this system has no timers.
    """
    processes.on_unix("a timer of the system")
    if site.credentials.source == "environment":
        raise TaskError("keys in environment variables cannot be renewed by a timer", hint=command("refresh"))
    if site.way.name == "live":
        return Plan(skipped=True, target=TARGET, reason=f"{site.way.reason}; there is nothing to refresh")
    wanted = timers.units(site.settings, site.state)
    written = [_file(path, text) for path, text in wanted.items()]
    made = Installed(timers.name(site.state))
    first = not any(kept.record == made for kept in receipts.of(site.receipts, Installed))
    if first and written:
        written[0] = written[0]._replace(receipt=made)
    current = not any(change.needed for change in written) and timers.enabled(site.state)
    runs = "runs every five minutes\n"
    switch = Change(TARGET, "enable", runs if current else None, runs, partial(timers.enable, site.state))
    return Plan((*written, switch, *keeper.stopped(site)), target=TARGET, reason="installed")


def _file(path: Path, text: str | None) -> Change:
    before, shown = _text(path), source(path, Path.home())
    action: Action = "delete" if text is None else "create" if before is None else "patch"
    return Change(shown, action, before, text, partial(timers.write, path, text), file=True)


def _text(path: Path) -> str | None:
    data = files.read(path)
    return None if data is None else data.decode(errors="replace")


def gone(site: Site) -> Plan:
    """The system runs no timer of this project, and its files are gone."""
    there = [path for path in timers.places(site.state) if path.exists()]
    if not there:
        return Plan(target=TARGET, reason="not installed")
    runs = "runs every five minutes\n" if timers.enabled(site.state) else None
    switch = Change(TARGET, "disable", runs, None, partial(timers.disable, site.state))
    return Plan((switch, *(_file(path, None) for path in there)), target=TARGET)


def undo(site: Site) -> list[Target]:
    """The timer that we installed is gone."""
    numbers = tuple(kept.number for kept in receipts.of(site.receipts, Installed))
    return [Target(TARGET, partial(gone, site), numbers)] if numbers else []
