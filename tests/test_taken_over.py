"""A project that version 0.1.0 set up is taken over as it is, and everything of it is undone; see `tests/fixtures`."""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import identity, state
from tests.project import StandInAirflow, airflow, astro_project, aws_itself, embedded, run
from tests.test_setup import CONNECTION, VARIABLE, Run, in_docker, names, project, secrets
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "in_docker", "project", "run", "secrets"]

LEFT = Path(__file__).parent / "fixtures" / "0.1.0"
CASES = ("docker", "init", "embedded")
OVERRIDE = "docker-compose.override.yml"

TakeOver = Callable[[str], Path]


def content(root: Path) -> dict[str, bytes]:
    """Every file below ``root`` with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def before(case: str) -> dict[str, bytes]:
    return content(LEFT / case / "before")


@pytest.fixture
def taken_over(
    project: Path, airflow: StandInAirflow, aws_itself: Embedded, secrets: Any, monkeypatch: pytest.MonkeyPatch
) -> TakeOver:
    """Puts a project and its state where version 0.1.0 left them, its entries in AWS, and its Airflow running."""
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")

    def taken_over(case: str) -> Path:
        there = state.root() / project.name  # as it was named then
        if case != "embedded":
            airflow.mounts, airflow.name, airflow.source = True, "docker", str(there / "aws")
            monkeypatch.setenv("INVOKE_AWS_AIRFLOW_RUNTIME", "docker")
        shutil.rmtree(project / ".astro")
        shutil.rmtree(project / "dags")
        words = _words(project, there)
        for name, data in content(LEFT / case / "project").items():
            _put(project / name, _filled(data, words), 0o644)
        for name, data in content(LEFT / case / "state").items():
            _put(there / name, _filled(data, words), 0o644 if name.startswith("aws/") else 0o600)
        for folder in (there, there / "receipts", there / "replaced"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        for name in ("id", "project"):
            (there / name).chmod(0o644)
        if case == "embedded":
            _recount(there / "receipts" / "0001.json", (project / ".env").read_bytes())
        for name in (VARIABLE, CONNECTION):
            tags = [{"Key": "aws-airflow-tasks", "Value": (there / "id").read_text()}]
            secrets.create_secret(Name=name, SecretString="{}", Tags=tags)
        airflow.environment = dotenv.read((project / ".env").read_bytes(), "standalone")
        return project

    return taken_over


def _words(project: Path, there: Path) -> dict[str, str]:
    settings, home = Settings(project=project), Path.home()
    keys = configparser.ConfigParser()
    keys.read(home / ".aws" / "credentials")
    return {
        "state": str(there),
        "project": str(project),
        "home": str(home),
        "definition": identity.definition(settings, os.environ),
        "fingerprint": identity.fingerprint(settings, os.environ),
        **keys["default"],
    }


def _filled(data: bytes, words: dict[str, str]) -> bytes:
    for word, text in words.items():
        data = data.replace(b"{%s}" % word.encode(), text.encode())
    return data


def _put(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _recount(path: Path, env: bytes) -> None:
    """Lengths and hashes in the receipt of an `.env` that holds paths of this machine."""
    receipt = json.loads(path.read_text())
    (edit,) = receipt["edits"]
    edit["length"], edit["sha256"] = len(env) - edit["start"], _hash(env[edit["start"] :])
    receipt["after"] = _hash(env)
    for key, value in receipt["keys"].items():
        if value:
            value["offset"] = env.index(f"\n{key}=".encode()) + len(key) + 2
            value["sha256"] = _hash(env[value["offset"] :].partition(b"\n")[0])
    path.write_text(json.dumps(receipt, indent=1))


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def edit_receipts(kind: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the receipts of a kind as they lie there."""
    for path in state.root().glob("*/receipts/*.json"):
        receipt = json.loads(path.read_text())
        if receipt["kind"] == kind:
            change(receipt)
            path.write_text(json.dumps(receipt, indent=1))


#: with a staged copy no line names the profile any more, so that Airflow is started again
DIFFERS = {
    "docker": {"creds", "provider", "env", "dag", "start"},  # creds: what was staged says no way of renewal
    "init": {"creds", "provider", "env", "dag", "start"},
    "embedded": {"dag"},
}
FILES = {"provider": "requirements.txt", "env": ".env", "dag": "dags/example_secrets_dag.py"}


