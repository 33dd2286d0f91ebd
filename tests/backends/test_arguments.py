"""A person's own backend arguments: those that come to the same are theirs to keep, and the others are told why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.backends import parameter_store, secrets_manager
from aws_airflow_tasks.backends.arguments import Objection, objections
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world.profiles import Credentials

SETTINGS = Settings(check_variable="aws_airflow_check", check_connection="aws_airflow_check")
KNOWN_HERE = Credentials("dev", "static", "static", "eu-west-1", "", "", (), Path("config"), Path("credentials"))
WANTED = json.dumps(secrets_manager.kwargs(SETTINGS, KNOWN_HERE))


def against(current: str, settings: Settings = SETTINGS, known: Credentials = KNOWN_HERE) -> tuple[Objection, ...]:
    wanted = json.dumps(secrets_manager.kwargs(settings, known))
    return objections(secrets_manager, settings, ("dev",), current, wanted)


def beside_ours(**others: Any) -> tuple[Objection, ...]:
    return against(json.dumps(json.loads(WANTED) | others))


@pytest.mark.parametrize(
    "others",
    [
        {"connections_lookup_pattern": "^aws_", "variables_lookup_pattern": "AWS"},
        {"variables_lookup_pattern": None, "config_prefix": None, "config_lookup_pattern": "^no"},
        {"sep": "/", "extra_conn_words": {"user": ["benutzer"]}, "verify": False},
        {"profile_name": None, "role_arn": None, "endpoint_url": None, "region_name": None},
        {"profile_name": "dev"},
        {"role_arn": "", "aws_access_key_id": "", "session_kwargs": {}},
        {"variables_prefix": "airflow/variables/"},
        {"connections_prefix": "airflow/connections//"},
        {"anything": "else", "external_id": "x", "assume_role_kwargs": {"DurationSeconds": 900}},
    ],
)
def test_arguments_that_come_to_the_same_are_the_persons_to_keep(others: dict[str, Any]) -> None:
    assert beside_ours(**others) == ()


@pytest.mark.parametrize("current", ["{}", "", "null", '{"region_name": "eu-west-1"}'])
def test_what_is_left_out_is_the_providers_default_and_the_region_that_of_env(current: str) -> None:
    assert against(current) == ()


@pytest.mark.parametrize(
    ("current", "words"),
    [
        ("{'variables_prefix': 'airflow/variables'}", "not JSON: Airflow would ignore it"),
        ("[" * 100_000, "not JSON: Airflow would ignore it"),
        (" ", "not JSON: Airflow would ignore it"),
        ('["airflow/variables"]', "no JSON object: Airflow would ignore it"),
        ('"airflow/variables"', "no JSON object: Airflow would ignore it"),
    ],
)
def test_what_airflow_cannot_read_as_arguments_it_ignores(current: str, words: str) -> None:
    assert against(current) == (Objection(words),)


ENTRY = "aws_airflow_check"


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"role_arn": "arn:aws:iam::1:role/r"}, Objection("role_arn: Airflow would assume it")),
        (
            {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "canary"},
            Objection("aws_access_key_id, aws_secret_access_key: Airflow would use other keys than yours"),
        ),
        (
            {"session_kwargs": {"aws_session_token": "canary"}},
            Objection("session_kwargs: Airflow would use other keys than yours"),
        ),
        (
            {"profile_name": "ops"},
            Objection('profile_name: Airflow would use the profile "ops"', "profile", "ops"),
        ),
        ({"profile_name": ""}, Objection('profile_name: Airflow would use the profile ""')),
        (
            {"region_name": "us-east-2"},
            Objection('region_name is "us-east-2", wanted "eu-west-1"', "region", "us-east-2"),
        ),
        (
            {"endpoint_url": "http://x:1"},
            Objection('endpoint_url is "http://x:1", wanted none', "endpoint_url", "http://x:1"),
        ),
        (
            {"endpoint_url": "http://me:pw@x"},
            Objection("endpoint_url is ***, wanted none", "endpoint_url", "http://me:pw@x"),
        ),
        (
            {"variables_prefix": "team/vars"},
            Objection('variables_prefix is "team/vars", wanted "airflow/variables"', "variables_prefix", "team/vars"),
        ),
        (
            {"connections_prefix": ""},
            Objection('connections_prefix is "", wanted "airflow/connections"', "connections_prefix", ""),
        ),
        (
            {"connections_prefix": None},
            Objection("connections_prefix is null: Airflow would look for no connection there"),
        ),
        ({"variables_prefix": 7}, Objection("variables_prefix is no text: Airflow would find nothing with it")),
        (
            {"variables_lookup_pattern": "^prod_"},
            Objection(
                f'variables_lookup_pattern is "^prod_": Airflow would not look for {ENTRY}',
                "check_variable",
                f"prod_{ENTRY}",
            ),
        ),
        (
            {"connections_lookup_pattern": ".*_prod$"},
            Objection(f'connections_lookup_pattern is ".*_prod$": Airflow would not look for {ENTRY}'),
        ),
        (
            {"variables_lookup_pattern": "("},
            Objection("variables_lookup_pattern is no pattern: Airflow would fail at it"),
        ),
        (
            {"variables_lookup_pattern": ["a"]},
            Objection("variables_lookup_pattern is no pattern: Airflow would fail at it"),
        ),
        (
            {"extra_conn_words": {"hostname": ["h"]}},
            Objection("extra_conn_words has no words for parts of a connection: Airflow would fail at it"),
        ),
    ],
)
def test_what_would_lead_elsewhere_is_told_with_the_setting_that_agrees(
    others: dict[str, Any], expected: Objection
) -> None:
    assert beside_ours(**others) == (expected,)


def test_another_separator_is_told_by_the_name_that_airflow_would_look_for() -> None:
    assert [each.words for each in beside_ours(sep="-")] == [
        f'sep is "-": Airflow would look for "airflow/variables-{ENTRY}", not "airflow/variables/{ENTRY}"',
        f'sep is "-": Airflow would look for "airflow/connections-{ENTRY}", not "airflow/connections/{ENTRY}"',
    ]
    assert [each.words for each in beside_ours(sep=None)] == ["sep is no text: Airflow would find nothing with it"] * 2


@pytest.mark.parametrize("others", [{"sep": "-"}, {"sep": None}, {"extra_conn_words": {"hostname": ["h"]}}])
def test_arguments_of_another_backends_class_alone_are_the_persons_to_keep(others: dict[str, Any]) -> None:
    wanted = parameter_store.kwargs(SETTINGS, KNOWN_HERE)
    assert objections(parameter_store, SETTINGS, ("dev",), json.dumps(wanted | others), json.dumps(wanted)) == ()


@pytest.mark.parametrize("prefix", ["airflow/variables", "/airflow/variables/", "//airflow/variables"])
def test_parameter_store_finds_the_same_with_one_leading_slash_or_none(prefix: str) -> None:
    wanted = parameter_store.kwargs(SETTINGS, KNOWN_HERE)
    current = json.dumps(wanted | {"variables_prefix": prefix})
    same = objections(parameter_store, SETTINGS, ("dev",), current, json.dumps(wanted)) == ()
    assert same == (not prefix.startswith("//"))


def test_a_separator_that_joins_the_same_names_is_fine() -> None:
    bare = Settings(variables_prefix="", connections_prefix="", check_variable="other")
    wanted = secrets_manager.kwargs(bare, KNOWN_HERE)
    assert against(json.dumps(wanted | {"sep": "-"}), bare) == ()
    assert secrets_manager.variable_name(bare) == "other"


def test_an_endpoint_of_ours_must_be_among_the_arguments_as_old_botocores_know_no_variable_for_it() -> None:
    elsewhere = KNOWN_HERE._replace(endpoints={"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"})
    (found,) = against(WANTED, known=elsewhere)
    assert found == Objection('endpoint_url is not there, wanted "http://127.0.0.1:5000"')


def test_every_reason_is_told_at_once() -> None:
    found = beside_ours(role_arn="r", region_name="us-east-2")
    assert [each.words.partition(" ")[0] for each in found] == ["region_name", "role_arn:"]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
KNOWN = st.sampled_from(
    (
        *("variables_prefix", "connections_prefix", "sep", "variables_lookup_pattern", "connections_lookup_pattern"),
        *("region_name", "endpoint_url", "profile_name", "role_arn", "extra_conn_words", "aws_session_token"),
    )
)
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text() | KNOWN, inner))


@given(st.text() | ANYTHING.map(json.dumps) | st.dictionaries(KNOWN, ANYTHING).map(json.dumps))
def test_any_text_is_judged_and_never_an_exception(current: str) -> None:
    assert all(each.words for each in against(current))
