"""One command line's play: runs the steps in order, keeps what came of them, and is the only module that prints."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_airflow_tasks import report
from aws_airflow_tasks.core import Change, Check, Plan, Result, Stopwatch, TaskError, converge, converge_each
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.world import state

if TYPE_CHECKING:
    from rich.text import Text

log = logging.getLogger("aws_airflow_tasks")


class Play:
    """One command line: its settings, and what has come of its steps so far."""

    def __init__(self, settings: Settings, asked: str, command: str = "invoke") -> None:
        self.settings = settings
        self.asked = asked
        self.command = command
        self.results: list[Result] = []
        self.checks: list[Check] = []
        self.extra: dict[str, Any] = {}
        self.clock = Stopwatch()
        self.notes: list[str] = []
        self._blocked: dict[str, str] = {}
        self._done: set[str] = set()
        self._lock = contextlib.ExitStack()
        self._holding = False

    @property
    def state(self) -> Path:
        """The project's state directory; it may not exist yet."""
        return state.locate(self.settings.project)

    def converge(self, step: str, plan: Callable[[Site], Plan]) -> None:
        """Bring one step to what it ensures, and report it; errors become its result."""
        self._guarded(
            step,
            lambda: converge(
                step,
                lambda: plan(Site(self.settings)),
                check=self.settings.check,
                hold=self._hold,
                apply=self._apply,
            ),
        )

    def converge_each(
        self,
        step: str,
        plans: Callable[[Site], Mapping[str, Callable[[], Plan]]],
        rest: Callable[[Site, Collection[str]], Plan],
    ) -> None:
        """Bring every target of a step to its end, whatever becomes of the others; see :func:`core.converge_each`."""
        self._guarded(
            step,
            lambda: converge_each(
                step,
                lambda: plans(Site(self.settings)),
                lambda done: rest(Site(self.settings), done),
                check=self.settings.check,
                hold=self._hold,
                apply=self._apply,
            ),
        )

    def verify(self, checks: Callable[[Site], Iterator[Check]]) -> None:
        """Run checks and report each as it is known; services that say the same share a line."""
        self.notes.clear()
        self._guarded("verify", lambda: self._verified(checks(Site(self.settings))))

    def _verified(self, checks: Iterator[Check]) -> Result | None:
        if self.settings.check:
            return Result("verify", "skipped", reason="check mode: the proof would run a DAG")
        found = (check._replace(hint=self._typed(check.hint)) for check in checks)
        for _, group in itertools.groupby(found, key=lambda check: check._replace(service="")):
            alike = list(group)
            self.checks += alike
            self.say(report.check_lines(alike))
        return None

    def _guarded(self, step: str, work: Callable[[], Result | None]) -> None:
        """Do a step's work; its result, or the error that ended it, is added to the play."""
        clock = Stopwatch()
        try:
            result = work()
        except TaskError as error:
            result = Result(step, "failed", error=error)
        except KeyboardInterrupt:
            self._add(Result(step, "failed", error=TaskError("interrupted", hint=f"invoke {self.asked}")), clock)
            raise
        except Exception as error:  # a bug of ours must not take the recap along
            if log.isEnabledFor(logging.DEBUG):
                log.exception("unexpected error in %s", step)
            message = f"unexpected error: {type(error).__name__}"
            result = Result(step, "failed", error=TaskError(message, hint=f"invoke --debug {self.asked}"))
        if result:
            self._add(result, clock)

    def watch(self, watch: Callable[[Settings, Callable[[str], None]], None], wanted: bool) -> None:
        """Go on watching until interrupted, if that is wanted and all went well; others may work meanwhile."""
        if wanted and not self.failed and not self.settings.check:
            self.release()
            watch(self.settings, self.say)

    def note(self, text: str) -> None:
        """Something to say after the recap: what to type next."""
        self.notes.append(text)

    def say(self, text: str) -> None:
        """Print prose: to stdout, or to stderr when stdout is for JSON."""
        if text:
            _print(text, sys.stderr if self.settings.json else sys.stdout)

    def go(self, *tasks: Any, **own: Any) -> None:
        """Run tasks of ours, each once: what they depend on first, and nothing that depends on a failed one.

        Args:
            tasks: invoke's task objects; their ``pre`` are their dependencies.
            own: the parameters of the asked task itself.
        """
        for task in tasks:
            if task.name not in self._done:
                self._done.add(task.name)
                self.go(*task.pre)
                self._run(task, own)

    def _run(self, task: Any, own: dict[str, Any]) -> None:
        cause = next((self._blocked[other.name] for other in task.pre if other.name in self._blocked), "")
        if cause:
            self._blocked[task.name] = cause
            self._add(Result(task.name, "skipped", reason=f"{cause} failed"), Stopwatch())
            return
        before = len(self.results)
        task.run(self, **own)
        if any(result.status == "failed" for result in self.results[before:] if result.step == task.name):
            self._blocked[task.name] = task.name

    @property
    def failed(self) -> bool:
        """Whether any step failed so far."""
        return any(result.status == "failed" for result in self.results)

    def preview(self, *tasks: Any) -> None:
        """Say what tasks would do now, in a play of its own: none of them counts as run."""
        shown = Play(replace(self.settings, check=True), self.asked, self.command)
        shown.go(*tasks)
        self.results += shown.results

    def finish(self, *, error: TaskError | None = None, code: int | None = None) -> int:
        """Print the recap, or the JSON document, and return the exit code."""
        self.release()
        if code is None:
            code = report.exit_code(self.results, self.checks, check=self.settings.check)
        if error:
            error.hint = self._typed(error.hint)
            self.say(report.error_lines(error))
        if self.results or self.checks:
            self.say(report.recap_line(self.results, self.clock.seconds))
        if self.settings.check and code == 3:
            self.say("check mode: nothing was changed")
        for note in self.notes if code == 0 else ():
            self.say(self._typed(note))
        if self.settings.json:
            document = report.document(
                self.asked,
                check=self.settings.check,
                code=code,
                seconds=self.clock.seconds,
                results=self.results,
                checks=self.checks,
                error=error,
                extra=self.extra,
            )
            print(document)
        return code

    def _add(self, result: Result, clock: Stopwatch) -> None:
        result = result._replace(seconds=clock.seconds)
        if result.error:
            result.error.hint = self._typed(result.error.hint)
        self.results.append(result)
        self.say(report.result_lines(result))
        if self.settings.diff:
            for change in result.changes:
                self.say(change.diff().rstrip("\n"))

    def release(self) -> None:
        """Give the project's lock back."""
        self._lock.close()
        self._holding = False

    def _hold(self) -> None:
        """Take the project's lock for the rest of this command line; another run is waited for."""
        if not self._holding:
            from aws_airflow_tasks.world import files
            from aws_airflow_tasks.world.lock import locked

            state.make(self.settings.project)
            doing = f"{self.command} {self.asked}"
            self._lock.enter_context(locked(self.state, wait=self.settings.wait, doing=doing))
            self._holding = True
            state.make(self.settings.project)  # another run's undo may have removed it while we waited
            for folder in (self.settings.project, self.settings.project / "dags"):
                files.sweep(folder)

    def _typed(self, text: str) -> str:
        """The commands in a hint as this person types them: with ``aws-airflow`` for ``invoke``, if that is it."""
        return re.sub(r"(?<![\w./-])invoke (?=[a-z-])", f"{self.command} ", text)

    def _apply(self, change: Change) -> None:
        from aws_airflow_tasks.world import receipts

        if change.ask and not self.settings.yes:
            _ask(change.ask, self.asked)
        if change.receipt:
            receipts.record(self.state, change.receipt)
        change.apply()


