"""The schema of the JSON document, which every document that a test comes by is held against (conftest)."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from aws_airflow_tasks import report
from aws_airflow_tasks.core import Change, Check, Result, TaskError
from tests import schema


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
