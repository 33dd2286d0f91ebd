"""Processes of our own that outlive the command: started in a session of their own, found and stopped by their own pid.

A process is remembered as its pid and its start time, so that a pid used again by a stranger is never taken for ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from aws_airflow_tasks.core import TaskError, UsageError
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import files

if TYPE_CHECKING:
    import psutil


def on_unix(what: str) -> None:
    """Raise UsageError on Windows: a process that is to outlive the command has a session of its own."""
    if not hasattr(os, "setsid"):
        raise UsageError(
            f"{what} runs on Linux and macOS; on Windows it runs in WSL 2",
            hint="wsl --install   # once; then type `wsl`, install this there, and give the same command",
        )


class Process(NamedTuple):
    """A process of ours.

    Attributes:
        pid: its number.
        created: its start time as psutil tells it, in seconds since the epoch: ticks on a boot time in whole seconds,
            so up to a second early. It tells a pid that was used again.
        log: its log file.
        started: seconds since the epoch, by our own clock: what was before is of an earlier process.
        boot: which boot of this machine it is of; empty: the system does not tell, or an earlier version wrote this.
        after: seconds between that boot and its start, which no step of the clock moves.
    """

    pid: int
    created: float
    log: str = ""
    started: float = 0
    boot: str = ""
    after: float = 0


def start(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, record: Path) -> Process:
    """Start ``argv`` in a session of its own with exactly ``env``, both output streams appended to ``log``.

    The process is written to ``record`` (JSON) before this returns; :func:`running` and :func:`stop` read it there.

    Raises:
        TaskError: the program cannot be started, or what it needs not be written; then nothing of it runs.
    """
    import psutil

    with files.explained("write", log):
        log.parent.mkdir(parents=True, exist_ok=True)
        out = log.open("ab")
    now = time.time()
    with out:
        try:
            child = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        except OSError as error:
            raise TaskError(f"cannot start {argv[0]}: {error.strerror}") from error
    found = psutil.Process(child.pid)
    process = Process(child.pid, found.create_time(), str(log), now, _boot(), _after(found))
    child.returncode = 0  # it outlives us: Python has nothing to wait for and nothing to warn of
    try:
        with files.explained("write", record):
            record.write_text(json.dumps(process._asdict()), encoding="utf-8")
    except BaseException:
        stop_group(child.pid, seconds=5)  # nobody would find it again
        with contextlib.suppress(OSError):
            record.unlink(missing_ok=True)
        raise
    return process


def running(record: Path) -> Process | None:
    """The process that ``record`` names while it lives; None when it has ended or was never started."""
    process = recorded(record)
    return process if process and _alive(process) else None


def recorded(record: Path) -> Process | None:
    """The process that ``record`` names, whether it lives or not; None: there is no record."""
    try:
        return Process(**from_json(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def of_another(pid: int) -> Process | None:
    """The living process of a number that another program gave it; None: there is none."""
    import psutil

    try:
        found = psutil.Process(pid)
        alive = found.status() != psutil.STATUS_ZOMBIE
        return Process(pid, found.create_time(), started=_started(found)) if alive else None
    except psutil.Error:
        return None


def halted(process: Process) -> bool:
    """Whether a process was stopped by a signal (SIGSTOP, Ctrl-Z) and does nothing until another lets it go on."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    return False


def _started(process: psutil.Process) -> float:
    """When it was started, in seconds since the epoch, to a hundredth.

    psutil adds the kernel's ticks to a boot time in whole seconds (Linux's ``btime``); here to the boot time itself.
    """
    import psutil

    if sys.platform == "win32" or not hasattr(time, "CLOCK_BOOTTIME"):
        return process.create_time()
    return process.create_time() - psutil.boot_time() + time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def environ(process: Process) -> dict[str, str]:
    """The environment that the living process was started with; empty when it has just ended."""
    import psutil

    with contextlib.suppress(psutil.Error):
        return dict(psutil.Process(process.pid).environ())
    return {}


def stop_all(records: Iterable[Path], *, mark: tuple[str, str] | None = None, seconds: float = 15) -> bool:
    """Stop the processes of ``records`` side by side, and everything they started.

    Args:
        records: of the processes; they are gone afterwards.
        mark: a name and a value that only our processes have in their environment: finds those that left their session
            or were never recorded, because the run that started them was killed.
        seconds: until whoever has not ended on SIGTERM gets SIGKILL.

    Returns:
        Whether there was one to stop.
    """
    records = list(records)
    leaders = [process.pid for record in records if (process := running(record))]

    def family() -> list[psutil.Process]:
        found = _families(leaders)
        return [*found, *(member for member in marked(*mark) if member not in found)] if mark else found

    members = family()
    _each(members, "terminate")
    _wait_for_end(members, seconds)
    left = family()  # who has not ended, and who was started or orphaned meanwhile
    _each(left, "kill")
    _wait_for_end(left, 5)
    for record in records:
        record.unlink(missing_ok=True)
    return bool(members)


def marked(name: str, value: str) -> list[psutil.Process]:
    """The living processes, but for this one, that have ``value`` in their environment variable ``name``."""
    import psutil

    def has_it(member: psutil.Process) -> bool:
        try:
            return member.pid != os.getpid() and member.environ().get(name) == value
        except (psutil.Error, OSError):
            return False

    return [member for member in psutil.process_iter() if has_it(member)]


