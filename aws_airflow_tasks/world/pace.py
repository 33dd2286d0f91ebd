"""Many calls at a time, and not faster than AWS allows."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

log = logging.getLogger("aws_airflow_tasks")

T = TypeVar("T")
R = TypeVar("R")
#: calls at a time: at AWS's usual 20 to 100 ms a call, enough for its quotas, and fewer than botocore's connections
WORKERS = 8

#: of a rate: what leaves here evenly arrives less evenly, and one refusal costs more than this keeps back
SHARE = 0.93

#: seconds: what is over sooner is not counted aloud; between two counts
LASTS, EVERY = 3.0, 1.0
#: the part of all, as a divisor, from which on it can be told how long the rest will take
TELLS = 20


class Pace:
    """Lets callers through one at a time, evenly, a little slower than ``rate``: never a burst that AWS would count.

    Who goes late, as the machine was busy, has the next one go later too, at the least as far apart as ``rate`` says.

    Args:
        rate: calls a second.
        now: seconds of a clock.
        sleep: waits for seconds.
    """

    def __init__(
        self, rate: float, now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._rate = rate
        self._now, self._sleep = now, sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when it is the caller's turn."""
        with self._lock:
            turn = max(self._next, now := self._now())
            if turn > now:
                self._sleep(turn - now)
            self._next = max(turn + 1 / (SHARE * self._rate), self._now() + 1 / self._rate)


def gathered(work: Callable[[T], R], items: Iterable[T], workers: int = WORKERS) -> Iterator[R]:
    """The results of ``work`` for each item as they come, never more than a few items ahead of who takes them.

    What ``work`` raises is raised here; then, and when nobody goes on taking, what was not begun is left.
    """
    pool, pending, rest = ThreadPoolExecutor(workers), set[Future[R]](), iter(items)
    try:
        while True:
            while len(pending) < 2 * workers and (item := next(rest, _END)) is not _END:
                pending.add(pool.submit(work, item))  # type: ignore[arg-type]
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def counted(
    items: Iterable[T], total: int, done: Callable[[], str], now: Callable[[], float] = time.monotonic
) -> Iterator[T]:
    """The items as they come, counted aloud where they come for long: ``120 of 3600 written, about 19 min left``.

    Args:
        items: what comes.
        total: how many will.
        done: what has become of those that came.
        now: seconds of a clock.
    """
    begun = now()
    first = due = begun + LASTS
    for count, item in enumerate(items, 1):
        yield item
        if (at := now()) >= due and count < total:
            due = at + EVERY
            left = f", {about((total - count) * (at - begun) / count)} left" if count >= total / TELLS else ""
            log.info("%s of %s %s%s", count, total, done(), left)
    if due > first:  # what was said last is over: something else goes on
        log.info("all %s %s", total, done())


def about(seconds: float) -> str:
    """How long something lasts, as a person would say it."""
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {max(seconds, 1):.0f} s"


_END = object()
