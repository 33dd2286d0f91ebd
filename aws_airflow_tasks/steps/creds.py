"""The profile gives a working AWS identity on this host; the AWS command line is handed the terminal when it must."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path

from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import cli, identity, profiles
from aws_airflow_tasks.world.causes import LoginNeeded, Unreachable, profile_option
from aws_airflow_tasks.world.profiles import Credentials


def plan(settings: Settings, state: Path) -> Plan:
    """Nothing to do while AWS knows us; a login where one is missing and somebody is there to do it.

    Raises:
        TaskError: a definite no from AWS or from the configuration.
    """
    try:
        known = identity.known(settings, state)
    except Unreachable as error:
        return Plan(
            target=f"profile {facts(settings, state).profile}",
            reason="not checked",
            warnings=(f"{error.message}; steps that need only files go on",),
        )
    except LoginNeeded as error:
        if settings.check or settings.json or settings.yes or not cli.terminal():
            raise
        return Plan((_login(error, settings),))
    credentials, checked = known.credentials, identity.age(time.time() - known.checked)
    return Plan(
        target=f"profile {credentials.profile}",
        reason=f"{known.identity.arn} in {credentials.region or 'no region'}, identity checked {checked}",
        warnings=_warnings(credentials),
    )


def facts(settings: Settings, state: Path) -> Credentials:
    """What the configuration says of the profile in use; no call is made.

    While the answer of STS is remembered, not even botocore is loaded.

    Raises:
        TaskError: the configuration is broken or has no such profile.
    """
    found = identity.remembered(settings, state)
    return found.credentials if found else profiles.read(profiles.session(settings), settings, os.environ)


def _warnings(credentials: Credentials) -> tuple[str, ...]:
    if credentials.region:
        return ()
    option = profile_option(credentials.profile)
    return (f"no region is set for profile {credentials.profile}; type: aws configure set region eu-west-1{option}",)


def _login(needed: LoginNeeded, settings: Settings) -> Change:
    command = shlex.join(needed.command)
    return Change(
        target=f"profile {settings.profile or os.environ.get('AWS_PROFILE') or 'default'}",
        action="run",
        before=None,
        after="a working identity\n",
        apply=lambda: _run(needed),
        reason=f"{needed.message}: {command}",
    )


def _run(needed: LoginNeeded) -> None:
    code = cli.interactive(needed.command)
    if code:
        raise TaskError(f"`{needed.hint}` ended with exit code {code}", hint=needed.hint)
