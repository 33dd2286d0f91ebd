"""What services carry of ours and must no longer, and the edits that take it out with whatever it leaves empty."""

from __future__ import annotations

from collections.abc import Mapping

from aws_airflow_tasks.patch.compose.mounts import Verdict
from aws_airflow_tasks.patch.compose.services import ComposePlan
from aws_airflow_tasks.patch.compose.volumes import hits
from aws_airflow_tasks.patch.yaml.positions import Node, Refused, editable, merge_order

_OURS = (Verdict.SATISFIED, Verdict.READ_WRITE, Verdict.OURS)


def withdraw(
    plan: ComposePlan, root: Node, services: tuple[Node, Node], gone: Mapping[str, tuple[Node, Node]], *, stays: bool
) -> None:
    """Take what is ours out of the services ``gone``; ``stays``: others are added, ``services`` is not left empty."""
    empty = [key for name, (key, service) in gone.items() if _left_empty(plan, name, service)]
    if not empty:
        return
    if stays or len(empty) * 2 < len(services[1].children):
        _remove_keys(plan, services[1], empty)
    elif len(root.children) > 2:
        _remove_keys(plan, root, [services[0]])
    else:
        plan.draft.clear(*services)


def _left_empty(plan: ComposePlan, name: str, service: Node) -> bool:
    """Take our volumes out of a service that keeps something else; whether it keeps nothing, and is to go itself."""
    own = service.own("volumes") if service.kind == "map" else None
    if not own or own[1].kind != "seq":
        return False
    key, volumes = own
    ours = [hit.item for hit in hits(volumes.children, plan.wanted) if hit.verdict in _OURS]
    if not ours:
        return False
    editable((name, service), ("volumes", volumes))
    plan.edits.setdefault("taken out", []).append(name)
    if len(ours) < len(volumes.children):
        plan.draft.remove(volumes, ours)
    elif len(service.children) > 2:
        _remove_keys(plan, service, [key])
    else:
        return True
    return False


def _remove_keys(plan: ComposePlan, mapping: Node, keys: list[Node]) -> None:
    """Take keys out, but not where a merge key would then give another value for one."""
    for key in keys:
        for source in merge_order(mapping)[1:]:
            if inherited := source.own(key.value):
                line = inherited[0].line
                raise Refused(key.line, f"{key.value} would come from the merge key instead (line {line})")
    plan.draft.remove(mapping, keys)
