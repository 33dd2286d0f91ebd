"""How Airflow runs: through the Astro CLI in Docker or standalone, or embedded (from PyPI). One protocol for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from aws_airflow_tasks.core import Pending, TaskError
from aws_airflow_tasks.runtimes import dockerfile
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world.airflow_api import Login as Login


class Service(NamedTuple):
    """One of Airflow's running services, as it is now.

    Attributes:
        name: ``scheduler``, ``api-server``, ``webserver``, ``dag-processor`` or ``triggerer``.
        healthy: whether Airflow itself (or the engine) says so.
        environment: the environment variables it was started with.
        identity: what changes when it is started anew: a container's id and start time, a pid and its start time.
        mounts: a container's bind mounts: target -> (source, whether it is read-only).
    """

    name: str
    healthy: bool
    environment: Mapping[str, str] = MappingProxyType({})
    identity: str = ""
    mounts: Mapping[str, tuple[str, bool]] = MappingProxyType({})


class Outcome(NamedTuple):
    """How a command run inside a service ended; ``stdout`` and ``stderr`` are text."""

    code: int
    stdout: str
    stderr: str


class Runtime(Protocol):
    """What steps ask of the way Airflow runs."""

    name: str
    #: whether credentials reach Airflow through a mount in ``docker-compose.override.yml``
    mounts: bool

    def major(self) -> int:
        """Airflow's major version, 2 or 3. Raises TaskError when it cannot be told."""

    def services(self) -> tuple[str, ...]:
        """The services of Airflow's own that need credentials."""

    def credentials(self, host: Path) -> str:
        """Where Airflow's processes see the host's credentials directory ``host``."""

    def running(self) -> tuple[Service, ...]:
        """What runs now; empty when nothing does."""

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int) -> None:
        """Start Airflow and wait until it is healthy, at most ``wait`` seconds; ``environment`` is what ``.env`` says.

        Raises:
            TaskError: it did not come up; the message names the service, the hint the log.
        """

    def stop(self) -> None:
        """Stop Airflow, if it runs."""

    def made(self) -> tuple[str, ...]:
        """The names of the containers that are there, running or not; empty where a stop leaves nothing."""

    def discard(self) -> None:
        """Stop Airflow and remove what its start made, but for its data."""

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Outcome:
        """Run ``argv`` where ``service`` runs, with the environment it has; a leading ``python`` is Airflow's own."""

    def login(self) -> Login:
        """The REST API of the running Airflow."""


def resolve(settings: Settings) -> str:
    """The runtime's name by the settings; ``auto`` is the Astro CLI's, in the mode that is set for the project."""
    if settings.runtime != "auto":
        return settings.runtime
    from aws_airflow_tasks.runtimes import astro

    return "standalone" if astro.is_standalone(settings.project) else "docker"


def choose(settings: Settings, state: Path) -> Runtime:
    """The runtime that the settings ask for; see :func:`resolve`.

    Args:
        settings: of the command line.
        state: the project's state directory, where the embedded runtime keeps its data.
    """
    name = resolve(settings)
    if name == "embedded":
        from aws_airflow_tasks.runtimes.embedded import Embedded

        return Embedded(settings.project, state / "airflow", settings.cache, declared_major(settings.project) or 3)
    if name == "standalone":
        from aws_airflow_tasks.runtimes.standalone import Standalone

        return Standalone(settings.project)
    from aws_airflow_tasks.runtimes.docker import Docker

    return Docker(settings.project, settings.mount_path, state)


def declared_major(project: Path) -> int | None:
    """Airflow's major version as the project's Dockerfile says; None when it does not tell.

    Raises:
        Pending: there is no Dockerfile yet.
    """
    return dockerfile.major(dockerfile_text(project))


def dockerfile_text(project: Path) -> str:
    """The text of the project's Dockerfile.

    Raises:
        Pending: there is none yet.
    """
    try:
        return (project / "Dockerfile").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise Pending("init") from None
    except OSError as error:
        raise TaskError(f"cannot read Dockerfile: {error.strerror}", hint=f"ls -l {project / 'Dockerfile'}") from None
