"""What services carry of ours and must no longer, and the edits that take it out with whatever it leaves empty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from aws_airflow_tasks.patch.environment import variables
from aws_airflow_tasks.patch.mounts import Verdict
from aws_airflow_tasks.patch.services import Plan
from aws_airflow_tasks.patch.volumes import hits
from aws_airflow_tasks.patch.yaml_positions import Node, Refused, editable, merge_order


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
    plan: Plan, root: Node, services: tuple[Node, Node], gone: Mapping[str, tuple[Node, Node]], *, stays: bool
) -> None:
    """Take what is ours out of the services ``gone``; ``stays``: others are added, ``services`` is not left empty."""
    empty: list[Node] = []
    for name, (key, service) in gone.items():
        parts = list(_parts(plan, service))
        if not parts:
            continue
        editable((name, service), *((part.key.value, part.value) for part in parts))
        plan.edits.setdefault("taken out", []).append(name)
        if len(parts) * 2 == len(service.children) and all(part.whole for part in parts):
            empty.append(key)
        else:
            _take_parts(plan, service, parts)
    if not empty:
        return
    if stays or len(empty) * 2 < len(services[1].children):
        _remove_keys(plan, services[1], empty)
    elif len(root.children) > 2:
        _remove_keys(plan, root, [services[0]])
    else:
        plan.draft.clear(*services)


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
    """Items or keys; those that come through a merge key are not this service's own."""
    wanted = plan.wanted.environment
    there = variables(environment, plan.wanted.host)
    ours = [v for key, v in there.items() if key in wanted and v.value == wanted[key] and v.owner is environment]
    return [v.node if environment.kind == "seq" else _key_of(v.node, environment) for v in ours]


def _key_of(value: Node, mapping: Node) -> Node:
    return next(key for key, candidate in mapping.pairs() if candidate is value)


def _take_parts(plan: Plan, service: Node, parts: list[Part]) -> None:
    if whole := [part.key for part in parts if part.whole]:
        _remove_keys(plan, service, whole)
    for part in parts:
        if not part.whole:
            plan.draft.remove(part.value, part.ours)


def _remove_keys(plan: Plan, mapping: Node, keys: list[Node]) -> None:
    """Take keys out, but not where a merge key would then give another value for one."""
    for key in keys:
        for source in merge_order(mapping)[1:]:
            if inherited := source.own(key.value):
                line = inherited[0].line
                raise Refused(key.line, f"{key.value} would come from the merge key instead (line {line})")
    plan.draft.remove(mapping, keys)
