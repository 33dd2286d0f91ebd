"""A ``.env`` file fit to be shown: every value gone but those of the keys that are known to hold no secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aws_airflow_tasks.patch.dotenv.readers import BOM, Statement, statements
from aws_airflow_tasks.text.redaction import SUSPECT, Mark, marking, shown_value

_COMMENTED_VALUE = r"[^=]*=|#+[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*:(?!//)"


def redactor() -> Callable[[str], str]:
    """A function that redacts one state of a ``.env`` file after the other, so that a changed secret shows as changed.

    Lines stay lines. What is kept: names, blank lines, comments up to what looks like an assignment, and the
    values of ``text.redaction.PLAIN_KEYS`` without the secret-looking members of JSON.
    """
    mark = marking()
    return lambda text: "".join(_redacted(text, mark))


def _redacted(text: str, mark: Mark) -> Iterator[str]:
    bom = BOM if text.startswith(BOM) else ""
    body, position = text[len(bom) :], 0
    yield bom
    for statement in statements(body):
        end = body.find("\n", statement.value_end)
        end = len(body) if end < 0 else end
        if statement.start >= position:
            yield _line_by_line(body[position : statement.start], lambda line: _comment(line, mark))
            yield _assignment(body, statement, end, mark)
        elif end > position:  # it began on the line of the one before, which hid that line
            yield _line_by_line(body[position:end], lambda line: mark("", line))
        position = max(position, end)
    yield _line_by_line(body[position:], lambda line: _comment(line, mark))


def _assignment(body: str, statement: Statement, end: int, mark: Mark) -> str:
    """The statement with the rest of its last line."""
    name = body[statement.start : statement.value_start]
    value, rest = body[statement.value_start : statement.value_end], body[statement.value_end : end]
    if statement.error or not re.search("[=:]", name) or re.search(SUSPECT, name):
        return _line_by_line(body[statement.start : end], lambda line: mark("", line))
    shown = shown_value(statement.key, value) if not rest.strip() or rest.lstrip().startswith("#") else None
    if shown is None:
        return name + _line_by_line(value + rest, lambda line: mark(statement.key, line))
    return name + shown + _line_by_line(rest, lambda line: _comment(line, mark))


def _line_by_line(text: str, hide: Callable[[str], str]) -> str:
    """``text`` with each line that is not blank through ``hide``; line endings and leading blanks as they are."""

    def hidden(line: str) -> str:
        content = line.strip()
        start = line.index(content)
        return line[:start] + hide(content) + line[start + len(content) :] if content else line

    return "".join(map(hidden, re.findall(r"[^\n]*\n|[^\n]+", text)))


def _comment(line: str, mark: Mark) -> str:
    if not line.startswith("#"):
        return mark("", line)
    if found := re.match(_COMMENTED_VALUE, line):
        name, value = line[: found.end()], line[found.end() :]
        return name + (mark(name, value) if value.strip() else value)
    return "# " + mark("", line) if re.search(SUSPECT, line) else line
