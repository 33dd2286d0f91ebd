"""What is to be typed next is found by the shell that has called us, and goes on under what that was given."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke import Call, Collection, Context, task

from aws_airflow_tasks import invocation, ns
from aws_airflow_tasks.text.calling import called, command
from tests.project import Done, airflow, astro_project, embedded, run

Run = Callable[..., Done]

__all__ = ["airflow", "astro_project", "embedded", "run"]


def _program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["invoke", "inv", "aws-airflow"])
def test_a_program_on_path_goes_by_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _program(tmp_path / "bin", name)
    monkeypatch.setenv("PATH", str(found.parent))
    monkeypatch.setattr(sys, "argv", [str(found)])
    assert invocation.program() == name


def test_a_program_that_path_does_not_lead_to_goes_by_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _program(tmp_path / "my project" / ".venv" / "bin", "invoke")
    monkeypatch.setenv("PATH", str(_program(tmp_path / "bin", "invoke").parent))
    monkeypatch.chdir(tmp_path / "my project")
    monkeypatch.setattr(sys, "argv", [".venv/bin/invoke"])
    assert invocation.program() == ".venv/bin/invoke"
    monkeypatch.setattr(sys, "argv", [str(found)])
    assert invocation.program() == ".venv/bin/invoke"
    monkeypatch.chdir(tmp_path)
    assert invocation.program() == "'my project/.venv/bin/invoke'"


def test_a_module_goes_by_the_interpreter_that_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = _program(tmp_path / "bin", "python")
    monkeypatch.setenv("PATH", str(python.parent))
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(sys, "argv", ["/somewhere/invoke/__main__.py"])
    assert invocation.program() == "python -m invoke"


def test_any_other_caller_is_told_the_console_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = _program(tmp_path / "venv" / "bin", "aws-airflow")
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    monkeypatch.setattr(sys, "argv", ["/somewhere/pytest"])
    assert invocation.program() == str(script)


def test_the_proof_after_setup_is_under_the_flags_that_setup_was_given(
    run: Run, astro_project: Path, airflow: object
) -> None:
    done = run("setup", "--region", "us-east-2", "--diff", "--yes")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "next: invoke verify --region us-east-2"


def test_check_mode_ends_in_the_line_that_does_it(run: Run, astro_project: Path) -> None:
    for line in (["dag", "--check", "--diff"], ["--dry", "dag", "--diff"]):
        done = run(*line)
        assert (done.code, done.out.splitlines()[-1]) == (3, "next: invoke dag --diff")
    assert run("dag", "--check", "--json", "--yes").document["next"] == ["invoke dag --json --yes"]


def test_a_hint_goes_on_under_the_flags_that_were_given(run: Run, astro_project: Path) -> None:
    (astro_project / "dags").mkdir(exist_ok=True)
    (astro_project / "dags" / "example_secrets_dag.py").write_text("# mine\n")
    done = run("dag", "--runtime", "standalone", "--check")
    assert "or: invoke dag --override --runtime standalone\n" in done.out


def test_a_task_that_a_namespace_has_not_is_typed_by_the_console_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["invoke"])
    monkeypatch.setattr(invocation, "_console_script", lambda: "aws-airflow")
    some = Collection(ns.tasks["setup"], ns.tasks["open"])
    nested = Collection()
    nested.add_collection(some, name="aws")
    renamed = Collection()
    renamed.add_task(ns.tasks["setup"], name="up")
    asked = [Call(ns.tasks["setup"], kwargs={"project": "p", "region": "eu-west-2"})]
    for collection, words in ((some, "invoke setup"), (nested, "invoke aws.setup"), (renamed, "aws-airflow setup")):
        with called(invocation.calling(asked, collection, None)):
            assert command("setup") == f"{words} --project p --region eu-west-2"
            assert command("start") == "aws-airflow start --project p --region eu-west-2"
            assert command("undo") == "aws-airflow undo --project p"


def test_a_persons_own_task_is_none_of_ours_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    @task
    def start(_: Context) -> None:
        """Theirs."""

    monkeypatch.setattr(sys, "argv", ["invoke"])
    monkeypatch.setattr(invocation, "_console_script", lambda: "aws-airflow")
    with called(invocation.calling([], Collection(start, ns.tasks["setup"]), None)):
        assert command("start") == "aws-airflow start"
