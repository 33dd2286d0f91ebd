"""`secrets.sync` with Parameter Store, which counts versions, restores nothing and takes few writes a second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_airflow_tasks.backends import parameter_store
from aws_airflow_tasks.steps.entries import OWNER
from aws_airflow_tasks.world import journal
from tests.project import airflow, astro_project, embedded, run
from tests.steps.test_sync import CANARY, Run, entries, proxy, written
from tests.world.proxy import Body, Proxy
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "embedded", "proxy", "run"]

V, C = "/airflow/variables/", "/airflow/connections/"


@pytest.fixture
def ssm(embedded: Embedded, astro_project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "parameter-store")
    monkeypatch.setattr(parameter_store, "writes", lambda settings: 100.0)
    client = boto3.Session().client("ssm", endpoint_url=embedded.url)
    yield client
    for page in client.get_paginator("describe_parameters").paginate():
        for each in page["Parameters"]:
            client.delete_parameter(Name=each["Name"])


@pytest.fixture
def project(astro_project: Path, ssm: Any, proxy: Proxy) -> Path:
    return astro_project


def held(ssm: Any) -> dict[str, str]:
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True, WithDecryption=True)
    return {each["Name"]: each["Value"] for page in pages for each in page["Parameters"]}


def test_entries_are_made_changed_and_left_as_the_files_say(project: Path, ssm: Any, proxy: Proxy, run: Run) -> None:
    written(project, **{f"k{number}": CANARY for number in range(11)})
    done = run("secrets.sync", "v.json", "--json")
    assert (done.code, set(entries(done).values())) == (0, {"created"})
    assert ssm.describe_parameters()["Parameters"][0]["Type"] == "SecureString"
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{V}k1")["TagList"]
    assert {"Key": OWNER, "Value": "mine"} in tags
    proxy.forget()
    assert run("secrets.sync", "v.json", "--json").statuses() == {"creds": "ok", "secrets.sync": "ok"}
    assert dict(proxy.calls) == {"GetParameters": 2}
    written(project, **{f"k{number}": f"{CANARY}{number == 3}" for number in range(11)})
    again = run("secrets.sync", "v.json", "--json")
    assert (again.code, set(entries(again).values())) == (0, {"updated"})
    assert held(ssm)[f"{V}k3"] == f"{CANARY}True"
    assert CANARY not in done.out + done.err + again.out + again.err
    assert run("undo", "--yes").code == 0
    assert held(ssm) == {}


def test_what_prune_and_delete_take_is_kept_here_until_undo_makes_it_again(
    project: Path, ssm: Any, run: Run, closed_world: Path
) -> None:
    tags = [{"Key": OWNER, "Value": "mine"}]
    for name in ("a", "b"):
        ssm.put_parameter(Name=f"{V}{name}", Value=f"{CANARY}{name}", Type="SecureString", Tags=tags)
    written(project, c="1")
    done = run("secrets.sync", "v.json", "--prune", "--yes", "--json")
    assert (done.code, entries(done)) == (0, {"a": "deleted", "b": "deleted", "c": "created"})
    assert held(ssm) == {f"{V}c": "1"}
    kept = [path for path in closed_world.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert {path.parent.name for path in kept} == {journal.FOLDER}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert len(kept) == 2
    assert CANARY not in done.out + done.err
    assert run("secrets.delete", "c").code == 0
    assert run("undo", "--yes").code == 0
    assert held(ssm) == {f"{V}a": f"{CANARY}a", f"{V}b": f"{CANARY}b"}
    assert [path for path in closed_world.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()] == []


def test_somebody_elses_value_is_a_conflict_and_undo_gives_back_what_override_replaced(
    project: Path, ssm: Any, run: Run
) -> None:
    ssm.put_parameter(Name=f"{V}a", Value="theirs", Type="String")
    ssm.put_parameter(Name=f"{C}db", Value='{"conn_type": "http", "host": "h"}', Type="SecureString")
    written(project, a="ours")
    (project / "c.env").write_text("db=http://h\n")
    done = run("secrets.sync", "v.json", "--also", "c.env", "--json")
    assert (done.code, entries(done)) == (1, {"a": "failed", "db": "ok"})
    assert held(ssm)[f"{V}a"] == "theirs"
    assert run("secrets.sync", "v.json", "--override").code == 0
    assert held(ssm)[f"{V}a"] == "ours"
    assert run("undo", "--yes").code == 0
    assert held(ssm)[f"{V}a"] == "theirs"


@pytest.mark.parametrize("value", ["", "{{ ds }}", "x" * 4097])
def test_what_parameter_store_would_not_take_keeps_everything_from_being_written(
    project: Path, ssm: Any, run: Run, value: str
) -> None:
    written(project, a="1", b=value)
    done = run("secrets.sync", "v.json")
    assert done.code == 1
    assert "v.json line 1: variable b: " in done.out
    assert held(ssm) == {}


def test_a_value_that_somebody_writes_between_our_look_and_our_write_is_named(
    project: Path, ssm: Any, proxy: Proxy, run: Run
) -> None:
    written(project, a="1")
    run("secrets.sync", "v.json")

    def meanwhile(operation: str, body: Body) -> None:
        if operation == "PutParameter":
            ssm.put_parameter(Name=f"{V}a", Value=CANARY, Type="SecureString", Overwrite=True)

    proxy.rules.append(meanwhile)
    written(project, a="2")
    done = run("secrets.sync", "v.json", "--json")
    proxy.rules.pop()
    assert (done.code, entries(done)) == (1, {"a": "failed"})
    assert "somebody wrote version 2 just before ours, 3" in done.document["steps"][-1]["error"]["message"]
    assert CANARY not in done.out + done.err


def test_history_and_looks_work_as_with_secrets_manager(project: Path, ssm: Any, run: Run) -> None:
    written(project, a=CANARY)
    run("secrets.sync", "v.json")
    written(project, a=f"{CANARY}2")
    run("secrets.sync", "v.json")
    done = run("secrets.history", "a", "--json")
    assert [each["version"] for each in done.document["entries"]] == ["2", "1"]
    assert run("secrets.get", "a", "--show", "--json").document["entries"][0]["value"] == f"{CANARY}2"
    assert [each["name"] for each in run("secrets.list", "--json").document["entries"]] == ["a"]
    assert json.loads(run("secrets.lint", "--json").out)["exit_code"] == 0
