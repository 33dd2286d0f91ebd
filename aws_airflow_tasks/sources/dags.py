"""Which variables and connections a DAG file names, as far as its text tells without running it."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from aws_airflow_tasks.sources.wanted import Kind

_NAME = r"([A-Za-z_][A-Za-z0-9_]*)"
#: in templates: ``var.value.key``, ``var.json.get('key', …)``, ``conn.id.host``, ``conn.get('id')``
_TEMPLATES: dict[Kind, str] = {
    "variable": rf"\bvar\.(?:value|json)\.(?:get\(\s*['\"]([^'\"]+)['\"]|(?!get\b){_NAME})",
    "connection": rf"\bconn\.(?:get\(\s*['\"]([^'\"]+)['\"]|(?!get\b){_NAME})",
}
_BLOCK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
#: the connection that AWS's hooks ask for by default, and go on without: boto3 finds the credentials then
OPTIONAL = "aws_default"


class Use(NamedTuple):
    """A place that names an entry.

    Attributes:
        kind: of the entry.
        key: its key or id.
        line: from 1.
        needed: whether it is an error there that the entry does not exist.
    """

    kind: Kind
    key: str
    line: int
    needed: bool = True


def uses(text: str) -> tuple[Use, ...]:
    """What a file names: ``Variable.get``, ``Connection.get``, ``get_connection``, ``…conn_id=``, and templates.

    Raises:
        ValueError: it is no Python that this one could parse; the message has the line.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"line {getattr(error, 'lineno', 1) or 1}: not readable as Python") from None
    return tuple(dict.fromkeys(use for node in ast.walk(tree) for use in _of_node(node)))


def _of_node(node: ast.AST) -> Iterator[Use]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _of_template(node.value, node.lineno)
    elif isinstance(node, ast.Call):
        yield from _of_call(node)


def _of_template(text: str, line: int) -> Iterator[Use]:
    for block in _BLOCK.findall(text):
        for kind, pattern in _TEMPLATES.items():
            for match in re.finditer(pattern, block):
                yield Use(kind, match[1] or match[2], line, needed=not match[1])


def _of_call(node: ast.Call) -> Iterator[Use]:
    called = ast.unparse(node.func)
    named = {word.arg: word.value for word in node.keywords if word.arg}
    for word, value in named.items():
        if word.endswith("conn_id") and (key := _text(value)):
            yield Use("connection", key, node.lineno, needed=key != OPTIONAL)
    first = node.args[0] if node.args else named.get("key") or named.get("conn_id")
    key = _text(first) if first is not None else ""
    if key and re.search(r"\bVariable\.get$", called):
        yield Use(
            "variable", key, node.lineno, needed=len(node.args) < 2 and not {"default", "default_var"} & named.keys()
        )
    elif key and re.search(r"\bConnection\.get$|\bget_connection(?:_from_secrets)?$", called):
        yield Use("connection", key, node.lineno)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
