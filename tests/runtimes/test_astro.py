"""The Astro CLI's configuration, and what its failures mean."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes import astro
from aws_airflow_tasks.runtimes.said import death
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world.cli import Completed


def configured(folder: Path, text: str) -> Path:
    (folder / ".astro").mkdir(parents=True, exist_ok=True)
    (folder / ".astro" / "config.yaml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("project", "home", "expected"),
    [
        ("project:\n  name: mine\n", "", "docker"),
        ("dev:\n  mode: standalone\n", "", "standalone"),
        ("Dev:\n  Mode: standalone\n", "", "standalone"),
        ("\ufeffdev:\n  mode: standalone\n", "", "standalone"),
        ("project:\n  name: standalone\n", "", "docker"),
        ("dev:\n  mode: docker\n", "dev:\n  mode: standalone\n", "docker"),
        ("project:\n  name: mine\n", "dev:\n  mode: standalone\n", "standalone"),
        ("dev: standalone\n", "", "docker"),
        ("", "", "docker"),
    ],
)
def test_auto_is_the_mode_that_the_project_or_else_the_person_has_set(
    project: str, home: str, expected: str, tmp_path: Path, closed_world: Path
) -> None:
    configured(closed_world, home)
    settings = Settings(project=configured(tmp_path, project))
    assert runtimes.choose(settings, tmp_path).name == expected


def test_a_runtime_that_was_asked_for_is_taken_whatever_the_project_says(tmp_path: Path) -> None:
    project = configured(tmp_path, "dev:\n  mode: standalone\n")
    assert runtimes.choose(Settings(project=project, runtime="docker"), tmp_path).name == "docker"


def test_a_configuration_that_is_no_yaml_is_an_error_that_names_it(tmp_path: Path) -> None:
    project = configured(tmp_path, "dev: {mode: [standalone\n")
    with pytest.raises(TaskError, match=r"config\.yaml is not readable as YAML"):
        astro.is_standalone(project)


@pytest.mark.parametrize(
    ("text", "service", "port"),
    [
        ("", "postgres", 5432),
        ("", "webserver", 8080),
        ("api-server: {port: '8081'}", "api-server", 8081),
        ("webserver: {port: 8081}", "api-server", 8080),
    ],
)
def test_the_port_of_a_service_is_the_one_that_the_project_has_set(
    text: str, service: str, port: int, tmp_path: Path
) -> None:
    assert astro.port(configured(tmp_path, text), service) == port


def test_a_port_that_is_none_is_an_error_with_the_command_that_sets_another(tmp_path: Path) -> None:
    project = configured(tmp_path, "api-server: {port: eighty}")
    with pytest.raises(TaskError, match=r"api-server\.port .* is no port: eighty") as caught:
        astro.port(project, "api-server")
    assert caught.value.hint == "astro config set api-server.port 8080"


def test_what_is_to_be_typed_takes_the_byte_order_mark_from_airflow_cfg_and_nothing_else(tmp_path: Path) -> None:
    file, text = tmp_path / "my airflow.cfg", "[secrets]\nbackend = \ufeffa.B\n"
    log = f"configparser.MissingSectionHeaderError: File contains no section headers.\nfile: '{file}', line: 1\n"
    known = death(log)
    assert known
    assert f"Airflow cannot read {file}:" in known.cause
    for before in (text, f"\ufeff{text}"):
        file.write_text(before)
        file.chmod(0o640)
        subprocess.run(["sh", "-c", known.hint], check=True)
        assert (file.read_text(), file.stat().st_mode & 0o777) == (text, 0o640)
    assert [path.name for path in tmp_path.iterdir()] == ["my airflow.cfg"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "Error response from daemon: driver failed programming external connectivity on endpoint x-postgres-1 "
            "(1f): Bind for 127.0.0.1:5432 failed: port is already allocated",
            "`astro dev start` failed: port 5432 is taken by another program",
        ),
        (
            "Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
            "`astro dev start` failed: port 8080 is taken by another program",
        ),
        (
            "ports are not available: exposing port TCP 127.0.0.1:5432 -> 0.0.0.0:0: listen tcp",
            "`astro dev start` failed: port 5432 is taken by another program",
        ),
        (
            "Error response from daemon: failed to set up container networking: driver failed programming external "
            "connectivity on endpoint x-postgres-1 (1f): failed to bind host port 127.0.0.1:5432/tcp: address already "
            "in use",
            "`astro dev start` failed: port 5432 is taken by another program",
        ),
        (
            'service "webserver" has neither an image nor a build context specified: invalid compose project',
            "`astro dev start` failed: docker-compose.override.yml names the service webserver, which this version of "
            "Airflow does not have",
        ),
        (
            'invalid mount config for type "bind": bind source path does not exist: /home/me/.aws',
            "`astro dev start` failed: a directory to mount does not exist: /home/me/.aws",
        ),
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "`astro dev start` failed: no Docker engine answers",
        ),
        (
            "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if "
            "the daemon is running: dial unix /var/run/docker.sock: connect: no such file or directory",
            "`astro dev start` failed: no Docker engine answers",
        ),
        (
            "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock",
            "`astro dev start` failed: you have no permission on the Docker engine's socket",
        ),
        (
            "Error response from daemon: client version 1.43 is too old. Minimum supported API version is 1.44, please "
            "upgrade your client to a newer version",
            "`astro dev start` failed: what asks the Docker engine, such as the Astro CLI, is too old for it: API 1.44 "
            "is needed",
        ),
        (
            "Error response from daemon: client version 1.51 is too new. Maximum supported API version is 1.41",
            "`astro dev start` failed: the Docker engine is too old for what asks it, such as the Astro CLI: it knows "
            "API 1.41 at most",
        ),
        (
            "Step 2/2 : RUN pip install nothing-like-it\nERROR: No matching distribution found for nothing-like-it\n"
            "an error was encountered while building the image, see the build logs for details",
            "the image could not be built: ERROR: No matching distribution found for nothing-like-it",
        ),
        (
            "#8 [2/2] RUN uv pip install -r requirements.txt\n#8 1.204 \x1b[91merror: No solution found when resolving "
            "dependencies\n#8 1.204   cause: Because nothing-like-it was not found\n\x1b[0m------\n"
            'ERROR: failed to solve: process "/bin/sh -c uv pip install" did not complete successfully: exit code: 1\n'
            "Error: an error was encountered while building the image, see the build logs for details",
            "the image could not be built: #8 1.204   cause: Because nothing-like-it was not found",
        ),
        (
            "\x1b[91mIt is what it is\n\x1b[0mThe command '/bin/sh -c a program' returned a non-zero code: 1\n"
            "Error: an error was encountered while building the image, see the build logs for details",
            "the image could not be built: The command '/bin/sh -c a program' returned a non-zero code: 1",
        ),
        ("Error: something new\nusage: ...", "`astro dev start` failed: Error: something new"),
    ],
)
def test_a_failure_of_the_cli_is_told_as_its_cause_with_a_command(said: str, message: str) -> None:
    error = astro.explain("start", Completed(1, "", said), {})
    assert error.message == message
    assert error.hint


def test_what_the_cli_says_is_quoted_without_the_secrets_of_env() -> None:
    said = "Error: cannot reach postgresql://me:pw@db and hunter2hunter2 AKIAABCDEFGHIJKLMNOP"
    error = astro.explain("start", Completed(1, "", said), {"TOKEN": "hunter2hunter2"})
    assert "hunter2" not in error.message
    assert "me:pw" not in error.message
    assert "AKIA" not in error.message


MISSING = "the package apache-airflow-providers-amazon is not installed"
BACKEND = 'The object could not be loaded. Please check "backend" key in "secrets" section'


@pytest.mark.parametrize(
    ("log", "message", "hint"),
    [
        ("ModuleNotFoundError: No module named 'airflow.providers.amazon'\nbye", MISSING, "invoke provider start"),
        ("ModuleNotFoundError: No module named 'airflow.providers.amazon.aws'", MISSING, "invoke provider start"),
        (f"AirflowConfigException: {BACKEND}", MISSING, "invoke provider start"),
        (f'{BACKEND}. Current value: "airflow.providers.amazon.aws.secrets.X".', MISSING, "invoke provider start"),
        (f'{BACKEND}. Current value: "***".', MISSING, "invoke provider start"),
        (f'{BACKEND}. Current value: "my.Backend".', "AIRFLOW__SECRETS__BACKEND", "grep -n AIRFLOW__SECRETS__BACKEND"),
    ],
)
def test_an_airflow_that_cannot_load_its_backend_is_told_by_its_log(log: str, message: str, hint: str) -> None:
    found = astro.ended("Airflow ended", f"Traceback (most recent call last):\n{log}\n", {}, "less log")
    assert found.message.startswith("Airflow ended: Airflow cannot load")
    assert message in found.message
    assert found.hint.startswith(hint)


@pytest.mark.parametrize(
    ("how", "log", "message", "hint"),
    [
        ("ended", "OSError: [Errno 28] No space left on device", "the disk is full", "df -h"),
        ("ended", "sqlite3.OperationalError: database is locked", "database is locked", "invoke stop && invoke start"),
        ("exited with code 137", "INFO - working", "a process was killed", "docker info"),
    ],
)
def test_an_airflow_that_did_not_come_up_is_told_by_the_table_that_tells_a_log(
    how: str, log: str, message: str, hint: str
) -> None:
    found = astro.ended(how, log, {}, "less log")
    assert message in found.message
    assert found.hint.startswith(hint)
    done = Completed(1, "", f"Error: {log}" if how == "ended" else f"scheduler {how}")
    assert astro.explain("start", done, {}).hint.startswith(hint)


@pytest.mark.parametrize("log", ["a DAG's own VARIABLE_NOT_FOUND: x", "PermissionError: /x/.aws/config"])
def test_what_airflow_lives_on_with_is_no_reason_why_it_ended(log: str) -> None:
    assert astro.ended("Airflow ended", log, {}, "less log").hint == "less log"


@pytest.mark.parametrize("log", ["", "No module named 'airflow.providers.google'", "KeyError: 'backend'"])
def test_what_we_do_not_know_is_not_explained(log: str) -> None:
    found = astro.ended("Airflow ended", f"{log} hunter2hunter2\n", {"TOKEN": "hunter2hunter2"}, "less log")
    assert found.message == f"Airflow ended; the last it wrote:\n    {f'{log} ***'.strip()}"
    assert found.hint == "less log"
