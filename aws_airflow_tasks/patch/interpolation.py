"""``$NAME`` and ``${NAME…}`` as compose-go 2.9.1 replaces them, in a compose file and in ``.env`` alike.

The rules are its ``template.Substitute``, which ``dotenv/godotenv.go`` calls too.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_NAME = "[_a-zA-Z\u017f\u212a][_a-zA-Z0-9\u017f\u212a]*"
_OPERATOR = r":?[-+?]"
_BRACE = r"[{}]"

#: limits of ours, in place of running out of stack or memory: no process takes a longer value anyway
_DEEPEST = 50
_LONGEST = 1024 * 1024

_Lookup = Callable[[str], str | None]
_Rejected = Callable[[str], str]


def _raised(cause: str) -> str:
    raise ValueError(cause)


def interpolate(text: str, lookup: _Lookup, rejected: _Rejected = _raised, depth: int = 0) -> str:
    """``text`` with ``$NAME``, ``${NAME}`` and their ``:-``, ``-``, ``:+``, ``+``, ``:?``, ``?`` forms replaced.

    Args:
        text: what is written.
        lookup: gives a variable's value; None: it is not set.
        rejected: takes why compose-go rejects a reference, or that it is nested or grows beyond measure, without any
            value, and gives what is to stand in its place.
        depth: how deep in other references ``text`` is.

    Raises:
        ValueError: something is rejected, and ``rejected`` was not given.
    """
    pieces, position, length = [], 0, 0
    while (dollar := text.find("$", position)) >= 0:
        replaced, after = _reference(text, dollar, lookup, rejected, depth)
        pieces += [text[position:dollar], replaced]
        length += dollar - position + len(replaced)
        if length > _LONGEST:
            return rejected("the value grows too long")
        position = after
    return "".join([*pieces, text[position:]])


def _reference(text: str, dollar: int, lookup: _Lookup, rejected: _Rejected, depth: int) -> tuple[str, int]:
    """What the reference at ``dollar`` becomes, and where it ends."""
    after = text[dollar + 1 : dollar + 2]
    if after == "$":
        return "$", dollar + 2
    if after == "{":
        return _braced(text, dollar, lookup, rejected, depth)
    name = re.compile(_NAME).match(text, dollar + 1)
    return (lookup(name.group()) or "", name.end()) if name else ("$", dollar + 1)


def _braced(text: str, dollar: int, lookup: _Lookup, rejected: _Rejected, depth: int) -> tuple[str, int]:
    name = re.compile(_NAME).match(text, dollar + 2)
    if name and text[name.end() : name.end() + 1] == "}":
        return lookup(name.group()) or "", name.end() + 1
    operator = name and re.compile(_OPERATOR).match(text, name.end())
    if operator and depth >= _DEEPEST:
        return rejected("${...} nested too deeply"), _past(text, dollar)
    last = text.rfind("}", operator.end(), _line_end(text, dollar)) if operator else -1
    if not name or not operator or last < 0:
        return rejected("a ${ that is no reference"), _past(text, dollar)
    closing = _first_closing(text, dollar, last)
    word = interpolate(text[operator.end() : closing], lookup, rejected, depth + 1)
    value = _chosen(operator.group(), lookup(name.group()), word, rejected)
    return value + interpolate(text[closing + 1 : last + 1], lookup, rejected, depth + 1), last + 1


def _first_closing(text: str, dollar: int, last: int) -> int:
    """Where the brace opened after ``dollar`` closes; ``last`` when it does not. A brace hides what follows it."""
    depth, position = 0, dollar
    while position <= last:
        if text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        elif text[position] == "{":
            depth += 1
            position += 1
        position += 1
    return last


def _past(text: str, dollar: int) -> int:
    """Where what is no reference ends: with its braces, else with the text."""
    depth = 0
    for brace in re.compile(_BRACE).finditer(text, dollar):
        depth += 1 if brace.group() == "{" else -1
        if not depth:
            return brace.end()
    return len(text)


def _chosen(operator: str, value: str | None, word: str, rejected: _Rejected) -> str:
    given = bool(value) if operator[0] == ":" else value is not None
    if operator[-1] == "?" and not given:
        return rejected("a required variable without a value")
    if operator[-1] == "+":
        return word if given else value or ""
    return (value or "") if given else word


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end
