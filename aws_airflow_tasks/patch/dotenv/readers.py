"""How the three readers of an Astro project's ``.env`` see it.

``compose``: compose-go's dotenv package, as `astro dev start` uses it. ``standalone``: the Astro CLI's own loader in
standalone mode. ``docker``: ``docker create --env-file``, behind `astro dev pytest` and `astro dev parse`. The rules
were read in compose-go 2.9.1 (``dotenv``, ``template``), astro CLI 1.45 (``pkg/airflowrt/env.go``) and docker CLI 28.5
(``pkg/kvfile``). In all three the last assignment of a key wins.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from aws_airflow_tasks.patch.interpolation import interpolate

Reader = Literal["compose", "standalone", "docker"]
READERS: tuple[Reader, ...] = ("compose", "standalone", "docker")

BOM = "\ufeff"
#: Go's unicode.IsSpace; Python's str.strip() would also take the separators U+001C to U+001F
SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
#: what compose-go skips within a line
_BLANK = "\t\v\f\r \x85\xa0"
#: the longest line Go's bufio.Scanner returns, in bytes without the line feed
_LONGEST = 64 * 1024 - 1

_SPACES = re.compile(f"[{SPACE}]*")
_BLANKS = re.compile(f"[{_BLANK}]*")
_EXPORT = re.compile(r"export[\t\n\f\r ]+")
_KEY_END = re.compile(r"[=:\n]")
_CLOSING = {
    '"': re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL),
    "'": re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL),
}
_ESCAPE = r'\\(?:[abcfnrtv$"\\]|0[0-9]{0,3})'
_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}


class Statement(NamedTuple):
    """One assignment as compose-go reads it, with offsets in characters of the text without BOM.

    Attributes:
        key: its name.
        value: what it gives; None when it is taken from the shell (a bare key) or cannot be read (``error``).
        start: where it begins, ``export`` included.
        value_start: where the value begins, its opening quote included.
        value_end: where the value ends, its closing quote included, an inline comment not.
        line: its line, counted from 1.
        error: why compose-go rejects the file here, without the value; empty: it does not.
    """

    key: str
    value: str | None
    start: int
    value_start: int
    value_end: int
    line: int
    error: str = ""


#: why a statement is rejected whose value goes on to the end of the file
UNCLOSED = "a quote that is never closed"


class View(NamedTuple):
    """What a reader sees: the values, and by line number why it rejects the file; the other lines' values are there."""

    values: Mapping[str, str]
    errors: Mapping[int, str] = MappingProxyType({})


Views = Mapping[Reader, View]


