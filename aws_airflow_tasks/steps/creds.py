"""The profile gives a working AWS identity on this host, and Airflow's copy of it is fresh.

The AWS command line is handed the terminal when somebody has to log in; these tasks never write ``~/.aws`` themselves.
"""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import delivery
from aws_airflow_tasks.world import cli, identity, profiles, sessions, staging
from aws_airflow_tasks.world.causes import LoginNeeded, Unreachable, profile_option
from aws_airflow_tasks.world.profiles import Credentials

#: the first version of the AWS command line that knows a command
SINCE = {("sso", "login"): (2, 0, 0), ("configure", "sso"): (2, 0, 0), ("login",): (2, 32, 0)}


def plan(settings: Settings, state: Path, *, sso: bool = False) -> Plan:
    """Nothing to do while AWS knows us and what is staged is fresh; else a login, if somebody is there, or an export.

    Args:
        settings: of the command line.
        state: the project's state directory.
        sso: where there are no credentials at all, set up IAM Identity Center instead of access keys.

    Raises:
        TaskError: a definite no from AWS or from the configuration.
    """
    try:
        known = identity.known(settings, state)
    except Unreachable as error:
        return _unchecked(settings, state, error)
    except LoginNeeded as error:
        needed = _with_sso(error) if sso else error
        if settings.check or settings.json or settings.yes or not cli.terminal():
            raise needed from None
        return Plan((_login(needed, settings, state),))
    checked = identity.age(time.time() - known.checked)
    credentials, who = known.credentials, f"{known.identity.arn} in {known.credentials.region or 'no region'}"
    return Plan(
        _changes(settings, state, credentials),
        target=f"profile {credentials.profile}",
        reason=f"{who}, identity checked {checked}; {delivery.way(settings, credentials).reason}",
        warnings=_warnings(settings, credentials),
    )


def facts(settings: Settings, state: Path) -> Credentials:
    """What the configuration says of the profile in use; no call is made.

    While the answer of STS is remembered, not even botocore is loaded.

    Raises:
        TaskError: the configuration is broken or has no such profile.
    """
    found = identity.remembered(settings, state)
    return found.credentials if found else profiles.read(sessions.session(settings), settings, os.environ)


def delivered(settings: Settings, state: Path) -> Credentials:
    """:func:`facts` with the files that Airflow is to have: the person's own, or the staged copy's.

    Raises:
        TaskError: as :func:`facts`.
    """
    return delivery.delivered(settings, state, facts(settings, state))


def _unchecked(settings: Settings, state: Path, error: Unreachable) -> Plan:
    """Without AWS, keys that are at hand can still be staged."""
    credentials = facts(settings, state)
    return Plan(
        _changes(settings, state, credentials) if credentials.kind in staging.AT_HAND else (),
        target=f"profile {credentials.profile}",
        reason="not checked",
        warnings=(f"{error.message}; steps that need only files go on", *_warnings(settings, credentials)),
    )


def _changes(settings: Settings, state: Path, credentials: Credentials) -> tuple[Change, ...]:
    change = delivery.change(settings, state, credentials)
    return (change,) if change else ()


def _warnings(settings: Settings, credentials: Credentials) -> tuple[str, ...]:
    found, name = [], credentials.profile
    if not credentials.region:
        command = f"aws configure set region eu-west-1{profile_option(name)}"
        found.append(f"no region is set for profile {name}; type: {command}")
    if settings.credentials == "live" and (hindered := delivery.hindrance(settings, credentials)):
        found.append(f"credentials=live will not work: {hindered}; set credentials to auto or export")
    return tuple(found)


def _with_sso(needed: LoginNeeded) -> LoginNeeded:
    if needed.command[:2] != ("aws", "configure"):
        return needed
    return LoginNeeded(needed.message, ("aws", "configure", "sso", *needed.command[2:]))


def _login(needed: LoginNeeded, settings: Settings, state: Path) -> Change:
    return Change(
        target=f"profile {settings.profile or os.environ.get('AWS_PROFILE') or 'default'}",
        action="run",
        before=None,
        after="a working identity\n",
        apply=lambda: _log_in(needed, settings, state),
        reason=f"{needed.message}: {shlex.join(needed.command)}",
    )


def _log_in(needed: LoginNeeded, settings: Settings, state: Path) -> None:
    """Log in, and stage what could not be before."""
    _run(needed, settings)
    for change in _changes(settings, state, identity.known(settings, state).credentials):
        change.apply()


def _run(needed: LoginNeeded, settings: Settings) -> None:
    wanted = next((since for words, since in SINCE.items() if needed.command[1 : 1 + len(words)] == words), None)
    if wanted and cli.aws_version() < wanted:
        raise TaskError(
            f"`{needed.hint}` needs version {'.'.join(map(str, wanted))} of the AWS command line or a later one",
            hint=cli.install("aws"),
        )
    endpoint = {"AWS_ENDPOINT_URL": settings.endpoint_url} if settings.endpoint_url else {}
    code = cli.interactive(needed.command, env=os.environ | endpoint)
    if code:
        raise TaskError(f"`{needed.hint}` ended with exit code {code}", hint=needed.hint)
