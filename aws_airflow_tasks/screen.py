"""The only module that prints: lines for a person, one document for a program, and neither ever stops the work.

A reader may go away in the middle (``| head``), a stream may be closed (``>&-``), a disk full, a terminal unable to
show a name: what was asked for is done all the same, to its end.
"""

from __future__ import annotations

import contextlib
import errno
import getpass
import logging
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TextIO

from aws_airflow_tasks.core import Stopwatch
from aws_airflow_tasks.live import Lines, Live
from aws_airflow_tasks.text import palette
from aws_airflow_tasks.text.layout import Layout, laid
from aws_airflow_tasks.text.printable import printable
from aws_airflow_tasks.world import waits


class Screen:
    """Where a command line prints: prose to stdout, or to stderr when stdout is for JSON.

    Args:
        json: whether stdout is for the JSON document.
        names: of the steps that are to come, for which their column is wide enough.
    """

    def __init__(self, *, json: bool = False, names: Iterable[str] = ()) -> None:
        self.json = json
        self._names = max(map(len, names), default=0)
        self._home = os.environ.get("HOME", "").rstrip("/")  # a sandbox has another
        self._clock = Stopwatch()
        drawn = animated(sys.stderr) and animated(self._prose)
        self._live = Live(_put, lambda: self.layout) if drawn else Lines(self.passing)

    @property
    def layout(self) -> Layout:
        """How lines lie where prose is printed now; a terminal may have been resized."""
        width = columns(self._prose)
        gap = 1 if width else 0  # for the eye, behind a name that fills its column
        return Layout(max(Layout().names, self._names) + gap, width, self._home)

    @property
    def _prose(self) -> TextIO | None:
        return sys.stderr if self.json else sys.stdout

    def say(self, text: str) -> None:
        """Print prose, if there is any."""
        if text:
            self._print(text, self._prose)

    def quote(self, line: str) -> bool:
        """Print a line of somebody else's as it is; False: nobody reads on."""
        with self._aside():
            return write(line, self._prose, plain=True)

    def tell(self, head: str, text: str) -> None:
        """Print prose that begins behind ``head``, and goes on under where it begins."""
        self._print("\n".join(laid(head, text, self.layout)), self._prose)

    def passing(self, text: str) -> None:
        """Print what goes on, with the time that has passed."""
        self.progress(f"   {self._clock.seconds:5.1f}s  ", text)

    def progress(self, head: str, text: str) -> None:
        """Print what goes on meanwhile, beside everything else."""
        layout = self.layout._replace(width=columns(sys.stderr))
        self._print("\n".join(laid(head, text, layout)), sys.stderr)

    def during(self, step: str) -> AbstractContextManager[None]:
        """While the body of a step runs, say so at the foot of the terminal, or elsewhere now and then."""
        return self._live.during(step)

    def says(self, text: str, *, also: bool) -> bool:
        """Say so what goes on, or also what that waits for; False: there is no step, and it is to be printed."""
        return self._live.says(text, also=also)

    def lend(self) -> None:
        """Leave the terminal to another program until the next step."""
        self._live.rest()

    @property
    def answers(self) -> bool:
        """Whether somebody is there to be asked."""
        return is_terminal(sys.stdin)

    def document(self, text: str) -> None:
        """Print the one JSON document, and nothing else there."""
        self._print(text, sys.stdout, plain=True)

    def ask(self, question: str) -> bool | None:
        """Whether the person agrees; None: nobody is there to be asked."""
        answer = self.ask_line(f"{question} [y/N]")
        return None if answer is None else answer.lower() in ("y", "yes")

    def ask_line(self, question: str) -> str | None:
        """What the person types; None: nobody is there to be asked."""
        if not self.answers:
            return None
        with self._aside():
            self.tell("", question)
            return sys.stdin.readline().strip()

    def ask_hidden(self, question: str) -> str | None:
        """What the person types, without an echo; None: nobody is there to be asked."""
        if not self.answers:
            return None
        with self._aside(), contextlib.suppress(EOFError):
            return getpass.getpass(f"{question} (hidden): ", stream=sys.stderr)
        return None

    def _aside(self) -> AbstractContextManager[None]:
        return self._live.aside()

    def _print(self, text: str, stream: TextIO | None, *, plain: bool = False) -> None:
        with self._aside():
            write(text, stream, plain=plain)


