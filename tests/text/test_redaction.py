"""What of a program's output may be shown."""

from __future__ import annotations

from aws_airflow_tasks.text.redaction import redact_output


def test_output_shows_no_value_of_env_but_the_harmless_ones_and_nothing_that_looks_like_a_secret() -> None:
    said = "canary-value canary-key dev AKIAIOSFODNN7EXAMPLE postgres://me:canary@host eyJhbGciOiJIUzI1NiIsInR5cCI6 abc"
    shown = redact_output(said, {"MINE": "canary-value", "AWS_PROFILE": "dev", "SHORT": "abc"}, "canary-key")
    assert shown == "*** *** dev *** postgres://***@host *** abc"
