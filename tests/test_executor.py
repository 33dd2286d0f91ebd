"""Invoke's hook: flags reach dependencies, tasks of others are left alone, any other executor is refused."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from invoke import Collection, Result, Task
from invoke import call as invoke_call
from invoke import task as invoke_task
from invoke.exceptions import Exit, UnexpectedExit
from invoke.program import Program
from invoke.tasks import Call

from aws_airflow_tasks import settings
from aws_airflow_tasks.core import Change, Check, CheckStatus, Plan, TaskError, UsageError
from aws_airflow_tasks.executor import Executor, hook
from aws_airflow_tasks.play import Play
from aws_airflow_tasks.program import program
from aws_airflow_tasks.report import next_note
from aws_airflow_tasks.tasks import COMMON, PlayTask, task
from aws_airflow_tasks.world import state
from aws_airflow_tasks.world.lock import locked


class World:
    """What the tasks under test ensure: named values that should be ``wanted``."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.settings: settings.Settings | None = None
        self.asked: list[str] = []
        self.broken: BaseException | None = None
        self.own: list[tuple[bool, str]] = []
        self.proof: CheckStatus = "ok"
        self.end: BaseException | None = None
        self.act: Callable[[object], None] = lambda c: None

    def plan(self, name: str) -> Callable[..., Plan]:
        def plan(site) -> Plan:
            self.asked.append(name)
            self.settings = site.settings
            logging.getLogger("aws_airflow_tasks.world.cli").info("building %s", name)
            logging.getLogger("aws_airflow_tasks.world.cli").debug("$ build %s", name)
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


def foreign_tasks(world: World, first: Task, proof: Task, other: Task) -> list[Task]:
    """Tasks of somebody else's, some of which need ours."""

    @invoke_task
    def foreign(c, check=False, json=False):
        world.asked.append(f"foreign {check} {c.config.run.echo}")

    @invoke_task(pre=[first])
    def foreign_with_ours(c):
        world.asked.append("foreign")

    @invoke_task(pre=[first, proof], post=[other])
    def deploy(c):
        world.asked.append(f"deploy {sys.dont_write_bytecode}")
        world.act(c)
        if world.end:
            raise world.end

    @invoke_task(pre=[invoke_call(first, check=True, word="ho")])
    def careful(c):
        world.asked.append("careful")

    @invoke_task
    def said(c, word):
        world.asked.append(f"said {word}")

    @invoke_task(pre=[first, invoke_call(said, "ho")])
    def saying(c):
        world.asked.append("saying")

    return [foreign, foreign_with_ours, deploy, careful, said, saying]


def their_collection(world: World) -> Collection:
    """A collection of somebody else's with a configuration of its own."""

    @invoke_task(default=True)
    def greet(c):
        world.asked.append(f"{c.config.greeting} {c.config.whom}")

    @invoke_task
    def part(c):
        world.asked.append("bye")

    made = Collection("theirs", greet, part)
    made.configure({"greeting": "hello", "whom": "you"})
    return Collection("others", made)


@pytest.fixture
def namespace(world: World) -> Collection:
    """A few tasks of ours and of somebody else's."""

    @task(loud="Say it loudly.", word="What to say.")
    def first(play: Play, loud: bool = False, word: str = "hi") -> None:
        world.own.append((loud, word))
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
        play.note(next_note("lunch"))

    @task(default=True)
    def proof(play: Play) -> None:
        play.verify(lambda site: iter([Check("layer", world.proof)]))

    ours = [first, second, other, asking, everything, proof]
    return Collection(*ours, *foreign_tasks(world, first, proof, other), their_collection(world))


@pytest.fixture
def run(namespace: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command line against the small namespace; returns the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*argv: str, executor: type | None = Executor) -> int:
        program = Program(namespace=namespace, executor_class=executor)
        with pytest.raises(SystemExit) as ended:
            program.run(["inv", *argv])
        code = ended.value.code
        return 1 if isinstance(code, str) else int(code or 0)  # as Python does with words

    return run


def test_dependencies_run_first_and_once(run, world: World, capsys) -> None:
    assert run("everything", "second") == 0
    assert list(world.values) == ["first", "second", "other"]
    assert "recap: ok=0 changed=3 skipped=0 failed=0" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "ours_alone"), [(["second"], True), (["second", "foreign"], False)])
