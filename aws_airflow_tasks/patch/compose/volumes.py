"""The volume a service is to carry, and the edits that give it that."""

import posixpath
from collections.abc import Sequence
from typing import Any, NamedTuple

from aws_airflow_tasks.patch.compose.mounts import (
    Mount,
    Verdict,
    Volume,
    entry,
    from_long,
    from_short,
    judge,
    made_read_only,
)
from aws_airflow_tasks.patch.compose.services import ServiceNode, Wanted
from aws_airflow_tasks.patch.yaml.positions import Node, editable, effective, untagged
from aws_airflow_tasks.patch.yaml.writing import Style, Verbatim, block_lines, in_style_of


class Hit(NamedTuple):
    """An entry of ``volumes`` that has to do with our mount."""

    number: int
    item: Node
    volume: Volume
    verdict: Verdict


def hits(items: Sequence[Node], wanted: Wanted) -> list[Hit]:
    """The entries of ``volumes`` that are at our target, or carry our source through a parent."""
    judged = ((index, item, _judged(item.real, wanted)) for index, item in enumerate(items))
    return [Hit(index, item, *found) for index, item, found in judged if found and found[1] is not Verdict.UNRELATED]


def _judged(item: Node, wanted: Wanted) -> tuple[Volume, Verdict] | None:
    """What an entry asks for and how that relates to our mount; None for what is no entry at all."""
    if item.kind == "scalar" and item.value:
        if item.value not in wanted.judged:
            volume = from_short(item.value, wanted.host)
            wanted.judged[item.value] = volume, judge(volume, wanted.mount, wanted.host, wanted.ours)
        return wanted.judged[item.value]
    if item.kind != "map":
        return None
    volume = from_long(_fields(item), wanted.host)
    return volume, judge(volume, wanted.mount, wanted.host, wanted.ours)


def _fields(item: Node) -> dict[str, str]:
    fields = {name: effective(item, name) for name in ("type", "source", "target", "read_only")}
    return {name: found[1].real.value for name, found in fields.items() if found}


def is_ours(item: Node, service: str, wanted: Wanted) -> bool:
    """Whether an entry, which may have lost a line since, is a volume that ``wanted.out`` takes out of ``service``."""
    if wanted.out is None or not (item.kind == "map" or (item.kind == "scalar" and item.value)):
        return False
    if item.kind == "scalar":
        return wanted.out.owns(from_short(item.value, wanted.host), service, wanted.host)
    volume = from_long({"type": "bind"} | _fields(item), wanted.host)
    if not volume.path and service not in wanted.out.theirs and {key.value for key, _ in item.pairs()} < _WRITTEN:
        return volume.target == posixpath.normpath(wanted.out.target)
    return wanted.out.owns(volume, service, wanted.host)


#: the keys of the entry that we write in the long syntax
_WRITTEN = {"type", "source", "target", "read_only", "bind"}


#: what is said of a volume that is put right, from its source and the wanted one
_REPAIRS = {
    Verdict.READ_WRITE: "read-write, wanted read-only",
    Verdict.OURS: "{} gives way to {}",
    Verdict.CONFLICT: "{} gives way to {}",
    Verdict.HIDES: "{} gives way to {}",
}


def ensure_volume(service: ServiceNode) -> None:
    """Plan that the service carries the mount that is wanted."""
    mount, found = service.plan.wanted.mount, service.volumes()
    there = hits(found[1].real.children if found else [], service.plan.wanted)
    at_target = [hit for hit in there if hit.verdict is not Verdict.PARENT]
    conflict = next((hit for hit in at_target if hit.verdict in (Verdict.CONFLICT, Verdict.HIDES)), None)
    if conflict and not service.plan.wanted.replace_conflicts:
        _conflict(service, mount, conflict)
        return
    kept = next((hit for hit in at_target if hit.verdict is Verdict.SATISFIED), None)
    stale = [hit for hit in at_target if hit is not kept]
    if (kept or there) and not stale:
        _is_fine(service, mount, kept or there[0])
    elif not service.given(found):
        untagged((service.name, service.real))
        _edit_volumes(service, mount, found, stale, keeps=kept is not None)