class Silent(Screen):
    """Prints nothing: what is looked at with it is said by somebody else."""

    def _print(self, text: str, stream: TextIO | None, *, plain: bool = False) -> None:
        pass


class Progress(logging.Handler):
    """What the lower rooms log: what is waited for, while a step runs; under ``--echo`` commands."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record, which is printed with the elapsed time unless it is said otherwise."""
        text, lively = record.getMessage(), logging.INFO <= record.levelno < logging.ERROR
        if waits.lends(record):
            self.screen.lend()
        elif not (lively and self.screen.says(text, also=record.levelno == logging.WARNING)):
            self.screen.passing(text)


#: what a person sets a variable to, to say no
OFF = ("0", "false")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at a stream; nobody does at one that is closed."""
    with contextlib.suppress(OSError, ValueError):
        return stream is not None and stream.isatty()
    return False


def columns(stream: TextIO | None) -> int | None:
    """How wide a terminal is; None where there is none, or where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        return (os.get_terminal_size(stream.fileno()).columns or None) if stream and is_terminal(stream) else None
    return None


def animated(stream: TextIO | None) -> bool:
    """Whether a line there can be drawn anew; in the log of a CI job each would be one more."""
    able = is_terminal(stream) and os.environ.get("TERM") != "dumb"
    return able and os.environ.get("CI", "") in ("", *OFF)


def in_colour(stream: TextIO | None) -> bool:
    """Whether lines are coloured there.

    ``NO_COLOR`` (no-color.org) and ``FORCE_COLOR`` (force-color.org) count unless they are empty, the first before the
    second; without them a terminal has colours, but for a dumb one and where ``CI`` is set.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced not in OFF
    return animated(stream)


def write(text: str, stream: TextIO | None, *, plain: bool = False) -> bool:
    """Print lines and flush them, in colour on a terminal, escaping what cannot be shown; False: nobody reads."""
    return stream is not None and _guarded(lambda: _print(_showable(text, stream), stream, plain), stream)


def _put(text: str) -> None:
    """Write to the terminal on stderr, without the end of a line."""
    stream = sys.stderr
    if stream is not None:
        _guarded(
            lambda: print(
                text.encode(stream.encoding, "replace").decode(stream.encoding), end="", file=stream, flush=True
            ),
            stream,
        )


def settle() -> None:
    """Flush both streams, so that the interpreter has nothing left to fail at when it ends."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            _guarded(stream.flush, stream)


def _print(text: str, stream: TextIO, plain: bool) -> None:
    if not plain and in_colour(stream):
        text = _coloured_lines(text, stream)
    print(text, file=stream, flush=True)


def _guarded(output: Callable[[], object], stream: TextIO) -> bool:
    try:
        output()
        return True
    except ValueError:  # it was closed meanwhile
        return False
    except OSError as error:
        _silence(stream)
        if error.errno != errno.EPIPE:  # a reader who goes away has seen enough; a full disk is news
            name, other = ("stdout", sys.stderr) if stream is sys.stdout else ("stderr", sys.stdout)
            write(f"error: cannot write to {name}: {error.strerror}", other if other is not stream else None)
        return False


def _silence(stream: TextIO) -> None:
    """Lead a broken stream to nowhere, with what it still holds (``signal``, "Note on SIGPIPE", in Python's manual)."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _showable(text: str, stream: TextIO) -> str:
    text = printable(text) if is_terminal(stream) else text  # elsewhere a diff keeps its bytes, for `git apply`
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _coloured_lines(text: str, stream: TextIO) -> str:
    """The lines with the codes of their colours, written by us, as rich would end the process where nobody reads."""
    from rich.console import Console
    from rich.text import Text

    colours = palette.chosen(os.environ)
    console = Console(file=stream, highlight=False, soft_wrap=True, force_terminal=True, color_system="256")
    with console.capture() as captured:
        for line in text.split("\n"):
            shown, found = Text(line), palette.coloured(line, colours)
            if found:
                shown.stylize(found[0], 0, found[1])
            console.print(shown)
    return captured.get().removesuffix("\n")
