"""The colours of status words and of diffs, readable on what the terminal has behind them.

They are of the part of the 256 colours that no terminal's theme changes, as only of those the contrast is known (xterm,
256colres.h); meaning never is in them alone. ``tests/text/test_palette.py`` computes it: 4.5:1 at the least (WCAG 2.2,
1.4.3).
"""

from __future__ import annotations

from collections.abc import Mapping

#: by what it is the number of its colour
DARK = {"good": 77, "news": 185, "aside": 80, "bad": 210, "mind": 213}
LIGHT = {"good": 22, "news": 94, "aside": 24, "bad": 124, "mind": 90}
#: where nobody says what is behind it, a word brings that along: white on what can be read on white
WHITE = 231

#: what a line begins with where something was skipped although nothing failed
UNNEEDED = "n/a"
#: by the word that a line begins with
WORDS = {"ok": "good", "changed": "news", UNNEEDED: "aside", "skipped": "mind", "warning": "mind"} | {
    "failed": "bad",
    "error:": "bad",
}
#: by the first character of a diff's line
DIFF = {"+": "good", "-": "bad", "@": "aside"}
ARROW = "->"


def chosen(environment: Mapping[str, str]) -> Mapping[str, int] | None:
    """The colours for a terminal's background; None: nobody says what that is.

    ``COLORFGBG`` (rxvt, Konsole, iTerm2) has its number last.
    """
    behind = environment.get("COLORFGBG", "").rpartition(";")[2]
    if not behind.isdecimal() or int(behind) > 15:
        return None
    return LIGHT if int(behind) in (7, *range(9, 16)) else DARK


def coloured(line: str, colours: Mapping[str, int] | None) -> tuple[str, int] | None:
    """How a line is coloured, in rich's words, and how much of it, from its begin; None: not at all."""
    word = line.split(" ", 1)[0]
    if word in WORDS:
        return _style(WORDS[word], colours), len(word)
    if line[:1] in DIFF and word != ARROW:
        return _style(DIFF[line[:1]], colours), len(line) if colours else 1
    return None


def _style(what: str, colours: Mapping[str, int] | None) -> str:
    return f"color({colours[what]})" if colours else f"color({WHITE}) on color({LIGHT[what]})"
