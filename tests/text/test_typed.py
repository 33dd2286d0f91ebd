"""Every hint in the sources begins with a command that people have, or is a comment that says whom to ask for what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.typed import OURS, PROGRAMS

SOURCES = sorted((Path(__file__).parents[2] / "aws_airflow_tasks").rglob("*.py"))
#: what makes a hint of its first argument
MAKERS = {"sh", "note"}


def begins(node: ast.expr | None) -> Iterator[str]:
    """What the lines of a hint begin with, as far as the source spells it out; what is made elsewhere begins there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from node.value.splitlines()
    elif isinstance(node, ast.JoinedStr):
        whole = "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in node.values)  # type: ignore[misc]
        yield from (line for line in whole.splitlines() if not line.startswith("\0"))
    elif isinstance(node, ast.IfExp):
        yield from (*begins(node.body), *begins(node.orelse))
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from begins(value)
    elif isinstance(node, ast.BinOp):
        yield from begins(node.left)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sh":
        yield from begins(node.args[0])


def wordy(path: Path) -> list[str]:
    """The lines of hints in a module that are neither a comment nor begin with a command."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.keyword)]
    lines = [line for node in calls if node.arg == "hint" for line in begins(node.value)]
    return [line for line in lines if line and not is_typed(line)]


def is_typed(line: str) -> bool:
    """Whether it begins as a command does, or is a comment."""
    first = next((word for word in line.split() if not re.fullmatch(r"[\w\0]+=\S*", word)), "=")
    return line.startswith("#") or first.partition("\0")[0] in PROGRAMS | OURS | {"=", "", "{}"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_hint_has_words_where_a_person_would_type_a_command(path: Path) -> None:
    assert wordy(path) == []
