"""Which form a file has, told by what is in it, and what it wants."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.sources import connections, documents
from aws_airflow_tasks.sources.connections import Unfit, Unread
from aws_airflow_tasks.sources.documents import Member
from aws_airflow_tasks.sources.wanted import Fault, Kind, Source, Wanted
from aws_airflow_tasks.text.from_json import from_json

#: of ``airflow_settings.yaml``
SECTIONS = ("connections", "pools", "variables")
#: what Airflow's environment variables begin with
ENVIRONMENT: dict[str, Kind] = {"AIRFLOW_CONN_": "connection", "AIRFLOW_VAR_": "variable"}
LOWER = "keys and ids from AIRFLOW_VAR_… and AIRFLOW_CONN_… are taken in lower case: Airflow looks for them in any"
OTHER = "Astro takes $NAME for another variable, and here only those of the file are known: single quotes keep it"
DESCRIBED = "descriptions of variables are not kept: a backend has values only"
FORMS = (
    "airflow_settings.yaml, `airflow connections export` (json, yaml, env), `airflow variables export` (json) and"
    " .env files with AIRFLOW_CONN_… or AIRFLOW_VAR_… are known"
)


def read(name: str, data: bytes) -> Source:
    """What a file wants.

    Args:
        name: of the file, for places; its ending says nothing but whether it is YAML or JSON.
        data: its bytes.
    """
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        return Source(faults=(Fault(f"{name} line {number}", "it is not UTF-8"),))
    reading = _Reading(name)
    try:
        if re.search(r"\.(?:json|ya?ml)$", name, re.IGNORECASE) or text.lstrip().startswith("{"):
            as_json = text.lstrip().startswith("{") and not re.search(r"\.ya?ml$", name, re.IGNORECASE)
            reading.document(documents.load(text, as_json=as_json))
        elif re.search(r"(?m)^\s*(?:export\s+)?AIRFLOW_(?:CONN|VAR)_\w+\s*[=:]", text):
            reading.dotenv(data)
        else:
            reading.exported_lines(text)
    except documents.Unreadable as error:
        reading.faults.append(Fault(f"{name} line {error.line}", error.words))
    return Source(tuple(reading.wanted), tuple(reading.faults), reading.notes)


def single(kind: Kind, key: str, text: str, place: str) -> Source:
    """One entry, whose value a person gives by itself: a connection as JSON or as a URI."""
    reading = _Reading(place)
    if kind == "connection":
        reading.uri_or_json(key, 0, text.removeprefix("\ufeff"))
    else:
        reading.want(kind, key, 0, lambda: text)
    return Source(tuple(reading.wanted), tuple(reading.faults), reading.notes)


class _Reading:
    """What one file has given so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wanted: list[Wanted] = []
        self.faults: list[Fault] = []
        self.notes: Counter[str] = Counter()

    def place(self, line: int) -> str:
        return f"{self.name} line {line}" if line else self.name

    def fault(self, line: int, words: str) -> None:
        self.faults.append(Fault(self.place(line), words))

    def want(self, kind: Kind, key: str, line: int, text: Callable[[], str], *, lossy: bool = False) -> None:
        """An entry, unless its text cannot be made or the file has it twice with two values."""
        try:
            self.wanted.append(Wanted(kind, key, text(), self.place(line), lossy))
        except Unfit as unfit:
            self.fault(line, f"{kind} {key}: {unfit}")

    def connection(self, key: str, line: int, fields: Callable[[], Mapping[str, Any]]) -> None:
        def text() -> str:
            made, notes = connections.stored(fields())
            self.notes.update(notes)
            return made

        self.want("connection", key, line, text)

    def uri_or_json(self, key: str, line: int, value: str) -> None:
        """As Airflow reads a connection from a line: JSON, or a URI."""

        def fields() -> Mapping[str, Any]:
            if not value.lstrip().startswith("{"):
                return self.uri(key, line, value)
            try:
                return dict(from_json(value))
            except ValueError:
                raise Unfit("it is no JSON") from None

        self.connection(key, line, fields)

    def uri(self, key: str, line: int, value: str) -> Mapping[str, Any]:
        """As Airflow reads it; or, where it would raise and one thing alone can be meant, that."""
        try:
            return connections.from_uri(value)
        except Unread:
            if not (encoded := connections.repaired(value)):
                raise
        fields = connections.from_uri(encoded)
        self.notes[f"{self.place(line)}: connection {key}: {connections.REPAIRED}"] += 1
        return fields

    def dotenv(self, data: bytes) -> None:
        """Lines of Airflow's own variables; all others are somebody else's."""
        try:
            dotenv.read(data, "compose")
        except ValueError as error:
            self.faults.append(Fault(self.name, str(error)))
            return
        text = data.decode().removeprefix("\ufeff")
        for name, value, _, begins, ends, line, _ in dotenv.statements(text):
            start = next((prefix for prefix in ENVIRONMENT if name.startswith(prefix)), "")
            if value is None or not start or name == start:
                continue
            key = name.removeprefix(start).lower()
            self.notes[LOWER] += 1
            if _names_another(text[begins:ends]):
                self.notes[f"{self.place(line)}: {ENVIRONMENT[start]} {key}: {OTHER}"] += 1
            if ENVIRONMENT[start] == "connection":
                self.uri_or_json(key, line, value)
            else:
                self.want("variable", key, line, lambda value=value: value)  # type: ignore[misc]

    def exported_lines(self, text: str) -> None:
        """``id=URI`` or ``id=JSON``, as ``airflow connections export --file-format env`` writes them."""
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip() or line.startswith("#"):
                continue
            key, equals, value = line.rstrip("\r").partition("=")
            if not equals or not re.match(r"\s*\{|[A-Za-z][A-Za-z0-9+._-]*://", value):
                self.fault(number, f"it is of no form that is known; {FORMS}")
                return
            self.uri_or_json(key, number, value)

    def document(self, root: Member) -> None:
        members = root.members
        if members is None:
            self.fault(root.line, f"it is of no form that is known; {FORMS}")
        elif (settings := members.get("airflow")) and _is_settings(members, settings):
            self.settings(settings.members or {})
        elif not members:
            return
        else:
            self.export(members)

    def export(self, members: Mapping[str, Member]) -> None:
        """All connections, or all variables."""
        like = {key: _is_connection(member) for key, member in members.items()}
        if any(like.values()) and not all(like.values()):
            odd = next(key for key, is_one in like.items() if not is_one)
            self.fault(members[odd].line, f"{odd} is no connection, others here are; {FORMS}")
            return
        for key, member in members.items():
            if like[key]:
                self.connection(key, member.line, lambda member=member: _fields(member))  # type: ignore[misc]
            else:
                self.exported_variable(key, member)

    def exported_variable(self, key: str, member: Member) -> None:
        """With a description it stands beside the value, as ``airflow variables import`` takes it."""
        value = member
        if member.members and "value" in member.members:
            value = member.members["value"]
            described = member.members.get("description")
            if described and described.text():
                self.notes[DESCRIBED] += 1
        self.want("variable", key, member.line, value.variable, lossy=True)

    def settings(self, sections: Mapping[str, Member]) -> None:
        """``airflow_settings.yaml`` of the Astro CLI; entries without a name are its template's."""
        for name in sections.keys() - set(SECTIONS):
            self.fault(sections[name].line, f"airflow has no section {name}; it has {', '.join(SECTIONS)}")
        for key, member, fields in self.named(sections, "variables", "variable_name"):
            value = fields.get("variable_value")
            if value is None or value.is_null:
                self.fault(member.line, f"variable {key} has no value")
            else:
                self.want("variable", key, member.line, value.variable)
        for key, member, fields in self.named(sections, "connections", "conn_id"):
            uri = partial(self.uri, key, member.line)
            self.connection(key, member.line, partial(_astro_fields, fields, uri))
        if pools := [key for key, _, _ in self.named(sections, "pools", "pool_name")]:
            self.notes[f"pools are skipped, no backend has them: {', '.join(pools)}"] += 1

    def named(
        self, sections: Mapping[str, Member], section: str, name: str
    ) -> Iterator[tuple[str, Member, Mapping[str, Member]]]:
        """The entries of a section's list that have a name."""
        found = sections.get(section)
        if found and found.items is None and not found.is_null:
            self.fault(found.line, f"{section} is no list of entries with {name}")
        items: Sequence[Member] = (found.items if found else None) or ()
        for item in items:
            if item.members is None and not item.is_null:
                self.fault(item.line, f"{section} has an entry that is no {name} with what belongs to it")
            fields = item.members or {}
            try:
                key = fields[name].text() if name in fields else ""
            except Unfit as unfit:
                self.fault(item.line, f"{name}: {unfit}")
                continue
            if key:
                yield key, item, fields


