"""How a command line of invoke's was called, so that what is to be typed next can be called the same way."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import invoke.collection
from invoke.parser.argument import Argument
from invoke.tasks import Call

from aws_airflow_tasks.core import sh
from aws_airflow_tasks.tasks import COMMON, EVERYWHERE, PlayTask, ordered
from aws_airflow_tasks.text.calling import Calling, flag

#: flags that say how this one command line is run, or that agree to something on it; no other inherits them
OF_THIS_ONE = ("check", "diff", "fresh", "json", "yes", "override", "only", "skip")
#: flags of invoke's own that say where our tasks and their configuration are
WHERE = ("collection", "search-root", "config")
#: the programs that our tasks can be called by
PROGRAMS = ("aws-airflow", "invoke", "inv")


def calling(
    asked: Sequence[Call],
    collection: invoke.collection.Collection,
    core: Sequence[Any] | None,
) -> Calling:
    """How a command line was called.

    Args:
        asked: its tasks, with what they were given.
        collection: all tasks.
        core: what invoke has parsed before the tasks.
    """
    before = _core_flags(core)
    ours = [call.kwargs for call in asked if isinstance(call.task, PlayTask)]
    given = {name: value for kwargs in ours for name, value in kwargs.items() if name in COMMON and value}
    within = _within(collection)
    typed = " ".join([program(), *(words for name, words in before.items() if name in WHERE)])
    return Calling(
        typed,
        _console_script(),
        lambda task: within is not None and _has(collection, within + task),
        within or "",
        {name: value for name, value in given.items() if name not in OF_THIS_ONE},
        _line(before, asked),
        lambda task: _taken(collection, within or "", task),
        _line({name: words for name, words in before.items() if name != "dry"}, asked, but="check"),
        " && ".join(f"{typed} {_line(before, [call])}" for call in asked) if len(asked) > 1 else "",
    )


def _line(before: Mapping[str, str], asked: Sequence[Call], *, but: str = "") -> str:
    """The tasks with all that they were given, ``but`` for a switch."""
    return " ".join(
        [*(words for name, words in before.items() if name not in WHERE), *(_task(call, but) for call in asked)]
    )


def program() -> str:
    """What this person types before a task's name, quoted: the name alone where PATH leads to the same program."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return sh("{} -m {}", _found(Path(sys.executable)), called.parent.name)
    return sh("{}", _found(called)) if called.stem in PROGRAMS else _console_script()


def _console_script() -> str:
    return sh("{}", _found(Path(sys.executable).with_name("aws-airflow")))


def _found(path: Path) -> str:
    """The shortest that a shell in this directory finds a program by."""
    on_path = shutil.which(path.name)
    if (not path.is_absolute() and path.parent == Path()) or not path.exists():
        return path.name
    if on_path and path.samefile(on_path):
        return path.name
    try:
        here = Path.cwd()
    except OSError:  # it has been deleted
        return str(path)
    return str(path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path)


def _within(collection: invoke.collection.Collection) -> str | None:
    """What stands before our tasks' own names in a collection; None: it has them under other ones."""
    named = (name for name in collection.task_names if name.endswith("setup"))
    ours = (name for name in named if isinstance(collection[name], PlayTask) and collection[name].name == "setup")
    found = next(ours, None)
    return None if found is None else found.removesuffix("setup")


def _has(collection: invoke.collection.Collection, name: str) -> bool:
    """Whether a collection has a task of ours under a name."""
    try:
        return isinstance(collection[name], PlayTask)
    except KeyError:
        return False


def _taken(collection: invoke.collection.Collection, within: str, task: str) -> Collection[str]:
    """The flags that a task of ours takes, also where the collection only has what depends on it; else those of all."""
    if _has(collection, within + task):
        return [argument.name or "" for argument in collection[within + task].get_arguments()]
    behind = ordered(each for each in map(collection.__getitem__, collection.task_names) if isinstance(each, PlayTask))
    found = next((each for each in behind if isinstance(each, PlayTask) and each.name == task), None)
    return [argument.name or "" for argument in found.arguments] if found else EVERYWHERE


def _core_flags(core: Sequence[Any] | None) -> dict[str, str]:
    given = core[0].args.values() if core else ()
    return {str(each.name): " ".join(_words([each], {each.name: each.value})) for each in given if each.got_value}


def _task(call: Call, but: str = "") -> str:
    """A task as it was typed; what others than ours were given may be secret, and is left out."""
    name = str(call.called_as or call.task.name)
    name = name.rpartition(".")[0] or name if call.task.is_default else name
    if not isinstance(call.task, PlayTask):
        return name
    return " ".join([name, *_words(call.task.get_arguments(), {**call.kwargs, but: False})])


def _words(arguments: Iterable[Argument], values: Mapping[Any, Any]) -> Iterator[str]:
    for argument in arguments:
        value = values.get(argument.name, argument.default)
        if argument.positional:
            yield sh("{}", value)
        elif value != argument.default and value not in (None, [], False):
            for each in value if isinstance(value, list) else [value]:
                yield flag(str(argument.name).replace("_", "-"), each)
