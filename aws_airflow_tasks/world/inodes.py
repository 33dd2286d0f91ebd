"""Which directory a path names: its device, inode and time of birth, so that a renamed one is known again.

A number alone does not do: ext4 gives the inode of a removed directory to the next one that is made. Linux tells the
birth by statx(2) only, which Python does not have before 3.15.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

#: of statx(2), linux/stat.h
_AT_FDCWD, _STATX_BTIME, _STATX_SIZE, _BTIME_AT = -100, 0x800, 256, 80


def at(path: Path) -> tuple[int, int] | None:
    """Device and inode of a directory; zeros: the file system does not tell; None: there is none, for certain."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # forbidden, or a network that does not answer: who knows
        return 0, 0
    if not path.is_dir():
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else (0, 0)


def born(path: Path) -> int:
    """When a file was made, in nanoseconds since the epoch; 0: the platform or the file system does not tell."""
    with contextlib.suppress(OSError):
        birth = getattr(path.stat(), "st_birthtime", None)  # macOS, BSD
        if birth is not None:
            return int(birth * 1e9)
        if sys.platform == "linux":
            return _born_linux(path)
    return 0


def _born_linux(path: Path) -> int:
    import ctypes

    buffer = ctypes.create_string_buffer(_STATX_SIZE)
    try:
        statx = ctypes.CDLL(None).statx
    except AttributeError:  # glibc before 2.28, musl before 1.2.3
        return 0
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer) != 0:
        return 0
    known = int.from_bytes(buffer.raw[:4], sys.byteorder) & _STATX_BTIME
    seconds = int.from_bytes(buffer.raw[_BTIME_AT : _BTIME_AT + 8], sys.byteorder, signed=True)
    nanoseconds = int.from_bytes(buffer.raw[_BTIME_AT + 8 : _BTIME_AT + 12], sys.byteorder)
    return seconds * 10**9 + nanoseconds if known else 0
