"""What somebody says in members is told in words."""

from __future__ import annotations

from typing import Any

import pytest

from aws_airflow_tasks.text import members

RAISED = {
    "VARIABLE_NOT_FOUND: {'message': 'Variable x not found'}": "VARIABLE_NOT_FOUND: Variable x not found",
    "VARIABLE_NOT_FOUND: {'key': 'x'}": "VARIABLE_NOT_FOUND: key x",
    "PERMISSION_DENIED: {'conn_id': 'c', 'status_code': 403}": "PERMISSION_DENIED: conn_id c, status_code 403",
    "API_SERVER_ERROR: {'status_code': 404, 'message': 'no', 'detail': {'detail': 'x'}}": "API_SERVER_ERROR: no",
    "GENERIC_ERROR: None": "GENERIC_ERROR: None",
    "it has: {a brace}": "it has: {a brace}",
    "it has: {'a': 1": "it has: {'a': 1",
    "{'message': 'x'}": "{'message': 'x'}",
    "": "",
}


@pytest.mark.parametrize("raised", RAISED)
def test_an_error_that_ends_in_members_is_told_in_words_and_any_other_as_it_is(raised: str) -> None:
    assert members.told(raised) == RAISED[raised]


ANSWERED: list[tuple[Any, str]] = [
    ({"detail": "Method Not Allowed"}, "Method Not Allowed"),
    (
        {"detail": [{"loc": ["body", "conf"], "msg": "Field required"}, {"msg": "no number"}]},
        "Field required; no number",
    ),
    ({"detail": {"reason": "not_found", "message": "no such DAG"}}, "no such DAG"),
    ({"detail": None, "status": 404, "title": "DAG not found", "type": "about:blank"}, "DAG not found"),
    ({"status": 404}, "status 404"),
    ("Internal Server Error", "Internal Server Error"),
    ([], ""),
]


@pytest.mark.parametrize(("answered", "said"), ANSWERED, ids=[said for _, said in ANSWERED])
def test_of_an_answer_the_message_is_told_and_where_it_has_none_all_of_it(answered: Any, said: str) -> None:
    assert members.words(answered) == said