def test_python_hardly_looks_for_garbage_where_nothing_runs_but_what_is_ours(
    words: list[str], ours_alone: bool, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    thresholds, at_exit = [], []
    monkeypatch.setattr("gc.set_threshold", thresholds.append)
    monkeypatch.setattr("atexit.register", at_exit.append)
    run(*words)
    assert (thresholds > [10_000], gc.freeze in at_exit) == (ours_alone, ours_alone)


def of_first(namespace: Collection, **given: Any) -> Call:
    return Call(namespace.tasks["first"], kwargs=given)


def test_a_tasks_own_parameters_are_those_that_differ_from_their_defaults_wherever_on_the_line(
    namespace: Collection,
) -> None:
    first = namespace.tasks["first"]
    other = Call(namespace.tasks["other"], kwargs={"yes": True})
    theirs = Call(namespace.tasks["foreign"], kwargs={"json": True, "word": "ho"})
    calls = [of_first(namespace, loud=False, word="hi", check=True), other, theirs]
    assert hook._own(calls) == {first: {}, other.task: {}}
    calls += [of_first(namespace, word="ho"), of_first(namespace, loud=True, word="hi"), of_first(namespace, word="ho")]
    assert hook._own(calls) == {first: {"loud": True, "word": "ho"}, other.task: {}}


def test_a_parameter_that_is_given_twice_with_different_values_is_refused(namespace: Collection) -> None:
    with pytest.raises(UsageError, match="--word was given twice with different values"):
        hook._own([of_first(namespace, word="ho"), of_first(namespace, word="hu")])


def test_check_reaches_every_dependency_and_exits_3(run, world: World, capsys) -> None:
    assert run("everything", "--check") == 3
    assert world.asked == ["first", "second", "other"]
    assert world.values == {}
    out = capsys.readouterr().out
    assert "nothing was changed" in out
    assert "lunch" not in out


def test_invokes_own_dry_run_means_check(run, world: World) -> None:
    assert run("--dry", "second") == 3
    assert world.values == {}


def test_check_on_a_converged_world_exits_0_and_says_what_comes_next_as_any_run_does(run, world: World, capsys) -> None:
    assert run("everything") == 0
    assert "\nnext: lunch\n" in capsys.readouterr().out
    assert run("everything", "--check") == 0
    assert "nothing was changed" not in capsys.readouterr().out


def test_a_flag_of_one_task_holds_for_the_whole_command_line(run, world: World) -> None:
    assert run("first", "other", "--check") == 3
    assert world.values == {}


def test_what_depends_on_a_failed_step_is_skipped_and_the_rest_still_runs(run, world: World, capsys) -> None:
    world.broken = TaskError("no luck", hint="try again")
    assert run("everything") == 1
    out = capsys.readouterr().out
    assert "failed   first      no luck\n-> try again" in out
    assert "skipped  second     first failed" in out
    assert world.values == {"other": "wanted"}
    assert "recap: ok=0 changed=1 skipped=2 failed=1" in out
    assert "lunch" not in out


def test_an_interrupt_is_told_once_prints_the_recap_and_exits_130(run, world: World, capsys) -> None:
    world.broken = KeyboardInterrupt()
    assert run("everything") == 130
    out = capsys.readouterr().out
    assert out.count("interrupted") == out.count("-> ") == 1
    assert "recap:" in out
    assert world.values == {}


def test_a_bug_of_ours_is_a_failed_step_and_no_traceback(run, world: World, capsys) -> None:
    world.broken = RuntimeError("token=hunter2")
    assert run("first") == 1
    captured = capsys.readouterr()
    assert "unexpected error: RuntimeError\n-> invoke --debug first\n" in captured.out
    assert "Traceback" not in captured.out + captured.err
    assert "hunter2" not in captured.out + captured.err


def test_json_is_one_document_on_stdout(run, world: World, capsys) -> None:
    assert run("second", "--json", "--check") == 3
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert (document["task"], document["check"], document["exit_code"]) == ("second", True, 3)
    assert document["recap"] == {"ok": 0, "changed": 2, "skipped": 0, "failed": 0, "warnings": 0}
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


@pytest.fixture
def level(tmp_path: Path, closed_world: Path) -> Callable[[str, str], tuple[Path, list[str]]]:
    """Write a level's configuration file; where it is, and the words that the line needs for it."""

    def write(name: str, text: str) -> tuple[Path, list[str]]:
        path = closed_world / ".invoke.yaml" if name == "user" else tmp_path / "mine.yaml"
        path.write_text(text)
        return path, [] if name == "user" else ["-f", str(path)]

    return write


@pytest.mark.parametrize("name", ["user", "-f"])
def test_a_files_settings_count_and_a_bad_one_is_said_with_its_file(
    run, world: World, capsys, level, name: str
) -> None:
    _, flag = level(name, "aws_airflow: {wait: 7}")
    assert run(*flag, "first") == 0
    assert world.settings is not None
    assert world.settings.wait == 7
    for text, said in (("{wait: soon}", "bad value for wait: 'soon'"), ("[1]", "aws_airflow is not a mapping")):
        path, flag = level(name, f"aws_airflow: {text}")
        assert run(*flag, "first") == 2
        assert f"{said} (from {path})" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "aws_airflow:\n", "{}"])
