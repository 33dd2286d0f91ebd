"""The console script: the same tasks without a `tasks.py`, and a `tasks.py` for those who like one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project import Done, run

__all__ = ["run"]

Run = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_lists_the_same_tasks_and_one_more(run: Run) -> None:
    out = run("--list").out
    assert all(name in out for name in ("creds", "verify", "sandbox", "init-tasks"))


def test_it_says_its_version(run: Run) -> None:
    assert run("--version").out.startswith("aws-airflow ")


def test_init_tasks_writes_two_files_that_invoke_takes(here: Path, run: Run) -> None:
    assert run("init-tasks").code == 0
    assert sorted(path.name for path in here.iterdir()) == ["invoke.yaml", "tasks.py"]
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "status", "--project", str(here)], cwd=here, capture_output=True, text=True
    )
    assert "executor_class" not in done.stdout + done.stderr
    assert "recap:" in done.stdout
    assert run("init-tasks", "--json").document["recap"]["ok"] == 1


@pytest.mark.parametrize("name", ["tasks.py", "invoke.yaml"])
def test_init_tasks_leaves_existing_files_alone_and_prints_the_lines_to_add(here: Path, run: Run, name: str) -> None:
    (here / name).write_text("# mine\n")
    done = run("init-tasks")
    assert done.code == 1
    assert "ns.add_collection(aws_airflow_tasks.ns" in done.out
    assert "executor_class: aws_airflow_tasks.executor.Executor" in done.out
    assert [(path.name, path.read_text()) for path in here.iterdir()] == [(name, "# mine\n")]


def test_undo_removes_what_init_tasks_wrote(here: Path, run: Run) -> None:
    run("init-tasks")
    assert run("undo").code == 0
    assert list(here.iterdir()) == []


def test_hints_name_the_command_that_was_typed(here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/aws-airflow"])
    out = run("dag").out
    assert "invoke " not in out


def test_our_tasks_added_to_somebodys_own_collection(here: Path) -> None:
    (here / "tasks.py").write_text(
        "from invoke import Collection, task\nimport aws_airflow_tasks\n\n\n"
        "@task\ndef mine(c):\n    print('mine ran')\n\n\n"
        "ns = Collection(mine)\nns.add_collection(aws_airflow_tasks.ns, name='aws-airflow')\n"
    )
    (here / "invoke.yaml").write_text("tasks:\n  executor_class: aws_airflow_tasks.executor.Executor\n")
    command = [sys.executable, "-m", "invoke", "mine", "aws-airflow.dag", "--check"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True)
    assert "mine ran" in done.stdout
    assert "recap:" in done.stdout
