"""``requirements.txt`` asks for the amazon provider: one line of its own, every other byte kept."""

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from aws_airflow_tasks.core import Edit, sh
from aws_airflow_tasks.patch import Patch, splice
from aws_airflow_tasks.patch.requirement_lines import (
    READERS,
    Line,
    Read,
    Split,
    decoded,
    holds,
    logical,
    of_command,
    reached,
)

NAME = "requirements.txt"
PACKAGE = "apache-airflow-providers-amazon"
#: what brings the provider: its own name, or Airflow's with this extra
BRINGS = {PACKAGE: "", "apache-airflow": "amazon"}


class Target(NamedTuple):
    """Where the requirements are to be installed.

    Attributes:
        airflow: the version of Airflow that is there, major and minor; None: not known.
        environment: the values of environment markers that differ from this machine's.
        commands: the arguments of each ``pip install`` that the image runs besides.
        bundled: why the provider is there without being asked for; empty: it is not known to be.
    """

    airflow: tuple[int, int] | None
    environment: Mapping[str, str]
    commands: Sequence[Sequence[str]] = ()
    bundled: str = ""


def wanted(airflow: tuple[int, int] | None) -> str:
    """The line that we write.

    A release of the provider, or of what it depends on, may demand a later Airflow, and an installer that nothing holds
    moves Airflow then. For Airflow 2 the line holds it itself: no later release of the provider will be for it.
    """
    return f"apache-airflow[amazon]~=2.{airflow[1]}.0" if airflow and airflow[0] == 2 else PACKAGE


def plan(data: bytes | None, target: Target, read: Read, *, ours: Collection[str] = ()) -> Patch:
    """Satisfied where the provider is asked for already; else one line more.

    Args:
        data: the file's bytes; None: there is no file.
        target: where its requirements are to be installed.
        read: gives the files that it follows by ``-r``.
        ours: the lines that we wrote before; one that is not :func:`wanted` any more gives way.
    """
    line = wanted(target.airflow)
    if data is None:
        return _satisfied(None, why) if (why := _elsewhere(target, read)) else _edits(None, (), line, f"{line} added")
    try:
        text = decoded(data)
    except ValueError:
        return _refusal(data, "it is no UTF-8 text, which no installer would read", line)
    if stale := _stale(data, set(ours) - {line}, line):
        return _proven(data, stale, target, read, f"{line}, as Airflow's version asks")
    if _every(lambda split: _asked(reached(data, NAME, read, split), target)):
        return _satisfied(data, f"asks for {PACKAGE}")
    if why := _elsewhere(target, read):
        return _satisfied(data, why)
    if any(_hashed(found) for split in READERS.values() for found in reached(data, NAME, read, split)):
        by_hand = sh("echo {} | uv pip compile --generate-hashes -   # and add what it prints", line)
        return _refusal(data, "its requirements are pinned by hash, and all of them have to be", by_hand)
    return _proven(data, (_addition(data, text, line),), target, read, f"{line} added")


def without(data: bytes, ours: Iterable[str]) -> bytes:
    """The file without our lines, where it was edited since: a line that the person changed is the person's own."""
    lines, mark = set(ours), BOM_UTF8 if data.startswith(BOM_UTF8) else b""
    text = data.removeprefix(mark)
    kept = [line for line in text.splitlines(keepends=True) if line.strip().decode(errors="replace") not in lines]
    return mark + b"".join(kept)


def _every(condition: Callable[[Split], bool]) -> bool:
    return all(condition(split) for split in READERS.values())


def _asked(lines: Iterable[Line], target: Target) -> bool:
    return any(holds(line, BRINGS, target.environment) for line in lines)


def _hashed(line: Line) -> bool:
    return any(option.startswith(("--hash", "--require-hashes")) for option in line.options)


def _elsewhere(target: Target, read: Read) -> str:
    """Why the image has the provider whatever the file says; empty: it has not."""
    if target.bundled:
        return target.bundled
    installs = _every(lambda split: _installed(target, read, split))
    return f"the Dockerfile installs {PACKAGE}" if installs else ""


def _installed(target: Target, read: Read, split: Split) -> bool:
    return any(_asked(of_command(words, read, split), target) for words in target.commands)


def _stale(data: bytes, old: Collection[str], line: str) -> tuple[Edit, ...]:
    """The edits that put ``line`` in the place of lines of ours that say otherwise."""
    texts = sorted((text.encode() for text in old), key=len, reverse=True)
    if not texts:
        return ()
    pattern = rb"(?m)(?:^|(?<=\A%b))(?:%b)(?=[ \t]*\r?$)" % (BOM_UTF8, b"|".join(map(re.escape, texts)))
    return tuple(Edit(found.start(), found[0], line.encode()) for found in re.finditer(pattern, data))


def _addition(data: bytes, text: str, line: str) -> Edit:
    """Our line at the end, in the file's own ending; after a blank one where the last line goes on."""
    ending = b"\r\n" if data.rpartition(b"\n")[0].endswith(b"\r") else b"\n"
    ends = not text or data.endswith((b"\n", b"\r"))
    goes_on = text.rstrip("\r\n").endswith("\\")
    before = (b"" if ends else ending) + (ending if goes_on else b"")
    return Edit(len(data), b"", before + line.encode() + (ending if ends else b""))


def _proven(data: bytes, edits: tuple[Edit, ...], target: Target, read: Read, reason: str) -> Patch:
    """The patch, if every reader sees the same lines as before and ours."""
    line = wanted(target.airflow)
    patch = _edits(data, edits, line, reason)
    old = {edit.old.decode(): line for edit in edits if edit.old}
    added = [] if old else [line]
    for split in READERS.values():
        before, after = (logical(decoded(content), split) for content in (data, patch.after or b""))
        if after != [*(old.get(each, each) for each in before), *added]:
            return _refusal(data, "it cannot be told what a line at its end would be read as", line)
        if not _asked(reached(patch.after or b"", NAME, read, split), target):
            return _refusal(data, "a line at its end would not be heeded", line)
    return patch


def _edits(data: bytes | None, edits: tuple[Edit, ...], line: str, reason: str) -> Patch:
    edits = edits or (Edit(0, b"", f"{line}\n".encode()),)
    return Patch("edits", data, splice(data or b"", edits), edits, reason=reason)


def _satisfied(data: bytes | None, reason: str) -> Patch:
    return Patch("satisfied", data, data, reason=reason)


def _refusal(data: bytes, reason: str, by_hand: str) -> Patch:
    return Patch("refusal", data, data, reason=reason, by_hand=by_hand)
