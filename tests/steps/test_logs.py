"""``logs``: what Airflow's services write, over every runtime, by the console script in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aws_airflow_tasks.world import state
from tests.project import Done, airflow, astro_project, embedded, run

__all__ = ["airflow", "astro_project", "embedded", "run"]

SCRIPT = Path(sys.executable).with_name("aws-airflow")
#: stands in for the Astro CLI: says what it was asked, and goes on as long as one that follows
ASTRO = """\
#!/bin/sh
echo "asked: $*"
printf 'the token \\033[31mhunter2\\033[0mhunter2\\n' >&2
case "$*" in *broken*|*--triggerer*) echo "cannot view logs, project not running" >&2; exit 1;; esac
case "$*" in *--follow*) exec sleep 600;; esac
"""
RUNTIMES = ("docker", "standalone", "embedded")


@pytest.fixture
def project(tmp_path: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose Airflow has written something, whichever runs it."""
    made = tmp_path / "my project"
    (made / ".astro").mkdir(parents=True)
    (made / ".astro" / "config.yaml").write_text("project: {name: mine}\n")
    (made / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    (made / ".env").write_text("TOKEN=hunter2hunter2\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "astro").write_text(ASTRO)
    (tmp_path / "bin" / "astro").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-engine.sock")
    logs = state.make(made) / "airflow"
    logs.mkdir()
    for name in ("scheduler", "api-server"):
        (logs / f"{name}.log").write_text(f"asked: {name}\nthe token hunter2hunter2\n")
    return made


def started(project: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [SCRIPT, *words],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job would ignore it
    )


def ended(project: Path, *words: str) -> Done:
    process = started(project, *words)
    out, err = process.communicate(timeout=120)
    return Done(process.returncode, out, err)


@pytest.fixture
def following(project: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are stopped in any case."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_one_service_has_written_is_shown_without_what_is_secret(runtime: str, project: Path) -> None:
    done = ended(project, "logs", "scheduler", "--runtime", runtime)
    assert (done.code, done.err) == (0, "")
    asked = {
        "docker": "dev logs --scheduler",
        "standalone": "dev logs --standalone --scheduler",
        "embedded": "scheduler",
    }
    assert done.out.splitlines()[:2] == [f"asked: {asked[runtime]}", "the token ***"]
    assert "hunter2" not in done.out


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_without_a_service_all_are_shown_and_of_several_each(runtime: str, project: Path) -> None:
    for words, flags in (([], []), (["scheduler", "api-server"], ["--scheduler", "--api-server"])):
        done = ended(project, "logs", *words, "--runtime", runtime)
        assert done.code == 0
        if runtime == "embedded":
            assert {"asked: scheduler", "asked: api-server"} <= set(done.out.splitlines())
        else:
            mode = ["--standalone"] if runtime == "standalone" else []
            assert done.out.splitlines()[0] == " ".join(["asked: dev logs", *mode, *flags])


@pytest.mark.parametrize("stopped_by", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_following_ends_with_ctrl_c_and_leaves_nothing_behind(
    runtime: str, stopped_by: signal.Signals, project: Path, following: list[subprocess.Popen[str]]
) -> None:
    following.append(process := started(project, "logs", "--follow", "scheduler", "--runtime", runtime))
    assert process.stdout
    assert process.stdout.readline().startswith("asked: ")
    assert process.stdout.readline() == "the token ***\n"
    below = psutil.Process(process.pid).children(recursive=True)
    assert below
    process.send_signal(stopped_by)
    out, err = process.communicate(timeout=60)
    assert process.returncode == (130 if stopped_by == signal.SIGINT else -signal.SIGTERM)
    assert (err, "failed=0" in out, "interrupted" in out) == ("", True, False)
    assert not [each for each in below if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_what_is_written_meanwhile_is_shown_at_once(project: Path, following: list[subprocess.Popen[str]]) -> None:
    following.append(process := started(project, "logs", "scheduler", "--follow", "--runtime", "embedded"))
    assert process.stdout
    assert [process.stdout.readline() for _ in range(2)][-1] == "the token ***\n"
    with (state.locate(project) / "airflow" / "scheduler.log").open("a") as log:
        log.write("more of hunter2hunter2\n")
    assert process.stdout.readline() == "more of ***\n"


def test_following_ends_where_nobody_reads_on(project: Path, following: list[subprocess.Popen[str]]) -> None:
    following.append(process := started(project, "logs", "scheduler", "--follow", "--runtime", "embedded"))
    assert process.stdout
    assert process.stdout.readline() == "asked: scheduler\n"
    process.stdout.close()
    with (state.locate(project) / "airflow" / "scheduler.log").open("a") as log:
        log.write("more\nand more\n")
    assert process.wait(timeout=60) == 0


def test_under_json_the_log_is_on_stderr_and_the_document_alone_on_stdout(project: Path) -> None:
    done = ended(project, "logs", "scheduler", "--runtime", "standalone", "--json")
    assert (done.statuses(), done.document["exit_code"]) == ({"logs": "ok"}, 0)
    assert done.err.startswith("asked: dev logs")
    assert "hunter2" not in done.out + done.err


def test_a_command_that_fails_is_quoted_with_what_to_type(project: Path) -> None:
    done = ended(project, "logs", "triggerer", "--runtime", "docker", "--json")
    assert done.code == 1
    assert done.document["steps"][0]["error"]["message"] == (
        "`astro dev logs` failed: cannot view logs, project not running"
    )
    assert done.document["steps"][0]["error"]["hint"].endswith("aws-airflow start --runtime docker")


def test_where_nothing_has_been_started_there_is_no_log_and_the_command_that_starts_it(project: Path) -> None:
    for log in (state.locate(project) / "airflow").iterdir():
        log.unlink()
    done = ended(project, "logs", "--runtime", "embedded", "--json")
    assert (done.code, done.statuses()) == (1, {"logs": "failed"})
    assert done.document["steps"][0]["error"]["hint"].endswith("aws-airflow start --runtime embedded")


@pytest.mark.parametrize("words", [[], ["scheduler"]])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_where_there_is_no_project_nothing_can_have_been_written(
    runtime: str, words: list[str], tmp_path: Path, closed_world: Path
) -> None:
    done = ended(tmp_path, "logs", *words, "--runtime", runtime, "--json")
    error = done.document["error"] or done.document["steps"][0]["error"]
    assert (done.code, error["message"]) == (
        1,
        "this is no Astro project yet, so no Airflow has written anything",
    )
    assert error["hint"].partition("aws-airflow ")[2] == "init"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["schedulr"], "there is no service schedulr here; did you mean scheduler?"),
        (["--service", "postgres"], "there is no service postgres here; there are "),
    ],
)
def test_a_service_that_is_not_there_is_refused_with_those_that_are(words: list[str], said: str, project: Path) -> None:
    done = ended(project, "logs", *words, "--runtime", "embedded", "--json")
    document = json.loads(done.out)
    assert (done.code, document["steps"]) == (2, [])
    assert document["error"]["message"].startswith(said)
    assert document["error"]["hint"].partition("aws-airflow ")[2] in (
        "logs --runtime embedded",
        "logs --service scheduler --runtime embedded --json",
    )
