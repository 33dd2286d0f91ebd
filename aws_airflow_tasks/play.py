"""One command line's play: runs the steps in order, brings each to what it ensures, and keeps what came of them.

What it prints, asks and locks with is handed to it (``screen``, ``ask``, ``hold``).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_airflow_tasks import holding, report
from aws_airflow_tasks.convergence import converge, converge_each
from aws_airflow_tasks.core import Change, Check, Interrupted, Pending, Plan, Result, Stopwatch, TaskError
from aws_airflow_tasks.screen import Screen, Silent
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.tasks import ordered
from aws_airflow_tasks.text import doing
from aws_airflow_tasks.text.calling import again, applied, command, current, from_here
from aws_airflow_tasks.turns import Turns
from aws_airflow_tasks.world import receipts, state, waits

if TYPE_CHECKING:
    from aws_airflow_tasks.site import Site

log = logging.getLogger("aws_airflow_tasks")


class Play:
    """What has come so far of a command line's steps, under settings that stay as they are.

    Args:
        settings: for every step; what needs others (a preview, a sandbox) is a play of its own.
        asked: the tasks that were asked for, as they were typed.
        screen: prints.
        ask: whether the person agrees to a question; None where nobody can be asked.
        hold: the project's lock, taken before the first change.
    """

    def __init__(
        self,
        settings: Settings,
        asked: str,
        screen: Screen,
        *,
        ask: Callable[[str], bool | None] | None = None,
        hold: Callable[[Settings, str], AbstractContextManager[None]] = holding.hold,
    ) -> None:
        self.settings = settings
        self.asked = asked
        self.screen = screen
        self.results: list[Result] = []
        self.checks: list[Check] = []
        self.extra: dict[str, Any] = {}
        self.clock = Stopwatch()
        self.notes: list[report.Note] = []
        self.where = ""
        self.trouble: TaskError | None = None  # what kept the settings from being read, for who runs anyway
        self.turns = Turns()
        self._ask = ask or screen.ask
        self._hold_project = hold
        self._lock = contextlib.ExitStack()
        self._holding = False
        self._tidied = settings.check
        self._taken_back_by = ""
        self._seen: Site | None = None  # what was planned from last

    @property
    def state(self) -> Path:
        """The project's state directory; it may not exist yet."""
        return state.locate(self.settings.project)

    @property
    def site(self) -> Site:
        """What every step plans from: made anew each time, as its facts are asked once.

        Raises:
            Pending: in check mode, after a step that would take back what others have made.
        """
        from aws_airflow_tasks.site import Site  # with it come all runtimes: not for a list of the tasks

        if self._taken_back_by:
            raise Pending(self._taken_back_by)
        planned = {change.target: change for result in self._planned for change in result.changes}
        self._seen = Site(self.settings, planned)
        return self._seen

    @property
    def _planned(self) -> list[Result]:
        """In check mode, what the steps so far would change: the next is planned as if they had."""
        return [result for result in self.results if self.settings.check and result.status == "changed"]

    def converge(self, step: str, plan: Callable[[Site], Plan]) -> None:
        """Bring one step to what it ensures, and report it; errors become its result."""
        self._tidy()
        self._guarded(
            step,
            lambda: converge(
                step,
                lambda: self._answerable(plan(self.site)),
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
        """Take back every target of a step, whatever becomes of the others; what is only planned is not foreseen."""
        self._tidy()
        if self._planned:
            before = self._planned[-1].step
            self._add(Result(step, "changed", reason=str(Pending(before))), Stopwatch())
        else:
            self._guarded(
                step,
                lambda: converge_each(
                    step,
                    lambda: plans(self.site),
                    lambda done: rest(self.site, done),
                    check=self.settings.check,
                    hold=self._hold,
                    apply=self._apply,
                ),
            )
        self._taken_back_by = step if self._planned else ""

    def verify(self, checks: Callable[[Site], Iterator[Check]], step: str = "verify") -> None:
        """Run checks and report each as it is known; services of a layer that say the same share a line."""
        self.notes.clear()  # what was to be typed next is this
        self._guarded(step, lambda: self._verified(checks))

    def _verified(self, checks: Callable[[Site], Iterator[Check]]) -> Result | None:
        if self.settings.check:
            return Result("verify", "skipped", reason="check mode: the proof would run a DAG")
        for each in report.layers(report.timed(checks(self.site))):
            layer = [check._replace(hint=from_here(check.hint, self.settings.project)) for check in each]
            self.checks += layer
            self.screen.say(report.check_lines(layer, self.screen.layout))
        return None

    def _guarded(self, step: str, work: Callable[[], Result | None]) -> None:
        """Do a step's work; its result, or the error that ended it, is added to the play."""
        clock = Stopwatch()
        try:
            with self.screen.during(step):
                result = work()
        except TaskError as error:
            error.hint = from_here(error.hint, self.settings.project)
            result = Result(step, "failed", error=error)
        except KeyboardInterrupt as interrupt:
            self._add(Result(step, "failed", error=TaskError("interrupted", hint=again(self.asked))), clock)
            raise Interrupted from interrupt
        except Exception as error:  # a bug of ours must not take the recap along
            if log.isEnabledFor(logging.DEBUG):
                log.exception("unexpected error in %s", step)
            message = f"unexpected error: {type(error).__name__}"
            result = Result(step, "failed", error=TaskError(message, hint=again(self.asked, before="--debug")))
        if result:
            self._add(result, clock)

    def watch(self, watch: Callable[[Callable[[], Site], Callable[[str], None]], None], wanted: bool) -> None:
        """Go on watching until interrupted, its only end, if that is wanted and all went well; others may work."""
        if wanted and not self.failed and not self.settings.check:
            self.release()
            try:
                watch(lambda: self.site, self.screen.say)
            except KeyboardInterrupt:
                raise Interrupted from None

    def look(self, step: str, look: Any) -> None:
        """Run a step that only looks, and print its ``lines``, ``entries`` and ``value``."""
        self.converge(step, look.plan)
        self.extra["entries"] = look.entries
        for line in look.lines:
            self.screen.tell("  ", line.removeprefix("  "))
        if look.value and not self.screen.json:
            self.screen.document(look.value)

    def tell(self, told: Callable[[Site], tuple[Mapping[str, Any], str]]) -> None:
        """Where all went well, put into the document, and say after the recap, what the last step has seen."""
        if not (self.failed or self.settings.check):
            found, self.where = told(self._seen if self._seen and not self._seen.planned else self.site)
            self.extra |= found

    def note(self, *notes: report.Note) -> None:
        """Something to say after the recap where all went well: what to type next."""
        self.notes += notes

    def go(self, *tasks: Any) -> None:
        """Run tasks of ours, after what they depend on."""
        for task in ordered(tasks):
            self.run(task)

    def run(self, task: Any, **own: Any) -> None:
        """Run one task of ours, once, and not at all where something that it depends on has failed.

        Args:
            task: invoke's task object, whose dependencies have had their turn.
            own: the parameters of its own.
        """
        if task in self.turns.done:
            return
        self.turns.done.add(task)
        if self.skips(task):
            return
        results, checks = len(self.results), len(self.checks)
        task.run(self, **own)
        if report.exit_code(self.results[results:], self.checks[checks:], check=False):
            self.turns.blocked[task] = task.name

    def skips(self, task: Any) -> bool:
        """Whether a task, ours or not, is left out, or something that it depends on has failed or is; says so."""
        if (result := self.turns.skipped(task, self._missing)) and self.turns.has(task):
            self._add(result, Stopwatch())
        return bool(result) or not self.turns.has(task)

    def _missing(self, task: Any) -> str:
        """The first step that a task depends on, runs without, and that is not converged; empty: all are."""
        look = Play(self.settings._replace(check=True), self.asked, Silent(), hold=self._hold_project)
        look.turns = Turns(skip=self.turns.skip, done={*self.turns.done}.intersection(self.turns.only))
        look.results, before = self._planned, len(self._planned)
        look.go(*task.pre)
        return next((each.step for each in look.results[before:] if each.status in ("changed", "failed")), "")

    @property
    def failed(self) -> bool:
        """Whether any step failed so far."""
        return any(result.status == "failed" for result in self.results)

    @contextlib.contextmanager
    def another(self, settings: Settings) -> Iterator[Play]:
        """A play of its own under other settings; what comes of it is told with what comes of this one."""
        other = Play(settings, self.asked, self.screen, ask=self._ask, hold=self._hold_project)
        other.turns.skip = self.turns.skip
        try:
            yield other
        finally:
            other.release()
            self.results += other.results
            self.checks += other.checks
            self.notes += other.notes
            self.where = other.where or self.where
            self.extra |= other.extra
            self._seen = other._seen

    def preview(self, *tasks: Any) -> None:
        """Say what tasks would do now; none of them counts as run."""
        with self.another(self.settings._replace(check=True)) as shown:
            shown.go(*tasks)
            shown.notes.clear()

    def repeat(self, *tasks: Any) -> None:
        """Run tasks a second time; whatever that changes is a failure, which names the steps."""
        if self.settings.check:
            return self._add(Result("idempotence", "skipped", reason="check mode: nothing was changed"), Stopwatch())
        clock = Stopwatch()
        self.release()
        with self.another(self.settings) as second:
            second.turns.only = [task for task in ordered(tasks) if task in self.turns.only]
            second.go(*tasks)
            second.notes.clear()
        again = ", ".join(result.step for result in second.results if result.status == "changed")
        error = TaskError(f"the second run has changed {again} again", hint=command("setup", "--diff"))
        failed = Result("idempotence", "failed", error=error)
        return self._add(failed if again else Result("idempotence", "ok", reason="nothing changed again"), clock)

    def finish(self, *, error: TaskError | None = None, code: int | None = None) -> int:
        """Print the recap, or the JSON document, and return the exit code."""
        self.release()
        if code is None:
            code = report.exit_code(self.results, self.checks, check=self.settings.check)
        if error:
            self.screen.say(report.error_lines(error, self.screen.layout))
        if self.results or self.checks:
            self.screen.say(report.recap_line(self.results, self.checks, self.clock.seconds))
        planned = report.foreseen(applied(self.asked)) if self.settings.check and code == 3 else ()
        notes = self.notes if code == 0 else planned
        self.screen.say(report.last_lines(self.where, notes, self.screen.layout))
        if self.screen.json:
            document = report.document(
                self.asked,
                check=self.settings.check,
                code=code,
                seconds=self.clock.seconds,
                results=self.results,
                checks=self.checks,
                error=error,
                notes=notes,
                extra=self.extra,
            )
            self.screen.document(document)
        return code

    def _add(self, result: Result, clock: Stopwatch) -> None:
        result = result._replace(seconds=clock.seconds)
        self.results.append(result)
        self.screen.say(report.result_lines(result, self.screen.layout))
        if self.settings.diff:
            for change in result.changes:
                self.screen.say(report.diff_lines(change, self.screen.layout))

    def release(self) -> None:
        """Give the project's lock back."""
        self._lock.close()
        self._holding = False

    def _hold(self) -> None:
        """Take the project's lock for the rest of this command line, or until :meth:`release`."""
        if self._holding and state.outgrown(self.settings.project):
            self.release()
        if not self._holding:
            self._lock.enter_context(self._hold_project(self.settings, f"{current().program} {self.asked}"))
            self._holding = True

    def _tidy(self) -> None:
        """Remove what a killed run left, even where nothing is to be changed now; not in check mode."""
        if not self._tidied:
            holding.tidy(self.settings, self._airflow_runs)
            self._tidied = True

    def _airflow_runs(self) -> bool:
        with contextlib.suppress(TaskError, Pending):  # no engine answers: then nothing runs in it
            return bool(self.site.running)
        return False

    def _apply(self, change: Change) -> None:
        self._agreed(change.ask, self._ask)
        if change.receipt:
            receipts.record(self.state, change.receipt)
        with waits.told(doing.awaited(change)):
            change.apply()

    def _answerable(self, planned: Plan) -> Plan:
        """In check mode: raise TaskError where the run would ask a question and nobody were there to answer."""
        if self.settings.check and not self.screen.answers:
            for change in planned.needed:
                self._agreed(change.ask, lambda question: None)
        return planned

    def _agreed(self, question: str, ask: Callable[[str], bool | None]) -> None:
        """Raise TaskError unless the person agrees to a question, if there is one."""
        if question and not self.settings.yes:
            answer = ask(question)
            if not answer:
                said = "not agreed to" if answer is False else f"{question} There is no terminal to ask on."
                raise TaskError(said, hint=again(self.asked, "--yes"))
