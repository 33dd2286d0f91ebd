"""What to say of a command line that cannot be read: what is wrong with which word, and the line that was meant."""

from __future__ import annotations

import ast
import difflib
import re
import shlex
from collections.abc import Collection, Mapping, Sequence

from aws_airflow_tasks.core import UsageError

#: what invoke's parser says (``invoke.parser.parser``)
_UNKNOWN = r"(?s)No idea what (['\"].*['\"]) is!"
_NO_VALUE = r"Flag <Argument: ([\w-]+).*> needed value.*"
_TOO_FEW = r"'(.*)' did not receive required positional arguments: '(.*)'"


def explained(
    said: str, words: Sequence[str], within: str, tasks: Mapping[str, Collection[str]], program: str
) -> UsageError:
    """The error for a person.

    Args:
        said: invoke's own words.
        words: of the command line, without the program.
        within: the task whose flags were read then; empty: none.
        tasks: the flags of each task, by all of its names.
        program: what is typed before them, quoted.
    """
    help = " ".join([program, shlex.join(["--help", *([within] if within else [])])])
    if not (found := re.fullmatch(_UNKNOWN, said)):
        told = re.sub(_NO_VALUE, r"--\1 needs a value", said.rstrip("!"))
        return UsageError(re.sub(_TOO_FEW, r"\1 needs \2", told), hint=help)
    word = str(ast.literal_eval(found[1]))
    if flag := _given_twice(word, words, tasks):
        return UsageError(f"{flag} is given twice", hint=help)
    place = next((place for place, each in enumerate(words) if each.partition("=")[0] == word), None)
    behind = [name for name, joined, value in (each.partition("=") for each in words) if joined and value == word]
    if place is None and behind and behind[0] in tasks.get(within, ()):
        return UsageError(f"{behind[0]} takes no value", hint=help)
    if not word.startswith("-"):
        cause, better = _no_task(word, words, place, tasks)
    elif within:
        cause, better = _no_flag(word, words, place, within, tasks)
    else:
        cause, better = _no_task_yet(word, words, place, tasks)
    return UsageError(cause, hint=" ".join([program, shlex.join(better)]) if better else help)


def _given_twice(word: str, words: Sequence[str], tasks: Collection[str]) -> str:
    """The flag of which the word is a second value, where one is all that it takes; empty: it is none's."""
    given = set[str]()
    for each, after in zip(words, [*words[1:], "--"], strict=True):
        name, joined, value = each.partition("=")
        if name.startswith("--") and (joined or not (after.startswith("-") or after in tasks)):
            if name in given and word == (value if joined else after):
                return name
            given.add(name)
    return ""


def misnamed(cause: str, given: str, wrong: str, known: Collection[str], again: str, help: str) -> UsageError:
    """The error of a value that names, by commas, something that there is none of here.

    Args:
        cause: says so.
        given: the value.
        wrong: the name in it; empty: it has none at all.
        known: what may be named.
        again: the command line, quoted.
        help: what to type where nothing is similar.
    """
    near = _nearest(wrong, known) if wrong else ""
    if not near:
        return UsageError(f"{cause}; there are {', '.join(known)}", hint=help)
    better = ",".join(near if name.strip() == wrong else name for name in given.split(","))
    return UsageError(
        f"{cause}; did you mean {near}?",
        hint=shlex.join(better if word == given else word for word in shlex.split(again)),
    )


def _no_task(
    word: str, words: Sequence[str], place: int | None, tasks: Mapping[str, Collection[str]]
) -> tuple[str, Sequence[str]]:
    if place and (joined := f"{words[place - 1]}.{word}") in tasks:
        return f"there is no task {word}; did you mean {joined}?", [*words[: place - 1], joined, *words[place + 1 :]]
    near = _nearest(word, [*tasks, "--help"])
    return _corrected(f"there is no task {word}", near, words, place)


def _no_flag(
    word: str, words: Sequence[str], place: int | None, within: str, tasks: Mapping[str, Collection[str]]
) -> tuple[str, Sequence[str]]:
    flags = tasks.get(within, ())
    if any(word in known for known in tasks.values()):
        heeds = next((each for each in words if word in tasks.get(each, ())), "")
        return f"{within} takes no {word}{f', but {heeds} does: it comes after that' if heeds else ''}", ()
    beginning = [flag for flag in flags if word[1:2] == flag[2:3]] if len(word) == 2 else []
    near = beginning[0] if len(beginning) == 1 else _nearest(word, flags)
    return _corrected(f"{within} takes no {word}", near, words, place)


def _no_task_yet(
    word: str, words: Sequence[str], place: int | None, tasks: Mapping[str, Collection[str]]
) -> tuple[str, Sequence[str]]:
    """Flags of tasks come after the first of them, with all that stood between."""
    known = {flag for flags in tasks.values() for flag in flags}
    if word not in known:
        return _corrected(
            f"there is no flag {word} before a task", _nearest(word, ["--help", "--list", "--version"]), words, place
        )
    task = next((at for at, each in enumerate(words) if each in tasks and at > (place or 0)), None)
    if place is None or task is None:
        return f"{word} comes after a task", ()
    moved = [*words[:place], words[task], *words[place:task], *words[task + 1 :]]
    return f"{word} comes after the task", moved


def did_you_mean(word: object, known: Collection[str]) -> str:
    """What follows a cause that names a word which is none of the known ones; empty: none of them is like it."""
    near = _nearest(str(word), known)
    return f"; did you mean {near}?" if near else ""


def _nearest(word: str, known: Collection[str]) -> str:
    return next(iter(difflib.get_close_matches(word, known, 1)), "")


def _corrected(cause: str, near: str, words: Sequence[str], place: int | None) -> tuple[str, Sequence[str]]:
    if not near or place is None:
        return f"{cause}; did you mean {near}?" if near else cause, ()
    _, given, value = words[place].partition("=")
    return f"{cause}; did you mean {near}?", [*words[:place], f"{near}{given}{value}", *words[place + 1 :]]
