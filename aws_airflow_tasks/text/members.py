"""What somebody says in members of JSON, or of Python's own form of them, in words for a person."""

from __future__ import annotations

import ast
import contextlib
from typing import Any

#: of members, those that are words already, the most telling first (FastAPI, RFC 7807, Airflow's ``ErrorResponse``)
TELLING = ("message", "detail", "msg", "title")


def words(said: Any) -> str:
    """The message among the members; where there is none, all of them."""
    if isinstance(said, list):
        return "; ".join(map(words, said))
    if not isinstance(said, dict):
        return str(said)
    message = next((said[name] for name in TELLING if said.get(name)), None)
    return words(message) if message else ", ".join(f"{name} {words(value)}" for name, value in said.items())


def told(raised: str) -> str:
    """The text of an error in words, where it ends in members as Python writes them (``AirflowRuntimeError``)."""
    name, _, value = raised.partition(": {")
    with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return f"{name}: {words(ast.literal_eval(f'{{{value}'))}"
    return raised