@pytest.mark.parametrize("name", ["user", "-f"])
def test_a_file_that_says_nothing_of_ours_is_fine(run, level, name: str, text: str) -> None:
    _, flag = level(name, text)
    assert run(*flag, "first") == 0


def test_a_flag_beats_a_named_file_which_beats_the_environment_which_beats_the_persons_own(
    run, world: World, level, monkeypatch
) -> None:
    level("user", "aws_airflow: {profile: a, region: eu-west-1, wait: 1, backend: none}")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_PROFILE", "b")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_REGION", "eu-west-2")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_WAIT", "2")
    _, flag = level("-f", "aws_airflow: {profile: c, region: eu-west-3}")
    assert run(*flag, "first", "--profile", "d") == 0
    found = world.settings
    assert found is not None
    assert (found.profile, found.region, found.wait, found.backend) == ("d", "eu-west-3", 2, "none")


def test_a_configuration_that_is_named_and_not_there_exits_2(run, world: World, capsys) -> None:
    assert run("-f", "not there.yaml", "first", "--json") == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["message"].startswith("there is no not there.yaml")
    assert (error["hint"], world.asked) == ("ls -l 'not there.yaml'", [])


def test_a_bad_value_on_the_command_line_is_said_to_be_from_there(run, world: World, capsys) -> None:
    assert run("first", "--runtime", "podman") == 2
    assert "(from the command line)" in capsys.readouterr().out
    assert world.asked == []


def test_what_is_shared_by_all_projects_lies_in_the_persons_cache(run, world: World, closed_world: Path) -> None:
    assert run("first") == 0
    assert world.settings is not None
    assert world.settings.cache.is_relative_to(closed_world)
    assert world.settings.cache.name == "aws-airflow-tasks"


@pytest.mark.parametrize(
    ("filename", "said", "hint"),
    [("/a b", "cannot read /a b: Permission denied", "ls -ld '/a b'"), (None, "cannot read .: ", "ls -ld .")],
)
def test_a_place_that_cannot_be_looked_at_exits_2_with_its_name_and_runs_nothing(
    run, world: World, capsys, monkeypatch, filename: str | None, said: str, hint: str
) -> None:
    def here() -> Path:
        raise PermissionError(13, "Permission denied", filename)

    monkeypatch.setattr(settings, "here", here)
    assert run("first", "other", "--json") == 2
    document = json.loads(capsys.readouterr().out)
    assert (document["task"], document["error"]["hint"], world.asked) == ("first other", hint, [])
    assert document["error"]["message"].startswith(said)


@pytest.mark.parametrize("program", ["invoke", "inv", "aws-airflow"])
def test_an_interrupted_command_line_is_to_be_typed_as_it_was(
    program: str, run, world: World, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "argv", [f"/somewhere/{program}"])
    world.broken = KeyboardInterrupt()
    assert run("--dry", "first", "--profile", "my own", "other") == 130
    assert f"-> {program} --dry first --profile 'my own' other\n" in capsys.readouterr().out


def test_a_question_without_a_terminal_names_the_flag(run, world: World, capsys) -> None:
    assert run("asking") == 1
    assert "--yes" in capsys.readouterr().out
    assert world.values == {}


