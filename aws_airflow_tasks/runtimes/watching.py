"""Looking on while the Astro CLI brings containers up: what comes up, and what has crashed and why."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.runtimes import astro
from aws_airflow_tasks.runtimes.protocol import Ailing
from aws_airflow_tasks.world import airflow_api, containers, docker_engine

if TYPE_CHECKING:
    from docker.models.containers import Container

log = logging.getLogger("aws_airflow_tasks")

#: so often a container may end before that is a crash: Airflow 2's services wait for their database that way
RESTARTS = 5

#: the exit code of a process that was killed
KILLED = 128 + 9


#: seconds without a heartbeat of a service that had one: it hangs; Airflow itself takes 30 for its being slow
SILENT = 120


def ailing(found: Sequence[Container], services: Sequence[str], health: Mapping[str, Any]) -> tuple[Ailing, ...]:
    """What no waiting makes well, the database first; nothing where there is no container at all.

    Args:
        found: the project's containers.
        services: those that Airflow has.
        health: what Airflow's health endpoint says.
    """
    by_name = {containers.service(each): each for each in found}
    names = (astro.DATABASE, *services) if found else ()
    told = (Ailing(name, *_ailment(by_name.get(name), health)) for name in names)
    return tuple(each for each in told if each.how)


def _ailment(container: Container | None, health: Mapping[str, Any]) -> tuple[str, bool]:
    """Why waiting for a container is in vain, empty: nothing says that it is; and whether it ended by itself."""
    if container is None:
        return "it has no container", False
    if container.attrs["State"].get("Paused"):
        return "its container is paused", False
    if _crashes(container, health):
        return "its container ends again and again", True
    if container.status in ("exited", "dead"):
        return _end(container)
    if container.status == "created":
        return "its container was never started", False
    if not containers.connected(container):
        return "its container is in no network", False
    return "it hangs: its container runs, and its heartbeat has stopped" if _hangs(container, health) else "", False


def _crashes(container: Container, health: Mapping[str, Any]) -> bool:
    well = airflow_api.is_healthy(health, containers.service(container), since=containers.started(container))
    return containers.restarts(container) >= RESTARTS and not well


def _hangs(container: Container, health: Mapping[str, Any]) -> bool:
    """Airflow 3's scheduler does so for good where its database went away: it waits for workers that do nothing."""
    beat = airflow_api.last_beat(health, containers.service(container))
    return max(containers.started(container), 1) <= beat < time.time() - SILENT


def _end(container: Container) -> tuple[str, bool]:
    if container.attrs["State"].get("OOMKilled"):
        return "its container was killed, as it took more memory than there is", False
    code = containers.exit_code(container)
    return (
        ("its container was killed", False) if code == KILLED else (f"its container ended with exit code {code}", True)
    )


def unstick(found: Sequence[Container], health: Mapping[str, Any]) -> None:
    """Make a project's containers ones that Compose can start: it does not go on with what is paused, connects nothing
    anew, and leaves what hangs, or ends again and again, as it is.

    Args:
        found: its containers.
        health: what Airflow's health endpoint says.
    """
    for container in found:
        if container.status == "paused":
            container.unpause()
        elif not containers.connected(container) or _crashes(container, health) or _hangs(container, health):
            container.remove(force=True)


class Watch:
    """One start of a project's containers; what had ended before it is no crash of this one.

    Args:
        project: the Astro project.
        environment: what ``.env`` says; its values are hidden in what is quoted of logs.
    """

    def __init__(self, project: Path, environment: Mapping[str, str]) -> None:
        self.project = project
        self.environment = environment
        with docker_engine.client() as client:
            found = containers.of_project(client, project)
        self._starts = {containers.identity(each) for each in found}
        self._restarts = {each.id: containers.restarts(each) for each in found}
        self._said = ""

    def is_new(self, container: Container) -> bool:
        """Whether a container was created since."""
        return container.id not in self._restarts

    def look(self) -> None:
        """Say what has changed since the last look.

        Raises:
            TaskError: a service has crashed.
        """
        with docker_engine.client() as client:
            found = containers.of_project(client, self.project)
            self.raise_crashed(found)
        self.say(", ".join(f"{containers.service(each)} {each.status}" for each in found))

    def say(self, text: str) -> None:
        """Log progress, once."""
        if text and text != self._said:
            self._said = text
            log.info("%s", text)

    def raise_crashed(self, found: Sequence[Container]) -> None:
        """Raise TaskError when one of ``found`` that is a part of Airflow ended by itself."""
        for container in found:
            if containers.component(container) and (how := self._crashed(container)):
                raise self.failure(containers.service(container), how, found)

    def _crashed(self, container: Container) -> str:
        code = containers.exit_code(container)
        again = containers.restarts(container) - self._restarts.get(container.id, 0)
        theirs = again and not self.is_new(container)  # the engine goes on with one of before, until it is replaced
        if code and not theirs and containers.identity(container) not in self._starts:
            return f"exited with code {code}"
        return f"was started {again} times again and ends every time" if again >= RESTARTS else ""

    def failure(self, name: str, how: str, found: Sequence[Container]) -> TaskError:
        """An error with the last lines of a service's log, and the command that shows more."""
        container = next((each for each in found if containers.service(each) == name), None)
        if container is None:
            return TaskError(f"{name} {how}: it has no container", hint="astro dev ps")
        more = sh("docker logs --tail 100 {}", container.name)
        return astro.ended(f"{name} {how}", containers.log(container, 100), self.environment, more)
