"""What an error means that was met in one of Airflow's services: cause and command, from the table of all symptoms."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import inside, symptoms
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.telling import MOST
from aws_airflow_tasks.world import causes

#: what a class is too, and says nothing
_BASES = ("Exception", "BaseException", "object")


def met(site: Site, service: str, data: Mapping[str, Any], *, entry: str = "", plain: bool = False) -> TaskError:
    """What is said of an error that a service met while this host is well.

    Args:
        site: the project.
        service: the service's name.
        data: the error, as ``told.py.txt`` gives it.
        entry: the backend's entry that was asked for, if one was.
        plain: whether an error of Python's own is botocore's, since nothing else ran.

    Returns:
        The cause, without secrets, and the command; no command where nothing is known of it.
    """
    names = [name for name in data["names"] if name not in _BASES]
    if plain and names[0] == "KeyError":  # botocore's parser stumbles over an answer that is none of AWS's
        names = ["ResponseParserError"]
    more = {name: data[name] for name in ("code", "operation", "status", "kwargs")}
    error = symptoms.told(names, cleaned(data["said"]), **more)
    if symptoms.absent(error):  # this host has just found it
        return TaskError(f"{entry or 'what Airflow asks for'} is not there any more", hint=command("secrets"))
    name = causes.row_of(error)
    if not name or not (plain or error.code or {"BotoCoreError", "HTTPClientError"} & set(names)):
        said = unknown(data)
        found = next(iter(symptoms.found(said.message, site.credentials.profile)), None)
        return TaskError(found.detail, hint=found.hint) if found else said
    said, row = _explained(site, error, entry), inside.row(name)
    if not row:
        return said
    return TaskError(f"{said.message} ({row.said})", hint=row.command(_there(site, service)))


def unknown(data: Mapping[str, Any]) -> TaskError:
    """An error as it calls itself, for want of a better word."""
    code = f" ({data['code']})" if data["code"] else ""
    return TaskError(f"{data['names'][0]}{code}: {cleaned(data['said'])}"[:MOST])


def other_keys(site: Site) -> str:
    """What mends it where a service is somebody else though nothing in its environment says so."""
    return inside.renewed(inside.There(copied=site.way.name == "export"))


def _explained(site: Site, error: symptoms.Told, entry: str) -> TaskError:
    backend, account = site.backend, site.account
    try:
        with backend.explained(account, entry) if backend and entry else account.explained():
            raise error
    except TaskError as told:
        return told


def _there(site: Site, service: str) -> inside.There:
    with contextlib.suppress(TaskError):
        variables = next((each.environment for each in site.running if each.name == service), {})
        routes = [name for name in inside.ROUTES if variables.get(name)]
        return inside.There(site.way.name == "export", site.runtime.mounts, routes)
    return inside.There()