@pytest.mark.parametrize("case", CASES)
def test_check_names_only_what_really_differs_from_what_0_1_0_left(case: str, taken_over: TakeOver, run: Run) -> None:
    project = taken_over(case)
    kept = content(project) | content(state.locate(project))
    done = run("setup", "--check", "--json")
    differing = {step for step, status in done.statuses().items() if status not in ("ok", "skipped")}
    assert (done.code, differing) == (3, DIFFERS[case]), done.out
    assert content(project) | content(state.locate(project)) == kept


@pytest.mark.parametrize("case", CASES)
def test_setup_converges_on_what_0_1_0_left_and_a_second_run_changes_nothing(
    case: str, taken_over: TakeOver, airflow: StandInAirflow, run: Run
) -> None:
    project = taken_over(case)
    left = content(project)
    done = run("setup", "--json")
    assert done.code == 0, done.out
    assert {step for step, status in done.statuses().items() if status == "changed"} == DIFFERS[case]
    now = content(project)
    assert {name for name in now if now[name] != left.get(name)} == {
        FILES[step] for step in DIFFERS[case] - {"creds", "start"}
    }
    assert (b"AWS_PROFILE" in now[".env"]) == (case == "embedded")
    again = run("setup", "--json").document
    assert (again["exit_code"], again["recap"]["changed"]) == (0, 0)


@pytest.mark.parametrize("first", [(), ("setup",)], ids=["at once", "after a setup of today's"])
@pytest.mark.parametrize("case", CASES)
def test_undo_gives_every_byte_back_from_before_0_1_0_and_deletes_its_entries(
    case: str, first: tuple[str, ...], taken_over: TakeOver, airflow: StandInAirflow, secrets: Any, run: Run
) -> None:
    project = taken_over(case)
    secrets.create_secret(Name="airflow/variables/theirs", SecretString="x")
    if first:
        assert run(*first).code == 0
    done = run("undo")
    assert done.code == 0, done.out
    assert content(project) == before(case)
    assert [path for path in project.rglob("*/") if not content(path)] == []
    assert names(secrets) == {"airflow/variables/theirs"}
    assert airflow.environment is None
    assert [path.name for path in state.root().glob("*/")] == []


def test_undo_keeps_an_entry_of_0_1_0_whose_tag_says_otherwise(taken_over: TakeOver, secrets: Any, run: Run) -> None:
    taken_over("docker")
    secrets.tag_resource(SecretId=VARIABLE, Tags=[{"Key": "aws-airflow-tasks", "Value": "another"}])
    assert run("undo").code == 0
    assert names(secrets) == {VARIABLE}


@pytest.mark.parametrize("case", ["docker", "embedded"])
def test_a_runtime_receipt_without_made_is_stopped(
    case: str, taken_over: TakeOver, airflow: StandInAirflow, run: Run
) -> None:
    project = taken_over(case)
    edit_receipts("runtime", lambda receipt: receipt.pop("made"))
    assert run("setup").code == 0
    assert run("undo").code == 0
    assert airflow.environment is None
    assert content(project) == before(case)


def test_what_the_person_has_edited_since_0_1_0_stays(taken_over: TakeOver, run: Run) -> None:
    project = taken_over("docker")
    env, override = (project / name for name in (".env", OVERRIDE))
    env.write_bytes(env.read_bytes() + b"MINE=1\r\n")
    override.write_text("# older\n" + override.read_text())
    assert run("undo").code == 0
    old = before("docker")
    assert env.read_bytes() == old[".env"] + b"MINE=1\r\n"
    assert override.read_bytes() == b"# older\n" + old[OVERRIDE]


@pytest.mark.parametrize("words", [("setup",), ("setup", "--check"), ("undo",), ("status",)], ids=" ".join)
def test_a_receipt_of_a_later_version_is_refused_with_words_and_nothing_is_touched(
    words: tuple[str, ...], taken_over: TakeOver, secrets: Any, run: Run
) -> None:
    project = taken_over("docker")
    edit_receipts("file", lambda receipt: receipt.update(format=3))
    kept = content(project)
    done = run(*words)
    assert "was written by a later version of this tool" in done.out
    assert "-> aws-airflow --version" in done.out
    assert done.code == 1
    assert content(project) == kept
    assert names(secrets) == {VARIABLE, CONNECTION}
