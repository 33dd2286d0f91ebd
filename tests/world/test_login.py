"""`aws login`: its keys come from the AWS command line that made the login, with botocore as it is installed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import creds
from aws_airflow_tasks.world import aws, cli, helpers
from aws_airflow_tasks.world.causes import LoginNeeded, Unreachable
from tests.project import embedded
from tests.world.sso_server import assumed, center
from tests.world.test_staging import World, fake_aws, who_airflow_is, world

__all__ = ["center", "embedded", "fake_aws", "world"]

VERSION = '[ "$1" = --version ] && { echo "aws-cli/2.33.1 Python/3.13 Linux/6.1 exe/x86_64"; exit; }\n'
ENDED = "echo 'Your session has expired. Please reauthenticate using aws login.' >&2; exit 255"


@pytest.fixture
def logged_in(world: World) -> World:
    """The default profile is of `aws login`; all that it has are the login's name and a region."""
    login = "login_session = arn:aws:iam::123456789012:user/me\n"
    world.config(f"[default]\nregion = eu-west-1\n{login}[profile other]\n{login}")
    return world


def keys(world: World, minutes: float = 15) -> str:
    """What the command line prints: its keys live for a quarter of an hour."""
    found = assumed(world.embedded, world.role("logged-in"))
    answer = {"Version": 1} | {name: found[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    return json.dumps(answer | {"Expiration": (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()})


def test_a_login_works_from_the_first_step_to_airflow_and_the_command_line_is_asked_once(
    logged_in: World, fake_aws: Callable[[str], Path]
) -> None:
    asked = fake_aws(f"{VERSION}echo '{keys(logged_in)}'")
    with helpers.asked_once():
        assert logged_in.converge().count("exported: Airflow has no login session") == 1
        account = aws.connect(logged_in.settings)
        assert account.client("secretsmanager").list_secrets()["SecretList"] is not None
    assert asked.read_text() == "configure export-credentials --format process --profile default\n"
    assert who_airflow_is(logged_in).startswith(logged_in.arn)
    assert creds.plan(Site(logged_in.settings)).needed == ()


def test_a_role_upon_a_login_works_too(logged_in: World, fake_aws: Callable[[str], Path]) -> None:
    fake_aws(f"{VERSION}echo '{keys(logged_in)}'")
    role = f"role_arn = {logged_in.role('upon-login')}\nsource_profile = other\n"
    with (logged_in.home / ".aws" / "config").open("a") as file:
        file.write(f"[profile role]\nregion = eu-west-1\n{role}")
    identity = aws.caller_identity(aws.connect(logged_in.settings._replace(profile="role")))
    assert identity.arn.startswith(logged_in.arn)


def test_the_command_line_that_renews_a_login_sees_no_endpoint_for_everything(
    logged_in: World, fake_aws: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fake_aws(f"{VERSION}env > '{tmp_path}/env'; echo '{keys(logged_in)}'")
    account = aws.connect(Settings())
    assert account.session.get_credentials()
    seen = (tmp_path / "env").read_text().splitlines()
    assert [line for line in seen if line.startswith("AWS_ENDPOINT_URL=")] == []
    assert "AWS_EC2_METADATA_DISABLED=true" in seen


OLDER = VERSION.replace("2.33.1", "2.31.9")
FAILS = {
    "an ended login": (VERSION + ENDED, LoginNeeded, "the login session of profile default has ended", "aws login"),
    "an older version": (
        f"{OLDER}exit 255",
        TaskError,
        "the keys of profile default are of `aws login`, which needs version 2.32.0 of the AWS command line: the one on"
        " PATH is 2.31.9",
        cli.install("aws"),
    ),
    "no network": (
        f"{VERSION}echo 'Could not connect to the endpoint URL: https://signin' >&2; exit 255",
        Unreachable,
        "AWS cannot be reached to renew the login of profile default",
        "# once this machine reaches AWS",
    ),
    "no JSON": (
        f"{VERSION}echo canary",
        TaskError,
        "the credential helper `aws` of profile default printed no JSON",
        "aws configure export-credentials --format process --profile default > /dev/null",
    ),
}


@pytest.mark.parametrize(("script", "kind", "words", "hint"), FAILS.values(), ids=FAILS)
def test_a_command_line_that_gives_no_keys_is_said_why(
    script: str,
    kind: type[TaskError],
    words: str,
    hint: str,
    logged_in: World,
    fake_aws: Callable[[str], Path],
) -> None:
    fake_aws(script)
    with pytest.raises(TaskError) as caught:
        aws.caller_identity(aws.connect(logged_in.settings))
    assert type(caught.value) is kind
    assert caught.value.message == words
    assert caught.value.hint.startswith(hint)


def test_a_login_of_another_profile_that_has_ended_names_that_profile(
    logged_in: World, fake_aws: Callable[[str], Path]
) -> None:
    fake_aws(VERSION + ENDED)
    with pytest.raises(LoginNeeded) as caught:
        aws.caller_identity(aws.connect(logged_in.settings._replace(profile="other")))
    assert caught.value.hint == "aws login --profile other"


def test_where_no_command_line_is_on_path_it_is_said_which_one_is_needed(
    logged_in: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda _: os.devnull)
    with pytest.raises(TaskError, match="only the AWS command line that made the login gives out") as caught:
        aws.caller_identity(aws.connect(logged_in.settings))
    assert caught.value.hint == cli.install("aws")


def test_the_real_command_line_of_version_1_is_said_to_be_too_old(logged_in: World) -> None:
    with pytest.raises(TaskError, match=r"needs version 2\.32\.0 of the AWS command line: the one on PATH is 1\."):
        aws.caller_identity(aws.connect(logged_in.settings))
