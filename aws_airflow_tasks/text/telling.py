"""The one line to quote of much that was said."""

from __future__ import annotations

import re

from aws_airflow_tasks.text.cleaning import cleaned

#: in characters: no error message grows beyond
MOST = 400
#: how programs and logs name an error, Python's exceptions among them
ERROR = r"\b\w*(Error|Exception)\b|\berror\b|\[Errno"

#: SQLAlchemy's last line of an error, which tells nothing of it
BACKGROUND = "(Background on this error at"


def telling(said: str, naming: str = ERROR, *, first: bool = False, otherwise: str = "") -> str:
    """The line that tells most of what a program or a log said, cleaned, stripped and cut.

    Args:
        said: all that it said.
        naming: a pattern; lines in which it is found name what went wrong.
        first: of those, the first tells what the others follow from; else the last.
        otherwise: what to say when there is none; empty: the last line of all.
    """
    lines = [line.strip() for line in cleaned(said).splitlines() if line.strip()]
    named = [line for line in lines if re.search(naming, line) and not line.startswith(BACKGROUND)]
    if named:
        return named[0 if first else -1][:MOST]
    return otherwise or (lines or ["it said nothing"])[-1][:MOST]
