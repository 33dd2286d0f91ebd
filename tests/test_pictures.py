"""A picture of a terminal shows what was left there, in colours that can be read, and loads nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.terminal_theme import TerminalTheme

from aws_airflow_tasks.live import ERASE
from aws_airflow_tasks.text import palette
from benchmarks.terminal import THEMES, faults, left, on, shown, svg

ROOT = Path(__file__).parent.parent
COMMITTED = sorted((ROOT / "docs" / "pictures").glob("*.svg"))


def texts(picture: str) -> list[str]:
    """The lines of a picture, from its text elements."""
    rows: dict[float, list[tuple[float, str]]] = {}
    for each in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        rows.setdefault(float(each.attrib["y"]), []).append((float(each.attrib["x"]), each.text or ""))
    return ["".join(text for _, text in sorted(row)).replace("\xa0", " ").rstrip() for _, row in sorted(rows.items())]


def test_a_line_that_was_drawn_anew_is_shown_as_it_was_left() -> None:
    assert left(f"one\r\n{ERASE}half{ERASE}whole\r\n{ERASE}gone{ERASE}\r\n") == "one\nwhole"


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals of Unix")
def test_a_command_line_is_run_on_a_terminal_of_that_width(tmp_path: Path) -> None:
    code = "import os, sys; print(os.get_terminal_size().columns, sys.stdout.isatty(), 'CI' in os.environ); sys.exit(3)"
    assert shown([sys.executable, "-c", code], 123, cwd=tmp_path, env={"CI": "1"}) == ("123 True False", 3)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_a_picture_has_every_line_folded_as_a_terminal_folds_it(theme: TerminalTheme) -> None:
    picture = svg("\x1b[32mok\x1b[0m       creds\n" + "x" * 45, 40, theme, "a run")
    assert sorted(texts(picture)) == sorted(["a run", "ok       creds", "x" * 40, "x" * 5])


def luminance(colour: Iterable[int]) -> float:
    """Of WCAG 2.2."""
    red, green, blue = (c / 12.92 if (c := n / 255) <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for n in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrasts(picture: str) -> dict[str, float]:
    """By colour of text in a picture that against its background, as WCAG 2.2 (1.4.3) computes it."""
    ground, *texts = (
        luminance(int(colour[at : at + 2], 16) for at in (1, 3, 5))
        for colour in re.findall(r'<rect fill="(#[0-9a-f]{6})"', picture)[:1] + sorted(fills(picture))
    )
    pairs = [sorted((ground, each)) for each in texts]
    return dict(zip(sorted(fills(picture)), ((bright + 0.05) / (dim + 0.05) for dim, bright in pairs), strict=True))


def fills(picture: str) -> set[str]:
    return set(re.findall(r"-r\d+ \{ fill: (#[0-9a-f]{6})", picture))


@pytest.mark.parametrize("name", THEMES)
def test_every_colour_of_ours_can_be_read_on_its_background(name: str) -> None:
    dark = palette.DARK
    lines = "\n".join(f"\x1b[38;5;{number}m{what}\x1b[0m" for what, number in dark.items())
    found = contrasts(svg(on(name, lines), 40, THEMES[name], "a run"))
    assert len(found) > len(dark)
    assert min(found.values()) >= 4.5, found


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_every_colour_of_a_committed_picture_can_be_read(path: Path) -> None:
    found = contrasts(path.read_text())
    assert len(found) >= 4
    assert min(found.values()) >= 4.5, found


def test_a_broken_line_and_a_path_of_this_machine_are_faults_and_commands_may_be_long() -> None:
    long = "word " * 20
    assert faults(f"{long}\n-> {long}\n+{long}\n\x1b[31mfailed\x1b[0m {'x' * 60}", 80) == [
        f"more than 80 columns: {long}"
    ]
    assert faults("ok  /tmp/abc/home/x", 80, "/tmp/abc") == ["a path of this machine: ok  /tmp/abc/home/x"]


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_a_committed_picture_loads_nothing_and_shows_no_path_of_a_machine(path: Path) -> None:
    picture = path.read_text()
    assert re.findall(r"@import|@font-face|<image|<script|href|url\((?!#)", picture) == []
    assert re.findall(r"(?<![\w.])/(?:tmp|root|home|work|var)/", "\n".join(texts(picture))) == []
    assert "Airflow runs" in picture or "printed" in picture


def test_a_run_is_committed_dark_and_light() -> None:
    assert [path.name for path in COMMITTED] == ["sandbox-80-dark.svg", "sandbox-80-light.svg"]
