"""Airflow that runs and does not work is told by the line of its services' logs that tells, with what mends that."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes.protocol import Ailing
from aws_airflow_tasks.steps import unwell
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import cli
from aws_airflow_tasks.world.cli import Completed
from tests.typed import hold

ERROR = TaskError("Airflow's API answered 500 to GET /x: Internal Server Error", hint="astro dev logs")
SQLITE = "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) {}"
BACKGROUND = "(Background on this error at: https://sqlalche.me/e/20/e3q8)"
DATABASE = Path("/home/my own/airflow.db")


@pytest.fixture(autouse=True)
def shown(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """By service what the command that shows its log shows."""
    logs = dict[str, str]()

    def run(argv: list[str], *, cwd: Path, timeout: float) -> Completed:
        (name,) = argv[1:]
        return Completed(0, logs[name], "")

    monkeypatch.setattr(cli, "run", run)
    return logs


def site(shown: dict[str, str], logs: dict[str, str], database: Path | None) -> Any:
    shown.update(logs)

    def show(services: list[str], *, follow: bool) -> list[str]:
        assert not follow
        return ["show", *services]

    runtime = SimpleNamespace(services=lambda: tuple(logs), logs=show, database=lambda: database, ailing=tuple)
    return SimpleNamespace(runtime=runtime, project=Path.cwd())


@pytest.mark.parametrize(
    ("line", "cause", "contained", "on_host"),
    [
        (
            "sqlite3.DatabaseError: database disk image is malformed",
            "database is corrupt",
            "astro dev kill && invoke start",
            "invoke stop && rm '/home/my own/airflow.db' && invoke start",
        ),
        ("DatabaseError: file is not a database", "database is corrupt", "astro dev kill", "invoke stop && rm "),
        (SQLITE.format("database is locked"), "database is locked", "invoke stop && invoke start", "invoke stop && "),
        (SQLITE.format("database or disk is full"), "the disk is full", "df -h && docker", "df -h '/home/my own'"),
        ("OSError: [Errno 28] No space left on device: '/x'", "the disk is full", "df -h && docker", "df -h '/home/my"),
        ("FATAL: sorry, too many clients already", "takes no further connection", "invoke stop && ", "invoke stop && "),
    ],
)
@pytest.mark.parametrize("where", ["contained", "on_host"])
def test_the_line_that_tells_is_told_with_what_mends_it_where_airflow_is(
    line: str, cause: str, contained: str, on_host: str, where: str, shown: dict[str, str]
) -> None:
    logs = {"api-server": "INFO - all is well", "scheduler": f"INFO - x\n{line}\n{BACKGROUND}\nINFO - y"}
    told = unwell.told(site(shown, logs, DATABASE if where == "on_host" else None), ERROR)
    assert told.message.startswith(f"{ERROR.message}: ")
    assert f"{cause} (scheduler: {line})" in told.message
    assert told.hint.startswith(on_host if where == "on_host" else contained)
    hold(told.hint)


def test_who_else_has_a_database_of_this_host_locked_is_told_by_a_command(shown: dict[str, str]) -> None:
    told = unwell.told(site(shown, {"scheduler": SQLITE.format("database is locked")}, DATABASE), ERROR)
    assert "\nfuser '/home/my own/airflow.db'   # if it is so again" in told.hint
    hold(told.hint)


def test_where_no_log_tells_what_is_known_stays(shown: dict[str, str]) -> None:
    assert unwell.told(site(shown, {"scheduler": "INFO - all is well"}, None), ERROR) is ERROR


def test_where_no_log_can_be_shown_what_is_known_stays(shown: dict[str, str]) -> None:
    found = site(shown, {"scheduler": "database is locked"}, None)

    def nothing(*_: object, **__: object) -> list[str]:
        raise TaskError("there is no log")

    found.runtime.logs = nothing
    assert unwell.told(found, ERROR) is ERROR


def test_only_the_services_that_are_not_well_are_asked(shown: dict[str, str]) -> None:
    logs = {"scheduler": "database is locked", "triggerer": "INFO"}
    assert unwell.told(site(shown, logs, None), ERROR, ["triggerer"]) is ERROR


def test_an_error_that_quotes_the_line_itself_needs_no_log(shown: dict[str, str]) -> None:
    error = TaskError(f"Airflow's scheduler ended by itself: {SQLITE.format('database is locked')}", hint="less x")
    told = unwell.by_its_words(site(shown, {}, None), error)
    assert told.message == f"Airflow's database is locked: {error.message}"
    assert told.hint == "invoke stop && invoke start"
    assert unwell.by_its_words(site(shown, {}, None), ERROR) is ERROR


def test_what_its_container_tells_needs_no_log_and_what_ended_by_itself_is_told_by_that_first(
    shown: dict[str, str],
) -> None:
    found = site(shown, {"scheduler": "database is locked", "triggerer": "INFO"}, None)
    found.runtime.ailing = lambda: (
        Ailing("postgres", "its container is paused"),
        Ailing("scheduler", "it ended", True),
    )
    assert (
        unwell.told(found, ERROR).message == f"{ERROR.message}; postgres: its container is paused; scheduler: it ended"
    )
    found.runtime.ailing = lambda: (Ailing("scheduler", "its container ended with exit code 1", by_itself=True),)
    assert "Airflow's database is locked" in unwell.told(found, ERROR).message
    told = unwell.told(found, ERROR, ["triggerer"])
    assert (told.message, told.hint) == (
        f"{ERROR.message}; scheduler: its container ended with exit code 1",
        ERROR.hint,
    )


def test_a_backend_that_cannot_be_loaded_is_told_where_services_are_not_well(shown: dict[str, str]) -> None:
    line = "ModuleNotFoundError: No module named 'airflow.providers.amazon'"
    told = unwell.told(site(shown, {"scheduler": line}, None), ERROR)
    assert "the package apache-airflow-providers-amazon is not installed" in told.message
    assert told.hint == "invoke provider start"


def test_a_password_in_the_line_is_not_repeated(shown: dict[str, str]) -> None:
    line = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql://airflow:canary-pw@db/x FATAL: too many clients already"
    assert "canary-pw" not in unwell.told(site(shown, {"scheduler": line}, None), ERROR).message


def test_the_line_that_names_an_error_is_not_the_one_with_its_manual() -> None:
    said = f"{SQLITE.format('database is locked')}\n[SQL: SELECT 1]\n{BACKGROUND}"
    assert telling(said) == SQLITE.format("database is locked")
