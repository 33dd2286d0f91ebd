"""What pieces of documents mean, aliases and merge keys resolved, as numbers: equal ones for equal data."""

from __future__ import annotations

from collections.abc import Hashable

from aws_airflow_tasks.patch.yaml.positions import Node, effective_pairs

#: the numbers given so far, for documents that are to be compared
Known = dict[Hashable, int]


def meanings(root: Node | None, known: Known) -> dict[int, int]:
    """The number of each node by its ``id``; however often aliases repeat a piece, it is looked at once."""
    found: dict[int, int] = {}
    for node in in_order(root):
        if node.target:
            found[id(node)] = found[id(node.target)]
            continue
        content: Hashable = (node.value, not node.style)
        if node.kind == "seq":
            content = tuple(found[id(item)] for item in node.children)
        elif node.kind == "map":
            content = frozenset((name, found[id(value)]) for name, value in effective_pairs(node).items())
        found[id(node)] = known.setdefault((node.kind, node.tag, content), len(known))
    return found


def in_order(root: Node | None) -> list[Node]:
    """A node and all below it, each after its parts and, if it is an alias, after what it stands for."""
    nodes = [root] if root else []
    for node in nodes:
        nodes += node.children
    return sorted(nodes, key=lambda node: node.last)
