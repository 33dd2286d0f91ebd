"""Escapes and ``$NAME`` in a ``.env`` value, by the rules of compose-go 2.9.1 (``dotenv/parser.go``, ``template``)."""

from __future__ import annotations

import re
from collections.abc import Callable

_ESCAPE = re.compile(r'\\(?:[abcfnrtv$"\\]|0[0-9]{0,3})')
_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}
_NAME = re.compile("[_a-zA-Z\u017f\u212a][_a-zA-Z0-9\u017f\u212a]*")
_OPERATOR = re.compile(r":?[-+?]")

#: limits of ours, in place of running out of stack or memory: no process takes a longer value anyway
_DEEPEST = 50
_LONGEST = 1024 * 1024


def unescape(text: str) -> str:
    r"""The text of a double-quoted value with its escapes resolved; ``\$`` becomes ``$$``, for :func:`expand`."""
    return _ESCAPE.sub(lambda match: _unescaped(match.group()), text)


def _unescaped(escape: str) -> str:
    if escape == r"\$":
        return "$$"
    if escape.startswith(r"\0"):
        digits = escape[2:]
        if re.fullmatch("[0-3][0-7]{2}", digits):
            return chr(int(digits, 8))
        return "\\" + digits
    return _CONTROLS.get(escape[1], escape)


def expand(text: str, lookup: Callable[[str], str | None], depth: int = 0) -> str:
    """``text`` with ``$NAME``, ``${NAME}`` and their ``:-``, ``-``, ``:+``, ``+``, ``:?``, ``?`` forms replaced.

    Raises:
        ValueError: compose-go rejects it, or it is nested or grows beyond measure; the message holds no value.
    """
    if depth > _DEEPEST:
        raise ValueError("${...} nested too deeply")
    pieces, position, length = [], 0, 0
    while (dollar := text.find("$", position)) >= 0:
        replaced, after = _reference(text, dollar, lookup, depth)
        pieces += [text[position:dollar], replaced]
        length += dollar - position + len(replaced)
        if length > _LONGEST:
            raise ValueError("the value grows too long")
        position = after
    return "".join([*pieces, text[position:]])


def _reference(text: str, dollar: int, lookup: Callable[[str], str | None], depth: int) -> tuple[str, int]:
    """What the reference at ``dollar`` becomes, and where it ends."""
    after = text[dollar + 1 : dollar + 2]
    if after == "$":
        return "$", dollar + 2
    if after == "{":
        return _braced(text, dollar, lookup, depth)
    name = _NAME.match(text, dollar + 1)
    return (lookup(name.group()) or "", name.end()) if name else ("$", dollar + 1)


def _braced(text: str, dollar: int, lookup: Callable[[str], str | None], depth: int) -> tuple[str, int]:
    name = _NAME.match(text, dollar + 2)
    if name and text[name.end() : name.end() + 1] == "}":
        return lookup(name.group()) or "", name.end() + 1
    operator = name and _OPERATOR.match(text, name.end())
    last = text.rfind("}", operator.end(), _line_end(text, dollar)) if operator else -1
    if not name or not operator or last < 0:
        raise ValueError("a ${ that is no reference")
    closing = _first_closing(text, dollar, last)
    word, rest = text[operator.end() : closing], text[closing + 1 : last + 1]
    value = _chosen(operator.group(), lookup(name.group()), expand(word, lookup, depth + 1))
    return value + expand(rest, lookup, depth + 1), last + 1


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


def _chosen(operator: str, value: str | None, word: str) -> str:
    given = bool(value) if operator[0] == ":" else value is not None
    if operator[-1] == "?" and not given:
        raise ValueError("a required variable without a value")
    if operator[-1] == "+":
        return word if given else value or ""
    return (value or "") if given else word


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end
