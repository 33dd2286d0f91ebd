"""What the check entries hold: whatever is odd about it is seen for what it is, and nothing odd passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import check_values, verify
from aws_airflow_tasks.steps.check_values import odd
from aws_airflow_tasks.steps.secrets import connection_value, variable_value
from tests.project import airflow, astro_project, embedded, run
from tests.test_setup import CONNECTION, VARIABLE, Run, project, secrets
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "embedded", "project", "run", "secrets"]


class Row(NamedTuple):
    """A value of the check variable or connection, and a part of what is said of it; empty: nothing is odd."""

    kind: Any
    text: str
    says: str


TABLE = {
    "our variable": Row("variable", variable_value(), ""),
    "a variable of the person's": Row("variable", "mine", ""),
    "a variable with a line's end": Row("variable", "mine\n", ""),
    "a variable of several lines": Row("variable", "one\ntwo", "several lines"),
    "our connection": Row("connection", connection_value(), ""),
    "a connection as a URI": Row("connection", "http://me:word@the-host/x", ""),
    "another word for the host": Row("connection", '{"conn_type": "http", "server": "the-host"}', ""),
    "a quoted URI": Row("connection", '"http://me:word@the-host/x"', "no URI that begins with conn_type://"),
    "a URI that is not encoded": Row("connection", "http://me:a/b@the-host/x", "percent-encoded"),
    "no conn_type": Row("connection", '{"host": "the-host"}', "no conn_type"),
    "no host": Row("connection", '{"conn_type": "http"}', "no host"),
    "a host of null": Row("connection", '{"conn_type": "http", "host": null}', "no host"),
    "a URI without a host": Row("connection", "http://", "no host"),
    "half a JSON": Row("connection", '{"conn_type": "http", "host"', "no JSON"),
    "deep JSON": Row("connection", '{"a":' * 100_000, "no JSON"),
    "a word": Row("connection", "words", "no URI"),
    "nothing": Row("connection", "", "no URI"),
    "a list": Row("connection", "[1]", "no URI"),
    "a port that is none": Row("connection", '{"conn_type": "http", "host": "h", "port": "x"}', "no whole number"),
    "several lines of JSON": Row("connection", '{\n "conn_type": "http",\n "host": "h"\n}', ""),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_an_entry_that_the_proof_could_not_compare_is_told_by_what_is_odd_and_not_by_its_text(row: Row) -> None:
    found = odd(row.kind, row.text, words=True)
    assert (bool(found), row.says in found) == (bool(row.says), True), found
    assert not any(secret in found for secret in ("word@", "a/b", "the-host"))


def test_what_an_hmac_is_printed_of_may_have_several_lines() -> None:
    assert odd("variable", "one\ntwo", words=True, marked=True) == ""


def test_words_that_parameter_store_does_not_know_are_odd_there() -> None:
    text = '{"conn_type": "http", "server": "the-host"}'
    assert "no field server" in odd("connection", text, words=False)


def raw(settings: Settings) -> str:
    """What `verify` says of the value on this host."""
    return next(check.detail for check in verify.checks(Site(settings)) if check.check == "raw-secret")


Put = Callable[[Any], object]
ODD: dict[str, tuple[Put, str]] = {
    "binary": (lambda aws: aws.put_secret_value(SecretId=VARIABLE, SecretBinary=b"\0"), "holds bytes"),
    "several lines": (lambda aws: aws.put_secret_value(SecretId=VARIABLE, SecretString="a\nb"), "several lines"),
    "no JSON": (lambda aws: aws.put_secret_value(SecretId=CONNECTION, SecretString="{"), "no JSON"),
    "no host": (lambda aws: aws.put_secret_value(SecretId=CONNECTION, SecretString='{"conn_type": "a"}'), "no host"),
    "to be deleted": (
        lambda aws: aws.delete_secret(SecretId=VARIABLE, RecoveryWindowInDays=7),
        "scheduled for deletion",
    ),
}


@pytest.mark.parametrize(("put", "says"), ODD.values(), ids=ODD)
def test_an_odd_entry_of_ours_is_seen_by_secrets_status_and_verify_and_what_they_print_mends_it(
    put: Put, says: str, project: Path, embedded: Embedded, secrets: Any, run: Run
) -> None:
    assert run("secrets").code == 0
    put(secrets)
    for line in ("secrets", "status"):
        done = run(line)
        assert (done.code, says in done.out) == (1, True), done.out
    settings = Settings(project=project, endpoint_url=embedded.url, runtime="embedded")
    assert says in raw(settings)
    hint = run("secrets", "--json").document["steps"][-1]["error"]["hint"]
    if says == "scheduled for deletion":
        secrets.restore_secret(SecretId=VARIABLE)  # as the AWS command line does that is printed
        assert hint.startswith("aws secretsmanager restore-secret")
    else:
        for typed in hint.split(" && "):
            assert run(*typed.split()[1:], "--yes").code == 0
    assert run("secrets", "--check").code == 0
    assert json.loads(run("status", "--json").out)["recap"]["failed"] == 0


@pytest.mark.parametrize(("put", "says"), [*ODD.values()][:4], ids=[*ODD][:4])
def test_an_odd_entry_of_somebody_elses_is_seen_where_it_is_only_read(
    put: Put, says: str, project: Path, secrets: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CHECK_ENTRIES", "read")
    for name, text in ((VARIABLE, "theirs"), (CONNECTION, "http://me@the-host/")):
        secrets.create_secret(Name=name, SecretString=text)
    assert run("secrets").code == 0
    put(secrets)
    done = run("secrets")
    if says == "several lines":  # of which an HMAC is printed
        assert done.code == 0, done.out
    else:
        assert (done.code, says in done.out, "CHECK_VARIABLE" in done.out) == (1, True, True), done.out


def test_the_host_is_compared_as_airflow_reads_it() -> None:
    from aws_airflow_tasks.backends import secrets_manager

    assert check_values.host(secrets_manager, "http://me@The-Host:80/x") == "the-host"  # type: ignore[arg-type]
