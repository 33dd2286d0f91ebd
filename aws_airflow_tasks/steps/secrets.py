"""The check variable and connection exist in the backend; this edits no file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from secrets import token_hex, token_urlsafe
from urllib.parse import urlsplit

from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import aws
from aws_airflow_tasks.world import state as states

#: the tag that says whose an entry is; its value is a project's random id
TAG = "aws-airflow-tasks"


def plan(settings: Settings, state: Path) -> Plan:
    """Create what is missing, tagged as this project's; use what another project of ours made.

    Raises:
        TaskError: AWS refuses, or an entry of the name is somebody else's.
    """
    if settings.backend == "none":
        return Plan(skipped=True, reason="no backend is set")
    account = aws.connect(settings)
    if not account.credentials.region:
        profile = account.credentials.profile
        hint = f"aws configure set region eu-west-1 --profile {profile}"
        raise TaskError(f"no region is set for profile {profile}", hint=hint)
    changes = [_change(account, settings, name, value) for name, value in entries(settings).items()]
    return Plan(tuple(changes), target=", ".join(change.target for change in changes), reason="there")


def entries(settings: Settings) -> Mapping[str, Callable[[], str]]:
    """The names of our entries, each with what makes a value for it."""
    return {variable_name(settings): variable_value, connection_name(settings): connection_value}


def variable_name(settings: Settings) -> str:
    """The check variable's SecretId: the backend joins prefix and key with a slash (the provider's ``build_path``)."""
    return f"{settings.variables_prefix.rstrip('/')}/{settings.check_variable}"


def connection_name(settings: Settings) -> str:
    """The check connection's SecretId."""
    return f"{settings.connections_prefix.rstrip('/')}/{settings.check_connection}"


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


def _change(account: aws.Account, settings: Settings, name: str, value: Callable[[], str]) -> Change:
    found = aws.describe_secret(account, name)
    if found and found.pending_deletion:
        hint = f"aws secretsmanager restore-secret --secret-id '{name}'"
        raise TaskError(f"secret {name} is scheduled for deletion", hint=hint)
    if found and TAG not in found.tags:
        raise TaskError(
            f"secret {name} exists and was not made by these tasks",
            hint="INVOKE_AWS_AIRFLOW_CHECK_VARIABLE=another_name INVOKE_AWS_AIRFLOW_CHECK_CONNECTION=another_name "
            "invoke secrets",
        )
    there = "exists\n"
    return Change(
        target=f"secret {name}",
        action="create",
        before=there if found else None,
        after=there,
        apply=lambda: _create(account, settings, name, value()),
        receipt={
            "kind": "secret",
            "name": name,
            "region": account.credentials.region,
            "profile": settings.profile,
            "endpoint_url": settings.endpoint_url,
        },
        reason="absent",
    )


def _create(account: aws.Account, settings: Settings, name: str, value: str) -> None:
    mine = states.project_id(states.locate(settings.project))
    aws.create_secret(account, name, value, {TAG: mine})
