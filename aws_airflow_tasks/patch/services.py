"""What each service of a compose file lacks, and the edits that give it that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aws_airflow_tasks.patch.mounts import (
    Host,
    Mount,
    Verdict,
    Volume,
    entry,
    from_long,
    from_short,
    interpolate,
    judge,
    made_read_only,
)
from aws_airflow_tasks.patch.yaml_edits import Draft
from aws_airflow_tasks.patch.yaml_positions import Node, Refused, editable, effective, merge_order, merge_sources
from aws_airflow_tasks.patch.yaml_writing import Style, Verbatim, block_lines, in_style_of

KINDS = {"scalar": "scalar", "map": "map", "seq": "list", "alias": "alias"}


@dataclass(frozen=True)
class Wanted:
    """What services are to carry, and how to tell what is there: the arguments of ``compose.ensure``."""

    mount: Mount | None
    environment: Mapping[str, str]
    host: Host
    ours: Sequence[str] = ()
    replace_conflicts: bool = False

    @cached_property
    def service(self) -> dict[str, Any]:
        """A service that carries just that, as data."""
        volumes = {"volumes": [entry(self.mount)]} if self.mount else {}
        return {**volumes, **({"environment": dict(self.written)} if self.environment else {})}

    @cached_property
    def written(self) -> dict[str, str]:
        """The environment as Compose is to read it: ``$`` doubled, in a settled order."""
        return {key: value.replace("$", "$$") for key, value in sorted(self.environment.items())}

    @property
    def added(self) -> str:
        """What is said of a service that gets all of it."""
        return f"added {self.mount.source} at {self.mount.target}" if self.mount else "added the environment"

    def services(self, names: Sequence[str]) -> dict[str, Any]:
        """Several such services, as data."""
        return dict.fromkeys(names, self.service)


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry of ``volumes`` that has to do with our mount."""

    index: int
    item: Node
    volume: Volume
    verdict: Verdict


def hits(items: Sequence[Node], wanted: Wanted) -> list[Hit]:
    """The entries of ``volumes`` that are at our target, or carry our source through a parent."""
    if wanted.mount is None:
        return []
    found = []
    for index, item in enumerate(items):
        volume = _volume(item.real, wanted.host)
        verdict = judge(volume, wanted.mount, wanted.host, wanted.ours) if volume else Verdict.UNRELATED
        if volume and verdict is not Verdict.UNRELATED:
            found.append(Hit(index, item, volume, verdict))
    return found


def _volume(item: Node, host: Host) -> Volume | None:
    if item.kind == "scalar":
        return from_short(item.value, host) if item.value else None
    if item.kind != "map":
        return None
    fields = {name: effective(item, name) for name in ("type", "source", "target", "read_only")}
    return from_long({name: found[1].real.value for name, found in fields.items() if found}, host)


@dataclass
class Plan:
    """What is to be done to one document.

    Attributes:
        edits: said of services that are edited, by what is said.
        fine: said of services that carry what is wanted.
        conflicts: what stands in the way, one clause each.
        by_hand: what to do about each conflict.
        warnings: what a person should know although it works.
    """

    draft: Draft
    wanted: Wanted
    edits: dict[str, list[str]] = field(default_factory=dict)
    fine: dict[str, list[str]] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def style(self) -> Style:
        """The indentation that the file shows first."""
        return _first_style(self.draft.document.root)

    def style_in(self, node: Node, parent: Node) -> Style:
        """The indentation of a mapping inside ``parent``, where it shows one, else the file's."""
        step = node.column - parent.column if not (node.flow or parent.flow) and node.kind == "map" else self.style.step
        lists = (v for k, v in node.pairs() if v.kind == "seq" and not v.flow) if node.kind == "map" else ()
        dashes = [value.column - node.column for value in lists]
        return Style(step, next((dash for dash in dashes if dash >= 0), self.style.dash))


def _first_style(root: Node | None) -> Style:
    step = dash = None
    stack = [root] if root else []
    while stack and (step is None or dash is None):
        node = stack.pop()
        if node.kind == "map" and not node.flow:
            for _, value in node.pairs():
                if value.kind == "map" and not value.flow and step is None:
                    step = value.column - node.column
                if value.kind == "seq" and not value.flow and dash is None:
                    dash = value.column - node.column
        stack += reversed(node.children)
    step = step or 2
    return Style(step, step if dash is None or dash < 0 else dash)


#: what is said of a volume that is put right, from its source and the wanted one
_REPAIRS = {
    Verdict.READ_WRITE: "read-write, wanted read-only",
    Verdict.OURS: "{} gives way to {}",
    Verdict.CONFLICT: "{} gives way to {}",
}


