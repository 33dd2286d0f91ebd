"""Invoke's hook: flags reach dependencies, tasks of others are left alone, any other executor is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from invoke import Collection
from invoke import task as invoke_task
from invoke.program import Program

from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.executor import Executor, task
from aws_airflow_tasks.play import Play


class World:
    """What the tasks under test ensure: named values that should be ``wanted``."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.asked: list[str] = []
        self.broken: BaseException | None = None

    def plan(self, name: str) -> Callable[..., Plan]:
        def plan(site) -> Plan:
            self.asked.append(name)
            if name == "first" and self.broken:
                raise self.broken
            apply = lambda: self.values.__setitem__(name, "wanted")  # noqa: E731
            return Plan((Change(name, "patch", self.values.get(name), "wanted", apply, ask=self.question(name)),))

        return plan

    def question(self, name: str) -> str:
        return "Really?" if name == "asking" else ""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command line against a small namespace; returns the exit code."""
    monkeypatch.chdir(tmp_path)

    @task()
    def first(play: Play) -> None:
        play.converge("first", world.plan("first"))

    @task(first)
    def second(play: Play) -> None:
        play.converge("second", world.plan("second"))

    @task()
    def other(play: Play) -> None:
        play.converge("other", world.plan("other"))

    @task()
    def asking(play: Play) -> None:
        play.converge("asking", world.plan("asking"))

    @task(first, second, other)
    def everything(play: Play) -> None:
        play.note("next: lunch")

    @invoke_task
    def foreign(c, check=False):
        world.asked.append(f"foreign {check} {c.config.run.echo}")

    @invoke_task(pre=[first])
    def foreign_with_ours(c):
        world.asked.append("foreign")

    namespace = Collection(first, second, other, asking, everything, foreign, foreign_with_ours)

    def run(*argv: str, executor: type | None = Executor) -> int:
        program = Program(namespace=namespace, executor_class=executor)
        with pytest.raises(SystemExit) as ended:
            program.run(["inv", *argv])
        return int(ended.value.code or 0)

    return run


def test_dependencies_run_first_and_once(run, world: World, capsys) -> None:
    assert run("everything", "second") == 0
    assert list(world.values) == ["first", "second", "other"]
    assert "recap: ok=0 changed=3 skipped=0 failed=0" in capsys.readouterr().out


def test_check_reaches_every_dependency_and_exits_3(run, world: World, capsys) -> None:
    assert run("everything", "--check") == 3
    assert world.asked == ["first", "second", "other"]
    assert world.values == {}
    assert "nothing was changed" in capsys.readouterr().out


def test_invokes_own_dry_run_means_check(run, world: World) -> None:
    assert run("--dry", "second") == 3
    assert world.values == {}


def test_check_on_a_converged_world_exits_0(run, world: World) -> None:
    run("everything")
    assert run("everything", "--check") == 0


def test_a_flag_of_one_task_holds_for_the_whole_command_line(run, world: World) -> None:
    assert run("first", "other", "--check") == 3
    assert world.values == {}


def test_what_depends_on_a_failed_step_is_skipped_and_the_rest_still_runs(run, world: World, capsys) -> None:
    world.broken = TaskError("no luck", hint="try again")
    assert run("everything") == 1
    out = capsys.readouterr().out
    assert "failed   first    no luck\n-> try again" in out
    assert "skipped  second   first failed" in out
    assert world.values == {"other": "wanted"}
    assert "recap: ok=0 changed=1 skipped=2 failed=1" in out
    assert "lunch" not in out


def test_an_interrupt_prints_the_recap_and_exits_130(run, world: World, capsys) -> None:
    world.broken = KeyboardInterrupt()
    assert run("everything") == 130
    out = capsys.readouterr().out
    assert "interrupted" in out
    assert "recap:" in out
    assert world.values == {}


def test_a_bug_of_ours_is_a_failed_step_and_no_traceback(run, world: World, capsys) -> None:
    world.broken = RuntimeError("token=hunter2")
    assert run("first") == 1
    captured = capsys.readouterr()
    assert "unexpected error: RuntimeError" in captured.out
    assert "Traceback" not in captured.out + captured.err
    assert "hunter2" not in captured.out + captured.err


def test_json_is_one_document_on_stdout(run, world: World, capsys) -> None:
    assert run("second", "--json", "--check") == 3
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (document["task"], document["check"], document["exit_code"]) == ("second", True, 3)
    assert document["recap"] == {"ok": 0, "changed": 2, "skipped": 0, "failed": 0}
    assert [step["step"] for step in document["steps"]] == ["first", "second"]
    assert document["steps"][0]["changes"][0]["action"] == "patch"
    assert document["error"] is None
    assert "changed  first" in captured.err


def test_bad_settings_exit_2_and_run_nothing(run, world: World, capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_WAIT", "soon")
    assert run("first", "--json") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert "wait" in error["message"]
    assert "the environment" in error["message"]
    assert world.asked == []


def test_a_question_without_a_terminal_names_the_flag(run, world: World, capsys) -> None:
    assert run("asking") == 1
    assert "--yes" in capsys.readouterr().out
    assert world.values == {}


def test_yes_answers_every_question(run, world: World) -> None:
    assert run("asking", "--yes") == 0
    assert world.values == {"asking": "wanted"}


def test_diff_shows_the_change(run, world: World, capsys) -> None:
    run("first", "--diff")
    assert "  first: absent -> wanted" in capsys.readouterr().out


def test_the_same_flag_with_two_values_is_a_usage_error(run, world: World, capsys) -> None:
    assert run("first", "--profile", "a", "other", "--profile", "b") == 2
    assert "--profile" in capsys.readouterr().out
    assert world.asked == []


def test_foreign_tasks_run_as_under_invoke(run, world: World) -> None:
    program_code = run("first", "foreign", "--check", "--echo")
    assert program_code == 0
    assert world.asked[-1] == "foreign True True"


def test_a_foreign_task_can_depend_on_ours(run, world: World) -> None:
    assert run("foreign-with-ours") == 0
    assert world.values == {"first": "wanted"}
    assert world.asked[-1] == "foreign"


def test_under_any_other_executor_every_task_refuses_and_prints_the_lines_to_add(run, world: World, capsys) -> None:
    for name in ("first", "second", "everything"):
        assert run(name, "--check", executor=None) == 2
        assert "executor_class: aws_airflow_tasks.executor.Executor" in capsys.readouterr().err
    assert world.asked == []


def test_no_flag_of_ours_shadows_one_of_invokes() -> None:
    from aws_airflow_tasks.executor import COMMON

    core = {name for argument in Program().core_args() + Program().task_args() for name in argument.names}
    assert not core & set(COMMON)