def test_yes_answers_every_question(run, world: World) -> None:
    assert run("asking", "--yes") == 0
    assert world.values == {"asking": "wanted"}


def test_diff_shows_the_change(run, world: World, capsys) -> None:
    run("first", "--diff")
    assert "\n  first: absent -> wanted\nrecap: " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["project", "profile", "region", "runtime"])
def test_a_flag_whose_value_is_empty_is_no_flag_left_out(name: str, run, world: World, capsys) -> None:
    for words in ([f"--{name}", ""], [f"--{name}="]):
        assert run("first", *words) == 2
        assert capsys.readouterr().out == f"error: --{name} is empty\n-> invoke --help first\n"
    assert world.asked == []


def test_what_stands_behind_two_dashes_is_refused_and_no_task_is_run_without_it(run, world: World, capsys) -> None:
    assert run("first", "--", "--check") == 2
    said = capsys.readouterr().out
    assert "no task takes what stands behind --: --check" in said
    assert "-> invoke first --check" in said
    assert world.asked == []


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


def test_an_interrupt_in_a_task_of_somebody_elses_is_told_too(run, world: World, capsys) -> None:
    world.end = KeyboardInterrupt()
    assert run("deploy", "first", "--json") == 130
    assert json.loads(capsys.readouterr().out)["error"] == {
        "message": "interrupted",
        "hint": "invoke deploy first --json",
    }


@pytest.mark.parametrize(
    "line", [["second", "first", "--loud"], ["first", "--loud", "second"], ["first", "first", "--loud"]]
)
def test_a_tasks_own_flags_hold_wherever_on_the_line_it_has_its_turn(run, world: World, line: list[str]) -> None:
    assert run(*line) == 0
    assert world.own == [(True, "hi")]


def test_two_different_values_of_an_own_flag_are_a_usage_error(run, world: World, capsys) -> None:
    assert run("first", "--word", "a", "first", "--word", "b") == 2
    assert "--word was given twice" in capsys.readouterr().out
    assert world.asked == []


def test_flags_that_a_foreign_task_hands_to_ours_hold_for_the_line(run, world: World) -> None:
    """`pre=[call(setup, check=True)]` must not apply anything."""
    assert run("careful") == 3
    assert (world.own, world.values) == ([(False, "ho")], {})


def test_foreign_tasks_run_in_their_order_between_ours_and_once_each(run, world: World) -> None:
    assert run("deploy", "foreign", "second", "deploy") == 0
    assert [word.split()[0] for word in dict.fromkeys(world.asked)] == ["first", "deploy", "other", "foreign", "second"]
    assert sum(word.startswith("deploy") for word in world.asked) == 1


def test_foreign_tasks_repeat_where_invoke_is_told_so_and_ours_never(run, world: World, closed_world: Path) -> None:
    (closed_world / ".invoke.yaml").write_text("tasks: {dedupe: false}\n")
    assert run("first", "foreign", "first", "foreign") == 0
    assert len(world.own) == 1
    assert sum(word.startswith("foreign") for word in world.asked) == 2


@pytest.mark.parametrize("failing", ["step", "check"])
def test_a_foreign_task_is_skipped_where_a_step_or_check_before_it_has_failed(
    run, world: World, capsys, failing: str
) -> None:
    world.broken = TaskError("no luck") if failing == "step" else None
    world.proof = "ok" if failing == "step" else "failed"
    assert run("deploy") == (1 if failing == "step" else 4)
    assert f"skipped  deploy   {'first' if failing == 'step' else 'proof'} failed" in capsys.readouterr().out
    assert not any(word.startswith("deploy") for word in world.asked)


