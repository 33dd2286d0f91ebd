"""Airflow 3 and 2 in real containers through the Astro CLI (or its stand-in), against a moto server on this host."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from docker import DockerClient
from docker.models.containers import Container

from aws_airflow_tasks.world import containers, keeper, processes
from tests import schema
from tests.conftest import FOREIGN
from tests.docker import images
from tests.docker.engine import GROUP, engine, remove_left, with_airflow, without_provider
from tests.project import tree
from tests.world.server import everybodys

__all__ = ["engine", "with_airflow", "without_provider"]
pytestmark = [pytest.mark.e2e, GROUP]

STAND_IN = Path(__file__).parents[1] / "bin" / "astro"
REGION = "eu-west-1"
MOUNT = "/home/astro/.aws"
LAYERS = {
    *("host-identity", "files-converged", "provider", "runtime-healthy", "mount", "files-readable", "environment"),
    *("identity-in-service", "raw-secret", "backend", "hook-identity", "dag-run"),
}


@dataclass(frozen=True)
class Aws:
    """A moto server at an address that both this host and the containers reach, and the keys of a user of it."""

    url: str
    key: str
    secret: str
    arn: str


@pytest.fixture(scope="session")
def aws(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    name = engine.networks.get("bridge").attrs["Options"]["com.docker.network.bridge.name"]
    bridge = next(each.address for each in psutil.net_if_addrs()[name] if each.family == socket.AF_INET)
    with everybodys(bridge, tmp_path_factory.mktemp("moto") / "log") as url:
        client = boto3.Session().client("iam", REGION, None, True, None, url, "anybody", "anything")
        user = client.create_user(UserName="dev")["User"]
        key = client.create_access_key(UserName="dev")["AccessKey"]
        client.close()
        yield Aws(url, key["AccessKeyId"], key["SecretAccessKey"], user["Arn"])


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.2)


@dataclass(frozen=True)
class Person:
    """Somebody with a HOME, AWS keys only they can read, and an empty directory."""

    home: Path
    project: Path
    variables: dict[str, str]

    def start(self, *argv: str, **variables: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("aws-airflow")), *argv],
            cwd=self.project,
            env=environment | self.variables | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job would ignore it
        )

    def run(self, *argv: str, code: int = 0, **variables: str) -> str:
        with self.start(*argv, **variables) as process:
            out, err = process.communicate(timeout=900)
        assert process.returncode == code, f"{argv}: exit code {process.returncode}\n{out}\n{err}"
        assert 'Traceback (most recent call last):\n  File "/' not in err
        assert SECRET.search(out + err) is None
        return out

    def json(self, *argv: str, code: int = 0, **variables: str) -> dict[str, Any]:
        return schema.held(self.run(*argv, "--json", code=code, **variables))


SECRET = re.compile(r"aws_secret_access_key\s*=\s*\S|password\"?: \"(?!\*)")


@pytest.fixture
def person(with_airflow: DockerClient, aws: Aws, tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Person]:
    # the CLI names volumes and the image after the directory: nobody else's may have this name
    home, project, bin = (tmp_path / name for name in ("home", f"my-project-{secrets.token_hex(4)}", "bin"))
    for folder in (home / ".aws", home / ".astro", project, bin):
        folder.mkdir(parents=True)
    keys = f"aws_access_key_id = {aws.key}\naws_secret_access_key = {aws.secret}\n"
    for name, text in {"credentials": f"[default]\n{keys}", "config": f"[default]\nregion = {REGION}\n"}.items():
        (home / ".aws" / name).write_text(text)
        (home / ".aws" / name).chmod(0o600)
    repository, tag = images.postgres()
    settings = f'postgres:\n  repository: {repository}\n  tag: "{tag}"\ntelemetry:\n  enabled: "false"\n'
    (home / ".astro" / "config.yaml").write_text(settings)
    if pytestconfig.getoption("--real-astro"):
        (bin / "astro").symlink_to(shutil.which("astro") or "")
    else:
        (bin / "astro").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        (bin / "astro").chmod(0o755)
    path = f"{bin}:{os.environ['PATH']}"
    made = Person(home, project, {"HOME": str(home), "PATH": path, "INVOKE_AWS_AIRFLOW_ENDPOINT_URL": aws.url})
    yield made
    if (project / ".astro" / "config.yaml").exists():
        subprocess.run(
            [bin / "astro", "dev", "kill"], cwd=project, env=made.variables, check=False, capture_output=True
        )
    containers.remove(with_airflow, containers.of_project(with_airflow, project))
    remove_left(with_airflow, project)


def new_project(person: Person, major: int, pytestconfig: pytest.Config) -> None:
    """What the real CLI needs to have a project without a network; its stand-in is left to `setup`."""
    person.variables["ASTRO_STAND_IN_AIRFLOW"] = str(major)
    if pytestconfig.getoption("--real-astro"):
        argv = ["astro", "dev", "init", "--runtime-version", images.RUNTIMES[3][1]]
        subprocess.run(argv, cwd=person.project, env=os.environ | person.variables, check=True, capture_output=True)
        (person.project / "Dockerfile").write_text(f"FROM {images.airflow(major)}\n")


def of(client: DockerClient, person: Person) -> dict[str, Container]:
    return {containers.service(each): each for each in containers.of_project(client, person.project)}


def starts(client: DockerClient, person: Person) -> dict[str, str]:
    return {name: containers.identity(each) for name, each in of(client, person).items()}


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {step["step"]: step["status"] for step in document["steps"]}


def reason(document: dict[str, Any], name: str) -> str:
    return str(next(step["reason"] for step in document["steps"] if step["step"] == name))


def error(document: dict[str, Any], name: str) -> dict[str, str]:
    return dict(next(step["error"] for step in document["steps"] if step["step"] == name))


def assert_proven(document: dict[str, Any], arn: str, services: set[str]) -> None:
    assert {check["check"] for check in document["checks"]} == LAYERS
    assert {check["status"] for check in document["checks"]} == {"ok"}
    inside = [check for check in document["checks"] if check["check"] == "identity-in-service"]
    assert {(check["service"], check["detail"]) for check in inside} == {(service, arn) for service in services}
    readable = [check["detail"] for check in document["checks"] if check["check"] == "files-readable"]
    assert set(readable) == {"as uid 50000"}


@contextlib.contextmanager
def engine_that_can_be_cut(path: Path) -> Iterator[threading.Event]:
    """The engine behind a socket of the test's own; setting the event ends every connection, as if it had stopped."""
    cut, inner = threading.Event(), os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(0.1)

        def copy(source: socket.socket, target: socket.socket) -> None:
            source.settimeout(0.1)
            with contextlib.suppress(OSError):
                while not cut.is_set():
                    with contextlib.suppress(TimeoutError):
                        data = source.recv(65536)
                        if not data:
                            break
                        target.sendall(data)
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)

        def serve(connection: socket.socket) -> None:
            with connection, socket.socket(socket.AF_UNIX) as engine:
                engine.connect(inner.removeprefix("unix://"))
                back = threading.Thread(target=copy, args=(engine, connection))
                back.start()
                copy(connection, engine)
                back.join()

        def accept() -> None:
            threads = []
            while not cut.is_set():
                with contextlib.suppress(TimeoutError):
                    threads.append(threading.Thread(target=serve, args=(server.accept()[0],)))
                    threads[-1].start()
            server.close()
            for thread in threads:
                thread.join()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield cut
        finally:
            cut.set()
            accepting.join()
    path.unlink()


