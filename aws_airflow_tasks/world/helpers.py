"""Credential helpers: what a profile's ``credential_process`` names, run with bounds and judged in words.

botocore lets one run for as long as it likes, swallows what it asks on standard error, and says of most failures that
a file is not there. The rules of its output: https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
"""

import contextlib
import errno
import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import IO, Any, NamedTuple

from aws_airflow_tasks.core import TaskError, expanded, sh
from aws_airflow_tasks.text.cleaning import HIDDEN
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.text.hints import by_hand, edit_config, editor, note
from aws_airflow_tasks.text.redaction import SUSPECT, redact_output
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import cli, waits

log = logging.getLogger("aws_airflow_tasks")

#: seconds that a helper gets where nobody can answer it; at a terminal a person decides, and is told every so often
LIMIT, TOLD_AFTER = 60, 5
#: bytes of an answer, of which the rules need some hundred
MOST = 64 * 1024
_FLOOD = f"printed more than {MOST // 1024} KiB"
#: botocore's names for the members of an answer
MEMBERS = {"access_key": "AccessKeyId", "secret_key": "SecretAccessKey", "token": "SessionToken"} | {
    "expiry_time": "Expiration",
    "account_id": "AccountId",
}


class Helper(NamedTuple):
    """A profile's helper.

    Attributes:
        profile: the profile's name.
        argv: its command line, split as botocore splits it.
        typed: the command that runs it by hand; empty: it is the one of the profile's ``credential_process``.
    """

    profile: str
    argv: tuple[str, ...]
    typed: str = ""

    def __str__(self) -> str:
        """For a person; its arguments may be secrets."""
        return f"the credential helper `{PurePath(self.argv[0]).name}` of profile {self.profile}"

    def failed(self, why: str, hint: str = "") -> TaskError:
        """The error that it ``why``; without another hint it is to be run by hand, where it can show and ask."""
        shown = f"{by_hand(self.profile)}   # it shows why; unless that has mended it, then: {edit_config()}"
        return TaskError(f"{self} {why}", hint=hint or self.typed or shown)


def of(profile: str, command: str, split: Callable[[str], list[str]]) -> Helper:
    """The helper that a ``credential_process`` names; ``split`` makes words of a line as botocore does.

    Raises:
        TaskError: it is no command line.
    """
    try:
        argv = split(command)
    except ValueError as error:  # an open quotation mark
        argv, why = [], f": {error}"
    else:
        why = ": it is empty"
    if argv:
        return Helper(profile, tuple(argv))
    raise TaskError(f"the credential_process of profile {profile} is no command line{why}", hint=edit_config())


#: what helpers have answered during this command line: each is asked once, and before the project's lock is taken
_answers: list[dict[Helper, dict[str, Any]]] = []


@contextlib.contextmanager
def asked_once() -> Iterator[None]:
    """Within this, a helper's answer is used again until it ends."""
    _answers.append({})
    try:
        yield
    finally:
        _answers.pop()


def credentials(
    helper: Helper, moment: Callable[[str], datetime], run: Callable[[Helper], bytes] | None = None
) -> dict[str, Any]:
    """What the helper gives, by the names that botocore has for it.

    Args:
        helper: whom to ask.
        moment: reads a time as botocore does.
        run: has it print its answer; None: as any helper.

    Raises:
        TaskError: it gives none; the words say why.
        KeyboardInterrupt: passed on once it is stopped.
    """
    kept = _answers[-1] if _answers else {}
    if helper in kept and not _ended(kept[helper]):
        return kept[helper]
    found = kept[helper] = _judged(helper, (run or _run)(helper), moment)
    return found


def _ended(found: dict[str, Any]) -> bool:
    ends = found["expiry_time"]
    return bool(ends) and datetime.fromisoformat(ends).timestamp() <= time.time()


def _judged(helper: Helper, said: bytes, moment: Callable[[str], datetime]) -> dict[str, Any]:
    try:
        answer = from_json(said)
    except ValueError:
        raise helper.failed("printed no JSON" if said.strip() else "printed nothing") from None
    if not isinstance(answer, dict) or answer.get("Version") != 1:
        raise helper.failed('printed JSON without "Version": 1')
    found = {name: answer.get(member) for name, member in MEMBERS.items()}
    for name in ("access_key", "secret_key"):
        if not (isinstance(found[name], str) and found[name]):
            raise helper.failed(f"printed JSON without {MEMBERS[name]}")
    for name in ("token", "account_id"):
        found[name] = str(found[name]) if found[name] else None
    if found["expiry_time"] is not None:
        found["expiry_time"] = _time(helper, found["expiry_time"], moment)
        if _ended(found):
            raise helper.failed(f"gives credentials that have expired ({found['expiry_time']})")
    return found


