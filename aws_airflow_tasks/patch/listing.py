"""Lines of ours in a text, by number, for a person to take out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping


def runs(text: str, blocks: Iterable[str], tells: Callable[[str], bool]) -> list[int]:
    """The numbers, from 1, of lines in runs that are all like lines of ``blocks`` and of which one at least tells."""
    ours = {line.strip() for block in blocks for line in block.split("\n")} - {""}
    numbered = [(number, line, tells(line)) for number, line in enumerate(text.split("\n"), 1)]
    found: list[int] = []
    for mine, run in itertools.groupby(numbered, key=lambda each: each[2] or each[1].strip() in ours):
        there = list(run)
        found += [number for number, _, _ in there] if mine and any(told for _, _, told in there) else []
    return found


def listing(lines: Mapping[int, str], title: str = "take these lines out:") -> str:
    """Lines by number, for a person; empty when there are none."""
    return "\n".join([title, *(f"{number}: {line}" for number, line in sorted(lines.items()))]) if lines else ""
