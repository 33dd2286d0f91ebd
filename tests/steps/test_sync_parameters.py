"""`secrets.sync` on Parameter Store, which keeps nothing of what is deleted and counts versions from 1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_airflow_tasks.backends import limits
from aws_airflow_tasks.steps.entries import OWNER
from aws_airflow_tasks.world import pace
from tests.project import airflow, astro_project, embedded, run
from tests.steps.test_sync import CANARY, Run, entries, proxy, written
from tests.steps.test_sync_killed import begun
from tests.world.proxy import Body, Proxy, Refusal
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "embedded", "proxy", "run"]

V, C = "/airflow/variables/", "/airflow/connections/"


@pytest.fixture
def aws(embedded: Embedded, astro_project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "parameter-store")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_THROUGHPUT", "higher")
    client = boto3.Session().client("ssm", endpoint_url=embedded.url)
    yield client
    for name in held(client):
        client.delete_parameter(Name=name)


@pytest.fixture
def project(astro_project: Path, aws: Any, proxy: Proxy) -> Path:
    return astro_project


def held(aws: Any) -> dict[str, str]:
    pages = aws.get_paginator("get_parameters_by_path").paginate(Path="/", Recursive=True, WithDecryption=True)
    return {each["Name"]: each["Value"] for page in pages for each in page["Parameters"]}


def test_entries_are_made_changed_and_deleted_as_the_files_say_and_undo_leaves_none_of_ours(
    project: Path, closed_world: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    aws.put_parameter(Name=f"{V}theirs", Value="theirs", Type="SecureString")
    file = written(project, a=CANARY, b={"x": 1}, c="3")
    (project / "c.env").write_text(f"db=postgres://u:{CANARY}@h/s\n")
    first = run("secrets.sync", file, "--also", "c.env", "--json")
    assert (first.code, entries(first)) == (0, dict.fromkeys(["a", "b", "c", "db"], "created"))
    made = held(aws)
    assert made == {
        f"{V}a": CANARY,
        f"{V}b": '{\n  "x": 1\n}',
        f"{V}c": "3",
        f"{V}theirs": "theirs",
        f"{C}db": json.dumps({"conn_type": "postgres", "host": "h", "login": "u", "password": CANARY, "schema": "s"}),
    }
    assert {each["Type"] for each in aws.describe_parameters()["Parameters"]} == {"SecureString"}
    proxy.forget()
    again = run("secrets.sync", file, "--also", "c.env", "--json")
    assert (again.statuses()["secrets.sync"], dict(proxy.calls)) == ("ok", {"GetParameters": 1})
    written(project, a=f"{CANARY}2", b={"x": 1})
    third = run("secrets.sync", file, "--also", "c.env", "--prune", "--yes", "--json", "--diff")
    assert third.document["steps"][-1]["reason"].startswith("1 updated, 1 deleted, 2 as wanted")
    assert held(aws) == {name: text for name, text in made.items() if name != f"{V}c"} | {f"{V}a": f"{CANARY}2"}
    last = run("undo", "--json")
    assert last.code == 0
    assert held(aws) == {f"{V}theirs": "theirs"}, "what was deleted had been made by us as well"
    shown = "".join(part.out + part.err for part in (first, again, third, last))
    assert CANARY not in shown


def test_what_is_pruned_of_the_teams_is_given_back_with_its_tag_from_a_file_that_only_the_person_can_read(
    project: Path, closed_world: Path, aws: Any, run: Run
) -> None:
    tags = [{"Key": OWNER, "Value": "mine"}]
    aws.put_parameter(Name=f"{V}a", Value=CANARY, Type="SecureString", Tags=tags)
    assert run("secrets.sync", written(project, b="2"), "--prune", "--yes").code == 0
    assert held(aws) == {f"{V}b": "2"}
    kept = [path for path in closed_world.rglob("*") if path.is_file() and CANARY in path.read_text(errors="replace")]
    assert [oct(path.stat().st_mode & 0o777) for path in kept] == ["0o600"]
    assert run("undo").code == 0
    assert held(aws) == {f"{V}a": CANARY}
    assert aws.list_tags_for_resource(ResourceType="Parameter", ResourceId=f"{V}a")["TagList"] == tags


def test_undo_leaves_what_somebody_has_made_anew_though_its_version_is_the_same(
    project: Path, aws: Any, run: Run
) -> None:
    assert run("secrets.sync", written(project, a="1")).code == 0
    aws.delete_parameter(Name=f"{V}a")
    tags = [{"Key": OWNER, "Value": "mine"}]
    aws.put_parameter(Name=f"{V}a", Value="a colleague's", Type="SecureString", Tags=tags)
    done = run("undo")
    assert (done.code, f"1 given another value since stay: {V}a" in done.out) == (0, True)
    assert held(aws) == {f"{V}a": "a colleague's"}


def made(aws: Any, name: str, value: str, **tags: str) -> dict[str, Any]:
    """A parameter of somebody's that is at its second version, and how it is looked at."""
    pairs = [{"Key": key, "Value": text} for key, text in tags.items()]
    aws.put_parameter(Name=name, Value="before", Type="String", Tags=pairs, Description="theirs", AllowedPattern=".*")
    aws.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    return looked(aws, name)


