"""One entry put or deleted by hand: as careful with somebody else's value as many at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aws_airflow_tasks.core import Plan, TaskError, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.sources.reading import single
from aws_airflow_tasks.sources.wanted import Kind, Source
from aws_airflow_tasks.steps import syncing
from aws_airflow_tasks.steps.entries import OWNER, Entries, Shown
from aws_airflow_tasks.steps.sync import Listing, Sync
from aws_airflow_tasks.steps.syncing import Write
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import files

#: asks for a line; None: nobody is there to be asked
Ask = Callable[[str], str | None]


def put(key: str, kind: Kind, file: str, ask: Ask) -> Sync:
    """The wish for one entry, whose value comes from a file, from a hidden prompt, or from standard input.

    Args:
        key: a variable's key or a connection's id.
        kind: which.
        file: the file; empty: ask, or read standard input where nobody can be asked.
        ask: asks without an echo.
    """
    known: list[Source] = []

    def wish(_: Site) -> Source:
        if not known:
            place, text = _value(key, file, ask)
            known.append(single(kind, key, text, place))
        return known[0]

    arguments = sh("{}", key) + (" --connection" if kind == "connection" else "")
    return Sync(wish, command("secrets.put", arguments + (sh(" --file {}", file) if file else "")))


def _value(key: str, file: str, ask: Ask) -> tuple[str, str]:
    """Where the value comes from, and the value: a file's as it is, one of standard input without its last line end."""
    if file:
        with files.explained("read", Path(file)):
            return file, _decoded(Path(file).read_bytes(), file)
    answer = ask(f"value of {key}")
    if answer is not None:
        return "what was typed", answer
    text = _decoded(sys.stdin.buffer.read() if sys.stdin else b"", "standard input")
    return "standard input", text.removesuffix("\n").removesuffix("\r")


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise TaskError(f"{place} is not UTF-8: Airflow could not read it", hint=sh("file {}", place)) from None


class Delete:
    """A step that deletes one entry.

    Args:
        key: a variable's key or a connection's id.
        kind: which.
        now: for good, with no time to restore it.
        ask: asks for a line.

    Attributes:
        entries: what became of it, for the JSON document.
    """

    def __init__(self, key: str, kind: Kind, ask: Ask, *, now: bool) -> None:
        self._key, self._kind, self._ask, self._now = key, kind, ask, now
        self.entries: list[dict[str, Any]] = []
        self._deleted = False

    def plan(self, site: Site) -> Plan:
        """Delete it, if it is there and ours.

        Raises:
            TaskError: it is somebody else's, or cannot be read.
        """
        entries = Entries(site, many=False)
        name, target = entries.one(self._kind, self._key), f"{self._kind} {self._key}"
        value = entries.backend.values(entries.account, [name]).get(name)
        if isinstance(value, TaskError):
            raise value
        if value is None or (value.pending_deletion and not self._now):
            self._told("deleted" if self._deleted else "absent" if value is None else "pending deletion")
            return Plan(target=target, reason="absent" if value is None else "its deletion is scheduled")
        if not entries.is_ours(name) and not site.settings.override:
            why = f"has no tag {OWNER} of {entries.owner}: it is somebody else's and stays"
            raise TaskError(
                f"{entries.backend.ENTRY} {name} {why}",
                hint=f"{self._again} --override" + ("" if self._now else "   # undo gives it back"),
            )
        print = entries.fingerprints.of(name, value.text)
        write = Write("delete", self._kind, self._key, name, None, value.version, print, "")
        run, receipt = syncing.receipt(entries)
        self._told("delete")
        return Plan(
            (
                Listing(
                    target=target,
                    action="delete",
                    before="there",
                    after=f"  {write.said}\n",
                    apply=lambda: self._apply(entries, write, run),
                    receipt=None if self._now else receipt,
                    reason="for good" if self._now else self._window(entries),
                ),
            )
        )

    @property
    def _again(self) -> str:
        flags = (" --connection" if self._kind == "connection" else "") + (" --now" if self._now else "")
        return command("secrets.delete", sh("{}", self._key) + flags)

    def _window(self, entries: Entries) -> str:
        return "AWS keeps it for 30 days" if entries.backend.RESTORES else "its value is kept here until undo"

    def _apply(self, entries: Entries, write: Write, run: str) -> None:
        self._told("failed")  # until the next plan finds it gone
        if self._now:
            self._agreed(entries, write)
            entries.stays(write.name, write.over)
            entries.backend.erase(entries.account, write.name)
        elif errors := syncing.apply(entries, [write], run, entries.backend.writes(entries.settings), lambda *_: None):
            raise next(iter(errors.values()))
        self._deleted = True

    def _agreed(self, entries: Entries, write: Write) -> None:
        """At a terminal the name is typed; without one ``--yes`` says so."""
        typed = self._ask(f"{write.name} will be gone for good; type its name: {self._key}")
        if typed is None and entries.settings.yes:
            return
        if typed != self._key:
            override = " --override" if entries.settings.override else ""
            said = "that is another name" if typed is not None else "there is no terminal to type its name on"
            raise TaskError(
                f"{said}: {entries.backend.ENTRY} {write.name} stays", hint=f"{self._again}{override} --yes"
            )

    def _told(self, status: str) -> None:
        self.entries = [Shown(self._key, self._kind, status).document]
