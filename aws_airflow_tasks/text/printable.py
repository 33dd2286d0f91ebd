"""Text of somebody else's, such as a directory's name, that a terminal shows and does not obey."""

from __future__ import annotations

import re

#: control characters but for tab and the ends of lines, and those that turn the direction of what follows them
_OBEYED = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\r(?!\n|\Z)"


def printable(text: str) -> str:
    """The text with every character that a terminal obeys written as an escape, such as ``\\x1b``."""
    if all(line.isprintable() for line in text.split("\n")):
        return text  # as nearly all is
    return re.sub(_OBEYED, lambda found: found[0].encode("unicode_escape").decode(), text)


def uncoloured(text: str) -> str:
    """The text without the codes that colour it (ECMA-48, SGR), which may stand within a word."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text) if "\x1b" in text else text
