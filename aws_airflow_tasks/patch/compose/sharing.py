"""An edit at an anchor is one of all its users: the proof that nobody else changed, and what to do where one would."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from aws_airflow_tasks.patch.compose.mounts import Verdict, entry
from aws_airflow_tasks.patch.compose.services import ComposePlan, Wanted, services_of
from aws_airflow_tasks.patch.compose.volumes import hits, is_ours
from aws_airflow_tasks.patch.yaml.meaning import Known, in_order, meanings
from aws_airflow_tasks.patch.yaml.positions import Document, Node, Refused, effective, effective_pairs
from aws_airflow_tasks.patch.yaml.writing import flow_copy, flow_text


def changed_besides(before: Document, after: Document, touched: Collection[str], wanted: Wanted) -> list[str]:
    """Whatever Compose reads otherwise after an edit, but for our mount in the services ``touched``.

    Returns:
        Names of services, and of keys at the top level (``x-`` ones are for no reader: they hold the anchors).
    """
    known: Known = {}
    old, new = (_read(document.root, touched, wanted, known) for document in (before, after))
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _read(root: Node | None, touched: Collection[str], wanted: Wanted, known: Known) -> dict[str, Any]:
    if root is None or root.kind != "map":
        return {}
    numbers = meanings(root, known)
    top = {name: numbers[id(value)] for name, value in effective_pairs(root).items() if not name.startswith("x-")}
    top.pop("services", None)
    found: dict[str, Any] = {name: numbers[id(service)] for name, service in services_of(root).items()}
    for name in touched & found.keys():
        found[name] = _without_mount(services_of(root)[name].real, name, wanted, numbers)
    return top | {name: what for name, what in found.items() if what != ()}


def _without_mount(service: Node, name: str, wanted: Wanted, numbers: dict[int, int]) -> tuple[Any, ...]:
    """What a service says beside our mount; empty: nothing."""
    keys = effective_pairs(service) if service.kind == "map" else {} if service.null else {"volumes": service}
    volumes = keys.pop("volumes", None)
    rest = [numbers[id(item)] for item in _others(volumes.real, name, wanted)] if volumes else []
    said = {key: numbers[id(value)] for key, value in keys.items()}
    return (said, rest) if said or rest else ()


def _others(volumes: Node, name: str, wanted: Wanted) -> list[Node]:
    """The entries that are not for us to edit; all of what is no list, which we never edit."""
    if volumes.kind != "seq":
        return [] if volumes.null or is_ours(volumes, name, wanted) else [volumes]
    if wanted.out:
        return [item for item in volumes.children if not is_ours(item, name, wanted)]
    ours = {hit.number for hit in hits(volumes.children, wanted) if hit.verdict is not Verdict.PARENT}
    return [item for at, item in enumerate(volumes.children) if at not in ours]


# -- what to say, where somebody else has it too -------------------------------------------------------------------


def refusal(plan: ComposePlan, others: Sequence[str]) -> Refused:
    """Why ``plan`` is not carried out: ``others`` would change too; with the edits that part them from ours."""
    root = plan.draft.document.root
    assert root is not None
    nodes = effective_pairs(root) | services_of(root)
    for place, _, names in plan.given.values():
        with_it = _reaching(root, place)
        users = [name for name in others if name not in names and id(nodes[name]) in with_it]
        if users:
            theirs, ours = ([_Sharer(name, nodes[name], place, with_it) for name in some] for some in (users, names))
            anchor = next(one.alias.value for one in (*ours, *theirs) if one.alias)
            also = ", ".join(f"{one.name} (line {one.line})" for one in theirs)
            edits = "\n".join(_edits(plan.wanted, ours, theirs))
            return Refused(ours[0].line, f"{ours[0].name} shares &{anchor} with {also}", edits)
    return Refused(plan.draft.first_line(), f"{others[0]} would change in more than that")


def _reaching(root: Node, place: Node) -> set[int]:
    """The nodes, by ``id``, of whose meaning ``place`` is a part."""
    found = {id(place)}
    for node in in_order(root):
        if any(id(part) in found for part in (*node.children, *([node.target] if node.target else []))):
            found.add(id(node))
    return found


class _Sharer:
    """A service, or a key at the top level, that has ``place`` in common with others."""

    def __init__(self, name: str, node: Node, place: Node, with_it: Collection[int]) -> None:
        self.name, self.node = name, node
        self.alias = next((one for one in in_order(node) if one.kind == "alias" and id(one) in with_it), None)
        self.line = (self.alias or node).line
        self.direct = self.alias is not None and self.alias.target is place and place.kind != "map"
        found = effective(node.real, "volumes")
        self.volumes = place if self.direct else found[1].real if found else None

    def own(self, volumes: str) -> str:
        """The edit, good in any style, that gives it this list and leaves the rest as it is."""
        alias = f"*{self.alias.value}" if self.alias else ""
        if self.alias is self.node:
            merged = "" if self.node.real.null else f"<<: {alias}, "
            return f"in line {self.line}, in the place of {alias}: {{{merged}volumes: {volumes}}}"
        if self.direct:
            return f"in line {self.line}, in the place of {alias}: {volumes}"
        return f"in {self.name} (line {self.node.line}), as a key of its own: volumes: {volumes}"


def _edits(wanted: Wanted, ours: Sequence[_Sharer], theirs: Sequence[_Sharer]) -> list[str]:
    """Those part that do not hold the anchor: others with the list as it is, else ours with the mount in it."""
    if all(one.alias for one in theirs):
        return [
            one.own(_list(one.volumes.children) if one.volumes and not one.volumes.null else "null") for one in theirs
        ]
    new = flow_text(entry(wanted.mount), as_json=False)
    return [one.own(_list(_others(one.volumes, one.name, wanted) if one.volumes else [], new)) for one in ours]


def _list(items: Sequence[Node], *more: str) -> str:
    return f"[{', '.join([*map(flow_copy, items), *more])}]"
