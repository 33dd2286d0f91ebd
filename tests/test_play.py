"""A play by itself: what it does around a change, and what it holds meanwhile."""

from __future__ import annotations

import contextlib
import functools
import logging
import shutil
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from aws_airflow_tasks import holding
from aws_airflow_tasks.core import Change, Check, Interrupted, Plan, TaskError
from aws_airflow_tasks.play import Play
from aws_airflow_tasks.report import next_note
from aws_airflow_tasks.screen import Screen
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.tasks import task
from aws_airflow_tasks.world import receipts, state
from aws_airflow_tasks.world.lock import locked


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


def play_of(project: Path, **settings: object) -> Play:
    return Play(Settings(project=project, **settings), "it", Screen())  # type: ignore[arg-type]


def test_a_receipt_is_on_disk_before_its_change_is_made_and_stays_when_that_fails(project: Path) -> None:
    play, seen = play_of(project), []

    def apply() -> None:
        seen.extend(receipt.content["path"] for receipt in receipts.load(play.state))
        raise TaskError("the power went")

    receipt = receipts.file_record("f", None, b"x", ())
    play.converge("it", lambda site: Plan((Change("f", "create", None, "x", apply, receipt=receipt),)))
    assert seen == ["f"]
    assert [receipt.content["path"] for receipt in receipts.load(play.state)] == ["f"]
    assert play.failed


@pytest.mark.parametrize(("answer", "said"), [(False, "not agreed to"), (None, "There is no terminal")])
def test_what_is_not_agreed_to_leaves_no_receipt_and_no_change(project: Path, answer: bool | None, said: str) -> None:
    made: list[str] = []
    asked: list[str] = []
    play = Play(Settings(project=project), "it", Screen(), ask=lambda question: asked.append(question) or answer)  # type: ignore[func-returns-value]
    receipt = receipts.file_record("f", None, b"x", ())
    change = Change("f", "create", None, "x", lambda: made.append("x"), receipt=receipt, ask="Really?")
    play.converge("it", lambda site: Plan((change,)))
    (result,) = play.results
    assert result.error is not None
    assert said in result.error.message
    assert (asked, result.error.hint) == (["Really?"], "invoke it --yes")
    assert (made, receipts.load(play.state)) == ([], [])


@pytest.mark.parametrize(("yes", "somebody", "status"), [(0, 0, "failed"), (1, 0, "changed"), (0, 1, "changed")])
def test_check_mode_foresees_a_question_that_nobody_would_answer_and_asks_none(
    project: Path, yes: bool, somebody: bool, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Screen, "answers", bool(somebody))
    monkeypatch.setattr(Screen, "ask", lambda self, question: pytest.fail("it asked"))
    play = play_of(project, check=True, yes=bool(yes))
    change = Change("f", "create", None, "x", lambda: pytest.fail("it was made"), ask="Really?")
    play.converge("it", lambda site: Plan((change,)))
    assert [result.status for result in play.results] == [status]


def test_in_check_mode_a_step_is_planned_as_if_those_before_had_been_made(project: Path) -> None:
    (project / "f").write_bytes(b"old")
    play, seen = play_of(project, check=True), list[bytes | None]()

    def reads(site: Site) -> Plan:
        seen.extend(site.read(name) for name in ("f", "g", "h"))
        return Plan()

    changes = [
        Change("f", "patch", "old", "new \udcff", lambda: None, file=True),
        Change("g", "delete", "x", None, lambda: None, file=True),
        Change("h", "create", None, "no file", lambda: None),
    ]
    for change in changes:
        play.converge("it", lambda site, change=change: Plan((change,)))  # type: ignore[misc]
    play.converge("then", reads)
    assert seen == [b"new \xff", None, None]
    assert (project / "f").read_bytes() == b"old"


