"""AWS profiles as botocore reads them: which one is meant, where its files are, of which kind its credentials are."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world.causes import LoginNeeded, Subject, explained, profile_option

if TYPE_CHECKING:
    from botocore.session import Session

Kind = Literal[
    "static",
    "session",
    "sso",
    "assume-role",
    "mfa",
    "web-identity",
    "process",
    "login",
    "environment",
    "metadata",
    "missing",
]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the configuration says of the profile in use; no secret, and no network was asked.

    Attributes:
        profile: its name.
        kind: what its credentials are made of.
        region: the region of the secrets backend, or empty.
        region_origin: where that came from.
        chain: the profiles from this one to the one whose credentials begin it.
        config_file: the path of the configuration file, absolute; it may not exist.
        credentials_file: likewise of the shared credentials file.
    """

    profile: str
    kind: Kind
    region: str
    region_origin: str
    chain: tuple[str, ...]
    config_file: Path
    credentials_file: Path

    @property
    def directory(self) -> Path:
        """The one directory that holds the files there are.

        Raises:
            TaskError: they lie in two directories, and one mount cannot carry both.
        """
        folders = {path.parent for path in (self.config_file, self.credentials_file) if path.exists()}
        if len(folders) > 1:
            raise TaskError(
                f"AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name two directories, {self.config_file.parent}"
                f" and {self.credentials_file.parent}; mounting them live needs one",
                hint="put both files into one directory and let both variables name it",
            )
        return folders.pop() if folders else self.config_file.parent


def session(settings: Settings) -> Session:
    """A botocore session for the profile asked for, else for the one that the AWS command line would take.

    It never asks the metadata service on its own (that only hangs on a laptop) and never prompts for an MFA code. Like
    the AWS command line it keeps a refreshed SSO token in ``~/.aws/sso/cache``, as the one before is void then.

    Raises:
        TaskError: the configuration cannot be read or has no such profile.
    """
    for name in ("botocore", "boto3", "urllib3"):  # below WARNING they print secrets and tokens
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("botocore.credentials", "botocore.tokens"):  # they log a traceback of what they raise as well
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import botocore.session

    made: Session = botocore.session.Session(profile=settings.profile or None)
    _readable(made)
    name = made.get_config_variable("profile") or "default"
    with explained(Subject(name)):
        if made.get_config_variable("profile") and name not in made.available_profiles:
            raise _not_found(name, made)
        resolver = made.get_component("credential_provider")
    resolver.remove("iam-role")
    assume_role = resolver.get_provider("assume-role")
    assume_role._prompter = lambda _: _mfa(name)
    return made


def _not_found(name: str, made: Session) -> TaskError:
    known = ", ".join(sorted(made.available_profiles)) or "none"
    return TaskError(
        f"there is no profile {name} (there are: {known})", hint=f"aws configure{profile_option(name)}"
    )


def _mfa(name: str) -> str:
    raise LoginNeeded(
        f"profile {name} asks for an MFA code", ("aws", "sts", "get-caller-identity", "--profile", name)
    )


def _readable(made: Session) -> None:
    """botocore takes a file that it may not read for an empty one, and says nothing."""
    for path in locations(made):
        if path.exists() and not (path.is_file() and os.access(path, os.R_OK)):
            raise TaskError(f"{path} is not a file that you can read", hint=f"ls -ld {path}")


def locations(made: Session) -> tuple[Path, Path]:
    """The configuration file and the shared credentials file, absolute, whether they exist or not."""
    config, credentials = (
        Path(os.path.expandvars(made.get_config_variable(name))).expanduser().absolute()
        for name in ("config_file", "credentials_file")
    )
    return config, credentials


