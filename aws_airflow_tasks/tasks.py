"""What makes a function of a play a task for invoke, with the flags that every task of ours takes.

With no more than this all of them are listed; what runs them is loaded when one is to run.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
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
_FLAGS = {
    name: inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
    for name, (default, _) in COMMON.items()
}

#: what a task goes by of what the project asks for: all of it, once the person has agreed, who is asked now, or is not
#: (``looks``); what was agreed to last, as it acts on receipts; or nothing
Heeds = Literal["asks", "looks", "answers", "nothing"]


class PlayTask(Task[Any]):
    """A task of ours: ``run`` takes a :class:`Play`; its body as invoke knows it only refuses.

    It never changes, so that invoke's deep copies of a namespace need not copy it.
    """

    run: Callable[..., None]
    flags: frozenset[str]
    heeds: Heeds
    anyway: bool

    def __deepcopy__(self, memo: dict[int, Any]) -> PlayTask:
        """Itself."""
        return self

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """As invoke's, which takes a flag of several values without any: `--only` alone would run everything."""
        found = super().get_arguments(ignore_unknown_help)
        for each in found:
            each.raw_value = None
        return found


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
    common = {name: COMMON[name] for name in COMMON if name in taken}

    def decorate(function: Callable[..., None]) -> PlayTask:
        @functools.wraps(function)
        def guard(*_: Any, **__: Any) -> None:
            raise Exit(NEEDS_EXECUTOR, code=2)

        guard.__doc__ = _documented(function, pre)
        first, *others = inspect.signature(function).parameters.values()
        guard.__signature__ = inspect.Signature([first, *others, *map(_FLAGS.__getitem__, common)])  # type: ignore[attr-defined]
        helps = {name: text for name, (_, text) in common.items()} | own
        several = [*(other.name for other in others if other.default is None), *(taken & {*NARROWING})]
        made = PlayTask(
            guard,
            name=called or None,
            pre=list(pre),  # type: ignore[arg-type]
            help=helps,
            default=default,
            auto_shortflags=False,
            iterable=several,
        )
        made.run, made.flags, made.heeds, made.anyway = function, heeded, heeds, anyway
        return made

    return decorate


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
