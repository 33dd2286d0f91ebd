"""What git has of a repository's files, by its index, and where it keeps that: no git is run.

The format: https://git-scm.com/docs/index-format
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

#: bytes of an entry before the hash of what the file holds, and of that: SHA-1's or SHA-256's
_BEFORE, _HASHES = 40, (20, 32)
#: a flag of an entry: two more bytes of flags follow
_EXTENDED = 0x4000


def top(path: Path) -> Path | None:
    """The own directory of the repository that a file is in; None: it is in none."""
    return next((folder for folder in path.parents if (folder / ".git").exists()), None)


def tracks(path: Path, top: Path) -> bool:
    """Whether git has a file already, so that no line keeps what is in it from being committed.

    Args:
        path: the file.
        top: the repository's own directory, above it.
    """
    wanted = os.fsencode(path.relative_to(top).as_posix())
    with contextlib.suppress(OSError):
        kept = directory(top)
        parts = [kept / "index", *kept.glob("sharedindex.*")]  # of a split index most is in the latter
        return any(_has(part.read_bytes(), size, wanted) for part in parts if part.is_file() for size in _HASHES)
    return False


def directory(top: Path) -> Path:
    """Where git keeps what it has of a work tree: ``.git``, or what that names in a submodule or another work tree."""
    named = top / ".git"
    if named.is_dir():
        return named
    return top / named.read_text(encoding="utf-8").removeprefix("gitdir:").strip()


def _has(data: bytes, size: int, wanted: bytes) -> bool:
    """Whether an index has a path; it has none where it is damaged, or its hashes are of another size."""
    with contextlib.suppress(IndexError, ValueError, struct.error):
        return wanted in _names(data, size)
    return False


def _names(data: bytes, size: int) -> Iterator[bytes]:
    """The paths of an index, whose hashes are of ``size`` bytes."""
    version, count = struct.unpack_from(">4xLL", data)
    at, name = 12, b""
    for _ in range(count):
        start = at
        (flags,) = struct.unpack_from(">H", data, at + _BEFORE + size)
        at += _BEFORE + size + (4 if flags & _EXTENDED else 2)
        kept = 0
        if version == 4:  # the name is told by what it has in common with the one before
            dropped, at = _number(data, at)
            kept = len(name) - dropped
        end = data.index(b"\0", at)
        name = name[:kept] + data[at:end]
        at = end + 1 if version == 4 else start + (end - start + 8) // 8 * 8
        yield name


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte (gitformat-pack, "offset encoding"), and where it ends."""
    value = data[at] & 127
    while data[at] & 128:
        at += 1
        value = (value + 1 << 7) | (data[at] & 127)
    return value, at + 1
