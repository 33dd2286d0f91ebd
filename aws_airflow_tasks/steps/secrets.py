"""The check variable and connection exist in the backend; this edits no file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from secrets import token_hex, token_urlsafe
from urllib.parse import urlsplit

from aws_airflow_tasks.backends.protocol import Backend
from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.world import state as states

#: the tag that says whose an entry is; its value is a project's random id
TAG = "aws-airflow-tasks"


def plan(site: Site) -> Plan:
    """Create what is missing, tagged as this project's; use what another project of ours made.

    Raises:
        TaskError: AWS refuses, or an entry of the name is somebody else's.
    """
    backend, account = site.backend, site.account
    if backend is None:
        return Plan(skipped=True, reason="no backend is set")
    if not account.credentials.region:
        profile = account.credentials.profile
        hint = f"aws configure set region eu-west-1 --profile {profile}"
        raise TaskError(f"no region is set for profile {profile}", hint=hint)
    changes = [_change(site, backend, name, value) for name, value in entries(backend, site.settings).items()]
    return Plan(tuple(changes), target=", ".join(change.target for change in changes), reason="there")


def entries(backend: Backend, settings: Settings) -> Mapping[str, Callable[[], str]]:
    """The names of our entries, each with what makes a value for it."""
    return {backend.variable_name(settings): variable_value, backend.connection_name(settings): connection_value}


def variable_value() -> str:
    """A value that nobody can have seen before: a stale one of the same name elsewhere must not pass for it."""
    return f"read-with-your-own-permissions-{token_hex(8)}"


def connection_value() -> str:
    """A connection in the backend's JSON form, with a password that must never be printed."""
    host = f"check-{token_hex(4)}.example.invalid"
    return json.dumps({"conn_type": "http", "host": host, "login": "check", "password": token_urlsafe(24)})


def connection_host(value: str) -> str | None:
    """The host in a connection's JSON or URI."""
    try:
        found = json.loads(value)
    except ValueError:
        return urlsplit(value).hostname
    return str(found.get("host")) if isinstance(found, dict) else None


def _change(site: Site, backend: Backend, name: str, value: Callable[[], str]) -> Change:
    found = backend.describe(site.account, name)
    if found and found.pending_deletion:
        raise backend.scheduled(name)
    if found and TAG not in found.tags:
        raise TaskError(
            f"{backend.ENTRY} {name} exists and was not made by these tasks",
            hint="INVOKE_AWS_AIRFLOW_CHECK_VARIABLE=another_name INVOKE_AWS_AIRFLOW_CHECK_CONNECTION=another_name "
            "invoke secrets",
        )
    there = "exists\n"
    return Change(
        target=f"{backend.ENTRY} {name}",
        action="create",
        before=there if found else None,
        after=there,
        apply=lambda: _create(site, backend, name, value()),
        receipt={
            "kind": "secret",
            "name": name,
            "region": site.account.credentials.region,
            "profile": site.settings.profile,
            "endpoint_url": site.settings.endpoint_url,
        },
        reason="absent",
    )


def _create(site: Site, backend: Backend, name: str, value: str) -> None:
    backend.create(site.account, name, value, {TAG: states.project_id(site.state)})
