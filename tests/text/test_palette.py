"""Colours can be read on whatever background a terminal has."""

from __future__ import annotations

import re

import pytest

from aws_airflow_tasks.text import palette

#: black, and what VS Code, GitHub, One Dark, Solarized, Tango and Ubuntu have behind text
DARK = ("000000", "1e1e1e", "0d1117", "282c34", "002b36", "2e3436", "300a24")
#: white, and what Solarized, GitHub, Tango and One Light have
LIGHT = ("ffffff", "fdf6e3", "f6f8fa", "eeeeec", "fafafa")
CASES = [
    *(("dark", palette.DARK, each) for each in DARK),
    *(("light", palette.LIGHT, each) for each in LIGHT),
]


def rgb(number: int) -> tuple[int, int, int]:
    """The cube of the 256 colours: 16 + 36 r + 6 g + b."""
    steps = (0, 95, 135, 175, 215, 255)
    assert 16 <= number < 232, "a theme may change the others"
    return steps[(number - 16) // 36], steps[(number - 16) // 6 % 6], steps[(number - 16) % 6]


def luminance(colour: tuple[int, ...]) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    parts = [part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(("name", "colours", "behind"), CASES, ids=[f"{name} {behind}" for name, _, behind in CASES])
def test_every_colour_is_readable_on_what_is_behind_it(name: str, colours: dict[str, int], behind: str) -> None:
    background = tuple(bytes.fromhex(behind))
    found = {what: contrast(rgb(number), background) for what, number in colours.items()}
    assert min(found.values()) >= 4.5, found
    assert colours.keys() == {*palette.WORDS.values(), *palette.DIFF.values()}


def test_where_nobody_says_what_is_behind_them_words_bring_that_along_and_the_rest_is_the_terminals_own() -> None:
    for line in (*palette.WORDS, *palette.DIFF):
        (style, length) = palette.coloured(f"{line} and more", palette.chosen({})) or ("", 0)
        front, behind = map(int, re.findall(r"color\((\d+)\)", style))
        assert contrast(rgb(front), rgb(behind)) >= 4.5, (line, style)
        assert length == len(line)


@pytest.mark.parametrize("colours", [palette.DARK, palette.LIGHT, None], ids=["dark", "light", "unknown"])
def test_what_is_not_needed_has_neither_the_colour_of_what_a_failure_left_out_nor_any_other(
    colours: dict[str, int] | None,
) -> None:
    styles = {word: palette.coloured(word, colours) for word in palette.WORDS}
    assert [word for word, style in styles.items() if style and style[0] == (styles["n/a"] or ("",))[0]] == ["n/a"]


@pytest.mark.parametrize(
    ("said", "colours"),
    [
        ("", None),
        ("15;0", palette.DARK),
        ("0;15", palette.LIGHT),
        ("0;default;7", palette.LIGHT),
        ("12;8", palette.DARK),
        ("0;default", None),
        ("15;235", None),
    ],
)
def test_the_terminal_says_what_is_behind_its_text(said: str, colours: dict[str, int] | None) -> None:
    assert palette.chosen({"COLORFGBG": said} if said else {}) is colours


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("failed   env      why", ("color(210)", 6)),
        ("error: that", ("color(210)", 6)),
        ("+line of a diff", ("color(77)", 15)),
        ("-", ("color(210)", 1)),
        ("@@ -1 +1 @@", ("color(80)", 11)),
        ("-> invoke start", None),
        ("recap: ok=1", None),
        ("", None),
    ],
)
def test_a_status_word_has_a_colour_and_of_a_diff_the_line(line: str, found: tuple[str, int] | None) -> None:
    assert palette.coloured(line, palette.DARK) == found
