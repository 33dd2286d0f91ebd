"""What services carry of ours and must no longer, and the edits that take it out with whatever it leaves empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aws_airflow_tasks.patch.mounts import Verdict
from aws_airflow_tasks.patch.services import Plan, hits, variables
from aws_airflow_tasks.patch.yaml_positions import Node, Refused, editable, merge_order


@dataclass(frozen=True, slots=True)
class Part:
    """What is ours in one key of a service: all of it, or some of its children."""

    key: Node
    value: Node
    ours: tuple[Node, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing else is in there."""
        return len(self.ours) == len(self.value.children) // (2 if self.value.kind == "map" else 1)


def withdraw(
    plan: Plan, root: Node, services: tuple[Node, Node], gone: Mapping[str, tuple[Node, Node]], *, stays: bool
) -> None:
    """Take what is ours out of the services ``gone``; ``stays``: others are added, ``services`` is not left empty."""
    empty = []
    for name, (key, service) in gone.items():
        parts = list(_parts(plan, service))
        if not parts:
            continue
        editable((name, service), *((part.key.value, part.value) for part in parts))
        plan.edits.setdefault("taken out", []).append(name)
        if len(parts) * 2 == len(service.children) and all(part.whole for part in parts):
            empty.append((key, service))
        else:
            _take_parts(plan, service, parts)
    if len(empty) * 2 == len(services[1].children) and empty and not stays:
        if len(root.children) == 2:
            plan.draft.clear(*services)
        else:
            plan.draft.remove_pair(root, *services)
    else:
        for pair in empty:
            plan.draft.remove_pair(services[1], *pair)


def _parts(plan: Plan, service: Node) -> Iterator[Part]:
    if service.kind != "map":
        return
    ours = (Verdict.SATISFIED, Verdict.READ_WRITE, Verdict.OURS)
    for key, value in service.pairs():
        if key.value == "volumes" and value.kind == "seq":
            there = [hit.item for hit in hits(value.children, plan.wanted) if hit.verdict in ours]
        elif key.value == "environment" and value.kind in ("map", "seq"):
            there = _our_variables(plan, value)
        else:
            continue
        if there:
            yield Part(key, value, tuple(there))


def _our_variables(plan: Plan, environment: Node) -> list[Node]:
    """Items or values; those that come through a merge key are not this service's own."""
    wanted = plan.wanted.environment
    there = variables(environment, plan.wanted.host)
    return [v.node for key, v in there.items() if key in wanted and v.value == wanted[key] and v.owner is environment]


def _inherits_nothing(service: Node, part: Part) -> None:
    """Refuse to take a key out where a merge key would then give the service another value for it."""
    for source in merge_order(service)[1:]:
        if inherited := source.own(part.key.value):
            line = inherited[0].line
            raise Refused(part.key.line, f"{part.key.value} would come from the merge key instead (line {line})")


def _take_parts(plan: Plan, service: Node, parts: list[Part]) -> None:
    for part in parts:
        if part.whole:
            _inherits_nothing(service, part)
            plan.draft.remove_pair(service, part.key, part.value)
            continue
        for node in part.ours:
            index = part.value.children.index(node)
            if part.value.kind == "seq":
                plan.draft.remove_item(part.value, index)
            else:
                plan.draft.remove_pair(part.value, part.value.children[index - 1], node)
