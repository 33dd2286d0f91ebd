"""What the AWS configuration says of a profile: its files, its region, and what its credentials are made of."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.settings import Settings, shown
from aws_airflow_tasks.text.allowed import not_a_url
from aws_airflow_tasks.text.calling import under
from aws_airflow_tasks.text.hints import (
    by_hand,
    configure,
    editor,
    endpoint_option,
    note,
    profile_option,
    unwritable,
    where,
)
from aws_airflow_tasks.world import endpoints, profile_settings
from aws_airflow_tasks.world.causes import UNSET, Subject, explained
from aws_airflow_tasks.world.kinds import IN_NO_FILE, Kind, Profiles, Values, classify, in_no_file
from aws_airflow_tasks.world.sessions import locations, profile_name, shared

if TYPE_CHECKING:
    from botocore.session import Session

#: where a region is from that the profile names
ITS_OWN = "the profile"


class Credentials(NamedTuple):
    """What the configuration says of the profile in use; no secret, and no network was asked.

    Attributes:
        profile: its name.
        kind: what its credentials are made of.
        source: what those are made of that the chain begins with; the same as ``kind`` where there is no chain.
        region: the region of the secrets backend, or empty.
        region_origin: where that came from.
        output: the output format of the AWS command line, or empty.
        chain: the profiles from this one to the one whose credentials begin it.
        config_file: the path of the configuration file, absolute; it may not exist.
        credentials_file: likewise of the shared credentials file.
        staged: whether these are the staged copy's files, not the person's.
        endpoints: every endpoint that requests without a login follow, from the settings, the environment or the
            profile, by the variable that would name it (:mod:`.endpoints`); none: AWS's own.
        outside: those of them that no profile names but the settings or the environment: Airflow is told in ``.env``.
        only_here: why these files alone would lead Airflow elsewhere than this shell, in a clause.
        places: the profile's settings that name a place on this host, such as ``ca_bundle``.
        before_login: what is typed before the command line of a login, so that no endpoint for everything has it.
    """

    profile: str
    kind: Kind
    source: Kind
    region: str
    region_origin: str
    output: str
    chain: tuple[str, ...]
    config_file: Path
    credentials_file: Path
    staged: bool = False
    endpoints: Mapping[str, str] = MappingProxyType({})
    outside: Mapping[str, str] = MappingProxyType({})
    only_here: str = ""
    places: tuple[str, ...] = ()
    before_login: str = ""

    @property
    def directory(self) -> Path:
        """The one directory that holds the files there are.

        Raises:
            TaskError: they lie in two directories, and one mount cannot carry both.
        """
        folders = {path.parent for path in (self.config_file, self.credentials_file) if path.is_file()}
        if len(folders) > 1:
            raise TaskError(
                f"AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name two directories, {self.config_file.parent}"
                f" and {self.credentials_file.parent}; mounting them live needs one",
                hint=under({"credentials": "export"}, "setup"),
            )
        named = (path.parent for path in (self.config_file, self.credentials_file) if path != Path(os.devnull))
        return folders.pop() if folders else next(named, Path.home() / ".aws")

    def origin(self, settings: Settings, name: str) -> str:
        """Where the endpoint is named that ``endpoints`` has as ``name``."""
        if settings.endpoint_url:
            return "endpoint_url"
        what = "endpoint_url" if name == endpoints.EVERYTHING else "the services section"
        return name if name in self.outside else f"{what} of profile {self.profile}"


def read(made: Session, settings: Settings, environ: Mapping[str, str]) -> Credentials:
    """What the configuration says of the session's profile.

    Raises:
        TaskError: the configuration is broken.
    """
    name, (config, credentials) = profile_name(made), locations(made)
    with explained(Subject(name)):
        profiles = made.full_config["profiles"]
        alone = shared(credentials)  # keys in it come before a ``credential_process``, keys in the other file after
    kind, source, chain = classify(name, profiles, alone, environ, explicit=bool(settings.profile))
    values = profiles.get(name, {})
    region, origin = _region(settings, values, environ)
    output = str(values.get("output", ""))
    found = Credentials(name, kind, source, region, origin, output, chain, config, credentials)
    found = _with_settings(found, settings, values, made.full_config.get("services", {}), environ)
    return found._replace(
        only_here=in_no_file(source, profiles.get(chain[-1], {})) or found.only_here,
        before_login=endpoints.before_login(made) if source in ("sso", "login") else "",
    )


def _with_settings(
    found: Credentials, settings: Settings, values: Values, sections: Profiles, environ: Mapping[str, str]
) -> Credentials:
    """The same with what the profile and the environment say besides."""
    if settings.endpoint_url:
        outside = named = {endpoints.EVERYTHING: settings.endpoint_url}
    else:
        named, shell = endpoints.in_effect(values, sections, environ), endpoints.of_shell(environ)
        outside = {name: url for name, url in named.items() if name in shell}
    logins = endpoints.of_logins(environ) if found.source in ("sso", "web-identity") else ""
    made = found._replace(
        endpoints=named,
        outside=outside,
        only_here=profile_settings.only_here(values, environ, settings.endpoint_url) or logins,
        places=profile_settings.places(values),
    )
    for name, url in named.items():
        if allowed := not_a_url(url):
            unset = sh("unset {}", name) if name in outside else where(["endpoint_url"], found.config_file)
            raise TaskError(f"{made.origin(settings, name)} is {shown(url)}; allowed: {allowed}", hint=unset)
    return made


def _region(settings: Settings, values: Values, environ: Mapping[str, str]) -> tuple[str, str]:
    ways = (
        (settings.region, "the settings"),
        (str(values.get("region", "")), ITS_OWN),
        (environ.get("AWS_DEFAULT_REGION", ""), "AWS_DEFAULT_REGION"),
        (environ.get("AWS_REGION", ""), "AWS_REGION"),
    )
    return next(((region, origin) for region, origin in ways if region), ("", ""))


def of_account(profiles: Profiles, account: str) -> list[str]:
    """The names of the profiles that say themselves which account they are of, where it is this one."""
    return [
        name
        for name, values in profiles.items()
        if account in (str(values.get("sso_account_id")), *str(values.get("role_arn")).split(":")[4:5])
    ]


def subject(
    credentials: Credentials, settings: Settings, resources: tuple[str, ...] = ("*",), key: Callable[[], str] = str
) -> Subject:
    """How errors name this profile, and what renews credentials of its kind."""
    login, before = _login(credentials), credentials.before_login
    return Subject(
        credentials.profile,
        credentials.region,
        renew=before + shlex.join(login) if login else _renew(credentials),
        login=login,
        before=before,
        endpoint=endpoints.of(credentials.endpoints, "sts"),
        options=partial(options, credentials, settings),
        resources=resources,
        key=key,
    )


def options(credentials: Credentials, settings: Settings, service: str) -> str:
    """The options by which a command line of `aws` asks a service as we do, whatever shell it is typed in.

    It has ``AWS_DEFAULT_REGION`` before the profile's region, its older versions know no ``AWS_ENDPOINT_URL``, and a
    profile that it is given comes before keys in the environment.
    """
    name = sh(" --profile {}", settings.profile) if settings.profile else profile_option(credentials.profile)
    profile = "" if credentials.kind == "environment" else name
    region = sh(" --region {}", credentials.region) if credentials.region else ""
    return profile + region + endpoint_option(endpoints.of(credentials.endpoints, service))


def _login(credentials: Credentials) -> tuple[str, ...]:
    first = credentials.chain[-1]
    option = tuple(shlex.split(profile_option(first)))
    commands: dict[str, tuple[str, ...]] = {
        "sso": ("aws", "sso", "login", *option),
        "login": ("aws", "login", *option),
        "missing": () if unwritable() else ("aws", "configure", *option),
    }
    return commands.get(credentials.source, ())


def _renew(credentials: Credentials) -> str:
    if credentials.source == "environment" and credentials.kind == "environment":
        return UNSET
    if credentials.source == "environment":
        whose = f"profile {credentials.chain[-1]} takes its keys from there (credential_source)"
        return note(f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN, in this shell: {whose}")
    if credentials.source == "session":
        return f"{editor(credentials.credentials_file)}   # fresh keys for its section [{credentials.chain[-1]}]"
    if credentials.source == "process":
        return by_hand(credentials.chain[-1])
    by_shell = credentials.only_here == IN_NO_FILE.get(credentials.source)
    if credentials.source == "metadata" and by_shell:
        return note("start anew what gives keys where AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI leads")
    if credentials.source == "metadata":
        return note("only a machine of AWS's with a role has such keys: type it there, or name another profile")
    if credentials.source == "web-identity" and by_shell:
        return note("have a fresh token written where AWS_WEB_IDENTITY_TOKEN_FILE leads, by what wrote the last one")
    if credentials.source == "web-identity":
        whose = f"web_identity_token_file of profile {credentials.chain[-1]}"
        return note(f"have a fresh token written where {whose} leads, by what wrote the last one")
    return configure(credentials.chain[-1])
