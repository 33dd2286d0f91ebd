"""Parts of command lines of `aws` for a person to type."""

from __future__ import annotations

from aws_airflow_tasks.core import sh


def no_region(profile: str) -> str:
    """What gives a region to a profile that has none."""
    return f"aws configure set region eu-west-1{profile_option(profile)}"


def endpoint_option(url: str) -> str:
    """`` --endpoint-url URL`` for a command line of `aws`; nothing for AWS's own endpoint."""
    return sh(" --endpoint-url {}", url) if url else ""


def profile_option(profile: str) -> str:
    """`` --profile dev`` for a command line of `aws`; nothing for the default profile."""
    return "" if profile == "default" else sh(" --profile {}", profile)


def by_hand(profile: str) -> str:
    """What runs a profile's credential helper in a shell, where it can show and ask, without showing keys."""
    return f'sh -c "$(aws configure get credential_process{profile_option(profile)})" > /dev/null'
