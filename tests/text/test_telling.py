"""Which line of much that was said is quoted."""

from __future__ import annotations

import pytest

from aws_airflow_tasks.text.telling import MOST, telling


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", "it said nothing"),
        ("one\ntwo\n", "two"),
        ("sqlalchemy.exc.OperationalError: locked\nshutting down\n", "sqlalchemy.exc.OperationalError: locked"),
        ("[error    ] Database migration required\nbye\n", "[error    ] Database migration required"),
    ],
)
def test_of_a_log_the_last_line_that_names_an_error_is_told(lines: str, told: str) -> None:
    assert telling(lines) == told


def test_the_first_that_is_named_may_tell_what_the_others_follow_from() -> None:
    assert telling("start\nerror: a\nerror: b\nend\n", "^error", first=True) == "error: a"


def test_where_no_line_is_named_something_else_can_be_said_than_the_last() -> None:
    assert telling("one\ntwo\n", "^error", otherwise="no error") == "no error"
    assert telling("one\nerror\n", "^error", otherwise="no error") == "error"


def test_a_line_is_quoted_without_blanks_around_it_and_never_longer_than_a_message_may_be() -> None:
    assert telling("  x \r\n\n", "") == "x"
    assert len(telling("x" * 1_000)) == MOST
    assert len(telling("Error: " + "x" * 1_000)) == MOST
