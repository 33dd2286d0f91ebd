"""Which endpoints there are, and which a request may follow.

A login goes to AWS, or to an endpoint of its own, never to one for everything.

A login is what IAM Identity Center (``sso``, ``sso-oidc``), ``aws login`` (``signin``) and STS's
AssumeRoleWithWebIdentity are sent: a token that is good for whoever has it. Every other request carries a signature,
good for one host and some minutes. So an endpoint for everything (our setting ``endpoint_url``, which a project may
name, ``AWS_ENDPOINT_URL``, a profile's ``endpoint_url``) is not for logins. An endpoint that names the service is, as
in AWS's SDKs: ``AWS_ENDPOINT_URL_SSO``, ``_SSO_OIDC``, ``_SIGNIN``, ``_STS`` in the environment, or a ``services``
section of ``~/.aws/config`` (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from botocore.session import Session

#: the services that are sent nothing but logins
LOGIN = ("sso", "sso-oidc", "signin")
#: the variable with an endpoint for everything; with a service's name behind it, one for that service
EVERYTHING = "AWS_ENDPOINT_URL"
#: switches off every endpoint that is not given in code
IGNORE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
_LOGINS = frozenset(f"{EVERYTHING}_{service.replace('-', '_').upper()}" for service in LOGIN)
#: how a service is called in the variable with its endpoint, where that is not just its name
_CALLED = {"secretsmanager": "SECRETS_MANAGER"}


def of_shell(environ: Mapping[str, str]) -> dict[str, str]:
    """The endpoints that the environment names, by variable, but for those of logins."""
    return {
        name: value
        for name, value in environ.items()
        if value and re.fullmatch(rf"{EVERYTHING}(_[A-Z0-9_]+)?", name) and name not in _LOGINS
    }


def of_logins(environ: Mapping[str, str]) -> str:
    """Why a login by Airflow itself would not go where one in this shell goes, in a clause; empty: it would."""
    return next((f"{name} is set in this shell only" for name in sorted(_LOGINS) if environ.get(name)), "")


def of_profile(values: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, str]:
    """The endpoints that a profile names, by the variables that would say the same, but for those of logins.

    Args:
        values: the profile's.
        sections: the ``services`` sections by name.
    """
    section = sections.get(str(values.get("services")), {})
    named = {of: each.get("endpoint_url") for of, each in section.items() if isinstance(each, dict)}
    found = {EVERYTHING: values.get("endpoint_url")} | {f"{EVERYTHING}_{of.upper()}": url for of, url in named.items()}
    return {name: str(url) for name, url in found.items() if url and name not in _LOGINS}


def ignored(values: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Whether every endpoint of environment and profile is switched off."""
    return str(environ.get(IGNORE, values.get(IGNORE.removeprefix("AWS_").lower(), ""))).lower() == "true"


def in_effect(values: Mapping[str, Any], sections: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """The endpoints of environment and profile that count, in botocore's order (its ``ConfiguredEndpointProvider``)."""
    if ignored(values, environ):
        return {}
    shell = of_shell(environ)
    return shell if EVERYTHING in shell else of_profile(values, sections) | shell


def of(found: Mapping[str, str], service: str) -> str:
    """Of endpoints by variable the one of a service, such as ``secretsmanager``; empty: AWS's own."""
    called = _CALLED.get(service, service.replace("-", "_").upper())
    return found.get(f"{EVERYTHING}_{called}") or found.get(EVERYTHING, "")


def service(variable: str) -> str:
    """The name of a service in a ``services`` section, from the variable with its endpoint."""
    return variable.removeprefix(f"{EVERYTHING}_").lower()


def is_loopback(url: str) -> bool:
    """Whether a URL leads to the host that asks, in any spelling: a container would ask itself.

    ``0.0.0.0`` and ``::`` connect to this host too, and C libraries read ``2130706433``, ``0x7f.1`` and ``127.1`` as
    addresses. ``localhost.localstack.cloud``, which LocalStack's manual has, is 127.0.0.1 in the DNS.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    if re.fullmatch(r"(.+\.)?localhost(\.localdomain|\.localstack\.cloud)?|(ip6-)?(localhost|loopback)[46]?", host):
        return True
    address: ipaddress.IPv4Address | ipaddress.IPv6Address | None = None
    with contextlib.suppress(OSError, ValueError):
        address = ipaddress.IPv4Address(socket.inet_aton(host))
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped is not None and (mapped.is_loopback or mapped.is_unspecified)


def of_login(made: Session, service: str) -> str:
    """The endpoint that a session's environment and profile name for this very service; empty: AWS's own."""
    if made.get_config_variable("ignore_configured_endpoint_urls"):
        return ""
    key, sections = service.replace("-", "_"), made.full_config.get("services", {})
    section = sections.get(_values(made).get("services"), {}).get(key)
    named = section.get("endpoint_url", "") if isinstance(section, dict) else ""
    return str(os.environ.get(f"{EVERYTHING}_{key.upper()}") or named)


def elsewhere(made: Session) -> bool:
    """Whether the environment or the profile names any endpoint but AWS's own."""
    return any(name.startswith(EVERYTHING) for name in os.environ) or bool(
        _values(made).keys() & {"endpoint_url", "services"}
    )


def for_command_line(made: Session) -> dict[str, str]:
    """The environment for an `aws` command line that logs in, or may refresh a login, of a session's profile.

    The command line takes an endpoint for everything from two places, and sends logins there too. ``AWS_ENDPOINT_URL``
    is left out. The profile's ``endpoint_url`` stands in a file of the person's, and nothing but
    ``AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`` switches it off, together with every other configured endpoint: it is set
    where the profile has one, unless each service has an endpoint of its own, which comes first. So where some have one
    and others have not, all logins go to AWS.
    """
    found = {name: value for name, value in os.environ.items() if name != EVERYTHING}
    if _values(made).get("endpoint_url") and not all(of_login(made, service) for service in (*LOGIN, "sts")):
        found[IGNORE] = "true"
    return found


def before_login(made: Session) -> str:
    """What is typed before the command line of a login, so that it sees what :func:`for_command_line` says."""
    wanted = for_command_line(made)
    words = [f"-u {name}" for name in os.environ if name not in wanted]
    words += [f"{name}={value}" for name, value in wanted.items() if os.environ.get(name) != value]
    return " ".join(["env", *words, ""]) if words else ""


def _values(made: Session) -> dict[str, Any]:
    """The values of the session's profile; none where there is no such profile yet."""
    found: dict[str, Any] = made.full_config["profiles"].get(made.get_config_variable("profile") or "default", {})
    return found