def read(made: Session, settings: Settings, environ: Mapping[str, str]) -> Credentials:
    """What the configuration says of the session's profile.

    Raises:
        TaskError: the configuration is broken.
    """
    name = made.get_config_variable("profile") or "default"
    with explained(Subject(name)):
        profiles: Mapping[str, Mapping[str, Any]] = made.full_config["profiles"]
    region, origin = _region(settings, profiles.get(name, {}), environ)
    config, credentials = locations(made)
    kind, chain = classify(name, profiles, environ, explicit=bool(settings.profile))
    return Credentials(name, kind, region, origin, chain, config, credentials)


def _region(settings: Settings, profile: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, str]:
    ways = (
        (settings.region, "the settings"),
        (str(profile.get("region", "")), "the profile"),
        (environ.get("AWS_DEFAULT_REGION", ""), "AWS_DEFAULT_REGION"),
        (environ.get("AWS_REGION", ""), "AWS_REGION"),
    )
    return next(((region, origin) for region, origin in ways if region), ("", ""))


def classify(
    name: str, profiles: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str], *, explicit: bool
) -> tuple[Kind, tuple[str, ...]]:
    """Walk the ``source_profile`` chain as botocore's own providers do, in their order.

    Args:
        name: the profile in use.
        profiles: every profile's values, of both files.
        environ: the environment; its keys come before a profile that was not asked for explicitly.
        explicit: whether the profile was asked for by flag or setting.

    Returns:
        The kind, and the names from ``name`` to the profile whose credentials begin the chain.
    """
    if not explicit and environ.get("AWS_ACCESS_KEY_ID"):
        return "environment", (name,)
    chain, needs_mfa, assumes = [name], False, False
    while True:
        values = profiles.get(chain[-1], {})
        if "role_arn" not in values or "web_identity_token_file" in values:
            break
        assumes, needs_mfa = True, needs_mfa or "mfa_serial" in values
        source = values.get("source_profile")
        if source is None or source in chain:
            break
        chain.append(str(source))
    first = _own_kind(profiles.get(chain[-1], {}), environ, explicit=explicit)
    kind: Kind = "mfa" if needs_mfa else "assume-role" if assumes and first != "web-identity" else first
    return kind, tuple(chain)


def _own_kind(values: Mapping[str, Any], environ: Mapping[str, str], *, explicit: bool) -> Kind:
    """The kind of one profile's own credentials, in the order of botocore's providers."""
    ways: tuple[tuple[Kind, bool], ...] = (
        ("web-identity", "web_identity_token_file" in values),
        ("web-identity", not explicit and "AWS_WEB_IDENTITY_TOKEN_FILE" in environ),
        ("sso", "sso_start_url" in values or "sso_session" in values),
        ("session", "aws_access_key_id" in values and "aws_session_token" in values),
        ("static", "aws_access_key_id" in values),
        ("login", "login_session" in values),
        ("process", "credential_process" in values),
        ("metadata", "credential_source" in values or "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in environ),
        ("metadata", "AWS_CONTAINER_CREDENTIALS_FULL_URI" in environ),
    )
    return next((kind for kind, found in ways if found), "missing")


def subject(credentials: Credentials, settings: Settings, resource: str = "*") -> Subject:
    """How errors name this profile, and what renews credentials of its kind."""
    login = _login(credentials)
    return Subject(
        credentials.profile,
        credentials.region,
        renew=" ".join(login) or _renew(credentials),
        login=login,
        endpoint=settings.endpoint_url,
        resource=resource,
    )


def _login(credentials: Credentials) -> tuple[str, ...]:
    first = credentials.chain[-1]
    option = ("--profile", first) if first != "default" else ()
    commands: dict[str, tuple[str, ...]] = {
        "sso": ("aws", "sso", "login", *option),
        "login": ("aws", "login", *option),
        "missing": ("aws", "configure", *option),
    }
    return commands.get(credentials.kind, ())


def _renew(credentials: Credentials) -> str:
    if credentials.kind == "environment":
        return "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN   # or set fresh ones"
    if credentials.kind == "session":
        return f"put fresh keys into {credentials.credentials_file}, section [{credentials.chain[-1]}]"
    return f"aws configure{profile_option(credentials.chain[-1])}"
