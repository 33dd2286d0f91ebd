"""Command lines of ours for a person to type next: in the way in which this one was called, with what it was given."""

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from aws_airflow_tasks.core import sh

#: how the environment variable of a setting begins
PREFIX = "INVOKE_AWS_AIRFLOW_"


class Calling(NamedTuple):
    """How this command line was called.

    Attributes:
        program: what is typed before a task's name, quoted.
        instead: what is typed for it before a task of ours that it does not have.
        has: whether it has a task, by its own name; None: it has all of them.
        within: what is typed before each task's own name, where our tasks are part of a namespace: ``aws.``.
        flags: those that hold for the next command line too, by name; True: a switch that was given.
        line: the tasks with all that they were given, quoted; empty: not known.
        takes: the flags that a task takes, by its name; None: all of them.
        applied: as ``line``, but not in check mode; empty: not known.
        apart: as ``line``, but each task a command line of its own, whole; empty: there is one at most.
        there: where tasks run elsewhere than they would if they were typed (the sandbox): by their names the command
            line for them, by the empty name that for any others.
    """

    program: str = "invoke"
    instead: str = ""
    has: Callable[[str], bool] | None = None
    within: str = ""
    flags: Mapping[str, str | bool] = MappingProxyType({})
    line: str = ""
    takes: Callable[[str], Collection[str]] | None = None
    applied: str = ""
    apart: str = ""
    there: Mapping[str, str] = MappingProxyType({})


_current = Calling()


def current() -> Calling:
    """How the command line that runs now was called."""
    return _current


@contextlib.contextmanager
def called(calling: Calling) -> Iterator[None]:
    """Say every command as one who has called us so; threads say it likewise."""
    global _current  # of the process, as sys.argv is
    before, _current = _current, calling
    try:
        yield
    finally:
        _current = before


def command(tasks: str, arguments: str = "") -> str:
    """A command line of ours, which goes on under the same project, profile, region and runtime.

    Args:
        tasks: the tasks' names, such as ``env start``.
        arguments: what follows them, quoted (:func:`~aws_airflow_tasks.core.sh`); a flag in it wins over the given one.
    """
    if _current.there:
        return _current.there.get(tasks, _current.there[""])
    names = tasks.split()
    said = {word.partition("=")[0].removeprefix("--") for word in arguments.split() if word.startswith("--")}
    kept = [flag(*item) for item in _current.flags.items() if item[0] not in said and _is_taken(item[0], names)]
    here = _current.has is None or all(map(_current.has, names))
    program, within = (_current.program, _current.within) if here else (_current.instead, "")
    return " ".join(filter(None, [program, *(within + name for name in names), arguments, *kept]))


def under(settings: Mapping[str, str], tasks: str, arguments: str = "") -> str:
    """A command line of ours (:func:`command`) under other settings, which hold for what is typed after it too.

    Set for one command alone they would be changed back by the next, and what they mend would be broken again.
    """
    if not settings:
        return command(tasks, arguments)
    named = " ".join(sh(f"{PREFIX}{key.upper()}={{}}", value) for key, value in settings.items())
    lasting = ", ".join(f"{key}: {value}" for key, value in settings.items())
    return f"export {named} && {command(tasks, arguments)}   # for good, in invoke.yaml: {lasting}"


def again(asked: str, *more: str, before: str = "") -> str:
    """The command line that runs now, once more.

    Args:
        asked: its tasks, as they were typed.
        more: further flags, unless they were given.
        before: a flag of invoke's own, which stands before them.
    """
    line = _current.line or asked
    added = [each for each in more if each not in line.split()]
    return " ".join(filter(None, [_current.program, before, line, *added]))


def applied(asked: str) -> str:
    """The command line that runs now, which does what this one, in check mode, only says.

    Args:
        asked: its tasks, as they were typed.
    """
    return f"{_current.program} {_current.applied or asked}"


#: what begins a command line that counts where it is typed, and the project's files as our hints name them
_THERE = (
    r"astro (?:dev|config) |docker build \.|(?:grep|less|mv|rm|\(umask) (?:.* )?"
    r"(?:\.env|Dockerfile|docker-compose\.override\.yml|requirements\.txt|airflow\.cfg|dags/\S+)(?:\s|$)"
)


def from_here(hint: str, project: Path) -> str:
    """A hint whose command lines are for the project's directory, as they are typed in this one.

    Args:
        hint: one command line or several.
        project: that directory.
    """
    try:
        if Path().samefile(project):
            return hint
    except OSError:  # one of them is not there
        return hint
    return "\n".join(_from_here(line, project) for line in hint.split("\n"))


def _from_here(line: str, project: Path) -> str:
    typed, mark, note = line.partition("   #")
    first, joint, ours = typed.partition(f" && {_current.program} ")  # ours finds the project by what it was given
    if not re.match(_THERE, first):
        return line
    return sh("(cd {} && ", project) + f"{first}){joint}{ours}{mark}{note}"


def flag(name: str, value: str | bool) -> str:
    """A flag as it is typed, with its value quoted."""
    if value is True:
        return f"--{name}"
    return sh(f"--{name}={{}}" if str(value).startswith("-") else f"--{name} {{}}", value)


def _is_taken(name: str, tasks: Collection[str]) -> bool:
    return _current.takes is None or any(name in _current.takes(task) for task in tasks)
