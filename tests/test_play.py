"""A play by itself: what it does around a change, and what it holds meanwhile."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aws_airflow_tasks import holding
from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.executor import task
from aws_airflow_tasks.play import Play
from aws_airflow_tasks.screen import Screen
from aws_airflow_tasks.settings import Settings
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
    play = Play(Settings(project=project), "it", Screen(), ask=lambda question: answer)
    receipt = receipts.file_record("f", None, b"x", ())
    change = Change("f", "create", None, "x", lambda: made.append("x"), receipt=receipt, ask="Really?")
    play.converge("it", lambda site: Plan((change,)))
    (result,) = play.results
    assert result.error is not None
    assert said in result.error.message
    assert (made, receipts.load(play.state)) == ([], [])


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


def test_the_lock_is_taken_once_a_play_and_given_back_at_its_end(project: Path) -> None:
    told: list[str] = []

    @contextlib.contextmanager
    def hold(settings: Settings, doing: str) -> Iterator[None]:
        told.append(doing)
        yield
        told.append("given back")

    values: dict[str, str] = {}

    def plan(name: str) -> Plan:
        return Plan((Change(name, "patch", values.get(name), "x", lambda: values.__setitem__(name, "x")),))

    play = Play(Settings(project=project), "it", Screen(), hold=hold)
    play.converge("a", lambda site: plan("a"))
    play.converge("b", lambda site: plan("b"))
    assert play.finish() == 0
    assert told == ["invoke it", "given back"]


def test_a_play_never_changes_its_settings_and_what_comes_of_another_is_told_with_it(project: Path) -> None:
    play = play_of(project)
    asked = play.settings
    with pytest.raises(KeyboardInterrupt), play.another(replace(asked, check=True)) as other:
        other.converge("there", lambda site: Plan(reason=str(site.settings.check)))
        other.note("next")
        other.extra["x"] = 1
        raise KeyboardInterrupt
    assert play.settings is asked
    assert [(result.step, result.reason) for result in play.results] == [("there", "True")]
    assert (play.notes, play.extra) == (["next"], {"x": 1})


def test_what_is_to_be_typed_after_a_preview_is_not_what_its_tasks_would_say(project: Path) -> None:
    @task()
    def last(play: Play) -> None:
        play.note("next: lunch")

    play = play_of(project)
    play.preview(last)
    assert play.notes == []
