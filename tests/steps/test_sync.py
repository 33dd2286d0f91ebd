"""`secrets.sync`: what files want of the backend, all of it and nothing else, whatever comes between."""

from __future__ import annotations

import json
import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_airflow_tasks.steps import syncing
from aws_airflow_tasks.steps.entries import OWNER
from aws_airflow_tasks.world import pace
from aws_airflow_tasks.world.journal import Journal
from tests.project import Done, airflow, astro_project, embedded, run
from tests.typed import hold
from tests.world.proxy import Body, Proxy, Refusal, before, denying
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "embedded", "run"]

Run = Callable[..., Done]
CANARY = "C4N4RYc4n4ry"
V, C = "airflow/variables/", "airflow/connections/"


@pytest.fixture
def proxy(embedded: Embedded, astro_project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with before(embedded.url) as made:
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", made.url)
        yield made


@pytest.fixture
def aws(embedded: Embedded, astro_project: Path) -> Iterator[Any]:
    client = boto3.Session().client("secretsmanager", endpoint_url=embedded.url)
    yield client
    for entry in client.list_secrets(IncludePlannedDeletion=True, MaxResults=100)["SecretList"]:
        client.delete_secret(SecretId=entry["ARN"], ForceDeleteWithoutRecovery=True)


@pytest.fixture
def project(astro_project: Path, aws: Any, proxy: Proxy) -> Path:
    return astro_project


def held(aws: Any) -> dict[str, str]:
    found = aws.list_secrets(MaxResults=100)["SecretList"]
    return {each["Name"]: aws.get_secret_value(SecretId=each["Name"])["SecretString"] for each in found}


def tags(aws: Any, name: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in aws.describe_secret(SecretId=name).get("Tags", [])}


def written(project: Path, name: str = "v.json", **values: Any) -> str:
    (project / name).write_text(json.dumps(values))
    return name


def git(project: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=project, check=True)


def entries(done: Done) -> dict[str, str]:
    return {each["name"]: each["status"] for each in done.document["entries"]}


def test_entries_are_made_changed_and_left_as_the_files_say_and_the_second_run_changes_nothing(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    file = written(project, a=CANARY, b={"x": 1})
    (project / "c.env").write_text(f"db=postgres://u:{CANARY}@h/s\n")
    done = run("secrets.sync", file, "--also", "c.env", "--json")
    assert done.code == 0, done
    assert entries(done) == {"a": "created", "b": "created", "db": "created"}
    assert done.document["steps"][-1]["reason"] == "3 created"
    assert held(aws) == {
        f"{V}a": CANARY,
        f"{V}b": '{\n  "x": 1\n}',
        f"{C}db": json.dumps({"conn_type": "postgres", "host": "h", "login": "u", "password": CANARY, "schema": "s"}),
    }
    assert tags(aws, f"{V}a") == {OWNER: "mine"}
    proxy.forget()
    again = run("secrets.sync", file, "--also", "c.env", "--json")
    assert (again.code, entries(again)) == (0, {"a": "ok", "b": "ok", "db": "ok"})
    assert again.statuses() == {"creds": "ok", "secrets.sync": "ok"}
    assert dict(proxy.calls) == {"BatchGetSecretValue": 1}
    written(project, a=f"{CANARY}2", b={"x": 1})
    third = run("secrets.sync", file, "--also", "c.env", "--json", "--diff")
    assert third.document["steps"][-1]["reason"] == "1 updated, 2 as wanted"
    assert held(aws)[f"{V}a"] == f"{CANARY}2"
    assert CANARY not in "".join(part.out + part.err for part in (done, again, third))


def test_writes_that_take_long_are_estimated_first_and_counted_as_they_are_made(
    project: Path, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LASTS", "EVERY"):
        monkeypatch.setattr(pace, name, 0)
    monkeypatch.setattr(syncing, "SHORT", 0)
    heard: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: heard.append(record.getMessage()))
    monkeypatch.setattr(syncing.log, "handlers", [handler])
    written(project, a=CANARY, b="2", c="3")
    long = "about 1 s at AWS's 45 writes a second"
    assert long in " ".join(run("secrets.sync", "v.json", "--check").out.split())
    assert "about" not in run("secrets.sync", "v.json").out
    said = [line for line in heard if "writ" in line]
    assert said[0] == f"3 to write, {long}"
    assert [line.partition(",")[0] for line in said[1:]] == ["1 of 3 written", "2 of 3 written", "all 3 written"]
    heard.clear()
    run("undo", "--yes")
    assert f"3 to take back, {long}" in heard
    assert "all 3 taken back" in heard
    assert CANARY not in "".join(heard)


def test_check_says_what_would_change_and_changes_nothing(project: Path, aws: Any, run: Run) -> None:
    written(project, a="1", b="2")
    aws.create_secret(Name=f"{V}b", SecretString="2")
    done = run("secrets.sync", "v.json", "--check", "--diff")
    assert done.code == 3
    assert "1 to create, 1 as wanted" in done.out
    assert "variable a: absent -> hmac:" in done.out
    assert held(aws) == {f"{V}b": "2"}


def test_what_somebody_else_has_is_used_when_equal_and_a_conflict_when_not(project: Path, aws: Any, run: Run) -> None:
    aws.create_secret(Name=f"{V}same", SecretString="[1,2]")
    aws.create_secret(Name=f"{V}other", SecretString=CANARY)
    aws.create_secret(Name=f"{C}db", SecretString='{"engine": "postgres", "server": "h", "user": "me"}')
    (project / "c.env").write_text("db=postgres://me@h\n")
    file = written(project, same=[1, 2], other="ours", new="n")
    done = run("secrets.sync", file, "--also", "c.env", "--json")
    assert done.code == 1
    assert entries(done) == {"other": "failed", "db": "ok", "same": "ok", "new": "created"}
    error = done.document["steps"][-1]["error"]
    assert f"{V}other: secret it has another value" in error["message"]
    assert "invoke secrets.sync v.json --also c.env --override" in error["hint"].replace("aws-airflow", "invoke")
    assert held(aws)[f"{V}other"] == CANARY
    assert held(aws)[f"{V}new"] == "n"
    assert CANARY not in done.out + done.err
    assert run("secrets.sync", file, "--override").code == 0
    assert held(aws)[f"{V}other"] == "ours"
    assert run("undo", "--yes").code == 0
    assert held(aws) | {f"{V}other": CANARY, f"{V}same": "[1,2]"} == held(aws)
    assert f"{V}new" not in held(aws)


def test_prune_deletes_what_is_ours_and_in_no_file_and_undo_restores_it(project: Path, aws: Any, run: Run) -> None:
    written(project, a="1", b=CANARY)
    assert run("secrets.sync", "v.json").code == 0
    aws.create_secret(Name=f"{V}theirs", SecretString="x")
    aws.create_secret(Name=f"{V}team", SecretString="x", Tags=[{"Key": OWNER, "Value": "others"}])
    written(project, a="1")
    asked = run("secrets.sync", "v.json", "--prune")
    assert asked.code == 1
    assert "Delete 1 secret, ours and not wanted?" in asked.out
    assert held(aws).keys() == {f"{V}a", f"{V}b", f"{V}theirs", f"{V}team"}
    done = run("secrets.sync", "v.json", "--prune", "--yes", "--json")
    assert (done.code, entries(done)) == (0, {"a": "ok", "b": "deleted"})
    assert held(aws).keys() == {f"{V}a", f"{V}theirs", f"{V}team"}
    assert run("secrets.sync", "v.json", "--prune", "--yes", "--json").document["recap"]["changed"] == 0
    assert aws.describe_secret(SecretId=f"{V}b")["DeletedDate"]
    assert run("undo", "--yes").code == 0
    assert held(aws).keys() == {f"{V}theirs", f"{V}team"}


def test_an_entry_of_ours_whose_deletion_is_scheduled_comes_back_with_the_value_that_is_wanted(
    project: Path, aws: Any, run: Run
) -> None:
    written(project, a="1", b="2")
    run("secrets.sync", "v.json")
    for name in "ab":
        aws.delete_secret(SecretId=f"{V}{name}")
    written(project, a="1", b="3")
    done = run("secrets.sync", "v.json", "--json")
    assert (done.code, entries(done)) == (0, {"a": "updated", "b": "updated"})
    assert held(aws) == {f"{V}a": "1", f"{V}b": "3"}


def test_an_entry_that_was_deleted_and_is_wanted_as_it_was_is_undone_like_all_others(
    project: Path, aws: Any, run: Run
) -> None:
    for wanted in ({"a": "1", "b": "2"}, {"a": "1"}, {"a": "1", "b": "2"}):
        written(project, **wanted)
        assert run("secrets.sync", "v.json", "--prune", "--yes").code == 0
    assert held(aws) == {f"{V}a": "1", f"{V}b": "2"}
    assert run("undo", "--yes").code == 0
    assert held(aws) == {}


def test_where_a_kill_came_before_the_journal_was_made_undo_says_so_and_goes_on(
    project: Path, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(project, a="1")
    monkeypatch.setattr(Journal, "open", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run("secrets.sync", "v.json").code == 130
    done = run("undo", "--yes")
    assert (done.code, ".jsonl is not there, so what it says is not undone" in done.out) == (0, True), done.out


def test_somebody_elses_entry_whose_deletion_is_scheduled_stays_so(project: Path, aws: Any, run: Run) -> None:
    aws.create_secret(Name=f"{V}a", SecretString="x")
    aws.delete_secret(SecretId=f"{V}a")
    written(project, a="1")
    done = run("secrets.sync", "v.json")
    assert done.code == 1
    assert f"aws secretsmanager restore-secret --secret-id {V}a" in done.out
    assert held(aws) == {}


def test_a_file_that_cannot_be_used_keeps_everything_from_being_written(project: Path, aws: Any, run: Run) -> None:
    written(project, a="1")
    written(project, "w.json", a=CANARY, b="")
    for files in (("v.json", "--also", "w.json"), ("none.json",), ("v.json", "--also", ".")):
        done = run("secrets.sync", *files)
        assert done.code == 1, files
        assert CANARY not in done.out
    assert "w.json line 1: variable a has another value at v.json line 1" in run(
        "secrets.sync", "v.json", "--also", "w.json"
    ).out.replace("\n", " ")
    assert "variable b: its value is empty" in run("secrets.sync", "w.json").out
    written(project, "w.json", **{"": "1"})
    assert "w.json line 1: a variable has no name" in run("secrets.sync", "w.json").out
    assert held(aws) == {}


def test_a_uri_that_is_not_encoded_is_repaired_and_named_or_refused_with_what_encodes_it(
    project: Path, aws: Any, run: Run
) -> None:
    (project / "c.env").write_text(f"a=http://u:{CANARY}/x@h\n")
    done = run("secrets.sync", "c.env")
    assert done.code == 0
    assert CANARY not in done.out + done.err
    assert "c.env line 1: connection a: Airflow could not read its URI" in " ".join(done.out.split())
    assert json.loads(held(aws)[f"{C}a"])["password"] == f"{CANARY}/x"
    (project / "c.env").write_text(f"b=http://u:12/{CANARY}@h\n")
    error = run("secrets.sync", "c.env", "--json").document["steps"][-1]["error"]
    assert "/ is %2F" in error["message"]
    hold(error["hint"])
    encode = error["hint"].splitlines()[1]
    typed = subprocess.run(["sh", "-c", encode], input="p/w\n", capture_output=True, text=True, start_new_session=True)
    assert typed.stdout == "p%2Fw\n"


def test_a_file_that_git_tracks_is_refused_unless_yes_and_no_git_is_run(project: Path, aws: Any, run: Run) -> None:
    written(project, a="1")
    git(project, "init", "-q")
    assert run("secrets.sync", "v.json", "--check").code == 3
    git(project, "add", "v.json")
    done = run("secrets.sync", "v.json")
    assert done.code == 1
    assert "git rm --cached v.json" in done.out
    for name in ("v*.json", "-x.json"):
        assert run("secrets.sync", f"./{written(project, name, a='1')}", "--check").code == 3, (
            "it is not tracked itself"
        )
    assert held(aws) == {}
    assert run("secrets.sync", "v.json", "--yes").code == 0


def test_what_fails_keeps_no_other_entry_from_being_written_and_the_next_run_does_the_rest(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    file = written(project, **{f"k{number}": CANARY for number in range(8)})
    odd = f"{V}k3"
    proxy.rules.append(lambda operation, body: DENIED if body.get("Name") == odd else None)
    done = run("secrets.sync", file, "--json")
    assert done.code == 1
    assert sorted(entries(done).values()) == ["created"] * 7 + ["failed"]
    error = done.document["steps"][-1]["error"]
    assert odd in error["message"]
    assert "7 created" in error["message"]
    assert '"Action": "secretsmanager:CreateSecret"' in error["hint"]
    assert len(held(aws)) == 7
    proxy.rules.pop()
    assert entries(run("secrets.sync", file, "--json"))["k3"] == "created"
    assert CANARY not in done.out + done.err


DENIED = denying("CreateSecret")("CreateSecret", {})


@pytest.mark.parametrize(
    "operation", ["CreateSecret", "PutSecretValue", "DescribeSecret", "GetSecretValue", "ListSecrets", "DeleteSecret"]
)
def test_an_action_that_is_denied_is_named_with_the_policy_that_allows_it(
    project: Path, aws: Any, proxy: Proxy, run: Run, operation: str
) -> None:
    written(project, a="1", b="2")
    run("secrets.sync", "v.json")
    written(project, a="2", c="3")
    denied = ["BatchGetSecretValue", operation] if operation == "GetSecretValue" else [operation]
    proxy.rules.append(denying(*denied))
    done = run("secrets.sync", "v.json", "--prune", "--yes", "--json")
    assert done.code == 1
    error = done.document["steps"][-1]["error"]
    assert f"not allowed: secretsmanager:{operation}" in error["message"]
    assert f'"Action": "secretsmanager:{operation}"' in error["hint"]


def test_a_value_that_somebody_writes_between_our_look_and_our_write_is_named_and_given_back(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    written(project, a="1")
    run("secrets.sync", "v.json")

    def meanwhile(operation: str, body: Body) -> None:
        if operation == "PutSecretValue":
            aws.put_secret_value(SecretId=f"{V}a", SecretString=CANARY)

    proxy.rules.append(meanwhile)
    written(project, a="2")
    done = run("secrets.sync", "v.json", "--json")
    proxy.rules.pop()
    assert (done.code, entries(done)) == (1, {"a": "failed"})
    error = done.document["steps"][-1]["error"]
    assert "somebody wrote version" in error["message"]
    assert "aws secretsmanager update-secret-version-stage" in error["hint"]
    theirs = aws.describe_secret(SecretId=f"{V}a")["VersionIdsToStages"]
    assert any(f"--move-to-version-id {version} " in error["hint"] for version in theirs)
    assert CANARY not in done.out + done.err


def test_undo_leaves_a_value_that_somebody_has_given_since(project: Path, aws: Any, run: Run) -> None:
    written(project, a="1", b="2")
    run("secrets.sync", "v.json")
    aws.put_secret_value(SecretId=f"{V}a", SecretString="theirs")
    done = run("undo", "--yes")
    assert done.code == 0
    assert f"1 given another value since stay: {V}a" in done.out
    assert held(aws) == {f"{V}a": "theirs"}


def test_undo_leaves_a_value_that_somebody_gives_while_it_goes_on(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    written(project, a="1")
    run("secrets.sync", "v.json")
    looks: list[str] = []

    def meanwhile(operation: str, body: Body) -> None:
        if operation == "DescribeSecret" and not looks:
            looks.append(operation)
            aws.put_secret_value(SecretId=f"{V}a", SecretString="theirs")

    proxy.rules.append(meanwhile)
    done = run("undo", "--yes")
    assert (done.code, f"secret {V}a has been changed meanwhile: it stays" in done.out) == (1, True)
    assert f"1 given another value since stay: {V}a" in run("undo", "--yes").out
    assert held(aws) == {f"{V}a": "theirs"}


def test_undo_says_of_what_somebody_is_about_to_delete_that_it_stays_so(project: Path, aws: Any, run: Run) -> None:
    written(project, a="1")
    run("secrets.sync", "v.json")
    aws.delete_secret(SecretId=f"{V}a")
    assert f"1 deleted since stay so: {V}a" in run("undo", "--yes").out
    assert aws.describe_secret(SecretId=f"{V}a")["DeletedDate"]


def test_undo_gives_a_binary_value_back(project: Path, aws: Any, run: Run) -> None:
    aws.create_secret(Name=f"{V}a", SecretBinary=b"\x00\xff")
    written(project, a="1")
    assert run("secrets.sync", "v.json", "--override").code == 0
    assert held(aws) == {f"{V}a": "1"}
    assert run("undo", "--yes").code == 0
    assert aws.get_secret_value(SecretId=f"{V}a")["SecretBinary"] == b"\x00\xff"


def test_what_cannot_be_read_is_not_pruned_and_fails(project: Path, aws: Any, proxy: Proxy, run: Run) -> None:
    written(project, a="1", b="2", c="3")
    run("secrets.sync", "v.json")
    written(project, a="1")
    all_denied, b_denied = denying("BatchGetSecretValue"), denying("GetSecretValue")
    proxy.rules.append(all_denied)
    proxy.rules.append(lambda operation, body: b_denied(operation, body) if body.get("SecretId") == f"{V}b" else None)
    done = run("secrets.sync", "v.json", "--prune", "--yes", "--json")
    assert (done.code, entries(done)) == (1, {"b": "failed", "a": "ok", "c": "deleted"})
    assert "not allowed: secretsmanager:GetSecretValue" in done.document["steps"][-1]["error"]["message"]
    assert run("secrets.sync", "v.json", "--prune", "--yes").code == 1
    proxy.rules.clear()
    assert run("secrets.sync", "v.json", "--prune", "--yes").code == 0
    assert held(aws) == {f"{V}a": "1"}


def test_check_says_why_an_entry_is_not_possible(project: Path, aws: Any, run: Run) -> None:
    aws.create_secret(Name=f"{V}a", SecretString=CANARY)
    written(project, a="1", b="2")
    done = run("secrets.sync", "v.json", "--check")
    assert (done.code, f"{V}a: secret it has another value and no tag" in " ".join(done.out.split())) == (3, True)


def test_undo_takes_back_what_was_written_by_one_profile_said_and_unsaid_as_one_and_at_every_endpoint(
    project: Path, aws: Any, embedded: Embedded, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(project, a="1", b="1")
    assert run("secrets.sync", "v.json").code == 0
    written(project, a="2")
    assert run("secrets.sync", "v.json", "--profile", "default").code == 0
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", embedded.url)
    written(project, c="1")
    assert run("secrets.sync", "v.json").code == 0
    assert run("undo", "--yes").code == 0
    assert held(aws) == {}


def test_undo_touches_nothing_of_another_account_than_what_was_written_is_in(
    project: Path, aws: Any, embedded: Embedded, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "parameter-store")
    written(project, a="1")
    assert run("secrets.sync", "v.json").code == 0
    sts = boto3.Session().client("sts", endpoint_url=embedded.url)
    role = {"RoleArn": "arn:aws:iam::222222222222:role/other", "RoleSessionName": "other"}
    keys = sts.assume_role(**role)["Credentials"]
    with monkeypatch.context() as patch:
        for name, word in {
            "ACCESS_KEY_ID": "AccessKeyId",
            "SECRET_ACCESS_KEY": "SecretAccessKey",
            "SESSION_TOKEN": "SessionToken",
        }.items():
            patch.setenv(f"AWS_{name}", keys[word])
        other = boto3.Session().client("ssm", endpoint_url=embedded.url)
        tags = [{"Key": OWNER, "Value": "mine"}]
        other.put_parameter(Name=f"/{V}a", Value="1", Type="SecureString", Tags=tags)
        done = run("undo", "--yes", "--json")
        assert done.code == 1
        assert "they are in account 123456789012" in done.document["steps"][-1]["error"]["message"]
        hold(done.document["steps"][-1]["error"]["hint"])
        other.delete_parameter(Name=f"/{V}a")
    assert run("undo", "--yes").code == 0
    assert boto3.Session().client("ssm", endpoint_url=embedded.url).describe_parameters()["Parameters"] == []


def test_undo_goes_back_through_several_runs_to_what_stood_there_before_the_first(
    project: Path, aws: Any, run: Run
) -> None:
    aws.create_secret(Name=f"{V}a", SecretString="theirs")
    for value in ("1", "2", "3"):
        written(project, a=value, b=value)
        assert run("secrets.sync", "v.json", "--override").code == 0
    assert run("secrets.delete", "a", "--override").code == 0
    assert run("undo", "--yes").code == 0
    assert held(aws) == {f"{V}a": "theirs"}


def test_a_lost_answer_and_errors_of_the_server_are_tried_again(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    written(project, a="1", b="2")
    run("secrets.sync", "v.json")
    seen: set[str] = set()

    def trouble(operation: str, body: Body) -> Refusal | None:
        if operation not in seen:
            seen.add(operation)
            return 500, "InternalServiceError", "again"
        return None

    def lose(operation: str, body: Body, answer: Body) -> Body:
        if operation not in lost:
            lost.add(operation)
            raise ConnectionError
        return answer

    lost: set[str] = set()
    proxy.rules.append(trouble)
    proxy.edits.append(lose)
    written(project, a="3", c="4")
    done = run("secrets.sync", "v.json", "--json")
    assert (done.code, entries(done)) == (0, {"a": "updated", "c": "created"}), done.err
    assert {"PutSecretValue", "CreateSecret", "BatchGetSecretValue"} <= lost & seen
    assert held(aws) == {f"{V}a": "3", f"{V}b": "2", f"{V}c": "4"}


def test_no_value_lies_in_the_state_directory(project: Path, aws: Any, run: Run, closed_world: Path) -> None:
    written(project, a=CANARY, b=CANARY)
    run("secrets.sync", "v.json")
    written(project, a=f"{CANARY}2")
    run("secrets.sync", "v.json", "--prune", "--yes")
    kept = [path for path in (closed_world / ".local").rglob("*") if path.is_file()]
    journals = [path for path in kept if path.suffix == ".jsonl"]
    assert len(journals) == 2
    assert [path for path in kept if CANARY.encode() in path.read_bytes()] == []
    assert {path.stat().st_mode & 0o777 for path in journals} == {0o600}


def test_unrelated_secrets_are_neither_read_nor_touched(project: Path, aws: Any, proxy: Proxy, run: Run) -> None:
    aws.create_secret(Name="unrelated/x", SecretString="x")
    written(project, a="1")
    run("secrets.sync", "v.json", "--prune", "--yes")
    run("secrets.list")
    assert "unrelated/x" not in json.dumps(proxy.asked)
    assert held(aws) == {"unrelated/x": "x", f"{V}a": "1"}


def test_an_entry_that_is_written_again_and_again_is_a_warning(project: Path, aws: Any, run: Run) -> None:
    for number in range(21):
        written(project, a=str(number))
        done = run("secrets.sync", "v.json")
        assert ("written more than 20 times within an hour" in done.out) == (number == 20)


def test_several_files_stand_behind_the_task_and_other_tasks_behind_them(project: Path, aws: Any, run: Run) -> None:
    for name in ("a", "b", "c"):
        written(project, f"{name}.json", **{name: "1"})
    done = run("secrets.sync", "a.json", "b.json", "--region", "eu-west-1", "c.json", "secrets.list", "--json")
    assert done.code == 0
    assert done.document["task"] == "secrets.sync secrets.list"
    assert held(aws).keys() == {f"{V}a", f"{V}b", f"{V}c"}
    written(project, "stop", d="1")
    assert run("secrets.sync", "stop", "a.json").code == 0
    assert f"{V}d" in held(aws)


def test_a_value_that_aws_quotes_in_its_refusal_is_not_passed_on(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    value = f"{CANARY}. and' at 'more {CANARY}"
    said = f"1 validation error detected: Value '{value}' at 'secretString' failed to satisfy constraint: no such thing"
    written(project, a=value)
    proxy.rules.append(lambda operation, _: (400, "ValidationException", said) if operation == "CreateSecret" else None)
    done = run("secrets.sync", "v.json", "--json")
    assert done.code == 1
    assert "ValidationException" in done.document["steps"][-1]["error"]["message"]
    assert CANARY not in done.out + done.err


def test_files_that_want_nothing_prune_nothing(project: Path, aws: Any, run: Run) -> None:
    written(project, a="1")
    run("secrets.sync", "v.json")
    written(project)
    done = run("secrets.sync", "v.json", "--prune", "--yes")
    assert done.code == 1
    assert "nothing is wanted" in done.out
    assert run("secrets.sync", "v.json").code == 0
    assert held(aws) == {f"{V}a": "1"}


def test_what_an_export_may_have_made_another_text_of_is_satisfied_by_equal_json(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    for key, text in {"seven": " 7 ", "object": '{"b":[1],"a":null}', "flag": "true"}.items():
        aws.create_secret(Name=f"{V}{key}", SecretString=text)
    written(project, seven=7, object={"a": None, "b": [1]}, flag=True)
    assert run("secrets.sync", "v.json", "--json").document["recap"] == {
        "ok": 2,
        "changed": 0,
        "skipped": 0,
        "failed": 0,
        "warnings": 0,
    }
    (project / "airflow_settings.yaml").write_text(
        "airflow:\n  variables:\n  - {variable_name: seven, variable_value: 7}\n"
    )
    assert run("secrets.sync", "airflow_settings.yaml").code == 1
    written(project, flag=1)
    assert run("secrets.sync", "v.json").code == 1


def test_undo_finds_what_is_ours_also_where_a_version_is_not_our_token(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    proxy.rules.append(lambda operation, body: body.pop("ClientRequestToken", None) and None)
    written(project, a="1", b="1")
    run("secrets.sync", "v.json")
    written(project, a="2")
    assert run("secrets.sync", "v.json", "--prune", "--yes").code == 0
    assert run("undo", "--yes").code == 0
    assert aws.list_secrets(IncludePlannedDeletion=True)["SecretList"] == []
