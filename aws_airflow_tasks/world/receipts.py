"""The journal of what was applied, in the state directory: what ``undo`` goes by, and how we know what is ours.

A receipt is on disk before its change is made. A crash between the two leaves a receipt whose target still is as it was
before, which undo recognises. Receipts hold no secrets: text of the person's that gave way lies apart, in files that
only the person can read, until it is put back.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar, cast

from aws_airflow_tasks.core import Edit, TaskError, Trace, digest, sh
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import files, private

#: how a receipt is written; version 0.1.0 wrote none, which is 1, with the same fields but those that have a default
FORMAT = 2


class Receipt(NamedTuple):
    """One entry of the journal, as JSON has it.

    Attributes:
        number: its place in the journal, from 1.
        kind: what its record is called.
        content: the record's fields.
    """

    number: int
    kind: str
    content: Mapping[str, Any]


R = TypeVar("R")
#: what each kind of record is called in the journal
_KINDS: dict[type, str] = {}


def kind(name: str) -> Callable[[type[R]], type[R]]:
    """Make a named tuple, which JSON can hold and which has no secrets, a record that is called ``name``."""

    def register(record: type[R]) -> type[R]:
        _KINDS[record] = name
        return record

    return register


class Kept(NamedTuple, Generic[R]):
    """A record that is in the journal, and its number there."""

    number: int
    record: R


def of(journal: Iterable[Receipt], record: type[R]) -> list[Kept[R]]:
    """The records of a kind in the journal, the oldest first.

    Args:
        journal: from :func:`load`.
        record: see :func:`kind`; a field that an earlier version did not write has its default.

    Raises:
        TaskError: one lacks what it must have.
    """
    names, found = cast(Any, record)._fields, []
    for receipt in journal:
        if receipt.kind == _KINDS[record]:
            fields = {name: receipt.content[name] for name in names if name in receipt.content}
            try:
                found.append(Kept(receipt.number, record(**fields)))
            except TypeError:
                raise TaskError(f"receipt {receipt.number} is damaged: it is none of ours") from None
    return found


@kind("file")
class FileRecord(NamedTuple):
    """What was done to a file of the project.

    Attributes:
        path: the file, relative to the project, with ``/``.
        before: the sha256 (hex) of its bytes before; None: it did not exist.
        after: likewise after; None: it does not exist any more.
        edits: the splices, as :class:`Trace` has them; see :func:`file_record`.
        folders: the directories that were made for it, relative to the project, the outermost first.
        keys: of a ``.env`` file, what ``patch.dotenv.written`` says.
        source: of the override, the directory that was mounted.
        theirs: of the override, the services that carried a volume like ours before us; None: nobody looked.
        empty: of the override, what was there with nothing in it before us; None: nobody looked.
        shell: of a ``.env`` file, the endpoints that it has from the shell of then, by variable.
    """

    path: str
    before: str | None
    after: str | None
    edits: Sequence[Mapping[str, Any]]
    folders: Sequence[str] = ()
    keys: Mapping[str, Mapping[str, Any] | None] | None = None
    source: str = ""
    theirs: Sequence[str] | None = None
    empty: Sequence[str] | None = None
    shell: Mapping[str, str] = MappingProxyType({})


def file_record(
    path: str, before: bytes | None, after: bytes | None, edits: tuple[Edit, ...], **more: Any
) -> FileRecord:
    """The record of a file's change, for :func:`record`.

    Args:
        path: the file, relative to the project, with ``/``.
        before: its bytes before; None: it did not exist.
        after: its bytes after; None: it does not exist any more.
        edits: the splices from one to the other.
        more: further fields. With ``keys`` the text we write is not kept, since each key's hash is enough to find it
            again.
    """
    described = _described(after or b"", edits, keep=more.get("keys") is None)
    return FileRecord(path, digest(before), digest(after), described, **more)


def _described(after: bytes, edits: tuple[Edit, ...], *, keep: bool) -> list[dict[str, Any]]:
    """The edits as :class:`Trace` has them; ``new`` and ``old`` are bytes that :func:`record` finds a place for."""
    shift, described = 0, []
    for edit in edits:
        start = edit.start + shift
        end = start + len(edit.new)
        shift += len(edit.new) - len(edit.old)
        line_start, line_end = after.rfind(b"\n", 0, start) + 1, after.find(b"\n", end)
        line = after[line_start : len(after) if line_end < 0 else line_end]
        described.append(
            {
                "start": start,
                "length": len(edit.new),
                "sha256": digest(edit.new),
                "new": edit.new if keep else None,
                "old": edit.old,
                "line": digest(line) if keep else "",
                "column": start - line_start,
            }
        )
    return described


def record(state: Path, made: Any) -> None:
    """Write a record to the journal; call it before the change is made, with the project's lock held.

    Args:
        state: the project's state directory.
        made: a record (see :func:`kind`); the text that edits of :func:`file_record` replaced is stored apart.

    Raises:
        TaskError: the journal cannot be written, or it is open to others.
    """
    folder, replaced = _folder(state, "receipts"), _folder(state, "replaced")
    number = max(_numbers(folder), default=0) + 1
    content = {"format": FORMAT, "kind": _KINDS[type(made)], **made._asdict()}
    if isinstance(made, FileRecord):
        content["shell"] = dict(made.shell)
        content["edits"] = [
            _stored(edit, replaced / f"{number:04d}-{index}") for index, edit in enumerate(content["edits"])
        ]
    _write(folder / f"{number:04d}.json", json.dumps(content, indent=1).encode())


def _stored(edit: Mapping[str, Any], place: Path) -> dict[str, Any]:
    if edit["old"]:
        _write(place, edit["old"])
    new = edit["new"]
    return {
        **edit,
        "new": None if new is None else new.decode("utf-8", errors="surrogateescape"),
        "old": {"length": len(edit["old"]), "sha256": digest(edit["old"])},
    }


def load(state: Path) -> list[Receipt]:
    """The journal, the oldest first; empty when there is none.

    Raises:
        TaskError: it cannot be read, or it is open to others.
    """
    folder = state / "receipts"
    if not os.path.lexists(folder):
        return []
    _private(state, folder)
    return [_parsed(number, folder / f"{number:04d}.json") for number in sorted(_numbers(folder))]


def _parsed(number: int, path: Path) -> Receipt:
    try:
        content = from_json(files.read(path) or b"")
        receipt, version = Receipt(number, str(content["kind"]), content), int(content.get("format", 1))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TaskError(f"{path} is damaged: it is no receipt of ours", hint=sh("less {}", path)) from None
    if version > FORMAT:
        raise TaskError(f"{path} was written by a later version of this tool", hint="aws-airflow --version")
    return receipt


def traces(state: Path, kept: Kept[FileRecord]) -> tuple[Trace, ...]:
    """The splices of a file's receipt, with the text that they took the place of.

    Raises:
        TaskError: that text is gone or was changed.
    """
    return tuple(
        Trace(
            start=edit["start"],
            length=edit["length"],
            sha256=edit["sha256"],
            new=None if edit["new"] is None else edit["new"].encode("utf-8", errors="surrogateescape"),
            old=_replaced(replaced(state, kept, index), edit["old"]),
            line=edit["line"],
            column=edit["column"],
        )
        for index, edit in enumerate(kept.record.edits)
    )


def replaced(state: Path, kept: Kept[FileRecord], index: int) -> Path:
    """Where the text lies that an edit of a file's receipt took the place of; not there where it took no text's."""
    return state / "replaced" / f"{kept.number:04d}-{index}"


def _replaced(place: Path, old: Mapping[str, Any]) -> bytes:
    if not old["length"]:
        return b""
    found = files.read(place)
    if digest(found) != old["sha256"]:
        raise TaskError(
            f"{place}, which holds the text that was replaced, is gone or damaged", hint=sh("ls -l {}", place)
        )
    return found or b""


def forget(state: Path, numbers: Iterable[int]) -> None:
    """Take the receipts of these numbers off the journal, the newest first, with the replaced text kept for them.

    Raises:
        TaskError: one cannot be removed.
    """
    for number in sorted(numbers, reverse=True):
        path = state / "receipts" / f"{number:04d}.json"
        try:
            path.unlink(missing_ok=True)
            for place in (state / "replaced").glob(f"{number:04d}-*"):
                place.unlink(missing_ok=True)
        except OSError as error:
            raise TaskError(f"cannot remove {path}: {error.strerror}", hint=sh("ls -l {}", path)) from None


def of_file(journal: Iterable[Receipt], path: str) -> list[Kept[FileRecord]]:
    """What was ever done to the file ``path``, the oldest first."""
    return [kept for kept in of(journal, FileRecord) if kept.record.path == path]


def written_values(journal: Iterable[Receipt], path: str) -> dict[str, frozenset[str]]:
    """By key the hashes of the values that we wrote to the ``.env`` file ``path``; for ``patch.dotenv.plan``.

    All of them, not just the last: after a crash the file may still hold the one before.
    """
    ours: dict[str, frozenset[str]] = {}
    for kept in of_file(journal, path):
        for key, value in (kept.record.keys or {}).items():
            ours[key] = ours.get(key, frozenset()) | ({value["sha256"]} if value else set())
    return ours


def written_text(journal: Iterable[Receipt], path: str) -> list[str]:
    """Every piece of text that we put into the file ``path``."""
    return [edit["new"] for kept in of_file(journal, path) for edit in kept.record.edits if edit["new"]]


def way_back(kept: Sequence[Kept[FileRecord]], data: bytes | None) -> list[Kept[FileRecord]]:
    """A file's records in the order in which they lead back from ``data``, the newest first.

    One that the next one does not build on was never made, or was taken back by hand: it is left out. Where the file
    is as a change left it, the way begins there. In ``.env``, whose lines are known by their names, that is the newest
    such change, so that a value of the person's that it replaced comes back; in any other file the oldest, as what was
    changed by hand and repaired since cannot be told from ours.
    """
    followed = zip(kept, [*kept[1:], None], strict=False)  # of none nothing
    made = [each for each, after in followed if not after or after.record.before != each.record.before][::-1]
    there = [index for index, each in enumerate(made) if each.record.after == digest(data)]
    begin = 0 if any(each.record.keys for each in kept) else -1
    return made[there[begin] :] if there else made


def is_as_written(journal: Iterable[Receipt], path: str, data: bytes | None) -> bool:
    """Whether the file ``path`` with the bytes ``data`` is just as one of our changes left it."""
    return any(kept.record.after == digest(data) for kept in of_file(journal, path))


def _numbers(folder: Path) -> list[int]:
    return [int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()]


def _folder(state: Path, name: str) -> Path:
    folder = state / name
    if not os.path.lexists(folder):
        with files.explained("write", folder):
            private.make(folder)
    _private(state, folder)
    return folder


def _private(*folders: Path) -> None:
    for folder in folders:
        with files.explained("read", folder):
            private.check(folder)


def _write(path: Path, data: bytes) -> None:
    files.replace(path, files.read(path), data, mode=0o600)
