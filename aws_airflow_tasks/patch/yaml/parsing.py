"""From a text to its tree, by way of ruamel.yaml's events, which know where everything stands.

Only its pure parser is used: its C parsers reject or mark some shapes differently.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, Literal

from aws_airflow_tasks.patch.yaml.positions import MAX_DEPTH, Document, Node, Refused, Signature


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
    if not any(old in text for old in _OLD_BREAKS):
        return
    at, outside = 0, re.compile(f"[{_OLD_BREAKS}]")
    for start, end in [*quoted, (len(text), len(text))]:
        if found := outside.search(text, at, start):
            raise Refused(text.count("\n", 0, found.start()) + 1, f"a character {found[0]!a} outside quotes")
        at = max(at, end)


_OLD_BREAKS = "\x85\u2028\u2029\ufeff"


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
