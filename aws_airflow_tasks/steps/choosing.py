"""Which profile is meant, where nothing names one and there is no default: a question, or all their names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import malformed
from aws_airflow_tasks.world.causes import LoginNeeded

#: says who made this machine; https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html
VENDOR = Path("/sys/class/dmi/id/sys_vendor")


def named_role(needed: LoginNeeded) -> LoginNeeded:
    """The same, and on an EC2 instance what has its role used: nobody but a profile decides on that."""
    with contextlib.suppress(OSError):
        if needed.command[:2] == ("aws", "configure") and "Amazon EC2" in VENDOR.read_text(encoding="utf-8"):
            needed.message += (
                "; the role of this EC2 instance is used where a profile with a role_arn has"
                " credential_source = Ec2InstanceMetadata"
            )
    return needed


def candidates(needed: LoginNeeded, site: Site) -> Mapping[str, str]:
    """The profiles to choose from, by name, and what kind; none where another way leads to credentials.

    Args:
        needed: what the profile that nothing names lacks.
        site: the project.
    """
    named = site.settings.profile or malformed.named(os.environ)
    return {} if named or needed.command[:2] != ("aws", "configure") else site.account.listed


def unnamed(there: Mapping[str, str]) -> TaskError:
    """The error where nobody can be asked."""
    return TaskError(
        f"nothing names a profile, and there is no default; there are: {_listed(there)}",
        hint="\n".join(command("creds", sh("--profile {}", name)) for name in list(there)[:5]),
    )


def chosen(there: Mapping[str, str], ask: Callable[[str], str | None]) -> str:
    """The profile that the person chooses, by its number or name.

    Raises:
        TaskError: they choose none of them.
    """
    names = list(there)
    lines = [f"  {number} {name} ({kind})" for number, (name, kind) in enumerate(there.items(), 1)]
    question = "Nothing names a profile, and there is no default. Which one? To keep it: export AWS_PROFILE=NAME"
    for _ in range(3):
        answer = ask("\n".join([question, *lines])) or ""
        if answer in there:
            return answer
        if answer.isdecimal() and 0 < int(answer) <= len(names):
            return names[int(answer) - 1]
        question = f"{answer or 'That'} is none of them. A number or a name:"
    raise unnamed(there)


def _listed(there: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in there.items())