@dataclass(slots=True)
class Service:
    """One service of the document and what it is to carry.

    Attributes:
        name: its key under ``services``.
        node: its value.
        services: the mapping it stands in.
        plan: the document's plan, which takes the edits and what is said.
        additions: the keys it is to get, all at once.
    """

    name: str
    node: Node
    services: Node
    plan: Plan
    additions: dict[str, Any] = field(default_factory=dict)

    def ensure(self) -> None:
        """Plan what the service lacks."""
        wanted, real = self.plan.wanted, self.node.real
        if real.null:
            self._fill()
            return
        if real.kind != "map":
            raise Refused(self.node.line, f"{self.name} is a {KINDS[real.kind]}, not a map")
        if wanted.mount:
            self._volumes(wanted.mount)
        if wanted.environment:
            self._environment()
        if self.additions:
            self.plan.draft.append(self.node, self.additions, self._style)

    @property
    def _style(self) -> Style:
        return self.plan.style_in(self.node, self.services)

    def _fill(self) -> None:
        if self.plan.wanted.service:
            editable((self.name, self.node))
            self.plan.draft.fill(self.services, self.node, self.plan.wanted.service, self._style)
            self._note(self.plan.wanted.added)

    def _note(self, what: str) -> None:
        self.plan.edits.setdefault(what, []).append(self.name)

    def _entries(self, name: str, *kinds: str) -> tuple[Node, Node] | None:
        found = effective(self.node.real, name)
        if found and not found[1].real.null and found[1].real.kind not in kinds:
            wanted = "a list" if kinds == ("seq",) else "a map or a list"
            raise Refused(found[1].line, f"{name} is a {KINDS[found[1].real.kind]}, not {wanted}")
        return found

    # -- volumes ----------------------------------------------------------------------------------------------

    def _volumes(self, mount: Mount) -> None:
        found = self._entries("volumes", "seq")
        there = hits(found[1].real.children if found else [], self.plan.wanted)
        at_target = [hit for hit in there if hit.verdict is not Verdict.PARENT]
        conflict = next((hit for hit in at_target if hit.verdict is Verdict.CONFLICT), None)
        if conflict and not self.plan.wanted.replace_conflicts:
            self._conflict(mount, conflict)
            return
        kept = next((hit for hit in at_target if hit.verdict is Verdict.SATISFIED), None)
        stale = [hit for hit in at_target if hit is not kept]
        if (kept or there) and not stale:
            self._is_fine(mount, kept or there[0])
        else:
            editable((self.name, self.node))
            self._edit_volumes(mount, found, stale, keeps=kept is not None)

    def _is_fine(self, mount: Mount, hit: Hit) -> None:
        what = f"carries {mount.source} at {mount.target}"
        if hit.verdict is Verdict.PARENT:
            what += f" within {hit.volume.source} at {hit.volume.target} (line {hit.item.line})"
            if mount.read_only and not hit.volume.read_only:
                self.plan.warnings.append(
                    f"{self.name}: {hit.volume.source} (line {hit.item.line}) is mounted read-write"
                )
        self.plan.fine.setdefault(what, []).append(self.name)

    def _conflict(self, mount: Mount, hit: Hit) -> None:
        source, line = hit.volume.source, hit.item.line
        self.plan.conflicts.append(f"{self.name}: line {line} mounts {source} at {mount.target}, wanted {mount.source}")
        lines = "\n".join(block_lines([entry(mount)], 6, Style()))
        self.plan.by_hand.append(f"in services.{self.name}.volumes, in the place of line {line}:\n{lines}")

    def _edit_volumes(self, mount: Mount, found: tuple[Node, Node] | None, stale: list[Hit], *, keeps: bool) -> None:
        draft, new = self.plan.draft, [] if keeps else [entry(mount)]
        for hit in stale[:1] if new else []:
            self._note(f"{_REPAIRS[hit.verdict].format(hit.volume.source, mount.source)} (line {hit.item.line})")
        for hit in stale[len(new) :]:
            self._note(f"a further volume for {mount.target} taken out (line {hit.item.line})")
        if not stale:
            self._note(f"added {mount.source} at {mount.target}")
        if found is None:
            self.additions["volumes"] = new
        elif found[0] is not self.node.real:
            dropped = [hit.index for hit in stale]
            items = [item for index, item in enumerate(found[1].real.children) if index not in dropped]
            self.additions["volumes"] = [self._copy(item, "volumes") for item in items] + new
            self._note(f"volumes of the merge key copied ({len(items)})")
        elif found[1].null:
            editable(("volumes", found[1]))
            draft.fill(self.node, found[1], new, self._style)
        else:
            editable(("volumes", found[1]))
            self._edit_list(found[1], new, stale)

    def _edit_list(self, volumes: Node, new: list[Any], stale: list[Hit]) -> None:
        draft = self.plan.draft
        if new and stale:
            self._repair(volumes, stale[0], new[0])
            stale = stale[1:]
        elif new:
            draft.append(volumes, new, self._style)
        for hit in stale:
            draft.remove_item(volumes, hit.index)

    def _repair(self, volumes: Node, hit: Hit, new: Any) -> None:
        draft, item = self.plan.draft, hit.item
        if hit.verdict is not Verdict.READ_WRITE:
            draft.replace(volumes, item, in_style_of(item, new) if isinstance(new, str) else new)
        elif item.kind == "scalar":
            draft.replace(volumes, item, in_style_of(item, made_read_only(item.value)))
        elif own := item.own("read_only"):
            editable(("the mount", item))
            draft.replace(item, own[1], True)
        else:
            editable(("the mount", item))
            draft.append(item, {"read_only": True}, self._style)

    # -- environment ------------------------------------------------------------------------------------------

    def _environment(self) -> None:
        found = self._entries("environment", "map", "seq")
        value = found[1].real if found else None
        current = variables(value, self.plan.wanted.host) if value else {}
        wanted = self.plan.wanted.environment
        lacking = [key for key in wanted if key not in current]
        different = [key for key in wanted if key in current and current[key].value != wanted[key]]
        if different and not self.plan.wanted.replace_conflicts:
            for key in sorted(different):
                self._environment_conflict(key, current[key])
        elif lacking or different:
            editable((self.name, self.node))
            self._note("environment: " + ", ".join(sorted([*lacking, *different])))
            self._edit_environment(found, current, sorted(lacking), sorted(different))
        else:
            self.plan.fine.setdefault("carries the environment", []).append(self.name)

    def _environment_conflict(self, key: str, variable: Variable) -> None:
        line, value = variable.node.line, self.plan.wanted.written[key]
        self.plan.conflicts.append(f"{self.name}: line {line} sets {key} to another value")
        lines = block_lines([f"{key}={value}"] if variable.owner.kind == "seq" else {key: value}, 6, Style())
        self.plan.by_hand.append(f"in services.{self.name}.environment, in the place of line {line}:\n{lines[0]}")

    def _edit_environment(
        self, found: tuple[Node, Node] | None, current: Mapping[str, Variable], lacking: list[str], different: list[str]
    ) -> None:
        written = self.plan.wanted.written
        inherited = found is not None and found[0] is not self.node.real
        if found is None or (inherited and found[1].real.null):
            self.additions["environment"] = {key: written[key] for key in lacking}
        elif inherited:
            self.additions["environment"] = self._copied_environment(found[1].real, lacking + different)
            self._note("environment of the merge key copied")
        elif found[1].null:
            editable(("environment", found[1]))
            self.plan.draft.fill(self.node, found[1], {key: written[key] for key in lacking}, self._style)
        else:
            editable(("environment", found[1]))
            self._edit_variables(found[1], current, lacking, different)

    def _edit_variables(
        self, environment: Node, current: Mapping[str, Variable], lacking: list[str], different: list[str]
    ) -> None:
        written, draft = self.plan.wanted.written, self.plan.draft
        inherited = [key for key in different if current[key].owner is not environment]
        for key in different:
            node = current[key].node
            if key not in inherited:
                text = f"{key}={written[key]}" if environment.kind == "seq" else written[key]
                draft.replace(environment, node, in_style_of(node, text))
        new = sorted(lacking + inherited)
        if new and environment.kind == "seq":
            draft.append(environment, [f"{key}={written[key]}" for key in new], self._style)
        elif new:
            draft.append(environment, {key: written[key] for key in new}, self._style)

    # -- what a merge key gives ----------------------------------------------------------------------------------

    def _copied_environment(self, environment: Node, keys: list[str]) -> dict[str, Any] | list[Any]:
        new = {key: self.plan.wanted.written[key] for key in sorted(keys)}
        if environment.kind == "seq":
            kept = [item for item in environment.children if item.real.value.partition("=")[0] not in new]
            return [self._copy(item, "environment") for item in kept] + [f"{key}={text}" for key, text in new.items()]
        if merge_sources(environment):
            raise Refused(environment.line, "environment from a merge key has a merge key itself: cannot copy")
        kept_pairs = {k.value: self._copy(v, "environment") for k, v in environment.pairs() if k.value not in new}
        return {**kept_pairs, **new}

    def _copy(self, item: Node, what: str) -> Verbatim:
        real = item.real
        text = self.plan.draft.document.text[real.start : real.end]
        if real.kind != "scalar":
            raise Refused(item.line, f"{what} from a merge key hold long syntax: cannot copy")
        if real.tag or "\n" in text:
            raise Refused(item.line, f"{what} from a merge key hold a tag or several lines: cannot copy")
        return Verbatim(re.sub(r"\A&\S+\s+", "", text), ("scalar", "", "", real.value, not real.style))


@dataclass(frozen=True, slots=True)
class Variable:
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
