"""Which variables and connections a DAG file names, as far as its text tells without running it."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aws_airflow_tasks.sources.wanted import Kind

_NAME = r"([A-Za-z_][A-Za-z0-9_]*)"
_TEXT = r"\s*['\"]([^'\"]+)['\"]\s*"
#: in templates: ``var.value.key``, ``var.json["key"]``, ``var.json.get("key", …)``, ``conn.id.host``; its first group
#: has what may be absent, as a connection's ``get`` has a default of its own
_TEMPLATES: dict[Kind, str] = {
    "variable": rf"\bvar\.(?:value|json)(?:\.get\({_TEXT},|\.get\({_TEXT}\)|\.(?!get\b){_NAME}|\[{_TEXT}\])",
    "connection": rf"\bconn(?:\.get\({_TEXT}|\.(?!get\b){_NAME}|\[{_TEXT}\])",
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

    Of names those are known that the file gives one text, at its top level.

    Raises:
        ValueError: it is no Python that this one could parse; the message has the line.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"line {getattr(error, 'lineno', 1) or 1}: not readable as Python") from None
    known = _constants(tree)
    return tuple(dict.fromkeys(use for node in ast.walk(tree) for use in _of_node(node, known)))


def _constants(tree: ast.Module) -> dict[str, str]:
    """By name the text that a file gives it, where it gives it nothing else."""
    given: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    given.setdefault(target.id, []).append(_text(node.value, {}))
    return {name: texts[0] for name, texts in given.items() if len(texts) == 1 and texts[0]}


def _of_node(node: ast.AST, known: Mapping[str, str]) -> Iterator[Use]:
    if isinstance(node, ast.Constant | ast.JoinedStr) and (text := _text(node, known)):
        yield from _of_template(text, node.lineno)
    elif isinstance(node, ast.Call):
        yield from _of_call(node, known)
    elif isinstance(node, ast.Dict):  # such as default_args
        for key, value in zip(node.keys, node.values, strict=True):
            if key and _text(key, {}).endswith("conn_id") and (text := _text(value, known)):
                yield Use("connection", text, value.lineno, needed=text != OPTIONAL)


def _of_template(text: str, line: int) -> Iterator[Use]:
    for block in _BLOCK.findall(text):
        for kind, pattern in _TEMPLATES.items():
            for match in re.finditer(pattern, block):
                yield Use(kind, next(filter(None, match.groups())), line, needed=not match[1])


def _of_call(node: ast.Call, known: Mapping[str, str]) -> Iterator[Use]:
    called = ast.unparse(node.func)
    named = {word.arg: word.value for word in node.keywords if word.arg}
    for word, value in named.items():
        if word.endswith("conn_id") and (key := _text(value, known)):
            yield Use("connection", key, node.lineno, needed=key != OPTIONAL)
    first = node.args[0] if node.args else named.get("key") or named.get("conn_id")
    key = _text(first, known) if first is not None else ""
    if key and re.search(r"\bVariable\.get$", called):
        yield Use(
            "variable", key, node.lineno, needed=len(node.args) < 2 and not {"default", "default_var"} & named.keys()
        )
    elif key and re.search(r"\bConnection\.get$|\bget_connection(?:_from_secrets)?$", called):
        yield Use("connection", key, node.lineno)


def _text(node: ast.expr, known: Mapping[str, str]) -> str:
    """The text that an expression is, as far as that can be told; empty: it cannot."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.JoinedStr):
        parts = [_text(part, known) for part in node.values]
        return "".join(parts) if all(parts) else ""
    if isinstance(node, ast.FormattedValue) and node.conversion == -1 and not node.format_spec:
        return _text(node.value, known)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
