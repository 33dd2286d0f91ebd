"""Invoke's hook for a command line of ours: flags reach the dependencies of the asked tasks, the recap comes once.

Invoke's ``pre=`` tasks do not inherit flags; an executor of our own is where they can. ``tasks.executor_class`` in
``invoke.yaml`` names it for ``invoke``; the console script brings it along.
"""

from __future__ import annotations

import inspect
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import invoke.executor
from invoke.exceptions import Exit
from invoke.tasks import Call
from platformdirs import user_cache_path

from aws_airflow_tasks import configuration, consent, invocation, process
from aws_airflow_tasks import settings as settings_
from aws_airflow_tasks.core import Interrupted, TaskError, UsageError, sh
from aws_airflow_tasks.play import Play, log
from aws_airflow_tasks.screen import Progress, Screen
from aws_airflow_tasks.settings import Layer, Settings
from aws_airflow_tasks.tasks import COMMON, NARROWING, PlayTask, ordered
from aws_airflow_tasks.text.calling import again, called, current
from aws_airflow_tasks.text.cleaning import CLEANING
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.text.mistyped import misnamed
from aws_airflow_tasks.world import helpers, private, signals, state, waits


class Executor(invoke.executor.Executor):
    """Runs our tasks as one play, and leaves other people's tasks as they are."""

    def execute(self, *tasks: Any) -> dict[Any, Any]:
        """Run the asked tasks and their dependencies; ends the process unless all of them are foreign."""
        self._take_environment()
        asked = self.normalize(tasks)
        calls = self._without_repeats([call if isinstance(call, Call) else Call(call) for call in ordered(asked)])
        if not any(map(_is_ours, calls)):
            return super().execute(*tasks)
        if all(map(_is_ours, calls)):
            process.collect_no_garbage()
        waits.forget()
        calling = invocation.calling(asked, self.collection, self.core)
        with signals.as_interrupts(), called(calling):
            code = self._play(asked, calls)
        raise Exit(code=code)

    def _take_environment(self) -> None:
        """Have invoke take a setting of the environment as text: it converts to what a file has, or fails."""
        levels = (getattr(self.config, f"_{level}") or {} for level in ("system", "user", "project", "runtime"))
        sections = [found for level in levels if isinstance(found := level.get(settings_.SECTION), dict)]
        named = {key for key in settings_.KEYS if f"{settings_.ENVIRONMENT_PREFIX}{key.upper()}" in os.environ}
        for section in sections:
            for key in named.intersection(section):
                if isinstance(section[key], list | int) and not isinstance(section[key], bool):
                    section[key] = str(settings_.joined(key, section[key]))
        if named and sections:
            self.config.merge()

    def _play(self, asked: Sequence[Call], calls: Sequence[Call]) -> int:
        as_json = any(call.kwargs.get("json") for call in filter(_is_ours, asked))
        names = " ".join(map(_name, asked))
        screen = Screen(json=as_json, names=[str(call.task.name) for call in filter(_is_ours, calls)])
        try:
            self._refuse_line(calls, names)
            flags, own = _flags(calls), _own(calls)
        except UsageError as error:  # of this no task makes the best
            return refuse(error, names, screen)
        try:
            play = Play(self._settings(calls, flags, screen), names, screen)
            play.turns.only, play.turns.skip = (_named(calls, flag) for flag in NARROWING)
            _check_places(play)
        except (TaskError, OSError) as error:
            said = unreadable(error) if isinstance(error, OSError) else error
            if not all(getattr(call.task, "anyway", False) for call in calls):
                return refuse(said, names, screen)
            play = Play(_plainest(), names, screen)
            play.trouble = said
        self._configure_logging(play)
        try:
            with helpers.asked_once():
                self._run(play, calls, own)
        except Interrupted:
            return play.finish(code=130)
        except KeyboardInterrupt:
            return play.finish(error=TaskError("interrupted", hint=again(names)), code=130)
        except TaskError as error:
            return play.finish(error=error, code=error.exit_code)
        return play.finish()

    def _refuse_line(self, calls: Sequence[Call], names: str) -> None:
        """Raise UsageError for a command line that means nothing, whatever the settings are."""
        _refuse_late(self.core[0].args if self.core else {})
        _refuse_flags(calls)
        if all(map(_is_ours, calls)):
            _refuse_remainder(str(getattr(self.core, "remainder", "") or ""), names)

    def _run(self, play: Play, calls: Sequence[Call], own: Mapping[Any, Mapping[str, Any]]) -> None:
        if not hasattr(os, "setsid") and any("check" in call.kwargs for call in filter(_is_ours, calls)):
            _ = play.site.runtime  # on Windows not every one can, which is said at once
        for call in calls:
            if _is_ours(call):
                with process.keeping_bytecode():
                    play.run(call.task, **own[call.task])
            elif not play.skips(call.task):
                self._foreign(play, call)

    def _without_repeats(self, calls: list[Call]) -> list[Call]:
        """As invoke leaves them out: equal calls, unless ``--no-dedupe``; ours run once each in any case."""
        return self.dedupe(calls) if self.config.tasks.dedupe else calls

    def _settings(self, calls: Sequence[Call], flags: Mapping[str, str | bool], screen: Screen) -> Settings:
        switches = {key: bool(flags.get(key)) for key in settings_.FLAGS}
        switches["check"] |= bool(self.core and self.core[0].args.dry.value)
        chosen = Layer("the command line", {k: v for k, v in flags.items() if k in settings_.KEYS and v})
        settings_.home()
        cwd, weak, strong = settings_.here(), [*self._files()], [*self._stronger(), chosen]
        project = settings_.project([*weak, *strong], cwd=cwd)
        layers = [*weak, *self._own(project), *strong]
        cache = user_cache_path("aws-airflow-tasks", appauthor=False)
        given = settings_.load(layers, cwd=cwd, **switches)._replace(cache=cache)
        return consent.settled(given, [cast(PlayTask, call.task).heeds for call in filter(_is_ours, calls)], screen)

    def _files(self) -> Iterator[Layer]:
        """Invoke's levels below the project's own, weakest first; ``project`` is of the directory of a tasks.py."""
        for level in ("system", "user", "project"):
            path, values = (getattr(self.config, f"_{level}{what}") for what in ("_path", ""))
            yield configuration.layer(str(path), values)._replace(brought=level == "project")

    def _own(self, project: Path) -> Iterator[Layer]:
        """What the project's own file says, unless invoke has read it as the one beside its tasks.py."""
        path = self.config._project_path
        if not path or Path(path).parent != project:
            yield configuration.of_project(project)

    def _stronger(self) -> Iterator[Layer]:
        """Invoke's levels above the project's own."""
        yield settings_.environment_layer(os.environ)
        named = self.config._runtime_path
        if named and not self.config._runtime_found:
            raise UsageError(f"there is no {named}, which was named as the configuration", hint=sh("ls -l {}", named))
        yield configuration.layer(str(named), self.config._runtime)

    def _configure_logging(self, play: Play) -> None:
        core = self.core[0].args if self.core else {}
        debug, echo = (bool(core[name].value) if name in core else False for name in ("debug", "echo"))
        for name in ("botocore", "boto3", "urllib3", "docker", "s3transfer"):
            logging.getLogger(name).setLevel(logging.WARNING)  # below that they print secrets and tokens
        for each in (log, *(logging.getLogger().handlers if debug else ())):
            each.addFilter(CLEANING)
        if not debug:
            log.addHandler(Progress(play.screen))
            log.setLevel(logging.DEBUG if echo else logging.INFO)
            log.propagate = False

    def _foreign(self, play: Play, call: Call) -> None:
        """Run a task of somebody else's as invoke does; what ends it ends the command line, after our recap."""
        play.release()  # it may call us
        self.config.load_collection(self.collection.configuration(call.called_as))
        self.config.load_shell_env()
        try:
            call.task(call.make_context(self.config, core_parse_result=self.core), *call.args, **call.kwargs)
        except (Exception, SystemExit) as error:
            code = _code(error)
            play.finish(error=TaskError(f"{_name(call)} failed") if code else None, code=code)
            raise


