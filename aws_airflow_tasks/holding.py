"""One run at a time acts on a project: its lock, its state directory; and no leftovers of a run that was killed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import files, keeper, staging, state
from aws_airflow_tasks.world.lock import locked


@contextlib.contextmanager
def hold(settings: Settings, doing: str) -> Iterator[None]:
    """Hold the project's lock; another run is waited for.

    Args:
        settings: of the command line; their project, and how long to wait.
        doing: the command, for those who wait for us.

    Raises:
        TaskError: another run holds it for too long, or there is no place for the state directory.
    """
    if state.outgrown(settings.project):
        with locked(state.make(settings.project), wait=settings.wait, doing=doing):
            state.rename(settings.project)
    with locked(state.make(settings.project), wait=settings.wait, doing=doing):
        state.make(settings.project)  # another run's undo may have removed it while we waited
        yield


def tidy(settings: Settings, airflow_runs: Callable[[], bool]) -> None:
    """Remove what a run that was killed left beside the project's files; what another still writes stays.

    And the keys that a crash or a reboot has left, which ended their keeper and Airflow.

    Args:
        settings: of the command line.
        airflow_runs: whether it does, for the rare case that this matters.
    """
    for place in (settings.project, settings.project / "dags"):
        files.sweep(place)
    folder = state.locate(settings.project)
    if keeper.was_killed(folder) and not airflow_runs():
        # who holds the lock is about to start Airflow, or to take the keys away
        with contextlib.suppress(TaskError), locked(folder, wait=0, doing="removing keys of before a crash"):
            if keeper.was_killed(folder):
                staging.empty(folder)
                (folder / keeper.RECORD).unlink(missing_ok=True)
