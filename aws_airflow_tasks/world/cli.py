"""The external command lines, `aws` and `astro`: found, run captured, or handed the terminal; never through a shell.

What is captured runs in a session of its own, and is stopped with all that it has started. No secret ever goes into
``argv``: everyone on the machine can read it there. Secrets go through ``input``.
"""

import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import processes, waits

log = logging.getLogger("aws_airflow_tasks")

#: how to install a program: by ``sys.platform``, the empty key for every other platform
INSTALL: dict[str, dict[str, str]] = {
    "aws": {
        "darwin": "brew install awscli",
        "win32": "winget install -e --id Amazon.AWSCLI",
        "": "sudo snap install aws-cli --classic"
        "   # or https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    },
    "astro": {
        "darwin": "brew install astro",
        "win32": "winget install -e --id Astronomer.Astro",
        "": "curl -sSL https://install.astronomer.io | sudo bash -s",
    },
    "uv": {"": "pip install uv"},
}
#: seconds that a command line may take unless it is known to be slow
PATIENCE = 120
#: seconds that a person gets to log in; a code of IAM Identity Center is good for ten minutes
LOGIN = 900
#: in characters, of a command line in a sentence
_LONGEST = 100
#: seconds that a child gets to end by itself after an interrupt or a timeout
GRACE = 10


class TimedOut(TaskError):  # noqa: N818
    """A command line took longer than it may."""


class Completed(NamedTuple):
    """How a captured command line ended: its exit code and what it wrote, as text."""

    code: int
    stdout: str
    stderr: str


def find(program: str) -> str:
    """The path of ``program``: from PATH, else from beside our own interpreter.

    Raises:
        TaskError: it is not installed; the hint says how to install it on this system.
    """
    path = shutil.which(program) or shutil.which(program, path=sysconfig.get_path("scripts"))
    if not path:
        raise TaskError(f"`{program}` is not installed", hint=install(program))
    return path


def install(program: str) -> str:
    """How to install a program on this system; empty when we do not know."""
    ways = INSTALL.get(program, {})
    return ways.get(sys.platform) or ways.get("", "")


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    input: str = "",
    timeout: float = PATIENCE,
    tick: Callable[[], None] | None = None,
    every: float = 1.0,
    umask: int = -1,
) -> Completed:
    """Run a command line to its end with its output captured; a non-zero exit code is not an error here.

    It has no terminal. Whatever cuts it short ends all that it has started, too.

    Args:
        argv: the program and its arguments, without secrets.
        env: the whole environment; None: ours.
        cwd: where it runs; None: here.
        input: what it reads on standard input; it never gets the terminal.
        timeout: seconds it may take.
        tick: is called while it runs; an exception of it stops the child and is passed on. Not with ``input``, of
            which ``Popen.communicate`` forgets at a timeout what the child has not read by then.
        every: seconds between two calls of ``tick``.
        umask: of the command; -1: ours.

    Raises:
        TimedOut: it takes longer than ``timeout``.
        TaskError: the program is not installed or cannot be started.
        KeyboardInterrupt: passed on once the child is stopped.
    """
    assert not (input and tick)
    with _starting:
        child = _start(argv, env, cwd, subprocess.PIPE, umask)
        _running.add(child)
    with child, waits.told(f"{_shown(argv)} (at most {timeout:g} s)"):
        try:
            out, err = _communicate(child, input, timeout, tick, every)
        except subprocess.TimeoutExpired:
            _stop_group(child)
            hint = (
                note("type the same command again: what that waited for did not answer") if input else shlex.join(argv)
            )
            raise TimedOut(f"{_shown(argv)} did not end within {timeout:g} seconds", hint=hint) from None
        except BaseException:
            _stop_group(child)
            raise
        finally:
            _running.discard(child)
    return Completed(child.returncode, out, err)


#: what :func:`run` waits for, in any thread
_running: set[subprocess.Popen[str]] = set()
#: held while one is started, as it would else be there and not be known yet to who ends them
_starting = threading.Lock()


def stop_running() -> None:
    """End the captured command lines that other threads wait for, because nobody wants what they say any more."""
    with _starting:
        children = list(_running)
    for name in ("SIGTERM", "SIGKILL"):
        for child in children:
            _signal_group(child, name)
        deadline = time.monotonic() + GRACE
        while _running.intersection(children) and processes.wait_until(deadline, 0.02):
            pass  # whoever waits for them learns how they ended


def _communicate(
    child: subprocess.Popen[str], input: str, timeout: float, tick: Callable[[], None] | None, every: float
) -> tuple[str, str]:
    """As ``child.communicate``, with a call of ``tick`` now and then."""
    deadline = time.monotonic() + timeout
    while tick:
        try:
            return child.communicate(timeout=min(every, max(0, deadline - time.monotonic())))
        except subprocess.TimeoutExpired:  # nothing of what was read is lost
            if time.monotonic() >= deadline:
                raise
            tick()
    return child.communicate(input, timeout=timeout)