def _families(leaders: Sequence[int]) -> list[psutil.Process]:
    """Living processes of the leaders' sessions, and what they started: start() gave each a session with its own id."""
    import psutil

    def of_session(member: psutil.Process) -> bool:
        try:
            return _session(member.pid) in leaders and member.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            return False

    members = [member for member in psutil.process_iter() if of_session(member)] if leaders else []
    for leader in leaders:
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(leader).children(recursive=True)
            members += [child for child in children if child not in members]
    return members


def lives(pid: int) -> bool:
    """Whether there is a process of this number that has not ended, waited for or not."""
    import psutil

    try:
        return _lives(psutil.Process(pid))
    except psutil.Error:
        return False


def stop_group(leader: int, *, seconds: float = 15) -> None:
    """Stop what is left of the process group that ``leader`` leads or led; never our own.

    Args:
        leader: its pid, which is the group's number; no other process gets it while there is a member.
        seconds: until whoever has not ended on SIGTERM gets SIGKILL.
    """
    import psutil

    if sys.platform == "win32":
        raise NotImplementedError  # see on_unix

    def belongs(member: psutil.Process) -> bool:
        try:
            return os.getpgid(member.pid) == leader != os.getpgrp()
        except OSError:
            return False

    ways: tuple[tuple[Literal["terminate", "kill"], float], ...] = (("terminate", seconds), ("kill", 5))
    for way, patience in ways:
        members = [member for member in psutil.process_iter() if belongs(member)]
        _each(members, way)
        _wait_for_end(members, patience)


def stop_family(child: int, *, seconds: float = 15) -> None:
    """Stop a child and what it has started, but for what has a process group other than ours, such as a browser."""
    import psutil

    members = []
    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(child)
        members = [leader, *(each for each in leader.children(recursive=True) if _is_of_our_group(each))]
    ways: tuple[tuple[Literal["terminate", "kill"], float], ...] = (("terminate", seconds), ("kill", 5))
    for way, patience in ways:
        _each(members, way)
        _wait_for_end(members, patience)


def _is_of_our_group(member: psutil.Process) -> bool:
    if sys.platform == "win32" or not hasattr(os, "getpgid"):
        return True
    with contextlib.suppress(OSError):
        return os.getpgid(member.pid) == os.getpgrp()
    return False


def _each(members: Sequence[psutil.Process], way: Literal["terminate", "kill"]) -> None:
    """Send SIGTERM, or SIGKILL."""
    import psutil

    for member in members:
        with contextlib.suppress(psutil.Error):
            getattr(member, way)()


def _session(pid: int) -> int:
    """The session of a process, by its leader. Raises OSError: it has ended."""
    if sys.platform == "win32":
        raise NotImplementedError  # see on_unix
    return os.getsid(pid)


def _wait_for_end(members: Iterable[psutil.Process], seconds: float) -> None:
    """Wait until all have ended. A zombie has: whoever adopted it may take its time to notice."""
    deadline, alive = time.monotonic() + seconds, list(members)
    while alive := [member for member in alive if _lives(member)]:
        if not wait_until(deadline, 0.02):
            return


def _lives(member: psutil.Process) -> bool:
    import psutil

    with contextlib.suppress(OSError):
        if sys.platform != "win32":
            os.waitpid(member.pid, os.WNOHANG)  # takes note of the end of a child of ours
    try:
        return member.is_running() and member.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _alive(process: Process) -> bool:
    """Whether it lives: the same pid, the leader of a session as start() made it, and of the same age."""
    import psutil

    try:
        found = psutil.Process(process.pid)
        leads = _session(process.pid) == process.pid and found.status() != psutil.STATUS_ZOMBIE
        if process.boot:
            return leads and process.boot == _boot() and abs(_after(found) - process.after) < 1
        # seconds, as a step of the system clock moves the start times that the kernel's ticks are turned into
        return leads and abs(found.create_time() - process.created) < 5
    except (psutil.Error, OSError):
        return False


def _boot() -> str:
    """Which boot of this machine this is; empty where the system does not tell (random(4), proc(5))."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _after(found: psutil.Process) -> float:
    """Seconds between this machine's boot and a process's start; a step of the clock moves both, on Linux."""
    import psutil

    booted = psutil.boot_time()  # first, as it is what the start is reckoned from
    return found.create_time() - booted


def free_port(preferred: int = 0) -> int:
    """A TCP port that is free on 127.0.0.1: ``preferred`` when it is, else any.

    Who will listen there binds it seconds later; so it is none of those that a system hands out meanwhile to whoever
    asks for any (Linux: from 32768 on, ``net.ipv4.ip_local_port_range``; macOS and Windows: from 49152 on, RFC 6335).

    Raises:
        TaskError: there is none.
    """
    import random

    for port in (*filter(None, [preferred]), *random.sample(range(20_000, 30_000), 20), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise TaskError("no free port on 127.0.0.1")


def listens(process: Process, port: int) -> bool:
    """Whether who listens on a TCP port is the process or a child of it: another may answer there as well as ours."""
    import psutil

    def has_it(member: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            found = member.net_connections("tcp")
            return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in found)
        return False

    with contextlib.suppress(psutil.Error):
        leader = psutil.Process(process.pid)
        return has_it(leader) or any(has_it(child) for child in leader.children(recursive=True))
    return False


def tail(log: Path, lines: int = 15) -> str:
    """The last ``lines`` lines of a log file; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 200 * lines))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def wait_until(deadline: float, pause: float = 0.2) -> bool:
    """Sleep ``pause`` seconds; whether ``deadline`` (on ``time.monotonic``'s clock) is still ahead."""
    time.sleep(pause)
    return time.monotonic() < deadline
