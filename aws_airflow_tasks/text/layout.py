"""How prose lies on a terminal: wrapped at words under the column it begins in, so that the columns before it hold."""

import re
from typing import NamedTuple
from unicodedata import combining, east_asian_width

#: columns that text has at the least; where its own column leaves fewer, it goes on at the margin's
LEAST = 24
MARGIN = 3
#: columns of an identity at the least
IDENTITY = 34
#: what stands before a space; a parenthesis of up to 20 characters is not broken
_WORD = r"((?:\([^()]{1,18}\)|[^ ])*) "
_IDENTITY = r"\barn:aws[\w-]*:(?:iam|sts)::(\d+:[^\s,;()'\"`]+)"
_ARN = r"\barn:aws[\w-]*:[\w-]+:[\w-]*:\d*:[^\s,;()'\"`]+"


class Layout(NamedTuple):
    """Where lines are shown.

    Attributes:
        names: columns of a step's name, the second of three.
        width: columns of the terminal; None: it is none, and every line stays whole, with whole paths and ARNs.
        home: the person's home directory, which a terminal shows as ``~``; empty: none.
    """

    names: int = 8
    width: int | None = None
    home: str = ""


def laid(head: str, text: str, layout: Layout) -> list[str]:
    """The lines of a text that begins behind ``head``; all but the first are indented to where it begins.

    A word too long for that stands on a line of its own at the margin's, where it fits; else nothing makes it fit.
    """
    if layout.width is None:
        return f"{head}{text}".rstrip().split("\n")
    first = layout.width - cells(head)
    indent = cells(head) if first >= LEAST else min(cells(head), MARGIN)
    rest = layout.width - indent
    margin = min(indent, MARGIN)
    shown = shortened(text, layout.home, max(LEAST, rest))
    lines: list[str] = []
    for line in shown.split("\n"):
        lines += wrapped(line, rest if lines else first, rest, layout.width - margin)
    outdented = (" " * (indent if cells(line) <= rest else margin) + line for line in lines[1:])
    return [line.rstrip() for line in (head + lines[0], *outdented)]


def brief(head: str, text: str, layout: Layout) -> str:
    """The text with identities as ``ACCOUNT:user/NAME`` where it does not fit into one line behind ``head``.

    Not for a text of which somebody may have to copy the ARN, such as an error.
    """
    if not layout.width or cells(head + text) <= layout.width:
        return text
    most = max(IDENTITY, (layout.width - cells(head)) * 11 // 20)
    return re.sub(_IDENTITY, lambda found: _without_middle(found[1], most), text)


def wrapped(line: str, first: int, rest: int, most: int = 0) -> list[str]:
    """A line broken at spaces so that it fits; a word that is longer stays whole, to be copied.

    What is short and in parentheses, such as ``(4 services)``, counts as a word.

    Args:
        line: the text.
        first: columns of its first line.
        rest: columns of the others.
        most: columns of a line that is one word, where that may have more.
    """
    lines = [""]
    for word in re.findall(_WORD, f"{line} "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        room = first if len(lines) == 1 else rest
        elsewhere = lines[-1] or (len(lines) == 1 and room < cells(word) <= max(rest, most))
        if cells(longer) <= room or not elsewhere:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def shortened(text: str, home: str, most: int) -> str:
    """The text with ``~`` for the home directory, and ARNs of more than ``most`` characters without their middle."""
    if home:
        text = re.sub(rf"(?<![\w/.~'\"-]){re.escape(home)}(?![\w.-])", "~", text)
    return re.sub(_ARN, lambda found: _without_middle(found[0], most), text)


def _without_middle(arn: str, most: int) -> str:
    if len(arn) <= most:
        return arn
    half = (most - 3) // 2
    return f"{arn[: most - 3 - half]}...{arn[-half:]}"


def cells(text: str) -> int:
    """The columns that a text takes on a terminal."""
    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)