def looked(aws: Any, name: str) -> dict[str, Any]:
    (found,) = aws.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [name]}])["Parameters"]
    same = {word: found.get(word) for word in ("Type", "Tier", "Description", "AllowedPattern", "DataType")}
    pairs = aws.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    return same | {"value": held(aws)[name], "tags": {each["Key"]: each["Value"] for each in pairs}}


def put_or_deleted(run: Run, project: Path, key: str, words: str) -> None:
    for word in words.split():
        (project / "value").write_text(word)
        flags = ["--now"] if word == "gone" else [] if word == "deleted" else ["--file", "value"]
        task = "secrets.delete" if word in ("deleted", "gone") else "secrets.put"
        assert run(task, key, "--override", "--yes", *flags).code == 0


@pytest.mark.parametrize(
    "words",
    ["deleted", "1 deleted", "deleted 1", "deleted 1 2", "1 deleted 2", "deleted 1 deleted", "deleted 1 gone", "1 2"],
)
def test_whatever_was_put_and_deleted_undo_gives_somebodys_parameter_back_as_it_was(
    project: Path, aws: Any, run: Run, words: str
) -> None:
    before = made(aws, f"{V}a", CANARY, theirs="yes")
    put_or_deleted(run, project, "a", words)
    done = run("undo")
    assert (done.code, "stay" in done.out) == (0, False), done.out
    assert looked(aws, f"{V}a") == before


