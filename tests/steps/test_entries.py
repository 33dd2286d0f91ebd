"""`secrets.list`, `get`, `put`, `delete` and `history`: one entry at a time, and no value that nobody asked for."""

from __future__ import annotations

import json
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks.screen import Screen
from aws_airflow_tasks.steps.entries import OWNER
from tests.project import airflow, astro_project, embedded, run
from tests.steps.test_sync import CANARY, C, Run, V, aws, entries, held, project, proxy, tags
from tests.world.proxy import Proxy

__all__ = ["airflow", "astro_project", "aws", "embedded", "project", "proxy", "run"]


def typed(monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> list[str]:
    """Somebody at a terminal who types these; None: nobody. What was asked is returned."""
    left, asked = list(answers), list[str]()

    def ask(self: Screen, question: str) -> str | None:
        asked.append(question)
        return left.pop(0)

    monkeypatch.setattr(Screen, "ask_line", ask)
    monkeypatch.setattr(Screen, "ask_hidden", ask)
    return asked


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(data)))


def test_an_entry_is_of_the_kind_whose_prefix_its_name_has_for_longest(
    project: Path, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CONNECTIONS_PREFIX", "airflow")
    aws.create_secret(Name=f"{V}a", SecretString=CANARY)
    aws.create_secret(Name="airflow/db", SecretString="no connection")
    listed = run("secrets.list", "--json").document["entries"]
    assert [(each["kind"], each["name"]) for each in listed] == [("variable", "a"), ("connection", "db")]
    (readable,) = (each for each in run("secrets.lint", "--json").document["checks"] if each["check"] == "readable")
    assert readable["detail"].startswith("connection db: ")
    aws.put_secret_value(SecretId="airflow/db", SecretString="http://h")
    aws.create_secret(Name=f"{V}b", SecretBinary=b"x")
    (readable,) = (each for each in run("secrets.lint", "--json").document["checks"] if each["check"] == "readable")
    assert (readable["detail"], readable["hint"].partition("   #")[0]) == (
        "variable b: it is binary: Airflow finds nothing",
        "invoke secrets.put b",
    )


def test_a_value_is_put_from_a_prompt_a_file_or_standard_input_and_never_shown(
    project: Path, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = typed(monkeypatch, f"{CANARY}typed")
    done = run("secrets.put", "typed", "--json", "--diff")
    assert (done.code, entries(done)) == (0, {"typed": "created"})
    assert asked == ["value of typed"]
    (project / "value").write_text(f"{CANARY}\nfile\n")
    assert run("secrets.put", "file", "--file", "value").code == 0
    monkeypatch.undo()
    monkeypatch.chdir(project)
    assert held(aws) == {f"{V}typed": f"{CANARY}typed", f"{V}file": f"{CANARY}\nfile\n"}
    assert CANARY not in done.out + done.err
    assert tags(aws, f"{V}typed") == {OWNER: "mine"}


def test_standard_input_is_stored_without_its_last_line_end(
    project: Path, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped(monkeypatch, f"{CANARY}\n".encode())
    assert run("secrets.put", "piped").code == 0
    piped(monkeypatch, b"http://u:p@h\n")
    assert run("secrets.put", "c", "--connection").code == 0
    piped(monkeypatch, b"S3CRET is no connection")
    done = run("secrets.put", "d", "--connection")
    assert done.code == 1
    assert "standard input: connection d: it is no URI that begins with conn_type://" in done.out
    assert "S3CRET" not in done.out
    assert held(aws)[f"{V}piped"] == CANARY
    assert json.loads(held(aws)[f"{C}c"])["password"] == "p"
    piped(monkeypatch, b'\xef\xbb\xbf{"conn_type": "http", "host": "bom"}')
    assert run("secrets.put", "d", "--connection").code == 0
    assert json.loads(held(aws)[f"{C}d"])["host"] == "bom"
    piped(monkeypatch, b"\xff")
    assert "is not UTF-8" in run("secrets.put", "e").out


def test_somebody_elses_value_is_not_replaced_by_hand_either(
    project: Path, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.create_secret(Name=f"{V}x", SecretString="theirs")
    (project / "v").write_text("ours")
    done = run("secrets.put", "x", "--file", "v")
    assert done.code == 1
    assert "secrets.put x --file v --override" in done.out
    assert run("secrets.delete", "x").code == 1
    assert held(aws) == {f"{V}x": "theirs"}
    assert run("secrets.put", "x", "--file", "v", "--override").code == 0
    assert run("undo", "--yes").code == 0
    assert held(aws) == {f"{V}x": "theirs"}


def test_a_look_at_an_entry_shows_a_fingerprint_and_with_show_the_value(project: Path, aws: Any, run: Run) -> None:
    for name in ("x", "y"):
        aws.create_secret(Name=f"{V}{name}", SecretString=CANARY)
    (project / "v").write_text("1")
    run("secrets.put", "z", "--file", "v")
    looks = [run("secrets.get", "x", "--json").document["entries"][0]["fingerprint"] for _ in range(2)]
    assert looks[0] == looks[1]
    assert looks[0] != run("secrets.get", "y", "--json").document["entries"][0]["fingerprint"]
    plain = run("secrets.get", "x")
    assert looks[0] in plain.out
    assert CANARY not in plain.out + plain.err
    shown = run("secrets.get", "x", "--show")
    assert f"\n{CANARY}\n" in shown.out
    assert run("secrets.get", "x", "--show", "--json").document["entries"][0]["value"] == CANARY
    missing = run("secrets.get", "none")
    assert missing.code == 1
    assert f"there is no secret {V}none" in missing.out


def test_a_list_has_names_kinds_and_dates_and_no_value_is_read(project: Path, aws: Any, proxy: Proxy, run: Run) -> None:
    aws.create_secret(Name=f"{V}a", SecretString=CANARY, Tags=[{"Key": OWNER, "Value": "mine"}])
    aws.create_secret(Name=f"{C}a", SecretString=CANARY)
    aws.create_secret(Name=f"{V}gone", SecretString=CANARY)
    aws.delete_secret(SecretId=f"{V}gone")
    aws.create_secret(Name="elsewhere/a", SecretString=CANARY)
    done = run("secrets.list", "--json")
    found = [(each["kind"], each["name"], each["status"], each["owner"]) for each in done.document["entries"]]
    assert found == [
        ("variable", "a", "there", "mine"),
        ("variable", "gone", "pending deletion", None),
        ("connection", "a", "there", None),
    ]
    assert proxy.calls.keys() == {"ListSecrets"}
    text = run("secrets.list", "--match", "gon").out
    assert "pending deletion" in text
    assert f"{C}a" not in text
    assert "2 variables" in run("secrets.list").out


@pytest.mark.parametrize("line", ["secrets.get x", "secrets.list", "secrets.history x", "secrets.put x --file value"])
def test_where_aws_has_trouble_it_is_asked_twice_and_not_for_minutes(
    line: str, project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    (project / "value").write_text(CANARY)
    proxy.rules.append(lambda operation, body: (500, "InternalServiceError", "no"))
    proxy.forget()
    assert run(*line.split()).code == 1
    assert set(proxy.calls.values()) == {2}


def test_a_deletion_can_be_taken_back_by_undo(project: Path, aws: Any, run: Run) -> None:
    (project / "v").write_text(CANARY)
    aws.create_secret(Name=f"{V}team", SecretString=CANARY, Tags=[{"Key": OWNER, "Value": "mine"}])
    done = run("secrets.delete", "team", "--json")
    assert (done.code, entries(done)) == (0, {"team": "deleted"})
    assert done.document["steps"][-1]["reason"] == "AWS keeps it for 30 days"
    assert held(aws) == {}
    assert run("secrets.delete", "team").code == 0
    assert run("secrets.delete", "never").code == 0
    assert run("undo", "--yes").code == 0
    assert held(aws) == {f"{V}team": CANARY}


@pytest.mark.parametrize(
    ("answer", "flags", "gone"),
    [
        ("x", (), True),
        ("y", (), False),
        (None, (), False),
        (None, ("--override",), False),
        (None, ("--yes",), True),
        ("y", ("--yes",), False),
    ],
)
def test_a_deletion_for_good_takes_the_typed_name_or_yes_where_nobody_can_type(
    project: Path,
    aws: Any,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
    flags: tuple[str, ...],
    gone: bool,
) -> None:
    aws.create_secret(Name=f"{V}x", SecretString="1", Tags=[{"Key": OWNER, "Value": "mine"}])
    typed(monkeypatch, answer)
    done = run("secrets.delete", "x", "--now", *flags)
    assert (done.code == 0) == gone
    assert (held(aws) == {}) == gone
    kept = " --override" if "--override" in flags else ""
    assert gone or f"secrets.delete x --now{kept} --yes" in done.out, "without it somebody else's entry would stay"


def test_a_deletion_for_good_that_is_not_made_is_said_to_have_failed_and_one_that_somebody_overtakes_is_not_made(
    project: Path, aws: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.create_secret(Name=f"{V}x", SecretString="1", Tags=[{"Key": OWNER, "Value": "mine"}])
    done = run("secrets.delete", "x", "--now", "--json")
    assert (done.code, entries(done)) == (1, {"x": "failed"})

    def meanwhile(self: Screen, question: str) -> str:
        aws.put_secret_value(SecretId=f"{V}x", SecretString="theirs")
        return "x"

    monkeypatch.setattr(Screen, "ask_line", meanwhile)
    assert "has been changed meanwhile: it stays" in run("secrets.delete", "x", "--now").out
    assert held(aws) == {f"{V}x": "theirs"}


def test_check_mode_of_a_single_entry_changes_nothing(project: Path, aws: Any, run: Run) -> None:
    aws.create_secret(Name=f"{V}x", SecretString="1", Tags=[{"Key": OWNER, "Value": "mine"}])
    (project / "v").write_text("2")
    for line in ("put x --file v", "delete x", "delete x --now"):
        word, *rest = line.split()
        assert run(f"secrets.{word}", *rest, "--check").code == 3
    assert held(aws) == {f"{V}x": "1"}


def test_the_history_of_an_entry_has_its_versions_the_newest_first(project: Path, aws: Any, run: Run) -> None:
    first = aws.create_secret(Name=f"{V}x", SecretString=CANARY)["VersionId"]
    second = aws.put_secret_value(SecretId=f"{V}x", SecretString=f"{CANARY}2")["VersionId"]
    done = run("secrets.history", "x", "--json")
    assert [(each["version"], each["labels"]) for each in done.document["entries"]] == [
        (second, ["AWSCURRENT"]),
        (first, ["AWSPREVIOUS"]),
    ]
    assert CANARY not in done.out
    assert run("secrets.history", "x", "--connection").code == 1


def test_without_a_backend_there_are_no_entries(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "none")
    done = run("secrets.list")
    assert done.code == 1
    assert "the backend is none" in done.out
