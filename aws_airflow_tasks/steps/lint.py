"""Everything under the prefixes as Airflow would read it, and what the project's DAGs name of it."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from aws_airflow_tasks import backends
from aws_airflow_tasks.backends.many import Listed, Many, Value
from aws_airflow_tasks.core import Check, TaskError, sh
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.sources import connections, dags
from aws_airflow_tasks.sources.connections import Unfit
from aws_airflow_tasks.sources.dags import Use
from aws_airflow_tasks.sources.reading import ENVIRONMENT
from aws_airflow_tasks.sources.wanted import Kind
from aws_airflow_tasks.steps.entries import KINDS, Entries, Shown, is_of
from aws_airflow_tasks.text.calling import PREFIX, command, under
from aws_airflow_tasks.world import aws, endpoints, files, pace

#: how many names a finding has
MOST = 10
#: how many entries of a kind are looked at in a backend that Airflow does not ask: ten pages there, or twenty
MOST_ELSEWHERE = 1_000

Key = tuple[Kind, str]


class Place(NamedTuple):
    """A use of an entry, and the file it stands in, relative to the project."""

    file: str
    use: Use

    def __str__(self) -> str:
        """For a person."""
        return f"{self.use.kind} {self.use.key} ({self.file} line {self.use.line})"


class Lint:
    """A look at all entries, and what it found.

    Attributes:
        entries: a row an entry, for the JSON document.
    """

    def __init__(self) -> None:
        self._shown: list[Shown] = []

    @property
    def entries(self) -> list[dict[str, Any]]:
        """For the JSON document."""
        return [each.document for each in self._shown]

    def checks(self, site: Site) -> Iterator[Check]:
        """The findings: ``failed`` where Airflow would get nothing or an error, ``warning`` where that may be meant."""
        entries = Entries(site)
        listed = {
            (kind, each.name.removeprefix(entries.prefix(kind))): each
            for kind in KINDS
            for each in entries.listed(kind)
        }
        yield from self._readable(entries, listed)
        yield from _names(entries, listed)
        there = {key for key, each in listed.items() if not each.pending_deletion}
        beside = _dotenv(site)
        twice = [f"{kind} {key} (.env line {beside[kind, key]})" for kind, key in sorted(there & beside.keys())]
        yield _finding("dotenv", "warning", twice, "in .env too, where Airflow looks only for what the backend has not")
        for other in backends.MANY.values():
            if other is not entries.backend:
                yield from _elsewhere(site, entries, other, there)
        yield from _used(site, there, beside)

    def _readable(self, entries: Entries, listed: Mapping[Key, Listed]) -> Iterator[Check]:
        """Whether Airflow gets from each what it is there for."""
        by_name = {each.name: key for key, each in listed.items()}
        pending, bad, causes = list[str](), list[str](), list[TaskError]()
        mend, restore = list[str](), list[str]()
        for name, value in pace.counted(entries.values(by_name), len(by_name), lambda: "read"):
            kind, key = by_name[name]
            why = _unreadable(entries, kind, value)
            status = (
                "pending deletion" if isinstance(value, Value) and value.pending_deletion else "failed" if why else "ok"
            )
            self._shown.append(Shown(key, kind, status, {"reason": why} if why else {}))
            if isinstance(value, TaskError):
                causes.append(value)
            if status == "pending deletion":
                pending.append(f"{kind} {key}")
                restore.append(entries.single.scheduled(entries.account, name).hint)
            elif why:
                bad.append(f"{kind} {key}: {why}")
                mend.append(f"{entries.about('secrets.put', name)}   # or mend its file, and sync that")
        self._shown.sort(key=lambda each: (each.status == "ok", each.kind, each.name))
        fine = f"{len(by_name) - len(pending) - len(bad)} entries are as Airflow reads them"
        hint = causes[0].hint if causes else "\n".join(mend[:MOST])
        yield Check("readable", "failed", _listed(bad), hint) if bad else Check("readable", "ok", fine)
        gone = "pending deletion, so that Airflow finds none of them"
        yield _finding("pending", "warning", pending, gone, "\n".join(restore[:MOST]))


def _unreadable(entries: Entries, kind: Kind, value: Value | TaskError | None) -> str:
    """Why Airflow would not read it; empty: it would, or there is none any more."""
    if value is None:
        return ""
    if isinstance(value, TaskError):
        return value.message
    if value.pending_deletion:
        return "its deletion is scheduled"
    if value.text is None:
        return "it is binary: Airflow finds nothing"
    if kind == "connection":
        try:
            connections.parsed(value.text, words=entries.backend.NAME == "secrets-manager")
        except Unfit as unfit:
            return str(unfit)
    return ""


def _names(entries: Entries, listed: Iterable[Key]) -> Iterator[Check]:
    """Names that Airflow does not ask for."""
    team = [f"{kind} {key}" for kind, key in sorted(listed) if "--" in key]
    yield _finding("names", "warning", team, "with --, which Airflow refuses to look for in multi-team mode")
    wrong = [f"{kind} {key}" for kind, key in sorted(listed) if key.startswith("/") or not key]
    if entries.backend.NAME == "secrets-manager":
        for kind in KINDS:
            prefix = entries.prefix(kind)
            if prefix and not prefix.startswith("/"):
                wrong += [each.name for each in entries.backend.listed(entries.account, f"/{prefix}")]
    yield _finding("slashes", "failed", wrong, "with a slash that Airflow's name for it has not")


def _dotenv(site: Site) -> dict[Key, int]:
    """The entries that ``.env`` has, each with its line."""
    data = site.read(".env") or b""
    found: dict[Key, int] = {}
    values: Mapping[str, str] = {}
    with contextlib.suppress(ValueError):  # whoever keeps lines in it says what is wrong with it
        values = dotenv.read(data, "compose")
    for name in values:
        for start, kind in ENVIRONMENT.items():
            if name.startswith(start):
                found[kind, name.removeprefix(start).lower()] = dotenv.line(data, name)
    return found


def _elsewhere(site: Site, entries: Entries, other: Many, there: set[Key]) -> Iterator[Check]:
    """What another backend has under Airflow's prefixes: Airflow asks the one that is set, and no other."""
    ours, name = entries.backend.NAME, other.NAME
    try:
        found = _kept(site, other)
    except TaskError as error:
        for check in ("twice", "elsewhere"):
            yield Check(check, "skipped", f"what {name} has is not known: {error.message}")
        return
    twice, alone = ([f"{kind} {key}" for kind, key in sorted(some)] for some in (found & there, found - there))
    look = sh(f"{PREFIX}BACKEND={{}} ", name) + command("secrets.list")
    words = f"in {name} too, where Airflow does not look: it reads what {ours} has"
    yield _finding("twice", "warning", twice, words, f"{look}   # and secrets.delete, likewise, takes one of them")
    words = f"in {name} alone, where Airflow does not look: it finds none of them"
    yield _finding("elsewhere", "warning", alone, words, under({"backend": name}, "setup"))


