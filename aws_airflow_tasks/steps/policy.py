"""The smallest IAM policy by which the proof works in this account: printed, for who administers it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from aws_airflow_tasks.backends import Backend, permissions
from aws_airflow_tasks.core import Plan, TaskError
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps.looking import Look
from aws_airflow_tasks.steps.probing import HOOK
from aws_airflow_tasks.text.calling import command


def of_settings() -> Look:
    """Look at nothing but the settings and the identity."""
    return Look(_look)


def _look(seen: Look, site: Site) -> Plan:
    """The policy as the value that was asked for.

    Raises:
        TaskError: there is no backend, or no region.
    """
    backend, who = site.backend, site.identity
    if backend is None:
        raise TaskError("no backend is set, so that nothing is asked of AWS", hint=command("status"))
    if not who.credentials.region:
        raise TaskError(
            "no region is set, and entries are of one", hint=command("secrets.policy", "--region eu-west-1")
        )
    seen.value = json.dumps(_policy(site, backend), indent=2)
    return Plan(target=f"policy for account {who.identity.account}", reason=f"check_entries is {_mode(site)}")


def _mode(site: Site) -> str:
    return site.settings.check_entries


def _policy(site: Site, backend: Backend) -> dict[str, Any]:
    """What the tasks ask of the check entries, and what Airflow asks of the connection of its AWS hooks.

    Who only reads asks for values alone.
    """
    check = [backend.variable_name(site.settings), backend.connection_name(site.settings)]
    hook = backend.name(site.settings.connections_prefix, HOOK)
    if _mode(site) == "read":
        return _allowing(site, backend.ACTIONS["get"], [*check, hook])
    found = _allowing(site, permissions.actions(backend, permissions.CHECKS), check)
    return found | {"Statement": [*found["Statement"], *_allowing(site, backend.ACTIONS["get"], [hook])["Statement"]]}


def _allowing(site: Site, allowed: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    who, region = site.identity.identity, site.identity.credentials.region
    return permissions.policy(allowed, names, partition=who.partition, region=region, account=who.account)
