"""The project's containers, through the docker SDK: found by Compose's and Astro's labels, never by guessed names."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_airflow_tasks.core import TaskError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

#: set by Compose and by the Astro CLI on every container it creates (astro-cli ``airflow/docker.go``)
WORKING_DIR = "com.docker.compose.project.working_dir"
SERVICE = "com.docker.compose.service"
ASTRO = "io.astronomer.docker.cli"


@contextlib.contextmanager
def engine() -> Iterator[DockerClient]:
    """A client of the engine that ``DOCKER_HOST`` or the current context names.

    Raises:
        TaskError: no engine answers, or it may not be asked.
    """
    logging.getLogger("docker").setLevel(logging.WARNING)
    import docker
    from docker.errors import APIError, DockerException

    try:
        with contextlib.closing(docker.from_env(timeout=30)) as client:
            yield client
    except APIError as error:
        raise TaskError(f"the Docker engine refused: {error.explanation or error}", hint="docker info") from error
    except DockerException as error:
        raise TaskError(*_cause(str(error))) from error


def _cause(text: str) -> tuple[str]:
    if "Permission denied" in text or "PermissionError" in text:
        return ("no permission on the Docker socket; add yourself to the docker group: sudo usermod -aG docker $USER",)
    return ("no Docker engine answers; start it (Docker Desktop, or: sudo systemctl start docker)",)


def of_project(client: DockerClient, project: Path) -> list[Container]:
    """The containers that the Astro CLI made for ``project``, running or not."""
    labels = [f"{WORKING_DIR}={project}", f"{ASTRO}=true"]
    return client.containers.list(all=True, filters={"label": labels})


def service(container: Container) -> str:
    """The Compose service that a container is of."""
    return str(container.labels.get(SERVICE, ""))


def environment(container: Container) -> dict[str, str]:
    """The environment variables that a container was created with."""
    return dict(pair.partition("=")[::2] for pair in container.attrs["Config"].get("Env") or [])


def identity(container: Container) -> str:
    """What changes when a container is created or started anew."""
    return f"{container.id}:{container.attrs['State'].get('StartedAt', '')}"


def healthy(container: Container) -> bool:
    """Running, and not reported unhealthy by a health check of its own."""
    found = container.attrs["State"]
    return bool(found.get("Running")) and found.get("Health", {}).get("Status", "healthy") == "healthy"


def mounts(container: Container) -> dict[str, tuple[str, bool]]:
    """A container's mounts: target -> (source, whether it is read-only)."""
    found = container.attrs.get("Mounts") or []
    return {mount["Destination"]: (mount.get("Source", ""), not mount.get("RW", True)) for mount in found}


def published_port(container: Container, inner: int) -> int | None:
    """The host's port that ``inner`` is published on; the Astro CLI may have moved it from 8080."""
    bindings = (container.attrs["NetworkSettings"].get("Ports") or {}).get(f"{inner}/tcp") or []
    return int(bindings[0]["HostPort"]) if bindings else None


def run(container: Container, argv: Sequence[str]) -> tuple[int, str, str]:
    """Run ``argv`` in a container as its own user; exit code, stdout, stderr."""
    done: Any = container.exec_run(list(argv), demux=True)
    out, err = (part.decode(errors="replace") if part else "" for part in done.output)
    return int(done.exit_code), out, err
