"""YAML as positions: a tree of nodes that knows where each piece stands in the text, built from a parser's events.

Nothing is ever dumped: edits splice the text, and the signatures of the text before and after prove what they did.
Only ruamel.yaml's pure parser is used: its C parsers reject or mark some shapes differently.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

#: deeper nesting than any compose file's is refused: the parser's time grows with it
MAX_DEPTH = 64

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


@dataclass(slots=True, eq=False)
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

    kind: Literal["scalar", "map", "seq", "alias"]
    start: int
    end: int
    line: int
    column: int
    first: int
    last: int
    anchor: str = ""
    tag: str = ""
    value: str = ""
    style: str = ""
    flow: bool = False
    shared: bool = False
    inside: int = 0
    children: list[Node] = field(default_factory=list)
    target: Node | None = None
    parent: Node | None = None

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


@dataclass(slots=True)
class Document:
    """A text, its tree and its signatures; ``root`` is None when the text holds no data, not even a null."""

    text: str
    root: Node | None
    signatures: list[Signature]


@functools.lru_cache(maxsize=2)
def parse(text: str) -> Document:
    """Parse a text without a byte order mark; what one is parsed to is kept for who asks next, and never changed.

    Raises:
        Refused: it is not YAML, or YAML that is not patched: several documents, duplicate keys, too deep.
    """
    bare = re.search(r"\r(?!\n)", text)
    if bare:
        raise Refused(text.count("\n", 0, bare.start()) + 1, "a carriage return without a line feed")
    builder, said = _Builder(text), events(text)
    try:
        for event in said:
            builder.feed(event)
    except Refused:
        raise
    except Exception as error:  # a foreign parser on any text whatever: it also raises what is not a YAMLError
        raise _unreadable(text, error) from None
    _breaks_only_in_quotes(text, builder.quoted)
    return Document(text, builder.root(), builder.signatures)


def _breaks_only_in_quotes(text: str, quoted: list[tuple[int, int]]) -> None:
    """Refuse what YAML 1.1 takes for the end of a line and YAML 1.2 does not, such as NEL: readers differ on it."""
    at = 0 if _OLD_BREAKS.search(text) else len(text)
    for start, end in [*quoted, (len(text), len(text))]:
        if found := _OLD_BREAKS.search(text, at, start):
            raise Refused(text.count("\n", 0, found.start()) + 1, f"a character {found[0]!a} outside quotes")
        at = max(at, end)


_OLD_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")


def events(text: str) -> Iterator[Any]:
    """The bare events of ruamel.yaml's pure parser."""
    from ruamel.yaml import YAML

    return iter(YAML(typ="safe", pure=True).parse(text))


def load(text: str) -> object:
    """The plain data of a text that is only read.

    Raises:
        Refused: it is not YAML.
    """
    from ruamel.yaml import YAML

    try:
        return YAML(typ="safe", pure=True).load(text)
    except Exception as error:  # as of parse()
        raise _unreadable(text, error) from None


def _unreadable(text: str, error: Exception) -> Refused:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return Refused(mark.line + 1, f"not readable as YAML: {getattr(error, 'problem', None) or 'syntax error'}")
    at = getattr(error, "position", None)
    if isinstance(at, int):
        return Refused(
            text.count("\n", 0, at) + 1, f"not readable as YAML: {getattr(error, 'reason', 'bad character')}"
        )
    return Refused(1, f"not readable as YAML: {type(error).__name__}")


