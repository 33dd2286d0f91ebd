"""What services of a compose file are to carry, and what a plan for them gathers."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any, NamedTuple

from aws_airflow_tasks.patch.compose.mounts import Host, Mount, Ours, Verdict, Volume, entry
from aws_airflow_tasks.patch.yaml.edits import Draft
from aws_airflow_tasks.patch.yaml.positions import Node, Refused, effective, effective_pairs, merge_order
from aws_airflow_tasks.patch.yaml.writing import Style, Verbatim

#: what messages call each kind of node
KINDS = {"scalar": "scalar", "map": "map", "seq": "list", "alias": "alias"}


class Wanted:
    """What services are to carry, and how to tell what is there: the arguments of ``compose.ensure``.

    Attributes:
        out: what is to be taken out of the services that carry it; None: just what is at the mount's target.
        unwelcome: takes the variables of a service's ``environment``; by name why those cannot stay that cannot.
        judged: what entries in the short syntax ask for, by their text: the same ones stand in many services.
    """

    def __init__(
        self,
        mount: Mount,
        host: Host,
        ours: Sequence[str] = (),
        replace_conflicts: bool = False,
        out: Ours | None = None,
        unwelcome: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None,
    ) -> None:
        self.mount = mount
        self.host = host
        self.ours = ours
        self.replace_conflicts = replace_conflicts
        self.out = out
        self.unwelcome = unwelcome
        self.judged: dict[str, tuple[Volume, Verdict]] = {}

    @cached_property
    def service(self) -> dict[str, Any]:
        """A service that carries just that, as data."""
        return {"volumes": [entry(self.mount)]}

    @property
    def added(self) -> str:
        """What is said of a service that gets it."""
        return f"added {self.mount.source} at {self.mount.target}"

    def services(self, names: Sequence[str]) -> dict[str, Any]:
        """Several such services, as data."""
        return dict.fromkeys(names, self.service)


class Given(NamedTuple):
    """What is edited for a service, and so for all that share it.

    Attributes:
        place: its list of volumes, or the mapping that gets one.
        before: its list of volumes until then, which may be a merge key's; None: it had none.
        names: the services that have it.
    """

    place: Node
    before: Node | None
    names: list[str]


class ComposePlan:
    """What is to be done to one document.

    Attributes:
        edits: said of services that are edited, by what is said.
        fine: said of services that carry what is wanted.
        conflicts: what stands in the way, one clause each.
        by_hand: what to do about each conflict.
        warnings: what a person should know although it works.
        given: what is edited for a service, by its ``id``.
    """

    def __init__(self, draft: Draft, wanted: Wanted) -> None:
        self.draft = draft
        self.wanted = wanted
        self.edits: dict[str, list[str]] = {}
        self.fine: dict[str, list[str]] = {}
        self.conflicts: list[str] = []
        self.by_hand: list[str] = []
        self.warnings: list[str] = []
        self.given: dict[int, Given] = {}

    @cached_property
    def style(self) -> Style:
        """The indentation that the file shows first."""
        return _first_style(self.draft.document.root)

    def style_in(self, node: Node, parent: Node) -> Style:
        """The indentation of a mapping inside ``parent``, where it shows one, else the file's."""
        step = node.column - parent.column if not (node.flow or parent.flow) and node.kind == "map" else 0
        lists = (v for k, v in node.pairs() if v.kind == "seq" and not v.flow) if node.kind == "map" else ()
        dashes = [value.column - node.column for value in lists]
        step = step if step > 0 else self.style.step  # an alias may stand deeper than what it stands for
        return Style(step, next((dash for dash in dashes if dash >= 0), self.style.dash))


def services_of(root: Node | None) -> dict[str, Node]:
    """The services of a document by name, those that come through an alias or a merge key too."""
    found = effective(root, "services") if root and root.kind == "map" else None
    return effective_pairs(found[1].real) if found and found[1].real.kind == "map" else {}


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


class ServiceNode:
    """One service of the document and what it is to carry.

    Attributes:
        name: its key under ``services``.
        node: its value.
        services: the mapping it stands in.
        plan: the document's plan, which takes the edits and what is said.
        additions: the keys it is to get.
    """

    def __init__(self, name: str, node: Node, services: Node, plan: ComposePlan) -> None:
        self.name = name
        self.node = node
        self.services = services
        self.plan = plan
        self.additions: dict[str, Any] = {}

    @property
    def style(self) -> Style:
        """Its indentation."""
        return self.plan.style_in(self.real, self.services)

    @property
    def real(self) -> Node:
        """What it holds, which may stand elsewhere and have other users."""
        return self.node.real

    def note(self, what: str) -> None:
        """Say of the service that it is edited, and how."""
        self.plan.edits.setdefault(what, []).append(self.name)

    def fine(self, what: str) -> None:
        """Say of the service that it carries what is wanted."""
        self.plan.fine.setdefault(what, []).append(self.name)

    def fill(self) -> None:
        """Give a service that is null all that is wanted."""
        if self.given(None):
            return
        self.give(self.real, None)
        self.plan.draft.fill(self.real, self.plan.wanted.service, self.style)
        self.note(self.plan.wanted.added)

    def given(self, found: tuple[Node, Node] | None) -> bool:
        """Whether another service, with which it shares them, has got its ``volumes`` into order; ``found``: these."""
        nearer = takewhile(lambda node: not found or node is not found[0], merge_order(self.real))
        volumes = found[1].real if found else None
        places = (self.plan.given.get(id(place)) for place in (*nearer, *([volumes] if volumes else [])))
        given = next((given for given in places if given and given.before is volumes), None)
        if given:
            self.note(f"has it from {given.names[0]}")
            given.names.append(self.name)
        return given is not None

    def give(self, place: Node, before: Node | None) -> None:
        """Say what is edited for it: see :class:`Given`."""
        self.plan.given[id(place)] = Given(place, before, [self.name])

    def volumes(self) -> tuple[Node, Node] | None:
        """The mapping that holds ``volumes``, which may be a merge key's, and the value: null or a list.

        Raises:
            Refused: it is of another kind.
        """
        found = effective(self.real, "volumes")
        if found and not found[1].real.null and found[1].real.kind != "seq":
            raise Refused(found[1].line, f"volumes is a {KINDS[found[1].real.kind]}, not a list")
        return found

    def copies(self, items: Iterable[Node]) -> list[Verbatim] | None:
        """Entries of ``volumes`` that a merge key brings, to be written again; None: not all are one-line scalars."""
        found = [self._copy(item.real) for item in items]
        return None if None in found else [copy for copy in found if copy]

    def _copy(self, real: Node) -> Verbatim | None:
        text = self.plan.draft.document.text[real.start : real.end]
        if real.kind != "scalar" or real.tag or "\n" in text:
            return None
        return Verbatim(re.sub(r"\A&\S+\s+", "", text), ("scalar", "", "", real.value, not real.style))
