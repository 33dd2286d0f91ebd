"""Which services may hold what another plan gave them: keys of before, or those of somebody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from aws_airflow_tasks.core import Pending, TaskError, digest
from aws_airflow_tasks.runtimes import Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import staging, start
from aws_airflow_tasks.world import identity
from aws_airflow_tasks.world import staging as staged_copy
from aws_airflow_tasks.world.aws import Account, Identity
from aws_airflow_tasks.world.delivery import Way
from aws_airflow_tasks.world.identity import Known
from aws_airflow_tasks.world.profiles import Credentials
from aws_airflow_tasks.world.staging import Staged
from tests.facts import site

RUNNING = (Service("scheduler", True, identity="scheduler 1"), Service("triggerer", True, identity="triggerer 1"))
EVERY = ["scheduler 1", "triggerer 1"]
MINE, THEIRS = "arn:aws:iam::123456789012:user/me", "arn:aws:iam::123456789012:user/you"
CREDENTIALS = Credentials("dev", "sso", "sso", "eu-west-1", "", "", ("dev",), Path("config"), Path("credentials"))


def known(arn: str) -> Known:
    return Known(CREDENTIALS, Identity("123456789012", arn, "AIDA"), 0.0)


def unknown(site: Site) -> NoReturn:
    raise TaskError("nobody is logged in")


@pytest.fixture
def live(tmp_path: Path) -> Callable[..., Site]:
    """A site whose Airflow reads the person's own files, which was started as ``earlier`` (bytes of the note)."""

    def make(earlier: bytes | None, *, check: bool = False, **facts: Any) -> Site:
        if earlier is not None:
            (tmp_path / start.STARTED_AS).write_bytes(earlier)
        settings = Settings(project=tmp_path, check=check)
        return site(settings, state=tmp_path, way=Way("live", ""), running=RUNNING, **facts)

    return make


@pytest.mark.parametrize(
    ("earlier", "now", "stale"),
    [
        (THEIRS, MINE, EVERY),
        (MINE, MINE, []),
        (None, MINE, []),
        ("", MINE, []),
        (THEIRS, None, []),
    ],
)
def test_services_that_read_the_persons_files_are_stale_where_they_were_started_as_somebody_else(
    earlier: str | None, now: str | None, stale: list[str], live: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "remembered", lambda *_: known(now) if now else None)
    noted = None if earlier is None else digest(earlier).encode() if earlier else b""
    assert list(start._stale(live(noted))) == stale


def test_another_session_of_the_same_role_is_nobody_else(
    live: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "arn:aws:sts::123456789012:assumed-role/dev"
    monkeypatch.setattr(identity, "remembered", lambda *_: known(f"{role}/second"))
    assert start._as_whom(live(None)) == digest(role)


@pytest.mark.parametrize(("check", "whom"), [(False, ""), (True, digest(MINE))])
def test_aws_is_asked_as_whom_in_check_mode_alone_as_a_run_has_asked_before(
    check: bool, whom: str, live: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "remembered", lambda *_: None)
    assert start._as_whom(live(None, check=check, identity=known(MINE))) == whom


def test_as_whom_is_not_known_where_aws_does_not_say(
    live: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "remembered", lambda *_: None)
    monkeypatch.setattr(Site, "identity", property(unknown))
    assert start._as_whom(live(None, check=True)) == ""


def test_a_copy_says_itself_which_services_are_stale(live: Callable[..., Site]) -> None:
    copy = Staged("", "", 0.0, None, stale=("scheduler 1",))
    made = live(digest(THEIRS).encode(), staged=copy)
    vars(made)["way"] = Way("export", "")
    assert list(start._stale(made)) == ["scheduler 1"]


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Site]:
    """A site with a copy whose keys were of ``whose``; now they are MINE."""
    account = object.__new__(Account)
    account.credentials = CREDENTIALS
    monkeypatch.setattr(staged_copy, "at_hand", lambda _: None)
    monkeypatch.setattr(staging, "_along", lambda _: staged_copy.ALONE)

    def make(found: Staged | None, *, check: bool = True, **facts: Any) -> Site:
        settings = Settings(project=tmp_path, check=check)
        facts = {"account": account, "identity": known(MINE), "running": RUNNING} | facts
        return site(settings, state=tmp_path, staged=found, **facts)

    return make


def a_copy(arn: str, definition: str = "another") -> Staged:
    whose = staged_copy.whose(CREDENTIALS, None, lambda: arn)
    return Staged(definition, "", 0.0, None, whose=whose, stale=("triggerer 1",))


@pytest.mark.parametrize(("check", "stale"), [(True, EVERY), (False, [])])
def test_where_nothing_is_staged_all_that_runs_would_read_the_first_copy(
    check: bool, stale: list[str], exported: Callable[..., Site]
) -> None:
    assert list(staging.stale(exported(None, check=check))) == stale


@pytest.mark.parametrize(
    ("arn", "check", "stale"),
    [(THEIRS, True, EVERY), (MINE, True, ["triggerer 1"]), (THEIRS, False, ["triggerer 1"])],
)
def test_in_check_mode_those_are_stale_too_that_a_copy_of_another_would_make_so(
    arn: str, check: bool, stale: list[str], exported: Callable[..., Site]
) -> None:
    assert list(staging.stale(exported(a_copy(arn), check=check))) == stale


def test_a_copy_whose_definition_holds_is_of_nobody_else(
    exported: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "definition", lambda *_: "the same")
    assert list(staging.stale(exported(a_copy(THEIRS, "the same")))) == ["triggerer 1"]


def test_where_it_cannot_be_told_whose_the_next_copy_is_the_last_one_says_what_is_stale(
    exported: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = exported(a_copy(THEIRS))
    monkeypatch.setattr(staged_copy, "at_hand", unknown)
    assert list(staging.stale(made)) == ["triggerer 1"]


@pytest.mark.parametrize("error", [TaskError("no engine answers"), Pending("init")])
def test_where_no_engine_answers_nothing_that_runs_is_stale(
    error: Exception, exported: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    def running(_: Site) -> NoReturn:
        raise error

    made = exported(None)
    del vars(made)["running"]
    monkeypatch.setattr(Site, "running", property(running))
    assert list(staging.stale(made)) == []


def test_a_copy_that_was_emptied_still_counts_and_the_next_may_be_of_another_though_its_definition_holds(
    exported: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "definition", lambda *_: "the same")
    monkeypatch.setattr(staged_copy, "last", lambda _: a_copy(THEIRS, "the same"))
    assert list(staging.stale(exported(None))) == EVERY
    assert list(staging.stale(exported(None, check=False))) == ["triggerer 1"]
