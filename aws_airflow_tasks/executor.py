"""Invoke's hook for a command line of ours: flags reach the dependencies of the asked tasks, the recap comes once.

Invoke's ``pre=`` tasks do not inherit flags; an executor of our own is where they can. ``tasks.executor_class`` in
``invoke.yaml`` names it for ``invoke``; the console script brings it along.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import invoke.executor
from invoke.exceptions import Exit
from invoke.tasks import Call, Task
from platformdirs import user_cache_path

from aws_airflow_tasks import settings as settings_
from aws_airflow_tasks.core import TaskError, UsageError
from aws_airflow_tasks.play import Play, Progress, log
from aws_airflow_tasks.settings import Layer, Settings

NEEDS_EXECUTOR = """\
error: these tasks run under their own executor, which carries --check and the other flags to every dependency.
-> put these lines into invoke.yaml beside tasks.py:
   tasks:
     executor_class: aws_airflow_tasks.executor.Executor
-> or use the console script instead: aws-airflow TASK"""

#: the flags that every task takes, with their help: name -> (default, help)
EVERYWHERE: dict[str, tuple[str | bool, str]] = {
    "project": ("", "The Astro project directory (default: the nearest one upwards, else here)."),
    "profile": ("", "The AWS profile whose identity Airflow gets (default: as the AWS CLI resolves it)."),
    "region": ("", "The region of the secrets backend (default: the profile's)."),
    "runtime": ("", "How Airflow runs: auto, docker, standalone or embedded."),
    "json": (False, "Print one JSON document on stdout, and nothing else there."),
    "fresh": (False, "Ask STS for the identity now, whatever was cached."),
    "diff": (False, "Show unified diffs of what changes (secrets redacted)."),
}
#: the flags of the tasks that change things
CHANGING: dict[str, tuple[str | bool, str]] = {
    "check": (False, "Change nothing, say what would change; exit code 3 if anything would."),
    "yes": (False, "Never ask; answer yes to every question."),
    "override": (False, "Replace differing values of yours too; undo gives them back."),
}


COMMON = EVERYWHERE | CHANGING


class PlayTask(Task[Any]):
    """A task of ours: ``run`` takes a :class:`Play`; its body as invoke knows it only refuses.

    It never changes, so that invoke's deep copies of a namespace need not copy it.
    """

    run: Callable[..., None]

    def __deepcopy__(self, memo: dict[int, Any]) -> PlayTask:
        """Itself."""
        return self


def task(
    *pre: Task[Any], default: bool = False, changes: bool = True, **own: str
) -> Callable[[Callable[..., None]], PlayTask]:
    """Make a function of a :class:`Play` a task of ours: the common flags, its dependencies, the guard.

    Args:
        pre: the tasks it depends on.
        default: whether it is its collection's default task.
        changes: whether it changes things, and so takes ``--check``, ``--yes`` and ``--override``.
        own: help for parameters of its own.
    """
    common = EVERYWHERE | (CHANGING if changes else {})

    def decorate(function: Callable[..., None]) -> PlayTask:
        @functools.wraps(function)
        def guard(*_: Any, **__: Any) -> None:
            raise Exit(NEEDS_EXECUTOR, code=2)

        guard.__doc__ = _documented(function, pre)
        guard.__signature__ = _signature(function, common)  # type: ignore[attr-defined]
        helps = {name: text for name, (_, text) in common.items()} | own
        made = PlayTask(guard, pre=list(pre), help=helps, default=default, auto_shortflags=False)  # type: ignore[arg-type]
        made.run = function
        return made

    return decorate


def _documented(function: Callable[..., None], pre: Sequence[Task[Any]]) -> str:
    """The docstring with the dependencies, which invoke's own help does not show."""
    text = inspect.getdoc(function) or ""
    return f"{text}\n\nRuns first: {', '.join(task.name for task in pre)}." if pre else text


def _signature(function: Callable[..., None], common: Mapping[str, tuple[str | bool, str]]) -> inspect.Signature:
    own = list(inspect.signature(function).parameters.values())
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    flags = [inspect.Parameter(name, kind, default=default) for name, (default, _) in common.items()]
    return inspect.Signature([own[0], *own[1:], *flags])


