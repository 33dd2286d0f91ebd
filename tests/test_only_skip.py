"""One step alone, and a line without one: ``--only`` and ``--skip``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project import Done, StandInAirflow, airflow, astro_project, embedded, run

__all__ = ["airflow", "astro_project", "embedded", "run"]

Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/aws-airflow"])


def reasons(done: Done) -> dict[str, str]:
    return {step["step"]: (step["error"] or {"message": step["reason"]})["message"] for step in done.document["steps"]}


def test_a_step_that_runs_alone_brings_nothing_else_to_what_it_should_be(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    assert run("setup", "--only", "dag", "--json").statuses() == {"dag": "changed"}
    assert (astro_project / "dags" / "example_secrets_dag.py").exists()
    assert (astro_project / ".env").read_text() == ""
    assert airflow.started == []


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_a_step_that_runs_alone_before_what_it_needs_is_skipped_with_the_command_for_that_and_exit_code_1(
    check: list[str], astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    done = run("start", "--only", "start", "--json", *check)
    assert (done.code, done.statuses(), airflow.started) == (1, {"start": "skipped"}, [])
    assert done.document["steps"][0]["error"] == {"message": "needs env", "hint": "aws-airflow env"}
    assert "skipped  start    needs env\n-> aws-airflow env\n" in done.err
    assert (astro_project / ".env").read_text() == ""


def test_a_step_that_runs_alone_runs_where_all_that_it_needs_is_as_it_should_be(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    assert run("setup", "--skip", "start").code == 0
    done = run("setup", "--only", "start", "--json")
    assert (done.code, done.statuses(), airflow.started) == (0, {"start": "changed"}, ["start"])


@pytest.mark.parametrize("check", [[], ["--check"]])
def test_steps_that_are_named_together_count_for_each_other(
    check: list[str], astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    done = run("setup", "--only", "env, start", "--only", "dag", "--json", *check)
    assert done.statuses() == dict.fromkeys(("env", "dag", "start"), "changed")
    assert done.code == (3 if check else 0)


def test_a_step_that_is_left_out_is_marked_and_what_depends_on_it_goes_on(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    done = run("setup", "--skip", "secrets,provider", "--json")
    assert done.code == 0
    assert {name: why for name, why in reasons(done).items() if why == "asked"} == {
        "secrets": "asked",
        "provider": "asked",
    }
    assert done.statuses()["start"] == "changed"
    assert airflow.started == ["start"]


def test_what_failed_before_a_step_that_is_left_out_still_keeps_those_after_it_from_running(
    astro_project: Path, airflow: StandInAirflow, run: Run, closed_world: Path
) -> None:
    (closed_world / ".aws" / "credentials").unlink()
    (closed_world / ".aws" / "config").unlink()
    done = run("setup", "--skip", "mount", "--json")
    assert done.code == 1
    assert [reasons(done)[name] for name in ("mount", "env", "start")] == ["creds failed"] * 3


def test_the_proof_asks_who_we_are_whatever_is_left_out(
    astro_project: Path, airflow: StandInAirflow, run: Run, closed_world: Path
) -> None:
    assert run("setup").code == 0
    credentials = closed_world / ".aws" / "credentials"
    credentials.write_text(credentials.read_text().replace("aws_secret_access_key", "no_secret_access_key"))
    done = run("verify", "--skip", "creds,secrets,mount,env,start", "--json")
    first = done.document["checks"][0]
    assert (done.code, first["check"], first["status"]) == (4, "host-identity", "failed")


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("env --only evn", "--only: there is no step evn here; did you mean env?", "env --json --only env"),
        (
            "setup --skip=dag,moutn",
            "--skip: there is no step moutn here; did you mean mount?",
            "setup --json --skip dag,mount",
        ),
        ("dag --skip zzz", "--skip: there is no step zzz here; there are init, dag", "--help dag"),
        ("dag --only verify", "--only: there is no step verify here; there are init, dag", "--help dag"),
        ("setup --only=", "--only names no step; there are creds, init", "--help setup"),
        ("setup --only", "--only needs a value", "--help setup"),
        ("env --only --check", "--only needs a value", "--help env"),
        ("setup --skip creds,", "--skip names no step; there are creds, init", "--help setup"),
    ],
)
def test_a_step_that_is_not_on_the_command_line_is_refused_before_anything_runs(
    line: str, said: str, hint: str, astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    done = run(*line.split(), "--json")
    assert (done.code, done.document["steps"]) == (2, [])
    assert done.document["error"]["message"].startswith(said)
    assert done.document["error"]["hint"] == f"aws-airflow {hint}"


def test_the_next_command_goes_on_without_what_was_left_out_and_not_with_one_step_alone(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    assert "\nnext: aws-airflow verify --skip secrets\n" in run("setup", "--skip", "secrets").out
    assert "\nnext: " not in run("setup", "--only", "dag").out


def test_the_second_run_of_idempotence_is_as_narrow_as_the_first(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    done = run("idempotence", "--skip", "secrets,start", "--json")
    assert (done.code, airflow.started) == (0, [])
    assert [step["step"] for step in done.document["steps"] if step["reason"] == "asked"] == ["secrets", "start"] * 2
    done = run("idempotence", "--only", "dag,env", "--json")
    assert [step["step"] for step in done.document["steps"]] == ["env", "dag"]
