"""What must be there before anything works, and what trips people: looked at side by side, told in order.

A check is a function in ``steps.prerequisites`` or ``steps.pitfalls`` and a line here.
"""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.core import Check, Pending, TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import pitfalls, prerequisites
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.layout import shortened
from aws_airflow_tasks.world import cli, threads

#: seconds for all that is asked, side by side; who has not answered by then is said to be silent
PATIENCE = 1.7

#: a finding without its name: status, detail, hint
Look = Callable[[Site], Check]


class Row(NamedTuple):
    """A check: what it looks at, in words, and the function that does."""

    about: str
    look: Look


CHECKS = {
    "python": Row("the Python that these tasks run in", prerequisites.python),
    "aws-cli": Row("the `aws` command line: its version, and what that can do here", prerequisites.aws_cli),
    "astro-cli": Row("the `astro` command line: its version, and its mode in this project", prerequisites.astro_cli),
    "engine": Row("the Docker engine: reachable, its API, rootless or snap, memory", prerequisites.engine),
    "disk": Row("free space where the project lies", prerequisites.disk),
    "project": Row("an Astro project is here", prerequisites.project),
    "image": Row("Airflow's major version by the Dockerfile, and its amazon provider", prerequisites.image),
    "identity": Row("who your profile is, as STS says", prerequisites.identity),
    "permissions": Row("whether the identity may read entries; none is written", prerequisites.permissions),
    "override": Row("docker-compose.override.yml can be read", pitfalls.override),
    "env": Row(".env: what its readers see differently", pitfalls.env),
    "env-wins": Row(".env: variables that win over those that we keep", pitfalls.env_wins),
    "env-ignored": Row(".env is ignored by git", pitfalls.env_ignored),
    "shell": Row("keys and endpoints in this shell's own environment", pitfalls.shell),
    "ports": Row("the ports that Airflow wants are free", pitfalls.ports),
    "proxy": Row("proxy variables leave this machine out", pitfalls.proxy),
    "ca-bundle": Row("certificate variables name files that are there", pitfalls.ca_bundle),
    "clock": Row("this machine's clock, by AWS's", pitfalls.clock),
    "state": Row("the state directory is ours alone", pitfalls.state),
    "orphans": Row("state of projects that are gone", pitfalls.orphans),
    "selinux": Row("SELinux, which keeps containers from mounts", pitfalls.selinux),
    "wsl": Row("WSL: the project lies on Linux's own disk", pitfalls.wsl),
}


def listed() -> dict[str, str]:
    """By name what each check looks at."""
    return {"settings": "the settings can be read, and you have agreed to what the project asks for"} | {
        name: row.about for name, row in CHECKS.items()
    }


def checks(settings: Settings, trouble: TaskError | None, *, redact: bool) -> Iterator[Check]:
    """Every check's finding, in the order of the table, once all have answered or the time is over.

    Args:
        settings: of the command line.
        trouble: why they could not be read, if so; then they are but defaults.
        redact: whether account numbers are hidden too; the home directory and what looks like a secret always are.
    """
    begun = {name: threads.begin(_asked(row.look, settings)) for name, row in CHECKS.items()}
    deadline = time.monotonic() + PATIENCE
    yield _told("settings", _settings(trouble), redact)
    for name, future in begun.items():
        yield _told(name, _answer(future, deadline), redact)
    if not all(future.done() for future in begun.values()):
        threads.begin(cli.stop_running)  # nobody wants to know any more


def _asked(look: Look, settings: Settings) -> Callable[[], Check]:
    return lambda: look(Site(settings))  # each its own: facts are not asked twice within one, from one thread


def _settings(trouble: TaskError | None) -> Check:
    return Check("", "failed", trouble.message, trouble.hint) if trouble else Check("", "ok", "readable")


def _answer(future: Future[Check], deadline: float) -> Check:
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return Check("", "warning", "no answer in time")
    except TaskError as error:
        return Check("", "failed", error.message, error.hint)
    except Pending as pending:
        return Check("", "skipped", str(pending))
    except Exception as error:  # one check's trouble is no other's
        return Check("", "warning", f"cannot be told here ({type(error).__name__})")


def _told(name: str, found: Check, redact: bool) -> Check:
    detail, hint = (_public(text, redact) for text in (found.detail, found.hint))
    return found._replace(check=name, detail=detail, hint=hint)


def _public(text: str, redact: bool) -> str:
    """What people paste: no secret, no user's name in a path, and no account number if so asked."""
    home = str(Path.home())
    shown = shortened(cleaned(text), home if len(home) > 1 else "", len(text) + 1)
    return re.sub(r"(?<!\d)\d{12}(?!\d)", "************", shown) if redact else shown
