"""The profile gives a working AWS identity on this host, and Airflow's copy of it is fresh.

The AWS command line is handed the terminal when somebody has to log in; these tasks never write ``~/.aws`` themselves.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from aws_airflow_tasks.core import Change, Plan, TaskError, sh
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import LOGIN, Site
from aws_airflow_tasks.steps import choosing, init, staging
from aws_airflow_tasks.steps.layers import UNCHECKED
from aws_airflow_tasks.text.hints import no_region
from aws_airflow_tasks.world import cli, delivery, identity, malformed, profiles, sessions
from aws_airflow_tasks.world.causes import LoginNeeded, Unreachable
from aws_airflow_tasks.world.identity import Known
from aws_airflow_tasks.world.staging import AT_HAND

log = logging.getLogger("aws_airflow_tasks")

#: the first version of the AWS command line that knows a command
SINCE = {("sso", "login"): (2, 0, 0), ("configure", "sso"): (2, 0, 0), ("login",): (2, 32, 0)}


def plan(site: Site, *, sso: bool = False, ask: Callable[[str], str | None] = lambda _: None) -> Plan:
    """Nothing to do while AWS knows us and what is staged is fresh; else a login, if somebody is there, or an export.

    Args:
        site: the project.
        sso: where there are no credentials at all, set up IAM Identity Center instead of access keys.
        ask: has the person type an answer; None: nobody is there.

    Raises:
        TaskError: a definite no from AWS or from the configuration.
    """
    try:
        known = site.identity
    except Unreachable as error:
        return _unchecked(site, error)
    except LoginNeeded as error:
        needed = choosing.named_role(_with_sso(error) if sso else error)
        silent = site.settings.json or site.settings.yes or not cli.terminal()
        if not sso and (there := choosing.candidates(error, site)):
            if silent:
                raise choosing.unnamed(there) from None
            return Plan((_choice(there, ask, site),))
        if silent:
            needed.hint = _typed(needed, site)
            raise needed from None
        return Plan((_login(needed, site),))
    who, ago = f"{known.identity.arn} in {known.credentials.region or 'no region'}", _checked(known)
    return Plan(
        _telling(_changes(site, known), who, site),
        target=f"profile {known.credentials.profile}",
        reason="; ".join(filter(None, (who, ago, _way(site, lately=bool(ago)), *_origins(site, named=True)))),
        warnings=_warnings(site),
    )


def _typed(needed: LoginNeeded, site: Site) -> str:
    """What a person types to log in, after what installs it where it is missing, or too old to know the command."""
    line = "".join(sh(f"{name}={{}} ", url) for name, url in _of_sts(needed.command, site).items()) + needed.hint
    try:
        cli.find(needed.command[0])
    except TaskError as missing:
        return f"{missing.hint}\n{line}"
    wanted = _since(needed.command)
    with contextlib.suppress(TaskError):  # it may be a wrapper that says no version
        if wanted and cli.aws_version() < wanted:
            return f"{cli.install('aws')}\n{line}"
    return line


def _since(command: Sequence[str]) -> tuple[int, int, int] | None:
    """The first version of the AWS command line that knows a command of its own; None: any does."""
    return next((since for words, since in SINCE.items() if tuple(command[1 : 1 + len(words)]) == words), None)


def _checked(known: Known) -> str:
    """When AWS said so, where that was not just now."""
    ago = identity.age(time.time() - known.checked)
    return f"identity checked {ago}" if ago else ""


def _way(site: Site, *, lately: bool) -> str:
    """The way that credentials take, until when, and why that one: where somebody asks how things are, or it is short.

    Args:
        site: the project.
        lately: whether the same was said when AWS was asked.
    """
    lasting = staging.lasting(site)
    if site.settings.check or site.settings.fresh:
        return f"{site.way.reason}{lasting}"
    if site.way.name == "live":
        return "" if lately else site.way.reason
    return lasting.removeprefix("; ") or "exported"


def _telling(changes: tuple[Change, ...], who: str, site: Site) -> tuple[Change, ...]:
    """The changes, of which the first says what the line of an unchanged step would: who we are, by whose word."""
    return tuple(
        change._replace(reason="; ".join([who, change.reason, *_origins(site)]) if not number else change.reason)
        for number, change in enumerate(changes)
    )


def _origins(site: Site, *, named: bool = False) -> list[str]:
    """Where profile and region come from, and what else says otherwise, in clauses; not that a region is the profile's.

    Args:
        site: the project.
        named: whether the line that this is part of names the profile already, which goes without saying then.
    """
    by, name = _whence(site), "" if named else f" {site.credentials.profile}"
    said = [f"profile{name} from {by}"] if by else [] if named else [f"profile{name}, as nothing names one"]
    if site.credentials.region and site.credentials.region_origin != profiles.ITS_OWN:
        said.append(f"region from {site.credentials.region_origin}")
    if site.settings.runtime == "auto" and site.runtime.name == "standalone":
        said.append("Airflow on this host, not in containers (dev.mode: standalone in .astro/config.yaml)")
    return said


def _whence(site: Site) -> str:
    """What names the profile; the environment has two variables for it, in botocore's order, and keys. Else empty."""
    asked, origin = site.settings.profile, site.settings.origin("profile")
    named = {name: value for name in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE") if (value := os.environ.get(name))}
    if not asked and site.credentials.kind == "environment":
        return "AWS_ACCESS_KEY_ID" + "".join(
            f", not the keys of {value} ({name})" for name, value in [*named.items()][:1]
        )
    if not asked:
        return next(iter(named), "")
    others = [f"{value} of {name}" for name, value in named.items() if value != asked]
    others += ["the keys of AWS_ACCESS_KEY_ID"] if os.environ.get("AWS_ACCESS_KEY_ID") else []
    return init.shown(Path(origin)) + "".join(f", not {other}" for other in others)


def _changes(site: Site, known: Known) -> tuple[Change, ...]:
    """What is staged for Airflow, and a switch of profile or account since last time, which may not be meant."""
    before, now = identity.used(site.state), known.used
    if before in (None, now):
        return staging.changes(site)
    switch = Change(
        target=f"profile {now.profile}",
        action="switch",
        before=f"{before}\n",
        after=f"{now}\n",
        apply=lambda: identity.use(site.state, now),
        reason=f"last time it was {before}",
    )
    return (switch, *staging.changes(site))


def _unchecked(site: Site, error: Unreachable) -> Plan:
    """Without AWS, keys that are at hand can still be staged, unless it has to say whose they are."""
    stages = site.credentials.kind in AT_HAND and not site.settings.account
    unknown = "" if stages or site.way.name == "live" else ", and nothing is staged"
    return Plan(
        _telling(staging.changes(site), "not checked", site) if stages else (),
        target=f"profile {site.credentials.profile}",
        reason="; ".join(["not checked", *_origins(site, named=True)]),
        warnings=(f"{error.message}; {UNCHECKED}{unknown}", *_warnings(site)),
    )


def _warnings(site: Site) -> tuple[str, ...]:
    found, credentials = [], site.credentials
    name = credentials.profile
    if not credentials.region:
        command = no_region(name)
        found.append(f"no region is set for profile {name}; type: {command}")
    hindered = delivery.hindrance(site.settings, credentials, mounts=site.runtime.mounts)
    if hindered and site.settings.credentials == "live":
        found.append(f"credentials=live will not work: {hindered}; set credentials to auto or export")
    return tuple(found)


def _with_sso(needed: LoginNeeded) -> LoginNeeded:
    if needed.command[:2] != ("aws", "configure"):
        return needed
    return LoginNeeded(needed.message, ("aws", "configure", "sso", *needed.command[2:]), needed.before)


def _choice(there: Mapping[str, str], ask: Callable[[str], str | None], site: Site) -> Change:
    """A profile for this command line, which is heeded as `AWS_PROFILE` is, and a login if it needs one."""

    def choose() -> None:
        os.environ["AWS_PROFILE"] = choosing.chosen(there, ask)
        after = Site(site.settings)
        try:
            changes = _changes(after, after.identity)
        except LoginNeeded as needed:
            _log_in(needed, site.settings)
        else:
            log.info("%s; %s", after.identity.identity.arn, "; ".join(_origins(after)))
            for change in changes:
                change.apply()

    reason = f"nothing names one, and there is no default; to choose from: {', '.join(there)}"
    return Change("profile", LOGIN, None, "a working identity\n", choose, reason=reason)


def _login(needed: LoginNeeded, site: Site) -> Change:
    return Change(
        target=f"profile {site.settings.profile or malformed.named(os.environ) or 'default'}",
        action=LOGIN,
        before=None,
        after="a working identity\n",
        apply=lambda: _log_in(needed, site.settings),
        reason="; ".join([f"{needed.message}: {shlex.join(needed.command)}", *_origins(site, named=True)]),
    )


def _log_in(needed: LoginNeeded, settings: Settings) -> None:
    """Log in, say who we are then, and stage what could not be before."""
    _run(needed, settings)
    after = Site(settings)
    log.info("logged in as %s", "; ".join([after.identity.identity.arn, *_origins(after)]))
    for change in _changes(after, after.identity):
        change.apply()


def _run(needed: LoginNeeded, settings: Settings) -> None:
    wanted = _since(needed.command)
    if wanted and cli.aws_version() < wanted:
        raise TaskError(
            f"`{needed.hint}` needs version {'.'.join(map(str, wanted))} of the AWS command line or a later one",
            hint=cli.install("aws"),
        )
    code = cli.interactive(needed.command, env=_environment(needed.command, settings))
    if code:
        raise TaskError(f"`{needed.hint}` ended with exit code {code}", hint=needed.hint)


def _of_sts(command: Sequence[str], site: Site) -> dict[str, str]:
    """What leads `aws sts` to our setting ``endpoint_url``, where it may (:func:`_environment`)."""
    asks = command[1] == "sts" and site.credentials.source in AT_HAND
    return {"AWS_ENDPOINT_URL_STS": site.settings.endpoint_url} if asks and site.settings.endpoint_url else {}


def _environment(command: Sequence[str], settings: Settings) -> dict[str, str]:
    """What the command is to see of endpoints: none for everything while it logs in (:mod:`~.world.endpoints`).

    `aws sts get-caller-identity`, which asks for an MFA code, is to ask STS at ``endpoint_url``. It gets that as
    ``AWS_ENDPOINT_URL_STS``, which leads no ``sso`` there, and only where the chain begins with keys at hand (an MFA
    device is a user's, who has such): where it begins with a web identity the same variable would lead that there, and
    what a helper does with it nobody knows. STS is AWS's own then.
    """
    if command[1] == "sts" and Site(settings).credentials.source in AT_HAND:
        return os.environ | _of_sts(command, Site(settings))
    return sessions.environment(command[command.index("--profile") + 1] if "--profile" in command else "")