class Executor(invoke.executor.Executor):
    """Runs our tasks as one play, and leaves other people's tasks as they are."""

    def execute(self, *tasks: Any) -> dict[Any, Any]:
        """Run the asked tasks and their dependencies; ends the process unless all of them are foreign."""
        asked = self.normalize(tasks)
        if not any(_is_ours(call) for call in self.expand_calls(asked)):
            return super().execute(*tasks)
        raise Exit(code=self._play(asked))

    def _play(self, asked: list[Call]) -> int:
        names = " ".join(map(_name, asked))
        as_json = any(call.kwargs.get("json") for call in asked if _is_ours(call))
        command = "aws-airflow" if Path(sys.argv[0]).stem == "aws-airflow" else "invoke"
        play = Play(Settings(json=as_json), names, command)
        try:
            play.settings = self._settings(_flags(asked))
            self._configure_logging(play)
            for call in self.dedupe(self.expand_calls(asked)):
                if _is_ours(call):
                    play.go(call.task, **{name: value for name, value in call.kwargs.items() if name not in COMMON})
                else:
                    self._foreign(call)
        except KeyboardInterrupt:
            return play.finish(error=TaskError("interrupted", hint=f"invoke {names}"), code=130)
        except TaskError as error:
            return play.finish(error=error, code=error.exit_code)
        return play.finish()

    def dedupe(self, calls: list[Call]) -> list[Call]:
        """Our tasks run once each, whatever flags they were asked with: flags hold for the whole command line."""
        kept: dict[Any, Call] = {}
        for call in calls:
            known = kept.setdefault(call.task if _is_ours(call) else id(call), call)
            known.kwargs = {**call.kwargs, **known.kwargs} if _is_ours(call) else known.kwargs
        return list(kept.values())

    def _settings(self, flags: Mapping[str, str | bool]) -> Settings:
        switches = {key: bool(flags.get(key)) for key in settings_.FLAGS}
        switches["check"] |= bool(self.core and self.core[0].args.dry.value)
        chosen = Layer("the command line", {k: v for k, v in flags.items() if k in settings_.KEYS and v})
        cache = user_cache_path("aws-airflow-tasks", appauthor=False)
        return replace(settings_.load([*self._layers(), chosen], cwd=Path.cwd(), **switches), cache=cache)

    def _layers(self) -> Iterator[Layer]:
        """Invoke's own configuration levels, weakest first, each with the file it came from."""
        config = self.config
        for level in ("system", "user", "project"):
            yield _layer(getattr(config, f"_{level}_path", None) or level, getattr(config, f"_{level}", {}))
        yield settings_.environment_layer(os.environ)
        yield _layer(getattr(config, "_runtime_path", None) or "--config", getattr(config, "_runtime", {}))

    def _configure_logging(self, play: Play) -> None:
        core = self.core[0].args if self.core else {}
        debug, echo = (bool(core[name].value) if name in core else False for name in ("debug", "echo"))
        for name in ("botocore", "boto3", "urllib3", "docker", "s3transfer"):
            logging.getLogger(name).setLevel(logging.WARNING)  # below that they print secrets and tokens
        if not debug:
            log.addHandler(Progress(play))
            log.setLevel(logging.DEBUG if echo else logging.INFO)
            log.propagate = False

    def _foreign(self, call: Call) -> None:
        self.config.load_collection(self.collection.configuration(call.called_as))
        self.config.load_shell_env()
        call.task(call.make_context(self.config, core_parse_result=self.core), *call.args, **call.kwargs)


def _name(call: Call) -> str:
    """What a person types for it: a collection's name stands for its default task."""
    name = str(call.called_as or call.task.name)
    return name.rpartition(".")[0] or name if call.task.is_default else name


def _is_ours(call: Call) -> bool:
    return isinstance(call.task, PlayTask)


def _flags(asked: Sequence[Call]) -> dict[str, str | bool]:
    """The union of the asked tasks' common flags; two different values for one of them are a usage error."""
    flags: dict[str, str | bool] = {}
    for call in filter(_is_ours, asked):
        for name, value in call.kwargs.items():
            if name in COMMON and value and flags.setdefault(name, value) != value:
                raise UsageError(f"--{name} was given twice with different values")
    return flags


def _layer(origin: str, level: Any) -> Layer:
    section = dict(level or {}).get(settings_.SECTION) or {}
    if not isinstance(section, Mapping):
        raise UsageError(f"{settings_.SECTION} is not a mapping (from {origin})", hint="aws_airflow:\n  profile: dev")
    return Layer(str(origin), section)
