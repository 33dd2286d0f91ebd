"""Exported credentials are fresh: renewed before their end, once or for as long as somebody lets it watch."""

from __future__ import annotations

import time
from collections.abc import Callable

from aws_airflow_tasks.core import Plan, TaskError
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import staging
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import helpers, waits
from aws_airflow_tasks.world.causes import LoginNeeded
from aws_airflow_tasks.world.lock import locked
from aws_airflow_tasks.world.staging import Staged

#: seconds between two looks; also how long after a laptop's sleep the first one comes at most
PAUSE = 60
#: seconds after which a helper that does not say when its keys end is asked again
PACE = 10 * 60
#: seconds that a failed attempt is left alone, doubled with each further one, and at most
FIRST_DELAY, LONGEST_DELAY = 30, 600
NOT_RENEWABLE = "keys in environment variables cannot be renewed from here: set fresh ones and refresh again"


def planner(*, force: bool) -> Callable[[Site], Plan]:
    """:func:`plan`, which renews keys that were exported before now where a helper does not say when they end.

    With ``force`` it renews them whatever is left of them.
    """
    began = time.time()
    return lambda site: plan(site, renew_before=began if force or _unsaid(site) else 0)


def plan(site: Site, *, renew_before: float = 0) -> Plan:
    """Export afresh when the profile has changed or little time is left; containers that run pick it up themselves.

    Args:
        site: the project.
        renew_before: renew keys that were exported before this time (seconds since the epoch) anyway.

    Raises:
        TaskError: the configuration is broken.
    """
    target = f"profile {site.credentials.profile}"
    if site.way.name == "live":
        return Plan(skipped=True, target=target, reason=f"{site.way.reason}; there is nothing to refresh")
    if _unsaid(site):
        renew_before = max(renew_before, time.time() - PACE)
    return Plan(
        staging.changes(site, renew_before=renew_before),
        target,
        left(site.staged),
        warnings=(NOT_RENEWABLE,) if site.credentials.source == "environment" else (),
    )


def _unsaid(site: Site) -> bool:
    """Whether only asking again can tell whether the keys that are staged are still the ones to use."""
    found = site.staged
    return found is not None and found.expiry is None and site.credentials.source == "process"


def left(found: Staged | None) -> str:
    """How long what is staged will do, in a clause."""
    if found is None or found.expiry is None:
        return "the credentials do not say when they end"
    return f"the credentials are good for another {max(0, int(found.expiry - time.time()) // 60)} min"


def watch(
    look: Callable[[], Site],
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    failed: Callable[[TaskError | None], None] = lambda _: None,
    doing: str = "",
) -> None:
    """Keep what is staged fresh until interrupted; errors are said once each and tried again.

    Args:
        look: gives the project as it is now.
        say: is told what happened, a line at a time.
        sleep: waits so many seconds: few, and then the clock is looked at, since a laptop's own sleep does not count.
        failed: is told of an error once, and None when they were renewed.
        doing: what it is called by those who wait for the project's lock; empty: by the command.

    Raises:
        KeyboardInterrupt: somebody stopped it.
    """
    said, failures, next_try = "", 0, 0.0
    while True:
        if not 0 < next_try - time.time() <= LONGEST_DELAY:  # further ahead it is where the clock was put back
            try:
                with helpers.asked_once():  # per look, not for as long as this command line lasts
                    line, failures = renew(look, doing or command("refresh", "--watch")), 0
                if line:
                    failed(None)
            except TaskError as error:
                failures += 1
                next_try = time.time() + _delay(error, failures)
                line = f"{error.message}; next try follows" + (f"\n-> {error.hint}" if error.hint else "")
                if line != said:
                    failed(error)
            if line and line != said:
                say(line)
            said = line or said
        sleep(_pause(look().staged))


def _pause(found: Staged | None) -> float:
    """Seconds until the next look: keys that live for less than the usual pause are looked after sooner."""
    left = found.due - time.time() if found and found.due else PAUSE
    return min(PAUSE, left) if left > 0 else PAUSE


def renew(look: Callable[[], Site], doing: str) -> str:
    """One look; what came of it, or nothing when there was nothing to do.

    Raises:
        TaskError: they cannot be renewed now.
    """
    waits.forget()
    if not plan(site := look()).needed:
        return ""
    with locked(site.state, wait=site.settings.wait, doing=doing):
        for change in plan(look()).needed:
            change.apply()
    return f"{time.strftime('%H:%M:%S')} exported afresh; {left(look().staged)}"


def _delay(error: TaskError, failures: int) -> float:
    """A login may come any moment and costs little to look for; everything else is left alone longer each time."""
    return 0 if isinstance(error, LoginNeeded) else min(FIRST_DELAY * 2.0 ** (failures - 1), LONGEST_DELAY)
