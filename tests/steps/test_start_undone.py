"""What undo makes of a start: stopped and removed if it was ours, started again as it was if it ran before us."""

from __future__ import annotations

from pathlib import Path

import pytest

from aws_airflow_tasks import runtimes, undo
from aws_airflow_tasks.core import Change
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import start
from aws_airflow_tasks.steps.start import Started
from aws_airflow_tasks.world import receipts
from tests.steps.test_start import ENV, Airflow, airflow, here, settings, state

__all__ = ["airflow", "settings", "state"]


def started(state: Path, *, running: bool, made: bool) -> None:
    """Our first start: whether Airflow ran before it, and whether it made the containers."""
    receipts.record(state, Started("docker", running, made))


def airflow_changes(settings: Settings, state: Path) -> list[Change]:
    plans = undo.plans(here(settings, state)).values()
    return [change for plan in plans for change in plan().needed if change.target == "Airflow"]


@pytest.fixture
def running(airflow: Airflow) -> Airflow:
    airflow.start(ENV, restart=False, wait=1)
    airflow.starts.clear()
    return airflow


def test_what_ran_before_us_is_started_again_after_its_files_are_back(
    running: Airflow, settings: Settings, state: Path
) -> None:
    started(state, running=True, made=False)
    (change,) = airflow_changes(settings, state)
    assert change.action == "restart"
    change.apply()
    assert running.starts == [True]


def test_what_had_run_before_us_and_was_stopped_since_stays_stopped(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    started(state, running=True, made=False)
    assert airflow_changes(settings, state) == []


def test_what_we_started_from_containers_that_were_there_is_stopped_and_no_more(
    running: Airflow, settings: Settings, state: Path
) -> None:
    started(state, running=False, made=False)
    (change,) = airflow_changes(settings, state)
    assert change.action == "stop"
    change.apply()
    assert (running.running(), running.discarded) == ((), False)


def test_what_we_made_is_removed_and_its_data_is_named(running: Airflow, settings: Settings, state: Path) -> None:
    started(state, running=False, made=True)
    (change,) = airflow_changes(settings, state)
    assert change.action == "remove"
    assert "docker volume ls" in undo.plans(here(settings, state))["Airflow"]().warnings[0]
    change.apply()
    assert (running.running(), running.discarded) == ((), True)


def test_containers_of_ours_that_were_stopped_since_are_removed_all_the_same(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    started(state, running=False, made=True)
    airflow.containers = ("scheduler",)
    (change,) = airflow_changes(settings, state)
    assert (change.action, change.before) == ("remove", "its containers\n")
    change.apply()
    assert airflow.discarded
    assert airflow_changes(settings, state) == []


def test_containers_that_were_there_before_us_stay(airflow: Airflow, settings: Settings, state: Path) -> None:
    started(state, running=False, made=False)
    airflow.containers = ("scheduler",)
    assert airflow_changes(settings, state) == []


def test_what_ran_before_us_is_started_again_once_with_the_patience_that_is_set(
    running: Airflow, settings: Settings, state: Path
) -> None:
    started(state, running=True, made=False)
    again = undo.plans(here(settings, state))["Airflow, started again"]
    (change,) = again().needed
    change.apply()
    assert again().needed == ()
    assert (running.starts, running.patience[-1:]) == ([True], [settings.wait])


@pytest.fixture
def both(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> dict[str, Airflow]:
    """Airflow in containers and embedded, and both run."""
    found = {"docker": airflow, "embedded": Airflow(name="embedded", kept="")}
    monkeypatch.setattr(runtimes, "choose", lambda settings, state: found[settings.runtime])
    for each in found.values():
        each.start(ENV, restart=False, wait=1)
        each.starts.clear()
    return found


def test_a_runtime_without_a_receipt_is_known_by_what_it_left_and_is_stopped_too(
    both: dict[str, Airflow], settings: Settings, state: Path
) -> None:
    """Version 0.1.0 wrote a receipt for the first runtime only."""
    (state / "airflow").mkdir()
    started(state, running=False, made=True)
    receipts.record(state, Started("standalone", running=False))
    docker, standalone, embedded = start.undo(here(settings, state))
    assert [(target.name, target.receipts, target.needs) for target in (docker, standalone, embedded)] == [
        ("Airflow (docker)", (1,), ("aws", "runtime.json")),
        ("Airflow (standalone)", (2,), ("aws",)),
        ("Airflow (embedded)", (), ("aws", "airflow")),
    ]
    assert (docker.plan().needed[0].action, docker.plan().warnings) == ("remove", ("docker volume ls",))
    assert (embedded.plan().needed[0].action, embedded.plan().warnings) == ("stop", ())
    embedded.plan().needed[0].apply()
    assert both["docker"].running()
    assert not both["embedded"].running()


def test_each_runtime_that_ran_before_us_is_started_again(
    both: dict[str, Airflow], settings: Settings, state: Path
) -> None:
    for name in both:
        receipts.record(state, Started(name, running=True))
    docker, embedded = start.undo_restart(here(settings, state))
    assert docker.name == "Airflow (docker), started again"
    embedded.plan().needed[0].apply()
    assert (both["docker"].starts, both["embedded"].starts) == ([], [True])


def test_what_undo_says_of_airflow_is_what_runs_and_what_will(
    running: Airflow, settings: Settings, state: Path
) -> None:
    started(state, running=False, made=True)
    (target,) = start.undo(here(settings, state))
    planned = target.plan()
    (change,) = planned.needed
    assert (target.name, planned.target, planned.warnings) == ("Airflow", "Airflow", ("docker volume ls",))
    assert (change.before, change.after) == ("scheduler: running\ntriggerer: running\n", None)
    (again,) = start.undo_restart(here(settings, state))
    assert (again.plan().needed, again.plan().target) == ((), "Airflow")


def test_what_ran_before_us_is_not_stopped_and_starts_again_though_it_was_ours_to_make(
    running: Airflow, settings: Settings, state: Path
) -> None:
    started(state, running=True, made=True)
    (target,) = start.undo(here(settings, state))
    assert target.plan().needed == ()
    (again,) = start.undo_restart(here(settings, state))
    planned = again.plan()
    (change,) = planned.needed
    assert (again.name, planned.target, change.target, change.action) == (
        "Airflow, started again",
        "Airflow",
        "Airflow",
        "restart",
    )
    assert change.before == "running with our mount and environment\n"
    assert change.after == "running with the files from before\n"
