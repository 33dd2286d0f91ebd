"""The words everything else is written in: a change, a plan, a result, an error and the command to type then.

A step reads facts and returns a :class:`Plan` of :class:`Change` values. What a person sees follows from them:
``changed`` is ``before != after``, ``--diff`` shows those two, ``--check`` does not call ``apply``, idempotence and the
proof after applying are planning again, and ``undo`` is the receipts of what was applied, reversed.
"""

import difflib
import hashlib
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

#: of this tool; to look it up among the installed packages takes longer than a step that changes nothing
VERSION = "0.1.0"

Status = Literal["ok", "changed", "skipped", "failed"]
CheckStatus = Literal["ok", "warning", "failed", "skipped"]
Action = Literal[
    "agree",
    "copy",
    "create",
    "delete",
    "disable",
    "enable",
    "login",
    "patch",
    "refresh",
    "remove",
    "restart",
    "restore",
    "revoke",
    "start",
    "stop",
    "switch",
    "sync",
    "tag",
    "wait",
]
#: before the reason of what is skipped although nothing failed
NOT_NEEDED = "not needed here: "


class TaskError(Exception):
    """Something a person can cause or mend.

    Args:
        message: the cause, one sentence, without secrets.
        hint: the exact command (or lines) to type next.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Interrupted(KeyboardInterrupt):
    """Somebody stopped us in a step that has told so, or that has no other end."""


class UsageError(TaskError):
    """A flag or setting that cannot be meant; nothing was started."""

    exit_code = 2


def sh(template: str, *words: object) -> str:
    """A command for a person to type: whatever a directory or a profile is called, pasting it does what it says.

    Each ``{}`` of ``template`` is filled by one of ``words`` (a path, a name, a URL), quoted for a POSIX shell.
    """
    return template.format(*(shlex.quote(str(word)) for word in words))


def expanded(path: str) -> Path:
    """A path as botocore takes one, with variables and ``~`` filled in where they are known; it never raises."""
    return Path(os.path.expanduser(os.path.expandvars(path)))  # noqa: PTH111


class Pending(Exception):  # noqa: N818
    """A fact that only an earlier change, still pending in check mode, would create.

    Args:
        after: the name of the step that would create it, such as ``init``.
    """

    def __init__(self, after: str) -> None:
        super().__init__(f"known after {after}")
        self.after = after


def _as_it_is(text: str) -> str:
    return text


@overload
def digest(data: bytes | str) -> str: ...


@overload
def digest(data: None) -> None: ...


def digest(data: bytes | str | None) -> str | None:
    """The sha256, in hex, by which a file or a value is known again; None for nothing."""
    if data is None:
        return None
    return hashlib.sha256(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data).hexdigest()


class Edit(NamedTuple):
    """One splice of a file: at byte offset ``start``, ``old`` gives way to ``new``."""

    start: int
    old: bytes
    new: bytes


class Trace(NamedTuple):
    """A splice that was made, as a receipt remembers it: enough to find it again and to take it back.

    Attributes:
        start: its byte offset in the file as we left it.
        length: how many bytes we put there.
        sha256: their hash, in hex.
        new: the bytes themselves; None where a receipt must not hold them.
        old: what they took the place of.
        line: the hash, in hex, of the whole lines around them.
        column: where in those lines they begin, in bytes.
    """

    start: int
    length: int
    sha256: str
    new: bytes | None
    old: bytes
    line: str
    column: int


class Change(NamedTuple):
    """One target, its content before and after, and the way from one to the other.

    Attributes:
        target: what a person calls it: a path relative to the project, ``secret airflow/variables/x``, ``Airflow``.
        action: one word, for JSON and for the step's line (``text.doing``).
        before: the content now; None when the target is absent.
        after: the content wanted; None when the target is to be absent.
        apply: makes it so; raises :class:`TaskError`.
        receipt: the record by which ``undo`` takes it back (see ``world.receipts``); it is on disk before ``apply`` is
            called. None: nothing to take back.
        shown: redacts ``before`` and ``after`` for the diff.
        reason: why it is needed, for the step's line.
        ask: a question that the person answers before it is made; empty: none.
        file: whether the target is a file of the project, and ``before`` and ``after`` its text.
    """

    target: str
    action: Action
    before: str | None
    after: str | None
    apply: Callable[[], None]
    receipt: Any = None
    shown: Callable[[str], str] = _as_it_is
    reason: str = ""
    ask: str = ""
    file: bool = False

    @property
    def needed(self) -> bool:
        """Whether the target differs from what is wanted."""
        return self.before != self.after

    def diff(self) -> str:
        """What differs, redacted by ``shown``: a unified diff of a file, which `git apply` takes; a line of another."""
        before, after = (None if content is None else self.shown(content) for content in (self.before, self.after))
        if not self.file:
            return f"  {self.target}: {_words(before)} -> {_words(after)}\n" if self.needed else ""
        if self.needed and before == after:
            return f"  {self.target}: only redacted values differ\n"
        return unified_diff(self.target, before, after)


def _words(content: str | None) -> str:
    """In one line; names of which the same is said share it: ``scheduler, triggerer: healthy``."""
    if content is None:
        return "absent"
    said: dict[str, list[str]] = {}
    for line in content.splitlines():
        name, colon, what = line.partition(": ")
        said.setdefault(colon + what, []).append(name)
    return ", ".join(", ".join(names) + what for what, names in said.items())


def unified_diff(target: str, before: str | None, after: str | None) -> str:
    """A unified diff of two texts with git's headers; lines end at LF only, whatever else the text holds."""
    if before == after:
        return ""
    old, new = _lines(before), _lines(after)
    head = (
        f"diff --git a/{target} b/{target}\n"
        + ("new file mode 100644\n" if before is None else "")
        + ("deleted file mode 100644\n" if after is None else "")
    )
    names = ("/dev/null" if before is None else f"a/{target}", "/dev/null" if after is None else f"b/{target}")
    body = "".join(_closed(line) for line in difflib.unified_diff(old, new, *names))
    return head + body


