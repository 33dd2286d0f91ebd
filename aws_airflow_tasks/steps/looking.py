"""What stands in the backend, listed or looked at, and what stood there before; no value is shown unasked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aws_airflow_tasks.backends.many import Value
from aws_airflow_tasks.core import Plan, TaskError, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.sources.wanted import Kind
from aws_airflow_tasks.steps.entries import KINDS, OWNER, Entries, Shown
from aws_airflow_tasks.text.calling import command


class Look:
    """A step that only looks, and what it has seen.

    Attributes:
        entries: for the JSON document.
        lines: for a person.
        value: the value that was asked for, to be printed as it is; empty: none was.
    """

    def __init__(self, look: Callable[[Look, Site], Plan]) -> None:
        self._look = look
        self.shown: list[Shown] = []
        self.lines: list[str] = []
        self.value = ""

    @property
    def entries(self) -> list[dict[str, Any]]:
        """For the JSON document."""
        return [each.document for each in self.shown]

    def plan(self, site: Site) -> Plan:
        """Look; there is never anything to change."""
        self.shown, self.lines = [], []
        return self._look(self, site)


def kind_of(connection: bool) -> Kind:
    """The kind that a flag chooses."""
    return "connection" if connection else "variable"


def everything(text: str) -> Look:
    """All entries under the two prefixes, or those with ``text`` in their keys."""

    def look(seen: Look, site: Site) -> Plan:
        entries = Entries(site, many=False)
        for kind in KINDS:
            prefix = entries.prefix(kind)
            found = sorted(entries.listed(kind), key=lambda each: each.name)
            for each in found:
                key = each.name.removeprefix(prefix)
                if text not in key:
                    continue
                status = "pending deletion" if each.pending_deletion else "there"
                times = {"changed": _day(each.changed), "accessed": _day(each.accessed), "owner": each.tags.get(OWNER)}
                seen.shown.append(Shown(key, kind, status, {"entry": each.name, **times}))
                said = [f"{word} {day}" for word, day in times.items() if day]
                seen.lines.append(f"  {kind:<10} {key}: {', '.join([status, *said, each.name])}")
        kinds = [each.kind for each in seen.shown]
        reason = ", ".join(f"{kinds.count(kind)} {kind}s" for kind in KINDS)
        return Plan(target=f"{entries.backend.NAME} in {entries.account.credentials.region}", reason=reason)

    return Look(look)


def one(key: str, kind: Kind, *, show: bool) -> Look:
    """One entry's fingerprint; its value only if that is asked for."""

    def look(seen: Look, site: Site) -> Plan:
        entries = Entries(site, many=False)
        name = entries.one(kind, key)
        value = existing(entries, name)
        print = entries.fingerprints.of(name, value.text)
        more = {"entry": name, "fingerprint": print or None, "version": value.version or None}
        if show:
            more["value"] = value.text
            seen.value = value.text or ""
        status = "pending deletion" if value.pending_deletion else "there" if value.text is not None else "binary"
        seen.shown.append(Shown(key, kind, status, more))
        told = status if status != "there" else print
        return Plan(target=f"{kind} {key}", reason=f"{told}, version {value.version}" if value.version else told)

    return Look(look)


def history(key: str, kind: Kind) -> Look:
    """The versions that AWS still has of an entry."""

    def look(seen: Look, site: Site) -> Plan:
        entries = Entries(site, many=False)
        name = entries.one(kind, key)
        versions = entries.backend.versions(entries.account, name)
        if not versions:
            raise absent(entries, name)
        for each in versions:
            when = _moment(each.changed)
            more = {"version": each.id, "changed": when, "labels": list(each.labels), "by": each.by or None}
            seen.shown.append(Shown(key, kind, ", ".join(each.labels) or "replaced", more))
            seen.lines.append(f"  {each.id} {' '.join(filter(None, [when, *each.labels, each.by]))}".rstrip())
        return Plan(target=f"{kind} {key}", reason=f"{len(versions)} versions")

    return Look(look)


def existing(entries: Entries, name: str) -> Value:
    """What an entry holds; raises TaskError where there is none."""
    value = entries.backend.values(entries.account, [name]).get(name)
    if isinstance(value, TaskError):
        raise value
    if value is None:
        raise absent(entries, name)
    return value


def absent(entries: Entries, name: str) -> TaskError:
    """The error of an entry that does not exist."""
    where = f"{entries.backend.NAME} in {entries.account.credentials.region}"
    return TaskError(f"there is no {entries.backend.ENTRY} {name} ({where})", hint=sh(command("secrets.list")))


def _day(when: float | None) -> str | None:
    return None if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")


def _moment(when: float | None) -> str | None:
    return None if when is None else datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
