"""Whole command lines against a real AWS stand-in (moto server over HTTP); only Airflow itself is a stand-in."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.world import cli, staging, state
from tests.project import Done, StandInAirflow, airflow, astro_project, aws_itself, embedded, run, tree
from tests.world.server import Embedded, serving
from tests.world.sso_server import assumed, role

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "run"]

Run = Callable[..., Done]
VARIABLE, CONNECTION = "airflow/variables/aws_airflow_check", "airflow/connections/aws_airflow_check"


@pytest.fixture
def secrets(embedded: Embedded, astro_project: Path) -> Iterator[Any]:
    """Secrets Manager itself, empty before and after."""
    client = boto3.Session().client("secretsmanager", endpoint_url=embedded.url)
    yield client
    for entry in client.list_secrets()["SecretList"]:
        client.delete_secret(SecretId=entry["ARN"], ForceDeleteWithoutRecovery=True)


@pytest.fixture
def project(astro_project: Path, airflow: StandInAirflow, secrets: Any) -> Path:
    return astro_project


def names(secrets: Any) -> set[str]:
    return {entry["Name"] for entry in secrets.list_secrets()["SecretList"]}


def test_check_shows_every_diff_writes_nothing_anywhere_and_exits_3(
    project: Path, closed_world: Path, secrets: Any, run: Run
) -> None:
    before = tree(project, closed_world)
    done = run("setup", "--check", "--diff")
    assert done.code == 3
    assert "+AWS_PROFILE=default" in done.out
    assert "+++ b/dags/example_secrets_dag.py" in done.out
    assert tree(project, closed_world) == before
    assert names(secrets) == set()


def test_what_is_to_be_typed_in_the_project_mends_in_a_directory_of_it_too(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "dags").mkdir(exist_ok=True)
    (project / "dags" / "example_secrets_dag.py").write_text("mine = 1\n")
    monkeypatch.chdir(project / "dags")
    failed = run("dag", "--json")
    hint = str(failed.document["steps"][-1]["error"]["hint"])
    subprocess.run(["sh", "-c", hint], check=True)
    assert (project / "dags" / "mine.py").read_text() == "mine = 1\n"
    assert run("dag").code == 0
    (project / "Dockerfile").write_text("FROM scratch\n")
    told = next(check for check in run("doctor", "--json").document["checks"] if check["check"] == "image")
    assert subprocess.run(["sh", "-c", told["hint"]], check=True, capture_output=True).stdout == b"1:FROM scratch\n"


def test_setup_converges_and_a_second_run_changes_nothing(project: Path, airflow: StandInAirflow, run: Run) -> None:
    first = run("setup", "--json")
    assert (first.code, first.statuses()) == (
        0,
        {
            "creds": "ok",
            "init": "ok",
            "mount": "skipped",
            "env": "changed",
            "secrets": "changed",
            "provider": "skipped",
            "dag": "changed",
            "start": "changed",
        },
    )
    second = run("setup", "--json")
    assert second.document["recap"] == {"ok": 6, "changed": 0, "skipped": 2, "failed": 0, "warnings": 0}
    assert run("setup", "--check").code == 0
    assert airflow.started == ["start"]


def test_status_says_what_each_step_would_do_and_changes_nothing(project: Path, closed_world: Path, run: Run) -> None:
    before = tree(project, closed_world)
    done = run("status")
    assert done.code == 0
    assert [line.split()[:2] for line in done.out.splitlines()[:4]] == [
        ["ok", "creds"],
        ["ok", "init"],
        ["n/a", "mount"],
        ["changed", "env"],
    ]
    assert tree(project, closed_world) == before


def test_check_and_dry_hold_for_what_stands_beside_status(project: Path, closed_world: Path, run: Run) -> None:
    assert run("setup").code == 0
    before = tree(project, closed_world)
    for line in (["status", "undo", "--check"], ["--dry", "status", "undo"], ["undo", "--check", "status"]):
        assert run(*line).code == 3, line
    assert run("status", "undo", "--check", "--json").document["check"] is True
    assert tree(project, closed_world) == before


def test_a_task_beside_status_runs_whether_before_or_after_it(project: Path, run: Run) -> None:
    for line in (["status", "dag"], ["dag", "status"], ["status", "setup"]):
        assert run(*line).code == 0, line
        assert (project / "dags" / "example_secrets_dag.py").is_file(), line
        assert run("undo").code == 0


def test_what_failed_in_a_preview_is_tried_all_the_same(project: Path, run: Run) -> None:
    (project / "dags" / "example_secrets_dag.py").write_text("mine = 1\n")
    done = run("status", "dag", "--override", "--json")
    assert [(step["step"], step["status"]) for step in done.document["steps"] if step["step"] == "dag"] == [
        ("dag", "changed"),
        ("dag", "changed"),
    ]
    assert run("undo").code == 0


def test_undo_gives_every_byte_back_and_deletes_what_we_created(
    project: Path, closed_world: Path, airflow: StandInAirflow, secrets: Any, run: Run
) -> None:
    (project / ".env").write_bytes(b"# mine\r\nA=1\r\n")
    secrets.create_secret(Name="airflow/variables/theirs", SecretString="x")
    before = tree(project)
    assert run("setup").code == 0
    assert names(secrets) == {VARIABLE, CONNECTION, "airflow/variables/theirs"}
    assert run("undo", "--check", "--diff").code == 3
    assert run("undo").code == 0
    assert tree(project) == before
    assert names(secrets) == {"airflow/variables/theirs"}
    assert airflow.environment is None
    assert not list((closed_world / ".local" / "state" / "aws-airflow").glob("*/"))
    again = run("undo", "--json")
    assert again.document["recap"]["changed"] == 0


def test_undo_before_anything_was_done_changes_nothing(project: Path, closed_world: Path, run: Run) -> None:
    before = tree(project, closed_world)
    assert run("undo").code == 0
    assert tree(project, closed_world) == before


def test_undo_works_in_a_project_that_was_renamed(
    project: Path, secrets: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "dags" / ".airflowignore").unlink()
    (project / "dags").rmdir()
    assert run("setup").code == 0
    renamed = project.rename(project.with_name("renamed"))
    monkeypatch.chdir(renamed)
    assert run("undo").code == 0
    assert names(secrets) == set()
    assert (renamed / ".env").read_bytes() == b""
    assert not (renamed / "dags").exists()
    assert state.orphans() == []


def test_undo_names_what_is_left_of_projects_that_are_gone(
    project: Path, secrets: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("setup").code == 0
    folder = state.locate(project)
    other = project.parent / "other" / project.name
    shutil.copytree(project, other)
    monkeypatch.chdir(other)
    shutil.rmtree(project)
    done = run("undo", "--json")
    assert (done.code, done.document["steps"][0]["status"]) == (0, "ok")
    (warning,) = done.document["steps"][0]["warnings"]
    assert f"{project} is gone or its disk is not mounted" in warning
    assert warning.endswith(f"rm -r {folder}")
    assert names(secrets) == {VARIABLE, CONNECTION}


def test_undo_leaves_what_was_there_before_us_and_what_another_project_made(
    project: Path, secrets: Any, run: Run
) -> None:
    tags = [{"Key": "aws-airflow-tasks", "Value": "another-project"}]
    secrets.create_secret(Name=VARIABLE, SecretString="theirs", Tags=tags)
    assert run("secrets").code == 0
    assert run("undo").code == 0
    assert names(secrets) == {VARIABLE}


def test_undo_takes_out_our_lines_from_a_file_that_was_edited_since(project: Path, run: Run) -> None:
    run("env")
    edited = b"MINE=1\n" + (project / ".env").read_bytes() + b"MORE=2\n"
    (project / ".env").write_bytes(edited)
    assert run("undo").code == 0
    assert (project / ".env").read_bytes() == b"MINE=1\nMORE=2\n"


def test_an_entry_without_our_tag_is_a_conflict_and_is_not_touched(project: Path, secrets: Any, run: Run) -> None:
    secrets.create_secret(Name=VARIABLE, SecretString="theirs")
    done = run("setup", "--json")
    assert done.code == 1
    assert done.statuses() | {"secrets": "failed", "start": "changed"} == done.statuses()
    assert secrets.get_secret_value(SecretId=VARIABLE)["SecretString"] == "theirs"


def test_an_entry_that_is_being_deleted_is_said_with_the_command_that_restores_it(
    project: Path, secrets: Any, run: Run
) -> None:
    assert run("secrets").code == 0
    secrets.delete_secret(SecretId=VARIABLE, RecoveryWindowInDays=7)
    done = run("secrets")
    assert (done.code, f"aws secretsmanager restore-secret --secret-id {VARIABLE}" in done.out) == (1, True)
    secrets.restore_secret(SecretId=VARIABLE)
    assert run("secrets").code == 0


def test_without_a_region_the_command_that_sets_one_is_said(project: Path, closed_world: Path, run: Run) -> None:
    (closed_world / ".aws" / "config").write_text("[default]\n")
    done = run("secrets")
    assert (done.code, "aws configure set region" in done.out) == (1, True)


def test_without_a_backend_nothing_is_made_in_aws_and_env_names_none(
    project: Path, secrets: Any, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "none")
    assert run("setup", "--json").statuses()["secrets"] == "skipped"
    assert names(secrets) == set()
    assert "AIRFLOW__SECRETS" not in (project / ".env").read_text()


def test_the_value_carries_a_nonce_of_its_own_each_time(project: Path, secrets: Any, run: Run) -> None:
    values = []
    for _ in range(2):
        run("secrets")
        values.append(secrets.get_secret_value(SecretId=VARIABLE)["SecretString"])
        run("undo")
    assert values[0] != values[1]


@contextlib.contextmanager
def denying(url: str, action: str) -> Iterator[str]:
    """AWS that refuses one action and answers all others."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("X-Amz-Target", "").endswith(f".{action}"):
                said = f"User: me is not authorized to perform: secretsmanager:{action} on resource: x"
                self._answer(400, json.dumps({"__type": "AccessDeniedException", "Message": said}).encode())
                return
            headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Content-Length")}
            try:
                with urllib.request.urlopen(urllib.request.Request(url + self.path, body, headers)) as answer:
                    self._answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    self._answer(error.code, error.read())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output its own."""

    with serving(Handler) as proxy:
        yield proxy


def test_a_denied_create_names_the_iam_action_and_the_other_steps_go_on(
    project: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    with denying(embedded.url, "CreateSecret") as proxy:
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", proxy)
        done = run("setup", "--json")
    assert done.code == 1
    failed = next(step for step in done.document["steps"] if step["step"] == "secrets")
    assert "secretsmanager:CreateSecret" in failed["error"]["message"]
    assert done.statuses()["start"] == "changed"


def test_someone_elses_value_is_a_conflict_with_both_named_and_override_replaces_it_until_undone(
    project: Path, run: Run
) -> None:
    (project / ".env").write_text("AWS_PROFILE=work  # mine\n")
    done = run("env", "--yes")
    assert done.code == 1
    assert "work" in done.out
    assert (project / ".env").read_text() == "AWS_PROFILE=work  # mine\n"
    assert run("env", "--override").code == 0
    assert "AWS_PROFILE=default" in (project / ".env").read_text()
    assert run("undo").code == 0
    assert (project / ".env").read_text() == "AWS_PROFILE=work  # mine\n"


def test_backend_arguments_that_say_the_same_and_more_are_fine_but_not_a_role(project: Path, run: Run) -> None:
    run("env")
    text = (project / ".env").read_text()
    more = text.replace('"region_name"', '"connections_lookup_pattern": "^aws_", "region_name"')
    (project / ".env").write_text(more)
    assert run("env").code == 0
    assert (project / ".env").read_text() == more
    (project / ".env").write_text(text.replace('"region_name"', '"role_arn": "arn:aws:iam::1:role/x", "region_name"'))
    assert run("env", "--check").code == 1


def test_an_edited_example_dag_is_the_persons_own(project: Path, run: Run) -> None:
    run("dag")
    file = project / "dags" / "example_secrets_dag.py"
    file.write_text(file.read_text() + "# mine\n")
    assert run("dag", "--json").statuses()["dag"] == "ok"
    assert file.read_text().endswith("# mine\n")


def test_another_file_of_the_example_dags_name_is_a_conflict(project: Path, run: Run) -> None:
    file = project / "dags" / "example_secrets_dag.py"
    file.write_text("# something else\n")
    assert run("dag").code == 1
    assert file.read_text() == "# something else\n"


def test_a_changed_env_file_restarts_airflow_and_names_what_differs(
    project: Path, airflow: StandInAirflow, run: Run
) -> None:
    run("setup")
    (project / ".env").write_text((project / ".env").read_text() + "MINE=canary-value\n")
    done = run("start")
    assert airflow.started == ["start", "restart"]
    assert "Airflow: restarted (MINE not as in .env), 4 services healthy" in done.out
    assert "canary-value" not in done.out + done.err


BAD_INPUT: dict[str, tuple[dict[str, str], dict[str, str], tuple[str, ...], int, str]] = {
    "a setting that is no number": ({}, {"INVOKE_AWS_AIRFLOW_WAIT": "soon"}, ("setup",), 2, "whole number"),
    "an unknown setting": ({}, {"INVOKE_AWS_AIRFLOW_PROFIL": "x"}, ("setup",), 2, "INVOKE_AWS_AIRFLOW_PROFILE"),
    "an unknown setting in invoke.yaml": ({"invoke.yaml": "aws_airflow: {profil: x}"}, {}, ("setup",), 2, "profil"),
    "a section that is no mapping": ({"invoke.yaml": "aws_airflow: [1]"}, {}, ("setup",), 2, "aws_airflow"),
    "invoke.yaml that is no YAML": ({"invoke.yaml": "a: [\n"}, {}, ("setup",), 2, "invoke.yaml"),
    "a profile that is not there": ({}, {}, ("setup", "--profile", "nobody"), 1, "no profile nobody"),
    "a profile that is no name": ({}, {}, ("setup", "--profile", "a'b"), 2, "profile"),
    "a runtime that is none": ({}, {}, ("setup", "--runtime", "podman"), 2, "docker"),
    "an endpoint where nobody is": (
        {},
        {"INVOKE_AWS_AIRFLOW_ENDPOINT_URL": "http://127.0.0.1:9"},
        ("secrets",),
        1,
        ":9",
    ),
    "an env file that is no text": ({".env": "\0\1"}, {}, ("env",), 1, ".env"),
    "an env file of another value": ({".env": "AWS_PROFILE=x\n"}, {}, ("env",), 1, "-> invoke env --override"),
    "a sandbox of no version": ({}, {}, ("sandbox", "--airflow", "4"), 2, "--airflow 3"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_a_cause_and_a_hint_and_touches_nothing(
    case: str, project: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    contents, variables, argv, code, said = BAD_INPUT[case]
    for name, text in contents.items():
        (project / name).write_text(text)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = tree(project)
    done = run(*argv)
    assert (done.code, said in done.out + done.err) == (code, True), done
    assert "-> " in done.out + done.err
    if argv[0] != "setup" or code == 2:
        assert tree(project) == before


def test_a_collections_default_task_goes_by_the_name_that_was_typed(run: Run) -> None:
    assert json.loads(run("sandbox", "--airflow", "4", "--json").out)["task"] == "sandbox"


def test_without_a_project_and_without_astro_the_hint_says_how_to_install_it(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(empty)
    done = run("init")
    assert done.code == 1
    assert "`astro` is not installed" in done.out
    assert "-> " in done.out
    assert not list(empty.iterdir())


def test_the_home_directory_is_never_made_a_project(
    project: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(closed_world)
    done = run("init", "--yes")
    assert done.code == 1
    assert "no place for an Astro project" in done.out
    assert [path.name for path in closed_world.iterdir()] == [".aws"]


def test_aws_that_cannot_be_reached_is_a_warning_and_file_steps_go_on(
    project: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", "http://127.0.0.1:9")
    done = run("setup", "--json")
    assert done.statuses() | {"creds": "ok", "env": "changed", "dag": "changed", "secrets": "failed"} == done.statuses()
    assert done.document["steps"][0]["warnings"]


def test_no_key_appears_in_anything_that_is_printed_or_kept(
    project: Path, closed_world: Path, embedded: Embedded, run: Run
) -> None:
    secret = (closed_world / ".aws" / "credentials").read_text().split("aws_secret_access_key = ")[1].strip()
    (project / ".env").write_text("MY_TOKEN=canary-token\n")
    said = ""
    for argv in (
        ["setup", "--check", "--diff"],
        ["setup", "--diff"],
        ["setup", "--json"],
        ["undo", "--check", "--diff"],
    ):
        done = run(*argv)
        said += done.out + done.err
    for path in (closed_world / ".local").rglob("*"):
        said += path.read_text(errors="replace") if path.is_file() else ""
    assert secret not in said
    assert "canary-token" not in said


@pytest.fixture
def in_docker(project: Path, airflow: StandInAirflow, aws_itself: Embedded, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same project with Airflow in containers: a mount, and a copy of the one profile."""
    airflow.mounts, airflow.name = True, "docker"
    airflow.source = str(state.locate(project) / "aws")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_RUNTIME", "docker")
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
    return project


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("services: [\n", "docker-compose.override.yml: line 2"),
        ("services: {scheduler: {volumes: ['/x:/home/astro/.aws']}}\n", "-> invoke mount --override"),
    ],
    ids=["no YAML", "another mount at our target"],
)
def test_an_override_that_cannot_be_patched_is_said_with_what_to_do_and_left_alone(
    override: str, said: str, in_docker: Path, run: Run
) -> None:
    (in_docker / "docker-compose.override.yml").write_text(override)
    before = tree(in_docker)
    done = run("mount")
    assert (done.code, said in done.out) == (1, True), done
    assert tree(in_docker) == before


