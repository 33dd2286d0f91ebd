"""What a profile's credentials are made of, told from its values alone; no file is read and nobody is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

#: what credentials are made of; ``metadata`` is the metadata service of a machine or container
Kind = Literal[
    "static", "session", "sso", "assume-role", "mfa", "web-identity", "process", "login", "environment", "metadata",
    "missing",
]  # fmt: skip
#: the values of one profile, and those of all profiles by name
Values = Mapping[str, Any]
Profiles = Mapping[str, Values]
#: how a person calls a profile of a kind
WORDS: dict[Kind, str] = {
    "static": "keys",
    "session": "session keys",
    "sso": "SSO",
    "assume-role": "role",
    "mfa": "role with MFA",
    "web-identity": "web identity",
    "process": "helper",
    "login": "aws login",
    "environment": "environment keys",
    "metadata": "this machine's role",
}
#: why the files alone are not enough, by kind
IN_NO_FILE: dict[Kind, str] = {
    "web-identity": "the web identity is named by this shell's environment alone",
    "metadata": "the service that gives keys is named by this shell's environment alone",
}


def classify(
    name: str, profiles: Profiles, shared: Profiles, environ: Mapping[str, str], *, explicit: bool
) -> tuple[Kind, Kind, tuple[str, ...]]:
    """Walk the ``source_profile`` chain as botocore's own providers do, in their order (``botocore.credentials``).

    Args:
        name: the profile in use.
        profiles: every profile's values, of both files.
        shared: those of the shared credentials file alone.
        environ: the environment; its keys come before a profile that was not asked for explicitly.
        explicit: whether the profile was asked for by flag or setting.

    Returns:
        The kind, the kind of the credentials that the chain begins with, and the chain's names.
    """
    if not explicit and environ.get("AWS_ACCESS_KEY_ID"):
        return "environment", "environment", (name,)
    chain, mfa, assumes = [name], False, False
    while _assumes(values := profiles.get(chain[-1], {}), first=len(chain) == 1):
        assumes, mfa = True, mfa or "mfa_serial" in values
        following = values.get("source_profile")
        if following is None or following in chain:
            break
        chain.append(str(following))
    source = _own_kind(profiles.get(chain[-1], {}), shared.get(chain[-1], {}), environ, explicit=explicit)
    return "mfa" if mfa else "assume-role" if assumes else source, source, tuple(chain)


def _assumes(values: Values, *, first: bool) -> bool:
    """Whether a profile assumes a role; keys of its own end a chain, unless it begins there."""
    return (
        "role_arn" in values
        and "web_identity_token_file" not in values
        and (first or "aws_access_key_id" not in values)
    )


def _own_kind(values: Values, shared: Values, environ: Mapping[str, str], *, explicit: bool) -> Kind:
    """The kind of one profile's own credentials, in the order of botocore's providers."""
    keys: Kind = "session" if values.keys() & {"aws_session_token", "aws_security_token"} else "static"
    at_service = values.get("credential_source")
    ways: tuple[tuple[Kind, bool], ...] = (
        ("environment", at_service == "Environment"),
        ("metadata", at_service is not None),
        ("web-identity", "web_identity_token_file" in values),
        ("web-identity", not explicit and "AWS_WEB_IDENTITY_TOKEN_FILE" in environ),
        ("sso", bool(values.keys() & {"sso_role_name", "sso_account_id"})),
        (keys, "aws_access_key_id" in shared),
        ("login", "login_session" in values),
        ("process", "credential_process" in values),
        (keys, "aws_access_key_id" in values),
        ("metadata", any(variable.startswith("AWS_CONTAINER_CREDENTIALS_") for variable in environ)),
    )
    return next((kind for kind, found in ways if found), "missing")


def in_no_file(source: Kind, values: Values) -> str:
    """Why this shell's environment is where keys come from, in a clause; empty: a file says enough.

    Args:
        source: what they are made of.
        values: those of the profile that begins the chain.
    """
    if "web_identity_token_file" in values or values.get("credential_source") == "Ec2InstanceMetadata":
        return ""
    return IN_NO_FILE.get(source, "")


def listed(profiles: Profiles, shared: Profiles, environ: Mapping[str, str]) -> dict[str, str]:
    """The profiles that have credentials, by name, and how a person calls their kind.

    Args:
        profiles: every profile's values, of both files.
        shared: those of the shared credentials file alone.
        environ: the environment.
    """
    kinds = {name: classify(name, profiles, shared, environ, explicit=True)[0] for name in sorted(profiles)}
    return {name: WORDS[kind] for name, kind in kinds.items() if kind in WORDS}
