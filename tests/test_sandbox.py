"""The sandbox is a play of its own: what stands beside it on a command line acts on the person's project."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks import sandbox
from aws_airflow_tasks.core import Plan, TaskError
from aws_airflow_tasks.settings import FLAGS, KEYS, Settings
from aws_airflow_tasks.steps import creds
from aws_airflow_tasks.text.calling import command
from tests.project import Done, StandInAirflow, airflow, astro_project, embedded, run, tree

__all__ = ["airflow", "astro_project", "embedded", "run"]

Run = Callable[..., Done]
DAG = Path("dags", "example_secrets_dag.py")


@pytest.fixture
def project(astro_project: Path, airflow: StandInAirflow) -> Path:
    return astro_project


def test_every_flag_holds_in_the_sandbox_and_no_setting_of_the_persons_but_the_patience() -> None:
    plain = Settings()
    asked = Settings(
        **{
            name: True if name in FLAGS else 7 if kind is int else Path("/p") if kind is Path else "mine"
            for name, kind in Settings.__annotations__.items()
        }
    )
    there = sandbox._settings(asked, Path("/s"))
    assert there == asked._replace(
        **{key: getattr(plain, key) for key in KEYS} | {"project": Path("/s"), "runtime": "embedded", "wait": 7}
    )
    assert all(getattr(there, flag) is True for flag in FLAGS)


@pytest.mark.parametrize("line", [["sandbox.stop", "dag"], ["dag", "sandbox.stop"], ["sandbox.clean", "dag"]])
def test_a_task_beside_the_sandboxs_acts_on_the_persons_project(project: Path, run: Run, line: list[str]) -> None:
    done = run(*line, "--json")
    assert done.code == 0
    assert [step["step"] for step in done.document["steps"] if step["step"] in ("dag", "sandbox.stop")] == [
        "sandbox.stop" if name == "sandbox.clean" else name for name in line
    ]
    assert (project / DAG).is_file()
    assert not (project / ".sandbox").exists()


def half_made(project: Path) -> Path:
    """A copy's directory that was left before its Dockerfile was written."""
    folder = project / ".sandbox" / "airflow-3-etl-abc123"
    (folder / "dags").mkdir(parents=True)
    return folder


def test_a_copy_that_is_half_made_keeps_nothing_of_the_sandbox_from_being_stopped(project: Path, run: Run) -> None:
    half_made(project)
    mark = {"EMBEDDED_AWS_STATE": str(project / ".sandbox" / "aws")}
    argv = [sys.executable, "-c", "import time; time.sleep(300)"]
    child = subprocess.Popen(argv, env={**os.environ, **mark}, start_new_session=True)
    try:
        done = run("sandbox.stop")
        assert (done.code, "changed  sandbox.stop embedded AWS: stopped" in done.out) == (0, True), done.out
        assert child.wait(20) is not None
        assert run("sandbox.clean").code == 0
        assert not (project / ".sandbox").exists()
    finally:
        child.kill()


def test_nothing_is_removed_under_what_could_not_be_stopped(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_made(project)

    def refuses(*_: object) -> Plan:
        raise TaskError("it cannot be stopped", hint="kill 1")

    monkeypatch.setattr(sandbox, "_stopped", refuses)
    assert run("sandbox.clean").code == 1
    assert (project / ".sandbox").is_dir()


def test_undo_after_the_sandbox_undoes_in_the_persons_project(project: Path, closed_world: Path, run: Run) -> None:
    before = tree(project)
    assert run("dag").code == 0
    (project / ".sandbox").mkdir()
    assert run("sandbox.clean", "undo").code == 0
    assert tree(project) == before


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Settings]]:
    """A sandbox whose AWS and Airflow are there at once; what its steps saw of the environment."""
    seen: list[tuple[str, Settings]] = []
    monkeypatch.setattr(sandbox.venv, "is_ready", lambda folder: True)
    monkeypatch.setattr(sandbox, "_aws", lambda root: Plan(target="aws"))
    monkeypatch.setattr(sandbox, "_airflow", lambda settings, major, built, further: Plan(target="airflow"))
    monkeypatch.setattr(sandbox.moto, "running", lambda directory, home: "http://127.0.0.1:9")
    monkeypatch.setattr(
        sandbox, "_say_what_next", lambda play, source: seen.append((os.environ["HOME"], play.settings))
    )
    return seen


