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
#: where nobody says what is behind it: on black as on white
EITHER = {"good": 29, "news": 98, "aside": 63, "bad": 131, "mind": 163}

#: by the word that a line begins with
WORDS = {"ok": "good", "changed": "news", "skipped": "aside", "failed": "bad", "warning": "mind", "error:": "bad"}
#: by the first character of a diff's line
DIFF = {"+": "good", "-": "bad", "@": "aside"}
ARROW = "->"


def chosen(environment: Mapping[str, str]) -> Mapping[str, int]:
    """The colours for a terminal's background, of which ``COLORFGBG`` (rxvt, Konsole, iTerm2) has the number last."""
    behind = environment.get("COLORFGBG", "").rpartition(";")[2]
    if not behind.isdecimal() or int(behind) > 15:
        return EITHER
    return LIGHT if int(behind) in (7, *range(9, 16)) else DARK


def coloured(line: str, colours: Mapping[str, int]) -> tuple[int, int] | None:
    """The colour of a line and how much of it, from its begin, has that; None: none."""
    word = line.split(" ", 1)[0]
    if word in WORDS:
        return colours[WORDS[word]], len(word)
    if line[:1] in DIFF and word != ARROW:
        return colours[DIFF[line[:1]]], len(line)
    return None
