"""What the container tests share: the engine, with the images built; containers as the Astro CLI labels them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker import DockerClient
from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from filelock import FileLock

from tests.conftest import USER_CACHE
from tests.docker import images

#: all of these tests run one after the other, beside the others
GROUP = pytest.mark.xdist_group("docker")


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """The engine that is there; the tests that want one are skipped where there is none."""
    try:
        client = docker.from_env(timeout=1200)
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    with contextlib.closing(client):
        yield client


@pytest.fixture(scope="session")
def small(engine: DockerClient) -> DockerClient:
    """The engine, with Debian's image."""
    return _built(engine)


@pytest.fixture(scope="session")
def with_airflow(engine: DockerClient) -> DockerClient:
    """The engine, with the images of both major versions of Airflow."""
    return _built(engine, 3, 2)


@pytest.fixture(scope="session")
def without_provider(engine: DockerClient) -> DockerClient:
    """The engine, with the image of an Airflow that has no amazon provider."""
    return _built(engine, bare=True)


def _built(client: DockerClient, *majors: int, bare: bool = False) -> DockerClient:
    if os.geteuid() or not shutil.which("debootstrap"):
        pytest.skip("the images are made by debootstrap, which needs root")
    USER_CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(USER_CACHE / "aws-airflow-tasks-test-images.lock"):
        images.ensure(client, *majors)
        if bare:
            images.ensure_bare(client)
    return client


def remove_left(client: DockerClient, project: Path) -> None:
    """The volumes and the image of ``project``, which the Astro CLI names after it: `undo` leaves Airflow's data.

    Only a directory's name that nobody else's project has makes these nobody else's. The real CLI puts further hyphens
    into it, between letters and digits.
    """
    assert re.search(r"-[0-9a-f]{8}$", project.name), f"{project.name} may be the name of a project of the person's"

    def its(name: str) -> bool:
        return name.replace("-", "").startswith(f"{project.name.replace('-', '')}_")

    for tag in [tag for image in client.images.list() for tag in image.tags if its(tag)]:
        client.images.remove(tag)
    for volume in client.volumes.list():
        if volume.name and its(volume.name):
            volume.remove(force=True)


#: starts a container of a project's service, as the Astro CLI labels it
Start = Callable[..., Container]


@pytest.fixture
def container(small: DockerClient) -> Iterator[Start]:
    made: list[Container] = []

    def start(project: Path, service: str, *argv: str, labels: dict[str, str] | None = None, **more: Any) -> Container:
        own = {
            "io.astronomer.docker.cli": "true",
            "io.astronomer.docker.component": f"airflow-{service}",
            "com.docker.compose.project": f"{images.NAMES}-{project.name.replace(' ', '-')}",
            "com.docker.compose.service": service,
            "com.docker.compose.project.working_dir": str(project),
        }
        command = list(argv) or ["tini", "-g", "--", "sleep", "600"]
        image = f"{images.NAMES}/debian:bookworm"
        found = small.containers.create(image, command, labels=own | (labels or {}), **more)
        made.append(found)
        found.start()
        found.reload()
        return found

    yield start
    for each in made:
        with contextlib.suppress(NotFound):
            each.remove(force=True, v=True)