class Progress(logging.Handler):
    """What the lower rooms log: progress (INFO) on a terminal, command lines (DEBUG) under ``--echo``."""

    def __init__(self, play: Play) -> None:
        super().__init__()
        self.play = play

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record with the elapsed time, unless nobody is looking."""
        if record.levelno == logging.DEBUG or sys.stderr.isatty():
            _print(f"   {self.play.clock.seconds:5.1f}s  {record.getMessage()}", sys.stderr)


def _ask(question: str, asked: str) -> None:
    if not sys.stdin.isatty():
        raise TaskError(f"{question} There is no terminal to ask on.", hint=f"invoke {asked} --yes")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise TaskError("not agreed to", hint=f"invoke {asked} --yes")


def _print(text: str, stream: Any) -> None:
    """Print lines, in colour on a terminal."""
    if stream.isatty() and "NO_COLOR" not in os.environ:
        from rich.console import Console
        from rich.text import Text

        console = Console(file=stream, highlight=False, soft_wrap=True)
        for line in text.split("\n"):
            console.print(_coloured(Text(line), line))
    else:
        print(text, file=stream)


def _coloured(text: Text, line: str) -> Text:
    """A status word in its colour; a line of a diff as a whole."""
    word = line.split(" ", 1)[0]
    text.stylize(report.COLOURS.get(word, ""), 0, len(word))
    text.stylize({"+": "green", "-": "red", "@": "cyan"}.get(line[:1] if not line.startswith("->") else "", ""))
    return text
