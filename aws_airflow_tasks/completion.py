"""What a shell may put for the word that is being typed: from files and memory alone, and no program is started."""

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aws_airflow_tasks import backends, runtimes, settings
from aws_airflow_tasks.core import Pending, TaskError, UsageError, expanded
from aws_airflow_tasks.runtimes import astro, dockerfile
from aws_airflow_tasks.tasks import PlayTask, ordered
from aws_airflow_tasks.text.calling import current

SHELLS = ("bash", "zsh", "fish")


class Line(NamedTuple):
    """A command line as far as it is typed.

    Attributes:
        tasks: invoke's tasks by what they may be called.
        flags: by task the flags that it takes, such as ``--check``; by the empty name those before any task.
        asked: the tasks on the line.
        missing: how many words, which are no tasks, the last of them still needs.
        project: what the line says of it; empty: nothing.
    """

    tasks: Mapping[str, Any]
    flags: Mapping[str, Mapping[str, Any]]
    asked: Sequence[str] = ()
    missing: int = 0
    project: str = ""


def script(shell: str) -> str:
    """What a shell sources, once, to complete from then on.

    Raises:
        UsageError: there is none for it.
    """
    if shell not in SHELLS:
        raise UsageError(
            f"there is no completion for {settings.shown(shell)}",
            hint=f"{current().program} --print-completion-script bash",
        )
    names = ("fish.fish",) if shell == "fish" else ("candidates.sh", f"{shell}.sh")
    return "\n".join((Path(__file__).parent / "completions" / name).read_text(encoding="utf-8") for name in names)


def candidates(words: Sequence[str], line: Line) -> list[str]:
    """What may stand for the last of ``words``, which may be empty.

    Args:
        words: the program, and what is typed behind it, split as the shell does. Of ``invoke`` only values of our flags
            are known, as its tasks may be anybody's.
        line: the tasks and flags that there are.
    """
    program, *typed = _unsplit(words)
    *before, current = typed or [""]
    line, expected = _read(before, line)
    name, joined, value = current.partition("=")
    if expected:
        found = _values(expected, current, line)
    elif joined and name.startswith("--"):
        found = [f"{name}={each}" for each in _values(name, value, line)]
    elif Path(program).name in ("invoke", "inv"):
        found = []
    elif current.startswith("-"):
        found = [flag for flag in line.flags[line.asked[-1] if line.asked else ""] if flag.startswith("--")]
    else:
        found = _words(line)
    return [each for each in dict.fromkeys(found) if each.startswith(current) and each.isprintable()]


def _unsplit(words: Sequence[str]) -> list[str]:
    """The words as they would be without ``=`` for one of them, which bash splits at."""
    return [word if word != "=" else "" for at, word in enumerate(words) if word != "=" or at == len(words) - 1]


def _read(words: Sequence[str], line: Line) -> tuple[Line, str]:
    """The line with what ``words`` say, and the flag that waits for its value; empty: none does."""
    asked: list[str] = []
    missing, project, expected = 0, "", ""
    for word in words:
        if expected:
            project, expected = (word if expected == "--project" else project), ""
        elif word.startswith("-"):
            name, joined, value = word.partition("=")
            flag = line.flags[asked[-1] if asked else ""].get(name)
            waits = (flag.takes_value and not flag.optional) if flag else name[2:] in VALUES or name == "--project"
            project = value if name == "--project" and joined else project
            expected = name if (waits or name == "--help") and not joined else ""
        elif missing:
            missing -= 1
        elif word in line.tasks:
            asked.append(word)
            missing = sum(each.positional for each in line.flags[word].values())
    return line._replace(asked=asked, missing=missing, project=project), expected


def _words(line: Line) -> Iterable[str]:
    """Tasks; services behind ``logs``, and nothing, which has the shell look for files, behind what takes one."""
    task = line.asked[-1] if line.asked else ""
    if line.missing or task == "secrets.sync":
        return ()
    return [*(_services(line) if task == "logs" else ()), *line.tasks]


def _values(flag: str, current: str, line: Line) -> Iterable[str]:
    """The values of a flag; of one that takes several by commas, behind those that are there."""
    if flag == "--help":
        return list(line.tasks)
    give = VALUES.get(flag.removeprefix("--"))
    found = give(line) if give else ()
    head, comma, _ = current.rpartition(",")
    if flag not in ("--only", "--skip") or not comma:
        return found
    return [f"{head},{each}" for each in found if each not in head.split(",")]


def _steps(line: Line) -> Iterator[str]:
    """The tasks that have their turn; those of ``verify`` where none of ours is known on the line."""
    named = [line.tasks[name] for name in line.asked if isinstance(line.tasks[name], PlayTask)]
    return (str(task.name) for task in ordered(named or [line.tasks["setup"], line.tasks["verify"]]))


def _services(line: Line) -> Sequence[str]:
    with contextlib.suppress(TaskError, Pending, OSError, RuntimeError):
        project = Path(line.project).expanduser() if line.project else settings.nearest_project(Path.cwd())
        return astro.SERVICES.get(dockerfile.declared_major(project) or 0, astro.ALL)
    return astro.ALL


def _profiles(_: Line) -> Iterator[str]:
    """The sections of the AWS CLI's two files that are a profile."""
    config, credentials = _file("AWS_CONFIG_FILE", "config"), _file("AWS_SHARED_CREDENTIALS_FILE", "credentials")
    for text, profile in ((config, r"profile\s+(.+)|(default)"), (credentials, r"(.+)")):
        for section in re.findall(r"(?m)^\[\s*([^\]\n]+?)\s*\]", text):
            if found := re.fullmatch(profile, section):
                yield str(found[found.lastindex or 0]).strip("\"'")


def _regions(_: Line) -> list[str]:
    return re.findall(r"(?m)^\s*region\s*=\s*([a-z0-9-]+)", _file("AWS_CONFIG_FILE", "config"))


def _file(variable: str, name: str) -> str:
    path = expanded(os.environ.get(variable) or f"~/.aws/{name}")
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return ""


#: by flag what gives its values; any other is for the shell, which offers files
VALUES: dict[str, Callable[[Line], Iterable[str]]] = {
    "profile": _profiles,
    "region": _regions,
    "runtime": lambda _: ("auto", *runtimes.ALL),
    "only": _steps,
    "skip": _steps,
    "service": _services,
    "airflow": lambda _: ("3", "2"),
    "backend": lambda _: backends.ALL,
}