def _is_fine(service: ServiceNode, mount: Mount, hit: Hit) -> None:
    what = f"carries {mount.source} at {mount.target}"
    if hit.verdict is Verdict.PARENT:
        what += f" within {hit.volume.source} at {hit.volume.target} (line {hit.item.line})"
        if mount.read_only and not hit.volume.read_only:
            service.plan.warnings.append(
                f"{service.name}: {hit.volume.source} (line {hit.item.line}) is mounted read-write"
            )
    service.fine(what)


def _conflict(service: ServiceNode, mount: Mount, hit: Hit) -> None:
    source, line = hit.volume.source, hit.item.line
    if hit.verdict is Verdict.HIDES:
        said = f"line {line} mounts {source} at {hit.volume.target}, over what {mount.source} has there"
        service.plan.conflicts.append(f"{service.name}: {said}")
        service.plan.by_hand.append(f"(take line {line} out of services.{service.name}.volumes)")
        return
    service.plan.conflicts.append(
        f"{service.name}: line {line} mounts {source} at {mount.target}, wanted {mount.source}"
    )
    lines = "\n".join(block_lines([entry(mount)], 6, Style()))
    service.plan.by_hand.append(f"in services.{service.name}.volumes, in the place of line {line}:\n{lines}")


def _edit_volumes(
    service: ServiceNode, mount: Mount, found: tuple[Node, Node] | None, stale: list[Hit], *, keeps: bool
) -> None:
    draft, new = service.plan.draft, [] if keeps else [entry(mount)]
    for hit in stale[:1] if new else []:
        service.note(f"{_REPAIRS[hit.verdict].format(hit.volume.source, mount.source)} (line {hit.item.line})")
    for hit in stale[len(new) :]:
        service.note(f"a further volume for {hit.volume.target} taken out (line {hit.item.line})")
    if not stale:
        service.note(f"added {mount.source} at {mount.target}")
    copied = _inherited(service, found, stale) if found and found[0] is not service.real else None
    if found is None or copied is not None:
        service.additions["volumes"] = [*(copied or []), *new]
        service.give(service.real, found[1].real if found else None)
        return
    volumes = found[1].real
    untagged(("volumes", volumes))
    service.give(volumes, volumes)
    if volumes.null:
        draft.fill(volumes, new, service.style)
    else:
        _edit_list(service, volumes, new, stale)


def _inherited(service: ServiceNode, found: tuple[Node, Node], stale: list[Hit]) -> list[Verbatim] | None:
    """The volumes of a merge key, to be written once more; None: they cannot be, and are edited where they stand."""
    dropped = [hit.number for hit in stale]
    copied = service.copies(item for at, item in enumerate(found[1].real.children) if at not in dropped)
    if copied is not None:
        service.note(f"volumes of the merge key copied ({len(copied)})")
    return copied


def _edit_list(service: ServiceNode, volumes: Node, new: list[Any], stale: list[Hit]) -> None:
    draft = service.plan.draft
    if new and stale:
        _repair(service, volumes, stale[0], new[0])
        stale = stale[1:]
    elif new:
        draft.append(volumes, new, service.style)
    if stale:
        draft.remove(volumes, [hit.item for hit in stale])


def _repair(service: ServiceNode, volumes: Node, hit: Hit, new: Any) -> None:
    draft, item = service.plan.draft, hit.item
    if hit.verdict is not Verdict.READ_WRITE:
        draft.replace(volumes, item, in_style_of(item, new) if isinstance(new, str) else new)
    elif item.kind == "scalar":
        draft.replace(volumes, item, in_style_of(item, made_read_only(item.value)))
    elif own := item.own("read_only"):
        editable(("the mount", item))
        draft.replace(item, own[1], True)
    else:
        editable(("the mount", item))
        draft.append(item, {"read_only": True}, service.style)
