"""Where Airflow is, and how to log in there, as a person is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aws_airflow_tasks import report
from aws_airflow_tasks.steps import address
from aws_airflow_tasks.text.layout import Layout
from aws_airflow_tasks.world.airflow_api import Login

#: where a sandbox has it, below its project
SANDBOX = ".sandbox/home/.local/state/aws-airflow/airflow-3/airflow/passwords.json"


def site(password_file: str) -> Any:
    login = Login("http://127.0.0.1:8080", "admin", "secret", 3, password_file)
    return SimpleNamespace(running=("scheduler",), runtime=SimpleNamespace(login=lambda: login))


def test_the_password_file_is_one_unbroken_path_that_can_be_pasted_where_one_is_and_whole_in_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, line = address.told(site(str(tmp_path / SANDBOX)))
    assert found["airflow"]["password_file"] == str(tmp_path / SANDBOX)
    *_, last = report.last_lines(line, (), Layout(width=80)).split("\n")
    assert last.split() == [SANDBOX]
    assert len(last) <= 80
    assert report.last_lines(line, ()) == f"Airflow 3: http://127.0.0.1:8080   user admin, password in {SANDBOX}"


def test_a_password_file_elsewhere_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, line = address.told(site("/var/lib/x/passwords.json"))
    assert line.endswith("password in /var/lib/x/passwords.json")