def read(data: bytes, reader: Reader, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that ``reader`` takes from a ``.env`` file.

    Args:
        data: the file's bytes.
        reader: ``compose``, ``standalone`` or ``docker``.
        environ: the environment that ``$NAME`` and bare keys are looked up in; none: an empty one.

    Raises:
        ValueError: the reader rejects the file; the message names the line and the cause, never a value.
    """
    seen = view(data, reader, environ)
    for line, cause in seen.errors.items():
        raise ValueError(f"line {line}: {cause}")
    return dict(seen.values)


def line(data: bytes, key: str) -> int:
    """The number, from 1, of the line where ``key`` is assigned last; 0: nowhere."""
    text = data.decode("utf-8", errors="surrogateescape").removeprefix(BOM)
    return max((statement.line for statement in statements(text) if statement.key == key), default=0)


def view(data: bytes, reader: Reader, environ: Mapping[str, str] | None = None) -> View:
    """As :func:`read`, but never raises: lines that the reader rejects are named and left out."""
    text = data.decode("utf-8", errors="surrogateescape")
    if reader == "standalone":
        return View(_standalone(text))
    if reader == "docker":
        return _docker(text, environ or {})
    return _compose(statements(text.removeprefix(BOM), environ), environ or {})


def views(data: bytes, found: Iterable[Statement]) -> Views:
    """What every reader sees in an empty environment; ``found`` are the file's :func:`statements`."""
    return {
        "compose": _compose(found, {}),
        "standalone": view(data, "standalone"),
        "docker": view(data, "docker"),
    }


def _compose(found: Iterable[Statement], environ: Mapping[str, str]) -> View:
    values: dict[str, str] = {}
    errors: dict[int, str] = {}
    for statement in found:
        if statement.error:
            errors[statement.line] = statement.error
        elif statement.value is not None:
            values[statement.key] = statement.value
        elif statement.key in environ:
            values[statement.key] = environ[statement.key]
    return View(values, errors)


def _standalone(text: str) -> dict[str, str]:
    values = {}
    for line in text.split("\n"):
        key, equals, value = line.strip(SPACE).partition("=")
        if equals and not key.startswith("#"):
            values[key] = value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'" else value
    return values


def _docker(text: str, environ: Mapping[str, str]) -> View:
    values: dict[str, str] = {}
    errors: dict[int, str] = {}
    for number, whole in enumerate(text.split("\n"), 1):
        line = whole.removesuffix("\r")
        key, equals, value = (line.removeprefix(BOM) if number == 1 else line).lstrip(SPACE).partition("=")
        if cause := _docker_rejects(whole, key, equals):
            errors[number] = cause
        elif equals and not key.startswith("#"):
            values[key] = value
        elif key in environ:
            values[key] = environ[key]
    return View(values, errors)


def _docker_rejects(line: str, key: str, equals: str) -> str:
    if len(line) > _LONGEST // 4 and len(line.encode("utf-8", errors="surrogateescape")) > _LONGEST:
        return "the line is longer than 64 KiB"
    if not line.isascii() and any("\udc80" <= c <= "\udcff" for c in line):
        return "not UTF-8"
    if key.startswith("#"):
        return ""
    if equals and not key:
        return "no variable name"
    return "the name holds a space" if " " in key or "\t" in key else ""


def statements(text: str, environ: Mapping[str, str] | None = None) -> Iterator[Statement]:
    """The assignments that compose-go finds, in order; after one that it rejects, those from the next line on.

    Args:
        text: the file without its byte order mark.
        environ: what ``$NAME`` is looked up in, before the values of the file itself.
    """
    outer, known = environ or {}, dict[str, str]()
    position, line, counted = 0, 1, 0
    while (position := _next_start(text, position)) < len(text):
        line += text.count("\n", counted, position)
        counted = position
        statement, position = _statement(text, position, line, lambda name: outer.get(name, known.get(name)))
        if statement.value is not None:
            known[statement.key] = statement.value
        yield statement


def _next_start(text: str, position: int) -> int:
    while (position := _end(_SPACES, text, position)) < len(text) and text[position] == "#":
        position = _line_end(text, position)
    return position


def _statement(text: str, start: int, line: int, lookup: Callable[[str], str | None]) -> tuple[Statement, int]:
    """The assignment at ``start``, and where to go on."""
    exported = _EXPORT.match(text, start)
    name_start = _end(_BLANKS, text, start + len("export")) if exported else start
    found = _KEY_END.search(text, name_start)
    name_end = found.start() if found else len(text)
    name = text[name_start:name_end]
    key = name.rstrip(SPACE) if found else ""
    if cause := _name_error(name, key, found is None):
        after = _line_end(text, start)
        return Statement(key, None, start, after, after, line, cause), after
    if found and found.group() == "\n":
        end = name_start + len(key)
        return Statement(key, None, start, end, end, line), name_end + 1
    return _assignment(text, start, name_end + 1 if found else name_start, key, line, lookup)


def _name_error(name: str, key: str, unended: bool) -> str:
    if any(not (c in "_.-[]" or c in _BLANK or unicodedata.category(c)[0] in "LN") for c in name):
        return "a character that no name may hold"
    if " " in key:
        return "a space in the name"
    return "nothing after export" if unended and not name else ""


def _assignment(
    text: str, start: int, after_equals: int, key: str, line: int, lookup: Callable[[str], str | None]
) -> tuple[Statement, int]:
    at = _end(_BLANKS, text, after_equals)
    quote = text[at : at + 1]
    if quote in _CLOSING:
        closed = _CLOSING[quote].match(text, at)
        if not closed:
            after = _line_end(text, at)
            return Statement(key, None, start, at, after, line, UNCLOSED), after
        raw, end, resume = closed.group(1), closed.end(), closed.end()
        raw = re.sub(r"\\([\s\S])", lambda m: m[1] if m[1] == quote else m[0], raw)
    else:
        line_end = _line_end(text, at)
        raw = text[at:line_end].partition(" #")[0].rstrip(SPACE)
        end, resume = at + len(raw), min(line_end + 1, len(text))
        if not raw:  # the blanks of an empty value belong to it, so that they go when a value comes
            at, end = after_equals, max(after_equals, line_end - (text[line_end - 1] == "\r"))
    try:
        value = raw if quote == "'" else interpolate(_unescape(raw) if quote == '"' else raw, lookup)
    except ValueError as error:
        return Statement(key, None, start, at, end, line, str(error)), _line_end(text, end)
    return Statement(key, value, start, at, end, line), resume


def _unescape(text: str) -> str:
    r"""The text of a double-quoted value with its escapes resolved; ``\$`` becomes ``$$``, for :func:`interpolate`."""
    return re.sub(_ESCAPE, lambda match: _unescaped(match.group()), text)


def _unescaped(escape: str) -> str:
    if escape == r"\$":
        return "$$"
    if escape.startswith(r"\0"):
        digits = escape[2:]
        if re.fullmatch("[0-3][0-7]{2}", digits):
            return chr(int(digits, 8))
        return "\\" + digits
    return _CONTROLS.get(escape[1], escape)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


_NOT_PORTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f$']| #|^[#\"]")


def portable(value: str) -> str:
    """``value`` itself, when every reader takes the line ``KEY=value`` for it.

    Raises:
        ValueError: it holds something that a reader takes for syntax; the message names it, not the value.
    """
    found = _NOT_PORTABLE.search(value)
    if found:
        raise ValueError(f"a value with {found.group()!r} is not read alike by every reader of .env")
    line = f"K={value}\n".encode("utf-8", errors="surrogatepass")
    if any(view(line, reader) != View({"K": value}) for reader in READERS):
        raise ValueError("such a value is not read alike by every reader of .env")
    return value


def json_value(value: Any) -> str:
    r"""JSON that every reader takes as it is: ASCII, and ``$``, ``#``, ``'`` as ``\u`` escapes.

    Raises:
        ValueError, TypeError: ``value`` is nothing that JSON can hold.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return re.sub(r"[$#'\x7f]", lambda match: f"\\u{ord(match.group()):04x}", text)
