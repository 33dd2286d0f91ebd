"""The line that says what goes on: drawn while a step does, gone before anything else is printed."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks import live
from aws_airflow_tasks.live import ERASE, Lines, Live, line
from aws_airflow_tasks.screen import Progress, Screen
from aws_airflow_tasks.text.layout import Layout, cells
from aws_airflow_tasks.world import waits
from tests.test_screen import terminal

__all__ = ["terminal"]


class Terminal:
    """What was put on it, and a way to wait for it."""

    def __init__(self) -> None:
        self.put: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, text: str) -> None:
        with self._changed:
            self.put.append(text)
            self._changed.notify_all()

    def await_(self, wanted: Callable[[str], bool]) -> str:
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(wanted, self.put)), 60)
            return next(filter(wanted, self.put))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(live, "DELAY", 0.01)
    monkeypatch.setattr(live, "EVERY", 0.01)
    return Terminal()


def made(shown: Terminal) -> Live:
    return Live(shown, lambda: Layout(width=80))


def test_it_names_the_step_and_what_is_waited_for_and_is_erased_by_the_end_of_the_step(shown: Terminal) -> None:
    one = made(shown)
    with one.during("start"):
        assert one.says("waiting for scheduler")
        drawn = shown.await_(lambda text: "scheduler" in text)
    assert drawn.startswith(ERASE)
    assert drawn.removeprefix(ERASE)[1:].split() == ["0s", "start", "waiting", "for", "scheduler"]
    assert shown.put[-1] == ERASE


def test_it_says_what_goes_on_and_also_what_that_waits_for(shown: Terminal) -> None:
    one = made(shown)
    with one.during("start"):
        one.says("making the database")
        one.says("waiting for `python`", also=True)
        one.says("waiting for the engine", also=True)
        shown.await_(lambda text: text.endswith("start    making the database; waiting for the engine"))
        one.says("waiting for scheduler")
        shown.await_(lambda text: text.endswith("start    waiting for scheduler"))


def test_what_an_earlier_step_waited_for_is_not_said_of_the_next(shown: Terminal) -> None:
    one = made(shown)
    with one.during("start"):
        one.says("waiting for scheduler")
    with one.during("verify"):
        assert "scheduler" not in shown.await_(lambda text: "verify" in text)


def test_it_is_erased_before_anything_is_printed_and_not_drawn_meanwhile(shown: Terminal) -> None:
    one = made(shown)
    with one.during("start"):
        shown.await_(lambda text: "start" in text)
        with one.aside():
            assert shown.put[-1] == ERASE
            count = len(shown.put)
            threading.Event().wait(0.1)
            assert len(shown.put) == count
        shown.put.clear()
        shown.await_(lambda text: "start" in text)


def test_a_step_that_ends_in_an_error_leaves_no_line(shown: Terminal) -> None:
    with pytest.raises(KeyboardInterrupt), made(shown).during("start"):
        shown.await_(lambda text: "start" in text)
        raise KeyboardInterrupt
    assert shown.put[-1] == ERASE


def test_a_step_that_is_over_soon_draws_nothing() -> None:
    shown = Terminal()
    with made(shown).during("env"):
        pass
    assert shown.put == []


def test_once_the_terminal_is_lent_what_is_said_is_printed_and_nothing_drawn_until_the_next_step(
    shown: Terminal,
) -> None:
    one = made(shown)
    with one.during("creds"):
        shown.await_(lambda text: "creds" in text)
        one.rest()
        assert shown.put[-1] == ERASE
        count = len(shown.put)
        assert not one.says("waiting for you")
        threading.Event().wait(0.1)
        assert len(shown.put) == count
    with one.during("mount"):
        assert one.says("waiting")
        shown.await_(lambda text: "mount" in text)


@given(st.text(max_size=200), st.integers(2, 120))
def test_it_is_one_line_that_fits_and_holds_nothing_that_a_terminal_obeys(said: str, width: int) -> None:
    shown = line("⠹", 12, "start", said, Layout(width=width))
    assert cells(shown) < width
    assert len(shown.splitlines()) <= 1
    assert not {"\x1b", "\r", "\x07"} & set(shown)


def test_its_columns_are_those_of_the_steps_own_line() -> None:
    assert line("|", 12.4, "env", "why", Layout(names=12, width=80)) == f"| 12s    {'env':<13} why".replace(
        "  why", " why"
    )


class Clock:
    """A log to which lines are told when they are due, and its clock, which goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[tuple[float, str]] = []
        self.lines = Lines(self.tell, lambda: self.now)

    def tell(self, text: str) -> None:
        with self.lines.aside():  # as the screen does that prints it
            self.told.append((self.now - 100, text))

    def pass_(self, seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            self.now += 0.5
            self.lines.tell_due()


def test_where_no_line_can_be_drawn_anew_what_is_over_soon_is_not_told_and_what_lasts_is_once() -> None:
    log = Clock()
    with log.lines.during("start"):
        log.pass_(1)
        for text in ("starting Airflow", "making the database", "waiting for scheduler"):
            assert log.lines.says(text)
            log.pass_(1.5 if text != "waiting for scheduler" else 8)
    log.pass_(60)
    assert log.told == [(6.0, "waiting for scheduler")]


def test_what_goes_on_lasting_is_told_again_and_nothing_is_silent_for_longer_than_that() -> None:
    log = Clock()
    with log.lines.during("secrets"):
        log.pass_(15)
        log.lines.says("1 of 9 written")
        log.pass_(7)
        with log.lines.aside():
            pass  # a check's own line breaks the silence too
        log.pass_(11)
    assert log.told == [
        (10.0, "still at secrets"),
        (17.0, "1 of 9 written"),
        (32.0, "1 of 9 written"),
    ]


def test_what_has_been_waited_for_already_is_told_at_once_with_what_waits_for_it() -> None:
    log = Clock()
    with log.lines.during("start"):
        log.lines.says("triggered the DAG")
        log.lines.says("waiting for the API", also=True)
        log.pass_(3)
    assert log.told == [(0.5, "triggered the DAG; waiting for the API")]


@pytest.mark.parametrize(
    ("said", "told"), [("making the database", "making the database"), ("", "waiting for `python -`")]
)
def test_a_command_that_is_waited_for_is_told_where_there_is_no_better_word_for_it(said: str, told: str) -> None:
    log = Clock()
    with log.lines.during("start"):
        log.lines.says(said)
        log.lines.says("waiting for `python -`", also=True)
        log.pass_(1)
        if said:
            log.lines.says("waiting for Airflow to be started", also=True)
            log.pass_(3)
    assert log.told == [(0.5, told)]


def test_of_a_change_it_is_told_what_is_waited_for_to_make_it() -> None:
    log = Clock()
    with log.lines.during("init"):
        log.lines.says("waiting for the project to be created", also=True)
        log.lines.says("waiting for `astro dev init`", also=True)
        log.pass_(3)
    assert log.told == [(0.5, "waiting for `astro dev init`")]


def test_of_no_step_and_once_the_streams_are_lent_nothing_is_told_but_printed_by_who_says_it() -> None:
    log = Clock()
    assert not log.lines.says("waiting for another run")
    with log.lines.during("logs"):
        assert log.lines.says("waiting")
        log.lines.rest()
        assert not log.lines.says("waiting")
        log.pass_(60)
    assert log.told == []


def test_the_lines_of_a_step_that_lasts_come_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LASTS", 0.02)
    shown = Terminal()
    one = Lines(shown)
    with one.during("start"):
        one.says("starting Airflow")
        assert shown.await_(lambda text: True) == "starting Airflow"


LOOKED_AT: dict[str, tuple[dict[str, str], bool]] = {
    "a terminal": ({}, True),
    "a dumb terminal": ({"TERM": "dumb"}, False),
    "CI": ({"CI": "true"}, False),
}


def record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord("x", level, "f", 1, "%s it", (text,), None)


@pytest.mark.parametrize("case", LOOKED_AT)
@pytest.mark.parametrize("piped", [False, True])
def test_progress_is_in_the_live_line_or_printed_at_once_where_there_is_none(
    case: str, piped: bool, terminal: TextIO, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables, lively = LOOKED_AT[case]
    monkeypatch.delenv("CI", raising=False)
    for name, value in ({"TERM": "xterm"} | variables).items():
        monkeypatch.setenv(name, value)
    printed: list[str] = []
    monkeypatch.setattr(Screen, "progress", lambda self, head, text: printed.append(text))
    monkeypatch.setattr(sys, "stderr", terminal)
    if not piped:
        monkeypatch.setattr(sys, "stdout", terminal)
    progress = Progress(Screen())
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        progress.emit(record(level, logging.getLevelName(level)))
    always, sometimes = ["DEBUG it", "ERROR it"], ["INFO it", "WARNING it"]
    assert sorted(printed) == sorted(always if lively and not piped else always + sometimes)


def test_a_program_that_is_handed_the_terminal_is_not_drawn_over_and_says_nothing_of_its_own(
    terminal: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, terminal)
    printed: list[str] = []
    screen = Screen()
    monkeypatch.setattr(screen, "progress", lambda head, text: printed.append(text))
    log, handler = logging.getLogger("aws_airflow_tasks"), Progress(screen)
    monkeypatch.setattr(log, "level", logging.INFO)
    log.addHandler(handler)
    try:
        with screen.during("creds"):
            assert screen.says("waiting", also=False)
            waits.lend_terminal()
            assert (printed, screen.says("waiting", also=False)) == ([], False)
        with screen.during("mount"):
            assert screen.says("waiting", also=False)
    finally:
        log.removeHandler(handler)
