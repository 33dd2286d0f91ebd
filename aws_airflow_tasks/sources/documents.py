"""JSON and YAML as one tree, in which every value knows its line and how it was written."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aws_airflow_tasks.patch.yaml import parsing, positions
from aws_airflow_tasks.patch.yaml.positions import Node
from aws_airflow_tasks.sources.connections import Unfit

_NULLS = ("", "~", "null", "Null", "NULL")
#: as deep as Python's own JSON goes without a stack overflow of its own
DEEPEST = 200


class Unreadable(ValueError):  # noqa: N818
    """A text that is neither; ``line`` is where, ``words`` says why, without values."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line, self.words = line, words


class Member(NamedTuple):
    """A value of a document.

    Attributes:
        line: where it begins, from 1.
        members: of a mapping, by name.
        items: of a list.
        scalar: of anything else: a Python value of JSON, or the text of YAML.
        bare: whether it is YAML's, and not in quotes, so that a reader makes of it what it looks like.
    """

    line: int
    members: "Mapping[str, Member] | None" = None
    items: "Sequence[Member] | None" = None
    scalar: Any = None
    bare: bool = False

    @property
    def is_null(self) -> bool:
        """Whether it is nothing at all."""
        return (
            self.members is None
            and self.items is None
            and (self.scalar is None or (self.bare and self.scalar in _NULLS))
        )

    def text(self) -> str | None:
        """A field's text: as it stands there, a bare number with its zeros too; None: null.

        Raises:
            Unfit: a list, a mapping, or a JSON number whose text may have been another.
        """
        if self.is_null:
            return None
        if isinstance(self.scalar, str):
            return str(self.scalar)
        if isinstance(self.scalar, int) and not isinstance(self.scalar, bool):
            return str(self.scalar)
        raise Unfit("a field is neither text nor a whole number: put it in quotes")

    def variable(self) -> str:
        """A variable's value: text as it is, anything else in the bytes that ``airflow variables import`` stores.

        Raises:
            Unfit: YAML that not every reader takes alike.
        """
        if isinstance(self.scalar, str) and not self.bare:
            return self.scalar
        return (
            json.dumps(self.plain(), indent=2)
            if not self.bare or self.is_null
            else _as_written(self.plain(), self.scalar)
        )

    def plain(self) -> Any:
        """The Python value."""
        if self.members is not None:
            return {name: member.plain() for name, member in self.members.items()}
        if self.items is not None:
            return [item.plain() for item in self.items]
        return _resolved(self.scalar) if self.bare else self.scalar


def _as_written(value: Any, text: str) -> str:
    stored = value if isinstance(value, str) else json.dumps(value)
    if stored != text:
        raise Unfit("not every reader of YAML takes its value alike: put it in quotes")
    return str(stored)


def _resolved(text: str) -> Any:
    """A bare scalar where YAML 1.1 and 1.2 agree; raises Unfit where they do not."""
    if text in _NULLS:
        return None
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?(?:0|[1-9][0-9]*)", text):
        if len(text) > MOST_DIGITS:
            raise Unfit(f"a number in it has more than {MOST_DIGITS} digits: put it in quotes")
        return int(text)
    if re.fullmatch(r"-?(?:0|[1-9][0-9]*)\.[0-9]+", text):
        return float(text)
    if re.fullmatch(_DISPUTED, text):
        raise Unfit("not every reader of YAML takes its value alike: put it in quotes")
    return text


#: of a number; Python (``sys.int_info``) converts no longer one
MOST_DIGITS = 4300
#: what YAML 1.1 or 1.2 takes for a number, a truth value or a date in some spelling or other
_DISPUTED = (
    r"(?i:true|false|yes|no|on|off|y|n)|[-+]?[0-9][0-9_,:.]*(?:[eE][-+]?[0-9]+)?|[-+]?0[xob][0-9a-fA-F_]+"
    r"|[-+]?\.(?:inf|Inf|INF|nan|NaN|NAN|[0-9][0-9_]*)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?|=|<<"
)


def load(text: str, *, as_json: bool) -> Member:
    """The tree of a document.

    Raises:
        Unreadable: it is none, or a mapping has a key twice.
    """
    return _json(text) if as_json else _yaml(text)


def _json(text: str) -> Member:
    repeated: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in found]
        repeated.extend(name for name in set(names) if names.count(name) > 1) if len(set(names)) < len(names) else None
        return dict(found)

    try:
        data = json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise Unreadable(error.lineno, f"not readable as JSON: {error.msg}") from None
    except RecursionError:
        raise Unreadable(1, "nested too deeply") from None
    except ValueError:  # Python converts no longer one
        raise Unreadable(1, f"a number in it has more than {MOST_DIGITS} digits") from None
    if repeated:
        raise Unreadable(_last_line(text, repeated[0]), f"{repeated[0]} stands there twice")
    return _of_data(data, _lines(text, data) if isinstance(data, dict) else {})


def _of_data(value: Any, lines: Mapping[str, int], line: int = 1, depth: int = 0) -> Member:
    if depth > DEEPEST:
        raise Unreadable(line, "nested too deeply")
    if isinstance(value, dict):
        return Member(line, {name: _of_data(v, {}, lines.get(name, line), depth + 1) for name, v in value.items()})
    if isinstance(value, list):
        return Member(line, items=[_of_data(each, {}, line, depth + 1) for each in value])
    return Member(line, scalar=value)


def _lines(text: str, data: Mapping[str, Any]) -> dict[str, int]:
    """By key of an object the line where it is written, as far as it can be found; for words only."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        for match in re.finditer(r'"((?:[^"\\]|\\.)*)"\s*:', line):
            if match[1] in data:
                found.setdefault(match[1], number)
    return found


def _last_line(text: str, name: str) -> int:
    return text.count("\n", 0, max(text.rfind(json.dumps(name)), 0)) + 1


def _yaml(text: str) -> Member:
    try:
        root = parsing.parse(text).root
    except positions.Refused as refused:
        line, _, words = str(refused).removeprefix("line ").partition(": ")
        alias = "a text that begins with * is an alias: put it in quotes"  # its name may be a password
        raise Unreadable(int(line), alias if words.startswith("alias *") else words) from None
    return Member(1, {}) if root is None else _of_node(root, 0)


def _of_node(node: Node, depth: int) -> Member:
    node = node.real
    if depth > DEEPEST:
        raise Unreadable(node.line, "nested too deeply")
    if node.kind == "map":
        if odd := next((key for key, _ in node.pairs() if key.kind != "scalar"), None):
            raise Unreadable(odd.line, "a key is no text")
        pairs = positions.effective_pairs(node).items()
        return Member(node.line, {name: _of_node(value, depth + 1) for name, value in pairs})
    if node.kind == "seq":
        return Member(node.line, items=[_of_node(child, depth + 1) for child in node.children])
    if node.tag and not node.tag.startswith("tag:yaml.org,2002:str"):
        raise Unreadable(node.line, "it has a tag")
    return Member(node.line, scalar=node.value, bare=not node.style and not node.tag)
