"""Airflow in Docker through the Astro CLI: ``astro dev start``, and the containers it makes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aws_airflow_tasks.core import TaskError, digest, sh
from aws_airflow_tasks.runtimes import astro, dockerfile, image, watching
from aws_airflow_tasks.runtimes.astro import ALL, SERVICES, WEB
from aws_airflow_tasks.runtimes.protocol import Ailing, Service
from aws_airflow_tasks.runtimes.watching import RESTARTS, Watch
from aws_airflow_tasks.text import calling
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.world import airflow_api, cli, containers, docker_engine, files, processes
from aws_airflow_tasks.world.airflow_api import Login

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

log = logging.getLogger("aws_airflow_tasks")

#: seconds between two looks at what comes up
PAUSE = 2.0
#: how a container is that has not ended (the ``State.Status`` of `docker inspect`)
LASTING = ("running", "restarting", "paused")


class Docker:
    """The Astro CLI's docker mode for one project.

    Args:
        project: the Astro project.
        mount_path: where the credentials directory appears in the containers.
        state: the project's state directory, where the version that really ran is remembered.
    """

    name = "docker"
    mounts = True
    names = ALL
    installs: Literal["image", "host", ""] = "image"
    reads: Literal["compose", "standalone"] = "compose"
    leaves = "runtime.json"
    kept = "Airflow's database and logs stay in Docker's volumes: docker volume ls"

    def __init__(self, project: Path, mount_path: str, state: Path) -> None:
        self.project = project
        self.mount_path = mount_path
        self.memory = state / self.leaves

    @classmethod
    def of(cls, project: Path, state: Path, *, mount_path: str, cache: Path) -> Docker:
        """The docker mode of a project."""
        return cls(project, mount_path, state)

    def major(self) -> int:
        """Airflow's major version: what ran last with this Dockerfile, else what it says, else what its image says.

        Raises:
            TaskError: none of them tells it.
        """
        remembered = dockerfile.runtime_major(self._remembered())
        if remembered:
            return remembered
        base = dockerfile.read(self._dockerfile())
        if base.unset or (base.major and not base.guessed):
            return base.major or _unknown(base)
        try:
            return self._labelled(base.image) or base.major or _unknown(base)
        except TaskError:
            if base.major:  # no engine that could tell more than the name
                return base.major
            raise

    def version(self) -> tuple[int, ...]:
        """Airflow's version: what ran last with this Dockerfile, else what it says, else the major one alone."""
        base, major = dockerfile.read(self._dockerfile()), self.major()
        known = base._replace(runtime=self._remembered() or base.runtime, major=major)
        return image.read(known).airflow or (major,)

    def services(self) -> tuple[str, ...]:
        """Airflow's own services; the database and the migration get neither credentials nor ``.env``."""
        names = SERVICES[self.major()]
        runtime = self._remembered() or dockerfile.read(self._dockerfile()).runtime
        return names if dockerfile.has_triggerer(runtime) else tuple(name for name in names if name != "triggerer")

    def credentials(self, host: Path) -> str:
        """The mount's target: the same path in every container."""
        return self.mount_path

    def running(self) -> tuple[Service, ...]:
        """The containers of Airflow's services that run, those of another version too, as Airflow says they are."""
        with docker_engine.client() as client:
            here = [each for each in self._airflow(client) if containers.connected(each)]
        found = [each for each in here if each.status in ("running", "restarting")]
        health = self._health(found)
        order = {name: number for number, name in enumerate(ALL)}
        return tuple(self._service(each, health) for each in sorted(found, key=lambda c: order[containers.service(c)]))

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int) -> None:
        """The least disruptive of the CLI's commands, which reads ``.env`` and the override itself; then wait.

        Raises:
            TaskError: it did not come up.
        """
        with docker_engine.client() as client:
            before = containers.left_behind(client, self.memory.parent)  # of a renamed project: it would go on beside
            containers.stop([each for each in before if each.status in LASTING])
            watching.unstick(found := containers.of_project(client, self.project), self._health(found)[1])
        command, watch = self._command(restart, wait), Watch(self.project, environment)
        words = [command[0], *self._mode(), *command[1:]]
        log.info("astro dev %s", " ".join(words))
        try:
            patience = wait + astro.BUILD
            done = cli.run(["astro", "dev", *words], cwd=self.project, timeout=patience, tick=watch.look, every=PAUSE)
            if done.code:
                raise self._failure(watch, " ".join([command[0], *self._mode()]), done)
            self._wait(watch, wait)
        except KeyboardInterrupt:
            log.error("left as it is; go on with: %s   or stop it: astro dev stop", calling.command("start"))
            raise
        finally:
            self._remember(watch)

    def await_healthy(self, environment: Mapping[str, str], *, wait: int) -> None:
        """Until every service is healthy; one that ends meanwhile ends the waiting.

        Raises:
            TaskError: not in time, or one ended.
        """
        self._wait(Watch(self.project, environment), wait)

    def ailing(self) -> tuple[Ailing, ...]:
        """What its containers tell, and that of its database."""
        with docker_engine.client() as client:
            found = containers.of_project(client, self.project)
            return watching.ailing(found, self.services(), self._health(found)[1])

    def stop(self) -> None:
        """``astro dev stop``, where anything has not ended: what is paused, or a database alone, too."""
        if any(self.made().values()):
            done = cli.run(["astro", "dev", "stop", *self._mode()], cwd=self.project, timeout=300)
            if done.code:  # it cannot after an upgrade: it reads the new override together with the old image
                log.info("astro dev stop: %s", cli.said(done))
            with docker_engine.client() as client:
                containers.stop([each for each in self._made(client) if each.status in LASTING])

    def made(self) -> dict[str, str]:
        """All containers that the CLI made for the project, the database's included, wherever that was then."""
        with docker_engine.client() as client:
            found = self._made(client)
        return {str(each.name): each.status if each.status in LASTING else "" for each in found}

    def discard(self) -> None:
        """Stop Airflow and remove its containers and their network."""
        self.stop()
        self.remove()

    def remove(self) -> None:
        """Remove the containers and their network; the volumes, with Airflow's database and logs, stay."""
        with docker_engine.client() as client:
            containers.remove(client, self._made(client))

    def _made(self, client: DockerClient) -> list[Container]:
        return containers.of_project(client, self.project) + containers.left_behind(client, self.memory.parent)

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> cli.Completed:
        """Run ``argv`` in the service's container, as its user.

        Raises:
            TaskError: it has no container that runs, or it takes longer than ``timeout`` seconds.
        """
        with docker_engine.client(timeout) as client:
            return cli.Completed(*containers.run(self._one(client, service), argv, stdin=stdin, timeout=timeout))

    def login(self) -> Login:
        """The API of the web service, on the port that is really published; Astro's defaults log in as admin.

        Raises:
            TaskError: the web service does not run, or publishes no port.
        """
        major = self.major()
        with docker_engine.client() as client:
            port = containers.published_port(self._one(client, WEB[major]), 8080)
        if port is None:
            raise TaskError(f"{WEB[major]} publishes no port", hint="astro dev ps")
        return Login(_url(port), "admin", "admin", major, logs=" ".join(["astro", "dev", "logs", *self._mode()]))

    def database(self) -> None:
        """Postgres has its data in a volume."""

    def logs(self, services: Sequence[str], *, follow: bool) -> list[str]:
        """`astro dev logs`."""
        return astro.logs(self._mode(), services, follow=follow)

    def _one(self, client: DockerClient, service: str) -> Container:
        for container in self._airflow(client):
            if containers.service(container) == service and container.status == "running":
                return container
        raise TaskError(f"no container of {service} runs", hint=calling.command("start"))

    def _airflow(self, client: DockerClient) -> list[Container]:
        """The project's containers that run Airflow's own services; a service of the person's own is none."""
        found = containers.of_project(client, self.project)
        return [each for each in found if containers.service(each) in ALL and containers.component(each)]

    def _health(self, found: Sequence[Container]) -> tuple[int, Mapping[str, object]]:
        """The major version of the web service that runs, and what its health endpoint says."""
        for major, web in WEB.items():
            for container in found:
                port = containers.published_port(container, 8080)
                if containers.service(container) == web and container.status == "running" and port:
                    return major, airflow_api.health(_url(port), major)
        return 0, {}

    def _service(self, container: Container, health: tuple[int, Mapping[str, object]]) -> Service:
        name, (major, said) = containers.service(container), health
        since = containers.started(container)
        healthy = (
            containers.healthy(container)
            and name in SERVICES.get(major, ())
            and airflow_api.is_healthy(said, name, since=since)
        )
        return Service(
            name,
            healthy,
            containers.environment(container),
            containers.identity(container),
            containers.mounts(container),
            crashes=not healthy and containers.restarts(container) >= RESTARTS,
        )

    def _mode(self) -> list[str]:
        """What tells the CLI its mode where a configuration says standalone; one older than 1.40 knows no other."""
        return ["--docker"] if astro.is_standalone(self.project) and astro.knows("start", "--docker") else []

    def _command(self, restart: bool, wait: int) -> list[str]:
        """``start`` recreates just what differs, but moves ports unless told not to; ``restart`` stops all first."""
        patience = ["--wait", f"{wait}s"]
        if not restart or self._foreign_removed():
            return ["start", "--no-browser", *patience]
        if self._ports_in_place() and astro.knows("start", "--no-proxy"):
            return ["start", "--no-browser", "--no-proxy", *patience]
        return ["restart", *(patience if astro.knows("restart", "--wait") else [])]

    def _foreign_removed(self) -> bool:
        """Remove the services of the version of Airflow before; whether there were any.

        The CLI neither knows them any more nor can it stop anything, as it reads the override, which is for the new
        version, together with the image of the old one.
        """
        with docker_engine.client() as client:
            wanted = self.services()
            foreign = [each for each in self._airflow(client) if containers.service(each) not in wanted]
            containers.stop(foreign)
            for container in foreign:
                container.remove()
        return bool(foreign)

    def _ports_in_place(self) -> bool:
        """Whether the published ports are those that the CLI would choose if it did not look whether they are busy.

        What has been stopped publishes none: another project may have them by now.
        """
        with docker_engine.client() as client:
            found = {containers.service(each): each for each in containers.of_project(client, self.project)}
        web = WEB[self.major()]
        wanted = {name: astro.port(self.project, name) for name in (web, astro.DATABASE)}
        published = {
            name: self._published(found.get(name), inner) for name, inner in ((web, 8080), (astro.DATABASE, 5432))
        }
        return any(published.values()) and all(published[name] in (None, port) for name, port in wanted.items())

    @staticmethod
    def _published(container: Container | None, inner: int) -> int | None:
        return containers.published_port(container, inner) if container else None

    def _wait(self, watch: Watch, wait: int) -> None:
        """Until every service is healthy: the CLI itself waits for the web service alone."""
        deadline = time.monotonic() + wait
        while True:
            found = {service.name: service.healthy for service in self.running()}
            sick = [name for name in self.services() if not found.get(name)]
            if not sick:
                return
            watch.say(f"waiting for {', '.join(sick)}")
            with docker_engine.client() as client:
                here = containers.of_project(client, self.project)
                watch.raise_crashed(here)
                if not processes.wait_until(deadline, PAUSE / 2):
                    raise watch.failure(sick[0], f"was not healthy within {wait} seconds", here)

    def _failure(self, watch: Watch, command: str, done: cli.Completed) -> TaskError:
        """Why the CLI failed: no engine any more, the service that it waited for in vain, or what it says itself."""
        with docker_engine.client() as client:
            if "health check timed out" not in done.stdout + done.stderr:
                return astro.explain(command, done, watch.environment)
            found = containers.of_project(client, self.project)
            watch.raise_crashed(found)
            return watch.failure(WEB[self.major()], "was not healthy in time", found)

    def _dockerfile(self) -> str:
        return dockerfile.text(self.project)

    def _labelled(self, image: str) -> int | None:
        """Airflow's major version by the labels of an image that the engine has; None: it has none such."""
        with docker_engine.client() as client:
            labels = containers.image_labels(client, image)
        own = labels.get(dockerfile.AIRFLOW_LABEL, "")[:2]
        return dockerfile.runtime_major(labels.get(dockerfile.RUNTIME_LABEL, "")) or {"2.": 2, "3.": 3}.get(own)

    def _remembered(self) -> str:
        """The version of Astro Runtime that really ran with this Dockerfile; empty: none did yet."""
        try:
            found = from_json(files.read(self.memory) or b"{}")
            return str(found["runtime"]) if found["dockerfile"] == self._digest() else ""
        except (ValueError, KeyError, TypeError):
            return ""

    def _remember(self, watch: Watch) -> None:
        """Ask the image of the containers that this start made; others may be of the Dockerfile as it was before."""
        try:
            with docker_engine.client() as client:
                made = [each for each in self._airflow(client) if watch.is_new(each)]
                labels = {each.labels.get(dockerfile.RUNTIME_LABEL, "") for each in made}
        except TaskError:
            return  # the reason why it did not start says more
        runtime = labels.pop() if len(labels) == 1 else ""
        if runtime and runtime != self._remembered():
            text = json.dumps({"dockerfile": self._digest(), "runtime": runtime})
            files.replace(self.memory, files.read(self.memory), text.encode(), mode=0o600)

    def _digest(self) -> str:
        return digest(self._dockerfile())


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _unknown(base: dockerfile.Base) -> int:
    image = base.image
    labelled = f"LABEL {dockerfile.RUNTIME_LABEL}=3.1-12"
    if base.unset:
        names = ", ".join(base.unset)
        raise TaskError(
            f"the Dockerfile's base image is named by a build argument without a default: {names}",
            hint=note(f"put into the Dockerfile, before FROM: ARG {base.unset[0]}=3.1-12; or below: {labelled}"),
        )
    raise TaskError(
        f"the Dockerfile's base image {image or '(none)'} does not tell Airflow's major version",
        hint=(sh("docker pull {}   # its labels tell then; or:\n", image) if image else "")
        + note(f"name the version in the Dockerfile: {labelled}"),
    )