@pytest.mark.parametrize("words", [["foreign"], ["foreign", "first"], ["first", "foreign"]])
def test_a_foreign_task_runs_where_the_environment_has_a_setting_that_a_file_has_as_a_list_or_a_number(
    words: list[str], namespace: Collection, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (Path.home() / ".invoke.yaml").write_text("aws_airflow:\n  profiles: [dev, prod]\n  wait: 300\n")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_PROFILES", "dev")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_WAIT", "soon" if words == ["foreign"] else "7")
    with contextlib.suppress(Exit):
        Program(namespace=namespace, executor_class=Executor).run(["inv", *words], exit=False)
    assert "foreign False False" in world.asked


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (Exit("enough", code=7), 7),
        (Exit(code=0), 0),
        (SystemExit(3), 3),
        (SystemExit(), 0),
        (SystemExit("enough"), 1),
        (UnexpectedExit(Result(exited=5)), 5),
    ],
)
def test_what_ends_a_foreign_task_ends_the_line_after_our_recap(
    run, world: World, capsys, end: BaseException, code: int
) -> None:
    world.end = end
    assert run("first", "--json", "deploy") == code
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_code"], document["recap"]["changed"], bool(document["error"])) == (code, 1, bool(code))


def test_a_bug_in_a_foreign_task_is_its_own_and_comes_after_our_recap(run, world: World, capsys) -> None:
    world.end = RuntimeError("theirs")
    with pytest.raises(RuntimeError, match="theirs"):
        run("first", "--json", "deploy")
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_code"], document["error"]["message"]) == (1, "deploy failed")


def test_a_foreign_task_may_call_ours_the_lock_is_not_kept_from_it(run, world: World, tmp_path: Path) -> None:
    def take(c: object) -> None:
        with locked(state.locate(tmp_path), wait=0, doing="a test"):
            world.asked.append("taken")

    world.act = take
    assert run("deploy") == 0
    assert "taken" in world.asked


def test_a_foreign_task_has_the_words_that_its_call_gives_it(run, world: World) -> None:
    assert run("saying") == 0
    assert world.asked[-2:] == ["said ho", "saying"]


def test_a_foreign_task_has_its_collections_configuration_under_what_the_environment_says(
    run, world: World, monkeypatch
) -> None:
    monkeypatch.setenv("INVOKE_WHOM", "all")
    assert run("first", "others.theirs.greet") == 0
    assert world.asked[-1] == "hello all"


def test_bytecode_is_off_in_foreign_tasks_as_invoke_wants_it(run, world: World) -> None:
    assert run("first", "deploy") == 0
    assert "deploy True" in world.asked


def test_what_is_to_be_typed_next_is_not_said_after_the_proof(run, world: World, capsys) -> None:
    assert run("everything", "proof") == 0
    assert "lunch" not in capsys.readouterr().out


def test_tasks_are_named_as_they_were_typed_and_a_default_one_by_its_collection(run, capsys) -> None:
    assert run("proof", "--json", "foreign-with-ours", "others.theirs.greet", "others.theirs.part") == 0
    assert json.loads(capsys.readouterr().out)["task"] == "proof foreign-with-ours others.theirs others.theirs.part"


def test_a_json_flag_of_somebody_elses_task_is_no_flag_of_ours(run, capsys) -> None:
    assert run("first", "foreign", "--json") == 0
    assert "recap:" in capsys.readouterr().out


def test_under_any_other_executor_every_task_refuses_and_prints_the_lines_to_add(run, world: World, capsys) -> None:
    for name in ("first", "second", "everything"):
        assert run(name, "--check", executor=None) == 2
        assert "executor_class: aws_airflow_tasks.executor.Executor" in capsys.readouterr().err
    assert world.asked == []


@pytest.fixture
def loggers() -> Iterator[dict[str, logging.Logger]]:
    """The loggers that a command line configures, as a new process has them; as they were afterwards."""
    found = {name: logging.getLogger(name) for name in ("aws_airflow_tasks", *LIBRARIES)}
    before = {name: (each.handlers[:], each.level, each.propagate) for name, each in found.items()}
    for each in found.values():
        each.handlers[:], each.propagate = [], True
        each.setLevel(logging.NOTSET)
    yield found
    for name, each in found.items():
        each.handlers[:], level, each.propagate = before[name]
        each.setLevel(level)


LIBRARIES = ("botocore", "boto3", "urllib3", "docker", "s3transfer")


@pytest.mark.parametrize("flags", [[], ["--echo"], ["--debug"]], ids=str)
def test_libraries_that_would_log_secrets_are_capped_at_warnings_whatever_is_asked_for(
    run, loggers, flags: list[str]
) -> None:
    assert run(*flags, "first") == 0
    assert {loggers[name].level for name in LIBRARIES} == {logging.WARNING}


