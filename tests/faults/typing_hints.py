"""Types a hint as a person does, without a shell wherever it needs none."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from tests.faults.bed import Bed, Done

#: lines that need a shell: what they read from or write to files and other commands
SHELL = re.compile(r"\$\(|>")
#: ends a line that has other ways to the same end under it
OTHERWISE = re.compile(r"   # .*\bor(?: by hand)?:?$")


def is_note(hint: str) -> bool:
    """Whether a hint only says who can do what."""
    lines = [line for line in hint.splitlines() if line.strip()]
    return bool(lines) and all(line.lstrip().startswith(("#", "(")) for line in lines)


def type_in(bed: Bed, hint: str, answers: str) -> bool:
    """Type each line of a hint that is a command; whether there was one, and each was known."""
    lines = [line for line in hint.splitlines() if line.strip() and not line.lstrip().startswith(("#", "("))]
    last = next((at for at, line in enumerate(lines) if OTHERWISE.search(line)), len(lines))  # else it is another way
    known = [_line(bed, line, answers) for line in lines[: last + 1]]
    return bool(known) and all(known)


def _line(bed: Bed, line: str, answers: str) -> bool:
    command, _, comment = line.partition("   # ")
    in_shell = bool(SHELL.search(command))
    done = bed.run(["sh", "-c", command], said=answers) if in_shell else _chained(bed, command, answers)
    if done is None:
        return False
    if command.startswith("grep "):
        _taken_out(bed, done)
    if bed.typed():  # a person did what they were asked to
        bed.finish()
    if command.startswith("${EDITOR"):
        bed.correct(Path(shlex.split(command)[-1]))
    _, then, more = comment.partition("then: ")
    return _line(bed, more, answers) if then else True


def _chained(bed: Bed, command: str, answers: str) -> Done | None:
    lexer = shlex.shlex(command, posix=True, punctuation_chars="&")
    lexer.whitespace_split, lexer.commenters = True, "#"
    part: list[str] = []
    done: Done | None = None
    for word in [*lexer, "&&"]:
        if word != "&&":
            part.append(word)
            continue
        done = _one(bed, part, answers)
        if done is None or done.code:
            return done
        part = []
    return done


def _one(bed: Bed, words: list[str], answers: str) -> Done | None:
    variables: dict[str, str] = {}
    while words and re.match(r"[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    if words[:1] == ["unset"]:
        for name in words[1:]:
            bed.variables.pop(name, None)
        return Done(0, "", "")
    if words[:1] == ["export"]:
        bed.variables |= dict(word.split("=", 1) for word in words[1:])
        return Done(0, "", "")
    if "secrets.delete" in words:  # what a person is asked at a terminal, to type the entry's name, is agreed to
        words = [*words, "--yes"]
    words = [re.sub(r"\$\{EDITOR:-vi\}", "true", os.path.expandvars(word)) for word in words]
    return bed.run(words, variables, answers) if words else None


def _taken_out(bed: Bed, done: Done) -> None:
    """A person who is shown a line of ``.env`` that is wrong, and told to correct it, takes it out."""
    shown = {int(found[1]) for found in re.finditer(r"(?m)^(?:\.env:)?(\d+):", done.out)}
    lines = bed.dotenv.read_text().splitlines(keepends=True)
    bed.dotenv.write_text("".join(line for number, line in enumerate(lines, 1) if number not in shown))
