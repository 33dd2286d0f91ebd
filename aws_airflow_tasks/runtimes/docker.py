"""Airflow in Docker through the Astro CLI: ``astro dev start``, and the containers it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes import Login, Outcome, Service
from aws_airflow_tasks.world import cli, containers

if TYPE_CHECKING:
    from docker.models.containers import Container

#: Airflow 3 renamed the webserver and took the DAG processor out of the scheduler
SERVICES = {
    2: ("scheduler", "webserver", "triggerer"),
    3: ("scheduler", "dag-processor", "api-server", "triggerer"),
}
WEB = {2: "webserver", 3: "api-server"}


class Docker:
    """The Astro CLI's docker mode for one project."""

    name = "docker"
    mounts = True

    def __init__(self, project: Path, mount_path: str) -> None:
        self.project = project
        self.mount_path = mount_path

    def major(self) -> int:
        """Airflow's major version, by the Dockerfile."""
        found = runtimes.declared_major(self.project)
        if found is None:
            raise TaskError(
                "the Dockerfile's base image does not tell Airflow's major version",
                hint="FROM astrocrpublic.azurecr.io/runtime:3.1-12   # in the Dockerfile",
            )
        return found

    def services(self) -> tuple[str, ...]:
        """Airflow's own services; the database and the migration get neither credentials nor ``.env``."""
        return SERVICES[self.major()]

    def credentials(self, host: Path) -> str:
        """The mount's target: the same path in every container."""
        return self.mount_path

    def running(self) -> tuple[Service, ...]:
        """The project's containers of Airflow's services that run."""
        with containers.engine() as client:
            return tuple(
                Service(
                    containers.service(found),
                    containers.healthy(found),
                    containers.environment(found),
                    containers.identity(found),
                    containers.mounts(found),
                )
                for found in containers.of_project(client, self.project)
                if containers.service(found) in self.services() and found.status == "running"
            )

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int) -> None:
        """``astro dev start``, or ``restart``: the CLI waits for health itself and reads ``.env`` itself."""
        words = ["restart"] if restart else ["start", "--no-browser", "--wait", f"{wait}s"]
        done = cli.run(["astro", "dev", *words], cwd=self.project, timeout=wait + 900)
        if done.code:
            raise TaskError(f"`astro dev {words[0]}` failed: {cli.said(done)}", hint="astro dev logs")

    def stop(self) -> None:
        """``astro dev stop``, where anything runs."""
        if self.running():
            cli.run(["astro", "dev", "stop"], cwd=self.project, timeout=300)

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Outcome:
        """Run ``argv`` in the service's container; ``stdin`` travels as an argument of ``python -c``."""
        words = ["python", "-c", stdin, *argv[2:]] if list(argv[:2]) == ["python", "-"] else list(argv)
        with containers.engine() as client:
            return Outcome(
                *containers.run(self._container(containers.of_project(client, self.project), service), words)
            )

    def login(self) -> Login:
        """The API of the web service, on the port that is really published; Astro's defaults log in as admin."""
        major = self.major()
        with containers.engine() as client:
            web = self._container(containers.of_project(client, self.project), WEB[major])
            port = containers.published_port(web, 8080)
        if port is None:
            raise TaskError(f"{WEB[major]} publishes no port", hint="astro dev ps")
        return Login(f"http://127.0.0.1:{port}", "admin", "admin", major)

    def _container(self, found: Sequence[Container], service: str) -> Container:
        for container in found:
            if containers.service(container) == service:
                return container
        raise TaskError(f"no container of {service} runs", hint="invoke start")