def _lines(text: str | None) -> list[str]:
    lines = (text or "").split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _closed(line: str) -> str:
    return line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"


class Plan(NamedTuple):
    """What a step would do now.

    Attributes:
        changes: one a target, in the order they are applied; those not ``needed`` say that a target is as wanted.
        target: what the step is about, for its line when nothing changes.
        reason: why nothing is to do, or why so; one clause.
        skipped: the step does not apply here; ``reason`` says why.
        warnings: what a person should know although nothing failed.
    """

    changes: tuple[Change, ...] = ()
    target: str = ""
    reason: str = ""
    skipped: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[Change, ...]:
        """The changes that are to be made."""
        return tuple(change for change in self.changes if change.needed)

    @property
    def about(self) -> str:
        """What the step's line names: the targets that change, else the plan's own target."""
        return ", ".join(change.target for change in self.needed) or self.target


class Target(NamedTuple):
    """One thing that ``undo`` takes back.

    Attributes:
        name: what a person calls it.
        plan: plans it; nothing is ``needed`` once it is done.
        receipts: the numbers of those that stay while it is not.
        needs: what else must stay in the state directory then.
    """

    name: str
    plan: Callable[[], Plan]
    receipts: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()


class Check(NamedTuple):
    """One finding of ``verify`` or ``doctor``.

    Attributes:
        check: the name of the layer, such as ``identity-in-service``.
        status: ``ok``, ``warning``, ``failed`` or ``skipped``.
        detail: what was seen, without secrets.
        hint: the command to type next.
        service: the Airflow service it was seen in, or empty.
        seconds: how long it was waited for after the one before it; services of a layer are asked at once.
    """

    check: str
    status: CheckStatus
    detail: str = ""
    hint: str = ""
    service: str = ""
    seconds: float = 0.0


class Result(NamedTuple):
    """How a step ended.

    Attributes:
        step: its name.
        status: what it came to.
        target: what it is about: the targets that were changed, else the plan's own.
        reason: why so, in clauses.
        changes: those that were made, or would be.
        warnings: what a person should know although nothing failed.
        error: what it failed at.
        seconds: how long it took.
        done: of each change what was done to its target, or would be.
    """

    step: str
    status: Status
    target: str = ""
    reason: str = ""
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    error: TaskError | None = None
    seconds: float = 0.0
    done: tuple[str, ...] = ()


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Elapsed time in seconds."""
        return time.monotonic() - self.started