def _time(helper: Helper, text: Any, moment: Callable[[str], datetime]) -> str:
    """The time in a form with its zone; UTC where it names none, at which botocore would stumble."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # dateutil's, at a zone such as PST, which it does not know and leaves out
            found = moment(text) if isinstance(text, str) else None
    except (ValueError, OverflowError, RuntimeError, Warning):  # botocore has the third for milliseconds
        found = None
    if found is None:
        raise helper.failed("printed an Expiration that is no time such as 2030-01-31T12:00:00Z")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def _run(helper: Helper) -> bytes:
    """What it prints; it has the terminal where there is one, else no input and ``LIMIT`` seconds."""
    if terminal := cli.terminal():
        waits.lend_terminal()
    child = _start(helper, terminal)
    out, err = _Output(child.stdout, MOST), _Output(child.stderr, MOST)
    try:
        with waits.told(str(helper) if terminal else f"{helper} (at most {LIMIT} s)"):
            _await(helper, child, out, terminal)
    except BaseException:
        _end(child, alone=terminal)
        raise
    if child.returncode:
        err.await_end(1)
        raise helper.failed(f"ended with exit code {child.returncode}{_said(err.text(), out.text())}")
    return bytes(out.read)


def _start(helper: Helper, terminal: bool) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            helper.argv,
            stdin=None if terminal else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if terminal else subprocess.PIPE,
            start_new_session=not terminal,  # so that all of it can be ended; at a terminal it must be able to ask
        )
    except (OSError, ValueError) as error:
        raise _not_started(helper, error) from None


def _not_started(helper: Helper, error: Exception) -> TaskError:
    program = helper.argv[0]
    if program.startswith("~") or "$" in program:
        whole = note(f"write {expanded(program)} in credential_process of profile {helper.profile}")
        hint = f"{edit_config()}   {whole}"
        return helper.failed(f"is not there: {program} is taken as it is, no shell fills it in", hint)
    file = Path(shutil.which(program) or program)
    if isinstance(error, FileNotFoundError) and not file.is_file():
        return helper.failed("is not there", f"{edit_config()}   {note(f'install {program}, or name its whole path')}")
    if isinstance(error, FileNotFoundError):  # execve(2): the interpreter is what is not found
        return helper.failed(*_without_interpreter(file))
    code, why = (error.errno, error.strerror) if isinstance(error, OSError) else (0, str(error))
    if code == errno.ENOEXEC:
        return helper.failed("cannot be started: it has no first line such as #!/bin/sh", editor(file, 1))
    mend = sh("chmod u+x {}", file) if code == errno.EACCES and file.is_absolute() and file.is_file() else edit_config()
    return helper.failed(f"cannot be started: {why}", mend)


def _without_interpreter(file: Path) -> tuple[str, str]:
    """Why a helper whose interpreter is not found cannot be started, and what mends it."""
    first = ""
    with contextlib.suppress(OSError), file.open("rb") as opened:
        first = opened.readline(256).decode(errors="replace").rstrip("\n")
    if first and not first.startswith("#!"):  # of a program, the loader that it names is what is not found
        return "cannot be started: it is a program for another system", note(f"install {file.name} for this system")
    if first.endswith("\r"):
        mend = "(umask 077 && tr -d '\\r' < {} > {}) && cat {} > {} && rm {}"  # it keeps its mode, owner and link
        new = file.with_name(f"{file.name}.new")
        return "cannot be started: its lines end as Windows has them", sh(mend, file, new, new, file, new)
    gone = (first[2:].split() or [""])[0]
    why = "cannot be started: what its first line names is not there" + (f": {gone}" if gone else "")
    if tool := re.search(r"/(?P<by>pipx/venvs|uv/tools)/(?P<name>[^/]+)/", gone):
        by = "pipx reinstall {}" if tool["by"].startswith("pipx") else "uv tool install --reinstall {}"
        return why, sh(by, tool["name"])
    there = shutil.which(PurePath(gone).name)
    named = f"name one that is there: {there}" if there else f"install {gone or 'it'}, or name what is there instead"
    return why, f"{editor(file, 1)}   {note(named)}"


class _Output:
    """What a stream says, read beside it so that nobody has to wait for its end; beyond ``most`` nothing is kept."""

    def __init__(self, stream: IO[bytes] | None, most: int) -> None:
        self.read, self.flooded = bytearray(), False
        self._most = most
        self._reader = threading.Thread(target=self._follow, args=(stream,), daemon=True)
        self._reader.start()

    def _follow(self, stream: IO[bytes] | None) -> None:
        with contextlib.suppress(OSError), stream or contextlib.nullcontext():
            while stream and (block := os.read(stream.fileno(), 8192)):
                self.flooded = self.flooded or len(self.read) + len(block) > self._most
                self.read += b"" if self.flooded else block

    def await_end(self, seconds: float) -> None:
        """Wait for its end for so long at most."""
        self._reader.join(seconds)

    def text(self) -> str:
        """What was read of it."""
        return bytes(self.read).decode("utf-8", "replace")


def _await(helper: Helper, child: subprocess.Popen[bytes], out: _Output, terminal: bool) -> None:
    """Wait for its end; what it leaves behind may hold the streams open for longer."""
    begin, told = time.monotonic(), TOLD_AFTER
    while not _over(child):
        passed = time.monotonic() - begin
        if out.flooded:
            raise helper.failed(_FLOOD)
        if passed > LIMIT and not terminal:
            raise helper.failed(f"did not end within {LIMIT} seconds, without a terminal to ask at; does it ask?")
        if passed > told:
            log.info("waiting for %s: %d s; Ctrl-C ends it", helper, passed)
            told *= 2
    out.await_end(1)
    if out.flooded:
        raise helper.failed(_FLOOD)


def _over(child: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; waits a moment for that."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(0.1)
    return child.returncode is not None


def _end(child: subprocess.Popen[bytes], *, alone: bool) -> None:
    """End it, and what it has started where that is a group of its own."""
    for name in ("SIGTERM", "SIGKILL"):
        with contextlib.suppress(OSError):
            if alone or not hasattr(os, "killpg"):
                child.terminate() if name == "SIGTERM" else child.kill()
            else:
                os.killpg(child.pid, getattr(signal, name))
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(cli.GRACE)


def _said(err: str, out: str) -> str:
    """What it said on standard error, in a clause, without what it may have given and what looks like a secret."""
    secrets = re.findall(r"[^\s\"',:{}]{12,}", out)
    line = telling(redact_output(err, {}, *secrets)) if err.strip() else ""
    return f": {re.sub(SUSPECT, HIDDEN, line)}" if line else ""
