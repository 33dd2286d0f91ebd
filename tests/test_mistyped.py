"""Command lines that cannot be read: what is wrong, the line that was meant, exit 2, and nothing is done."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project import Done, run

__all__ = ["run"]

Run = Callable[..., Done]

LINES = {
    "setpu": ("there is no task setpu; did you mean setup?", "setup"),
    "setup verfy --check": ("there is no task verfy; did you mean verify?", "setup verify --check"),
    "setup --chekc": ("setup takes no --chekc; did you mean --check?", "setup --check"),
    "setup --regoin='a b'": ("setup takes no --regoin; did you mean --region?", "setup '--region=a b'"),
    "setup -y": ("setup takes no -y; did you mean --yes?", "setup --yes"),
    "setup -xq": ("setup takes no -x", "--help setup"),
    "status --check": ("status takes no --check", "--help status"),
    "doctor --override": ("doctor takes no --override", "--help doctor"),
    "setup stop --region eu-west-1": ("stop takes no --region, but setup does: it comes after that", "--help stop"),
    "setup --json=yes": ("--json takes no value", "--help setup"),
    "logs --service": ("--service needs a value", "--help logs"),
    "secrets.sync a.yaml --also": ("--also needs a value", "--help secrets.sync"),
    "undo --debug": ("--debug comes before the tasks", "--debug undo"),
    "stop -d --check": ("--debug comes before the tasks", "--debug stop --check"),
    "--list secrts": ("--list: there is no secrts; did you mean secrets?", "--list secrets"),
    "--list -F xml": ("--list-format: there is no xml; there are flat, nested, json", "--list"),
    "--list -D some": ("'some' is no whole number", "--help"),
    "--command-timeout 1.5 setup": ("'1.5' is no whole number", "--help"),
    "--profile dev setup --check": ("--profile comes after the task", "setup --profile dev --check"),
    "--echo --check setup": ("--check comes after the task", "--echo setup --check"),
    "--profile dev": ("--profile comes after a task", "--help"),
    "--verion setup": ("there is no flag --verion before a task; did you mean --version?", "--version setup"),
    "help": ("there is no task help; did you mean --help?", "--help"),
    "sandbox up": ("there is no task up; did you mean sandbox.up?", "sandbox.up"),
    "zzzzzz": ("there is no task zzzzzz", "--help"),
    "'say \"it'\"'\"'s\"'": ('there is no task say "it\'s"', "--help"),
    "--help setpu": ("there is no task setpu; did you mean setup?", "--help setup"),
    "setup --region a --region b": ("--region is given twice", "--help setup"),
    "setup --region a --check --region=a": ("--region is given twice", "--help setup"),
    "status --project=. --project=..": ("--project is given twice", "--help status"),
    "setup --check verify --check verfy": (
        "there is no task verfy; did you mean verify?",
        "setup --check verify --check verify",
    ),
    "setup --region eu-west-1 stop --project . env --region eu-west-2": (
        "--region was given twice with different values",
        "setup --region eu-west-1 && aws-airflow stop --project . && aws-airflow env --region eu-west-2",
    ),
    "secrets.get a secrets.get 'b c' --show": (
        "key was given twice with different values",
        "secrets.get a && aws-airflow secrets.get 'b c' --show",
    ),
    "setup --yes --yes=1": ("--yes takes no value", "--help setup"),
    "explain --jsn": ("explain takes no --jsn", "--help explain"),
    "secrets.put --conection": ("secrets.put takes no --conection", "--help secrets.put"),
    "secrets.delete -n": ("secrets.delete takes no -n", "--help secrets.delete"),
    "secrets.get": ("secrets.get needs key", "--help secrets.get"),
    "setup --region": ("--region needs a value", "--help setup"),
    "undo --version": ("--version comes before any task, and alone", "--version"),
    "doctor --version": ("--version comes before any task, and alone", "--version"),
    "doctor --region=": ("--region is empty", "--help doctor"),
    "explain - -- more": ("no task takes what stands behind --: more", "explain - more"),
    "setup --check --version": ("--version comes before any task, and alone", "--version"),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/aws-airflow"])
    return tmp_path


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_cannot_be_read_is_answered_with_the_one_that_was_meant(line: str, here: Path, run: Run) -> None:
    said, better = LINES[line]
    done = run(*shlex.split(line))
    assert (done.code, done.err) == (2, "")
    assert done.out == f"error: {said}\n-> aws-airflow {better}\n"
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("line", ["setpu", "setup --chekc", "--profile dev setup", "secrets.get", "undo --version"])
def test_under_json_it_is_one_document(line: str, here: Path, run: Run) -> None:
    document = run(*shlex.split(line), "--json").document
    assert (document["exit_code"], document["steps"]) == (2, [])
    assert document["error"]["message"]
    assert document["error"]["hint"].startswith("aws-airflow ")


def test_under_invoke_too_a_task_is_not_run_with_a_version_asked_behind_it(here: Path, run: Run) -> None:
    run("init-tasks")
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "undo", "--version"], cwd=here, capture_output=True, text=True
    )
    assert (done.returncode, "--version comes before any task" in done.stdout) == (2, True), done
    assert (here / "tasks.py").exists()


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("task", ["explain", "secrets.get", "secrets.put", "secrets.sync", "logs"])
def test_help_behind_a_task_is_not_taken_for_the_word_that_the_task_needs(
    task: str, flag: str, here: Path, run: Run
) -> None:
    assert run(task, flag) == run("--help", task)


def test_under_invoke_it_is_answered_with_the_line_that_shows_it(here: Path, run: Run) -> None:
    run("init-tasks")
    words = [sys.executable, "-m", "invoke", "secrets.put", "--help"]
    done = subprocess.run(words, cwd=here, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, ""), done
    assert done.stdout.startswith("error: secrets.put takes no --help\n-> ")
    assert done.stdout.endswith(" --help secrets.put\n")
