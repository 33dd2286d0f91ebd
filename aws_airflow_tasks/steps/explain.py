"""What a log or a traceback tells: the layer, the cause and the command to type, from a table and nothing else."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from aws_airflow_tasks.core import Check, TaskError, UsageError, sh
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import symptoms
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.telling import ERROR, telling
from aws_airflow_tasks.world import malformed

#: bytes of a log that are read, from its end: what stands last is what somebody asks about
MOST = 16 * 1024 * 1024


def checks(text: str, settings: Settings) -> Iterator[Check]:
    """What a log tells; raises TaskError where nothing in it is known."""
    known = symptoms.found(text, settings.profile or malformed.named(os.environ) or "default")
    if not known:
        raise TaskError(f"nothing in it is known to us; {_about(text)}", hint=command("verify"))
    yield from known


def _about(text: str) -> str:
    """What to say of a text in which nothing is known."""
    if not text.strip():
        return "it is empty"
    if "\0" in text:
        return "it is no text"
    last = symptoms.hidden(telling(text))
    return f"its last error: {last}" if re.search(ERROR, last) else f"its last line: {last}"


def read(name: str) -> str:
    """The text of a file, of a large one the end; ``-`` is standard input.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        if name == "-":
            return _text(sys.stdin.buffer.read() if sys.stdin else b"")
        path = Path(name)
        if not (path.is_file() or path.is_fifo() or path.is_char_device()):
            path.stat()  # says why it is not there
            raise UsageError(f"{name!r} is no file", hint=sh("ls {}", path))
        with path.open("rb") as file:
            head = file.read(len(codecs.BOM_UTF16))
            if path.is_file() and (begins := _begin(path.stat().st_size)):
                file.seek(begins)
                return _text(file.read(MOST), head)
            return _text(head + file.read(MOST))
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "no such name is possible"
        raise UsageError(f"cannot read {name!r}: {said}", hint=sh("ls -ld {}", name)) from None


def _begin(size: int) -> int:
    """Where the end of a text begins that is read; UTF-16 has two bytes for a character."""
    return max(0, size - MOST) // 2 * 2


def _text(data: bytes, head: bytes = b"") -> str:
    """The end of a text, by its byte order mark: PowerShell's ``>`` writes UTF-16.

    Args:
        data: what was read.
        head: the first bytes, where ``data`` begins later.
    """
    marks = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    encoding = marks.get((head or data)[: len(codecs.BOM_UTF16)], "utf-8")
    return data[_begin(len(data)) :].decode(encoding, errors="replace").removeprefix("\ufeff")