def test_in_docker_every_service_carries_the_staged_copy_read_only(in_docker: Path, secrets: Any, run: Run) -> None:
    mine = "# mine\nservices:\n  scheduler:\n      image: x   # odd\n"
    (in_docker / "docker-compose.override.yml").write_text(mine)
    before = tree(in_docker)
    assert run("setup").code == 0
    text = (in_docker / "docker-compose.override.yml").read_text()
    assert text.startswith(mine)
    assert text.count("read_only: true") == 4
    assert "AWS_CONFIG_FILE=/home/astro/.aws/config\n" in (in_docker / ".env").read_text()
    assert (in_docker / "requirements.txt").read_text() == "apache-airflow-providers-amazon\n"
    assert run("setup", "--json").document["recap"]["changed"] == 0
    assert run("undo").code == 0
    assert tree(in_docker) == before
    assert names(secrets) == set()


def test_in_docker_with_a_copy_no_profile_is_named_and_a_line_of_ours_from_before_goes(
    in_docker: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`astro dev pytest` and `parse` have no mount: a client of a named profile cannot be made there."""
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", "live")
    run("env")
    assert "AWS_PROFILE=default\n" in (in_docker / ".env").read_text()
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", "auto")
    assert run("env").code == 0
    assert "AWS_PROFILE" not in (in_docker / ".env").read_text()
    assert run("env", "--json").document["recap"]["changed"] == 0
    assert run("undo").code == 0
    assert (in_docker / ".env").read_text() == ""


@pytest.mark.parametrize("line", ["AWS_PROFILE=\nAWS_DEFAULT_REGION=\n", "AWS_PROFILE=''\n", 'AWS_PROFILE=""\n'])
def test_in_docker_empty_placeholders_are_filled_or_taken_out_and_come_back(
    line: str, in_docker: Path, run: Run
) -> None:
    (in_docker / ".env").write_text(f"{line}TEAM=data\n")
    assert run("env").code == 0
    found = dotenv.read((in_docker / ".env").read_bytes(), "compose")
    assert ("AWS_PROFILE" in found, found["AWS_DEFAULT_REGION"]) == (False, "eu-west-1")
    assert run("undo").code == 0
    assert (in_docker / ".env").read_text() == f"{line}TEAM=data\n"


@pytest.mark.parametrize(
    ("line", "code"), [("AWS_PROFILE=default\n", 0), ("AWS_PROFILE=work\n", 1), ("AWS_PROFILE\n", 1)]
)
def test_in_docker_a_profile_of_the_persons_own_line_is_one_that_is_staged_or_a_conflict(
    line: str, code: int, in_docker: Path, run: Run
) -> None:
    (in_docker / ".env").write_text(line)
    done = run("env")
    assert (done.code, "wanted no such line" in done.out) == (code, code == 1)
    assert (in_docker / ".env").read_text().startswith(line)
    assert run("env", "--override").code == 0
    assert ("AWS_PROFILE" in (in_docker / ".env").read_text()) == (code == 0)
    assert run("undo").code == 0
    assert (in_docker / ".env").read_text() == line


def test_in_docker_a_project_made_in_the_same_run_is_mounted_by_the_name_that_init_chose(
    in_docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """The CLI makes ``p-2`` of ``p2``; the lock and what was staged before go along."""
    made = tmp_path / "p2"
    made.mkdir()
    monkeypatch.chdir(made)

    def astro(argv: Sequence[str], **_: Any) -> cli.Completed:
        shutil.copytree(in_docker, made, dirs_exist_ok=True)
        (made / ".astro" / "config.yaml").write_text("project:\n  name: p-2\n")
        return cli.Completed(0, "", "")

    monkeypatch.setattr(cli, "find", lambda name: name)
    monkeypatch.setattr(cli, "run", astro)
    done = run("mount", "--yes")
    assert (done.code, "--skip-worktree" in done.out) == (0, False), done
    assert "source: ~/.local/state/aws-airflow/p-2/aws\n" in (made / "docker-compose.override.yml").read_text()
    assert state.locate(made) == state.root() / "p-2"
    assert not (state.root() / "p2").exists()
    assert run("mount", "--json").document["recap"]["changed"] == 0


def test_in_docker_a_second_checkout_has_a_copy_of_its_own_and_says_that_the_shared_line_differs(
    in_docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    first = run("mount")
    assert "--skip-worktree" not in first.out
    shared = (in_docker / "docker-compose.override.yml").read_text()
    assert shared.count("source: ~/.local/state/aws-airflow/mine/aws\n") == 4
    shutil.copytree(in_docker, tmp_path / "second")
    monkeypatch.chdir(tmp_path / "second")
    done = run("mount")
    assert done.code == 0
    assert "git update-index --skip-worktree docker-compose.override.yml" in done.out
    own = re.findall(
        "source: ~/.local/state/aws-airflow/(mine-[0-9a-f]{8})/aws\n", Path("docker-compose.override.yml").read_text()
    )
    assert len(own) == 4
    assert state.locate(tmp_path / "second").name == own[0]
    assert "--skip-worktree" not in run("mount").out


def other_profile(home: Path, embedded: Embedded) -> None:
    keys = (home / ".aws" / "credentials").read_text().replace("[default]", "[dev]")
    for name, text in {"credentials": keys, "config": "[profile dev]\nregion = eu-west-1\n"}.items():
        with (home / ".aws" / name).open("a") as file:
            file.write(text)


def another_identity(home: Path, embedded: Embedded) -> None:
    keys = assumed(embedded, role(embedded, "somebody-else"))
    pairs = {"access_key_id": "AccessKeyId", "secret_access_key": "SecretAccessKey", "session_token": "SessionToken"}
    lines = "".join(f"aws_{name} = {keys[key]}\n" for name, key in pairs.items())
    (home / ".aws" / "credentials").write_text(f"[default]\n{lines}")


@pytest.mark.parametrize(
    ("change", "flags", "way"),
    [(other_profile, ("--profile", "dev"), "auto"), (another_identity, (), "auto"), (another_identity, (), "live")],
    ids=["profile", "identity", "identity, live"],
)
def test_in_docker_another_profile_or_identity_restarts_what_runs_once_and_check_foresees_it(
    change: Callable[[Path, Embedded], None],
    flags: tuple[str, ...],
    way: str,
    in_docker: Path,
    airflow: StandInAirflow,
    embedded: Embedded,
    closed_world: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    """A running process keeps the keys that it has read, and the lines of `.env` may all be the same."""
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", way)
    airflow.source = str(closed_world / ".aws") if way == "live" else airflow.source
    assert run("setup").code == 0
    change(closed_world, embedded)
    foreseen = run("setup", *flags, "--check", "--json").statuses()
    assert foreseen["start"] == "changed"
    assert run("setup", *flags, "--json").statuses() == foreseen
    assert len(airflow.started) == 2
    assert run("setup", *flags, "--json").document["recap"]["changed"] == 0


def test_in_docker_a_copy_that_came_and_went_restarts_what_ran_meanwhile(
    in_docker: Path, airflow: StandInAirflow, embedded: Embedded, closed_world: Path, run: Run
) -> None:
    """Who reads its keys late may have read those in between; a directory made anew is none that is mounted."""
    other_profile(closed_world, embedded)
    run("setup")
    run("creds", "--profile", "dev")
    assert run("setup", "--json").statuses()["start"] == "changed"
    shutil.rmtree(state.locate(in_docker) / "aws")
    assert run("setup", "--json").statuses()["start"] == "changed"
    assert run("setup", "--json").document["recap"]["changed"] == 0


def test_in_docker_a_command_for_another_runtime_in_between_leaves_what_is_mounted_in_its_place(
    in_docker: Path, airflow: StandInAirflow, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """What runs holds on to the directory that it mounts, not to its name: another in its place stays empty for it."""
    assert run("setup").code == 0
    mounted = state.locate(in_docker) / "aws"
    handle = os.open(mounted, os.O_RDONLY)  # as a mount has it
    with monkeypatch.context() as between:
        between.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", "live")
        assert run("creds").code == 0
    assert os.listdir(handle) == []  # noqa: PTH208  # by its descriptor
    assert run("setup", "--check", "--json").statuses()["start"] == "ok"
    done = run("setup", "--json")
    assert (done.code, done.statuses()["creds"], done.statuses()["start"]) == (0, "changed", "ok")
    assert set(os.listdir(handle)) == {"config", "credentials"}  # noqa: PTH208
    os.close(handle)


def test_in_docker_stop_takes_the_keys_away_and_start_exports_them_again(
    in_docker: Path, airflow: StandInAirflow, run: Run
) -> None:
    assert run("setup").code == 0
    assert run("stop", "--check").code == 3
    assert staging.holds(state.locate(in_docker))
    assert run("stop").code == 0
    assert not staging.holds(state.locate(in_docker))
    assert run("stop", "--json").statuses() == {"stop": "ok"}
    assert run("start", "--json").statuses()["creds"] == "changed"
    assert staging.staged(state.locate(in_docker))
    airflow.stop()
    assert run("stop", "--json").statuses() == {"stop": "changed"}  # what a crash has left
    assert not staging.holds(state.locate(in_docker))


def test_in_docker_a_touched_configuration_and_renewed_keys_restart_nothing(
    in_docker: Path, airflow: StandInAirflow, closed_world: Path, run: Run
) -> None:
    run("setup")
    with (closed_world / ".aws" / "config").open("a") as file:
        file.write("[profile another]\nregion = eu-west-1\n")
    done = run("setup", "--json")
    assert (done.statuses()["creds"], done.statuses()["start"]) == ("changed", "ok")
    assert run("refresh", "--force").code == 0
    assert run("start", "--json").statuses()["start"] == "ok"
    assert airflow.started == ["start"]


def test_in_docker_a_compose_file_that_cannot_be_proven_is_refused_with_the_lines_to_add(
    in_docker: Path, run: Run
) -> None:
    refused = "# mine\nservices:\n  scheduler: !override {image: x}\n"
    (in_docker / "docker-compose.override.yml").write_text(refused)
    done = run("mount")
    assert done.code == 1
    assert "line 3" in done.out
    assert "target: /home/astro/.aws" in done.out
    assert (in_docker / "docker-compose.override.yml").read_text() == refused


def test_in_docker_switching_to_live_replaces_the_mount_and_empties_the_copy(in_docker: Path, run: Run) -> None:
    run("mount")
    assert run("mount", "env", "--json").document["recap"]["changed"] == 1
    environment = {"INVOKE_AWS_AIRFLOW_CREDENTIALS": "live"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        done = run("mount", "env", "--json")
    assert done.code == 0
    assert "~/.aws:/home/astro/.aws:ro" in (in_docker / "docker-compose.override.yml").read_text()
    assert not staging.holds(state.locate(in_docker))


def test_in_docker_a_loopback_endpoint_is_an_error_that_names_another(
    in_docker: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", embedded.url)
    done = run("env")
    assert done.code == 1
    assert "host.docker.internal" in done.out
    assert (in_docker / ".env").read_bytes() == b""


@pytest.mark.parametrize("umask", [0o077, 0o027, 0o000])
def test_what_containers_read_is_readable_to_their_user_whatever_the_umask(
    in_docker: Path, run: Run, umask: int
) -> None:
    """As the user of an image is another one: the directory that is mounted, and the files in it."""
    (in_docker / "dags" / ".airflowignore").unlink()
    (in_docker / "dags").rmdir()
    before = os.umask(umask)
    try:
        assert run("mount", "provider", "dag").code == 0
    finally:
        os.umask(before)
    made = ("docker-compose.override.yml", "requirements.txt", "dags/example_secrets_dag.py")
    modes = {name: oct((in_docker / name).stat().st_mode & 0o777) for name in made}
    assert modes == dict.fromkeys(made, "0o644")
    assert (in_docker / "dags").stat().st_mode & 0o055 == 0o055


def test_what_an_earlier_version_made_and_containers_could_not_read_is_opened_to_them_and_nothing_of_the_persons(
    in_docker: Path, run: Run
) -> None:
    ours, theirs = ("requirements.txt", "dags", "dags/example_secrets_dag.py"), ("Dockerfile", "include", "include/x")
    (in_docker / "dags" / ".airflowignore").unlink()
    (in_docker / "dags").rmdir()
    (in_docker / "include").mkdir()
    (in_docker / "include" / "x").write_text("")
    before = tree(in_docker)
    assert run("mount", "provider", "dag").code == 0
    for name in (*ours, *theirs):
        path = in_docker / name
        path.chmod(0o700 if path.is_dir() else 0o600)
    done = run("provider", "dag", "--check", "--diff")
    assert (done.code, "mode of dags/example_secrets_dag.py: 0600 -> 0644" in done.out) == (3, True), done.out
    assert run("provider", "dag").code == 0
    modes = {name: f"{(in_docker / name).stat().st_mode & 0o777:04o}" for name in (*ours, *theirs)}
    assert modes == dict(zip((*ours, *theirs), ("0644", "0755", "0644", "0600", "0700", "0600"), strict=True))
    assert run("provider", "dag", "--json").document["recap"]["changed"] == 0
    (in_docker / "Dockerfile").chmod(0o644)
    (in_docker / "include").chmod(0o755)
    (in_docker / "include" / "x").chmod(0o644)
    assert run("undo").code == 0
    assert tree(in_docker) == before


def test_a_file_of_the_persons_that_has_lines_of_ours_keeps_its_mode(in_docker: Path, run: Run) -> None:
    (in_docker / "requirements.txt").write_text("pandas\n")
    (in_docker / "requirements.txt").chmod(0o600)
    assert run("provider").code == run("provider").code == 0
    assert (in_docker / "requirements.txt").stat().st_mode & 0o777 == 0o600
