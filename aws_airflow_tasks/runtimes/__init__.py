"""How Airflow runs: by the Astro CLI in Docker or standalone, or embedded (from PyPI). One module and one line each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aws_airflow_tasks.runtimes import astro
from aws_airflow_tasks.runtimes.protocol import Runtime, Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world.processes import on_unix

__all__ = ["ALL", "Runtime", "Service", "choose"]


def _docker() -> type[Runtime]:
    from aws_airflow_tasks.runtimes.docker import Docker

    return Docker


def _standalone() -> type[Runtime]:
    from aws_airflow_tasks.runtimes.standalone import Standalone

    return Standalone


def _embedded() -> type[Runtime]:
    from aws_airflow_tasks.runtimes.embedded import Embedded

    return Embedded


#: by name what loads it, when it is to run: a command has to do with one of them
ALL: dict[str, Callable[[], type[Runtime]]] = {"docker": _docker, "standalone": _standalone, "embedded": _embedded}


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
        name = "standalone" if astro.is_standalone(settings.project) else "docker"
    if name != "docker":
        on_unix(f"the {name} runtime")
    return ALL[name]().of(settings.project, state, mount_path=settings.mount_path, cache=settings.cache)
