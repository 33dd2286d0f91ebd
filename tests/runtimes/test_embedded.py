"""The embedded runtime's processes: started, watched, found again and stopped. Airflow is a fake that is quick."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes import airflow_config, embedded, venv
from aws_airflow_tasks.runtimes.embedded import Embedded
from aws_airflow_tasks.world import cli, processes
from tests.project import tree
from tests.runtimes import fake_airflow
from tests.world.server import REAL_SPAWN

SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer")
DOTENV = {"AWS_PROFILE": "dev", "AIRFLOW_CONN_X": "postgres://me:hunter2@db/x"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    fake_airflow.make(venv.folder(3, folder))
    (venv.folder(3, folder) / venv.MARKER).touch()
    return folder


@pytest.fixture
def airflow(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Embedded]:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    monkeypatch.setattr(embedded, "GRACE", 3)
    (tmp_path / "a pröject" / "dags").mkdir(parents=True)
    runtime = Embedded(tmp_path / "a pröject", tmp_path / "a stäte" / "airflow", cache, 3)
    yield runtime
    runtime.stop()
    assert ours(runtime) == []


def ours(runtime: Embedded) -> list[psutil.Process]:
    """Every living process that was started with the runtime's directory somewhere in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(runtime.state) in value for value in process.environ().values()):
                found.append(process)
        except psutil.Error:
            continue
    return [process for process in found if process.pid != os.getpid()]


def start(runtime: Embedded, wait: int = 30, **more: str) -> None:
    runtime.start(DOTENV | more, restart=False, wait=wait)


def pids(runtime: Embedded) -> dict[str, int]:
    return {service.name: int(service.identity.split(":")[0]) for service in runtime.running()}


