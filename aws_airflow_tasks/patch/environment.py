"""The environment entries a service is to carry, and the edits that give it those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aws_airflow_tasks.patch.mounts import Host, interpolate
from aws_airflow_tasks.patch.services import Service
from aws_airflow_tasks.patch.yaml_positions import Node, Refused, editable, merge_order, merge_sources
from aws_airflow_tasks.patch.yaml_writing import Style, block_lines, in_style_of


class Variable(NamedTuple):
    """An environment variable in the file: its value for Compose, its item or value node, and what holds that."""

    value: str | None
    node: Node
    owner: Node


def variables(environment: Node, host: Host) -> dict[str, Variable]:
    """The variables of an ``environment``, map or list, through merge keys too; the last of a list's counts."""
    found: dict[str, Variable] = {}
    if environment.kind == "seq":
        for item in environment.children:
            key, given, text = item.real.value.partition("=")
            found[key] = Variable(interpolate(text, host) if given else host.variable(key), item, environment)
        return found
    for owner in reversed(merge_order(environment)):
        for name, node in owner.pairs():
            value = host.variable(name.value) if node.real.null else interpolate(node.real.value, host)
            found[name.value] = Variable(value, node, owner)
    return found


def ensure_environment(service: Service) -> None:
    """Plan that the service carries the environment entries that are wanted."""
    found = service.entries("environment", "map", "seq")
    value = found[1].real if found else None
    current = variables(value, service.plan.wanted.host) if value else {}
    wanted = service.plan.wanted.environment
    lacking = [key for key in wanted if key not in current]
    different = [key for key in wanted if key in current and current[key].value != wanted[key]]
    if different and not service.plan.wanted.replace_conflicts:
        for key in sorted(different):
            _environment_conflict(service, key, current[key])
    elif lacking or different:
        editable((service.name, service.node))
        service.note("environment: " + ", ".join(sorted([*lacking, *different])))
        _edit_environment(service, found, current, sorted(lacking), sorted(different))
    else:
        service.fine("carries the environment")


def _environment_conflict(service: Service, key: str, variable: Variable) -> None:
    line, value = variable.node.line, service.plan.wanted.written[key]
    service.plan.conflicts.append(f"{service.name}: line {line} sets {key} to another value")
    lines = block_lines([f"{key}={value}"] if variable.owner.kind == "seq" else {key: value}, 6, Style())
    service.plan.by_hand.append(f"in services.{service.name}.environment, in the place of line {line}:\n{lines[0]}")


def _edit_environment(
    service: Service,
    found: tuple[Node, Node] | None,
    current: Mapping[str, Variable],
    lacking: list[str],
    different: list[str],
) -> None:
    written = service.plan.wanted.written
    inherited = found is not None and found[0] is not service.node.real
    if found is None or (inherited and found[1].real.null):
        service.additions["environment"] = {key: written[key] for key in lacking}
    elif inherited:
        service.additions["environment"] = _copied_environment(service, found[1].real, lacking + different)
        service.note("environment of the merge key copied")
    elif found[1].null:
        editable(("environment", found[1]))
        service.plan.draft.fill(service.node, found[1], {key: written[key] for key in lacking}, service.style)
    else:
        editable(("environment", found[1]))
        _edit_variables(service, found[1], current, lacking, different)


def _edit_variables(
    service: Service, environment: Node, current: Mapping[str, Variable], lacking: list[str], different: list[str]
) -> None:
    written, draft = service.plan.wanted.written, service.plan.draft
    inherited = [key for key in different if current[key].owner is not environment]
    for key in different:
        node = current[key].node
        if key not in inherited:
            text = f"{key}={written[key]}" if environment.kind == "seq" else written[key]
            draft.replace(environment, node, in_style_of(node, text))
    new = sorted(lacking + inherited)
    if new and environment.kind == "seq":
        draft.append(environment, [f"{key}={written[key]}" for key in new], service.style)
    elif new:
        draft.append(environment, {key: written[key] for key in new}, service.style)


def _copied_environment(service: Service, environment: Node, keys: list[str]) -> dict[str, Any] | list[Any]:
    new = {key: service.plan.wanted.written[key] for key in sorted(keys)}
    if environment.kind == "seq":
        kept = [item for item in environment.children if item.real.value.partition("=")[0] not in new]
        return [service.copy(item, "environment") for item in kept] + [f"{key}={text}" for key, text in new.items()]
    if merge_sources(environment):
        raise Refused(environment.line, "environment from a merge key has a merge key itself: cannot copy")
    kept_pairs = {k.value: service.copy(v, "environment") for k, v in environment.pairs() if k.value not in new}
    return {**kept_pairs, **new}
