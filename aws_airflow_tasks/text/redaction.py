"""What may be shown of variables, by their names and values, and of what programs print."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aws_airflow_tasks.text.cleaning import HIDDEN, cleaned
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.text.printable import uncoloured

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
_SUSPECT_NAME = r"(?i)secret|token|passw|pwd|private|credential|access_?key|api_?key|auth|signature"
#: what looks like a secret wherever it stands
SUSPECT = (
    r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"  # AWS's access key ids
    r"|://[^/\s@]+@"  # a URL with user and password
    r"|-----BEGIN"
    r"|\beyJ[A-Za-z0-9_-]{8,}"  # a JSON web token
    r"|\b(?:xox[abprs]-|gh[pousr]_|github_pat_|sk-)[A-Za-z0-9_-]{8,}"
    # long and mixed, as AWS's secret keys are, and no path
    r"|(?<![A-Za-z0-9/+])(?=[A-Za-z0-9/+]*[0-9])(?=[A-Za-z0-9/+]*[a-z])(?=[A-Za-z0-9/+]*[A-Z])[A-Za-z0-9+]"
    r"[A-Za-z0-9/+]{31,}"
)


#: gives a secret text of a name its mark
Mark = Callable[[str, str], str]


def marking() -> Mark:
    """Marks for secret texts: of a name the first is ``***``, the next other one ``*** (2)``; equal ones for equal."""
    marks: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = {}

    def mark(name: str, text: str) -> str:
        if (name, text) not in marks:
            counts[name] = counts.get(name, 0) + 1
            marks[name, text] = HIDDEN if counts[name] == 1 else f"{HIDDEN} ({counts[name]})"
        return marks[name, text]

    return mark


def yaml_redactor() -> Callable[[str], str]:
    """A function that redacts one state of a YAML file after the other, so that a changed secret shows as changed.

    It goes by lines, as a file need not be readable: gone are the values of names in capitals, which are variables, and
    of names that sound secret, with the deeper lines that belong to them, and what :func:`.cleaning.cleaned` knows.
    """
    mark = marking()
    return lambda text: "".join(_yaml_lines(text, mark))


#: a name with what stands before and behind it, at a line's beginning; within brackets; and as an item of a list there
_OF_LINE = r"""(?s)(\s*(?:#+\s*)?(?:-\s+)*["']?)([A-Za-z_][\w.-]*)(["']?\s*(?:=|:(?=\s|$))\s*)(.*)"""
_OF_FLOW = r"""([{,\[]\s*["']?)([A-Za-z_][\w.-]*)(["']?\s*:\s+|=)("[^"\n]*"|'[^'\n]*'|[^,{}\[\]\n]*)"""


def _yaml_lines(text: str, mark: Mark) -> Iterator[str]:
    hidden: int | None = None  # the indentation of the name to which deeper lines belong
    for line in text.splitlines(keepends=True):
        content, ending = line.rstrip("\r\n"), line[len(line.rstrip("\r\n")) :]
        indent = len(content) - len(content.lstrip())
        if hidden is not None and content.strip() and indent > hidden:
            yield f"{content[:indent]}{mark('', content.strip())}{ending}"
            continue
        hidden = hidden if not content.strip() else None
        found = re.fullmatch(_OF_LINE, content)
        if found and _is_secret(found[2], found[4]):
            hidden = None if found[1].lstrip().startswith("#") else indent
            content = f"{found[1]}{found[2]}{found[3]}{mark(found[2], found[4]) if found[4].strip() else ''}"
        else:
            content = re.sub(_OF_FLOW, lambda each: _hidden(each, mark), content)
        yield cleaned(content) + ending


def _hidden(found: re.Match[str], mark: Mark) -> str:
    before, name, between, value = found.groups()
    return f"{before}{name}{between}{mark(name, value) if _is_secret(name, value) else value}"


def _is_secret(name: str, value: str) -> bool:
    """Whether a name's value is not to be shown: a variable's, unless it is known, and what sounds secret."""
    if re.fullmatch(r"[A-Z_][A-Z0-9_]+", name):
        return shown_value(name, value) != value
    return bool(value.strip() and re.search(_SUSPECT_NAME, name)) and not value.lstrip().startswith(("&", "*", "!"))


def shown_value(key: str, value: str) -> str | None:
    """``value`` of ``key`` as it may be shown, secret members of JSON as ``***``; None: not at all."""
    if key not in PLAIN_KEYS or "\n" in value:
        return None
    if value.lstrip(" \"'").startswith(("{", "[")):
        value = _shown_json(value)
    return None if re.search(SUSPECT, value) else value


def shown_name(name: str) -> str:
    """A variable's name as it may be shown: what is none may be a line of a secret that a reader takes for one."""
    return name if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name) and not re.search(SUSPECT, name) else HIDDEN


def redact_output(text: str, environment: Mapping[str, str], *secrets: str) -> str:
    """A program's output, redacted.

    Args:
        text: what it printed.
        environment: the lines of ``.env`` that it knew: their values go, but for those that are known to be harmless.
        secrets: what else it knew. Values of four characters or less are left alone, as they may be any word.

    Returns:
        ``text`` with ``***`` for each of them, and for what looks like a secret wherever it came from.
    """
    hidden, text = [value for name, value in environment.items() if shown_value(name, value) is None], uncoloured(text)
    for secret in sorted((value for value in (*secrets, *hidden) if len(value) > 4), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return cleaned(text)


def _shown_json(value: str) -> str:
    """The JSON with its secret members hidden; what is no JSON passes only if nothing in it sounds secret."""
    try:
        parsed = from_json(value)
        hidden = _without_secrets(parsed)
    except ValueError:
        return HIDDEN if re.search(_SUSPECT_NAME, value) else value
    return value if hidden == parsed else json.dumps(hidden)


def _without_secrets(value: Any, name: str = "") -> Any:
    if re.search(_SUSPECT_NAME, name):
        return HIDDEN
    if isinstance(value, dict):
        return {member: _without_secrets(inner, member) for member, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return HIDDEN if isinstance(value, str) and re.search(SUSPECT, value) else value
