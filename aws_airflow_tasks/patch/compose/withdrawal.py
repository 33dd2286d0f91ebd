"""What services carry of ours and must no longer, and the edits that take it out with whatever it leaves empty."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from aws_airflow_tasks.patch.compose.mounts import Verdict, named
from aws_airflow_tasks.patch.compose.services import ComposePlan, Wanted, services_of
from aws_airflow_tasks.patch.compose.volumes import hits, is_ours
from aws_airflow_tasks.patch.yaml.positions import Node, Refused, editable, effective, merge_order


class Part(NamedTuple):
    """What is ours in one key of a service: items of a list, keys of a mapping; all of them or some."""

    key: Node
    value: Node
    ours: tuple[Node, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing else is in there."""
        return len(self.ours) == len(self.value.children) // (2 if self.value.kind == "map" else 1)


def withdraw(
    plan: ComposePlan, root: Node, services: tuple[Node, Node], gone: Mapping[str, tuple[Node, Node]], *, stays: bool
) -> None:
    """Take what is ours out of the services ``gone``; ``stays``: others are added, ``services`` is not left empty."""
    empty: list[Node] = []
    shared = _shared(root, gone)
    for name, (key, service) in gone.items():
        if name in shared:
            _take_shared(plan, name, shared[name])
            continue
        if _entries(plan, name, service):
            editable((name, service))
            plan.edits.setdefault("taken out", []).append(name)
            empty.append(key)
            continue
        parts = list(_parts(plan, name, service))
        if not parts:
            continue
        editable((name, service), *((part.key.value, part.value) for part in parts))
        plan.edits.setdefault("taken out", []).append(name)
        if len(parts) * 2 == len(service.children) and all(part.whole for part in parts):
            _take_whole(plan, name, key, service, parts, empty)
        else:
            _take_parts(plan, name, service, parts)
    _take_services(plan, root, services, empty, stays=stays)


class Shared(NamedTuple):
    """A list of volumes at an anchor, all whose users are to have nothing of ours in it."""

    users: list[str]
    holder: Node
    value: Node


def _shared(root: Node, gone: Collection[str]) -> dict[str, Shared]:
    """The services of ``gone`` by name whose volumes stand at an anchor, if nobody else has it."""
    found: dict[int, Shared] = {}
    for name, service in services_of(root).items():
        if there := effective(service.real, "volumes"):
            found.setdefault(id(there[1].real), Shared([], *there)).users.append(name)
    anchored = [one for one in found.values() if one.value.kind == "alias" or one.value.shared or one.holder.shared]
    return {name: one for one in anchored if set(one.users) <= set(gone) for name in one.users}


def _take_shared(plan: ComposePlan, name: str, shared: Shared) -> None:
    volumes, holder = shared.value.real, shared.holder
    items = _our_volumes(plan, name, volumes)
    if not items:
        return
    plan.edits.setdefault("taken out", []).append(name)
    if name != shared.users[0]:
        return
    if len(items) < len(volumes.children):
        plan.draft.remove(volumes, items)
    elif shared.value is not volumes or any(_stays(plan, f"{user}.volumes") for user in shared.users):
        plan.draft.blank(volumes)
    elif len(holder.children) > 2:
        _remove_keys(plan, holder, [key for key, value in holder.pairs() if value is volumes])
    else:
        plan.draft.blank(holder)


def _take_whole(plan: ComposePlan, name: str, key: Node, service: Node, parts: list[Part], empty: list[Node]) -> None:
    """A service that holds nothing but ours goes, unless it was there before us with nothing, or so much, in it."""
    if _stays(plan, name):
        plan.draft.blank(service)
    elif any(_stays(plan, f"{name}.{part.key.value}") for part in parts):
        _take_parts(plan, name, service, parts)
    else:
        empty.append(key)


def _take_services(
    plan: ComposePlan, root: Node, services: tuple[Node, Node], empty: list[Node], *, stays: bool
) -> None:
    if not empty:
        return
    if stays or len(empty) * 2 < len(services[1].children):
        _remove_keys(plan, services[1], empty)
    elif _stays(plan, "services"):
        plan.draft.blank(services[1])
    elif len(root.children) > 2:
        _remove_keys(plan, root, [services[0]])
    else:
        plan.draft.clear(*services)


