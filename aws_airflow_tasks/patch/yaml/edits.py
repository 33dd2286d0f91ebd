"""Small edits of a YAML text, each with what it must do to the parser's events, so that the result can be proven."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from aws_airflow_tasks.patch.yaml.positions import Document, Node, Refused, Signature
from aws_airflow_tasks.patch.yaml.writing import Style, block_lines, flow_pairs, flow_text, quoted, signatures


class Draft:
    """Edits of one document under way.

    Attributes:
        cuts: ``(start, end, new)`` in characters, in the order they were thought of.
        swaps: ``(first, stop, signatures)``: the events that each edit must put in place of others.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.cuts: list[tuple[int, int, str]] = []
        self.swaps: list[tuple[int, int, list[Signature]]] = []

    @property
    def as_json(self) -> bool:
        """Whether the whole file is in flow style, as JSON is."""
        return bool(self.document.root and self.document.root.flow)

    @property
    def aliases(self) -> bool:
        """Whether any piece of the document stands for more than one."""
        return any(said[0] == "alias" for said in self.document.signatures)

    def append(self, node: Node, values: Mapping[str, Any] | list[Any], style: Style) -> None:
        """Add pairs to a mapping, or items to a list, after what it holds."""
        said = list(signatures(values, flow=node.flow, as_json=self.as_json))
        self.swaps.append((node.last, node.last, said[1:-1]))
        if node.flow:
            self._append_flow(node, values)
        else:
            self._insert_lines(node.end, block_lines(values, node.column, style, self._gap(node)), node.column)

    def fill(self, null: Node, value: Mapping[str, Any] | list[Any], style: Style) -> None:
        """Put a mapping or a list in the place of a null that is a value of some mapping."""
        parent = null.parent
        assert parent is not None
        said = list(signatures(value, flow=parent.flow, as_json=self.as_json))
        self.swaps.append((null.first, null.last + 1, [(said[0][0], null.anchor, ""), *said[1:]]))
        if parent.flow:
            text = flow_text(value, as_json=self.as_json)
            self.cuts.append((null.end - len(null.value), null.end, text if null.value else f" {text}"))
            return
        if null.value:
            self._cut_word(null)
        column = parent.column + (style.dash if isinstance(value, list) else style.step)
        self._insert_lines(null.end, block_lines(value, column, style), column)

    def begin(self, value: Mapping[str, Any]) -> None:
        """Give a document that holds nothing its first mapping.

        Raises:
            Refused: it holds a null that is written out.
        """
        root, said, lines = self.document.root, list(signatures(value, flow=False)), block_lines(value, 0, Style())
        if root is None:
            self.swaps.append((1, 1, [("DocumentStartEvent",), *said, ("DocumentEndEvent",)]))
            self._insert_lines(len(self.document.text), lines, 0)
        elif root.empty and not root.anchor:
            self.swaps.append((root.first, root.last + 1, said))
            self._insert_lines(root.end, lines, 0)
        else:
            raise Refused(root.line, "the document is a null that is written out")

    def replace(self, parent: Node, node: Node, value: Any) -> None:
        """Put another value in the place of an item or a mapping's value of ``parent``.

        Raises:
            Refused: that would lose an anchor, a tag or a comment.
        """
        text = self.document.text
        if node.anchor or node.tag or node.kind == "alias":
            raise Refused(node.line, "what is to be replaced has an anchor or a tag, or is an alias")
        if node.kind != "scalar" and "#" in text[node.start : node.end]:
            raise Refused(node.line, "what is to be replaced may hold a comment")
        said = list(signatures(value, flow=parent.flow, as_json=self.as_json))
        self.swaps.append((node.first, node.last + 1, said))
        self.cuts.append((node.start, node.end, self._item_text(node, value, flow=parent.flow)))

    def _item_text(self, node: Node, value: Any, *, flow: bool) -> str:
        if not isinstance(value, Mapping):
            return quoted(value, flow=flow)[0]
        if flow:
            return flow_text(value, as_json=self.as_json)
        column = node.start - self._line_start(node.start)
        return self._line_ending(node.end).join(block_lines(value, column, Style())).lstrip(" ")

    def remove(self, parent: Node, gone: Collection[Node]) -> None:
        """Take items out of a list, or keys with their values out of a mapping, that keeps others."""
        children, width, taken = parent.children, 2 if parent.kind == "map" else 1, {id(node) for node in gone}
        places = [at for at in range(0, len(children), width) if id(children[at]) in taken]
        for at in places:
            self.swaps.append((children[at].first, children[at + width - 1].last + 1, []))
        if parent.flow:
            self._cut_from_flow(children, places, width)
            return
        for at in places:
            nodes = children[at : at + width]
            self._cut_lines(nodes[0].start if width == 2 else self._dash(nodes[0]), nodes)

    def _dash(self, item: Node) -> int:
        line = self._line_start(item.start)
        dash = re.search(r"-[ \t]*\Z", self.document.text[line : item.start])
        if not dash:
            raise Refused(item.line, "the item does not stand on the line of its dash")
        return line + dash.start()

    def clear(self, key: Node, value: Node) -> None:
        """Take out the only pair of the document.

        Raises:
            Refused: nothing but ``---`` would be left.
        """
        root = self.document.root
        assert root is not None
        if root.flow:
            self.swaps.append((key.first, value.last + 1, []))
            self.cuts.append((key.start, value.end, ""))
        elif re.search(r"^---", self.document.text, re.MULTILINE):
            raise Refused(key.line, "a document of nothing but --- would be left, which Compose rejects")
        else:
            self.swaps.append((root.first, root.last + 1, [EMPTY]))
            self._cut_lines(key.start, [key, value])

    def blank(self, value: Node) -> None:
        """Leave nothing in a mapping or list that is some key's value: an empty one in flow style, else a null."""
        width = 2 if value.kind == "map" else 1
        if value.flow:
            self.remove(value, value.children[::width])
            return
        self.swaps.append((value.first, value.last + 1, [("scalar", value.anchor, "", "", True)]))
        for at in range(0, len(value.children), width):
            nodes = value.children[at : at + width]
            self._cut_lines(nodes[0].start if width == 2 else self._dash(nodes[0]), nodes)

    def first_line(self) -> int:
        """The number of the first line that is edited."""
        return self.document.text.count("\n", 0, min(start for start, _, _ in self.cuts)) + 1

    def text(self) -> tuple[tuple[int, int, str], ...]:
        """The cuts in order, those that touch made one; the text's final line end, or its absence, is kept.

        Raises:
            Refused: two edits overlap.
        """
        merged: list[tuple[int, int, str]] = []
        for start, end, new in sorted(self.cuts, key=lambda cut: cut[:2]):
            if merged and start < merged[-1][1]:
                raise Refused(self.document.text.count("\n", 0, start) + 1, "two edits overlap")
            if merged and start == merged[-1][1]:
                start, new = merged[-1][0], merged.pop()[2] + new
            merged.append((start, end, new))
        return tuple(self._final_line_end(merged))

    def _final_line_end(self, cuts: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
        text = self.document.text
        if not cuts or text.endswith("\n") or cuts[-1][1] < len(text) or cuts[-1][0] == cuts[-1][1]:
            return cuts
        start, end, new = cuts[-1]
        if start and text[start - 1] != "\n":
            return cuts
        if new or not start:
            return [*cuts[:-1], (start, end, re.sub(r"\A\r?\n", "", new))]
        return [*cuts[:-1], (start - len(self._line_ending(start - 1)), end, new)]

    def expected(self) -> list[Signature]:
        """What the parser must say of the text once the edits are made."""
        said, at = [], 0
        for first, stop, new in sorted(self.swaps, key=lambda swap: swap[:2]):
            said += [*self.document.signatures[at:first], *new]
            at = stop
        return said + self.document.signatures[at:]

    # -- where lines and items begin and end ------------------------------------------------------------------

    def _line_start(self, at: int) -> int:
        return self.document.text.rfind("\n", 0, at) + 1

    def _line_ending(self, at: int) -> str:
        """The line ending of the line at ``at``; of the last line, the one before it."""
        text = self.document.text
        end = text.find("\n", at)
        if end < 0:
            end = text.rfind("\n", 0, at)
        return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"

    def _insert_lines(self, at: int, lines: list[str], column: int) -> None:
        """Add lines below the line of ``at`` and below the comments there that stand deeper than ``column``."""
        text, ending = self.document.text, self._line_ending(at)
        end = at if at == len(text) else text.find("\n", at)
        while (
            0 <= end < len(text)
            and (comment := re.compile(_COMMENT_LINE).match(text, end + 1))
            and len(comment[1]) > column
        ):
            end = text.find("\n", end + 1)
        if end < 0 or end == len(text):
            joined = ending.join(lines)
            if not text:
                self.cuts.append((0, 0, joined))
            elif text.endswith("\n"):
                self.cuts.append((len(text), len(text), joined + ending))
            else:
                self.cuts.append((len(text), len(text), ending + joined))
        else:
            self.cuts.append((end + 1, end + 1, "".join(line + ending for line in lines)))

    def _gap(self, node: Node) -> str:
        """What stands between a list's dashes and its items."""
        item = node.children[-1]
        found = re.search(r"-( +)\Z", self.document.text[self._line_start(item.start) : item.start])
        return found[1] if node.kind == "seq" and found else " "

    def _cut_word(self, null: Node) -> None:
        """Take out a null that is written out, with the space on one side of it."""
        text, start, end = self.document.text, null.end - len(null.value), null.end
        line = self._line_start(start)
        if comment := re.compile(_BLANKS_AND_COMMENT).match(text, end):
            end = comment.start(1)
        else:
            start = line + len(text[line:start].rstrip(" \t"))
        self.cuts.append((start, end, ""))

    def _append_flow(self, node: Node, values: Mapping[str, Any] | list[Any]) -> None:
        as_json, text = self.as_json, self.document.text
        if isinstance(values, Mapping):
            items = flow_pairs(values, as_json=as_json)
        else:
            items = [flow_text(value, as_json=as_json) for value in values]
        if not node.children:
            self.cuts.append((node.inside, node.inside, ", ".join(items)))
            return
        last, end = node.children[-1 if node.kind == "seq" else -2], node.children[-1].end
        line = self._line_start(last.start)
        comma = re.compile(_COMMA).match(text, end, node.end - 1)
        own_line = not text[line : last.start].strip() and "\n" in text[end : node.end - 1]
        if not own_line or (comma and "\n" in comma[0]):
            self.cuts.append((end, end, "".join(f", {item}" for item in items)))
            return
        if not comma:
            self.cuts.append((end, end, ","))
        pad = text[line : last.start]
        lines = [pad + item + "," for item in items]
        lines[-1] = lines[-1] if comma else lines[-1].removesuffix(",")
        self._insert_lines(end, lines, len(text))

    def _cut_from_flow(self, children: list[Node], places: list[int], width: int) -> None:
        """Take what begins at ``places`` out of a flow collection, each with the comma on one side of it."""
        tail = len(children)  # from here on everything goes
        for at in reversed(places):
            if at + width == tail:
                tail = at
            else:
                self._cut_without_comment(children[at].start, children[at + width].start, children[at].line)
        if tail < len(children):
            start = children[tail - 1].end if tail else children[0].start
            self._cut_without_comment(start, children[-1].end, children[tail].line)

    def _cut_without_comment(self, start: int, end: int, line: int) -> None:
        if "#" in self.document.text[start:end]:
            raise Refused(line, "what is to be taken out may hold a comment")
        self.cuts.append((start, end, ""))

    def _cut_lines(self, start: int, nodes: list[Node]) -> None:
        """Take out the lines of ``nodes``, the first of which begins at ``start``; comments beside and between stay."""
        text, line = self.document.text, nodes[0].line
        if text[self._line_start(start) : start].strip(" "):
            raise Refused(line, "what is to be taken out does not have its line to itself")
        ends: dict[int, int] = {}
        for leaf in (leaf for node in nodes for leaf in _leaves(node)):
            if "\n" in text[leaf.start : leaf.end] and "#" in text[leaf.start : leaf.end]:
                raise Refused(leaf.line, "what is to be taken out may hold a comment")
            for at in _line_starts(text, self._line_start(leaf.start), leaf.end):
                following = text.find("\n", at, leaf.end)
                ends[at] = leaf.end if following < 0 else following
        for at, end in ends.items():
            self._cut_line(at, end, line)

    def _cut_line(self, at: int, end: int, line: int) -> None:
        text = self.document.text
        stop = text.find("\n", end)
        stop = len(text) if stop < 0 else stop
        rest = re.compile(_AFTER_LEAF).fullmatch(text, end, stop)
        if not rest:
            raise Refused(line, "what is to be taken out shares a line with something else")
        if rest[1]:
            indent = len(text[at:end]) - len(text[at:end].lstrip(" "))
            self.cuts.append((at + indent, rest.start(1), ""))
        else:
            self.cuts.append((at, min(stop + 1, len(text)), ""))


#: what a document that holds nothing but ``---`` says
EMPTY: Signature = ("scalar", "", "", "", True)
_COMMENT_LINE = r"( *)#"
_BLANKS_AND_COMMENT = r"[ \t]+(#)"
_COMMA = r"(?:\s|(?<=\s)#[^\n]*)*,"
_AFTER_LEAF = r"[ \t]*:?[ \t]*(?:(?<=[ \t])(#[^\n]*)|\r?)"


def _leaves(node: Node) -> Iterator[Node]:
    """What stands in the text for a node: scalars, aliases, whole flow collections."""
    if node.kind in ("scalar", "alias") or node.flow:
        yield node
    else:
        for child in node.children:
            yield from _leaves(child)


def _line_starts(text: str, start: int, end: int) -> Iterator[int]:
    """Offsets of the lines from the one that begins at ``start`` to the one that holds ``end``."""
    while 0 <= start < end:
        yield start
        following = text.find("\n", start, end)
        start = following + 1 if following >= 0 else -1