def _kept(site: Site, other: Many) -> set[Key]:
    """The keys of another backend; an account of its own does not wait long for what nothing depends on.

    An endpoint that is set for our backend's service alone is an AWS of its own, which has no other backend.
    """
    account, single = aws.connect(site.settings, site.account.identity), backends.ALL[other.NAME]
    services = [each.read("x").service for each in (site.backend, single) if each]
    if len({bool(endpoints.of(account.credentials.endpoints, service)) for service in services}) > 1:
        return set()
    found, chosen = set[Key](), {kind: getattr(site.settings, f"{kind}s_prefix") for kind in KINDS}
    prefixes = {kind: single.name(prefix, "") for kind, prefix in chosen.items()}
    for kind, prefix in prefixes.items():
        listed = islice(other.listed(account, prefix), MOST_ELSEWHERE) if chosen[kind] else ()
        there = (each.name for each in listed if not each.pending_deletion)
        found |= {(kind, name.removeprefix(prefix)) for name in there if is_of(kind, name, prefixes)}
    return found


def _used(site: Site, there: set[Key], beside: Mapping[Key, int]) -> Iterator[Check]:
    """What the DAGs name and nobody has, and what is there and no DAG names."""
    places, unread = _places(site)
    used = {(place.use.kind, place.use.key) for place in places}
    lower = {(kind, key.lower()) for kind, key in beside}
    known = {place: (place.use.kind, place.use.key) for place in places}
    missing = [
        str(place)
        for place, (kind, key) in known.items()
        if place.use.needed and (kind, key) not in there and (kind, key.lower()) not in lower
    ]
    yield _finding(
        "missing", "warning", missing, "named by DAGs and not in the backend: Airflow's database must have them"
    )
    checked: set[Key] = {("variable", site.settings.check_variable), ("connection", site.settings.check_connection)}
    idle = [f"{kind} {key}" for kind, key in sorted(there - used - checked)] if places else []  # those `verify` reads
    yield _finding("unused", "warning", idle, "in the backend and named by no DAG, as far as their text tells")
    yield _finding("dags", "warning", unread, "what they name is not known")


def _places(site: Site) -> tuple[list[Place], list[str]]:
    places, unread = list[Place](), list[str]()
    folder = site.project / "dags"
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent, name)
            if path.suffix != ".py":
                continue
            shown = path.relative_to(site.project).as_posix()
            try:
                text = (files.read(path) or b"").decode("utf-8-sig", errors="replace")
                places += [Place(shown, use) for use in dags.uses(text)]
            except (ValueError, TaskError) as error:
                unread.append(f"{shown} {error}")
    return places, unread


def _finding(check: str, status: Any, names: list[str], words: str, hint: str = "") -> Check:
    if not names:
        return Check(check, "ok", "none")
    return Check(check, status, f"{_listed(names)}: {words}", hint)


def _listed(names: list[str]) -> str:
    more = f"; and {len(names) - MOST} more" if len(names) > MOST else ""
    return "; ".join(names[:MOST]) + more
