"""Several profiles for Airflow: each under its own name, each renewed, and nothing else of the person's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks import settings as settings_
from aws_airflow_tasks.core import TaskError, UsageError
from aws_airflow_tasks.settings import Layer
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import creds, refresh
from aws_airflow_tasks.steps.staging import stale
from aws_airflow_tasks.world import trust
from tests.project import embedded
from tests.world import test_staging as sources
from tests.world.sso_server import center
from tests.world.test_staging import World, in_airflow, who_airflow_is, world

__all__ = ["center", "embedded", "world"]

#: what a DAG does with one profile: its keys and its region
KEYS = """
import botocore.session, sys
for name in sys.argv[1:]:
    made = botocore.session.Session(profile=name)
    print(made.get_credentials().get_frozen_credentials().access_key, made.get_config_variable("region"))
"""


@pytest.fixture
def several(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A user's own keys by default, a role, a helper that does not say when its keys end, and one that nobody named."""
    monkeypatch.setattr(Site, "running", ())
    sources.static(world)
    with (world.home / ".aws" / "credentials").open("a") as file:
        file.write("[mine]\naws_access_key_id = AKIAMINE\naws_secret_access_key = canary-mine\n")
        file.write("[secret one]\naws_access_key_id = AKIANOBODY\naws_secret_access_key = canary-nobody\n")
    role = f"role_arn = {world.role('further')}\nsource_profile = default\nregion = eu-north-1\n"
    config = (world.home / ".aws" / "config").read_text()
    world.config(
        f"{config}[profile prod-read]\n{role}[profile 'my helper']\nregion = eu-west-3\n"
        f"credential_process = cat '{world.home / 'answer.json'}'\n"
    )
    gives(world, "ASIAONE")
    world.settings = world.settings._replace(profiles="prod-read, my helper, mine, default")
    return world


def gives(world: World, key: str) -> None:
    answer = {"Version": 1, "AccessKeyId": key, "SecretAccessKey": "canary-helper", "SessionToken": "canary-token"}
    (world.home / "answer.json").write_text(json.dumps(answer))


def used(world: World, *names: str) -> list[str]:
    who_airflow_is(world)  # copies what is staged to where Airflow sees it
    done = subprocess.run(
        [sys.executable, "-c", KEYS, *names], env=in_airflow(world), capture_output=True, text=True, check=False
    )
    return done.stdout.splitlines() or done.stderr.splitlines()[-1:]


def test_each_profile_works_in_airflow_under_its_own_name(several: World) -> None:
    several.converge()
    role, *others = used(several, "prod-read", "my helper", "mine", "default")
    assert role.startswith("ASIA")
    assert role.endswith(" eu-north-1")
    assert others == ["ASIAONE eu-west-3", "AKIAMINE None", f"{several.keys[0]} eu-west-1"]
    assert who_airflow_is(several) == sources.USER
    assert creds.plan(Site(several.settings)).needed == ()


def test_nothing_else_of_the_persons_files_is_staged(several: World) -> None:
    several.converge()
    everything = "".join(path.read_text() for path in several.staged.iterdir())
    assert "NOBODY" not in everything
    assert "canary-nobody" not in everything
    assert "secret one" not in everything
    assert used(several, "secret one")[0].endswith("The config profile (secret one) could not be found")


