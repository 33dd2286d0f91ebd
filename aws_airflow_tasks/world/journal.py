"""Receipts of many entries: files that are only ever appended to, a line before each write to AWS and one after it.

A line has names, versions and fingerprints, never a value. What AWS does not give back once it is deleted lies beside
it, in files that only the person can read.
"""

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import files, private

#: in the state directory: the journals, what they cannot do without, and the key of the fingerprints
FOLDER = "synced"
Action = Literal["create", "update", "delete"]


class Line(NamedTuple):
    """A write that was about to be made.

    Attributes:
        action: what was to be done.
        name: the entry's whole name.
        over: the version that stood there; empty: none.
        token: a random one; the name of the file with the value, where one was kept.
        print: the fingerprint of the value that was to be written; empty: none was.
        at: seconds since the epoch.
        tags: those of an entry that was deleted.
        form: what else AWS is told to make such a one again as it was.
        kept: whether the value to give back lies beside the journal.
        version: what was written, once AWS had said so; empty: nobody knows whether it was.
        made: whether AWS had said so.
    """

    action: Action
    name: str
    over: str
    token: str
    print: str = ""
    at: float = 0.0
    tags: Mapping[str, str] = MappingProxyType({})
    form: Mapping[str, str] = MappingProxyType({})
    kept: bool = False
    version: str = ""
    made: bool = False


class Journal:
    """One journal; threads may write it at once.

    Args:
        state: the project's state directory.
        run: the journal's name, hexadecimal digits.
    """

    def __init__(self, state: Path, run: str) -> None:
        self._folder, self._run = state / FOLDER, run
        self._lock = threading.Lock()

    @property
    def _path(self) -> Path:
        return self._folder / f"{self._run}.jsonl"

    def lost(self) -> str:
        """Its path where it is not there: a crash came before it was made, or somebody has removed it; else empty."""
        return "" if self._path.exists() else str(self._path)

    def open(self) -> None:
        """Make it, with nothing in it yet; raises TaskError where that cannot be."""
        _folder(self._folder)
        self._write(b"")

    def mend(self) -> None:
        """Take off a last line that a crash has cut: what is written next would become a part of it."""
        whole, _, cut = (files.read(self._path) or b"").rpartition(b"\n")
        if cut:
            with self._lock, files.explained("write", self._path):
                os.truncate(self._path, len(whole) + bool(whole))

    def begin(self, line: Line, value: str | None = None) -> None:
        """Note a write before it is made, with the value that AWS would not give back.

        Raises:
            TaskError: it cannot be written.
        """
        if value is not None:
            kept = json.dumps(value).encode()
            files.replace(self._folder / line.token, files.read(self._folder / line.token), kept, mode=0o600)
        more = {"tags": dict(line.tags), "form": dict(line.form), "at": line.at or time.time()}
        self._append({**line._asdict(), **more, "kept": value is not None})

    def end(self, token: str, version: str) -> None:
        """Note that the write of ``token`` was made, as ``version``."""
        self._append({"done": token, "version": version})

    def _append(self, content: Mapping[str, object]) -> None:
        self._write(json.dumps(content).encode() + b"\n")

    def _write(self, data: bytes) -> None:
        with self._lock, files.explained("write", self._path):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, data)
            finally:
                os.close(descriptor)

    def lines(self) -> Iterator[Line]:
        """What was written, the oldest first; a last line that a crash has cut off was never acted on.

        Nothing where the journal is not there (:meth:`lost`).

        Raises:
            TaskError: it is damaged.
        """
        content = files.read(self._path) or b""
        found: dict[str, Line] = {}
        *whole, _ = content.split(b"\n")
        for text in whole:
            try:
                parsed = from_json(text)
                if "done" in parsed:
                    found[parsed["done"]] = found[parsed["done"]]._replace(version=parsed["version"], made=True)
                else:
                    found[parsed["token"]] = Line(**parsed)
            except (ValueError, KeyError, TypeError):
                raise TaskError(f"{self._path} is damaged", hint=sh("less {}", self._path)) from None
        yield from found.values()

    def value(self, token: str) -> str | None:
        """The value that was kept for the write of ``token``."""
        kept = files.read(self._folder / token)
        return None if kept is None else str(from_json(kept))


def runs(state: Path) -> list[Journal]:
    """Every journal of a project."""
    return [Journal(state, path.stem) for path in sorted((state / FOLDER).glob("*.jsonl"))]


def by_name(books: Iterable[Journal]) -> dict[str, list[Line]]:
    """The lines of journals by entry, the oldest first."""
    found: dict[str, list[Line]] = {}
    for book in books:
        for line in book.lines():
            found.setdefault(line.name, []).append(line)
    return found


def chain(known: Sequence[Line], newest: int, *, restores: bool) -> list[Line]:
    """The writes of ours up to ``newest`` of which each replaced the one before, the oldest first.

    Args:
        known: the lines about one entry.
        newest: the index of the last of them.
        restores: whether AWS keeps what is deleted; else versions begin again at 1, with what is made after it.
    """
    found = [known[newest]]
    for line in reversed(known[:newest]):  # a write of a run that was killed may never have been made
        made_anew = not restores and found[0].action == "create" and line.action == "delete"
        if made_anew or (found[0].action != "create" and found[0].over == (line.version or line.token)):
            found.insert(0, line)
        elif line.action == "delete" and line.made and not restores:
            break
    return found


class Fingerprints:
    """By which two values are known for the same on one machine, and which say nothing of them elsewhere.

    Args:
        state: the project's state directory, which keeps the key.
        keep: whether a key may be made there; else one that is forgotten with the process will do.
    """

    def __init__(self, state: Path, *, keep: bool) -> None:
        path = state / FOLDER / "key"
        key = files.read(path)
        if key is None:
            key = secrets.token_bytes(32)
            if keep:
                _folder(path.parent)
                files.replace(path, None, key, mode=0o600)
        self._key = key

    def of(self, name: str, text: str | None) -> str:
        """The fingerprint of the value of the entry of that whole name; empty for no value."""
        if text is None:
            return ""
        found = hmac.new(self._key, f"{name}\0{text}".encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"hmac:{found.hexdigest()[:16]}"


def _folder(folder: Path) -> None:
    with files.explained("write", folder):
        private.make(folder)