def test_what_fails_in_the_sandbox_is_mended_by_the_sandboxs_own_commands(
    project: Path, run: Run, quick: list[tuple[str, Settings]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ill(_: object, **__: object) -> None:
        raise TaskError("it is ill", hint=f"{command('stop')} && {command('start')}")

    monkeypatch.setattr(creds, "plan", ill)
    done = run("sandbox", "--backend", "parameter-store", "--project", str(project), "creds")
    where = f"--project {shlex.quote(str(project))}"
    assert f"-> invoke sandbox.stop {where} && invoke sandbox --backend parameter-store {where}\n" in done.out
    assert f"-> invoke stop {where} && invoke start {where}\n" in done.out, "beside it the person's own project's are"


@pytest.mark.parametrize("line", [["setup", "sandbox"], ["sandbox", "setup"]])
def test_setup_beside_the_sandbox_acts_on_both_each_once_and_is_told_in_one_recap(
    project: Path,
    closed_world: Path,
    run: Run,
    quick: list[tuple[str, Settings]],
    monkeypatch: pytest.MonkeyPatch,
    line: list[str],
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "default")
    before = dict(os.environ)
    done = run(*line, "--json")
    ((home, settings),) = quick
    assert home == str(project / ".sandbox" / "home")
    assert (settings.project, settings.runtime) == (project / ".sandbox" / "airflow-3", "embedded")
    assert (settings.endpoint_url, settings.json) == ("http://127.0.0.1:9", True)
    assert dict(os.environ) == before
    steps = [step["step"] for step in done.document["steps"]]
    assert (steps.count("dag"), steps.count("project")) == (2, 1)
    assert (steps.index("project") < steps.index("dag")) == (line[0] == "sandbox")
    assert (project / DAG).is_file()
    assert (settings.project / DAG).is_file()


def test_the_environment_is_given_back_when_something_fails_in_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    before = dict(os.environ)
    with pytest.raises(KeyboardInterrupt), sandbox._inside(tmp_path):
        assert "AWS_PROFILE" not in os.environ
        assert os.environ["HOME"] == str(tmp_path / "home")
        assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "127.0.0.1,localhost"
        os.environ["MADE_THERE"] = "1"
        raise KeyboardInterrupt
    assert dict(os.environ) == before


def test_check_in_the_sandbox_reaches_no_further_than_what_is_there(project: Path, run: Run) -> None:
    before = tree(project)
    assert run("sandbox", "--check").code == 3
    assert tree(project) == before


#: what a repository may bring as a symlink, and how deep the sandbox would write below it
BROUGHT = (
    ".sandbox",
    ".sandbox/home",
    ".sandbox/home/.aws",
    ".sandbox/home/.aws/credentials",
    ".sandbox/home/.local",
    ".sandbox/aws",
    ".sandbox/airflow-2",
    ".sandbox/airflow-3",
    ".sandbox/airflow-3/dags",
    ".sandbox/airflow-3/.env",
    ".sandbox/.gitignore",
)


@pytest.mark.parametrize("words", [["sandbox"], ["sandbox", "--yes"], ["sandbox.stop"], ["sandbox.clean"]])
@pytest.mark.parametrize("name", BROUGHT)
def test_a_symlink_that_leads_out_of_the_sandbox_is_refused_with_its_name_and_nothing_is_written_or_read_through_it(
    name: str, words: list[str], project: Path, closed_world: Path, run: Run
) -> None:
    target = closed_world / ".aws"
    if "credentials" in name or name.endswith((".env", ".gitignore")):
        target /= "credentials"
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).symlink_to(target)
    before = tree(project, closed_world)
    done = run(*words)
    assert (done.code, f"{project / name} is a symlink to '{target}'" in done.out) == (2, True), done
    assert f"-> rm '{project / name}'" in done.out
    assert tree(project, closed_world) == before


@pytest.mark.usefixtures("quick")
def test_a_symlink_that_stays_in_the_sandbox_as_airflow_makes_one_of_its_logs_is_no_hindrance(
    project: Path, run: Run
) -> None:
    assert "changed  project" in run("sandbox").out
    logs = project / ".sandbox" / "home" / "logs"
    (logs / "today").mkdir(parents=True)
    (logs / "latest").symlink_to("today")
    (logs / "gone").symlink_to("yesterday")
    assert "ok       project" in run("sandbox").out
    assert run("sandbox.clean").code == 0
    assert not (project / ".sandbox").exists()


@pytest.mark.usefixtures("quick")
def test_the_sandbox_needs_no_answer_to_what_the_persons_project_asks_for(project: Path, run: Run) -> None:
    (project / "invoke.yaml").write_text("aws_airflow: {profile: prod, endpoint_url: 'http://elsewhere.example'}\n")
    (project / ".env").unlink()
    (project / ".env").symlink_to("/etc/passwd")
    assert "changed  project" in run("sandbox").out
    assert run("sandbox.stop").code == run("sandbox.clean").code == 0
    assert run("sandbox", "setup").code == 2
