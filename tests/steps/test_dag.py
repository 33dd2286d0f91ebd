"""The example DAG's text, as it is shipped."""

from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import Any

import pytest

from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import dag


@pytest.mark.parametrize("entries", ["create", "read"])
def test_the_example_dag_is_python_of_which_a_diff_fits_a_terminal_of_80_columns(entries: str) -> None:
    site: Any = SimpleNamespace(settings=Settings(check_entries=entries))
    text = dag.text(site)
    assert ast.parse(text).body
    assert "{{" not in text
    assert [line for line in text.splitlines() if len(line) > 78] == []