def test_a_further_profile_that_ends_is_renewed_in_time_with_all_others(
    several: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    several.converge()
    found = Site(several.settings).staged
    assert found
    assert found.expiry
    before = used(several, "prod-read")
    gives(several, "ASIATWO")
    ends = found.expiry
    with monkeypatch.context() as late:
        late.setattr("time.time", lambda: ends - 60)
        plan = refresh.plan(Site(several.settings))
    for change in plan.needed:
        change.apply()
    assert used(several, "prod-read") != before
    assert used(several, "my helper") == ["ASIATWO eu-west-3"]


def test_another_list_is_another_copy_and_leaves_no_file_behind(several: World) -> None:
    several.converge()
    several.settings = several.settings._replace(profiles="")
    several.converge()
    assert {path.name for path in several.staged.iterdir()} == {"config", "credentials"}


def test_other_own_keys_of_a_further_profile_are_a_reason_to_restart(several: World) -> None:
    several.converge()
    before = Site(several.settings).staged
    path = several.home / ".aws" / "credentials"
    path.write_text(path.read_text().replace("AKIAMINE", "AKIAOTHER"))
    several.converge()
    after = Site(several.settings).staged
    assert before
    assert after
    assert before.whose != after.whose
    assert stale(Site(several.settings)) == []


def test_a_further_profile_that_is_not_there_is_named(several: World) -> None:
    several.settings = several.settings._replace(profiles="prod-raed")
    with pytest.raises(TaskError, match=r"no profile prod-raed .* did you mean prod-read\?"):
        creds.plan(Site(several.settings))
    assert not several.staged.exists()


@pytest.mark.parametrize("check", [True, False])
def test_a_further_profile_without_credentials_is_named_before_anything_is_changed(several: World, check: bool) -> None:
    several.config("[default]\nregion = eu-north-1\n[profile empty]\nregion = eu-north-1\n")
    several.settings = several.settings._replace(profiles="empty", check=check)
    with pytest.raises(TaskError, match="profile empty has no credentials") as caught:
        creds.plan(Site(several.settings))
    assert caught.value.hint == "aws configure --profile empty"


def test_what_corrects_a_further_profile_is_the_setting_that_names_it(several: World) -> None:
    several.settings = several.settings._replace(profiles="mine, prod-raed")
    with pytest.raises(TaskError) as caught:
        creds.plan(Site(several.settings))
    assert caught.value.hint.startswith("export INVOKE_AWS_AIRFLOW_PROFILES=mine,prod-read && invoke creds")


def test_a_further_profile_named_default_is_refused_where_airflow_has_another_under_that_name(several: World) -> None:
    several.settings = several.settings._replace(profile="mine", profiles="prod-read, default")
    with pytest.raises(TaskError, match="profiles names default, which to Airflow is profile mine") as caught:
        creds.plan(Site(several.settings))
    assert caught.value.hint.startswith("export INVOKE_AWS_AIRFLOW_PROFILES=prod-read && invoke creds")
    assert not several.staged.exists()


def test_keys_of_the_environment_are_no_profiles_and_a_further_profile_has_its_own(
    several: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", several.keys[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", several.keys[1])
    several.settings = several.settings._replace(profiles="mine")
    several.converge()
    monkeypatch.delenv("AWS_PROFILE")
    assert used(several, "default", "mine") == [f"{several.keys[0]} None", "AKIAMINE None"]
    several.settings = several.settings._replace(profiles="")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    several.converge()
    assert "mine" not in (several.staged / "config").read_text()


@pytest.mark.parametrize("given", ["dev, prod-read", ["dev", "prod-read"], "dev,prod-read,dev"])
def test_profiles_are_given_by_commas_or_as_a_list(given: Any, tmp_path: Path) -> None:
    found = settings_.load([Layer("invoke.yaml", {"profiles": given})], cwd=tmp_path)
    assert settings_.listed(found.profiles) == ("dev", "prod-read")


@pytest.mark.parametrize("given", ["a[b", ["ok", "no$"], [1], True, "a=b"])
def test_what_names_no_profiles_is_bad_usage(given: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="bad value for profiles") as caught:
        settings_.load([Layer("invoke.yaml", {"profiles": given})], cwd=tmp_path)
    assert caught.value.hint.startswith("# allowed: names of profiles, by commas or as a list")


def test_a_project_that_asks_for_further_profiles_is_asked_about_and_then_has_all_of_them(tmp_path: Path) -> None:
    layer = Layer(str(tmp_path / "invoke.yaml"), {"profiles": ["dev", "prod-read"]}, brought=True)
    asked = trust.asked(tmp_path, [layer])
    assert asked.settings == {"invoke.yaml": {"profiles": "dev, prod-read"}}
    nothing, agreed = (
        settings_.load(trust.without(tmp_path, [layer], each), cwd=tmp_path).profiles
        for each in (asked._replace(settings={}), asked)
    )
    assert (nothing, settings_.listed(agreed)) == ("", ("dev", "prod-read"))
