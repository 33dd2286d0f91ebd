"""What goes on meanwhile, for how long, at which step, and what is waited for.

On a terminal that is a line at its foot, drawn anew; elsewhere, such as in the log of a CI job, now and then a line.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from aws_airflow_tasks.core import Stopwatch
from aws_airflow_tasks.text.layout import Layout, cells
from aws_airflow_tasks.text.printable import printable

#: seconds: a step that is over sooner has no such line; between two drawings
DELAY, EVERY = 0.4, 0.1
#: seconds, where nothing is drawn anew: what is over sooner is not told; for which nothing is told at the most
LASTS, SILENCE = 2.0, 10.0
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
#: to the line's begin, and what stands there gone (ECMA-48: CR, EL)
ERASE = "\r\x1b[K"


class Live:
    """One line, drawn anew while a step goes on, and gone whenever something else is printed or typed.

    Args:
        put: writes to the terminal as it is, and never raises.
        layout: how wide it is now, and its columns.
    """

    def __init__(self, put: Callable[[str], object], layout: Callable[[], Layout]) -> None:
        self._put = put
        self._layout = layout
        self._terminal = threading.RLock()
        self._drawn = self._resting = False
        self._said = ""

    @contextlib.contextmanager
    def during(self, step: str) -> Iterator[None]:
        """Draw the line while the body of a step runs."""
        over, self._said, self._resting = threading.Event(), "", False
        threading.Thread(target=self._draw_until, args=(over, step), daemon=True).start()
        try:
            yield
        finally:
            over.set()
            with self.aside():
                pass

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """The terminal is the body's alone; the line comes back in a moment."""
        with self._terminal:
            if self._drawn:
                self._put(ERASE)
                self._drawn = False
            yield

    def rest(self) -> None:
        """Leave the terminal to somebody else for the rest of the step."""
        with self.aside():
            self._resting = True

    def says(self, text: str, *, also: bool = False) -> bool:
        """Have the line say what goes on, or ``also`` what that waits for; False: there is no line to say it."""
        self._said = _joined(self._said, text) if also else text
        return not self._resting

    def _draw_until(self, over: threading.Event, step: str) -> None:
        clock, number, pause = Stopwatch(), 0, DELAY
        while not over.wait(pause):
            with self._terminal:
                if not over.is_set() and not self._resting:
                    self._put(
                        ERASE + line(FRAMES[number % len(FRAMES)], clock.seconds, step, self._said, self._layout())
                    )
                    self._drawn = True
            number, pause = number + 1, EVERY


class Lines:
    """The same where a line cannot be drawn anew: one of what lasts, and again of what goes on lasting.

    Args:
        tell: prints a text, and never raises.
        now: seconds of a clock.
    """

    def __init__(self, tell: Callable[[str], object], now: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._now = tell, now
        self._stream = threading.RLock()
        self._step = self._said = self._told = ""
        self._since = self._last = 0.0

    @contextlib.contextmanager
    def during(self, step: str) -> Iterator[None]:
        """Tell what lasts while the body of a step runs."""
        over = threading.Event()
        self._step, self._said, self._told, self._last = step, "", "", self._now()
        threading.Thread(target=self._tell_until, args=(over,), daemon=True).start()
        try:
            yield
        finally:
            over.set()
            with self._stream:
                self._step = ""

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """What the body prints, or asks, breaks the silence."""
        with self._stream:
            yield
            self._last = self._now()

    def rest(self) -> None:
        """Leave what follows of the step to somebody else."""
        with self._stream:
            self._step = ""

    def says(self, text: str, *, also: bool = False) -> bool:
        """What goes on, or ``also`` what that has waited for a while; False: it is of no step, and to be printed."""
        with self._stream:
            self._said = _joined(self._said, text) if also else text
            self._since = self._now() - (LASTS if also else 0)
            return bool(self._step)

    def tell_due(self) -> None:
        """Tell what lasts and has not been told, or after a silence what goes on."""
        with self._stream:
            now = self._now()
            lasting = self._said != self._told and now - self._since >= LASTS
            if self._step and (lasting or now - self._last >= SILENCE):
                self._told, self._last = self._said, now
                self._tell(self._said or f"still at {self._step}")

    def _tell_until(self, over: threading.Event) -> None:
        while not over.wait(LASTS / 4):
            self.tell_due()


def _joined(said: str, text: str) -> str:
    """What goes on, and what that waits for; the command that does it tells no more, and what it is for less."""
    before = said.partition("; ")[0]
    if not before or _is_of_a_change(before):
        return text
    return before if text.startswith("waiting for `") or _is_of_a_change(text) else f"{before}; {text}"


def _is_of_a_change(text: str) -> bool:
    """Whether it is what :func:`~aws_airflow_tasks.text.doing.awaited` says."""
    return text.startswith("waiting for ") and " to be " in text


def line(frame: str, seconds: float, step: str, said: str, layout: Layout) -> str:
    """The line's text, in the columns of a step's own line and never wider than the terminal."""
    text = f"{f'{frame} {seconds:.0f}s':<8} {step:<{layout.names}} {said}".rstrip()
    text = printable(" ".join(text.splitlines()))
    while layout.width and cells(text) >= layout.width:
        text = text[:-1]
    return text
