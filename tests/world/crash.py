"""Kill a process before and after each of its system calls, with ptrace(2); a script, run by ``test_files_crash``.

It forks a child for each kill. Between two marks (SIGSTOP, which the child sends to itself) the child works; the
parent lets it go on from one system call's entry or exit to the next and kills it at the n-th.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_TRACE_ME, _SYSCALL, _SET_OPTIONS = 0, 24, 0x4200
_MARK_SYSCALLS, _KILL_WITH_PARENT = 0x1, 0x100000
_LIBRARY = ctypes.CDLL(None, use_errno=True)
_LIBRARY.ptrace.argtypes = [ctypes.c_long] * 4


def _ptrace(request: int, pid: int = 0, data: int = 0) -> None:
    if _LIBRARY.ptrace(request, pid, 0, data) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def killed_at(work: Callable[[], None], number: int, look: Callable[[], object] | None = None) -> bool:
    """Do ``work`` in a child that is killed at its ``number``-th stop; whether it had that many.

    With ``look`` only those stops count at which it sees something else than at the stop before: a process that is
    killed at any other leaves the same.
    """
    pid = os.fork()
    if pid == 0:
        _child(work)
    os.waitpid(pid, 0)  # the first mark
    _ptrace(_SET_OPTIONS, pid, _MARK_SYSCALLS | _KILL_WITH_PARENT)
    seen, entering = look() if look else None, False
    while number:
        _ptrace(_SYSCALL, pid)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status):
            raise SystemExit(f"the work failed: {os.WEXITSTATUS(status)}")
        if os.WSTOPSIG(status) == signal.SIGSTOP:  # the second mark
            _kill(pid)
            return False
        entering = not entering
        if look and entering:  # nothing is done yet
            continue
        before, seen = seen, look() if look else None
        number -= not look or seen != before
    _kill(pid)
    return True


def _child(work: Callable[[], None]) -> None:
    try:
        _ptrace(_TRACE_ME)
        os.kill(os.getpid(), signal.SIGSTOP)
        work()
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def possible() -> bool:
    """Whether processes may be traced here."""
    pid = os.fork()
    if pid == 0:
        try:
            _ptrace(_TRACE_ME)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0
