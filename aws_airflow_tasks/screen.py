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
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from aws_airflow_tasks import report
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.printable import printable

if TYPE_CHECKING:
    from rich.text import Text


class Screen:
    """Where a command line prints: prose to stdout, or to stderr when stdout is for JSON."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json

    def say(self, text: str) -> None:
        """Print prose, if there is any."""
        if text:
            write(text, sys.stderr if self.json else sys.stdout)

    def progress(self, text: str) -> None:
        """Print what goes on meanwhile, beside everything else."""
        write(text, sys.stderr)

    @property
    def watched(self) -> bool:
        """Whether somebody sees what goes on meanwhile."""
        return is_terminal(sys.stderr)

    @property
    def answers(self) -> bool:
        """Whether somebody is there to be asked."""
        return is_terminal(sys.stdin)

    def document(self, text: str) -> None:
        """Print the one JSON document, and nothing else there."""
        write(text, sys.stdout, plain=True)

    def ask(self, question: str) -> bool | None:
        """Whether the person agrees; None: nobody is there to be asked."""
        if not self.answers:
            return None
        self.say(f"{question} [y/N]")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def ask_line(self, question: str) -> str | None:
        """What the person types; None: nobody is there to be asked."""
        if not self.answers:
            return None
        self.say(question)
        return sys.stdin.readline().strip()

    def ask_hidden(self, question: str) -> str | None:
        """What the person types, without an echo; None: nobody is there to be asked."""
        if not self.answers:
            return None
        with contextlib.suppress(EOFError):
            return getpass.getpass(f"{question} (hidden): ", stream=sys.stderr)
        return None


class Cleaning(logging.Filter):
    """Lets every record of a log through, cleaned with its traceback: whatever fails may have quoted a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean one record; all of them pass."""
        record.msg, record.args = cleaned(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = cleaned(logging.Formatter().formatException(record.exc_info))
        return True


#: the one filter, so that a log has it once
CLEANING = Cleaning()


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at a stream; nobody does at one that is closed."""
    with contextlib.suppress(OSError, ValueError):
        return stream is not None and stream.isatty()
    return False


def write(text: str, stream: TextIO | None, *, plain: bool = False) -> None:
    """Print lines and flush them, in colour on a terminal; what a stream cannot show is escaped."""
    if stream is not None:
        _guarded(lambda: _print(_showable(text, stream), stream, plain), stream)


def settle() -> None:
    """Flush both streams, so that the interpreter has nothing left to fail at when it ends."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            _guarded(stream.flush, stream)


def _print(text: str, stream: TextIO, plain: bool) -> None:
    if not plain and is_terminal(stream) and not {"NO_COLOR", "CI"} & os.environ.keys():
        text = _in_colour(text, stream)
    print(text, file=stream, flush=True)


def _guarded(output: Callable[[], object], stream: TextIO) -> None:
    try:
        output()
    except ValueError:  # it was closed meanwhile
        return
    except OSError as error:
        _silence(stream)
        if error.errno != errno.EPIPE:  # a reader who goes away has seen enough; a full disk is news
            name, other = ("stdout", sys.stderr) if stream is sys.stdout else ("stderr", sys.stdout)
            write(f"error: cannot write to {name}: {error.strerror}", other if other is not stream else None)


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


def _in_colour(text: str, stream: TextIO) -> str:
    """The lines with the terminal's codes; written by us, as rich would end the process where nobody reads."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=True)
    with console.capture() as captured:
        for line in text.split("\n"):
            console.print(_coloured(Text(line), line))
    return captured.get().removesuffix("\n")


def _coloured(text: Text, line: str) -> Text:
    """A status word in its colour; a line of a diff as a whole."""
    word = line.split(" ", 1)[0]
    text.stylize(report.COLOURS.get(word, ""), 0, len(word))
    text.stylize({"+": "green", "-": "red", "@": "cyan"}.get(line[:1] if not line.startswith("->") else "", ""))
    return text