def test_every_component_is_up_and_healthy_and_has_what_dotenv_says_and_nothing_of_the_shells_aws(
    airflow: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-shell")
    monkeypatch.setenv("SOMETHING", "else")
    start(airflow)
    running = airflow.running()
    assert tuple(service.name for service in running) == airflow.services() == SERVICES
    assert all(service.healthy for service in running)
    for service in running:
        assert DOTENV.items() <= service.environment.items()
        assert {name for name in service.environment if name.startswith("AWS_")} == {"AWS_PROFILE"}
        assert "SOMETHING" not in service.environment


def test_started_again_every_component_is_another_process(airflow: Embedded) -> None:
    start(airflow)
    before = {service.identity for service in airflow.running()}
    start(airflow)
    assert before.isdisjoint(service.identity for service in airflow.running())


def test_what_runs_from_another_installation_is_none_of_its_components_and_is_replaced(airflow: Embedded) -> None:
    start(airflow)
    before = pids(airflow).values()
    (airflow.project / venv.FURTHER).write_text("pandas\n")
    fake_airflow.make(airflow.place.venv)
    (airflow.place.venv / venv.MARKER).touch()
    assert {service.name for service in airflow.running()} == {embedded.LEFT}
    start(airflow)
    assert tuple(pids(airflow)) == SERVICES
    assert {*before}.isdisjoint(pids(airflow).values())
    assert not any(map(psutil.pid_exists, before))


def test_what_runs_from_before_the_project_was_renamed_looks_for_its_dags_there_and_is_replaced(
    airflow: Embedded, tmp_path: Path
) -> None:
    start(airflow)
    before = pids(airflow).values()
    renamed = Embedded(airflow.project.rename(tmp_path / "renamed"), airflow.state, airflow.cache, 3)
    assert {service.name for service in renamed.running()} == {embedded.LEFT}
    start(renamed)
    assert tuple(pids(renamed)) == SERVICES
    assert not any(map(psutil.pid_exists, before))
    (tmp_path / "link").symlink_to(renamed.project)
    linked = Embedded(tmp_path / "link", airflow.state, airflow.cache, 3)
    assert linked.running() == renamed.running(), "it is the same directory"


def test_what_runs_is_waited_for_as_it_is_until_it_is_healthy_or_one_of_it_ends(airflow: Embedded) -> None:
    start(airflow)
    before = pids(airflow)
    signed = airflow.place.home / "triggerer.alive"
    beat = signed.read_text()
    signed.unlink()
    with pytest.raises(TaskError, match="triggerer was not healthy within 1 seconds"):
        airflow.await_healthy(DOTENV, wait=1)
    signed.write_text(beat)
    airflow.await_healthy(DOTENV, wait=30)
    assert pids(airflow) == before
    killed = psutil.Process(before["scheduler"])
    killed.kill()
    killed.wait(60)
    with pytest.raises(TaskError, match="scheduler ended by itself"):
        airflow.await_healthy(DOTENV, wait=30)
    assert "triggerer" in pids(airflow)


def test_stop_ends_children_that_ignore_it_or_went_into_sessions_of_their_own(airflow: Embedded) -> None:
    start(airflow, FAKE_SCHEDULER="stubborn", FAKE_TRIGGERER="escape")
    assert len(ours(airflow)) == 7  # four components and three children
    airflow.stop()
    assert ours(airflow) == []
    assert airflow.running() == ()


def test_nothing_is_written_into_the_project(airflow: Embedded) -> None:
    (airflow.project / "dags" / "helper.py").write_text("x = 1\n")
    before = tree(airflow.project)
    start(airflow)
    airflow.exec("scheduler", ["python", "-c", "import dags.helper"])
    airflow.stop()
    assert tree(airflow.project) == before


def test_secrets_are_in_no_argument_and_in_no_file_that_others_can_read(airflow: Embedded) -> None:
    start(airflow)
    keys = airflow_config.keys(airflow.state)
    secrets = (keys.password, keys.fernet, keys.signing, "hunter2")
    argv = [" ".join(process.cmdline()) for process in ours(airflow)]
    argv.append((airflow.place.home / "argv.txt").read_text())
    assert not [words for words in argv for secret in secrets if secret in words]
    assert airflow.state.stat().st_mode & 0o777 == 0o700
    for name in ("keys.json", "airflow-3/airflow.cfg", "passwords.json"):
        assert (airflow.state / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("component", "variable"),
    [("api-server", "FAKE_API_SERVER"), ("triggerer", "FAKE_TRIGGERER"), ("database", "FAKE_DATABASE")],
)
def test_what_dies_at_the_start_is_named_with_its_last_words_and_nothing_is_left(
    airflow: Embedded, component: str, variable: str
) -> None:
    with pytest.raises(TaskError) as caught:
        start(
            airflow,
            **{variable: "die"},
            SAY="the password is hunter2, AKIAIOSFODNN7EXAMPLE and postgres://me:hunter2@db",
        )
    assert component in caught.value.message
    assert "says" in caught.value.message or "disk full" in caught.value.message
    assert str(airflow.log(component)) in caught.value.hint
    assert "hunter2@db" not in caught.value.message
    assert "AKIAIOSFODNN7EXAMPLE" not in caught.value.message
    assert ours(airflow) == []


def test_one_that_never_gets_healthy_is_named_and_nothing_is_left(airflow: Embedded) -> None:
    with pytest.raises(TaskError, match=r"dag-processor was not healthy within 1 seconds"):
        start(airflow, wait=1, FAKE_DAG_PROCESSOR="sick")
    assert ours(airflow) == []


def test_an_interrupt_leaves_nothing(airflow: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = processes.wait_until

    def interrupted(*_: Any) -> bool:
        monkeypatch.setattr(processes, "wait_until", waiting)  # once: stopping waits as well
        raise KeyboardInterrupt

    monkeypatch.setattr(processes, "wait_until", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start(airflow, FAKE_TRIGGERER="sick")
    assert ours(airflow) == []


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.6, 1.5])
def test_a_run_killed_at_any_moment_is_mended_by_the_next(airflow: Embedded, seconds: float) -> None:
    """The killed one makes its database slowly, so that some moment falls into that."""
    arguments = f"Path({str(airflow.project)!r}), Path({str(airflow.state)!r}), Path({str(airflow.cache)!r}), 3"
    code = (
        "from pathlib import Path\nfrom aws_airflow_tasks.runtimes.embedded import Embedded\n"
        f"Embedded({arguments}).start({{'FAKE_DATABASE': 'slow'}}, restart=False, wait=30)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as killed:
        time.sleep(seconds)
        killed.kill()
    start(airflow)
    assert all(service.healthy for service in airflow.running())
    assert airflow.place.database.read_text() == "whole"
    assert len(ours(airflow)) == 7  # four components and three children: nothing of the killed run


def test_what_a_killed_run_left_unrecorded_is_reported_and_stopped(airflow: Embedded) -> None:
    start(airflow)
    for record in airflow.state.glob("*.pid.json"):
        record.unlink()
    assert {service.name for service in airflow.running()} == {embedded.LEFT}
    assert not any(service.healthy for service in airflow.running())
    airflow.stop()
    assert airflow.running() == ()


def test_a_killed_component_is_missed_and_its_old_heartbeat_is_not_taken_for_health(airflow: Embedded) -> None:
    start(airflow)
    os.kill(pids(airflow)["scheduler"], signal.SIGKILL)
    while "scheduler" in pids(airflow):
        time.sleep(0.05)
    with pytest.raises(TaskError, match="scheduler was not healthy"):  # the fake's heartbeat file is still there
        start(airflow, wait=1, FAKE_SCHEDULER="sick")


def test_a_pid_that_a_stranger_has_now_is_not_ours(airflow: Embedded) -> None:
    start(airflow)
    record = airflow.state / "scheduler.pid.json"
    ours = json.loads(record.read_text())
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        record.write_text(json.dumps(ours | {"pid": stranger.pid}))
        airflow.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_the_port_is_kept_while_it_is_free_and_changed_when_it_is_not(airflow: Embedded) -> None:
    start(airflow)
    first = airflow.login().url
    start(airflow)
    assert airflow.login().url == first
    airflow.stop()
    with socket.create_server(("127.0.0.1", int(first.rpartition(":")[2]))):
        start(airflow)
        assert airflow.login().url != first
        assert all(service.healthy for service in airflow.running())


def test_the_database_is_made_once_upgraded_for_another_version_and_made_anew_when_it_is_half_made(
    airflow: Embedded,
) -> None:
    start(airflow)
    start(airflow)
    trace, marker = airflow.place.home / "made.txt", airflow.place.home / "database"
    assert trace.read_text() == "made\n"
    marker.write_text("airflow-3.0.0-py311-000000000000")
    start(airflow)
    assert trace.read_text() == "made\nupgraded\n"
    marker.unlink()
    start(airflow)
    assert trace.read_text() == "made\nupgraded\nmade\n"


@pytest.mark.parametrize("how", ["emptied", "made anew by a process"])
def test_a_database_without_tables_is_made_anew(airflow: Embedded, how: str) -> None:
    start(airflow)
    airflow.stop()
    airflow.place.database.write_bytes(b"")
    if how != "emptied":
        with contextlib.closing(sqlite3.connect(airflow.place.database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        assert airflow.place.database.stat().st_size
    start(airflow)
    assert airflow.place.database.read_text() == "whole"


def test_exec_runs_airflows_python_with_the_services_environment(airflow: Embedded) -> None:
    start(airflow)
    script = "import os, sys; print(sys.argv[1], sys.prefix, os.environ['AWS_PROFILE'], os.getcwd()); sys.exit(3)"
    done = airflow.exec("triggerer", ["python", "-", "an argument"], stdin=script)
    assert done.stdout.strip() == f"an argument {airflow.place.venv} dev {airflow.project}"
    assert done.code == 3


def test_exec_where_nothing_runs_says_how_to_start(airflow: Embedded) -> None:
    with pytest.raises(TaskError, match="scheduler does not run") as caught:
        airflow.exec("scheduler", ["python", "-V"])
    assert caught.value.hint == "invoke start"


def test_what_dotenv_asks_for_in_vain_still_shows_as_asked(airflow: Embedded) -> None:
    """Otherwise the environment would differ from `.env` for ever, and every start would be a restart."""
    asked = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://prod",
        "AIRFLOW__API__HOST": "0.0.0.0",
        "PATH": "/bin",
    }
    start(airflow, **asked)
    for service in airflow.running():
        assert asked.items() <= service.environment.items()
    real = psutil.Process(pids(airflow)["scheduler"]).environ()
    assert real["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("sqlite:///")
    assert real["AIRFLOW__API__HOST"] == "127.0.0.1"


def test_a_secret_at_the_edge_of_the_quoted_line_is_hidden_too(tmp_path: Path) -> None:
    (tmp_path / "scheduler.log").write_text("Error: " + "x" * 385 + " hunter2hunter2\n")
    error = embedded.Embedded(tmp_path, tmp_path, tmp_path)._failure("scheduler", "ended", {"TOKEN": "hunter2hunter2"})
    assert "hunter" not in error.message


@pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")
def test_a_component_that_a_signal_has_stopped_is_told_as_one_that_no_waiting_makes_well(airflow: Embedded) -> None:
    airflow.state.mkdir(parents=True)
    made = processes.start(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env=dict(os.environ),
        cwd=airflow.state,
        log=airflow.state / "log",
        record=airflow.state / "scheduler.pid.json",
    )
    assert airflow.ailing() == ()
    os.kill(made.pid, signal.SIGSTOP)
    os.waitpid(made.pid, os.WUNTRACED)
    (found,) = airflow.ailing()
    assert (found.name, "stopped" in found.how) == ("scheduler", True)
