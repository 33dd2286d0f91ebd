"""What makes a function of a play a task for invoke, with the flags that every task of ours takes.

With no more than this all of them are listed; what runs them is loaded when one is to run.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from invoke.exceptions import Exit
from invoke.parser.argument import Argument
from invoke.tasks import Task

NEEDS_EXECUTOR = """\
error: these tasks run under their own executor, which carries --check and the other flags to every dependency.
-> put these lines into invoke.yaml beside tasks.py:
   tasks:
     executor_class: aws_airflow_tasks.executor.Executor
-> or use the console script instead: aws-airflow TASK"""

#: the flags that our tasks share, with their help: name -> (default, help); an empty value is given, and no default
COMMON: dict[str, tuple[str | bool | None, str]] = {
    "project": (None, "The Astro project directory (default: the nearest one upwards, else here)."),
    "profile": (None, "The AWS profile whose identity Airflow gets (default: as the AWS CLI resolves it)."),
    "region": (None, "The region of the secrets backend (default: the profile's)."),
    "runtime": (None, "How Airflow runs: auto, docker, standalone or embedded."),
    "json": (False, "Print one JSON document on stdout, and nothing else there."),
    "fresh": (False, "Ask STS for the identity now, whatever was cached."),
    "diff": (False, "Show unified diffs of what changes (secrets redacted)."),
    "check": (False, "Change nothing, say what would change; exit code 3 if anything would."),
    "yes": (False, "Never ask; answer yes to every question."),
    "override": (False, "Replace differing values of yours too; undo gives them back."),
    "only": (None, "Run this step alone; several by commas."),
    "skip": (None, "Leave this step out, and go on with what depends on it; several by commas."),
}
#: those that every task takes
EVERYWHERE = frozenset({"project", "json", "yes"})
#: those that name steps of the command line
NARROWING = ("only", "skip")
#: those that nothing heeds in a task that changes nothing
CHANGING = frozenset({"check", "override"})

#: what a task goes by of what the project asks for: all of it, once the person has agreed, who is asked now, or is not
#: (``looks``); what was agreed to last, as it acts on receipts; or nothing
Heeds = Literal["asks", "looks", "answers", "nothing"]


class PlayTask(Task[Any]):
    """A task of ours: ``run`` takes a :class:`Play`; what invoke itself would call only refuses.

    It never changes, so that invoke's deep copies of a namespace need not copy it.
    """

    run: Callable[..., None]
    arguments: Sequence[Argument]
    flags: frozenset[str]
    heeds: Heeds
    anyway: bool

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Refuse: the task was not run by our executor."""
        raise Exit(NEEDS_EXECUTOR, code=2)

    def __deepcopy__(self, memo: dict[int, Any]) -> PlayTask:
        """Itself."""
        return self

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Its own and the common ones, without asking :mod:`inspect` for each of a command line's tasks."""
        return [*self.arguments]


def _argument(name: str, default: Any, about: str | None, *, several: bool = False, needed: bool = False) -> Argument:
    """As invoke makes one of a parameter, but that a flag of several values needs one: `--only` alone ran all."""
    typed = name.strip("_").replace("_", "-")
    found = Argument(
        typed,
        attr_name=None if typed == name else name,
        kind=list if several else str if default is None else type(default),
        default=[] if several else default,
        help=about,
        positional=needed,
    )
    found.raw_value = None
    return found


#: one of each for all tasks, as invoke copies what it parses into: once for all that share it
_SHARED = {
    name: _argument(name, default, about, several=name in NARROWING) for name, (default, about) in COMMON.items()
}


def task(
    *pre: PlayTask,
    default: bool = False,
    changes: bool = True,
    flags: str | None = None,
    heeds: Heeds = "asks",
    anyway: bool = False,
    called: str = "",
    **own: str,
) -> Callable[[Callable[..., None]], PlayTask]:
    """Make a function of a :class:`Play` a task of ours: the flags that are heeded, its dependencies, the guard.

    Args:
        pre: the tasks it depends on.
        default: whether it is its collection's default task.
        changes: whether it changes things, and so takes ``--check`` and ``--override``.
        flags: those of :data:`COMMON` that it heeds, beside those of its dependencies and of every task; None: all.
        heeds: what of the project's own settings it goes by.
        anyway: whether it runs, with ``Play.trouble``, where the settings cannot be read.
        called: what a person types for it, where the function has another name.
        own: help for parameters of its own; one whose default is None may be given several times.
    """
    heeded = frozenset(COMMON if flags is None else flags.split()).union(*(each.flags for each in pre))
    taken = (heeded | EVERYWHERE) - (frozenset() if changes else CHANGING)
    common = [argument for name, argument in _SHARED.items() if name in taken]

    def decorate(function: Callable[..., None]) -> PlayTask:
        made = PlayTask(function, name=called or None, positional=(), pre=list(pre), default=default)  # type: ignore[arg-type]
        made.__doc__ = _documented(function, pre)
        made.run, made.arguments = function, [*_own(function, own), *common]
        made.flags, made.heeds, made.anyway = heeded, heeds, anyway
        return made

    return decorate


def _own(function: Callable[..., None], about: Mapping[str, str]) -> Iterator[Argument]:
    """What a task takes of its own: the parameters behind the play; one without a default has to be given."""
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    defaults = function.__defaults__ or ()
    given = len(names) - len(defaults)
    for name in names[:given]:
        yield _argument(name, None, about.get(name), needed=True)
    for name, default in zip(names[given:], defaults, strict=True):
        yield _argument(name, default, about.get(name), several=default is None)


def _documented(function: Callable[..., None], pre: Sequence[Task[Any]]) -> str:
    """The docstring with the dependencies, which invoke's own help does not show."""
    text = inspect.getdoc(function) or ""
    return f"{text}\n\nRuns first: {', '.join(task.name for task in pre)}." if pre else text


def ordered(calls: Iterable[Any]) -> Iterator[Any]:
    """Invoke's tasks or calls, each after what it depends on (``pre``) and before what follows it (``post``)."""
    for call in calls:
        yield from ordered(call.pre)
        yield call
        yield from ordered(call.post)
