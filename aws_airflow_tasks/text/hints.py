"""Command lines of `aws` and of installers, or parts of them, for a person to type."""

from __future__ import annotations

import importlib.util
import sys

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


def install(package: str) -> str:
    """What installs a package beside this program: a virtual environment of `uv` or `pipx` may have no pip."""
    if importlib.util.find_spec("pip"):
        return sh("{} -m pip install {}", sys.executable, package)
    return sh("uv pip install --python {} {}", sys.executable, package)
