"""What a person's files want: each form, and what is refused with its place and without its value."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from aws_airflow_tasks.sources import connections
from aws_airflow_tasks.sources.merging import merged
from aws_airflow_tasks.sources.reading import OTHER, read
from aws_airflow_tasks.sources.wanted import Source, Wanted

SETTINGS = b"""\
airflow:
  connections:
    - conn_id: db   # the warehouse
      conn_type: postgresql
      conn_host: h
      conn_login: me
      conn_password: 0123
      conn_port: 5432
      conn_extra: {"sslmode": "require"}
    - conn_id: uri
      conn_uri: http://u:p%40ss@h:80/path?a=1
    - conn_id:
      conn_type:
  pools:
    - pool_name: mine
      pool_slot: 4
    - pool_name:
  variables:
    - variable_name: greeting
      variable_value: hello {{ ds }}
    - variable_name: number
      variable_value: 7
    - variable_name: list
      variable_value: [1, "two"]
    - variable_name:
      variable_value:
"""


def texts(source: Source) -> dict[str, str]:
    assert source.faults == ()
    return {each.key: each.text for each in source.wanted}


def fields(source: Source) -> dict[str, Any]:
    return {key: json.loads(text) for key, text in texts(source).items()}


def test_airflow_settings_has_connections_and_variables_and_its_pools_are_named() -> None:
    found = read("airflow_settings.yaml", SETTINGS)
    assert texts(found) | {"db": "", "uri": ""} == {
        "greeting": "hello {{ ds }}",
        "number": "7",
        "list": '[\n  1,\n  "two"\n]',
        "db": "",
        "uri": "",
    }
    known = {each.key: each for each in found.wanted}
    assert json.loads(known["db"].text) == {
        "conn_type": "postgres",
        "host": "h",
        "login": "me",
        "password": "0123",
        "port": 5432,
        "extra": '{"sslmode": "require"}',
    }
    assert json.loads(known["uri"].text)["password"] == "p@ss"
    assert known["db"].place == "airflow_settings.yaml line 3"
    assert known["number"].place == "airflow_settings.yaml line 21"
    assert "pools are skipped, no backend has them: mine" in found.notes
    assert found.notes[connections.TYPE] == 1


def test_the_template_of_the_astro_cli_wants_nothing() -> None:
    empty = b"airflow:\n  connections:\n    - conn_id:\n      conn_type:\n  pools:\n    - pool_name:\n  variables:\n"
    assert read("airflow_settings.yaml", empty) == Source()


CONNECTION = {
    "conn_type": "google-cloud-platform",
    "description": "of the team",
    "login": None,
    "password": "",
    "host": "h",
    "port": None,
    "schema": "s",
    "extra": '{"a": 1}',
}
STORED = {"conn_type": "google_cloud_platform", "host": "h", "schema": "s", "extra": '{"a": 1}'}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.json", json.dumps({"gcp": CONNECTION})),
        ("c.json", json.dumps({"gcp": CONNECTION}, indent=2)),
        ("c.yaml", yaml.dump({"gcp": CONNECTION})),
        ("c.env", f"gcp={json.dumps(CONNECTION)}\n"),
        ("connections", f"gcp={json.dumps(CONNECTION)}\n"),
        (".env", f"AIRFLOW_CONN_GCP='{json.dumps(CONNECTION)}'\nOTHER=x\n"),
    ],
)
def test_a_connection_is_the_same_from_every_form(name: str, text: str) -> None:
    found = read(name, text.encode())
    assert fields(found) == {"gcp": STORED}
    assert {connections.DESCRIPTION, connections.EMPTY, connections.TYPE} <= found.notes.keys()


def test_a_settings_file_all_of_whose_sections_are_commented_out_wants_nothing() -> None:
    assert read("airflow_settings.yaml", b"airflow:\n#  connections:\n#    - conn_id: x\n") == Source()


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_a_document_with_a_line_as_of_dotenv_in_a_value_is_a_document(ending: str) -> None:
    value = "# for .env:\nAIRFLOW_VAR_FOO=bar\n"
    wanted = {"airflow": {"variables": [{"variable_name": "how", "variable_value": value}]}}
    text = json.dumps(wanted) if ending == "json" else yaml.dump(wanted, default_style="|")
    assert texts(read(f"settings.{ending}", text.encode())) == {"how": value}


def test_exported_lines_are_uris_under_their_own_ids() -> None:
    found = read("c.env", b"Db=postgres://me:p%2Fw@h:5432/s?__extra__=%7B%22a%22%3A+1%7D\nx=aws:///\n")
    assert fields(found) == {
        "Db": {
            "conn_type": "postgres",
            "host": "h",
            "login": "me",
            "password": "p/w",
            "schema": "s",
            "port": 5432,
            "extra": '{"a": 1}',
        },
        "x": {"conn_type": "aws", "host": "", "schema": ""},
    }


def test_exported_variables_are_stored_as_airflow_imports_them() -> None:
    values = {"text": "a\n{{ ds }}", "seven": 7, "object": {"a": [1]}, "described": {"value": "v", "description": "d"}}
    found = read("v.json", json.dumps(values).encode())
    assert texts(found) == {
        "text": "a\n{{ ds }}",
        "seven": "7",
        "object": json.dumps({"a": [1]}, indent=2),
        "described": "v",
    }
    assert all(each.lossy for each in found.wanted)
    assert list(found.notes) == ["descriptions of variables are not kept: a backend has values only"]


def test_lines_of_dotenv_are_taken_in_lower_case_and_others_are_left_alone() -> None:
    found = read(".env", b'# x\nAIRFLOW_VAR_MY_KEY="v # w"\nexport AIRFLOW_CONN_DB=http://h\nAWS_PROFILE=dev\n')
    assert {(each.kind, each.key, each.place) for each in found.wanted} == {
        ("variable", "my_key", ".env line 2"),
        ("connection", "db", ".env line 3"),
    }
    assert texts(found)["my_key"] == "v # w"


SECRET = "S3CRETS3CRET"


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("x.json", '{"a": {"conn_type": "http"}, "b": 1}', "x.json line 1: b is no connection, others here are"),
        (
            "x.json",
            '{"a": {"conn_type": "http", "port": "%s"}}',
            "x.json line 1: connection a: port is no whole",
        ),
        ("x.json", '{"a": {"conn_type": "", "host": "%s"}}', "connection a: it has no conn_type"),
        (
            "x.json",
            '{"a": {"conn_type": "x", "extra": "[\\"%s\\"]"}}',
            "connection a: extra is no JSON object",
        ),
        ("x.json", '{"a": {"conn_type": "x", "extra": "%s"}}', "connection a: extra is no JSON"),
        (
            "x.json",
            '{"a": {"conn_type": "x", "host": 1.5}}',
            "connection a: a field is neither text nor a whole number",
        ),
        ("x.json", '{"a": 1,\n "a": "%s"}', "x.json line 2: a stands there twice"),
        ("x.json", '{"a": "%s",\n', "x.json line 2: not readable as JSON"),
        ("x.json", "[1]", "x.json line 1: it is of no form that is known"),
        ("x.json", "[" * 100_000, "x.json line 1: n"),
        ("x.yaml", "a: [%s\n", "not readable as YAML"),
        (
            "x.yaml",
            "airflow:\n  variables:\n  - {variable_name: n, variable_value: 1.10}\n",
            "x.yaml line 3: variable n: not every",
        ),
        ("x.yaml", "airflow:\n  variables:\n  - {variable_name: n, variable_value: yes}\n", "variable n: not every"),
        (
            "x.yaml",
            "airflow:\n  variables:\n  - {variable_name: n, variable_value: 2026-01-02}\n",
            "variable n: not every",
        ),
        ("x.yaml", "airflow:\n  variables:\n  - {variable_name: n, variable_value: 0123}\n", "variable n: not every"),
        ("x.yaml", "airflow:\n  variables:\n  - variable_name: n\n", "x.yaml line 3: variable n has no value"),
        (
            "x.json",
            '{"d": {"conn_type": "aws", "login": "me", "pasword": "%s"}}',
            "x.json line 1: connection d: a connection has no field pasword",
        ),
        ("x.yaml", "a: {conn_type: http, password: *%s}\n", "x.yaml line 1: a text that begins with * is an alias"),
        ("x.yaml", "a: {? [%s] : b}\n", "x.yaml line 1: a key is no text"),
        (
            "x.yaml",
            "airflow:\n  variabels:\n  - {variable_name: n, variable_value: %s}\n",
            "airflow has no section vari",
        ),
        ("x.yaml", "airflow:\n  variables:\n    a: %s\n", "x.yaml line 3: variables is no list of entries with varia"),
        ("x.yaml", "airflow:\n  connections:\n  - %s\n", "x.yaml line 3: connections has an entry that is no conn_id"),
        ("x.yaml", "airflow:\n  variables:\n  - variable_name: [n]\n", "x.yaml line 3: variable_name: a field is"),
        ("x.env", "a=http://u:%s%2F/x@h\n", "x.env line 1: connection a: its host and port cannot be told apart"),
        ("x.env", "a=http://u:%s/x\n", "x.env line 1: connection a: its host and port cannot be told apart"),
        ("x.env", "a=http://u:%s/x@h@i\n", "x.env line 1: connection a: its host and port cannot be told apart"),
        ("x.env", "a=http://h:%s/x?mail=me@x\n", "x.env line 1: connection a: its host and port cannot be told apart"),
        ("x.env", "a=http://u:12/%s@h\n", "connection a: Airflow would cut it off"),
        ("x.env", "a=http://u:12?%s@h\n", "connection a: Airflow would cut it off"),
        ("x.env", "a=http://u:12#%s@h\n", "connection a: Airflow would cut it off"),
        ("x.env", "a=http://u:12?a=1&%s@h?b=1\n", "connection a: Airflow would cut it off"),
        ("x.env", "a=http://u:[%40%s@h\n", "connection a: it is no URI"),
        ("x.env", "a=http://http://h\n", "connection a: it has :// more than once"),
        ("x.env", "a=%s\n", "x.env line 1: it is of no form that is known"),
        (".env", "AIRFLOW_CONN_A={%s\n", ".env line 1: connection a: it is no JSON"),
        (".env", "AIRFLOW_VAR_A='%s\n", ".env: line 1: "),
        ("x.env", "a=x\udcff", "x.env line 1: it is not UTF-8"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_place_and_never_by_its_value(name: str, text: str, fault: str) -> None:
    found = read(name, text.replace("%s", SECRET).encode("utf-8", "surrogateescape"))
    assert len(found.faults) == 1
    assert fault in str(found.faults[0])
    assert SECRET not in repr(found)


def test_a_variable_of_an_export_that_is_called_airflow_hides_no_other() -> None:
    exported = {"airflow": {"a": 1}, "b": "text"}
    assert texts(read("v.json", json.dumps(exported).encode())) == {"airflow": '{\n  "a": 1\n}', "b": "text"}


def test_a_variable_without_a_description_is_not_said_to_lose_one() -> None:
    found = read("v.json", b'{"a": {"value": "x"}, "b": {"value": "y", "description": null}}')
    assert (texts(found), dict(found.notes)) == ({"a": "x", "b": "y"}, {})


def test_a_line_of_dotenv_that_says_otherwise_than_one_before_it_is_named_with_that() -> None:
    found = merged([read(".env", b"AIRFLOW_VAR_A=1\nAIRFLOW_VAR_B=2\nAIRFLOW_VAR_A=3\nAIRFLOW_VAR_B=2\n")])
    assert list(map(str, found.faults)) == [".env line 3: variable a has another value at .env line 1"]


def test_a_dollar_of_dotenv_that_takes_in_another_variable_is_said_unless_it_is_quoted() -> None:
    found = read(".env", b"AIRFLOW_VAR_A=pa$word\nAIRFLOW_VAR_B='pa$word'\nAIRFLOW_VAR_C=pa$$word\nAIRFLOW_VAR_D=5$\n")
    assert texts(found) == {"a": "pa", "b": "pa$word", "c": "pa$word", "d": "5$"}
    assert [note for note in found.notes if "$NAME" in note] == [f".env line 1: variable a: {OTHER}"]


PLAIN = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="%@=\"'{"), max_size=8)


@given(login=PLAIN.filter(lambda text: ":" not in text), password=PLAIN, rest=st.sampled_from(["h", "h:8/s?a=b"]))
def test_a_uri_at_which_airflow_raises_means_login_and_password_before_its_only_at_sign(
    login: str, password: str, rest: str
) -> None:
    uri = f"http://{login}:{password}@{rest}"
    assume("://" not in f"{login}:{password}")
    found = read("x.env", f"a={uri}".encode())
    note = f"x.env line 1: connection a: {connections.REPAIRED}"
    if note in found.notes:
        with pytest.raises(connections.Unread):
            connections.from_uri(uri)
        made = fields(found)["a"]
        assert [made.get(name, "") for name in ("login", "password", "host")] == [login, password, "h"]


@pytest.mark.parametrize("password", ["p/w", "p#w", "p?w", "p[w", "p:/w"])
def test_a_password_that_is_not_encoded_is_stored_as_it_is_meant_where_airflow_could_not_read_it(password: str) -> None:
    uri = f"postgres://me:{password}@h:5432/db"
    one = f"airflow:\n  connections:\n  - conn_id: a\n    conn_uri: '{uri}'\n"
    for name, text in (("x.env", f"a={uri}\n"), ("airflow_settings.yaml", one)):
        assert fields(read(name, text.encode()))["a"] == {
            "conn_type": "postgres",
            "host": "h",
            "login": "me",
            "password": password,
            "schema": "db",
            "port": 5432,
        }


def test_files_are_one_wish_and_a_clash_names_both_places() -> None:
    one = read("a.json", b'{"x": 1, "y": 2}')
    same = read("b.json", b'{"x": 1}')
    other = read("c.json", b'{"z": 3,\n "y": "S3CRETS3CRET"}')
    assert [each.key for each in merged([one, same]).wanted] == ["x", "y"]
    assert [str(fault) for fault in merged([one, other]).faults] == [
        "c.json line 2: variable y has another value at a.json line 1"
    ]


def test_two_lines_of_one_file_that_say_different_things_clash() -> None:
    found = merged([read("c.env", b"a=http://h\na=http://i\n")])
    assert [str(fault) for fault in found.faults] == ["c.env line 2: connection a has another value at c.env line 1"]


def test_an_entry_that_is_wanted_never_shows_its_text() -> None:
    assert (
        SECRET
        not in f"{Wanted('variable', 'k', SECRET, 'f line 1')!r} {Source((Wanted('variable', 'k', SECRET, 'f'),))}"
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(min_size=1), JSON))
def test_every_variable_that_airflow_exports_is_wanted_in_the_bytes_that_it_would_import(
    values: dict[str, Any],
) -> None:
    plain = {
        key: value
        for key, value in values.items()
        if not (isinstance(value, dict) and {"value", "conn_type"} & value.keys())
    }
    plain.pop("airflow", None)
    found = read("v.json", json.dumps(plain, indent=4).encode())
    assert texts(found) == {k: v if isinstance(v, str) else json.dumps(v, indent=2) for k, v in plain.items()}


@given(st.binary())
def test_no_bytes_at_all_are_an_error_of_ours(data: bytes) -> None:
    for name in ("x.json", "x.yaml", ".env", "x"):
        read(name, data)


@given(st.text(alphabet="{}[]\"'=:#@/%?&-,. \n\tabAIRFLOW_CONN1"))
def test_no_text_at_all_is_an_error_of_ours(text: str) -> None:
    for name in ("x.json", "x.yaml", ".env", "x"):
        read(name, text.encode())


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FIELDS = st.fixed_dictionaries(
    {"conn_type": st.from_regex(r"[a-z][a-z_0-9-]{0,8}", fullmatch=True)},
    optional={
        **dict.fromkeys(("host", "login", "password", "schema"), TEXT | st.none()),
        "port": st.none() | st.integers(0, 65_535),
        "extra": st.none() | st.dictionaries(st.text(), JSON, max_size=3),
    },
)


@given(FIELDS)
def test_what_is_stored_of_a_connection_is_read_back_as_it_is_normalised(given_fields: dict[str, Any]) -> None:
    text, _ = connections.stored(given_fields)
    for words in (True, False):
        assert connections.parsed(text, words=words) == connections.normalised(given_fields)
    assert connections.stored(json.loads(text))[0] == text


@given(FIELDS)
def test_the_spelling_of_extra_makes_no_other_connection(given_fields: dict[str, Any]) -> None:
    one = connections.normalised(given_fields)
    if "extra" in one:
        other = one | {"extra": json.dumps(json.loads(one["extra"]), indent=3)}
        assert connections.alike(one, other)
    assert not connections.alike(one, one | {"host": f"{one.get('host')}x"})