def test_undo_that_is_killed_between_taking_ours_and_making_theirs_again_loses_nothing(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    before = made(aws, f"{V}a", CANARY, theirs="yes")
    put_or_deleted(run, project, "a", "deleted 1")

    def killed(operation: str, body: Body) -> None:
        if operation == "PutParameter":
            raise ConnectionError

    proxy.rules.append(killed)
    assert run("undo").code == 1
    assert held(aws) == {}
    proxy.rules.pop()
    assert run("undo").code == 0
    assert looked(aws, f"{V}a") == before


def test_undo_leaves_what_somebody_makes_where_a_parameter_was_to_be_made_again(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    made(aws, f"{V}a", CANARY)
    put_or_deleted(run, project, "a", "deleted")

    def meanwhile(operation: str, body: Body) -> None:
        if operation == "PutParameter" and not held(aws):
            aws.put_parameter(Name=f"{V}a", Value="a colleague's", Type="String")

    proxy.rules.append(meanwhile)
    done = run("undo")
    assert (done.code, "-> invoke undo" in done.out) == (1, True)
    assert f"1 given another value since stay: {V}a" in run("undo").out
    assert held(aws) == {f"{V}a": "a colleague's"}


def test_a_journal_whose_last_line_a_crash_has_cut_is_gone_on_with_by_undo(
    project: Path, closed_world: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    before = made(aws, f"{V}a", CANARY)
    put_or_deleted(run, project, "a", "deleted 1")
    for path in closed_world.rglob("*.jsonl"):
        with path.open("ab") as journal:
            journal.write(b'{"action": "upd')

    def killed(operation: str, body: Body) -> None:
        if operation == "PutParameter":
            raise ConnectionError

    proxy.rules.append(killed)
    assert run("undo").code == 1
    proxy.rules.pop()
    assert run("undo").code == 0
    assert looked(aws, f"{V}a") == before


def test_what_somebody_else_creates_between_our_look_and_our_write_stays_and_the_hint_plans_anew(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    def meanwhile(operation: str, body: Body) -> None:
        if operation == "PutParameter" and f"{V}a" not in held(aws):
            aws.put_parameter(Name=f"{V}a", Value="theirs", Type="String")

    proxy.rules.append(meanwhile)
    done = run("secrets.sync", written(project, a="1"), "--json")
    error = done.document["steps"][-1]["error"]
    assert (done.code, error["hint"].endswith("secrets.sync v.json"), error["hint"].count("\n")) == (1, True, 0)
    assert held(aws) == {f"{V}a": "theirs"}


def test_what_aws_has_lost_and_the_person_has_put_again_as_the_hint_says_stays(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    made(aws, f"{V}a", CANARY)
    put_or_deleted(run, project, "a", "1")
    rule = lambda operation, body: LOST if body.get("Name") == f"{V}a:2" else None  # noqa: E731
    proxy.rules.append(rule)
    put_or_deleted(run, project, "a", "deleted")
    done = run("undo")
    assert (done.code, "secrets.put a   # with that value" in done.out) == (1, True)
    (project / "value").write_text(CANARY)
    assert run("secrets.put", "a", "--file", "value").code == 0
    done = run("undo")
    assert (done.code, f"1 given another value since stay: {V}a" in done.out) == (0, True)
    assert held(aws) == {f"{V}a": CANARY}


LOST = (400, "ParameterVersionNotFound", "no such version")


def test_undo_says_nothing_of_what_was_made_and_is_gone_and_that_somebodys_was_deleted_for_good(
    project: Path, aws: Any, run: Run
) -> None:
    put_or_deleted(run, project, "a", "1 deleted 1 2 gone")
    made(aws, f"{V}b", CANARY)
    put_or_deleted(run, project, "b", "1 gone")
    done = run("undo")
    assert (done.code, [line for line in done.out.splitlines() if "stay" in line]) == (
        0,
        [f"warning           1 deleted since stay so: {V}b"],
    )
    assert held(aws) == {}


def test_what_parameter_store_would_refuse_is_all_said_before_anything_is_written(
    project: Path, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(project, fine="1", jinja="{{ ds }}", large="x" * 4097, empty="")
    done = run("secrets.sync", file)
    assert done.code == 1
    for said in (
        "variable jinja: its value has {{…}}",
        "variable large: its value is larger than 4,096 bytes",
        "empty",
    ):
        assert said in done.out
    assert held(aws) == {}
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_TIER", "advanced")
    assert run("secrets.sync", written(project, large="x" * 4097)).code == 0
    assert [each["Tier"] for each in aws.describe_parameters()["Parameters"]] == ["Advanced"]


def test_more_entries_than_aws_takes_are_refused_before_any_is_looked_at(
    project: Path, proxy: Proxy, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = limits.QUOTAS["parameter-store"]._replace(entries={"": 2, "standard": 2, "advanced": 3})
    monkeypatch.setitem(limits.QUOTAS, "parameter-store", few)
    proxy.forget()
    done = run("secrets.sync", written(project, a="1", b="2", c="3"))
    assert (done.code, "there would be 3 entries, and AWS takes 2 in a region" in done.out) == (1, True)
    assert "GetParameters" not in proxy.calls
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_TIER", "advanced")
    assert run("secrets.sync", "v.json", "--check").code == 3


@pytest.mark.parametrize("backend", ["parameter-store", "secrets-manager"])
def test_an_entry_with_another_key_that_is_to_be_written_is_a_conflict_of_its_own(
    project: Path, embedded: Embedded, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", backend)
    assert run("secrets.sync", written(project, a="1")).code == 0
    key = boto3.Session().client("kms", endpoint_url=embedded.url).create_key()["KeyMetadata"]["Arn"]
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_KMS_KEY", key)
    assert run("secrets.sync", "v.json", "--check").code == 0, "nothing is to be written"
    written(project, a="2", b="new")
    done = run("secrets.sync", "v.json", "--json")
    assert (done.code, entries(done)) == (1, {"a": "failed", "b": "created"})
    failed = next(each for each in done.document["entries"] if each["name"] == "a")
    assert f"wanted {key}" in failed["reason"]
    assert run("undo").code == 0


def test_a_call_reads_ten_and_a_list_is_asked_for_to_prune_alone(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    wanted = {f"v{number}": str(number) for number in range(101)}
    for key, value in wanted.items():
        tags = [{"Key": OWNER, "Value": "mine"}]
        aws.put_parameter(Name=f"{V}{key}", Value=value, Type="SecureString", Tags=tags)
    proxy.forget()
    assert run("secrets.sync", written(project, **wanted), "--check").code == 0
    assert dict(proxy.calls) == {"GetParameters": 11}
    proxy.forget()
    assert run("secrets.sync", "v.json", "--check", "--prune").code == 0
    assert proxy.calls.pop("DescribeParameters") >= 3, "of each kind, and of the variables more than one page"
    assert dict(proxy.calls) == {"GetParameters": 11}


def test_entries_are_looked_at_one_by_one_as_in_secrets_manager(project: Path, aws: Any, run: Run) -> None:
    assert run("secrets.sync", written(project, a=CANARY, b="2")).code == 0
    (project / "value").write_text("3")
    assert run("secrets.put", "b", "--file", "value").code == 0
    aws.put_parameter(Name=f"{C}bad", Value="no connection", Type="String")
    listed = run("secrets.list", "--json").document["entries"]
    assert {(each["name"], each["kind"]) for each in listed} == {
        *(("a", "variable"), ("b", "variable"), ("bad", "connection"))
    }
    assert len(run("secrets.history", "b", "--json").document["entries"]) == 2
    assert CANARY not in run("secrets.get", "a").out
    assert CANARY in run("secrets.get", "a", "--show").out
    linted = run("secrets.lint", "--json")
    (found,) = [check for check in linted.document["checks"] if check["check"] == "readable"]
    assert (linted.code, found["status"], "connection bad" in found["detail"]) == (4, "failed", True)
    assert run("secrets.delete", "b", "--now", "--yes").code == 0
    assert held(aws).keys() == {f"{V}a", f"{C}bad"}


def test_two_syncs_of_one_team_at_once_agree(project: Path, aws: Any, proxy: Proxy, tmp_path: Path) -> None:
    keys = [f"k{number}" for number in range(12)]
    written(project, **dict.fromkeys(keys, CANARY))
    homes = [{}, {"XDG_STATE_HOME": str(tmp_path / "colleague")}]
    processes = [begun(project, **home) for home in homes]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert held(aws) == {f"{V}{key}": CANARY for key in keys}
    assert {len(aws.get_parameter_history(Name=f"{V}{key}")["Parameters"]) for key in keys} == {1}


def test_a_write_that_aws_throttles_fails_at_or_refuses_as_keys_have_ended_is_made_once_now_or_by_the_next_run(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    answers = [
        (400, "ThrottlingException", "Rate exceeded"),
        (500, "InternalServerError", "again"),
        (400, "ExpiredTokenException", "The security token included in the request is expired"),
    ]
    written(project, a="1", b="2", c="3", d="4")
    proxy.rules.append(lambda operation, body: answers.pop(0) if answers and operation == "PutParameter" else None)
    done = run("secrets.sync", "v.json", "--json")
    assert done.code == 1
    assert "have expired" in done.document["steps"][-1]["error"]["message"]
    assert run("secrets.sync", "v.json").code == 0
    assert held(aws) == {f"{V}a": "1", f"{V}b": "2", f"{V}c": "3", f"{V}d": "4"}
    assert {len(aws.get_parameter_history(Name=name)["Parameters"]) for name in held(aws)} == {1}


def test_a_write_that_is_tried_again_takes_a_turn_as_any_other(
    project: Path, aws: Any, proxy: Proxy, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []
    monkeypatch.setattr(pace.Pace, "wait", lambda self: turns.append(1))
    throttled: set[str] = set()

    def once(operation: str, body: Body) -> Refusal | None:
        if operation != "PutParameter" or body["Name"] in throttled:
            return None
        throttled.add(body["Name"])
        return 400, "ThrottlingException", "Rate exceeded"

    proxy.rules.append(once)
    written(project, a="1", b="2")
    assert run("secrets.sync", "v.json").code == 0
    assert (len(turns), proxy.calls["PutParameter"]) == (4, 4)
