"""What undo makes of a start: stopped and removed if it was ours, started again as it was if it ran before us."""

from __future__ import annotations

from pathlib import Path

import pytest

from aws_airflow_tasks import undo
from aws_airflow_tasks.core import Change
from aws_airflow_tasks.settings import Settings
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
