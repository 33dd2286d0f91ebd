"""Which ``pip install`` a Dockerfile runs for Airflow's own Python, in its last stage. Pure: text in, words out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from aws_airflow_tasks.runtimes.dockerfile import instructions
from aws_airflow_tasks.text.from_json import from_json

_BEFORE = r"(?s)sudo|exec|time|env|\w+=.*"
#: the programs of the image's own Python; those of a virtual environment lie elsewhere
_PROGRAM = r"(?:/usr(?:/local)?/bin/)?(pip|pip3|pip3\.\d+|python|python3|python3\.\d+|uv)"
#: options that put packages where Airflow does not look, or nowhere
_ELSEWHERE = r"(--target|--prefix|--root|--python|--dry-run)(=|$)|-t|-p"


def pip_installs(text: str) -> list[list[str]]:
    """The arguments of every ``pip install``, ``python -m pip install`` and ``uv pip install`` that reaches the image.

    What runs in a virtual environment, or in a stage that the last one is not built on, is none.
    """
    return [words for run in _runs(text) for command in _commands(run) if (words := _installed(command))]


def _runs(text: str) -> list[str]:
    """The ``RUN`` instructions of the last stage and of those that it is built on."""
    stages: dict[str, list[str]] = {}
    runs: list[str] = []
    for word, rest, body in instructions(text):
        if word == "FROM":
            names = [each for each in rest.split() if not each.startswith("--")]
            runs = list(stages.get(names[0].lower(), [])) if names else []
            stages |= {names[2].lower(): runs} if len(names) == 3 else {}
        elif word == "RUN":
            command = re.sub(r"^(--\S+\s+)+", "", rest)
            runs.append(body if command.startswith("<<") else command)
    return runs


def _commands(run: str) -> Iterator[list[str]]:
    """The commands of a shell line, or the one of a JSON array, up to where a virtual environment is entered."""
    if run.startswith("["):
        try:
            found = from_json(run)
        except ValueError:
            return
        if isinstance(found, list):
            yield [str(word) for word in found]
        return
    for command in _shell(run):
        if command[0] in (".", "source") and "activate" in command[-1]:
            return
        yield command


def _shell(run: str) -> Iterator[list[str]]:
    for line in run.split("\n"):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()<>")
        lexer.whitespace_split, lexer.commenters = True, ""
        try:
            words = [*lexer, ";"]
        except ValueError:  # a quote that nothing closes
            continue
        command: list[str] = []
        for word in words:
            if re.fullmatch(r"[;&|()]+", word):
                if command:
                    yield command
                command = []
            else:
                command.append(word)


def _installed(command: list[str]) -> list[str]:
    """The arguments of a command that installs with pip for the image's own Python; empty: it is none."""
    start = next((index for index, word in enumerate(command) if not re.fullmatch(_BEFORE, word)), len(command))
    program = re.fullmatch(_PROGRAM, command[start]) if start < len(command) else None
    if not program:
        return []
    wanted = {"p": ["install"], "u": ["pip", "install"]}[program[1][0]]
    words = command[start + 1 :]
    if program[1].startswith("python"):
        if words[:2] != ["-m", "pip"]:
            return []
        words = words[2:]
    for name in wanted:
        at = next((index for index, word in enumerate(words) if not word.startswith("-")), len(words))
        if words[at : at + 1] != [name]:
            return []
        words = words[at + 1 :]
    return [] if any(re.match(_ELSEWHERE, word) for word in words) else _before_redirect(words)


def _before_redirect(words: list[str]) -> list[str]:
    at = next((index for index, word in enumerate(words) if re.match(r"[<>&#]", word)), len(words))
    return words[:at]
