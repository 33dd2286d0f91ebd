"""Which tasks of a command line have their turn: by what was asked for, and by what came of those before them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from aws_airflow_tasks.core import Result, TaskError
from aws_airflow_tasks.text.calling import command


class Turns:
    """The tasks that had theirs, and those that get none.

    Attributes:
        only: the tasks that run alone, if any are named.
        skip: those that are left out, and what depends on them goes on.
        done: those that had their turn.
        blocked: by a task that failed, or has had to be left out, the name of the one that failed.
    """

    def __init__(self, only: Collection[Any] = (), skip: Collection[Any] = (), done: Iterable[Any] = ()) -> None:
        self.only = only
        self.skip = skip
        self.done = {*done}
        self.blocked: dict[Any, str] = {}

    def skipped(self, task: Any, missing: Callable[[Any], str]) -> Result | None:
        """Why a task, ours or not, is left out; None: it is to run.

        Args:
            task: invoke's task object; its ``pre`` are the tasks, or calls of tasks, that it depends on.
            missing: of a task that runs alone, the first step that it depends on and that is not converged.
        """
        before = (getattr(other, "task", other) for other in task.pre)
        if cause := next((self.blocked[other] for other in before if other in self.blocked), ""):
            self.blocked[task] = cause
            return Result(task.name, "skipped", reason=f"{cause} failed")
        if task in self.skip:
            return Result(task.name, "skipped", reason="asked")
        if task in self.only and (cause := missing(task)):
            self.blocked[task] = task.name
            why = f"needs {cause}"
            return Result(task.name, "skipped", reason=why, error=TaskError(why, hint=command(cause)))
        return None

    def has(self, task: Any) -> bool:
        """Whether a task is one of those that were asked for."""
        return not self.only or task in self.only
