"""Pure functions on any text: known again, hidden, and the line of it that tells most."""

from __future__ import annotations

import hashlib
from typing import overload


@overload
def digest(data: bytes | str) -> str: ...


@overload
def digest(data: None) -> None: ...


def digest(data: bytes | str | None) -> str | None:
    """The sha256, in hex, by which a file or a value is known again; None for nothing."""
    if data is None:
        return None
    return hashlib.sha256(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data).hexdigest()
