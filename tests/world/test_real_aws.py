"""The real AWS command line with every source of keys, at stand-ins that have AWS's own addresses.

Version 1, which exports no keys, is among this project's own tools. Version 2 is Debian's `awscli`, or what ``AWS_V2``
names; without, it is skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest

from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import aws, cli, sessions, staging
from tests.project import embedded
from tests.world import test_staging as sources
from tests.world.as_aws import at_aws as serving_as_aws
from tests.world.sso_server import VARIABLES, Handler, center
from tests.world.test_sources import SOURCES
from tests.world.test_staging import World, clean_environment, world

__all__ = ["center", "clean_environment", "embedded", "world"]

PROGRAMS = {1: Path(sys.executable).with_name("aws"), 2: Path(os.environ.get("AWS_V2", "/usr/bin/aws"))}
EACH = pytest.mark.parametrize("program", PROGRAMS, ids="version {}".format, indirect=True)
SECOND = pytest.mark.parametrize("program", [2], ids="version {}".format, indirect=True)
#: what that of Debian 12 (2.9.19) fails at: "'NoneType' object has no attribute 'get_frozen_token'"
BEYOND = {"assume-role from sso"}
#: for what we ask no command line: keys that are at hand, and helpers, which it lets run for as long as they like
AT_HAND = {name for name, source in SOURCES.items() if source.kind in staging.AT_HAND or source.source == "process"}


@pytest.fixture
def program(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `aws` that is found first, of this version."""
    found = PROGRAMS[request.param]
    if request.param == 2 and not found.exists():
        pytest.skip("there is no version 2: apt-get install awscli, or name one in AWS_V2")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "aws").symlink_to(found)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    said = subprocess.run([folder / "aws", "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith(f"aws-cli/{request.param}."), said
    return folder / "aws"


@pytest.fixture
def settings(world: World, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Nothing names an endpoint: what answers is at AWS's own."""
    for name in VARIABLES:
        monkeypatch.delenv(name)
    handler = type("AtAws", (Handler,), {"state": world.center, "behind": world.embedded.url})
    with serving_as_aws(handler, tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield world.settings._replace(endpoint_url="")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What our program asks `aws` for, with the exit code."""
    seen, run = list[tuple[str, int]](), sessions.command_line

    def spy(*words: str, env: Mapping[str, str]) -> cli.Completed:
        done = run(*words, env=env)
        seen.append((" ".join(words[:2]), done.code))
        return done

    monkeypatch.setattr(sessions, "command_line", spy)
    return seen


def whose(world: World, key: str, secret: str, token: str | None) -> str:
    """The identity that the embedded AWS knows keys by."""
    made = boto3.Session(key, secret, token or None, region_name="eu-west-1")
    return made.client("sts", endpoint_url=world.embedded.url).get_caller_identity()["Arn"]


@SECOND
@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_exported_by_the_real_command_line_itself_and_by_us_with_it(
    name: str, world: World, settings: Settings, program: Path, asked: list[tuple[str, int]]
) -> None:
    SOURCES[name].set_up(world)
    words = ("configure", "export-credentials", "--format", "process")
    by_itself = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if name not in BEYOND or not by_itself.returncode:
        found = json.loads(by_itself.stdout)
        theirs = (found["AccessKeyId"], found["SecretAccessKey"], found.get("SessionToken"))
        assert whose(world, *theirs).startswith(world.arn)
    _, keys = staging.export(settings)
    assert whose(world, keys.access_key, keys.secret_key, keys.token).startswith(world.arn)
    assert asked == ([] if name in AT_HAND else [(" ".join(words[:2]), by_itself.returncode)])


@SECOND
def test_the_real_command_line_and_we_know_the_same_profiles(world: World, settings: Settings, program: Path) -> None:
    sources.assume_role_from_sso(world)
    world.credentials(f"[keys]\n{world.pairs(*world.keys)}")
    done = subprocess.run([program, "configure", "list-profiles"], capture_output=True, text=True, check=True)
    assert {*done.stdout.split()} == aws.connect(settings).listed.keys() == {"default", "login", "keys"}


@EACH
def test_a_token_near_its_end_is_refreshed_by_the_real_command_line(
    world: World, settings: Settings, program: Path, asked: list[tuple[str, int]]
) -> None:
    sources.sso_near_its_end(world)
    _, keys = staging.export(settings)
    assert whose(world, keys.access_key, keys.secret_key, keys.token).startswith(world.arn)
    assert world.center.asked.count("/token") == 1
    exports = ("configure export-credentials", 0)
    assert asked in ([exports], [(exports[0], 2), ("sts get-caller-identity", 0)])  # version 1 knows no such words