def _refuse_late(core: Mapping[str, Any]) -> None:
    """Raise UsageError for flags of invoke's that it only looks at before a task, and would run the task for."""
    for name in ("version", "print-completion-script"):
        if name in core and core[name].value:
            raise UsageError(f"--{name} comes before any task, and alone", hint=f"{current().program} --{name}")


def _refuse_flags(calls: Sequence[Call]) -> None:
    """Raise UsageError for a flag that is none of the task's, which invoke takes for the word that the task needs."""
    for call in filter(_is_ours, calls):
        for each in cast(PlayTask, call.task).arguments:
            word = call.kwargs.get(str(each.name))
            if each.positional and isinstance(word, str) and re.fullmatch(r"-\w|--.+", word):
                raise UsageError(f"{_name(call)} takes no {word}", hint=f"{current().program} --help {_name(call)}")


def _refuse_remainder(words: str, names: str) -> None:
    """Raise UsageError for what stands behind ``--``: a flag there was not heeded, and its task was run."""
    if words:
        raise UsageError(f"no task takes what stands behind --: {words}", hint=f"{again(names)} {words}")


def _check_places(play: Play) -> None:
    """Raise UsageError where what we keep would be another's to read or to exchange; warn of another's home."""
    if warning := private.check_home(again(play.asked)):
        play.screen.progress("warning  ", warning)
    for place in (state.root(), play.settings.cache):
        private.check_way(place)
    if os.path.lexists(kept := play.state):
        private.check(kept)


