"""YAML as positions: a tree of nodes that knows where each piece stands in the text; :mod:`.parsing` makes it.

Nothing is ever dumped: edits splice the text, and the signatures of the text before and after prove what they did.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

#: deeper nesting than any compose file's is refused: the parser's time grows with it
MAX_DEPTH = 64

Kind = Literal["scalar", "map", "seq", "alias"]
#: what an event says, without its place: two texts whose signatures are equal hold equal data
Signature = tuple[Any, ...]


class Refused(Exception):  # noqa: N818
    """Something about the file that cannot be patched; the text says what, ``line`` (from 1) where.

    Attributes:
        by_hand: the edit that makes it patchable; empty when there is none but the one that was asked for.
    """

    def __init__(self, line: int, why: str, by_hand: str = "") -> None:
        self.by_hand = by_hand
        super().__init__(f"line {line}: {shown(why, most=200)}")


def shown(text: str, *, most: int = 80) -> str:
    """``text`` for a message: on one line, without control characters, at most ``most`` characters of it."""
    plain = text if text.isprintable() else ascii(text)[1:-1]
    return plain if len(plain) <= most else plain[: most - 1] + "…"


class Node:
    """A piece of the document.

    Attributes:
        kind: ``alias`` nodes have a ``target``; the others are their own.
        start: offset in characters of its first character, anchor and tag included.
        end: offset just past it; of a block collection, past its last leaf, without the comments that follow.
        inside: of a flow collection, offset just past its opening bracket.
        line: its first line, from 1.
        column: of a scalar or flow collection where it starts, of a block collection where its keys or dashes stand.
        first: index of its first event.
        last: index of its last event.
        value: a scalar's text, an alias's name.
        style: ``""`` plain, ``'``, ``"``, ``|`` or ``>``.
        children: the items of a sequence; key, value, key, value … of a mapping.
        shared: an alias somewhere refers to its anchor.
        parent: what it is an item, a key or a value of; None for a document.
    """

    __slots__ = (
        *("kind", "start", "end", "line", "column", "first", "last"),
        *("anchor", "tag", "value", "style", "flow", "shared", "inside", "children", "target", "parent"),
    )

    def __init__(self, kind: Kind, start: int, end: int, line: int, column: int, first: int, last: int) -> None:
        self.kind, self.start, self.end, self.line, self.column = kind, start, end, line, column
        self.first, self.last = first, last
        self.anchor = self.tag = self.value = self.style = ""
        self.flow = self.shared = False
        self.inside = 0
        self.children: list[Node] = []
        self.target: Node | None = None
        self.parent: Node | None = None

    @property
    def real(self) -> Node:
        """The node itself, or what the alias stands for."""
        return self.target or self

    @property
    def empty(self) -> bool:
        """Whether nothing at all is written where a value could be."""
        return self.kind == "scalar" and not self.value and not self.style

    @property
    def null(self) -> bool:
        """Whether it is YAML's null."""
        return self.kind == "scalar" and not self.style and not self.tag and self.value in _NULLS

    def pairs(self) -> Iterator[tuple[Node, Node]]:
        """Keys and values of a mapping; none of a node of another kind, such as a service that has lost a line."""
        if self.kind != "map":
            return iter(())
        return zip(islice(self.children, 0, None, 2), islice(self.children, 1, None, 2), strict=True)

    def own(self, name: str) -> tuple[Node, Node] | None:
        """The key and value of ``name`` in this very mapping; keys that come through ``<<`` are not its own."""
        return next(((k, v) for k, v in self.pairs() if k.kind == "scalar" and k.value == name), None)


_NULLS = ("", "~", "null", "Null", "NULL")


def merge_sources(mapping: Node) -> list[Node]:
    """The mappings that ``<<`` brings in, the one that wins first (https://yaml.org/type/merge.html)."""
    sources: list[Node] = []
    for key, value in mapping.pairs():
        if key.kind == "scalar" and key.value == "<<" and not key.style:
            sources += value.children if value.kind == "seq" else [value]
    return [source.real for source in sources if source.real.kind == "map"]


def merge_order(mapping: Node) -> list[Node]:
    """The mapping and all that ``<<`` brings in, near or far, the one that wins first."""
    stack, order, seen = [mapping], [], set()
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            order.append(node)
            stack += reversed(merge_sources(node))
    return order


def effective(mapping: Node, name: str) -> tuple[Node, Node] | None:
    """The mapping that holds ``name`` and the value there, through merge keys too."""
    return next(((node, found[1]) for node in merge_order(mapping) if (found := node.own(name))), None)


def effective_pairs(mapping: Node) -> dict[str, Node]:
    """The values of a mapping by name, those that come through merge keys too."""
    pairs = [pair for node in reversed(merge_order(mapping)) for pair in node.pairs()]
    return {key.value: value for key, value in pairs if key.kind == "scalar" and key.value != "<<"}


def untagged(*path: tuple[str, Node]) -> None:
    """Let a path pass only where what is written means what it says.

    Raises:
        Refused: a part of it has a tag, such as Compose's ``!override``.
    """
    for what, node in path:
        if node.tag and node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise Refused(node.line, f"{what} is tagged {node.tag}")


def editable(*path: tuple[str, Node]) -> None:
    """Let a path pass only where an edit shows nowhere else and means what it says.

    Raises:
        Refused: a part of it is an alias, has a tag, or an anchor that is used elsewhere.
    """
    for what, node in path:
        if node.kind == "alias":
            raise Refused(node.line, f"{what} is an alias *{node.value}")
        untagged((what, node))
        if node.shared:
            raise Refused(node.line, f"{what} has the anchor &{node.anchor}, used elsewhere")


class Document:
    """A text, its tree and its signatures; ``root`` is None when the text holds no data, not even a null."""

    def __init__(self, text: str, root: Node | None, signatures: list[Signature]) -> None:
        self.text = text
        self.root = root
        self.signatures = signatures
