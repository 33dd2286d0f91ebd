"""One lock per project, so that two runs never plan and write at the same time."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.text.printable import printable
from aws_airflow_tasks.world import files, private

if TYPE_CHECKING:
    from filelock import BaseFileLock

log = logging.getLogger("aws_airflow_tasks")

#: in characters, of a holder's note
_LONGEST = 10_000


@contextlib.contextmanager
def locked(state: Path, *, wait: float, doing: str, waiting: Callable[[str], None] = log.warning) -> Iterator[None]:
    """Hold the project's lock. A holder that dies loses it at once: the kernel keeps it, not a file's existence.

    Args:
        state: the project's state directory. The lock lies beside it, so that it may be deleted meanwhile.
        wait: seconds to wait for another holder.
        doing: what we are about to do, for those who wait for us.
        waiting: told once, when another run holds the lock.

    Raises:
        TaskError: another run still holds it after ``wait`` seconds, or the lock file cannot be made.
    """
    from filelock import FileLock

    lock = FileLock(state.with_name(f"{state.name}.lock"), mode=0o600)
    holder = state.with_name(f"{state.name}.lock.json")
    with files.explained("lock", Path(lock.lock_file)):
        private.make(state.parent)
        _acquire(lock, holder, wait, waiting)
    try:
        with contextlib.suppress(OSError):  # only ever read to be shown
            signed = {"pid": os.getpid(), "doing": doing, "since": time.time()}
            _sign(holder, json.dumps(signed))
        yield
    finally:
        with contextlib.suppress(OSError):
            holder.unlink()
            if not state.exists():  # nothing of ours is left there; whoever waits locks a new file
                Path(lock.lock_file).unlink()
        lock.release()


def _acquire(lock: BaseFileLock, holder: Path, wait: float, waiting: Callable[[str], None]) -> None:
    from filelock import Timeout

    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting(f"waiting for {_named(holder)}")
            lock.acquire(timeout=wait)
    except Timeout:
        pid = _read(holder).get("pid")
        raise TaskError(
            f"another run works on this project: {_named(holder)}; waited {wait:g} s",
            hint=f"ps -fp {pid}" if isinstance(pid, int) else sh("fuser -v {}", lock.lock_file),
        ) from None


def _sign(holder: Path, text: str) -> None:
    """Leave a note in a file of our own: whatever else stands there, such as a symlink, goes first."""
    holder.unlink(missing_ok=True)
    with os.fdopen(files.opened(holder, os.O_WRONLY | os.O_CREAT | os.O_EXCL, "O_NOFOLLOW"), "w") as note:
        note.write(text)


def _read(holder: Path) -> dict[str, object]:
    try:
        with os.fdopen(files.opened(holder, os.O_RDONLY, "O_NOFOLLOW", "O_NONBLOCK"), encoding="utf-8") as note:
            found = from_json(note.read(_LONGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _named(holder: Path) -> str:
    """Such as ``invoke setup (pid 4711, since 12:34:56)``."""
    found = _read(holder)
    since = found.get("since")
    if not isinstance(since, int | float):
        return "a run that has not said who it is"
    with contextlib.suppress(OverflowError, OSError, ValueError):
        clock = time.strftime("%H:%M:%S", time.localtime(since))
        return printable(f"{found.get('doing')} (pid {found.get('pid')}, since {clock})")
    return "a run that signs with an impossible time"
