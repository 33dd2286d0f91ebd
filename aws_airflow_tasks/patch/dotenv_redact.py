"""A ``.env`` file fit to be shown: every value gone but those of the keys that are known to hold no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aws_airflow_tasks.patch.dotenv_readers import BOM, Statement, statements

HIDDEN = "***"
#: the keys that this tool writes; none of them holds a secret, but for members of the last one's JSON
PLAIN_KEYS = frozenset(
    {
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_PROFILE",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_ENDPOINT_URL",
        "AIRFLOW__SECRETS__BACKEND",
        "AIRFLOW__SECRETS__BACKEND_KWARGS",
    }
)
_SECRET_NAME = re.compile(r"secret|token|passw|pwd|private|credential|access_?key|api_?key|auth|signature", re.I)
_SECRET_TEXT = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"  # AWS's access key ids
    r"|://[^/\s@]+@"  # a URL with user and password
    r"|-----BEGIN"
    r"|\beyJ[A-Za-z0-9_-]{8,}"  # a JSON web token
    r"|\b(?:xox[abprs]-|gh[pousr]_|github_pat_|sk-)[A-Za-z0-9_-]{8,}"
    # long and mixed, as AWS's secret keys are, and no path
    r"|(?<![A-Za-z0-9/+])(?=[A-Za-z0-9/+]*[0-9])(?=[A-Za-z0-9/+]*[a-z])(?=[A-Za-z0-9/+]*[A-Z])[A-Za-z0-9+]"
    r"[A-Za-z0-9/+]{31,}"
)
_IN_OUTPUT = r"\b(?:A[KS]IA\w{12,}|eyJ[\w.-]{20,})|(?<=://)[^/@\s]+(?=@)"
_COMMENTED_VALUE = re.compile(r"[^=]*=|#+[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*:(?!//)")

#: gives a secret text of a key its mark
_Mark = Callable[[str, str], str]


def redactor() -> Callable[[str], str]:
    """A function that redacts one state of a ``.env`` file after the other, so that a changed secret shows as changed.

    The first text hidden behind a key becomes ``***``, the next other one ``*** (2)``, and so on; equal ones get equal
    marks. Lines stay lines. What is kept: names, blank lines, comments up to what looks like an assignment, and the
    values of :data:`PLAIN_KEYS` without the secret-looking members of JSON.
    """
    marks: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = {}

    def mark(key: str, value: str) -> str:
        if (key, value) not in marks:
            counts[key] = counts.get(key, 0) + 1
            marks[key, value] = HIDDEN if counts[key] == 1 else f"{HIDDEN} ({counts[key]})"
        return marks[key, value]

    return lambda text: "".join(_redacted(text, mark))


def shown_value(key: str, value: str) -> str | None:
    """``value`` of ``key`` as it may be shown, secret members of JSON as ``***``; None: not at all."""
    if key not in PLAIN_KEYS or "\n" in value:
        return None
    if value.lstrip(" \"'").startswith(("{", "[")):
        value = _shown_json(value)
    return None if _SECRET_TEXT.search(value) else value


def redact_output(text: str, environment: Mapping[str, str], *secrets: str) -> str:
    """A program's output, redacted.

    Args:
        text: what it printed.
        environment: the lines of ``.env`` that it knew: their values go, but for those that are known to be harmless.
        secrets: what else it knew. Values of four characters or less are left alone, as they may be any word.

    Returns:
        ``text`` with ``***`` for each of them, and for what looks like a secret wherever it came from.
    """
    hidden = [value for name, value in environment.items() if shown_value(name, value) is None]
    for secret in sorted((value for value in (*secrets, *hidden) if len(value) > 4), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return re.sub(_IN_OUTPUT, HIDDEN, text)


def shown_name(name: str) -> str:
    """A variable's name as it may be shown: what is none may be a line of a secret that a reader takes for one."""
    return name if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) and not _SECRET_TEXT.search(name) else HIDDEN


def _shown_json(value: str) -> str:
    """The JSON with its secret members hidden; what is no JSON passes only if nothing in it sounds secret."""
    try:
        parsed = json.loads(value)
        hidden = _without_secrets(parsed)
    except (ValueError, RecursionError):
        return HIDDEN if _SECRET_NAME.search(value) else value
    return value if hidden == parsed else json.dumps(hidden)


def _without_secrets(value: Any, name: str = "") -> Any:
    if _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, dict):
        return {member: _without_secrets(inner, member) for member, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return HIDDEN if isinstance(value, str) and _SECRET_TEXT.search(value) else value


def _redacted(text: str, mark: _Mark) -> Iterator[str]:
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


def _assignment(body: str, statement: Statement, end: int, mark: _Mark) -> str:
    """The statement with the rest of its last line."""
    name = body[statement.start : statement.value_start]
    value, rest = body[statement.value_start : statement.value_end], body[statement.value_end : end]
    if statement.error or not re.search("[=:]", name) or _SECRET_TEXT.search(name):
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


def _comment(line: str, mark: _Mark) -> str:
    if not line.startswith("#"):
        return mark("", line)
    if found := _COMMENTED_VALUE.match(line):
        name, value = line[: found.end()], line[found.end() :]
        return name + (mark(name, value) if value.strip() else value)
    return "# " + mark("", line) if _SECRET_TEXT.search(line) else line