def test_airflow_3_from_an_empty_directory_to_proof_through_drift_and_a_cut_engine_and_back(
    person: Person,
    with_airflow: DockerClient,
    aws: Aws,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    client = with_airflow
    new_project(person, 3, pytestconfig)
    untouched = tree(person.project)
    first = person.json("setup")
    assert "exported: config is mode 0600, which Airflow's user 50000 cannot read" in reason(first, "creds")
    assert statuses(first)["start"] == "changed"
    assert_proven(person.json("verify"), aws.arn, {"scheduler", "dag-processor", "api-server", "triggerer"})

    before = starts(client, person)
    second = person.json("setup")
    assert (second["recap"]["changed"], second["recap"]["failed"]) == (0, 0)
    assert starts(client, person) == before
    scheduler = of(client, person)["scheduler"]
    assert scheduler.exec_run(["touch", f"{MOUNT}/credentials"])[0] != 0
    assert scheduler.exec_run(["cat", f"{MOUNT}/credentials"])[0] == 0

    assert_drift_is_named_and_repaired(person, client)
    assert_another_profile_restarts_what_runs(person, client)

    person.run("undo")
    assert tree(person.project) == untouched
    assert of(client, person) == {}
    socket_path = tmp_path_factory.mktemp("s") / "docker.sock"
    with engine_that_can_be_cut(socket_path) as cut, person.start("setup", DOCKER_HOST=f"unix://{socket_path}") as run:
        wait_for(lambda: "scheduler" in of(client, person), 300)
        cut.set()
        out, err = run.communicate(timeout=120)
    assert (run.returncode, "Traceback" in out + err) == (1, False), out + err
    assert re.search(r"failed   start .*(no Docker engine answers|the Docker engine)", out), out
    assert statuses(person.json("setup"))["start"] in ("ok", "changed")
    person.run("undo")
    assert tree(person.project) == untouched
    assert of(client, person) == {}


def assert_drift_is_named_and_repaired(person: Person, client: DockerClient) -> None:
    """A line of ours removed by hand, `.env` changed, the scheduler killed: each is named, all are repaired at once."""
    override = person.project / "docker-compose.override.yml"
    text = override.read_text()
    override.write_text(re.sub(r"  triggerer:\n(?:    .*\n)+", "", text))
    with (person.project / ".env").open("a") as lines:
        lines.write("TEAM=data\n")
    scheduler = of(client, person)["scheduler"]
    scheduler.kill()
    drifted = person.json("setup", "--check", code=3)
    assert reason(drifted, "mount").startswith("triggerer: added ")
    assert "scheduler: not running" in reason(drifted, "start")
    assert "dag-processor, api-server, triggerer: TEAM not as in .env" in reason(drifted, "start")
    database, port = starts(client, person)["postgres"], containers.published_port(of(client, person)["postgres"], 5432)
    repaired = statuses(person.json("setup"))
    assert (repaired["mount"], repaired["start"]) == ("changed", "changed")
    assert override.read_text() == text
    if port == 5432:  # else it was to be moved back there
        assert starts(client, person)["postgres"] == database
    assert "TEAM=data" in of(client, person)["scheduler"].attrs["Config"]["Env"]
    assert person.json("setup")["recap"]["changed"] == 0
    (person.project / ".env").write_text((person.project / ".env").read_text().replace("TEAM=data\n", ""))


def assert_another_profile_restarts_what_runs(person: Person, client: DockerClient) -> None:
    """No line of `.env` differs, so that the CLI by itself would leave all of it running with the keys from before."""
    files = {name: (person.home / ".aws" / name).read_text() for name in ("config", "credentials")}
    (person.home / ".aws" / "config").write_text(f"{files['config']}[profile dev]\nregion = {REGION}\n")
    (person.home / ".aws" / "credentials").write_text(
        files["credentials"] + files["credentials"].replace("[default]", "[dev]")
    )
    before, lines = starts(client, person), (person.project / ".env").read_bytes()
    assert "AWS_PROFILE" not in lines.decode()
    foreseen = person.json("setup", "--profile", "dev", "--check", code=3)
    assert "it may use the credentials from before" in reason(foreseen, "start")
    assert statuses(person.json("setup", "--profile", "dev"))["start"] == "changed"
    after = starts(client, person)
    assert not [
        name for name in ("scheduler", "dag-processor", "api-server", "triggerer") if after[name] == before[name]
    ]
    assert (person.project / ".env").read_bytes() == lines
    assert person.json("setup", "--profile", "dev")["recap"]["changed"] == 0


#: gives out keys that last for a minute
HELPER = """\
import datetime, json, time
ends = datetime.datetime.fromtimestamp(time.time() + 60, datetime.timezone.utc).isoformat()
keys = {{"AccessKeyId": {key!r}, "SecretAccessKey": {secret!r}, "SessionToken": f"session-{{time.time_ns()}}"}}
print(json.dumps({{"Version": 1, "Expiration": ends}} | keys))
"""


def test_keys_that_last_a_minute_are_renewed_from_start_to_stop_and_nothing_of_the_keeper_is_left(
    person: Person, with_airflow: DockerClient, aws: Aws, pytestconfig: pytest.Config
) -> None:
    client = with_airflow
    new_project(person, 3, pytestconfig)
    untouched = tree(person.project)
    (person.home / "helper.py").write_text(HELPER.format(key=aws.key, secret=aws.secret))
    helper = f"credential_process = {sys.executable} {person.home / 'helper.py'}\n"
    (person.home / ".aws" / "config").write_text(f"[default]\nregion = {REGION}\n{helper}")
    (person.home / ".aws" / "credentials").unlink()
    person.variables["CI"] = ""
    services = {"scheduler", "dag-processor", "api-server", "triggerer"}

    first = person.json("setup")
    start = next(step for step in first["steps"] if step["step"] == "start")
    assert [change["target"] for change in start["changes"]] == ["Airflow", "credentials keeper"]
    (record,) = person.home.rglob(keeper.RECORD)
    began, pid = read(client, person), kept(record)
    wait_for(lambda: read(client, person) != began, 120)
    renewed = read(client, person)
    wait_for(lambda: read(client, person) != renewed, 120)  # the keys that Airflow was started with have ended
    assert_proven(person.json("verify"), aws.arn, services)
    assert (person.json("setup")["recap"]["changed"], kept(record)) == (0, pid)

    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not processes.lives(pid), 60)
    assert statuses(person.json("setup"))["start"] == "changed"
    assert kept(record) != pid
    pid, staged = kept(record), Path(containers.mounts(of(client, person)["scheduler"])[MOUNT][0])
    assert person.run("stop").startswith("changed")
    assert not processes.lives(pid)
    assert staged.is_dir()
    assert "session-" not in "".join(file.read_text() for file in staged.iterdir() if file.is_file())

    assert statuses(person.json("start"))["start"] == "changed"
    pid = kept(record)
    assert_proven(person.json("verify"), aws.arn, services)
    person.run("undo")
    assert tree(person.project) == untouched
    assert (of(client, person), processes.lives(pid), staged.exists()) == ({}, False, False)
    assert list(processes.marked(keeper.MARK, str(record.parent))) == []