def _stays(plan: ComposePlan, path: str) -> bool:
    """Whether it was there before us, with nothing in it."""
    return plan.wanted.out is not None and path in plan.wanted.out.empty


def _entries(plan: ComposePlan, name: str, service: Node) -> bool:
    """Whether a service is a list of volumes of ours: somebody took the line of `volumes:` out."""
    items = service.children if service.kind == "seq" else []
    return bool(items) and all(is_ours(item, name, plan.wanted) for item in items)


def _parts(plan: ComposePlan, name: str, service: Node) -> Iterator[Part]:
    if service.kind != "map":
        return
    for key, value in service.pairs():
        if key.value == "volumes" and value.kind == "seq":
            there = _our_volumes(plan, name, value)
        elif key.value == "volumes" and value.kind == "map" and is_ours(value, name, plan.wanted):
            there = value.children[::2]  # it was the item of a list: somebody took the line with its dash out
        else:
            continue
        if there:
            yield Part(key, value, tuple(there))


def _our_volumes(plan: ComposePlan, name: str, volumes: Node) -> list[Node]:
    if plan.wanted.out:
        return [item for item in volumes.children if is_ours(item, name, plan.wanted)]
    ours = (Verdict.SATISFIED, Verdict.READ_WRITE, Verdict.OURS)
    return [hit.item for hit in hits(volumes.children, plan.wanted) if hit.verdict in ours]


def _take_parts(plan: ComposePlan, name: str, service: Node, parts: list[Part]) -> None:
    if whole := [part.key for part in parts if part.whole and not _stays(plan, f"{name}.{part.key.value}")]:
        _remove_keys(plan, service, whole)
    for part in parts:
        if not part.whole:
            plan.draft.remove(part.value, part.ours)
        elif part.key not in whole:
            plan.draft.blank(part.value)


def _remove_keys(plan: ComposePlan, mapping: Node, keys: list[Node]) -> None:
    """Take keys out, but not where a merge key would then give another value for one."""
    for key in keys:
        for source in merge_order(mapping)[1:]:
            if (inherited := source.own(key.value)) and not _nothing(inherited[1].real):
                line = inherited[0].line
                raise Refused(key.line, f"{key.value} would come from the merge key instead (line {line})")
    plan.draft.remove(mapping, keys)


def carried(root: Node | None, wanted: Wanted) -> dict[str, list[Node]]:
    """By service the volumes in it that ``wanted.out`` would take out, wherever in the document they are written."""
    found = {}
    for name, service in services_of(root).items():
        volumes = effective(service.real, "volumes")
        if items := [item for item in (volumes[1].real.children if volumes else []) if is_ours(item, name, wanted)]:
            found[name] = items
    return found


def remains(root: Node | None, wanted: Wanted) -> list[Node]:
    """Whatever in a document still is a volume of ours, or names a directory that nobody but us mounts."""
    assert wanted.out is not None
    found = {id(item): item for items in carried(root, wanted).values() for item in items}
    skipped = {id(service) for name, service in services_of(root).items() if name in wanted.out.theirs}
    stack = [root] if root else []
    while stack:
        node = stack.pop()
        if id(node) in skipped:
            continue
        if node.kind == "scalar" and wanted.out.names(named(node.value, wanted.host), wanted.host):
            found[id(node)] = node
        stack += node.children
    return sorted(found.values(), key=lambda node: node.start)


def empties(root: Node | None) -> list[str]:
    """What is there with nothing in it; see ``Ours.empty``."""
    own = root.own("services") if root and root.kind == "map" else None
    found = ["services"] if own and _nothing(own[1]) else []
    for name, service in services_of(root).items():
        volumes = service.real.own("volumes")
        found += [name] if _nothing(service) else [f"{name}.volumes"] if volumes and _nothing(volumes[1].real) else []
    return found


def _nothing(node: Node) -> bool:
    return node.null or (node.kind in ("map", "seq") and not node.children)
