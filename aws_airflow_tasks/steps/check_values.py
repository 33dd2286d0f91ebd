"""What the check entries hold: text that Airflow can read and the proof can compare, or a cause and what mends it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from aws_airflow_tasks.backends import Backend
from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.sources import connections
from aws_airflow_tasks.sources.connections import Unfit
from aws_airflow_tasks.text.calling import command, under

if TYPE_CHECKING:
    from aws_airflow_tasks.sources.wanted import Kind

#: settings under which entries of other names are read
OTHER = {"check_variable": "a_name", "check_connection": "a_name"}
#: of the backend that knows further words for a connection's fields
_WORDS = "secrets-manager"


def both(site: Site, backend: Backend) -> tuple[str, str]:
    """The texts of the check variable and of the check connection; raises as :func:`value`."""
    return value(site, backend, "variable"), value(site, backend, "connection")


def value(site: Site, backend: Backend, kind: Kind) -> str:
    """The text of a check entry.

    Raises:
        TaskError: it is not there, Airflow could not read it, or the proof could not compare what is read.
    """
    name = {"variable": backend.variable_name, "connection": backend.connection_name}[kind](site.settings)
    text = backend.get(site.account, name)
    if text is None:
        raise _none(site, backend, kind, name)
    if why := odd(kind, text, words=backend.NAME == _WORDS, marked=_is_read(site)):
        raise TaskError(f"{backend.ENTRY} {name}: {why}", hint=_anew(site, kind))
    return text


def odd(kind: Kind, text: str, *, words: bool, marked: bool = False) -> str:
    """What is odd about the text of a check entry, in a clause without it; empty: nothing.

    Args:
        kind: which entry.
        text: its value.
        words: whether the backend knows further words for a connection's fields.
        marked: whether the proof compares what a key makes of the values, whatever lines they have.
    """
    if kind == "variable":
        return "" if marked or len(text.splitlines()) <= 1 else "it has several lines, and the proof compares one"
    try:
        fields = connections.parsed(text, words=words)
    except Unfit as unfit:
        return f"Airflow could not read it as it is meant: {unfit}"
    return "" if fields.get("host") else "it has no host, which the proof compares"


def host(backend: Backend, text: str) -> str:
    """The host of a connection that is not :func:`odd`, as Airflow reads it."""
    return str(connections.parsed(text, words=backend.NAME == _WORDS)["host"])


def _none(site: Site, backend: Backend, kind: Kind, name: str) -> TaskError:
    """The error of an entry without a text: binary, or not there."""
    there = None
    with contextlib.suppress(TaskError):  # who may read it may not be allowed to ask what it is
        there = backend.describe(site.account, name)
    if there:
        said = f"{backend.ENTRY} {name} holds bytes, and Airflow reads text alone"
        return TaskError(said, hint=_anew(site, kind))
    if _is_read(site):
        said = f"there is no {backend.ENTRY} {name} with a text value, and check_entries is read"
        return TaskError(said, hint=under(OTHER, "secrets dag"))
    return TaskError(f"there is no {backend.ENTRY} {name} with a text value", hint=command("secrets"))


def _is_read(site: Site) -> bool:
    return site.settings.check_entries == "read"


def _anew(site: Site, kind: Kind) -> str:
    """What has an entry made anew; of one that is only read, what reads another."""
    if _is_read(site):
        return under(OTHER, "secrets dag")
    key = sh("{}", getattr(site.settings, f"check_{kind}")) + (" --connection" if kind == "connection" else "")
    return f"{command('secrets.delete', f'{key} --now --override')} && {command('secrets')}"
