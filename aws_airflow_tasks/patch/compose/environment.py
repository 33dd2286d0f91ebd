"""What services say under ``environment:`` and ``env_file:``, and how what cannot stay is taken out."""

from collections.abc import Iterable
from typing import NamedTuple

from aws_airflow_tasks.patch.compose.mounts import Host
from aws_airflow_tasks.patch.compose.services import ServiceNode, services_of
from aws_airflow_tasks.patch.yaml.parsing import parse
from aws_airflow_tasks.patch.yaml.positions import Node, Refused, editable, effective, effective_pairs


class Assigned(NamedTuple):
    """A variable of a service: its value, and the key or item where it stands."""

    value: str
    node: Node


def take_out_unwelcome(service: ServiceNode) -> None:
    """Plan that the service says nothing under ``environment`` that cannot stay."""
    plan, found = service.plan, effective(service.real, "environment")
    if not found or plan.wanted.unwelcome is None:
        return
    there = _assigned(found[1].real, plan.wanted.host)
    why = plan.wanted.unwelcome({name: each.value for name, each in there.items()})
    gone = {name: there[name].node for name in why}
    if not gone:
        return
    if not plan.wanted.replace_conflicts:
        for name, node in gone.items():
            plan.conflicts.append(f"line {node.line}: {service.name}: {name}: {why[name]}")
            plan.by_hand.append(f"(take {name} out of the environment of {service.name}, line {node.line})")
        return
    _take_out(service, found, gone)


def _take_out(service: ServiceNode, found: tuple[Node, Node], gone: dict[str, Node]) -> None:
    holder, value = found
    own = [node for node in gone.values() if any(node is child for child in value.real.children)]
    if holder is not service.real or len(own) < len(gone):
        line = next(iter(gone.values())).line
        raise Refused(line, f"{', '.join(gone)} of {service.name} stands where other services take it from, too")
    editable((service.name, service.node), ("environment", value))
    if len(own) * (2 if value.kind == "map" else 1) == len(value.children):
        service.plan.draft.blank(value)
    else:
        service.plan.draft.remove(value, own)
    service.note(f"took {', '.join(gone)} out of its environment")


def _assigned(value: Node, host: Host) -> dict[str, Assigned]:
    """By name what is set; what the host's environment does not have either is not."""
    found: dict[str, Assigned] = {}
    if value.kind == "map":
        keys = {key.value: key for mapping in [value] for key, _ in mapping.pairs()}
        for name, said in effective_pairs(value).items():
            text = host.variable(name) if said.real.null else host.interpolated(said.real.value)
            if text is not None:
                found[name] = Assigned(text, keys.get(name, said))
    for item in value.children if value.kind == "seq" else ():
        name, equals, said_text = item.real.value.partition("=")
        text = host.interpolated(said_text) if equals else host.variable(name)
        if text is not None:
            found[name] = Assigned(text, item)
    return found


def env_files(data: bytes | None, services: Iterable[str]) -> dict[str, list[str]]:
    """The files that services take variables from, each with the services; none of what cannot be read."""
    try:
        root = parse((data or b"").decode("utf-8-sig")).root
    except (Refused, UnicodeDecodeError):
        return {}
    there, found = services_of(root), dict[str, list[str]]()
    for name in services:
        node = there.get(name)
        listed = effective(node.real, "env_file") if node and node.real.kind == "map" else None
        value = listed[1].real if listed else None
        for item in (value.children if value.kind == "seq" else [value]) if value else []:
            path = effective(item.real, "path") if item.real.kind == "map" else (item, item)
            if path and path[1].real.kind == "scalar" and path[1].real.value:
                found.setdefault(path[1].real.value, []).append(name)
    return found