def said(done: Completed) -> str:
    """The line of a failed command's output that tells most: the first that begins with ``error``, else the last."""
    return telling(f"{done.stdout}\n{done.stderr}", r"(?i)^error\b", first=True)


def interactive(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = LOGIN
) -> int:
    """Hand the terminal to a command line and return its exit code.

    Its output goes to our standard error, so that standard output stays what our own results are read from. It shares
    our process group, as only so it can read the terminal.

    Raises:
        TaskError: the program is not installed, cannot be started or takes longer than ``timeout`` seconds.
        KeyboardInterrupt: passed on once the child is stopped.
    """
    waits.lend_terminal()
    child = _start(argv, env, cwd, None)
    with child:
        try:
            return child.wait(timeout)
        except subprocess.TimeoutExpired:
            _stop(child)
            raise TimedOut(f"{_shown(argv)} did not end within {timeout:g} seconds", hint=shlex.join(argv)) from None
        except BaseException:
            _stop(child)
            raise


def follow(argv: Sequence[str], tell: Callable[[str], bool], *, cwd: Path | None = None) -> int:
    """Run a command line for as long as it goes on, and tell each line that it writes, to either stream, as it comes.

    Args:
        argv: the program and its arguments, without secrets.
        tell: takes a line without its end; False: no more of them is wanted, and the command is stopped.
        cwd: where it runs; None: here.

    Returns:
        Its exit code; 0 where no more was wanted.

    Raises:
        TaskError: the program is not installed or cannot be started.
        KeyboardInterrupt: passed on once the child is stopped.
    """
    waits.lend_terminal()
    with _start(argv, None, cwd, subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.close()
        try:
            wanted = all(tell(line.rstrip("\n")) for line in child.stdout)
            if wanted:
                return child.wait()
        except BaseException:
            _stop_group(child)
            raise
        _stop_group(child)
    return 0


def _start(
    argv: Sequence[str],
    env: Mapping[str, str] | None,
    cwd: Path | None,
    streams: int | None,
    umask: int = -1,
    stderr: int | None = None,
) -> subprocess.Popen[str]:
    path = find(argv[0])
    log.debug("$ %s", shlex.join(argv))
    try:
        return spawn(
            [path, *argv[1:]],
            env=env,
            cwd=cwd,
            stdin=streams,
            stdout=streams or sys.stderr,
            stderr=stderr or streams,
            start_new_session=streams is not None,
            umask=umask,
        )
    except OSError as error:
        raise TaskError(f"cannot start `{argv[0]}`: {error.strerror}", hint=shlex.join(argv)) from None


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdin: int | None,
    stdout: int | IO[Any] | None,
    stderr: int | None,
    start_new_session: bool,
    umask: int,
) -> subprocess.Popen[str]:
    """The one place where this module starts a process."""
    return subprocess.Popen(
        argv,
        env=env,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=start_new_session,
        umask=umask,
        encoding="utf-8",
        errors="replace",
    )


def _stop_group(child: subprocess.Popen[str]) -> None:
    """End the child and all that it has started, in the session that it leads."""
    if not hasattr(os, "killpg"):
        _stop(child)
        return
    processes.stop_group(child.pid, seconds=GRACE)
    child.wait()


def _signal_group(child: subprocess.Popen[str], name: str) -> None:
    if sys.platform == "win32" or not hasattr(os, "killpg"):
        child.terminate()
        return
    with contextlib.suppress(OSError):  # nobody is left of it
        os.killpg(child.pid, getattr(signal, name))


def _stop(child: subprocess.Popen[str]) -> None:
    """End a child that shares our group: it may be ending already, as the terminal's Ctrl-C reaches it too."""
    processes.stop_family(child.pid, seconds=GRACE)
    child.wait()


def _shown(argv: Sequence[str]) -> str:
    """A command line in a sentence; of a long one the beginning."""
    line = shlex.join([Path(argv[0]).name, *argv[1:]])
    return f"`{line if len(line) <= _LONGEST else line[:_LONGEST] + '…'}`"


def terminal() -> bool:
    """Whether somebody is there to answer a command line that prompts."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def aws_version() -> tuple[int, int, int]:
    """The version of the `aws` command line.

    Raises:
        TaskError: it is not installed, or says something else.
    """
    done = run(["aws", "--version"], timeout=60)
    version = parse_aws_version(done.stdout or done.stderr)
    if version is None:
        raise TaskError("`aws --version` does not say a version", hint="aws --version")
    return version


def parse_aws_version(text: str) -> tuple[int, int, int] | None:
    """The version in what `aws --version` prints, such as ``aws-cli/2.9.19 Python/3.11.2 Linux/6.1``; None: none."""
    found = re.match(r"aws-cli/(\d+)\.(\d+)\.(\d+)", text.strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
