"""A text that a pattern matches, for people to read."""

from __future__ import annotations

import re
from re import _parser  # type: ignore[attr-defined]
from typing import Any

GAP = "…"


def sample(pattern: str) -> list[str]:
    """One text for each alternative of a pattern; whatever may stand in a place is a ``…``."""
    found = [_texts(branch) for branch in _branches(_parser.parse(pattern))]
    return list(dict.fromkeys(text for texts in found for text in texts))


def _branches(parsed: Any) -> list[Any]:
    """The alternatives of the whole pattern, or of the one group that it is."""
    if len(parsed) == 1:
        kind, value = str(parsed[0][0]), parsed[0][1]
        if kind == "BRANCH":
            return [each for part in value[1] for each in _branches(part)]
        if kind == "SUBPATTERN":
            return _branches(value[3])
    return [parsed]


def _texts(parsed: Any) -> list[str]:
    text = "".join(_text(str(kind), value) for kind, value in parsed)
    return [re.sub(rf"{GAP}+", GAP, text)]


def _text(kind: str, value: Any) -> str:
    match kind:
        case "LITERAL":
            return chr(value)
        case "IN":  # the capital of [Ii]; a class of characters is a gap
            return chr(value[0][1]) if str(value[0][0]) == "LITERAL" else GAP
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, what = value
            return "" if most == 1 and not least else GAP if most > 1 else _texts(what)[0]
        case "SUBPATTERN":
            return _texts(value[3])[0]
        case "BRANCH":
            return _texts(value[1][0])[0]
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return ""
        case _:
            return GAP