def _names_another(written: str) -> bool:
    """Whether a value of ``.env``, as it is written, takes in another variable's."""
    return not written.startswith("'") and bool(re.search(r"(?<![\\$])\$[A-Za-z_{]", written))


def _is_settings(members: Mapping[str, Member], airflow: Member) -> bool:
    """Whether it is an ``airflow_settings.yaml``, perhaps one all of whose sections are commented out."""
    alone = len(members) == 1
    return (alone and airflow.is_null) or (
        airflow.members is not None and (alone or not airflow.members.keys().isdisjoint(SECTIONS))
    )


def _is_connection(member: Member) -> bool:
    """Whether it has fields of a connection and no other; or its type and one more, and then a field that is none."""
    names, known = (member.members or {}).keys(), set(connections.KNOWN)
    return "conn_type" in names and (names <= known or len(names & known) > 1)


def _fields(member: Member) -> dict[str, Any]:
    return {name: _field(value) for name, value in (member.members or {}).items()}


def _field(value: Member) -> Any:
    return value.plain() if value.members is not None or value.items is not None else value.text()


def _astro_fields(fields: Mapping[str, Member], of_uri: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any]:
    """``conn_host`` … of the Astro CLI, which takes ``conn_uri`` where there is nothing but that."""
    named = {
        "conn_type" if name == "conn_type" else name.removeprefix("conn_"): value for name, value in fields.items()
    }
    found = {name: _field(value) for name, value in named.items() if name != "id"}
    uri = found.pop("uri", None)
    if uri and any(value not in (None, "") for value in found.values()):
        raise Unfit("it has both conn_uri and other fields")
    return of_uri(uri) if uri else {name: value for name, value in found.items() if value != ""}