def refuse(error: TaskError, names: str, screen: Screen) -> int:
    """Say why nothing was started; returns the exit code."""
    return Play(Settings(), names, screen).finish(error=error, code=error.exit_code)


def _plainest() -> Settings:
    """The settings of a command line that runs although they cannot be read: none but the place."""
    try:
        return Settings(project=settings_.nearest_project(settings_.here()))
    except (TaskError, OSError):
        return Settings(project=Path("/"))


def _own(calls: Sequence[Call]) -> dict[Any, dict[str, Any]]:
    """The parameters of their own that our tasks were given, by task, wherever on the line each has its turn."""
    own: dict[Any, dict[str, Any]] = {}
    for call in filter(_is_ours, calls):
        known = own.setdefault(call.task, {})
        taken = inspect.signature(cast(PlayTask, call.task).run).parameters
        for name, value in call.kwargs.items():
            if name not in COMMON and value not in (taken[name].default, []):
                needed = taken[name].default is inspect.Parameter.empty
                _once(known, name, value, name if needed else f"--{name}")
    return own


def _once(known: dict[str, Any], name: str, value: Any, typed: str) -> None:
    if known.setdefault(name, value) != value:
        hint = current().apart or note(f"{typed} is for the whole line: give it once")
        raise UsageError(f"{typed} was given twice with different values", hint=hint)


def unreadable(error: OSError) -> UsageError:
    """What to say of a path that could not be looked at before anything was started."""
    place = error.filename or "."
    return UsageError(f"cannot read {place}: {error.strerror}", hint=sh("ls -ld {}", place))


def _code(error: BaseException) -> int:
    """The exit code that a command line ends with after an error of a foreign task's."""
    if isinstance(error, SystemExit) and error.code is None:
        return 0
    found = getattr(getattr(error, "result", None), "exited", None) or getattr(error, "code", None)
    return found if isinstance(found, int) else 1


def _name(call: Call) -> str:
    """What a person types for it: a collection's name stands for its default task."""
    name = str(call.called_as or call.task.name)
    return name.rpartition(".")[0] or name if call.task.is_default else name


def _is_ours(call: Any) -> bool:
    """Whether a call, or a task that stands for a call without arguments, is of a task of ours."""
    return isinstance(call.task, PlayTask)


def _flags(calls: Sequence[Call]) -> dict[str, str | bool]:
    """The union of the common flags; two different values for one of them are a usage error."""
    flags: dict[str, str | bool] = {}
    for call in filter(_is_ours, calls):
        for name, value in call.kwargs.items():
            if name in COMMON and value == "":  # such as of a variable that is not set: no default can be meant
                raise UsageError(f"--{name} is empty", hint=f"{current().program} --help {_name(call)}")
            if name in COMMON and value and name not in NARROWING:
                _once(flags, name, value, f"--{name}")
    return flags


def _named(calls: Sequence[Call], flag: str) -> list[PlayTask]:
    """The tasks of the command line that a flag names, by commas and as often as it was given."""
    ours = {_name(call): cast(PlayTask, call.task) for call in filter(_is_ours, calls)}
    found: list[PlayTask] = []
    for text in (text for call in filter(_is_ours, calls) for text in call.kwargs.get(flag) or ()):
        for name in map(str.strip, text.split(",")):
            if name not in ours:
                cause = f"--{flag}: there is no step {name} here" if name else f"--{flag} names no step"
                raise misnamed(cause, text, name, ours, again(""), f"{current().program} --help {[*ours][-1]}")
            found.append(ours[name])
    return found
