"""Which endpoint a request may follow: a login goes to AWS, or to an endpoint of its own, never to one for everything.

A login is what IAM Identity Center (``sso``, ``sso-oidc``), ``aws login`` (``signin``) and STS's
AssumeRoleWithWebIdentity are sent: a token that is good for whoever has it. Every other request carries a signature,
good for one host and some minutes. So an endpoint for everything (our setting ``endpoint_url``, which a project may
name, ``AWS_ENDPOINT_URL``, a profile's ``endpoint_url``) is not for logins. An endpoint that names the service is, as
in AWS's SDKs: ``AWS_ENDPOINT_URL_SSO``, ``_SSO_OIDC``, ``_SIGNIN``, ``_STS`` in the environment, or a ``services``
section of ``~/.aws/config`` (https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.session import Session

#: the services that are sent nothing but logins
LOGIN = ("sso", "sso-oidc", "signin")
#: the variable with an endpoint for everything; with a service's name behind it, one for that service
EVERYTHING = "AWS_ENDPOINT_URL"


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
        found["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true"
    return found


def _values(made: Session) -> dict[str, Any]:
    """The values of the session's profile; none where there is no such profile yet."""
    found: dict[str, Any] = made.full_config["profiles"].get(made.get_config_variable("profile") or "default", {})
    return found
