"""Keys that end, or do not say when, in real containers: `sh` and `date` give them out, a keeper renews them."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from docker.models.containers import Container

from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import staging
from aws_airflow_tasks.world import containers, keeper, processes, staged_text, state
from aws_airflow_tasks.world import staging as world
from aws_airflow_tasks.world.profiles import Credentials
from aws_airflow_tasks.world.staged_text import Copied, Keys
from tests.docker import images
from tests.docker.engine import GROUP, engine, with_airflow
from tests.world.server import Embedded, embedded

__all__ = ["embedded", "engine", "with_airflow"]
pytestmark = GROUP

MOUNT = "/home/astro/.aws"
VARIABLES = {"AWS_CONFIG_FILE": f"{MOUNT}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{MOUNT}/credentials"}
#: what a fresh botocore resolves, for how long, and whose `date` it has
RESOLVED = """
import datetime, json, subprocess
import botocore.session
found = botocore.session.Session().get_credentials()
keys = found.get_frozen_credentials()
left = (found._expiry_time - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
whose = subprocess.run(["date", "--help"], capture_output=True, text=True)
print(json.dumps([keys.access_key, keys.secret_key, keys.token, left, "BusyBox" in whose.stdout + whose.stderr]))
"""
#: what a process does that has been running for long: it makes one session, and asks it again and again
ASKS = """
import time
import botocore.session
found, last = botocore.session.Session().get_credentials(), ""
while True:
    try:
        key = found.get_frozen_credentials().access_key
    except Exception as error:
        key = type(error).__name__
    if key != last:
        print(key, flush=True)
    last = key
    time.sleep(0.2)
"""


@pytest.fixture(params=["GNU", "busybox"])
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """A directory with busybox's `sh` and `date`; None: those of the image are GNU's and dash."""
    if request.param == "GNU":
        return None
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("there is no busybox")
    made = tmp_path / "programs"
    made.mkdir(mode=0o755)
    shutil.copy(busybox, made / "busybox")
    for name in ("sh", "date"):
        (made / name).symlink_to("busybox")
    return made


def test_keys_that_do_not_say_when_they_end_are_resolved_in_a_container_for_twenty_minutes_each_time(
    with_airflow: DockerClient, programs: Path | None, tmp_path: Path
) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    told = Credentials("dev", "process", "process", "eu-west-1", "the profile", "", ("dev",), config, credentials)
    folder = tmp_path / "staged"
    folder.mkdir(mode=0o755)
    for name, text in staged_text.contents(Copied(told, Keys("AKIASTAGED", "s", "t", None)), MOUNT).items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o644)
    mounts = {str(folder): {"bind": MOUNT, "mode": "ro"}}
    path = "/usr/local/bin:/usr/bin:/bin"
    if programs:
        mounts[str(programs)] = {"bind": "/programs", "mode": "ro"}
        path = f"/programs:{path}"
    said = with_airflow.containers.run(
        images.airflow(3),
        ["python", "-c", RESOLVED],
        environment={**VARIABLES, "PATH": path},
        volumes=mounts,
        network_mode="none",
        remove=True,
    )
    *keys, left, busybox = json.loads(said)
    assert (keys, busybox) == (["AKIASTAGED", "s", "t"], bool(programs))
    assert 0 < left <= 1200


@pytest.fixture
def settings(
    closed_world: Path, embedded: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """A project of somebody whose helper gives out keys that last for eight seconds; a keeper ends with the test."""
    project = tmp_path / f"keys-{secrets.token_hex(4)}"
    (project / ".astro").mkdir(parents=True)
    (project / ".astro" / "config.yaml").write_text("project:\n  name: keys\n")
    (project / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    (closed_world / ".aws").mkdir()
    script = closed_world / "helper.py"
    script.write_text(
        "import datetime, json, time\n"
        "ends = datetime.datetime.fromtimestamp(time.time() + 8, datetime.timezone.utc).isoformat()\n"
        "keys = {'AccessKeyId': f'AKIA{time.time_ns()}', 'SecretAccessKey': 's', 'SessionToken': 't'}\n"
        "print(json.dumps({'Version': 1, 'Expiration': ends} | keys))\n"
    )
    config = f"[default]\nregion = eu-west-1\ncredential_process = python3 '{script}'\n"
    (closed_world / ".aws" / "config").write_text(config)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(keeper, "start", START)
    chosen = Settings(project=project, runtime="docker", endpoint_url=embedded.url, wait=30)
    folder = state.make(project)
    yield chosen
    keeper.stop(folder)


START = keeper.start


@pytest.fixture
def scheduler(with_airflow: DockerClient, settings: Settings) -> Iterator[Callable[[], Container]]:
    """Starts a container of the project, as the Astro CLI labels it, in which a process asks for keys."""
    made: list[Container] = []

    def start() -> Container:
        labels = {containers.ASTRO: "true", containers.COMPONENT: "airflow-scheduler"}
        labels |= {containers.PROJECT: settings.project.name, containers.SERVICE: "scheduler"}
        found: Any = with_airflow.containers.run(
            images.airflow(3),
            ["python", "-u", "-c", ASKS],
            environment=VARIABLES,
            volumes={str(world.folder(state.locate(settings.project))): {"bind": MOUNT, "mode": "ro"}},
            labels=labels | {containers.WORKING_DIR: str(settings.project)},
            detach=True,
        )
        made.append(found)
        return made[-1]

    yield start
    for each in made:
        each.remove(force=True, v=True)


def wait_for(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 240
    while not happened():
        assert processes.wait_until(deadline), "it did not happen"


def test_a_process_in_a_container_takes_up_what_the_keeper_renews_until_the_container_is_killed(
    settings: Settings, scheduler: Callable[[], Container]
) -> None:
    for change in staging.changes(Site(settings)):
        change.apply()
    folder = state.locate(settings.project)
    container = scheduler()
    keeper.start(settings, folder)
    kept = keeper.running(folder)
    assert kept is not None

    def keys() -> list[str]:
        return [line for line in container.logs().decode().split() if line.startswith("AKIA")]

    wait_for(lambda: len(keys()) > 2)
    assert processes.lives(kept.pid)
    container.kill()
    wait_for(lambda: not processes.lives(kept.pid))
    assert "ended: Airflow does not run any more" in (folder / keeper.LOG).read_text()
    assert list(processes.marked(keeper.MARK, str(folder))) == []
