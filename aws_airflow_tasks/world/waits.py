"""What is waited for: said once it takes long, and not waited for again where it has been silent.

Whoever waits has a bound of its own; nothing is bounded here.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

log = logging.getLogger("aws_airflow_tasks")

#: seconds after which it is said what is waited for
AFTER = 2.0

_told = threading.local()
_silent: set[str] = set()


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Say, once, what the body waits for, as soon as that takes longer than a moment.

    Args:
        what: such as ``the Docker engine (at most 30 s)``; without secrets.
    """
    outer: frozenset[str] = getattr(_told, "now", frozenset())
    if what in outer:
        yield
        return
    timer = threading.Timer(AFTER, log.warning, ("waiting for %s", what))
    timer.daemon = True
    _told.now = outer | {what}
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _told.now = outer


def lend_terminal() -> None:
    """Say that a command line is handed the terminal, so that nothing else is drawn there."""
    log.info("", extra={"lends": True})


def lends(record: logging.LogRecord) -> bool:
    """Whether that is all that a record says."""
    return bool(getattr(record, "lends", False))


def note_silence(who: str) -> None:
    """Remember for the rest of this command line that somebody did not answer in time."""
    _silent.add(who)


def is_silent(who: str) -> bool:
    """Whether somebody did not answer in time before, in this command line."""
    return who in _silent


def forget() -> None:
    """Another command line begins, or another look of one that goes on."""
    _silent.clear()