def test_the_state_directory_is_made_again_where_a_run_that_was_waited_for_removed_it(project: Path) -> None:
    folder = state.make(project)
    waiting, release = threading.Event(), threading.Event()

    class Waiting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "waiting for" in record.getMessage():
                shutil.rmtree(folder)
                release.set()

    def other() -> None:
        with locked(folder, wait=1, doing="invoke undo"):
            waiting.set()
            release.wait(30)

    log, handler = logging.getLogger("aws_airflow_tasks"), Waiting()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    thread = threading.Thread(target=other)
    thread.start()
    try:
        waiting.wait(30)
        with holding.hold(Settings(project=project, wait=30), "invoke setup"):
            assert release.is_set()
            assert state.project_id(folder)
    finally:
        release.set()
        thread.join()
        log.removeHandler(handler)
        log.setLevel(level)


class Values:
    """What the steps under test ensure: that each name has its value; and when the lock was taken and given back."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.told: list[str] = []

    def plan(self, name: str) -> Plan:
        apply = lambda: self.values.__setitem__(name, "x")  # noqa: E731
        return Plan((Change(name, "patch", self.values.get(name), "x", apply),))

    @contextlib.contextmanager
    def hold(self, settings: Settings, doing: str) -> Iterator[None]:
        self.told.append(f"{doing} in {settings.project.name}")
        yield
        self.told.append("given back")


def test_the_lock_is_taken_once_a_play_and_given_back_at_its_end(project: Path) -> None:
    world = Values()
    play = Play(Settings(project=project), "it", Screen(), hold=world.hold)
    play.converge("a", lambda site: world.plan("a"))
    play.converge("b", lambda site: world.plan("b"))
    assert play.finish() == 0
    assert world.told == ["invoke it in project", "given back"]


def test_what_is_changed_after_the_lock_was_given_back_is_changed_under_it_again(project: Path) -> None:
    world = Values()
    play = Play(Settings(project=project), "it", Screen(), hold=world.hold)
    play.converge("a", lambda site: world.plan("a"))
    play.release()
    play.converge("b", lambda site: world.plan("b"))
    assert world.told == ["invoke it in project", "given back", "invoke it in project"]
    play.finish()


@pytest.mark.parametrize("check", [False, True])
def test_what_a_killed_run_left_is_tidied_up_once_though_nothing_changes_but_not_in_check_mode(
    project: Path, check: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied: list[Settings] = []
    monkeypatch.setattr(holding, "tidy", lambda settings, _: tidied.append(settings))
    play = play_of(project, check=check)
    play.converge("a", lambda site: Plan())
    play.converge_each("b", lambda site: {}, lambda site, done: Plan())
    assert tidied == ([] if check else [play.settings])


@pytest.mark.parametrize("check", [False, True])
def test_every_target_of_a_step_is_planned_from_the_plays_site_and_made_under_its_lock_but_not_in_check_mode(
    project: Path, check: bool
) -> None:
    world, sites = Values(), list[Site]()
    play = Play(Settings(project=project, check=check), "it", Screen(), hold=world.hold)

    def plans(site: Site) -> dict[str, Callable[[], Plan]]:
        sites.append(site)
        return {name: functools.partial(world.plan, name) for name in "ab"}

    def rest(site: Site, done: Collection[str]) -> Plan:
        sites.append(site)
        return Plan(warnings=(f"{sorted(done)} are done",))

    play.converge_each("both", plans, rest)
    (result,) = play.results
    assert (result.step, result.status, result.target) == ("both", "changed", "a, b")
    assert result.warnings == ("['a', 'b'] are done",)
    assert (world.values, world.told) == (({}, []) if check else ({"a": "x", "b": "x"}, ["invoke it in project"]))
    assert {site.settings for site in sites} == {play.settings}


def test_in_check_mode_what_is_taken_back_is_known_after_what_is_only_planned_and_all_else_after_that(
    project: Path,
) -> None:
    def unasked(*_: object) -> Plan:
        raise AssertionError("its facts await an earlier change")

    world, play = Values(), play_of(project, check=True)
    for name in "ab":
        play.converge(name, lambda site, name=name: world.plan(name))  # type: ignore[misc]
    play.converge_each("undo", unasked, unasked)  # type: ignore[arg-type]
    play.converge("c", lambda site: Plan())
    assert [(result.step, result.status, result.reason) for result in play.results][2:] == [
        ("undo", "changed", "known after b"),
        ("c", "changed", "known after undo"),
    ]


@pytest.mark.parametrize(("check", "left", "status"), [(True, "ab", "changed"), (True, "", "ok"), (False, "ab", "ok")])
def test_what_comes_after_taking_back_awaits_it_only_where_it_was_planned_and_not_done(
    project: Path, check: bool, left: str, status: str
) -> None:
    world, play = Values(), play_of(project, check=check)
    plans = {name: functools.partial(world.plan, name) for name in left}
    play.converge_each("undo", lambda site: plans, lambda site, done: Plan())
    play.converge("c", lambda site: Plan())
    assert (play.results[-1].step, play.results[-1].status) == ("c", status)
    play.finish()


def test_targets_that_cannot_be_told_fail_the_step_by_its_name(project: Path) -> None:
    def plans(site: Site) -> dict[str, Callable[[], Plan]]:
        raise TaskError("the journal is damaged")

    play = play_of(project)
    play.converge_each("both", plans, lambda site, done: Plan())
    assert [(result.step, result.status) for result in play.results] == [("both", "failed")]


def test_a_preview_says_what_tasks_would_do_does_nothing_and_counts_none_of_them_as_run(project: Path) -> None:
    world = Values()

    @task()
    def it(play: Play) -> None:
        play.converge("it", lambda site: world.plan("it"))

    play = Play(Settings(project=project), "it", Screen(), hold=world.hold)
    play.preview(it)
    assert ([result.status for result in play.results], world.values, world.told) == (["changed"], {}, [])
    play.run(it)
    assert ([result.status for result in play.results], world.values) == (["changed"] * 2, {"it": "x"})


def test_what_is_told_after_a_step_is_told_of_the_facts_that_it_was_planned_from_last(project: Path) -> None:
    play, seen = play_of(project), list[Site]()
    play.converge("it", lambda site: seen.append(site) or Plan())  # type: ignore[func-returns-value]
    play.tell(lambda site: seen.append(site) or ({}, "there"))  # type: ignore[func-returns-value]
    assert seen[0] is seen[1]
    assert play.where == "there"


def test_what_is_told_after_a_preview_is_told_of_the_project_as_it_is(project: Path) -> None:
    play, seen = play_of(project), list[Site]()
    change = Change("f", "create", None, "x", lambda: None, file=True)

    @task()
    def step(play: Play) -> None:
        play.converge("it", lambda site: Plan((change,)))
        play.converge("then", lambda site: seen.append(site) or Plan())  # type: ignore[func-returns-value]

    play.preview(step)
    play.tell(lambda site: seen.append(site) or ({}, ""))  # type: ignore[func-returns-value]
    assert [{*site.planned} for site in seen] == [{"f"}, set()]


def test_a_play_never_changes_its_settings_and_what_comes_of_another_is_told_with_it(project: Path) -> None:
    play = play_of(project)
    asked = play.settings
    with pytest.raises(KeyboardInterrupt), play.another(asked._replace(check=True)) as other:
        other.converge("there", lambda site: Plan(reason=str(site.settings.check)))
        other.note("next")
        other.extra["x"] = 1
        raise KeyboardInterrupt
    assert play.settings is asked
    assert [(result.step, result.reason) for result in play.results] == [("there", "True")]
    assert (play.notes, play.extra) == (["next"], {"x": 1})


def test_all_that_depends_on_what_failed_is_skipped_with_that_cause_however_far_away(project: Path) -> None:
    def failing(site: Site) -> Plan:
        raise TaskError("no luck")

    @task()
    def first(play: Play) -> None:
        play.converge("first", failing)

    @task(first)
    def second(play: Play) -> None:
        raise AssertionError("what it needs has failed")

    @task(second)
    def third(play: Play) -> None:
        raise AssertionError("what it needs was skipped")

    play = play_of(project)
    play.go(third)
    assert [(result.step, result.status, result.reason) for result in play.results] == [
        ("first", "failed", ""),
        ("second", "skipped", "first failed"),
        ("third", "skipped", "first failed"),
    ]


def test_what_is_to_be_typed_after_a_preview_is_not_what_its_tasks_would_say(project: Path) -> None:
    @task()
    def last(play: Play) -> None:
        play.note(next_note("lunch"))

    play = play_of(project)
    play.preview(last)
    assert play.notes == []


def test_checks_that_say_the_same_of_several_services_share_a_line_and_are_all_kept(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play, asked = play_of(project), list[Path]()
    found = [
        Check("environment", "ok", "as in .env", service="scheduler"),
        Check("environment", "ok", "as in .env", service="triggerer"),
        Check("backend", "failed", "AWS refuses"),
    ]

    def checks(site: Site) -> Iterator[Check]:
        asked.append(site.project)
        yield from found

    play.verify(checks)
    assert asked == [project]
    assert [each._replace(seconds=0) for each in play.checks] == found
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["ok", "environment"],
        ["failed", "backend"],
    ]
    play.verify(lambda site: iter(found[:1]))
    assert [each._replace(seconds=0) for each in play.checks] == [*found, found[0]]


def test_in_check_mode_the_proof_is_skipped_as_it_would_run_a_dag(project: Path) -> None:
    play = play_of(project, check=True)
    play.verify(lambda site: iter([Check("layer", "failed")]))
    (result,) = play.results
    assert (result.step, result.status, bool(result.reason), play.checks) == ("verify", "skipped", True, [])


def test_an_error_in_a_check_is_the_proofs(project: Path) -> None:
    def checks(site: Site) -> Iterator[Check]:
        raise TaskError("no luck")
        yield

    play = play_of(project)
    play.verify(checks)
    assert [(result.step, result.status) for result in play.results] == [("verify", "failed")]


@pytest.mark.parametrize(
    ("wanted", "check", "fails", "watched"),
    [
        (True, False, False, True),
        (False, False, False, False),
        (True, True, False, False),
        (True, False, True, False),
        (False, True, True, False),
    ],
)
def test_it_goes_on_watching_only_where_that_is_wanted_all_went_well_and_something_may_change(
    project: Path, wanted: bool, check: bool, fails: bool, watched: bool
) -> None:
    play, seen = play_of(project, check=check), list[object]()

    def plan(site: Site) -> Plan:
        if fails:
            raise TaskError("no luck")
        return Plan()

    play.converge("it", plan)
    play.watch(lambda look, say: seen.extend([look().settings, say]), wanted)
    assert seen == ([play.settings, play.screen.say] if watched else [])


def test_watching_ends_with_an_interrupt_which_is_no_failure(project: Path) -> None:
    def watch(look: object, say: object) -> None:
        raise KeyboardInterrupt

    play = play_of(project)
    with pytest.raises(Interrupted):
        play.watch(watch, True)
    assert (play.results, play.failed) == ([], False)


def test_others_may_work_while_it_is_watched(project: Path) -> None:
    play = play_of(project)
    made: list[str] = []
    change = Change("f", "create", None, "x", lambda: made.append("x"))
    play.converge("it", lambda site: Plan(() if made else (change,)))

    def watch(look: object, say: object) -> None:
        with locked(play.state, wait=0, doing="another"):
            made.append("meanwhile")

    play.watch(watch, True)
    assert made == ["x", "meanwhile"]
