"""What a profile says besides keys, region and endpoints: what of it comes along to Airflow's staged copy.

There is a row for everything that botocore reads of a profile (``botocore.configprovider``,
https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html). It takes most of it from the environment
first, so what is staged is what holds on this host, in this shell. Endpoints have rules of their own
(:mod:`.endpoints`).
"""

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.settings import shown
from aws_airflow_tasks.text.allowed import matching, one_of
from aws_airflow_tasks.text.hints import profile_option
from aws_airflow_tasks.world import endpoints

#: copied as it is: the name in a profile, behind a dot that in a section of it, and the variable that comes before it
CARRIED = {
    # where requests go
    "use_fips_endpoint": "AWS_USE_FIPS_ENDPOINT",
    "use_dualstack_endpoint": "AWS_USE_DUALSTACK_ENDPOINT",
    "sts_regional_endpoints": "AWS_STS_REGIONAL_ENDPOINTS",
    "endpoint_discovery_enabled": "AWS_ENDPOINT_DISCOVERY_ENABLED",
    "account_id_endpoint_mode": "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "disable_host_prefix_injection": "AWS_DISABLE_HOST_PREFIX_INJECTION",
    "s3_us_east_1_regional_endpoint": "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT",
    "s3_use_arn_region": "AWS_S3_USE_ARN_REGION",
    "s3.s3_disable_multiregion_access_points": "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS",
    # how they are signed
    "auth_scheme_preference": "AWS_AUTH_SCHEME_PREFERENCE",
    "sigv4a_signing_region_set": "AWS_SIGV4A_SIGNING_REGION_SET",
    "s3_disable_express_session_auth": "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH",
    # how they are sent, and sent again
    "retry_mode": "AWS_RETRY_MODE",
    "max_attempts": "AWS_MAX_ATTEMPTS",
    "defaults_mode": "AWS_DEFAULTS_MODE",
    "tcp_keepalive": "BOTOCORE_TCP_KEEPALIVE",
    "parameter_validation": "",
    "sdk_ua_app_id": "AWS_SDK_UA_APP_ID",
    "request_min_compression_size_bytes": "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
    "disable_request_compression": "AWS_DISABLE_REQUEST_COMPRESSION",
    "request_checksum_calculation": "AWS_REQUEST_CHECKSUM_CALCULATION",
    "response_checksum_validation": "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "proxy_use_forwarding_for_https": "",
}
#: likewise, each a file of certificates on this host: what it holds is copied too
FILES = {"ca_bundle": "AWS_CA_BUNDLE", "proxy_ca_bundle": ""}
#: what botocore takes for ``ca_bundle`` where neither the profile nor its own variable has one
#: (``botocore.httpsession`` by way of ``botocore.endpoint``, as requests does)
TRUSTS = "REQUESTS_CA_BUNDLE"
#: likewise, each a place on this host that has no like in a container: refused there, and why
REFUSED = {
    "data_path": ("AWS_DATA_PATH", "the API models there are not in Airflow's image"),
    "proxy_client_cert": ("", "a private key is not copied"),
}
_WHEN = (matching(r"(?i)when_(supported|required)", "when_supported, when_required"), "when_supported")
#: those of them at whose other values every client stumbles, ours alone not always: what is allowed, and what is usual
POSSIBLE = {
    "retry_mode": (one_of("legacy", "standard", "adaptive"), "standard"),
    "max_attempts": (matching(r"\s*\+?0*[1-9]\d*\s*", "a number from 1 on"), "3"),
    "defaults_mode": (
        matching(
            r"(?i)legacy|auto|standard|(in|cross)-region|mobile",
            "legacy, auto, standard, in-region, cross-region, mobile",
        ),
        "legacy",
    ),
    "sts_regional_endpoints": (matching("(legacy|regional)?", "legacy, regional"), "regional"),
    "request_checksum_calculation": _WHEN,
    "response_checksum_validation": _WHEN,
}
#: left out, and why Airflow asks the same without it; sections in a profile (``s3``, ``api_versions``, and those of
#: other services with a ``signature_version``) have no row: all of them are copied
LEFT = {
    "profile": "the staged files are the profile",
    "config_file": "they have their own place",
    "credentials_file": "likewise",
    "region": "staged from the settings, the profile or the environment",
    "ignore_configured_endpoint_urls": "only endpoints that count are staged",
    "csm_enabled": "metrics for an agent on this host; no request differs",
    "csm_host": "likewise",
    "csm_port": "likewise",
    "csm_client_id": "likewise",
    "metadata_service_timeout": "staged keys are not asked of a metadata service",
    "metadata_service_num_attempts": "likewise",
    "ec2_metadata_service_endpoint": "likewise",
    "ec2_metadata_service_endpoint_mode": "likewise",
    "ec2_metadata_v1_disabled": "likewise",
    "imds_use_ipv6": "likewise",
}
_PLACES = FILES | {name: variable for name, (variable, _) in REFUSED.items()}
#: every variable that comes before a profile's own word
VARIABLES = (*filter(None, (CARRIED | _PLACES).values()), TRUSTS)