def kept(record: Path) -> int:
    """The pid of the living keeper that ``record`` names."""
    found = processes.running(record)
    assert found is not None
    return found.pid


def read(client: DockerClient, person: Person) -> bytes:
    """The files with keys as a container has them now."""
    return bytes(of(client, person)["scheduler"].exec_run(["sh", "-c", f"cat {MOUNT}/*"])[1])


#: as DAGs do that make a client at module level, with no call
CLIENT = """\
import boto3

boto3.client("s3", region_name="eu-west-1")


def test_it_was_made():
    pass
"""


def test_pytest_of_the_cli_which_has_no_mount_can_make_a_client_before_and_after(
    person: Person, pytestconfig: pytest.Config
) -> None:
    """With the line that names a profile, such as an earlier version left, it can not."""
    new_project(person, 3, pytestconfig)
    person.run("init")
    (person.project / "tests" / "test_client.py").write_text(CLIENT)

    def said() -> tuple[int, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        argv = ["astro", "dev", "pytest", "tests/test_client.py"]
        done = subprocess.run(
            argv, cwd=person.project, env=environment | person.variables, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    before = said()
    assert before[0] == 0, before
    person.run("mount", "env", INVOKE_AWS_AIRFLOW_CREDENTIALS="live")
    named = said()
    assert named[0] != 0
    assert "ProfileNotFound" in named[1]
    person.run("mount", "env")
    after = said()
    assert after[0] == 0, after


#: Airflow 3.3.2 cannot migrate the database of 2.11 with psycopg 3, which it takes by default
WITH_PSYCOPG_2 = """\
  db-migration:
    environment:
      AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: postgresql+psycopg2://postgres:postgres@postgres:5432
"""


def test_airflow_2_to_proof_after_an_interrupt_then_live_files_that_cannot_be_read_then_upgraded_to_3(
    person: Person, with_airflow: DockerClient, aws: Aws, pytestconfig: pytest.Config
) -> None:
    client = with_airflow
    new_project(person, 2, pytestconfig)
    untouched = tree(person.project)
    with person.start("setup") as run:
        wait_for(lambda: "webserver" in of(client, person), 300)
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130, out + err
    assert {"scheduler", "webserver"} <= of(client, person).keys()
    assert "interrupted" in out
    assert_proven(person.json("verify"), aws.arn, {"scheduler", "webserver", "triggerer"})
    before = starts(client, person)
    assert person.json("setup")["recap"]["changed"] == 0
    assert starts(client, person) == before

    live = person.json("verify", code=4, INVOKE_AWS_AIRFLOW_CREDENTIALS="live")
    failed = [check for check in live["checks"] if check["status"] == "failed"]
    assert failed[0]["check"] == "files-readable"
    assert re.fullmatch(r"\S+/config \(mode 0600, uid \d+\) cannot be read by uid 50000", failed[0]["detail"])

    person.run("mount", "env")
    (person.project / "Dockerfile").write_text(f"FROM {images.airflow(3)}\n")
    with (person.project / "docker-compose.override.yml").open("a") as lines:
        lines.write(WITH_PSYCOPG_2)
    upgrade = person.json("setup", "--check", code=3)
    assert "webserver: taken out; api-server, dag-processor: added" in reason(upgrade, "mount")
    assert "webserver: not of Airflow 3" in reason(upgrade, "start")
    assert statuses(person.json("setup"))["start"] == "changed"
    assert "webserver" not in of(client, person)
    assert person.json("setup")["recap"]["changed"] == 0
    assert_proven(person.json("verify"), aws.arn, {"scheduler", "dag-processor", "api-server", "triggerer"})
    assert person.run("stop").startswith("changed")
    assert {each.status for each in of(client, person).values()} == {"exited"}

    override = person.project / "docker-compose.override.yml"
    override.write_text(override.read_text().replace(WITH_PSYCOPG_2, ""))
    (person.project / "Dockerfile").write_text(f"FROM {images.airflow(2)}\n")
    person.run("undo")
    assert tree(person.project) == untouched
    assert of(client, person) == {}


def test_an_image_without_the_amazon_provider_cannot_start_with_the_backend_and_setup_makes_it_run(
    person: Person, without_provider: DockerClient, aws: Aws, pytestconfig: pytest.Config
) -> None:
    client = without_provider
    person.variables["ASTRO_STAND_IN_IMAGE"] = images.bare()
    new_project(person, 3, pytestconfig)
    dockerfile, requirements = person.project / "Dockerfile", person.project / "requirements.txt"
    if not dockerfile.exists():
        person.run("init")
    dockerfile.write_text(f"FROM {images.bare()}\nRUN true || pip install apache-airflow-providers-amazon\n")
    before = requirements.read_bytes()
    failed = person.json("setup", code=1)
    assert statuses(failed)["provider"] == "ok"  # as far as the Dockerfile's text says
    cannot = r"[\w-]+ (exited|was started) .*: Airflow cannot load the secrets backend: the package .* is not installed"
    assert re.fullmatch(cannot, error(failed, "start")["message"])
    assert error(failed, "start")["hint"].endswith("aws-airflow provider start")

    dockerfile.write_text(f"FROM {images.bare()}\n")
    assert "apache-airflow-providers-amazon added" in reason(person.json("setup", "--check", code=3), "provider")
    mended = statuses(person.json("setup"))
    assert (mended["provider"], mended["start"]) == ("changed", "changed")
    assert requirements.read_bytes() == before + b"apache-airflow-providers-amazon\n"
    assert person.json("setup")["recap"]["changed"] == 0
    assert_proven(person.json("verify"), aws.arn, {"scheduler", "dag-processor", "api-server", "triggerer"})
    person.run("undo")
    assert not requirements.exists() or requirements.read_bytes() == before
    assert of(client, person) == {}
