"""What is waited for is said, and what was silent once in a command line is not waited for again."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aws_airflow_tasks import live, sandbox
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.play import Play
from aws_airflow_tasks.runtimes import dockerfile, venv
from aws_airflow_tasks.screen import Screen
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import refresh
from aws_airflow_tasks.world import (
    airflow_api,
    aws,
    causes,
    cli,
    docker_engine,
    lock,
    processes,
    sessions,
    threads,
    waits,
)
from tests.project import Done, airflow, astro_project, embedded, run
from tests.world.server import REAL_SPAWN
from tests.world.silent import TRICKLING, Silent, silent

__all__ = ["airflow", "astro_project", "embedded", "run"]

SCRIPT = Path(sys.executable).with_name("aws-airflow")


class Heard(logging.Handler):
    """What was logged for a person, and when the first of it was."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.first = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.first.set()


@pytest.fixture
def heard() -> Iterator[Heard]:
    handler = Heard()
    waits.log.addHandler(handler)
    yield handler
    waits.log.removeHandler(handler)


@pytest.fixture
def server() -> Iterator[Silent]:
    with silent() as server:
        yield server


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a shell script of some name on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)

    def made(name: str, script: str) -> Path:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        return folder / name

    return made


def hanging(notes: Path) -> str:
    """A script that hangs, as does what it starts; each notes its pid, and only SIGKILL ends the child's child."""
    stubborn = f"trap '' TERM HUP INT; echo $$ >> {shlex.quote(str(notes))}; while :; do sleep 1; done"
    return f"echo $$ >> {shlex.quote(str(notes))}; sh -c {shlex.quote(stubborn)} & wait"


def pids(notes: Path, number: int) -> list[int]:
    for _ in range(1200):
        if notes.exists() and len(found := notes.read_text().split()) >= number:
            return [int(pid) for pid in found]
        time.sleep(0.05)
    raise AssertionError("the program did not start")


def gone(pid: int) -> bool:
    """A process that was killed ends when it is its turn, which takes its time on a machine that is busy."""
    for _ in range(600):
        if not processes.lives(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], None]:
    """Lets the time of a command line be over as soon as it has noted so many lines, on however slow a machine."""
    run = cli.run

    def patience(notes: Path, number: int) -> None:
        def look() -> None:
            if notes.exists() and len(notes.read_text().split()) >= number:
                raise cli.TimedOut("it did not end within its time")

        monkeypatch.setattr(cli, "GRACE", 0.2)
        monkeypatch.setattr(cli, "run", lambda argv, **how: run(argv, **{**how, "tick": look, "every": 0.1}))

    return patience


def test_a_wait_is_said_once_it_takes_long_and_by_no_more_than_one_line(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "AFTER", 0.05)
    with waits.told("somebody"), waits.told("somebody"):
        assert heard.first.wait(60)
    assert heard.lines == ["waiting for somebody"]


def test_a_wait_that_is_over_is_not_said(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "AFTER", 3600)
    before = threading.active_count()
    with waits.told("somebody"):
        pass
    for _ in range(600):
        if threading.active_count() <= before:
            break
        time.sleep(0.05)
    assert (threading.active_count(), heard.lines) == (before, [])


def test_what_a_command_line_and_the_lock_wait_for_is_said_where_there_is_no_terminal(
    tmp_path: Path, program: Callable[[str, str], Path]
) -> None:
    """In a process of its own: the line is on stderr, and the JSON document is alone on stdout."""
    program("astro", "sleep 600")
    (tmp_path / "project").mkdir()
    script = (
        "from aws_airflow_tasks import live; from aws_airflow_tasks.world import waits\n"
        "from aws_airflow_tasks.steps import init; from aws_airflow_tasks.program import main\n"
        "waits.AFTER = live.LASTS = 0.05; init._PATIENCE = 2\n"
        "main(['aws-airflow', 'init', '--json'])"
    )
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, cwd=tmp_path / "project", capture_output=True, text=True, timeout=120)
    assert "waiting for `astro dev init --force` (at most 2 s)" in done.stderr
    assert done.stdout.startswith("{"), done
    state = tmp_path / "states" / "project"
    holding = (
        "import sys; from pathlib import Path; from aws_airflow_tasks.world.lock import locked\n"
        f"with locked(Path({str(state)!r}), wait=0, doing='invoke setup'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", holding], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        said: list[str] = []
        with pytest.raises(TaskError), lock.locked(state, wait=0, doing="x", waiting=said.append):
            pytest.fail("the lock was given twice")
        assert said[0].startswith("waiting for invoke setup")
        holder.kill()


