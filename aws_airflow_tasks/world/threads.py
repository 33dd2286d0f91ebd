"""Work done beside ours, that nobody has to wait for in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def begin(work: Callable[[], T]) -> Future[T]:
    """Do ``work`` in a thread of its own; its result, or what it raised, is in the future.

    The interpreter joins the threads of a pool when it ends, whoever wants their results; it does not join this one.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # the future is where it is wanted
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def within(seconds: float, work: Callable[[], T], late: Callable[[], Exception]) -> T:
    """The result of ``work``, or what it raised; where that takes longer it goes on, and nobody waits for it.

    For an answer, as the timeouts of those who wait for one begin anew with every byte.

    Args:
        seconds: within which it must end.
        work: what is done.
        late: makes what is raised where it does not.
    """
    future = begin(work)
    if wait([future], seconds).not_done:
        raise late()
    return future.result()
