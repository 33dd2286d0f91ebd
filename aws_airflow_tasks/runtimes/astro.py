"""The Astro CLI as both of its modes need it: its configuration, its flags, and what its failures mean."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.patch.yaml import parsing, positions
from aws_airflow_tasks.runtimes.said import death
from aws_airflow_tasks.text.redaction import redact_output
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import cli, files

#: by major version, Airflow's own services: 3 renamed the webserver and took the DAG processor out of the scheduler
SERVICES = {
    2: ("scheduler", "webserver", "triggerer"),
    3: ("scheduler", "dag-processor", "api-server", "triggerer"),
}
WEB = {2: "webserver", 3: "api-server"}
#: the service of Airflow's database
DATABASE = "postgres"
#: the host's port on which the CLI publishes a service, unless its configuration says otherwise
PORTS = dict.fromkeys(WEB.values(), 8080) | {DATABASE: 5432}
#: of any version
ALL = tuple(dict.fromkeys(name for names in SERVICES.values() for name in names))
#: where the CLI keeps a configuration, in a project and in the home directory (astro-cli ``config/config.go``)
CONFIG = Path(".astro", "config.yaml")
#: seconds that building an image may take on a slow line, on top of the wait for health
BUILD = 1800


def is_standalone(project: Path) -> bool:
    """Whether the CLI runs Airflow without Docker here: ``dev.mode: standalone``."""
    return setting(project, "dev", "mode") == "standalone"


def setting(project: Path, section: str, key: str) -> str:
    """A value of the CLI's configuration: the project's, else the person's own; empty when neither has it.

    Raises:
        TaskError: a configuration is not readable.
    """
    home = Path(os.environ.get("ASTRO_HOME") or Path.home())
    return next((found for folder in (project, home) if (found := _value(folder / CONFIG, section, key))), "")


def port(project: Path, service: str) -> int:
    """The host's port on which the CLI is to publish a service.

    Raises:
        TaskError: a configuration is not readable, or names none.
    """
    found = setting(project, service, "port")
    if found and not re.fullmatch(r"[0-9]{1,5}", found):
        raise TaskError(
            f"{service}.port of the Astro CLI's configuration is no port: {found[:40]}",
            hint=f"astro config set {service}.port {PORTS[service]}",
        )
    return int(found or PORTS[service])


def _value(path: Path, section: str, key: str) -> str:
    text = (files.read(path) or b"").decode("utf-8-sig", errors="replace")
    if key not in text.lower():
        return ""  # most have none of it, and the parser takes its time to load
    try:
        found = parsing.load(text)
    except positions.Refused:
        raise TaskError(f"{path} is not readable as YAML", hint=sh("less {}", path)) from None
    value = _member(_member(found, section), key)
    return "" if value is None else str(value)


def _member(found: object, name: str) -> object:
    """The member of a mapping; the CLI takes keys in any case."""
    if not isinstance(found, Mapping):
        return None
    return next((value for key, value in found.items() if str(key).lower() == name), None)


@functools.cache
def knows(command: str, flag: str) -> bool:
    """Whether `astro dev COMMAND` of the installed version has a flag."""
    done = cli.run(["astro", "dev", command, "--help"], timeout=60)
    return re.search(rf"(?<!\S){re.escape(flag)}\b", done.stdout + done.stderr) is not None


def logs(mode: Sequence[str], services: Sequence[str], *, follow: bool) -> list[str]:
    """`astro dev logs`, which has a flag for each service; ``mode`` is what tells the CLI its mode."""
    return ["astro", "dev", "logs", *mode, *(f"--{name}" for name in services), *(["--follow"] if follow else [])]


def explain(command: str, done: cli.Completed, environment: Mapping[str, str]) -> TaskError:
    """Why `astro dev COMMAND` failed, and what to type.

    Args:
        command: such as ``start``.
        done: how it ended.
        environment: what ``.env`` says; its values are hidden in what is quoted.
    """
    said = redact_output(f"{done.stdout}\n{done.stderr}", environment)
    if known := death(said):
        return TaskError(f"`astro dev {command}` failed: {known.cause}", hint=known.hint)
    if "while building the image" in said:
        why = telling(said, _OF_BUILD, otherwise=telling(said, _OF_ITS_STEP))
        return TaskError(f"the image could not be built: {why}", hint="docker build .")
    last = cli.said(done._replace(stdout=said, stderr=""))
    return TaskError(f"`astro dev {command}` failed: {last}", hint=f"astro dev {command}")


def ended(how: str, log: str, environment: Mapping[str, str], hint: str) -> TaskError:
    """Why an Airflow, or a service of it, did not come up: what is known of its log, else the last lines of that.

    Args:
        how: who it is and how it ended, such as ``scheduler exited with code 1``.
        log: the end of its log.
        environment: what ``.env`` says; its values are hidden in what is quoted.
        hint: the command that shows more of the log.
    """
    if known := death(f"{how}\n{log}"):
        return TaskError(f"{how}: {known.cause}", hint=known.hint)
    last = redact_output(log, environment).strip().splitlines()[-8:]
    lines = "".join(f"\n    {line.rstrip()[:300]}" for line in last)
    return TaskError(f"{how}; the last it wrote:{lines}", hint=hint)


#: a line of a build's output that names the step which failed, in the words of the engine's two builders, and one that
#: names the failure
_OF_ITS_STEP = r"returned a non-zero code|did not complete successfully"
_OF_BUILD = (
    rf"^(?!.*(?:while building the image|{_OF_ITS_STEP}))"
    r".*(?:\b(?i:error|cause)\b|(?i:failed|cannot|not found|^(?:#\d+ [\d.]+ )?E:))"
)
