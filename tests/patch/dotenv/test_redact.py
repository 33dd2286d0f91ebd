"""What of a .env file may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.patch.dotenv import json_value, redactor

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("AWS_PROFILE=dev\n", "AWS_PROFILE=dev\n"),
        ("export AWS_PROFILE='dev' # mine\r\n", "export AWS_PROFILE='dev' # mine\r\n"),
        ("DB=hunter2\n", "DB=***\n"),
        ("DB = hunter2 # c", "DB = ***"),
        ("DB: hunter2", "DB: ***"),
        ("\ufeffDB=hunter2", "\ufeffDB=***"),
        ("DB=\n", "DB=\n"),
        ("# a note\n\n", "# a note\n\n"),
        ("# see https://example.com/x\n", "# see https://example.com/x\n"),
        ("# DB=hunter2\n", "# DB=***\n"),
        ("  #export DB: hunter2\n", "  #export DB:***\n"),
        ("# key AKIAIOSFODNN7EXAMPLE\n", "# ***\n"),
        (f"# {SECRET}\n", "# ***\n"),
        ("hunter2\n", "***\n"),
        ("not an assignment\n", "***\n"),
        ("AWS_PROFILE='never closed\n", "***\n"),
        ('DB="hun\nter2\n"\n', "DB=***\n*** (2)\n*** (3)\n"),
        ('AWS_PROFILE="de\nDB=hunter2"\n', "AWS_PROFILE=***\n*** (2)\n"),
        ("AWS_PROFILE='dev' DB=hunter2\n", "AWS_PROFILE=***\n"),
        ("AWS_PROFILE='dev' DB='hun\n# ter2'\n", "AWS_PROFILE=***\n***\n"),
        ("AWS_PROFILE=dev # DB=hunter2\n", "AWS_PROFILE=dev # DB=***\n"),
        (f"AWS_PROFILE={SECRET}\n", "AWS_PROFILE=***\n"),
        ("AWS_ENDPOINT_URL=http://me:hunter2@localhost\n", "AWS_ENDPOINT_URL=***\n"),
        ("AWS_CONFIG_FILE=/Users/JohnDoe1/Projects/Airflow/Home/config\n",) * 2,
        (
            'AIRFLOW__SECRETS__BACKEND_KWARGS={"connections_prefix": "a", "aws_secret_access_key": "hunter2"}\n',
            'AIRFLOW__SECRETS__BACKEND_KWARGS={"connections_prefix": "a", "aws_secret_access_key": "***"}\n',
        ),
        (
            'AIRFLOW__SECRETS__BACKEND_KWARGS={"x": [{"token": ["hunter2"]}, "AKIAIOSFODNN7EXAMPLE"]}\n',
            'AIRFLOW__SECRETS__BACKEND_KWARGS={"x": [{"token": "***"}, "***"]}\n',
        ),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS={'token': 'hunter2'}\n", "AIRFLOW__SECRETS__BACKEND_KWARGS=***\n"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS={'prefix': 'a'}\n", "AIRFLOW__SECRETS__BACKEND_KWARGS={'prefix': 'a'}\n"),
    ],
)
def test_redact(text: str, shown: str) -> None:
    """Names, notes and the tool's own plain values are shown; everything else is hidden, line by line."""
    assert redactor()(text) == shown


def test_our_kwargs_are_shown_as_they_are() -> None:
    """The backend's kwargs that we write hold nothing to hide."""
    line = "AIRFLOW__SECRETS__BACKEND_KWARGS=" + json_value({"connections_prefix": "a/b", "region_name": "eu-west-1"})
    assert redactor()(line) == line


def test_a_changed_secret_shows_as_changed() -> None:
    """One redactor gives equal secrets equal marks and another secret of the same key another mark."""
    shown = redactor()
    assert shown("A=one\nB=one\n") == "A=***\nB=***\n"
    assert shown("A=two\nB=one\n") == "A=*** (2)\nB=***\n"
    assert shown("A=one\n") == "A=***\n"


KEYS = st.sampled_from(["PASSWORD", "export TOKEN", "# OLD", "#SECRET", "AWS_ACCESS_KEY_ID", "x.y", "AIRFLOW_CONN_X"])


@given(st.lists(st.tuples(KEYS, st.sampled_from(["{}", "'{}'", '"{}"', "{} # c", ' "{}', "{}'"]))), st.booleans())
def test_no_value_of_an_unknown_key_is_ever_shown(lines: list[tuple[str, str]], crlf: bool) -> None:
    """However it is quoted, commented out or broken, a value behind a name of the person's is hidden."""
    text = ("\r\n" if crlf else "\n").join(f"{key}={value.format('hunter2')}" for key, value in lines)
    assert "hunter2" not in redactor()(text)


@given(st.text(st.sampled_from("AK=:#'\"\\${}\n\r ev\x85\ufeff")))
def test_lines_stay_lines(text: str) -> None:
    """Any text can be redacted, and has as many lines afterwards."""
    assert redactor()(text).count("\n") == text.count("\n")
