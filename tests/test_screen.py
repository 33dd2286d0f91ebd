"""What a terminal, a CI job and a pipe are shown: widths and colours."""

from __future__ import annotations

import fcntl
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from aws_airflow_tasks import screen
from aws_airflow_tasks.text.layout import MARGIN

SCRIPT = Path(sys.executable).with_name("aws-airflow")


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        yield stream
    os.close(ours)


def resized(stream: TextIO, width: int) -> None:
    fcntl.ioctl(stream, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))


COLOURS: dict[str, tuple[dict[str, str], bool, bool]] = {
    "as it is": ({}, True, False),
    "NO_COLOR": ({"NO_COLOR": "1"}, False, False),
    "NO_COLOR empty": ({"NO_COLOR": ""}, True, False),
    "NO_COLOR and FORCE_COLOR": ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    "FORCE_COLOR": ({"FORCE_COLOR": "1"}, True, True),
    "FORCE_COLOR empty": ({"FORCE_COLOR": ""}, True, False),
    "FORCE_COLOR off": ({"FORCE_COLOR": "0"}, False, False),
    "CI": ({"CI": "true"}, False, False),
    "CI off": ({"CI": "false"}, True, False),
    "CI and FORCE_COLOR": ({"CI": "true", "FORCE_COLOR": "3"}, True, True),
    "a dumb terminal": ({"TERM": "dumb"}, False, False),
}


@pytest.mark.parametrize("case", COLOURS)
def test_colours_are_where_the_person_and_the_streams_say(
    case: str, terminal: TextIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables, there, elsewhere = COLOURS[case]
    for name in ("CI", "COLORFGBG", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm"} | variables).items():
        monkeypatch.setenv(name, value)
    with (tmp_path / "out").open("w") as file:
        assert (screen.in_colour(terminal), screen.in_colour(file)) == (there, elsewhere)
        screen.write("failed   env      why\nerror: that\n-> this", file)
    said = (tmp_path / "out").read_text()
    assert ("\x1b[38;5;231;48;5;124mfailed" in said, "\x1b[38;5;231;48;5;124merror:" in said) == (elsewhere, elsewhere)
    assert re.sub(r"\x1b\[[\d;]*m", "", said) == "failed   env      why\nerror: that\n-> this\n"


@pytest.mark.parametrize("log", ["info", "error"])
def test_what_goes_on_meanwhile_breaks_at_words(log: str, terminal: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    resized(terminal, 40)
    said: list[str] = []
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(screen, "write", lambda text, stream, **_: said.append(text))
    monkeypatch.setenv("TERM", "dumb")
    record = logging.LogRecord("x", getattr(logging, log.upper()), "", 0, "waiting for " + "scheduler " * 6, (), None)
    screen.Progress(screen.Screen()).emit(record)
    first, *rest = said[0].splitlines()
    assert first == "     0.0s  waiting for scheduler"
    assert rest == [" " * 11 + "scheduler scheduler scheduler", " " * 11 + "scheduler scheduler"]


def test_a_document_is_never_coloured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with (tmp_path / "out").open("w") as file:
        screen.write("ok", file, plain=True)
    assert (tmp_path / "out").read_text() == "ok\n"


def test_only_a_terminal_that_says_so_has_a_width(terminal: TextIO, tmp_path: Path) -> None:
    resized(terminal, 93)
    assert screen.columns(terminal) == 93
    resized(terminal, 0)
    assert screen.columns(terminal) is None
    with (tmp_path / "out").open("w") as file:
        assert screen.columns(file) is None
    assert screen.columns(None) is None


@pytest.mark.parametrize("width", [45, 80, 200])
def test_no_word_of_a_step_is_broken_on_a_terminal(width: int, tmp_path: Path) -> None:
    """The first row is wide enough for the longest name that is to come, and every further line is indented to it."""
    (tmp_path / ".astro").mkdir()
    (tmp_path / ".astro" / "config.yaml").write_text("project: {name: mine}\n")
    (tmp_path / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, os.fdopen(ours, "rb", buffering=0) as read:
        resized(stream, width)
        command, plain = [SCRIPT, "dag", "init-tasks"], os.environ | {"NO_COLOR": "1"}
        subprocess.run(
            command,
            cwd=tmp_path,
            stdin=stream,
            stdout=stream,
            env=plain,
            check=True,
            timeout=120,
        )
        stream.close()
        said = b""
        while chunk := _read(read.fileno()):
            said += chunk
    *rows, recap = said.decode().splitlines()
    assert recap.startswith("recap:")
    assert {row[:21].split()[1] for row in rows if row[0] != " "} == {"init", "dag", "init-tasks"}
    alone = [row for row in rows if row[:MARGIN].isspace() and row[MARGIN] != " "]  # too long for its column
    assert all(len(row.split()) == 1 for row in alone)
    assert {row[:21] for row in rows if row[0] == " " and row not in alone} <= {" " * 21}
    assert {row[19:21] for row in rows if row not in alone} <= {"  ", ""}
    assert all(max(map(len, row.split())) > width - MARGIN for row in rows if len(row) > width)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # its other end is closed
        return b""
