"""What a person types of a hint: every line is a comment or a command line, and ours are taken by our own parser."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator

from invoke.parser import Parser

from aws_airflow_tasks.menu import ns

#: what a person has, or a shell itself; a hint that calls anything else has words where a command should be
PROGRAMS = {"astro", "aws", "cat", "curl", "df", "docker", "env", "export", "grep", "kill", "less", "ls", "ps", "rm"}
PROGRAMS |= {
    "sh",
    "sudo",
    "unset",
    "uv",
    "${EDITOR:-vi}",
    "cd",
    "chmod",
    "du",
    "file",
    "fuser",
    "git",
    "mkdir",
    "mv",
    "wsl",
}
OURS = {"invoke", "aws-airflow"}


def hold(hint: str) -> None:
    """Raise AssertionError unless every line of ``hint`` can be typed as it stands."""
    assert hint, "there is none"
    for line in hint.splitlines():
        assert not re.search(r"…|\bTODO\b|[{}]", line.partition("# ")[0].replace("${EDITOR:-vi}", "")), f"a gap: {line}"
        done = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"no shell takes it: {line}: {done.stderr}"
        for words in commands(line):
            program = words[0].rpartition("/")[2]
            assert program in PROGRAMS | OURS or program.startswith("python"), f"no command: {line}"
            if program in OURS:
                Parser(contexts=ns.to_contexts()).parse_argv(words[1:])


def commands(line: str) -> Iterator[list[str]]:
    """The commands of a line, without what is assigned before them; none of a comment."""
    for part in re.split(r"&&|;|\|", line.partition("   #")[0]) if not line.startswith("# ") else ():
        words = shlex.split(part)
        while words and re.match(r"\w+=", words[0]):
            del words[0]
        if words:
            yield words
