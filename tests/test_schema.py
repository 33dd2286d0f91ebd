"""The schema of the JSON document, which every document that a test comes by is held against (conftest)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from aws_airflow_tasks import report
from aws_airflow_tasks.core import Change, Check, Result, TaskError
from aws_airflow_tasks.program import program
from tests import schema
from tests.project import Done, StandInAirflow, airflow, astro_project, embedded, run

__all__ = ["airflow", "astro_project", "embedded", "run"]


def document() -> dict[str, object]:
    change = Change("dags/x.py", "create", None, "1\n", lambda: None, file=True)
    failed = Result(
        "dag", "failed", "dags/x.py", "", (change,), ("mind",), TaskError("no", hint="ls"), 1.5, ("created",)
    )
    text = report.document(
        "dag verify",
        check=False,
        code=1,
        seconds=3.2,
        results=[failed],
        checks=[Check("mount", "failed", "none", "invoke start", "scheduler")],
        error=TaskError("why"),
        notes=[report.next_note("invoke verify", "invoke stop"), report.Note("mind")],
        extra={"entries": [{"name": "a", "kind": "variable", "status": "created"}]},
    )
    return schema.held(text)


def test_the_schema_is_one_and_has_the_version_of_the_documents() -> None:
    Draft202012Validator.check_schema(schema.SCHEMA)
    assert schema.SCHEMA["properties"]["version"]["const"] == report.VERSION == document()["version"]


def test_the_commands_to_type_next_are_told_to_a_program_one_by_one() -> None:
    assert document()["next"] == ["invoke verify", "invoke stop"]


@pytest.mark.parametrize("key", ["version", "next", "recap", "steps", "checks", "error", "exit_code", "seconds"])
def test_a_document_without_one_of_its_keys_is_none(key: str) -> None:
    whole = document()
    del whole[key]
    with pytest.raises(AssertionError, match=f"'{key}' is a required property"):
        schema.held(json.dumps(whole))


def test_a_key_that_a_later_version_adds_breaks_no_reader_but_these_tests() -> None:
    more = document() | {"later": 1}
    assert Draft202012Validator(schema.SCHEMA).is_valid(more)
    with pytest.raises(AssertionError, match="later"):
        schema.held(json.dumps(more))


#: what a task is typed with, by its name; the others need nothing
WORDS = {
    "explain": ["explain", "log.txt"],
    "idempotence": ["idempotence", "--check"],
    "logs": ["logs"],
    "sandbox.up": ["sandbox", "--check"],
    "secrets.delete": ["secrets.delete", "a"],
    "secrets.get": ["secrets.get", "a", "--show"],
    "secrets.history": ["secrets.history", "a"],
    "secrets.put": ["secrets.put", "a", "--file", "value.txt"],
    "secrets.sync": ["secrets.sync", "wanted.json"],
    "trust": ["trust", "--yes"],
    "verify": ["verify"],
}


@pytest.mark.parametrize("before", [["setup", "--override"], []], ids=["after a setup", "at a conflict"])
def test_every_tasks_document_holds_what_the_schema_says_whether_it_went_well_or_not(
    before: list[str], astro_project: Path, airflow: StandInAirflow, run: Callable[..., Done]
) -> None:
    for name, text in {"log.txt": "ExpiredToken\n", "value.txt": "1", "wanted.json": '{"a": "2"}'}.items():
        (astro_project / name).write_text(text)
    (astro_project / "dags" / "example_secrets_dag.py").write_text("# mine: a conflict\n")
    codes = set()
    for task in [*filter(None, [" ".join(before)]), *program().namespace.task_names]:
        done = run(*WORDS.get(task, task.split()), "--json")
        assert (done.document["exit_code"], done.document["version"]) == (done.code, report.VERSION), task
        codes.add(done.code)
    assert codes >= {0, 1, 3}


@pytest.mark.parametrize(
    "line", [["nonsense"], ["setup", "--nonsense"], ["--nonsense", "setup"], ["setup", "--region"]]
)
def test_what_cannot_be_meant_is_a_document_too(line: list[str], run: Callable[..., Done]) -> None:
    done = run(*line, "--json")
    assert (done.code, done.document["steps"], bool(done.document["error"])) == (2, [], True)