class Along(NamedTuple):
    """What comes along with the keys.

    Attributes:
        settings: the profile's, by name; its sections are mappings.
        copied: the files of this host that are copied, by the name that each gets.
        texts: what they hold.
    """

    settings: Mapping[str, Any]
    copied: Mapping[str, str]
    texts: Mapping[str, str]


#: nothing does
ALONE = Along({}, {}, {})


def along(profile: str, values: Mapping[str, Any], *, mounts: bool) -> Along:
    """What comes along with a profile's keys, as it holds on this host now.

    Args:
        profile: its name.
        values: what it says, as botocore reads it.
        mounts: whether Airflow runs in containers.

    Raises:
        TaskError: something cannot come along.
    """
    settings = in_effect(values, os.environ)
    if mounts:
        _refuse(settings, profile, os.environ)
    files = {name: settings[name] for name in FILES if settings.get(name)}
    copied = {f"{name}.pem": str(Path(path).absolute()) for name, path in files.items()}
    return Along(settings, copied, {f"{name}.pem": _certificates(name, path) for name, path in files.items()})


def in_effect(values: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """What holds on this host of all that is carried, copied or refused, by name; sections are mappings.

    Args:
        values: the profile's, as botocore reads them.
        environ: the environment, which comes before them, an empty variable too.
    """
    found: dict[str, Any] = {name: dict(value) for name, value in values.items() if isinstance(value, Mapping)}
    for name, variable in (CARRIED | _PLACES).items():
        section, _, key = name.rpartition(".")
        value = environ.get(variable, _own(values, name))
        if isinstance(value, str):
            place = found.setdefault(section, {}) if section else found
            place[key] = value
    if "ca_bundle" not in found and environ.get(TRUSTS):
        found["ca_bundle"] = environ[TRUSTS]
    return found


def _own(values: Mapping[str, Any], name: str) -> Any:
    section, _, key = name.rpartition(".")
    holder = values.get(section) if section else values
    return holder.get(key) if isinstance(holder, Mapping) else None


def places(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of a profile's settings that name a place on this host, which a container does not see."""
    return tuple(name for name in _PLACES if values.get(name))


def only_here(values: Mapping[str, Any], environ: Mapping[str, str], endpoint_url: str) -> str:
    """Why the person's files alone would lead Airflow elsewhere than this shell, in a clause; empty: they would not.

    ``AWS_CA_BUNDLE`` is none of the reasons: it says whom to trust, not where to go.

    Args:
        values: the profile's.
        environ: this shell's environment.
        endpoint_url: our setting.
    """
    named = CARRIED | {endpoints.IGNORE.removeprefix("AWS_").lower(): endpoints.IGNORE}
    for name, variable in named.items():
        if variable in environ and environ[variable] != _own(values, name):
            return f"{variable} is set in this shell only"
    return "the profile ignores every endpoint_url" if endpoint_url and endpoints.ignored(values, {}) else ""


def refuse_impossible(profile: str, values: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Raise TaskError for a value that no client takes: our own have retries of their own, Airflow's have not.

    Args:
        profile: its name.
        values: what it says, as botocore reads it.
        environ: the environment, which comes before it.
    """
    for name, (wrong, usual) in POSSIBLE.items():
        variable = CARRIED[name]
        value = environ.get(variable, values.get(name))
        if isinstance(value, str) and (allowed := wrong(value)):
            told = variable if variable in environ else f"{name} of profile {profile}"
            command = sh("aws configure set {} {}", name, usual) + profile_option(profile)
            raise TaskError(
                f"{told} is {shown(value)}; allowed: {allowed}",
                hint=sh("unset {}", variable) if variable in environ else command,
            )


def _refuse(found: Mapping[str, Any], profile: str, environ: Mapping[str, str]) -> None:
    """Raise TaskError where something of :func:`in_effect` cannot come along to a container."""
    for name, (variable, why) in REFUSED.items():
        if found.get(name):
            command = sh("aws configure set {} ''", name) + profile_option(profile)
            raise TaskError(
                f"{name} of profile {profile} cannot come along to Airflow's containers: {why}",
                hint=sh("unset {}", variable) if variable in environ else f"{command}   # or name another profile",
            )


def _certificates(name: str, path: str) -> str:
    """What a file of certificates holds, but for a private key, which may stand beside them.

    Args:
        name: the setting.
        path: its value; botocore takes a relative one from the working directory, and ``~`` for itself.

    Raises:
        TaskError: it cannot be read.
    """
    file = Path(path).absolute()
    try:
        if not file.is_file():
            raise FileNotFoundError(errno.ENOENT, "it is no file")
        text = file.read_bytes().decode("utf-8", errors="surrogateescape")
    except OSError as error:
        raise TaskError(f"{name} {path} cannot be read: {error.strerror}", hint=sh("ls -l {}", file)) from None
    return re.sub(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----\n?|$)", "", text, flags=re.S)
