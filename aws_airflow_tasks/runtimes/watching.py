"""Looking on while the Astro CLI brings containers up: what comes up, and what has crashed and why."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.runtimes import astro
from aws_airflow_tasks.world import containers

if TYPE_CHECKING:
    from docker.models.containers import Container

log = logging.getLogger("aws_airflow_tasks")

#: so often a container may end before that is a crash: Airflow 2's services wait for their database that way
RESTARTS = 5


class Watch:
    """One start of a project's containers; what had ended before it is no crash of this one.

    Args:
        project: the Astro project.
        environment: what ``.env`` says; its values are hidden in what is quoted of logs.
    """

    def __init__(self, project: Path, environment: Mapping[str, str]) -> None:
        self.project = project
        self.environment = environment
        with containers.engine() as client:
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
        with containers.engine() as client:
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
