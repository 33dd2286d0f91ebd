"""What a DAG file names, without running it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.sources.dags import Use, uses

DAG = """
from airflow.models import Variable
import airflow.sdk as sdk

A = Variable.get("plain")
B = sdk.Variable.get("with_default", default=None)
C = Variable.get("positional", "x")
D = Variable.get(key="named", deserialize_json=True)
E = BaseHook.get_connection("hooked")
F = Connection.get("sdk_conn")
S3Hook(aws_conn_id="my_aws", conn_id=computed)
Variable.get(computed)
BashOperator(bash_command="{{ var.value.shell }} {{ var.json.get('maybe', {}) }}")
BashOperator(bash_command="{% if conn.db.host %}{{ conn.get('opt') }}{% endif %}")
TEXT = "var.value.none outside of a template, conn.none too"
"""


def test_variables_and_connections_are_found_by_calls_arguments_and_templates() -> None:
    found = {(use.kind, use.key): use.needed for use in uses(DAG)}
    assert found == {
        ("variable", "plain"): True,
        ("variable", "with_default"): False,
        ("variable", "positional"): False,
        ("variable", "named"): True,
        ("variable", "shell"): True,
        ("variable", "maybe"): False,
        ("connection", "hooked"): True,
        ("connection", "sdk_conn"): True,
        ("connection", "my_aws"): True,
        ("connection", "db"): True,
        ("connection", "opt"): False,
    }
    assert Use("variable", "plain", 5) in uses(DAG)


NAMED = """
VARIABLE, OTHER = "unpacked", "too"
KEY = "constant"
CONN: str = "annotated"
TWICE = "one"
TWICE = "another"
Variable.get(KEY)
Variable.get(f"{KEY}_suffix")
Variable.get(f"{KEY!r}_suffix")
Variable.get(f"{computed}_suffix")
Variable.get(TWICE)
S3Hook(aws_conn_id=CONN)
DAG("d", default_args={"postgres_conn_id": "default", "conn_id": KEY, **others, 1: 2})
BashOperator(bash_command=f"{{{{ conn.{CONN}_in_f.host }}}}")
"""


def test_names_with_one_text_and_arguments_in_a_dict_are_known() -> None:
    assert [(use.kind, use.key) for use in uses(NAMED)] == [
        ("variable", "constant"),
        ("variable", "constant_suffix"),
        ("connection", "annotated"),
        ("connection", "default"),
        ("connection", "constant"),
        ("connection", "annotated_in_f"),
    ]


def test_a_template_names_by_brackets_too_and_get_without_a_default_needs_a_variable() -> None:
    text = """x = "{{ var.value['a'] }} {{ var.json.get('b') }} {{ var.value.get('c', 1) }} {{ conn['d'].host }}" """
    assert [(use.key, use.needed) for use in uses(text)] == [("a", True), ("b", True), ("c", False), ("d", True)]


def test_what_is_no_python_is_named_by_its_line() -> None:
    with pytest.raises(ValueError, match=r"^line 2: not readable as Python$"):
        uses("a = 1\nb = (\n")


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        uses(text)
    except ValueError as error:
        assert "not readable as Python" in str(error)
