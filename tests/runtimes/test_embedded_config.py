"""What an embedded Airflow is configured with."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from aws_airflow_tasks.runtimes import airflow_config
from aws_airflow_tasks.runtimes.airflow_config import Keys, Place

KEYS = Keys("pass-word", "fernet-key", "signing-key")


def place(tmp_path: Path, major: int = 3) -> Place:
    return Place(tmp_path / "project", tmp_path / "state", tmp_path / "venv", major)


def test_of_our_environment_only_what_is_needed_and_nothing_of_aws_passes(tmp_path: Path) -> None:
    ours = {
        "HOME": "/home/me",
        "TZ": "UTC",
        "AWS_PROFILE": "prod",
        "AWS_CA_BUNDLE": "x",
        "PYTHONPATH": "/evil",
        "X": "y",
    }
    made = airflow_config.environment(place(tmp_path), 8080, {}, ours)
    assert made["HOME"] == "/home/me"
    assert made["TZ"] == "UTC"
    assert made["PYTHONPATH"] == str(tmp_path / "project")
    assert not {name for name in made if name.startswith("AWS_")}
    assert "X" not in made


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy"])
def test_airflow_reaches_itself_without_the_persons_proxy(tmp_path: Path, name: str) -> None:
    made = airflow_config.environment(place(tmp_path), 8080, {}, {name: "http://proxy", "NO_PROXY": "corp.example"})
    assert made["NO_PROXY"] == "corp.example,127.0.0.1,localhost"
    assert made["no_proxy"] == made["NO_PROXY"]  # some programs read this one, some the other


def test_without_a_proxy_nothing_is_said_of_proxies(tmp_path: Path) -> None:
    made = airflow_config.environment(place(tmp_path), 8080, {}, {})
    assert not [name for name in made if "proxy" in name.lower()]


@pytest.mark.parametrize("major", [2, 3])
def test_dotenv_beats_a_good_choice_but_not_what_is_ours_to_say(tmp_path: Path, major: int) -> None:
    dotenv = {"AIRFLOW__CORE__LOAD_EXAMPLES": "True", "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"}
    made = airflow_config.environment(place(tmp_path, major), 8080, dotenv, {})
    assert made["AIRFLOW__CORE__LOAD_EXAMPLES"] == "True"
    assert made["AIRFLOW__CORE__EXECUTOR"] != "CeleryExecutor"
    assert airflow_config.as_asked(made)["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


@pytest.mark.parametrize("major", [2, 3])
def test_the_keys_are_in_the_file_and_not_in_the_environment(tmp_path: Path, major: int) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(airflow_config.airflow_cfg(place(tmp_path, major), KEYS))
    assert parser["core"]["fernet_key"] == KEYS.fernet
    assert parser["api" if major == 3 else "webserver"]["secret_key"] == KEYS.signing
    made = airflow_config.environment(place(tmp_path, major), 8080, {}, {})
    assert not [value for value in made.values() if value in (KEYS.password, KEYS.fernet, KEYS.signing)]


def test_keys_are_made_once_and_differ_from_project_to_project(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    made = airflow_config.keys(tmp_path / "one")
    assert airflow_config.keys(tmp_path / "one") == made
    assert airflow_config.keys(tmp_path / "other") != made
    assert len({made.password, made.fernet, made.signing}) == 3


def test_a_broken_key_file_gives_way_to_new_keys(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('{"password": "x"')
    assert len(airflow_config.keys(tmp_path).password) > 20


def test_a_path_with_percent_and_question_mark_is_written_as_airflow_3s_sqlalchemy_reads_it(tmp_path: Path) -> None:
    odd = Place(tmp_path, tmp_path / "100% sure?", tmp_path, 3)
    url = airflow_config.environment(odd, 8080, {}, {})["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert url == f"sqlite:///{tmp_path}/100%25 sure%3F/airflow-3/airflow.db"
