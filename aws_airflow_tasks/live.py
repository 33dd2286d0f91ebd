"""The line at the foot of a terminal that says what goes on: for how long, at which step, and what is waited for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from aws_airflow_tasks.core import Stopwatch
from aws_airflow_tasks.text.layout import Layout, cells
from aws_airflow_tasks.text.printable import printable

#: seconds: a step that is over sooner has no such line; between two drawings
DELAY, EVERY = 0.4, 0.1
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
        before = self._said.partition("; ")[0]
        self._said = f"{before}; {text}" if also and before else text
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


def line(frame: str, seconds: float, step: str, said: str, layout: Layout) -> str:
    """The line's text, in the columns of a step's own line and never wider than the terminal."""
    text = f"{f'{frame} {seconds:.0f}s':<8} {step:<{layout.names}} {said}".rstrip()
    text = printable(" ".join(text.splitlines()))
    while layout.width and cells(text) >= layout.width:
        text = text[:-1]
    return text
