"""The Astro CLI's standalone mode, with its stand-in: a process that answers as Airflow's health endpoint does."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes.standalone import HOME, Standalone
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import env
from aws_airflow_tasks.world import cli, processes
from tests.facts import site
from tests.world.server import REAL_SPAWN

STAND_IN = Path(__file__).parents[1] / "bin" / "astro"
#: what Airflow says of a backend that it cannot load
UNLOADABLE = (
    'AirflowConfigException: The object could not be loaded. Please check "backend" key in "secrets" section. '
    'Current value: "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend".'
)
#: `airflow standalone`: healthy as a whole, sick in a part, or gone at once
AIRFLOW = """\
#!{python}
import datetime, http.server, json, os, subprocess, sys
how = open({how!r}).read()
if how == "crash":
    print("login hunter2hunter2 failed")
    sys.exit(1)
if how == "unloadable":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    sys.exit({unloadable!r})
before = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds={age})).isoformat()
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        how = open({how!r}).read()
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        part = lambda name: {{"status": "healthy", "latest_" + name + "_heartbeat": now}}
        found = {{name: part(name) for name in ("scheduler", "dag_processor", "triggerer")}}
        found["metadatabase"] = {{"status": "healthy"}}
        if how == "sick":
            found["triggerer"]["status"] = "unhealthy"
        if how == "before":
            found["triggerer"]["latest_triggerer_heartbeat"] = before
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
port = os.environ.get("AIRFLOW__API__PORT", "8080")
http.server.HTTPServer(("127.0.0.1", int(port)), Health).serve_forever()
"""


def age() -> float:
    """Seconds before an Airflow starts that psutil takes for after its start: the part of a second it leaves out."""
    early = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - psutil.boot_time()
    return max(early / 2, 0.05)


@pytest.fixture
def how(tmp_path: Path) -> Path:
    (tmp_path / "how").write_text("healthy")
    return tmp_path / "how"


@pytest.fixture
def project(tmp_path: Path, how: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An Astro project in standalone mode, with a venv whose Airflow is a few lines long."""
    made = tmp_path / "my project"
    port = processes.free_port()
    for name, text in {
        ".astro/config.yaml": f"project:\n  name: mine\ndev:\n  mode: standalone\napi-server:\n  port: {port}\n",
        "Dockerfile": "FROM astrocrpublic.azurecr.io/runtime:3.1-12\n",
        ".env": "TEAM=data\nTOKEN=hunter2hunter2\n",
        ".venv/bin/airflow": AIRFLOW.format(python=sys.executable, how=str(how), age=age(), unloadable=UNLOADABLE),
    }.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    (made / ".venv/bin/airflow").chmod(0o755)
    (made / ".venv/bin/python").symlink_to(sys.executable)
    (tmp_path / "bin").mkdir()
    astro = tmp_path / "bin" / "astro"
    astro.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    astro.chmod(0o755 | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    return made


@pytest.fixture
def runtime(project: Path) -> Iterator[Standalone]:
    yield Standalone(project)
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("AIRFLOW_HOME") == str(project / HOME)
        except psutil.Error:
            continue
        if mine:
            process.send_signal(signal.SIGKILL)


ENVIRONMENT = {"TEAM": "data", "TOKEN": "hunter2hunter2"}


def test_it_is_what_a_project_in_that_mode_runs_in(project: Path, tmp_path: Path) -> None:
    assert isinstance(runtimes.choose(Settings(project=project), tmp_path), Standalone)


def test_it_starts_healthy_with_env_restarts_anew_and_stops(runtime: Standalone, project: Path) -> None:
    assert runtime.running() == ()
    runtime.start(ENVIRONMENT, restart=False, wait=30)
    first = runtime.running()
    assert [service.name for service in first] == ["scheduler", "dag-processor", "api-server", "triggerer"]
    assert all(service.healthy and service.environment["TEAM"] == "data" for service in first)
    (project / ".env").write_text("TEAM=science\n")
    runtime.start({"TEAM": "science"}, restart=True, wait=30)
    second = runtime.running()
    assert second[0].environment["TEAM"] == "science"
    assert second[0].identity != first[0].identity
    runtime.stop()
    assert runtime.running() == ()


def test_airflow_gets_nothing_of_aws_from_the_shell(runtime: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the environment would win over the profile that `.env` names."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("UNRELATED", "kept")
    runtime.start(ENVIRONMENT, restart=False, wait=30)
    found = runtime.running()[0].environment
    assert found["UNRELATED"] == "kept"
    assert [name for name in found if name.startswith("AWS_")] == []


def test_a_program_runs_in_the_projects_venv_with_the_environment_of_airflow(runtime: Standalone) -> None:
    runtime.start(ENVIRONMENT, restart=False, wait=30)
    script = "import json, os, sys\nprint(json.dumps([sys.executable, os.environ['AIRFLOW_HOME'], sys.argv[1]]))"
    done = runtime.exec("scheduler", ["python", "-", "{}"], stdin=script)
    assert (done.code, done.stderr) == (0, "")
    python, home, argument = json.loads(done.stdout)
    assert python == str(runtime.project / ".venv" / "bin" / "python")
    assert home == str(runtime.project / HOME)
    assert argument == "{}"


def test_the_api_is_where_it_was_moved_and_airflow_3_lets_everybody_in(runtime: Standalone) -> None:
    runtime.start(ENVIRONMENT, restart=False, wait=30)
    port = runtime.running()[0].environment["AIRFLOW__API__PORT"]
    assert runtime.login().url == f"http://127.0.0.1:{port}"


def test_airflow_2_has_its_password_in_a_file(runtime: Standalone, project: Path) -> None:
    runtime.start(ENVIRONMENT, restart=False, wait=30)
    (project / "Dockerfile").write_text("FROM quay.io/astronomer/astro-runtime:13.2.0\n")
    (project / HOME / "standalone_admin_password.txt").write_text("s3cret\n")
    login = runtime.login()
    assert (login.major, login.password) == (2, "s3cret")
    assert login.password_file.endswith("standalone_admin_password.txt")


def test_a_component_that_is_not_healthy_in_time_is_named(runtime: Standalone, how: Path) -> None:
    how.write_text("sick")
    with pytest.raises(TaskError, match=r"was not healthy within 2 seconds \(triggerer\)") as caught:
        runtime.start(ENVIRONMENT, restart=False, wait=2)
    assert caught.value.hint.startswith("less ")


def test_a_component_that_is_only_slow_is_waited_for_in_the_process_that_runs(runtime: Standalone, how: Path) -> None:
    how.write_text("sick")
    with pytest.raises(TaskError, match="was not healthy"):
        runtime.start(ENVIRONMENT, restart=False, wait=2)
    before = runtime.running()[0].identity
    with pytest.raises(TaskError, match=r"was not healthy within 1 seconds \(triggerer\)"):
        runtime.await_healthy(ENVIRONMENT, wait=1)
    how.write_text("healthy")
    runtime.await_healthy(ENVIRONMENT, wait=30)
    assert {(service.healthy, service.identity) for service in runtime.running()} == {(True, before)}


def test_a_heartbeat_from_just_before_the_start_is_of_another_airflow(runtime: Standalone, how: Path) -> None:
    how.write_text("before")
    with pytest.raises(TaskError, match=r"\(triggerer\)"):
        runtime.start(ENVIRONMENT, restart=False, wait=2)


def test_an_airflow_that_ends_is_shown_with_its_last_lines_and_without_the_secrets_of_env(
    runtime: Standalone, how: Path
) -> None:
    how.write_text("crash")
    with pytest.raises(TaskError, match="login \\*\\*\\* failed"):
        runtime.start(ENVIRONMENT, restart=False, wait=2)


def test_an_airflow_that_cannot_load_the_backend_is_noticed_while_the_cli_still_waits_and_nothing_is_left_of_it(
    runtime: Standalone, project: Path, how: Path
) -> None:
    how.write_text("unloadable")
    with pytest.raises(TaskError) as caught:
        runtime.start(ENVIRONMENT, restart=False, wait=60)
    assert caught.value.message == (
        "Airflow ended by itself: Airflow cannot load the secrets backend: "
        "the package apache-airflow-providers-amazon is not installed"
    )
    assert caught.value.hint == "invoke provider start"
    assert [process for process in psutil.process_iter() if belongs(process, project)] == []


def belongs(process: psutil.Process, project: Path) -> bool:
    try:
        ours = process.environ().get("AIRFLOW_HOME") == str(project / HOME) or process.cwd() == str(project)
        return ours and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_a_stranger_that_has_the_number_by_now_is_not_stopped(runtime: Standalone, project: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as stranger:
        runtime._ended(stranger.pid, ENVIRONMENT)
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_what_an_earlier_start_left_in_the_pid_file_is_no_end_of_this_one(runtime: Standalone, project: Path) -> None:
    (project / HOME).mkdir(parents=True)
    (project / HOME / "airflow.pid").write_text("999999999\n")
    runtime.start(ENVIRONMENT, restart=False, wait=30)
    assert all(service.healthy for service in runtime.running())


@pytest.mark.parametrize("text", ["", "x", "-1", "٣", "9" * 5000])
def test_a_pid_file_that_holds_no_pid_is_no_airflow(runtime: Standalone, project: Path, text: str) -> None:
    (project / HOME).mkdir(parents=True)
    (project / HOME / "airflow.pid").write_text(text)
    assert runtime.running() == ()


def test_a_pid_that_is_a_strangers_by_now_is_not_airflow(runtime: Standalone, project: Path) -> None:
    (project / HOME).mkdir(parents=True)
    (project / HOME / "airflow.pid").write_text(str(os.getpid()))
    assert runtime.running() == ()


def test_in_a_project_of_docker_mode_the_cli_is_told_the_mode_each_time(
    runtime: Standalone, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".astro" / "config.yaml").write_text("project:\n  name: mine\n")
    asked: list[list[str]] = []

    def failed(argv: list[str], **_: object) -> cli.Completed:
        asked.append(argv)
        return cli.Completed(1, "", "'uv' is required for standalone mode but was not found on PATH.")

    monkeypatch.setattr(cli, "run", failed)
    with pytest.raises(TaskError, match="needs `uv`"):
        runtime.start({}, restart=False, wait=5)
    assert asked == [["astro", "dev", "start", "--standalone", "--wait", "5s", "--no-browser"]]


def test_env_holds_this_hosts_paths(project: Path, tmp_path: Path) -> None:
    source = tmp_path / ".aws"
    known = type("Known", (), {
        "region": "eu-west-1", "directory": source, "profile": "default", "source": "static", "staged": False,
        "config_file": source / "config", "credentials_file": source / "credentials", "endpoints": {}, "outside": {},
    })  # fmt: skip
    here = site(Settings(project=project), delivered=known)
    assert env.wanted(here)["AWS_CONFIG_FILE"] == str(source / "config")