def test_a_command_that_hangs_ends_with_all_that_it_has_started(
    tmp_path: Path, program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    program("thing", hanging(tmp_path / "pids"))
    monkeypatch.setattr(cli, "GRACE", 0.2)

    def until_both_are_there() -> None:
        if len(pids(tmp_path / "pids", 2)) == 2:
            raise TaskError("enough")

    with pytest.raises(TaskError, match="enough"):
        cli.run(["thing"], timeout=600, tick=until_both_are_there, every=0.1)
    assert all(map(gone, pids(tmp_path / "pids", 2)))


def test_whoever_is_interrupted_waits_for_nothing_that_another_thread_has_started(
    tmp_path: Path, program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    program("thing", hanging(tmp_path / "pids"))
    monkeypatch.setattr(cli, "GRACE", 0.2)
    done = threads.begin(lambda: cli.run(["thing"], timeout=600))
    started = pids(tmp_path / "pids", 2)
    cli.stop_running()
    assert done.result(60).code != 0
    assert all(map(gone, started))


def test_an_interrupt_in_the_sandbox_does_not_wait_for_the_installation(
    tmp_path: Path, program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = program("uv", hanging(tmp_path / "pids"))
    monkeypatch.setattr(venv, "find_uv", lambda: str(uv))
    monkeypatch.setattr(cli, "GRACE", 0.2)
    asked = Settings(project=tmp_path / "airflow-3", cache=tmp_path / "cache")
    play = Play(asked, "sandbox", Screen())

    def interrupted(_: object) -> None:
        pids(tmp_path / "pids", 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(sandbox, "_aws", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sandbox._made(play, asked, tmp_path, 3)
    assert all(map(gone, pids(tmp_path / "pids", 2)))
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_a_login_that_nobody_ends_is_stopped_with_what_it_has_started_but_not_the_browser(
    tmp_path: Path, program: Callable[[str, str], Path]
) -> None:
    """It shares our process group, as it has the terminal; what has a session of its own goes on."""
    note = f"echo $! >> {shlex.quote(str(tmp_path / 'pids'))}"
    program("aws", f"sleep 600 &\n{note}\nsetsid sleep 600 &\n{note}\nwait")
    first = "from aws_airflow_tasks.world import cli, signals; cli.GRACE = 0.5\n"
    script = f"{first}with signals.as_interrupts(): cli.interactive(['aws', 'sso', 'login'])"
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as ours:
        theirs, browser = pids(tmp_path / "pids", 2)
        for _ in range(600):  # a fork has its session of its own a moment later
            if os.getpgid(browser) == browser:
                break
            time.sleep(0.05)
        ours.send_signal(signal.SIGTERM)
        assert ours.wait(120) == -signal.SIGTERM
    try:
        assert [processes.lives(pid) for pid in (theirs, browser)] == [False, True]
    finally:
        os.kill(browser, signal.SIGKILL)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_that_ends_us_ends_what_we_have_started(
    name: str, tmp_path: Path, program: Callable[[str, str], Path]
) -> None:
    """And the run says that it was interrupted, before it ends by that signal."""
    program("astro", hanging(tmp_path / "pids"))
    (tmp_path / "project").mkdir()
    # a job in the background ignores the terminal's signals
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "from aws_airflow_tasks.world import cli; from aws_airflow_tasks.program import main; cli.GRACE = 0.2\n"
        "main(['aws-airflow', 'init'])"
    )
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, cwd=tmp_path / "project", stdout=-1, stderr=-1, text=True) as ours:
        started = pids(tmp_path / "pids", 2)
        number = getattr(signal, name)
        ours.send_signal(number)
        out, err = ours.communicate(timeout=120)
    assert "interrupted" in out, err
    assert ours.returncode == (130 if name == "SIGINT" else -number)
    assert all(map(gone, started))


def test_nohup_stays_in_force(tmp_path: Path) -> None:
    script = (
        "import os, signal; from aws_airflow_tasks.world import signals\n"
        "with signals.as_interrupts(): os.kill(os.getpid(), signal.SIGHUP); print('goes on')\n"
    )
    done = subprocess.run(["nohup", sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "goes on\n")


def test_an_astro_that_hangs_is_named_with_the_command_that_needs_no_network(
    tmp_path: Path,
    program: Callable[[str, str], Path],
    impatient: Callable[[Path, int], None],
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., Done],
) -> None:
    program("astro", hanging(tmp_path / "pids"))
    impatient(tmp_path / "pids", 2)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    done = run("init")
    assert (done.code, "did not end within its time" in done.out) == (1, True)
    assert "-> astro dev init --runtime-version" in done.out
    assert all(map(gone, pids(tmp_path / "pids", 2)))


def test_an_astro_that_hangs_after_it_has_made_the_project_has_made_it(
    tmp_path: Path,
    program: Callable[[str, str], Path],
    impatient: Callable[[Path, int], None],
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., Done],
) -> None:
    """Even where a named pipe lies among its files, which nobody writes to."""
    made = 'mkdir .astro dags; echo "project: {}" >.astro/config.yaml; echo "FROM x" >Dockerfile; mkfifo dags/x'
    program("astro", f"{made}; echo made > ../made; sleep 600")
    impatient(tmp_path / "made", 1)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    done = run("init", "--json")
    assert (tmp_path / "made").exists()
    assert done.statuses() == {"init": "changed"}


def test_a_dockerfile_that_is_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Dockerfile")
    with pytest.raises(TaskError, match="is no file"):
        dockerfile.text(tmp_path)


def test_a_silent_endpoint_costs_the_first_question_only(
    server: Silent,
    astro_project: Path,
    airflow: object,
    run: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asks it later in the same command line; the next command line asks anew."""
    monkeypatch.setattr(sessions, "ANSWER", 0.3)
    monkeypatch.setattr(waits, "AFTER", 0.05)
    monkeypatch.setattr(live, "LASTS", 0.05)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", server.url)
    done = run("creds", "env", "secrets")
    attempts = len(server.connections)
    assert 1 <= attempts <= 2
    assert done.out.count(f"AWS cannot be reached: no answer from {server.url}") >= 2
    assert "waiting for AWS, asked with profile default\n" in done.err
    assert run("status").code in (1, 3)
    assert attempts < len(server.connections) <= 2 * attempts


@pytest.mark.parametrize("begins", TRICKLING.values(), ids=TRICKLING)
def test_an_endpoint_that_sends_a_byte_now_and_then_costs_one_bound_and_is_asked_once(
    begins: bytes,
    astro_project: Path,
    airflow: object,
    run: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "WHOLE", 0.5)
    with silent(begins) as server:
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", server.url)
        done = run("creds", "env", "secrets")
        assert done.out.count(f"AWS cannot be reached: no answer from {server.url}") >= 2
        assert (len(server.connections), server.was_waited_for) == (1, False)


def test_a_service_of_keys_that_sends_a_byte_now_and_then_costs_one_bound(
    astro_project: Path, closed_world: Path, airflow: object, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "WHOLE", 0.5)
    (closed_world / ".aws" / "credentials").unlink()
    with silent(TRICKLING["body"]) as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/keys")
        assert f"no answer from {server.url}/keys" in run("creds").out
        assert (len(server.connections), server.was_waited_for) == (1, False)


@pytest.mark.parametrize("begins", TRICKLING.values(), ids=TRICKLING)
def test_an_airflow_that_sends_a_byte_now_and_then_does_not_answer(
    begins: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow_api, "TIMEOUT", 0.3)
    with silent(begins) as server:
        assert airflow_api.health(server.url, 3) == {}
        with pytest.raises(airflow_api.Unwell, match="does not answer"):
            airflow_api.connect(airflow_api.Login(server.url, "admin", "x", 3))
        assert not server.was_waited_for


def test_each_look_of_a_watch_asks_a_silent_endpoint_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    waits.note_silence("somebody")
    with pytest.raises(ZeroDivisionError):
        refresh.renew(lambda: 1 // 0, "a watch")  # type: ignore[arg-type,return-value]
    assert not waits.is_silent("somebody")


def test_an_endpoint_that_answers_is_asked_after_another_was_silent(
    server: Silent, astro_project: Path, embedded: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "ANSWER", 0.3)
    dead = aws.connect(Settings(project=astro_project, endpoint_url=server.url))
    with pytest.raises(causes.Unreachable):
        aws.caller_identity(dead)
    alive = Site(Settings(project=astro_project, endpoint_url=os.environ["INVOKE_AWS_AIRFLOW_ENDPOINT_URL"]))
    monkeypatch.setattr(sessions, "ANSWER", 10)
    assert aws.caller_identity(alive.account).account


def test_an_aws_command_line_that_hangs_is_started_once(
    tmp_path: Path, program: Callable[[str, str], Path], impatient: Callable[[Path, int], None]
) -> None:
    program("aws", hanging(tmp_path / "pids"))
    impatient(tmp_path / "pids", 2)
    with pytest.raises(cli.TimedOut):
        sessions.command_line("sts", "get-caller-identity", env=os.environ)
    started = pids(tmp_path / "pids", 2)
    sessions._ask_command_line("default", "")
    with pytest.raises(TaskError, match="hangs"):
        sessions.command_line("configure", "export-credentials", env=os.environ)
    assert pids(tmp_path / "pids", 2) == started
    assert all(map(gone, started))


@pytest.mark.parametrize("begins", [b"", *TRICKLING.values()], ids=["silent", *TRICKLING])
def test_an_engine_that_does_not_answer_is_asked_once(begins: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    said = set()
    with silent(begins) as server:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.port}")
        for _ in range(2):
            with pytest.raises(TaskError, match="does not answer in time") as caught, docker_engine.client(1):
                pytest.fail("it has answered")
            said.add((caught.value.message, caught.value.hint))
        assert (len(said), len(server.connections), server.was_waited_for) == (1, 1, False)