@pytest.mark.parametrize(
    ("flags", "said", "logged"),
    [
        ([], [], []),
        (["--echo"], ["$ build first"], []),
        (["--debug"], [], ["building first", "$ build first"]),
    ],
)
def test_commands_are_shown_for_echo_and_under_debug_invokes_own_log_has_them_with_what_goes_on(
    run, loggers, capsys, caplog, flags: list[str], said: list[str], logged: list[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    assert run(*flags, "first") == 0
    assert [*dict.fromkeys(line.partition("s  ")[2] for line in capsys.readouterr().err.splitlines())] == said
    ours = [record for record in caplog.records if record.name.startswith("aws_airflow_tasks")]
    assert [*dict.fromkeys(record.getMessage() for record in ours)] == logged


def test_under_debug_the_log_has_the_traceback_of_a_bug_of_ours(run, world: World, loggers, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    world.broken = RuntimeError("here")
    assert run("--debug", "first") == 1
    (record,) = [each for each in caplog.records if each.exc_info and each.name == "aws_airflow_tasks"]
    assert (record.getMessage(), record.exc_info[1]) == ("unexpected error in first", world.broken)


def test_the_traceback_of_a_bug_repeats_no_secret(run, world: World, loggers, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    world.broken = RuntimeError("x-amz-security-token:canary")
    assert run("--debug", "first") == 1
    assert "RuntimeError: x-amz-security-token:***" in caplog.text
    assert "canary" not in caplog.text


def test_our_tasks_run_where_nobody_has_parsed_a_command_line(
    namespace: Collection, world: World, loggers, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exit) as ended:
        Executor(namespace).execute("second")
    assert (ended.value.code, world.values) == (0, {"first": "wanted", "second": "wanted"})
    assert loggers["aws_airflow_tasks"].level == logging.INFO


def test_a_task_that_changes_nothing_takes_no_flag_of_those_that_do() -> None:
    def body(play: Play) -> None:
        """Look."""

    looking, changing = task(changes=False)(body), task()(body)
    assert taken(changing) == set(COMMON)
    assert taken(looking) == set(COMMON) - {"check", "override"}


def test_a_task_takes_the_flags_that_it_or_what_it_depends_on_heeds_and_those_of_every_task() -> None:
    def body(play: Play) -> None:
        """Do it."""

    first = task(flags="region check")(body)
    second = task(first, flags="runtime")(body)
    assert taken(first) == {"project", "json", "yes", "region", "check"}
    assert taken(second) == taken(first) | {"runtime"}
    assert taken(task(second, changes=False, flags="")(body)) == taken(second) - {"check"}


def taken(of: PlayTask) -> set[str]:
    return {name for argument in of.get_arguments() for name in argument.names}


def test_a_tasks_help_says_what_runs_first_and_what_each_flag_means_and_no_flag_is_a_letter() -> None:
    @task()
    def one(play: Play) -> None:
        """First."""

    @task(one, one, default=True, loud="Say it loudly.")
    def two(play: Play, word: str, loud: bool = False) -> None:
        """Second.

        More of it.
        """

    @task()
    def silent(play: Play) -> None:
        pass

    assert (one.__doc__, two.__doc__) == ("First.", "Second.\n\nMore of it.\n\nRuns first: one, one.")
    assert silent.__doc__ == ""
    assert (one.is_default, two.is_default, one.pre, two.pre) == (False, True, [], [one, one])
    flags = {argument.name: argument for argument in two.get_arguments()}
    assert set(flags) == {"word", "loud", *COMMON}
    assert (flags["word"].positional, flags["loud"].help) == (True, "Say it loudly.")
    assert {name: (flags[name].default or COMMON[name][0], flags[name].help) for name in COMMON} == COMMON
    assert all(argument.names == (name,) for name, argument in flags.items())


def test_no_name_of_ours_shadows_a_flag_of_invokes() -> None:
    core = {name for argument in Program().core_args() + Program().task_args() for name in argument.names}
    ours = program().namespace
    flags = {name for task in ours.task_names for argument in ours[task].get_arguments() for name in argument.names}
    assert (core & flags, core & set(ours.task_names)) == (set(), set())
    assert flags > set(COMMON)
