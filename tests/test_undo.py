"""`undo` by whole command lines: each target by itself, whatever has become of the files since."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.steps.start import Started
from aws_airflow_tasks.world import receipts, staging, state
from tests.conftest import HOSTS
from tests.project import AWS, StandInAirflow, airflow, astro_project, aws_itself, embedded, run, tree
from tests.test_setup import CONNECTION, VARIABLE, Run, denying, in_docker, names, project, secrets
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "in_docker", "project", "run", "secrets"]

OVERRIDE = "docker-compose.override.yml"
SCHEDULER = "services:\n  scheduler:\n    environment:\n      A: b\n"


def numbers(out: str) -> list[int]:
    """The lines that a person is told to take out."""
    assert "take these lines out:" in out, out
    return [int(found) for found in re.findall(r"^\s+(\d+): ", out, re.MULTILINE)]


def without(path: Path, gone: list[int]) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for number, line in enumerate(lines, 1) if number not in gone))


def is_undone(project: Path) -> bool:
    return not state.locate(project).exists()


# -- a file that holds nothing of ours ----------------------------------------------------------------------

FLOW = "services:\n  scheduler:\n    volumes: [./a:/a]\n"
THEIRS = 'services: {scheduler: {volumes: ["./x:/home/astro/.aws"]}}\n'


@pytest.mark.parametrize(("before", "since"), [(FLOW, "# older\n"), (THEIRS, "")], ids=["another version", "empty"])
def test_a_file_that_holds_nothing_of_ours_any_more_is_done(before: str, since: str, in_docker: Path, run: Run) -> None:
    (in_docker / OVERRIDE).write_text(before)
    assert run("mount", "--override").code == 0
    (in_docker / OVERRIDE).write_text(since)
    done = run("undo")
    assert done.code == 0, done.out
    assert (in_docker / OVERRIDE).read_text() == since
    assert is_undone(in_docker)


def test_ours_in_the_place_of_anothers_mount_is_refused_with_what_stood_there(in_docker: Path, run: Run) -> None:
    (in_docker / OVERRIDE).write_text(THEIRS)
    run("mount", "--override")
    edited = (in_docker / OVERRIDE).read_text().replace("scheduler", "# mine\n  scheduler")
    (in_docker / OVERRIDE).write_text(edited)
    done = run("undo")
    assert (done.code, "./x:/home/astro/.aws" in done.out) == (1, True), done.out
    assert (in_docker / OVERRIDE).read_text() == edited
    (in_docker / OVERRIDE).write_text(THEIRS + "# mine\n")
    assert run("undo").code == 0
    assert (in_docker / OVERRIDE).read_text() == THEIRS + "# mine\n"


def test_a_value_in_a_line_of_ours_that_override_replaced_is_given_back(in_docker: Path, run: Run) -> None:
    env = in_docker / ".env"
    env.write_text("MINE=1\n")
    run("env")
    ours = env.read_text()
    env.write_text(ours.replace("AWS_DEFAULT_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-3"))
    assert run("env").code == 1
    assert run("env", "--override").code == 0
    assert env.read_text() == ours
    assert run("undo").code == 0
    assert env.read_text() == "MINE=1\nAWS_DEFAULT_REGION=eu-west-3\n"


def test_what_python_compiled_of_our_dag_goes_with_it_and_what_it_compiled_of_theirs_stays(
    in_docker: Path, run: Run
) -> None:
    assert run("dag").code == 0
    compiled = in_docker / "dags" / "__pycache__"
    compiled.mkdir()
    (compiled / "example_secrets_dag.cpython-312.pyc").touch()
    (compiled / "mine.cpython-312.pyc").touch()
    assert run("undo").code == 0
    assert [path.name for path in compiled.iterdir()] == ["mine.cpython-312.pyc"]


def test_a_folder_of_what_python_compiled_goes_once_nothing_of_theirs_is_in_it(in_docker: Path, run: Run) -> None:
    before = tree(in_docker)
    assert run("dag").code == 0
    compiled = in_docker / "dags" / "__pycache__"
    compiled.mkdir()
    (compiled / "example_secrets_dag.cpython-312.pyc").touch()
    assert run("undo").code == 0
    assert tree(in_docker) == before


# -- each target by itself ----------------------------------------------------------------------------------


def broken(in_docker: Path) -> str:
    """The override of somebody who took out a line between two of our services."""
    text = (in_docker / OVERRIDE).read_text().replace("  dag-processor:\n", "")
    (in_docker / OVERRIDE).write_text(text)
    return text


def test_a_file_that_cannot_be_restored_keeps_nothing_else_from_going_and_its_receipt_alone_stays(
    in_docker: Path, airflow: StandInAirflow, secrets: Any, run: Run
) -> None:
    (in_docker / OVERRIDE).write_text(SCHEDULER)
    before = (in_docker / ".env").read_bytes()
    assert run("setup").code == 0
    text = broken(in_docker)
    checked = run("undo", "--check", "--json")
    assert (checked.code, checked.document["steps"][0]["status"]) == (1, "failed")
    done = run("undo")
    assert done.code == 1
    assert f"failed   undo     {OVERRIDE}: it was edited since" in done.out
    lines = [(r"Airflow", "removed"), (r"\.env", "restored"), (r"secret .*", "removed")]
    assert re.search("(?s:.*)".join(f"^changed +undo +{target}: {word}$" for target, word in lines), done.out, re.M)
    assert (in_docker / OVERRIDE).read_text() == text
    assert (in_docker / ".env").read_bytes() == before
    assert names(secrets) == set()
    assert airflow.environment is None
    kept = state.locate(in_docker)
    assert [(receipt.kind, receipt.content["path"]) for receipt in receipts.load(kept)] == [("file", OVERRIDE)]
    assert sorted(path.name for path in kept.iterdir()) == ["id", "project", "receipts"] + (
        ["replaced"] if (kept / "replaced").exists() else []
    )
    again = run("undo", "--json")
    assert (again.code, again.document["steps"][0]["changes"]) == (1, [])
    (in_docker / OVERRIDE).unlink()
    assert run("undo").code == 0
    assert is_undone(in_docker)


def test_several_that_cannot_be_taken_back_are_all_named_each_with_what_to_do(in_docker: Path, run: Run) -> None:
    (in_docker / OVERRIDE).write_text(SCHEDULER)
    assert run("mount", "env").code == 0
    broken(in_docker)
    (in_docker / ".env").write_bytes((in_docker / ".env").read_bytes() + b"\0")
    done = run("undo", "--json")
    error = done.document["steps"][0]["error"]
    assert done.code == 1
    assert error["message"].startswith(".env: it was edited since, and ")
    assert f"; {OVERRIDE}: it was edited since" in error["message"]
    assert f"# {OVERRIDE}\n" in error["hint"]
    assert "# .env\n" in error["hint"]
    assert not staging.holds(state.locate(in_docker))


# -- every runtime ------------------------------------------------------------------------------------------


@pytest.fixture
def both(in_docker: Path, airflow: StandInAirflow, monkeypatch: pytest.MonkeyPatch) -> dict[str, StandInAirflow]:
    """Airflow in containers, embedded and standalone, in one project."""
    found = {
        "docker": airflow,
        "embedded": StandInAirflow(mounts=False, name="embedded"),
        "standalone": StandInAirflow(mounts=False, name="standalone"),
    }
    monkeypatch.setattr(runtimes, "choose", lambda settings, state: found[settings.runtime])
    return found


def use(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_RUNTIME", name)


@pytest.mark.parametrize(
    "order",
    [("docker", "embedded"), ("embedded", "docker"), ("standalone", "docker"), ("docker", "standalone", "embedded")],
    ids=" then ".join,
)
def test_every_runtime_that_was_started_is_stopped(
    order: tuple[str, ...], in_docker: Path, both: dict[str, StandInAirflow], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    before = tree(in_docker)
    for name in order:
        use(name, monkeypatch)
        assert run("start").code == 0
        assert run("start", "--check").code == 0
    done = run("undo")
    assert done.code == 0, done.out
    assert [name for name, found in both.items() if found.environment is not None] == []
    assert all(f"Airflow ({name})" in done.out for name in order)
    assert tree(in_docker) == before
    assert is_undone(in_docker)


def fails(found: StandInAirflow, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def failing(*_: Any, **__: Any) -> None:
        if method == "start":
            found.environment = {}
        raise TaskError(f"cannot {method}")

    monkeypatch.setattr(found, method, failing)


def test_a_start_that_failed_is_stopped_too(
    in_docker: Path, both: dict[str, StandInAirflow], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    fails(both["docker"], monkeypatch, "start")
    assert run("start").code == 1
    use("embedded", monkeypatch)
    assert run("start").code == 0
    assert run("undo").code == 0
    assert [name for name, found in both.items() if found.environment is not None] == []


def test_a_runtime_that_cannot_be_stopped_keeps_its_receipt_and_its_data_and_the_other_is_stopped(
    in_docker: Path, both: dict[str, StandInAirflow], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    assert run("start").code == 0
    use("embedded", monkeypatch)
    assert run("start").code == 0
    home = state.locate(in_docker) / "airflow"
    home.mkdir()
    with monkeypatch.context() as patch:
        fails(both["embedded"], patch, "discard")
        done = run("undo")
    assert (done.code, "Airflow (embedded): cannot discard" in done.out) == (1, True), done.out
    assert both["docker"].environment is None
    assert home.is_dir()
    assert [receipt.content["runtime"] for receipt in receipts.load(state.locate(in_docker))] == ["embedded"]
    assert run("undo").code == 0
    assert both["embedded"].environment is None
    assert is_undone(in_docker)


@pytest.mark.parametrize("known", ["docker", "embedded"])
def test_receipts_of_version_0_1_0_one_for_all_runtimes_stop_all_of_them(
    known: str, in_docker: Path, both: dict[str, StandInAirflow], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    for name in ("docker", "embedded"):
        use(name, monkeypatch)
        assert run("start").code == 0
    kept = state.locate(in_docker)
    (kept / "airflow").mkdir()
    (kept / "runtime.json").write_text("{}")
    others = [each for each in receipts.of(receipts.load(kept), Started) if each.record.runtime != known]
    receipts.forget(kept, [each.number for each in others])
    assert run("undo").code == 0
    assert [name for name, found in both.items() if found.environment is not None] == []
    assert is_undone(in_docker)


def test_what_ran_before_us_runs_again_with_its_files_back(in_docker: Path, airflow: StandInAirflow, run: Run) -> None:
    airflow.environment = {}
    assert run("start").code == 0
    assert airflow.started == ["restart"]
    assert run("undo").code == 0
    assert (airflow.started, airflow.environment) == (["restart", "restart"], {})


def test_a_renamed_service_loses_our_volume_too(in_docker: Path, run: Run) -> None:
    assert run("mount").code == 0
    (in_docker / OVERRIDE).write_text((in_docker / OVERRIDE).read_text().replace("  scheduler:", "  sched:"))
    assert run("undo").code == 0
    assert not (in_docker / OVERRIDE).exists()


def test_who_takes_out_exactly_the_lines_that_are_named_has_a_file_that_can_be_read_and_undo_is_done(
    in_docker: Path, run: Run
) -> None:
    (in_docker / OVERRIDE).write_text(SCHEDULER)
    assert run("mount").code == 0
    broken(in_docker)
    without(in_docker / OVERRIDE, numbers(run("undo").out))
    assert (in_docker / OVERRIDE).read_text() == SCHEDULER
    assert run("undo").code == 0
    assert is_undone(in_docker)


# -- AWS ----------------------------------------------------------------------------------------------------


def test_without_aws_everything_else_is_taken_back_and_its_entries_are_named_until_they_go_too(
    in_docker: Path, secrets: Any, embedded: Embedded, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    before = tree(in_docker)
    assert run("mount", "env", "secrets").code == 0
    with monkeypatch.context() as offline:
        offline.setitem(HOSTS, AWS, 9)
        checked = run("undo", "--check", "--json").document
        assert (checked["exit_code"], len(checked["steps"][0]["changes"])) == (1, 4)
        done = run("undo")
    assert done.code == 1
    assert f"secret {VARIABLE}: AWS cannot be reached" in done.out
    assert f"secret {CONNECTION}: AWS cannot be reached" in done.out
    assert tree(in_docker) == before
    kept = state.locate(in_docker)
    assert [receipt.kind for receipt in receipts.load(kept)] == ["secret", "secret"]
    assert not staging.holds(kept)
    assert names(secrets) == {VARIABLE, CONNECTION}
    assert run("undo").code == 0
    assert names(secrets) == set()
    assert is_undone(in_docker)


def test_a_denied_delete_is_named_and_keeps_nothing_else_from_going(
    in_docker: Path, secrets: Any, embedded: Embedded, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    before = tree(in_docker)
    assert run("env", "secrets").code == 0
    with denying(embedded.url, "DeleteSecret") as proxy, monkeypatch.context() as patch:
        patch.setitem(HOSTS, AWS, urlsplit(proxy).port)
        done = run("undo")
    assert (done.code, done.out.count("secretsmanager:DeleteSecret") >= 2) == (1, True), done.out
    assert tree(in_docker) == before
    assert [receipt.kind for receipt in receipts.load(state.locate(in_docker))] == ["secret", "secret"]
    assert run("undo").code == 0
    assert names(secrets) == set()


def test_a_value_that_the_person_has_put_into_our_entry_since_stays_and_is_named(
    in_docker: Path, secrets: Any, run: Run
) -> None:
    assert run("secrets").code == 0
    secrets.put_secret_value(SecretId=VARIABLE, SecretString="mine-now")
    said = f"secret {VARIABLE} has been given another value since, and stays"
    for words in (["undo", "--check"], ["undo"]):
        done = run(*words)
        assert said in done.out
        assert "mine-now" not in done.out
    assert done.code == 0
    assert names(secrets) == {VARIABLE}
    assert is_undone(in_docker)


def test_an_entry_that_another_project_of_ours_made_anew_stays(in_docker: Path, secrets: Any, run: Run) -> None:
    assert run("secrets").code == 0
    secrets.tag_resource(SecretId=VARIABLE, Tags=[{"Key": "aws-airflow-tasks", "Value": "another-project"}])
    assert run("undo").code == 0
    assert names(secrets) == {VARIABLE}
    assert is_undone(in_docker)


def test_an_entry_that_is_being_deleted_keeps_its_recovery_window(in_docker: Path, secrets: Any, run: Run) -> None:
    assert run("secrets").code == 0
    secrets.delete_secret(SecretId=VARIABLE, RecoveryWindowInDays=7)
    done = run("undo")
    assert done.code == 0, done.out
    assert "DeletedDate" in secrets.describe_secret(SecretId=VARIABLE)
    secrets.restore_secret(SecretId=VARIABLE)
    assert names(secrets) == {VARIABLE}
    assert is_undone(in_docker)


def test_a_value_that_cannot_be_read_any_more_is_not_deleted_unseen(
    in_docker: Path, secrets: Any, embedded: Embedded, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    assert run("secrets").code == 0
    with denying(embedded.url, "GetSecretValue") as proxy, monkeypatch.context() as patch:
        patch.setitem(HOSTS, AWS, urlsplit(proxy).port)
        assert run("undo").code == 1
    assert names(secrets) == {VARIABLE, CONNECTION}
    assert run("undo").code == 0
    assert names(secrets) == set()


def test_a_receipt_that_does_not_know_the_value_is_enough_with_the_tag(in_docker: Path, secrets: Any, run: Run) -> None:
    assert run("secrets").code == 0
    for path in (state.locate(in_docker) / "receipts").iterdir():
        known = json.loads(path.read_text())
        path.write_text(json.dumps({name: value for name, value in known.items() if name not in ("sha256", "format")}))
    secrets.put_secret_value(SecretId=VARIABLE, SecretString="mine-now")
    assert run("undo").code == 0
    assert names(secrets) == set()


def test_entries_of_one_name_in_two_regions_all_go(in_docker: Path, embedded: Embedded, secrets: Any, run: Run) -> None:
    for region in ("eu-west-1", "us-west-2"):
        assert run("secrets", "--region", region).code == 0
    done = run("undo")
    assert done.code == 0, done.out
    assert f"secret {VARIABLE} (us-west-2, default)" in done.out
    for region in ("eu-west-1", "us-west-2"):
        client = boto3.Session().client("secretsmanager", endpoint_url=embedded.url, region_name=region)
        assert names(client) == set()