class _Builder:
    """Turns events into a tree without recursion: any depth of nesting is data, never a stack overflow."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.signatures: list[Signature] = []
        self.roots: list[Node] = []
        self.open: list[Node] = []
        self.keys: list[set[str]] = []
        self.anchors: dict[str, Node] = {}
        self.quoted: list[tuple[int, int]] = []  # spans of quoted scalars
        self.end = 0  # past the last thing that was really written

    def feed(self, event: Any) -> None:
        name = type(event).__name__
        if name == "ScalarEvent":
            self._scalar(event)
        elif name in ("MappingStartEvent", "SequenceStartEvent"):
            self._start(event, "map" if name == "MappingStartEvent" else "seq")
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            self._close(event)
        elif name == "AliasEvent":
            self._alias(event)
        else:
            if name == "DocumentStartEvent":
                self.anchors = {}
                self.end = event.end_mark.index
            self.signatures.append((name,))

    def root(self) -> Node | None:
        """The one document that holds something, else the first."""
        full = [root for root in self.roots if not root.null]
        if len(full) > 1:
            raise Refused(full[1].line, "more than one document")
        return next(iter(full or self.roots), None)

    def _scalar(self, event: Any) -> None:
        plain, anchor, tag = event.style is None, event.anchor or "", event.tag or ""
        self.signatures.append(("scalar", anchor, tag, event.value, plain))
        start, end = event.start_mark, event.end_mark
        node = Node("scalar", start.index, end.index, start.line + 1, start.column, len(self.signatures) - 1, 0)
        node.last, node.anchor, node.tag = node.first, anchor, tag
        node.value, node.style = event.value, event.style or ""
        if node.style in ("|", ">"):
            node.end = _block_scalar_end(self.text, node)
        elif node.style:
            self.quoted.append((node.start, node.end))
        elif start.index == end.index:
            node.start = node.end = self._after_indicator(start.index)
        self._add(node)
        self.end = node.end

    def _after_indicator(self, limit: int) -> int:
        """Where an empty value stands: past its ``:`` or ``-``; the parser marks the next token instead."""
        found = _INDICATOR.match(self.text, self.end, limit)
        return found.end() if found else self.end

    def _start(self, event: Any, kind: Literal["map", "seq"]) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise Refused(event.start_mark.line + 1, f"nested more than {MAX_DEPTH} deep")
        anchor, tag = event.anchor or "", event.tag or ""
        self.signatures.append((kind, anchor, tag))
        start, end = event.start_mark, event.end_mark
        column = start.column if event.flow_style else end.column
        node = Node(kind, start.index, end.index, start.line + 1, column, len(self.signatures) - 1, 0)
        node.anchor, node.tag, node.flow = anchor, tag, bool(event.flow_style)
        if kind == "seq" and not node.flow and self.text[end.index : end.index + 1] != "-":
            node.column = self.open[-1].column if self.open else 0  # indentless, behind an anchor or tag
        self._add(node)
        self.open.append(node)
        self.keys.append(set())
        self.end = node.inside = end.index

    def _close(self, event: Any) -> None:
        self.signatures.append(("end",))
        node = self.open.pop()
        self.keys.pop()
        node.last = len(self.signatures) - 1
        if node.flow:
            self.end = event.end_mark.index
        node.end = self.end

    def _alias(self, event: Any) -> None:
        target = self.anchors.get(event.anchor)
        start, end = event.start_mark, event.end_mark
        if target is None:
            raise Refused(start.line + 1, f"alias *{event.anchor} without an anchor")
        if any(node is target for node in self.open):
            raise Refused(start.line + 1, f"alias *{event.anchor} inside what it stands for")
        target.shared = True
        self.signatures.append(("alias", event.anchor))
        index = len(self.signatures) - 1
        node = Node("alias", start.index, end.index, start.line + 1, start.column, index, index)
        node.value, node.target = event.anchor, target
        self._add(node)
        self.end = end.index

    def _add(self, node: Node) -> None:
        if node.anchor:
            self.anchors[node.anchor] = node
        if not self.open:
            self.roots.append(node)
            return
        node.parent = parent = self.open[-1]
        if parent.kind == "map" and len(parent.children) % 2 == 0 and node.kind == "scalar":
            if node.value in self.keys[-1]:
                raise Refused(node.line, f"duplicate key {node.value!r}")
            if node.tag not in ("", "tag:yaml.org,2002:str"):
                raise Refused(node.line, f"the key {node.value!r} is tagged {node.tag}")
            self.keys[-1].add(node.value)
        parent.children.append(node)


_INDICATOR = re.compile(r"(?:[^\S\n]|(?<=\s)#[^\n]*|\r?\n)*[:-](?=\s|\Z)")


def _block_scalar_end(text: str, node: Node) -> int:
    """Past the last line that counts; blank lines after it do only with ``+``."""
    head, _, body = text[node.start : node.end].partition("\n")
    lines = body.split("\n")
    indent = next((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), 0)
    while lines and not lines[-1].strip() and len(lines[-1].rstrip("\r")) <= indent and "+" not in head:
        lines.pop()
    kept = "\n".join([head, *lines])
    return node.start + len(kept.rstrip("\r\n") if "+" not in head else kept.removesuffix("\n").removesuffix("\r"))
