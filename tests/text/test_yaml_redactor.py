"""Of a YAML file of the person's nothing secret is shown, and a changed secret still shows as changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.text.redaction import yaml_redactor

COMPOSE = """\
# POSTGRES_PASSWORD: canary-comment
x-common: &common
  SLACK: canary-anchor
services:
  scheduler:
    environment:
      AIRFLOW_CONN_PG: postgres://u:canary-uri@h/db   # canary-remark
      "QUOTED": 'canary-quoted'
      AWS_DEFAULT_REGION: eu-west-1
      AIRFLOW__SECRETS__BACKEND_KWARGS: '{"region_name": "x", "aws_secret_access_key": "canary-kwargs"}'
      KEY: |
        canary-block
          canary-deeper

        canary-after-blank
      PLAIN: canary-one
        canary-two
      EMPTY:
    volumes:
      - ~/.aws/credentials:/home/astro/.aws/credentials:ro
      - type: bind
        source: ~/.aws
        target: /home/astro/.aws
  minio:
    environment:
      - MINIO_ROOT_PASSWORD=canary-item
      - "OTHER=canary, with a comma"
    build: {context: ., args: {TOKEN: canary-flow, VERSION: "canary, flow"}}
    environment: [A1=canary-list, "B1=canary-string"]
    labels:
      api_key: canary-lower
    image: minio/minio:latest
"""
KEPT = """\
x-common: &common
services:
  scheduler:
    environment:
      AWS_DEFAULT_REGION: eu-west-1
      EMPTY:
    volumes:
      - ~/.aws/credentials:/home/astro/.aws/credentials:ro
      - type: bind
        source: ~/.aws
        target: /home/astro/.aws
  minio:
    environment:
    labels:
    image: minio/minio:latest
"""


def test_no_value_of_a_variable_and_nothing_that_sounds_secret_is_shown() -> None:
    shown = yaml_redactor()(COMPOSE)
    assert "canary" not in shown
    assert len(shown.splitlines()) == len(COMPOSE.splitlines())


def test_what_a_mount_is_about_is_shown_as_it_is() -> None:
    shown = yaml_redactor()(COMPOSE).splitlines()
    assert [line for line in KEPT.splitlines() if line not in shown] == []


def test_a_secret_that_changed_shows_as_changed_and_one_that_did_not_as_the_same() -> None:
    show = yaml_redactor()
    assert show("A1: one\n") == show("A1: one\n") == "A1: ***\n"
    assert show("A1: two\n") == "A1: *** (2)\n"


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_lines_stay_lines_however_they_end(ending: str) -> None:
    assert yaml_redactor()(f"a: b{ending}") == f"a: b{ending}"


@given(st.text("aA1:=-#|'\"{}[], \n\r\t", max_size=60))
def test_no_text_is_an_error_and_its_lines_are_as_many(text: str) -> None:
    assert len(yaml_redactor()(text).splitlines()) == len(text.splitlines())
