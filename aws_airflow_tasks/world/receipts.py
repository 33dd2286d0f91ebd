"""The journal of what was applied, in the state directory: what ``undo`` goes by, and how we know what is ours.

A receipt is on disk before its change is made. A crash between the two leaves a receipt whose target still is as it was
before, which undo recognises. Receipts hold no secrets: text of the person's that gave way lies apart, in files that
only the person can read, until it is put back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aws_airflow_tasks.core import Edit, TaskError, Trace
from aws_airflow_tasks.text import digest
from aws_airflow_tasks.world import files
from aws_airflow_tasks.world.state import private


class Receipt(NamedTuple):
    """One entry of the journal.

    Attributes:
        number: its place in the journal, from 1.
        kind: ``file``, or what its step calls it.
        content: what its step wrote down, as JSON has it.
    """

    number: int
    kind: str
    content: Mapping[str, Any]


def file_receipt(
    path_in_project: str, before: bytes | None, after: bytes | None, edits: tuple[Edit, ...], **extra: Any
) -> dict[str, Any]:
    """The receipt of a file's change, for :func:`record`.

    Args:
        path_in_project: the file, relative to the project, with ``/``.
        before: its bytes before; None: it did not exist.
        after: its bytes after; None: it does not exist any more.
        edits: the splices from one to the other.
        extra: what else is to be kept, JSON-able. With ``keys`` (see ``patch.dotenv.written``) the text we write is
            not kept, since each key's hash is enough to find it again.
    """
    return {
        "kind": "file",
        "path": path_in_project,
        "before": digest(before),
        "after": digest(after),
        "edits": _described(after or b"", edits, keep="keys" not in extra),
        **extra,
    }


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


def record(state: Path, receipt: Mapping[str, Any]) -> None:
    """Write a receipt to the journal; call it before the change is made, with the project's lock held.

    Args:
        state: the project's state directory.
        receipt: JSON-able, with its ``kind``; but for the edits of :func:`file_receipt`, whose replaced text is stored
            apart.

    Raises:
        TaskError: the journal cannot be written, or it is open to others.
    """
    folder, replaced = _folder(state, "receipts"), _folder(state, "replaced")
    number = max(_numbers(folder), default=0) + 1
    content = dict(receipt)
    if "edits" in content:
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
        content = json.loads(files.read(path) or b"")
        return Receipt(number, str(content["kind"]), content)
    except (ValueError, KeyError, TypeError):
        raise TaskError(f"{path} is damaged: it is no receipt of ours", hint=f"less '{path}'") from None


def traces(state: Path, receipt: Receipt) -> tuple[Trace, ...]:
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
            old=_replaced(state / "replaced" / f"{receipt.number:04d}-{index}", edit["old"]),
            line=edit["line"],
            column=edit["column"],
        )
        for index, edit in enumerate(receipt.content["edits"])
    )


def _replaced(place: Path, old: Mapping[str, Any]) -> bytes:
    if not old["length"]:
        return b""
    found = files.read(place)
    if digest(found) != old["sha256"]:
        raise TaskError(f"{place}, which holds the text that was replaced, is gone or damaged", hint=f"ls -l '{place}'")
    return found or b""


def forget(state: Path, receipts: Iterable[Receipt]) -> None:
    """Take receipts off the journal, the newest first, with the replaced text kept for them.

    Raises:
        TaskError: one cannot be removed.
    """
    for receipt in sorted(receipts, key=lambda receipt: receipt.number, reverse=True):
        path = state / "receipts" / f"{receipt.number:04d}.json"
        try:
            path.unlink(missing_ok=True)
            for place in (state / "replaced").glob(f"{receipt.number:04d}-*"):
                place.unlink(missing_ok=True)
        except OSError as error:
            raise TaskError(f"cannot remove {path}: {error.strerror}", hint=f"ls -l '{path}'") from None


def written_values(receipts: Sequence[Receipt], path: str) -> dict[str, frozenset[str]]:
    """By key the hashes of the values that we wrote to the ``.env`` file ``path``; for ``patch.dotenv.plan``.

    All of them, not just the last: after a crash the file may still hold the one before.
    """
    ours: dict[str, frozenset[str]] = {}
    for receipt in receipts:
        if receipt.kind == "file" and receipt.content["path"] == path:
            for key, value in receipt.content.get("keys", {}).items():
                ours[key] = ours.get(key, frozenset()) | ({value["sha256"]} if value else set())
    return ours


def of_file(receipts: Sequence[Receipt], path: str) -> list[Receipt]:
    """The receipts of the file ``path`` in the order in which they are to be reversed, the newest first.

    One that the next one does not build on was never made, or was taken back by hand: it is left out.
    """
    found = [receipt for receipt in receipts if receipt.kind == "file" and receipt.content["path"] == path]
    followed = zip(found, [*found[1:], None], strict=True)
    return [r for r, after in followed if not after or after.content["before"] != r.content["before"]][::-1]


def since(newest_first: Sequence[Receipt], data: bytes | None) -> Sequence[Receipt]:
    """Those of a file's receipts that lead back from ``data``: where it is as an earlier change left it, from there.

    What was changed by hand and repaired since is then no part of the way back.
    """
    there = [index for index, receipt in enumerate(newest_first) if receipt.content["after"] == digest(data)]
    return newest_first[there[-1] :] if there else newest_first


def is_as_written(receipts: Sequence[Receipt], path: str, data: bytes | None) -> bool:
    """Whether the file ``path`` with the bytes ``data`` is just as one of our changes left it."""
    return any(r.kind == "file" and r.content["path"] == path and r.content["after"] == digest(data) for r in receipts)


def _numbers(folder: Path) -> list[int]:
    return [int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal()]


def _folder(state: Path, name: str) -> Path:
    folder = state / name
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise TaskError(f"cannot write {folder}: {error.strerror}", hint=f"ls -ld '{state}'") from None
    _private(state, folder)
    return folder


def _private(*folders: Path) -> None:
    try:
        for folder in folders:
            private(folder)
    except OSError as error:
        raise TaskError(f"cannot read {folder}: {error.strerror}", hint=f"ls -ld '{folder}'") from None


def _write(path: Path, data: bytes) -> None:
    files.replace(path, files.read(path), data, mode=0o600)
