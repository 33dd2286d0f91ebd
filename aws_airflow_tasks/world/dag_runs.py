"""A run of a DAG from its trigger to its end, and why there is none: Airflow's own words where it has some."""

import contextlib
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import waits
from aws_airflow_tasks.world.airflow_api import Api, DagImportError, Unwell

log = logging.getLogger("aws_airflow_tasks")

#: states that a DAG run does not leave by itself
FINAL = ("success", "failed")
#: seconds after which an import error is taken to be of the file as it is now, though Airflow has not tried it again:
#: it does so every half minute, if nothing else is set
STALE = 60
#: while a run is queued the components' health is asked every so many seconds; it is given up where the scheduler has
#: been down for so many: Airflow itself says so only when it has not heard of it for half a minute
EVERY, DOWN = 15, 60


class DagRun(NamedTuple):
    """One run of a DAG: its id, and its last known state, such as ``success`` or ``failed``."""

    run_id: str
    state: str


def run(api: Api, dag_id: str, conf: Mapping[str, str] | None = None) -> DagRun:
    """Wait until Airflow knows a DAG, unpause it, trigger it and wait until that run has ended.

    Args:
        api: logged in; its patience is that of all of it.
        dag_id: the DAG.
        conf: what the run is configured with.

    Returns:
        The run, in state ``success`` or ``failed``.

    Raises:
        TaskError: the DAG does not appear or cannot be imported, or its run does not end in time.
    """
    limit = f"(at most {api.patience.wait:g} s)"
    with waits.told(f"Airflow to find the DAG {dag_id} {limit}"):
        _await_dag(api, dag_id)
        run_id = _triggered(api, dag_id, conf)
    log.info("triggered %s", dag_id)
    with waits.told(f"its run to end {limit}"):
        return DagRun(run_id, _await_end(api, dag_id, run_id))


def log_of(api: Api, dag_id: str, run_id: str, task_id: str) -> list[str]:
    """The lines of the log of a run's task.

    Raises:
        TaskError: Airflow does not give it; that says nothing of what the task did.
    """
    try:
        return api.log(dag_id, run_id, task_id).splitlines()
    except TaskError as error:
        said = f"the log of the DAG run {run_id} cannot be read: {error.message}"
        raise type(error)(said, hint=error.hint) from None


def _await_end(api: Api, dag_id: str, run_id: str) -> str:
    begun = looked = time.monotonic()
    sick: float | None = None
    while (state := api.state(dag_id, run_id)) not in FINAL:
        now = time.monotonic()
        if state == "queued" and now - looked >= EVERY:
            looked, sick = now, (sick or now) if _schedules_not(api) else None
        if not api.patience.more() or (sick and now - sick >= DOWN):
            waited = f"after {min(api.patience.wait, round(now - begun)):g} seconds"
            raise _held_up(api, f"the DAG run {run_id} of {dag_id} is still {state} {waited}")
    return state


def anew() -> str:
    """What puts the example DAG as it ships in the place of one that was edited, which `dag` alone keeps.

    `undo` takes back that it was made, and not the edits.
    """
    return f"{command('dag', '--override')}   # your edits go: keep a copy of what you want of them"


def _schedules_not(api: Api) -> bool:
    return any(each.startswith("scheduler") for each in api.down())


def _held_up(api: Api, said: str) -> TaskError:
    """What is still waited for, and which component it is that keeps it waiting."""
    down = [] if api.patience.unwanted.is_set() else api.down()
    if down:
        return Unwell(f"{said}: not healthy: {', '.join(down)}", hint=command("start"))
    return Unwell(f"{said}, and all of Airflow's components are healthy", hint=command("open"))


def _triggered(api: Api, dag_id: str, conf: Mapping[str, str] | None) -> str:
    """Have a DAG run; the run's id.

    What breaks after it was parsed Airflow 3 forgets meanwhile, and Airflow 2 refuses to run.
    """
    asked, since = time.monotonic(), _now()
    while True:
        try:
            api.unpause(dag_id)
            return api.trigger(dag_id, conf)
        except Unwell:
            raise
        except TaskError:
            late = not api.patience.more() or time.monotonic() - asked > STALE
            if not _unimported(api, dag_id, "" if late else since):
                raise


def _now() -> str:
    """As Airflow writes a time: in UTC, and ISO 8601."""
    return datetime.now(UTC).isoformat()


def _await_dag(api: Api, dag_id: str) -> None:
    asked, since = time.monotonic(), _now()
    while not api.has_dag(dag_id):
        last = not api.patience.more()
        _unimported(api, dag_id, "" if last or time.monotonic() - asked > STALE else since)
        if last:
            said = _held_up(api, f"Airflow has not found the DAG {dag_id}")
            raise said if said.hint == command("start") else Unwell(said.message, hint=api.logs)


def _unimported(api: Api, dag_id: str, since: str = "") -> bool:
    """Whether Airflow could not import the DAG's file before ``since``.

    Raises:
        TaskError: it could not after that either.
    """
    errors = list[DagImportError]()
    with contextlib.suppress(TaskError):  # what led here says more
        errors = [each for each in api.import_errors() if each.file.rpartition("/")[2] == f"{dag_id}.py"]
    for error in errors:
        if error.at >= since:
            raise TaskError(f"{error.file} cannot be imported: {error.cause}", hint=anew())
    return bool(errors)
