"""A project, a command line and a stand-in for Airflow: what the tests of whole tasks share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.configprovider import ConfiguredEndpointProvider

from aws_airflow_tasks import ns, runtimes
from aws_airflow_tasks.program import program
from aws_airflow_tasks.runtimes.protocol import Service
from aws_airflow_tasks.world.airflow_api import Login
from aws_airflow_tasks.world.cli import Completed
from tests import schema
from tests.conftest import HOSTS
from tests.world.server import Embedded, embedded

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "run"]

SERVICES = ("scheduler", "dag-processor", "api-server", "triggerer")
DOCKERFILE = "FROM astrocrpublic.azurecr.io/runtime:3.1-12\n"


@dataclass
class StandInAirflow:
    """Runs in nothing but this object: remembers how it was started, and is healthy."""

    mounts: bool = True
    name: str = "docker"
    names: tuple[str, ...] = (*SERVICES, "webserver")
    reads: str = "standalone"
    kept: str = ""
    started: list[str] = field(default_factory=list)
    environment: dict[str, str] | None = None
    source: str = ""
    writes: str = "echo it was written"

    @property
    def installs(self) -> str:
        return {"docker": "image", "standalone": "host"}.get(self.name, "")

    def major(self) -> int:
        return 3

    def version(self) -> tuple[int, ...]:
        return (3, 3)

    def services(self) -> tuple[str, ...]:
        return SERVICES

    def credentials(self, host: Path) -> str:
        return "/home/astro/.aws" if self.mounts else str(host)

    def running(self) -> tuple[Service, ...]:
        if self.environment is None:
            return ()
        mounts = {"/home/astro/.aws": (self.source, True)} if self.mounts else {}
        return tuple(Service(name, True, self.environment, f"{len(self.started)}", mounts) for name in self.services())

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int, **_: Any) -> None:
        self.started.append("restart" if restart else "start")
        self.environment = dict(environment)

    def await_healthy(self, environment: Mapping[str, str], *, wait: int) -> None:
        raise AssertionError("it is healthy")

    def ailing(self) -> tuple[Any, ...]:
        return ()

    def stop(self) -> None:
        self.environment = None

    def made(self) -> dict[str, str]:
        return {}

    def discard(self) -> None:
        self.stop()

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Completed:
        raise AssertionError("nothing is executed in here")

    def logs(self, services: Sequence[str], *, follow: bool) -> list[str]:
        return ["sh", "-c", self.writes, "logs", *services]

    def login(self) -> Login:
        return Login("http://127.0.0.1:9", "admin", "no-word-of-it", 3, "/password.json")


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> StandInAirflow:
    """Airflow that starts at once, on this host: every step is real but what runs."""
    made = StandInAirflow(mounts=False, name="embedded")
    monkeypatch.setattr(runtimes, "choose", lambda settings, state: made)
    return made


@pytest.fixture
def astro_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed_world: Path, embedded: Embedded) -> Path:
    """An Astro project to stand in, and AWS credentials that work at the embedded AWS."""
    project = tmp_path / "my project"
    for name, text in {
        ".astro/config.yaml": "project:\n  name: mine\n",
        "Dockerfile": DOCKERFILE,
        ".env": "",
        "dags/.airflowignore": "",
    }.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (closed_world / ".aws").mkdir()
    for name in ("config", "credentials"):
        (closed_world / ".aws" / name).write_bytes((embedded.home / ".aws" / name).read_bytes())
    monkeypatch.chdir(project)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", embedded.url)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_RUNTIME", "embedded")
    return project


#: the host that AWS itself is at, for a test that has :func:`aws_itself`
AWS = "aws.test"


@pytest.fixture
def aws_itself(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Embedded:
    """The embedded AWS is AWS's own endpoint: nothing names it, and it is no loopback address."""
    port, provide = urlsplit(embedded.url).port or 0, ConfiguredEndpointProvider.provide
    monkeypatch.setitem(HOSTS, AWS, port)
    monkeypatch.setattr(ConfiguredEndpointProvider, "provide", lambda self: provide(self) or f"http://{AWS}")
    return embedded


@dataclass(frozen=True)
class Done:
    """How a command line ended: its exit code, what it printed, and its JSON document if it was asked for one."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return schema.held(self.out)

    def statuses(self) -> dict[str, str]:
        return {step["step"]: step["status"] for step in self.document["steps"]}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run `aws-airflow` with these words, in this process."""

    def run(*argv: str) -> Done:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            program().run(["aws-airflow", *argv])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return run


def tree(*roots: Path) -> dict[str, str]:
    """Every path below ``roots`` with its mode and the hash of its bytes."""
    found = {}
    for root in roots:
        for folder, names, file_names in os.walk(root):
            for name in [*names, *file_names]:
                path = Path(folder) / name
                digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                found[str(path)] = f"{path.lstat().st_mode:o} {digest}"
    return found


__all__ += ["Done", "StandInAirflow", "tree"]


def heeded(task: str, *flags: str) -> list[str]:
    """Those of the flags that a task takes: any other one is refused."""
    taken = {argument.name for argument in ns[task].get_arguments()}
    return [flag for flag in flags if flag.removeprefix("--") in taken]
