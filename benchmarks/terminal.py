"""What a command line shows on a terminal, as a picture that loads nothing: captured on a real one, drawn as SVG."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from aws_airflow_tasks.live import ERASE
from aws_airflow_tasks.text import palette

#: how a terminal is drawn; rich asks for the eight colours that have names as well, which we do not print
THEMES = {
    "dark": TerminalTheme((13, 17, 23), (230, 237, 243), [(230, 237, 243)] * 8),
    "light": TerminalTheme((255, 255, 255), (31, 35, 40), [(31, 35, 40)] * 8),
}
#: rich's own picture has fonts of the network; here it is whatever monospaced font there is, stretched to its columns
FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" class="rich-terminal" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""


def shown(words: Sequence[str], width: int, *, cwd: Path, env: Mapping[str, str]) -> tuple[str, int]:
    """What a command line leaves on a dark terminal of so many columns, with its colours, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    variables = {name: value for name, value in env.items() if name not in ("CI", "NO_COLOR", "FORCE_COLOR")}
    variables |= {"TERM": "xterm-256color", "COLORFGBG": "15;0"}
    process = subprocess.Popen(words, cwd=cwd, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    return left(_all(ours)), process.wait()


def on(background: str, text: str) -> str:
    """What was shown on a dark terminal as it would be on one of another background: in other colours."""
    there = palette.LIGHT if background == "light" else palette.DARK
    numbers = {str(number): str(there[what]) for what, number in palette.DARK.items()}
    return re.sub(r"(?<=38;5;)\d+", lambda found: numbers.get(found[0], found[0]), text)


def _all(terminal: int) -> str:
    """Everything that is written there until nobody has it open any more."""
    parts: list[bytes] = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # EIO: Linux's word for that
        pass
    os.close(terminal)
    return b"".join(parts).decode()


def left(written: str) -> str:
    """What is still there at the end: a line that was drawn anew counts as the last one."""
    lines = written.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition(ERASE)[2] for line in lines).rstrip()


def svg(text: str, width: int, theme: TerminalTheme, title: str) -> str:
    """A picture of a terminal of so many columns with a text in it, which has the codes of its colours."""
    console = Console(record=True, width=width, file=open(os.devnull, "w"), force_terminal=True)  # noqa: PTH123, SIM115
    for line in Text.from_ansi(text).split("\n", allow_blank=True):
        console.print(*_folded(line, width), sep="\n", no_wrap=True, overflow="ignore", crop=False)
    console.file.close()
    return console.export_svg(title=title, theme=theme, code_format=FORMAT.replace("{title}", escape(title)))


def _folded(line: Text, width: int) -> Sequence[Text]:
    """As a terminal does, in the middle of a word if it must."""
    ends, at = [], 0
    for part in chop_cells(line.plain, width)[:-1]:
        at += len(part)
        ends.append(at)
    return list(line.divide(ends))


def faults(text: str, width: int, *paths: str) -> list[str]:
    """What a reader would stumble on: a line that a terminal breaks, or one with a path of this machine.

    Commands to paste, and lines of a diff, are whole whatever they are; so is a word.
    """
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text).split("\n")
    prose = [line for line in lines if not line.startswith(("-> ", "   ", "+", "-", "@", "diff "))]
    broken = [f"more than {width} columns: {line}" for line in prose if cell_len(line) > width and " " in line.strip()]
    return broken + [f"a path of this machine: {line}" for line in prose if any(path in line for path in paths)]
