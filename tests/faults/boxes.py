"""Airflow 3 in real containers that are kept up, into which faults are put and out of which they are taken again.

As in ``bed``, a front stands between AWS and whoever asks it: here at the address of Docker's bridge, which containers
reach too. Astro Runtime 3 has no amazon provider; neither has the image that this project is built on.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from docker import DockerClient
from docker.models.containers import Container

from aws_airflow_tasks.runtimes.docker import Docker
from aws_airflow_tasks.world import containers, staging
from tests.conftest import USER_CACHE
from tests.docker import images
from tests.docker.engine import remove_left
from tests.faults.bed import CANARY, STAND_IN, Bed
from tests.world.front import front
from tests.world.server import everybodys

ASTRO = Path(__file__).parents[1] / "bin" / "astro"
#: where the credentials appear in the containers
MOUNT = "/home/astro/.aws"
#: a line of the person's: tasks wait longer for an Airflow that is on a busy machine
SLOW = "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT=60\n"
#: seconds that Airflow gets to be healthy
WAIT = 300
#: what a program does whose words a person acts upon: it is itself, and that it was called is written down
TOLD = "#!/bin/sh\necho \"$0 $*\" >> '{typed}'\nexec '{real}' \"$@\"\n"


@dataclass
class Boxes(Bed):
    """A bed whose Airflow is in containers.

    Attributes:
        engine: the Docker engine.
        name: of the project's directory, which the Astro CLI names an image and volumes after.
        url: of the embedded AWS itself.
    """

    engine: DockerClient | None = None
    name: str = ""
    url: str = ""

    @property
    def project(self) -> Path:
        return self.root / self.name

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def staged(self) -> Path:
        return staging.folder(self.state)

    @property
    def moto(self) -> str:
        return self.url

    @property
    def compose(self) -> str:
        """The name of the Compose project, as the CLI makes it."""
        return f"{self.name}_{hashlib.md5(str(self.project).encode()).hexdigest()[:6]}"

    def boxes(self) -> dict[str, Container]:
        """By service its container, whatever it does."""
        assert self.engine
        return {containers.service(each): each for each in containers.of_project(self.engine, self.project)}

    def started(self) -> list[bytes]:
        return sorted(containers.identity(each).encode() for each in self.boxes().values())

    def verify(self, *, skip: str = "") -> tuple[int, dict[str, Any]]:
        return super().verify(skip=skip.replace(" ", ","))

    def correct(self, path: Path) -> None:
        super().correct(self.project / path)

    def astro(self, *words: str) -> None:
        """What a person types who knows the Astro CLI alone."""
        self.run(["astro", "dev", *words])

    def well(self) -> None:
        """Wait for Airflow, as a fault is looked at where Airflow has been running with it for some time."""
        Docker(self.project, MOUNT, self.state).await_healthy({}, wait=WAIT)

    def settle(self) -> None:
        """As the files say; from nothing where that does not help."""
        if self.run(["aws-airflow", "start", "--override"]).code:
            self.astro("kill")
            done = self.run(["aws-airflow", "setup", "--override"])
            assert done.code == 0, done.out + done.err


@contextlib.contextmanager
def boxes(root: Path, client: DockerClient, *, keep: bool = False) -> Iterator[Boxes]:
    """A project of somebody's with a real Airflow in containers; ``keep`` leaves it for the next time."""
    known = root / "name"
    if fresh := not known.exists():
        root.mkdir(parents=True, exist_ok=True)
        known.write_text(f"faults-{secrets.token_hex(4)}")
    made = Boxes(root, 3, USER_CACHE, engine=client, name=known.read_text())
    _person(made)
    try:
        with (
            everybodys("127.0.0.1", root / "moto.log") as made.url,
            _front(made.url, root / "front", client) as made.aws,
        ):
            made.base = _shell(made.aws.url)
            made.variables = dict(made.base)
            _small_logs(made)
            if not made.dotenv.exists():
                made.astro("init")
                made.dotenv.write_text(SLOW)
            done = made.run(["aws-airflow", "setup", "--override", "--yes"])
            assert done.code == 0, done.out + done.err
            assert not fresh or made.verify()[0] == 0, made.said
            made.remember()
            yield made
            made.restore()
    finally:
        if not keep:
            made.astro("kill")
            containers.remove(client, list(made.boxes().values()))
            remove_left(client, made.project)


def _person(made: Boxes) -> None:
    """A HOME with keys that only its owner can read, and programs that write down that they were called."""
    for folder in (made.home / ".aws", made.home / ".astro", made.project, made.root / "bin"):
        folder.mkdir(parents=True, exist_ok=True)
    keys = f"[default]\naws_access_key_id = AKIAFAULTSFAULTS1234\naws_secret_access_key = {CANARY}\n"
    for path, text in {made.credentials: keys, made.config: "[default]\nregion = eu-west-1\n"}.items():
        path.write_text(text)
        path.chmod(0o600)
    repository, tag = images.postgres()
    settings = f'postgres:\n  repository: {repository}\n  tag: "{tag}"\ntelemetry:\n  enabled: "false"\n'
    (made.home / ".astro" / "config.yaml").write_text(settings)
    typed = made.root / "typed"
    programs = {"astro": f'#!/bin/sh\nexec "{sys.executable}" "{ASTRO}" "$@"\n', "sudo": STAND_IN.format(typed=typed)}
    for name in ("df", "grep"):
        programs[name] = TOLD.format(typed=typed, real=shutil.which(name))
    for name, text in programs.items():
        (made.root / "bin" / name).write_text(text)
        (made.root / "bin" / name).chmod(0o755)


def _shell(url: str) -> dict[str, str]:
    return {
        "AWS_EC2_METADATA_DISABLED": "true",
        "ASTRO_STAND_IN_IMAGE": images.bare(),
        "INVOKE_AWS_AIRFLOW_ENDPOINT_URL": url,
        "INVOKE_AWS_AIRFLOW_KEEP_FRESH": "off",
        "INVOKE_AWS_AIRFLOW_WAIT": str(WAIT),
        "EDITOR": "true",
    }


@contextlib.contextmanager
def _front(url: str, file: Path, client: DockerClient) -> Iterator[Any]:
    """The front at the bridge's address, and at the port of the last time, which Airflow has been told."""
    port = int(file.read_text()) if file.exists() else 0
    with front(url, port, bridge(client)) as made:
        file.write_text(made.url.rpartition(":")[2])
        yield made


def bridge(client: DockerClient) -> str:
    """The address of this host that containers reach."""
    name = client.networks.get("bridge").attrs["Options"]["com.docker.network.bridge.name"]
    return str(next(each.address for each in psutil.net_if_addrs()[name] if each.family == socket.AF_INET))


def _small_logs(made: Boxes) -> None:
    """Airflow's logs have a disk of their own, which can be filled."""
    assert made.engine
    made.engine.volumes.create(
        f"{made.compose}_airflow_logs",
        driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=32m,mode=0777"},
        labels={containers.PROJECT: made.compose},
    )


def wait_for(condition: Callable[[], object], tries: int = 600) -> None:
    for _ in range(tries):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("what was waited for did not come")
