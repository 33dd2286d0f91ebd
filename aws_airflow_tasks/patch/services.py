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
from aws_airflow_tasks.patch.yaml_positions import Document, Node, Refused, editable, effective, merge_sources
from aws_airflow_tasks.patch.yaml_writing import Style, Verbatim, in_style_of

_KINDS = {"scalar": "scalar", "map": "map", "seq": "list", "alias": "alias"}


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

    def services(self, names: Sequence[str]) -> dict[str, Any]:
        """Several such services, as data."""
        return {name: self.service for name in names}


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


@dataclass(slots=True)
class Service:
    """One service of the document and what it is to carry.

    Attributes:
        name: its key under ``services``.
        node: its value.
        parents: the path to it, for :func:`editable`.
        plan: the document's plan, which takes the edits and the notes.
    """

    name: str
    node: Node
    parents: tuple[tuple[str, Node], ...]
    plan: Any
    additions: dict[str, Any] = field(default_factory=dict)

    @property
    def wanted(self) -> Wanted:
        """What it is to carry."""
        return self.plan.wanted  # type: ignore[no-any-return]
