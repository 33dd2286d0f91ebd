"""The staged copy as a change: why it is made or renewed, and that it goes where nobody needs it."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import pytest

from aws_airflow_tasks.core import Change
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import staging
from aws_airflow_tasks.world import state
from tests.steps.test_refresh import Clock, Helper, clock, helper
from tests.steps.test_refresh import settings as auto

__all__ = ["auto", "clock", "helper"]

WHY = "exported, as set; {}"


@pytest.fixture
def settings(auto: Settings) -> Settings:
    return auto._replace(credentials="export")


def only(settings: Settings, **how: float) -> Change:
    (change,) = staging.changes(Site(settings), **how)
    assert change.target == f"~/{(state.locate(settings.project) / 'aws').relative_to(Path.home())}"
    return change


def test_where_nothing_is_staged_the_copy_is_made(settings: Settings, helper: Helper) -> None:
    helper.gives("ONE", 60)
    change = only(settings)
    assert (change.action, change.before, change.reason) == ("create", None, WHY.format("nothing was staged before"))
    change.apply()
    assert staging.changes(Site(settings)) == ()


def test_a_copy_that_is_renewed_says_until_when_it_was_good_and_why_that_will_not_do(
    settings: Settings, helper: Helper, clock: Clock
) -> None:
    clock.now = round(clock.now)
    helper.gives("ONE", 60)
    only(settings).apply()
    ends = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(clock.now + 60 * 60))
    clock.now += 50 * 60
    change = only(settings)
    assert (change.action, change.reason) == ("refresh", WHY.format("the staged credentials end soon"))
    assert change.before == f"credentials that end at {ends}\n"
    assert (change.needed, change.after) == (True, "fresh credentials of the profile alone\n")


def test_keys_that_were_exported_just_when_it_was_asked_for_are_fresh_enough(
    settings: Settings, helper: Helper, clock: Clock
) -> None:
    helper.gives("ONE", 60)
    only(settings).apply()
    assert staging.changes(Site(settings), renew_before=clock.now) == ()
    assert only(settings, renew_before=clock.now + 1).reason == WHY.format("asked to")


def test_a_copy_whose_keys_never_end_says_so(settings: Settings, closed_world: Path) -> None:
    (closed_world / ".aws").mkdir()
    keys = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = canary\n"
    (closed_world / ".aws" / "credentials").write_text(keys)
    only(settings).apply()
    assert only(settings, renew_before=time.time() + 1).before == "credentials that do not say when they end\n"


@pytest.mark.parametrize("runtime", ["docker", "embedded"])
def test_the_copy_is_for_the_place_where_airflow_sees_it_and_names_when_it_was_exported(
    settings: Settings, helper: Helper, clock: Clock, runtime: str
) -> None:
    helper.gives("ONE", 60)
    chosen = settings._replace(runtime=runtime)
    only(chosen).apply()
    folder = state.locate(settings.project) / "aws"
    seen_at = str(folder) if runtime == "embedded" else settings.mount_path
    found = Site(chosen).staged
    assert found is not None
    assert (found.exported, found.seen_at) == (clock.now, seen_at)
    assert f"{seen_at}/creds.sh" in (folder / "config").read_text()


def test_where_airflow_reads_the_persons_own_files_the_copy_is_emptied(settings: Settings, helper: Helper) -> None:
    live = settings._replace(credentials="live")
    assert staging.changes(Site(live)) == ()
    helper.gives("ONE", 60)
    only(settings).apply()
    change = only(live)
    assert (change.action, change.after, change.reason) == ("delete", None, "live, as set")
    assert change.needed
    change.apply()
    assert list((state.locate(settings.project) / "aws").iterdir()) == []
    assert staging.changes(Site(live)) == ()


def test_undo_empties_the_copy_and_has_nothing_to_do_where_there_is_none(settings: Settings, helper: Helper) -> None:
    assert staging.undo(Site(settings)) == []
    helper.gives("ONE", 60)
    only(settings).apply()
    (target,) = staging.undo(Site(settings))
    planned = target.plan()
    (change,) = planned.needed
    assert (change.action, change.after) == ("delete", None)
    assert change.target == planned.target == target.name == only(settings, renew_before=time.time() + 1).target
    assert target.needs == ("staged.json",)
    change.apply()
    assert target.plan().needed == ()
    assert staging.undo(Site(settings)) == []


def test_a_link_that_leads_nowhere_in_the_copys_place_is_not_overlooked(settings: Settings) -> None:
    (state.locate(settings.project) / "aws").symlink_to("nowhere")
    (target,) = staging.undo(Site(settings))
    assert target.plan().needed


def test_until_when_the_keys_last_is_said_with_the_date_where_it_is_another_day(
    settings: Settings, helper: Helper, clock: Clock
) -> None:
    clock.now = time.mktime((2035, 11, 28, 14, 5, 0, 0, 0, -1))
    helper.gives("ONE", 60)
    assert staging.lasting(Site(settings)) == ""
    only(settings).apply()
    assert staging.lasting(Site(settings)) == "; keys until 15:05"
    helper.gives("ONE", 24 * 60)
    only(settings, renew_before=clock.now + 1).apply()
    assert staging.lasting(Site(settings)) == "; keys until 2035-11-29 14:05"
    assert staging.lasting(Site(settings._replace(credentials="live"))) == ""


@pytest.mark.parametrize(
    ("more", "said"),
    [({"refreshToken": "canary"}, "; SSO token until 17:00, renewed by itself"), ({}, "; SSO session until 17:00")],
)
def test_until_when_the_sso_session_lasts_is_said_by_status_and_verify(
    settings: Settings, clock: Clock, closed_world: Path, more: dict[str, str], said: str
) -> None:
    clock.now = time.mktime((2035, 11, 28, 14, 5, 0, 0, 0, -1))
    cache = closed_world / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    (closed_world / ".aws" / "config").write_text(
        "[default]\nregion = eu-west-1\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n"
        "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n"
    )
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.mktime((2035, 11, 28, 17, 0, 0, 0, 0, -1))))
    token = cache / f"{hashlib.sha1(b'corp').hexdigest()}.json"
    token.write_text(json.dumps({"accessToken": "canary", "expiresAt": ends, **more}))
    assert staging.lasting(Site(settings._replace(check=True))) == said
    assert staging.lasting(Site(settings._replace(fresh=True))) == said
    assert staging.lasting(Site(settings)) == ""
    token.write_text("{}")
    assert staging.lasting(Site(settings._replace(check=True))) == ""
