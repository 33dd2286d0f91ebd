"""What a person takes out of a compose file where we cannot: whole lines by number, proven to be all of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from aws_airflow_tasks.patch.compose.mounts import Host, Ours
from aws_airflow_tasks.patch.compose.services import Wanted
from aws_airflow_tasks.patch.compose.withdrawal import remains
from aws_airflow_tasks.patch.listing import listing, runs
from aws_airflow_tasks.patch.yaml.parsing import parse
from aws_airflow_tasks.patch.yaml.positions import Document, Node, Refused


def there(text: str, wanted: Wanted, blocks: Sequence[str]) -> bool:
    """Whether anything of ours is in ``text``, which may be no YAML."""
    document = _parsed(text)
    return bool(remains(document.root, wanted) if document else alike(text, wanted, blocks))


def lines_to_take_out(text: str, wanted: Wanted, blocks: Sequence[str]) -> str:
    """Which lines make ``text`` readable and free of ours when they are taken out; else the lines that hold ours.

    Args:
        text: the file's text.
        wanted: what is to be taken out.
        blocks: the lines that we once put in.
    """
    document = _parsed(text)
    for numbers in (_nodes(document, wanted) if document else [], alike(text, wanted, blocks)):
        rest = without(text, numbers)
        if numbers and not _meaning(rest):
            return "delete the file: nothing else is in it"
        if numbers and (left := _parsed(rest)) and not remains(left.root, wanted):
            return _listed(text, numbers, "take these lines out:")
    held = {node.line for node in remains(document.root, wanted)} if document else alike(text, wanted, blocks)
    return _listed(text, sorted(held), "take what we mounted out of these lines:")


def _listed(text: str, numbers: Collection[int], title: str) -> str:
    lines = text.split("\n")
    return listing({number: lines[number - 1].rstrip() for number in numbers}, title)


def without(text: str, numbers: Collection[int]) -> str:
    """``text`` without the lines of these numbers."""
    return "".join(line for number, line in enumerate(_kept_ends(text), 1) if number not in numbers)


def _kept_ends(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+\Z", text)


def _meaning(text: str) -> str:
    return "".join(line for line in text.split("\n") if not line.lstrip().startswith("#")).strip()


def _parsed(text: str) -> Document | None:
    try:
        return parse(text)
    except Refused:
        return None


# -- by the tree, where there is one ------------------------------------------------------------------------


def _nodes(document: Document, wanted: Wanted) -> list[int]:
    ours = {id(node) for node in remains(document.root, wanted)}
    return sorted({line for node in _outermost(document.root, ours, _stays(wanted)) for line in _lines(document, node)})


def _stays(wanted: Wanted) -> Collection[str]:
    return wanted.out.empty if wanted.out else ()


def _whole(node: Node, ours: Collection[int]) -> bool:
    """Whether nothing else is in a node: a list of ours, a mapping of such lists, what is mounted from ours."""
    real = node.real
    if id(real) in ours:
        return True
    if real.kind == "seq":
        return bool(real.children) and all(_whole(item, ours) for item in real.children)
    if real.kind != "map":
        return False
    fields = {key.value: value for key, value in real.pairs() if key.kind == "scalar"}
    if "source" in fields and id(fields["source"].real) in ours:
        return True
    return bool(fields) and all(_whole(value, ours) for _, value in real.pairs())


def _outermost(root: Node | None, ours: Collection[int], stays: Collection[str]) -> Iterator[tuple[Node, Node]]:
    """From where to where the largest pieces go that are wholly ours."""
    stack = [(root, "")] if root else []
    while stack:
        node, path = stack.pop()
        if node.kind == "seq":
            for item in node.children:
                if _whole(item, ours):
                    yield item, item
                else:
                    stack.append((item, path))
        for key, value in node.pairs() if node.kind == "map" else ():
            name = key.value if path in ("", "services") else f"{path}.{key.value}"
            if _whole(value, ours) and name not in stays and path + key.value != "services":
                yield key, value
            else:
                stack.append((value, name))


def _lines(document: Document, piece: tuple[Node, Node]) -> range:
    first, last = piece
    start = document.text.rfind("\n", 0, first.start)
    dash = first is last and re.fullmatch(r"[ ]*-[ ]+", document.text[start + 1 : first.start])
    own = dash or not document.text[start + 1 : first.start].strip()
    end = last.end
    tail = re.match(r"[ \t]*(#[^\n]*)?\r?(\n|\Z)", document.text[end:])
    return range(first.line, document.text.count("\n", 0, end) + 2) if own and tail else range(0)


# -- by the text, where there is none -----------------------------------------------------------------------


def tells(line: str, out: Ours, host: Host, blocks: Collection[str]) -> bool:
    """Whether a line alone says that it is ours: it names a directory that only we mount, or one that we mounted."""
    if any(form in line for root in out.roots for form in _forms(root, host)[:1]):
        return True
    lent = [form for path in out.lent for form in _forms(path, host)[1:]]
    return line.strip() in blocks and any(form in line for form in lent)


def _forms(path: str, host: Host) -> tuple[str, ...]:
    """How a directory may be written: below any spelling of the home directory, from ``~``, absolute."""
    home = host.home
    if host.windows:
        path, home = (re.sub(r"\A[A-Za-z]:", "", each.replace("\\", "/")) for each in (path, home))  # or `/c/…`
    below = path.removeprefix("~/") if path.startswith("~/") else path.removeprefix(home.rstrip("/") + "/")
    return below, f"~/{below}", path


def alike(text: str, wanted: Wanted, blocks: Sequence[str]) -> list[int]:
    """The lines that are ours by their text: see :func:`reverse.runs`."""
    out = wanted.out
    assert out is not None
    ours = {line.strip() for block in blocks for line in block.split("\n")}
    return runs(text, blocks, lambda line: tells(line, out, wanted.host, ours))
