"""How Airflow runs: by the Astro CLI in Docker or standalone, or embedded (from PyPI). One module and one line each."""

from __future__ import annotations

from pathlib import Path

from aws_airflow_tasks.runtimes import astro
from aws_airflow_tasks.runtimes.docker import Docker
from aws_airflow_tasks.runtimes.embedded import Embedded
from aws_airflow_tasks.runtimes.protocol import Runtime, Service
from aws_airflow_tasks.runtimes.standalone import Standalone
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world.processes import on_unix

__all__ = ["ALL", "Runtime", "Service", "choose"]

ALL: dict[str, type[Runtime]] = {runtime.name: runtime for runtime in (Docker, Standalone, Embedded)}


def choose(settings: Settings, state: Path) -> Runtime:
    """The runtime that the settings ask for; ``auto`` is the Astro CLI's, in the mode that is set for the project.

    Args:
        settings: of the command line.
        state: the project's state directory, where a runtime keeps what it remembers.

    Raises:
        UsageError: this system cannot run it.
    """
    name = settings.runtime
    if name == "auto":
        name = Standalone.name if astro.is_standalone(settings.project) else Docker.name
    if name != Docker.name:
        on_unix(f"the {name} runtime")
    return ALL[name].of(settings.project, state, mount_path=settings.mount_path, cache=settings.cache)
