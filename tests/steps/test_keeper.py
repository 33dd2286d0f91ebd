"""The keeper: left by `start`, ended with Airflow, and keys that never run out meanwhile."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import botocore.session
import psutil
import pytest

from aws_airflow_tasks import holding
from aws_airflow_tasks.core import Change, TaskError
from aws_airflow_tasks.runtimes.protocol import Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import keeper, keeping, staging, start
from aws_airflow_tasks.world import cli, processes, state
from aws_airflow_tasks.world import keeper as world
from aws_airflow_tasks.world import staging as world_staging
from aws_airflow_tasks.world.causes import LoginNeeded, Unreachable
from aws_airflow_tasks.world.cli import Completed
from aws_airflow_tasks.world.lock import locked
from aws_airflow_tasks.world.processes import Process
from tests.steps.test_refresh import Clock, Helper, Stopped, clock, helper, key
from tests.steps.test_refresh import settings as auto

__all__ = ["auto", "clock", "helper"]

START = world.start


@pytest.fixture
def settings(auto: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a project whose credentials are exported, at a person's own desk."""
    monkeypatch.delenv("CI", raising=False)
    return auto._replace(credentials="export", runtime="embedded")


@pytest.fixture
def left(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state directory of a project that may leave a keeper; it ends with the test, by its own pid."""
    monkeypatch.setattr(world, "start", START)
    folder = state.make(settings.project)
    yield folder
    world.stop(folder)


def only(settings: Settings) -> Change:
    (change,) = keeper.changes(Site(settings))
    assert change.target == "credentials keeper"
    return change


def test_keys_that_end_are_given_a_keeper(settings: Settings, helper: Helper) -> None:
    change = only(settings)
    assert (change.action, change.before, change.after) == ("start", None, "renews the keys of profile default\n")


@pytest.mark.parametrize(
    "off",
    [{"keep_fresh": "off"}, {"credentials": "live"}, {"CI": "true"}, {"AWS_ACCESS_KEY_ID": "AKIA"}],
    ids=lambda off: next(iter(off)),
)
def test_no_keeper_is_left_where_it_is_not_wanted_or_could_renew_nothing(
    off: dict[str, str], settings: Settings, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in off.keys() - {"keep_fresh", "credentials"}:
        monkeypatch.setenv(name, off[name])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    chosen = {name: value for name, value in off.items() if name in ("keep_fresh", "credentials")}
    assert keeper.changes(Site(settings._replace(**chosen))) == ()  # type: ignore[arg-type]


def test_keys_that_never_end_need_no_keeper(settings: Settings, closed_world: Path) -> None:
    (closed_world / ".aws").mkdir()
    lines = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = canary\n"
    (closed_world / ".aws" / "credentials").write_text(lines)
    assert keeper.changes(Site(settings)) == ()


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert processes.wait_until(deadline), "it did not happen"


def test_the_keeper_renews_keys_that_live_for_seconds_and_stop_ends_it_with_its_keys(
    settings: Settings, left: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real process, under a helper whose keys are good for four seconds."""
    (closed_world / ".aws").mkdir()
    script = closed_world / "helper.py"
    script.write_text(
        "import datetime, json, time\n"
        "ends = datetime.datetime.fromtimestamp(time.time() + 4, datetime.timezone.utc).isoformat()\n"
        "keys = {'AccessKeyId': f'AKIA{time.time_ns()}', 'SecretAccessKey': 'canary-secret', 'Expiration': ends}\n"
        "print(json.dumps({'Version': 1} | keys))\n"
    )
    config = f"[default]\nregion = eu-west-1\ncredential_process = python3 '{script}'\n"
    (closed_world / ".aws" / "config").write_text(config)
    for each in staging.changes(Site(settings)):
        each.apply()
    first, change = key(settings), only(settings)
    change.apply()
    found = world.running(left)
    assert found is not None
    assert keeper.changes(Site(settings))[0].needed is False
    wait_for(lambda: key(settings) != first)
    second = key(settings)
    wait_for(lambda: key(settings) != second)
    said = (left / "keeper.log").read_text()
    assert "exported afresh" in said
    assert "canary" not in said
    environment = processes.environ(found)
    assert os.getsid(found.pid) == found.pid != os.getsid(0)
    assert environment[world.MARK] == str(left)
    for each in start.stop(Site(settings)).needed:
        each.apply()
    assert not processes.lives(found.pid)
    assert processes.running(left / "keeper.json") is None
    assert not list((left / "aws").iterdir())


def test_a_keeper_inherits_no_descriptor(settings: Settings, left: Path, helper: Helper, tmp_path: Path) -> None:
    helper.gives("ONE", 60)
    with (tmp_path / "open").open("w") as mine:
        os.set_inheritable(mine.fileno(), True)
        only(settings).apply()
        found = world.running(left)
        assert found is not None
        assert str(tmp_path / "open") not in {each.path for each in psutil.Process(found.pid).open_files()}


@pytest.mark.parametrize("differs", ["version", "settings", "variables"])
def test_a_keeper_that_is_older_than_the_tool_or_goes_by_something_else_is_replaced(
    differs: str, settings: Settings, left: Path, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper.gives("ONE", 60)
    only(settings).apply()
    before = world.running(left)
    if differs == "version":
        monkeypatch.setattr(world, "VERSION", "99")
    if differs == "variables":
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    chosen = settings._replace(region="us-east-1") if differs == "settings" else settings
    change = only(chosen)
    assert change.action == "restart"
    change.apply()
    after = world.running(left)
    assert before is not None
    assert after is not None
    assert (processes.lives(before.pid), after.pid == before.pid) == (False, False)
    assert keeper.changes(Site(chosen))[0].needed is False


def test_a_keeper_that_is_no_longer_wanted_is_ended(settings: Settings, left: Path, helper: Helper) -> None:
    helper.gives("ONE", 60)
    only(settings).apply()
    off = settings._replace(keep_fresh="off")
    change = only(off)
    assert (change.action, change.after) == ("stop", None)
    change.apply()
    assert keeper.changes(Site(off)) == ()


def test_undo_ends_the_keeper(settings: Settings, left: Path, helper: Helper) -> None:
    assert keeper.undo(Site(settings)) == []
    helper.gives("ONE", 60)
    only(settings).apply()
    (target,) = keeper.undo(Site(settings))
    (change,) = target.plan().needed
    change.apply()
    assert (target.plan().needed, world.running(left)) == ((), None)


def test_a_keeper_that_was_killed_is_left_anew(settings: Settings, left: Path, helper: Helper) -> None:
    helper.gives("ONE", 60)
    only(settings).apply()
    found = world.running(left)
    assert found is not None
    psutil.Process(found.pid).kill()
    wait_for(lambda: not processes.lives(found.pid))
    assert only(settings).action == "start"


# -- what its process does ----------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the keeper."""
    for name in ("running", "recorded"):
        monkeypatch.setattr(world, name, lambda _: Process(os.getpid(), 0))


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was said on the desktop."""
    said: list[str] = []
    monkeypatch.setattr(cli, "run", lambda words, **_: said.append(words[-1]) or Completed(0, "", ""))
    return said


@pytest.fixture
def running(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Whether Airflow runs."""

    def runs(answer: bool) -> None:
        monkeypatch.setattr(Site, "running", (Service("scheduler", True),) if answer else ())

    runs(True)
    return runs


def keep(settings: Settings, clock: Clock, *naps: Callable[[], None]) -> list[str]:
    """What a keeper says until it has ended, or slept so often."""
    said: list[str] = []
    clock.naps.extend(naps)
    with contextlib.suppress(Stopped):
        keeping.Keeping(settings, said.append).keep(clock.sleep)
    return said


def nothing() -> None:
    """A nap in which nothing happens."""


def stage(settings: Settings) -> None:
    for each in staging.changes(Site(settings)):
        each.apply()


@pytest.mark.usefixtures("here", "notices")
def test_it_renews_while_airflow_runs_and_ends_some_minutes_after_it_has_ended(
    settings: Settings, helper: Helper, clock: Clock, running: Callable[[bool], None]
) -> None:
    helper.gives("ONE", 20)
    stage(settings)
    ended: list[float] = []

    def airflow_ends() -> None:
        running(False)
        ended.append(clock.now)

    said = keep(settings, clock, *[nothing] * 5, lambda: helper.gives("TWO", 60), *[nothing] * 5, airflow_ends)
    assert key(settings) == "TWO"
    assert said == [said[0]]
    clock.naps.clear()
    said = keep(settings, clock, *[nothing] * 20)
    assert said[-1] == "ended: Airflow does not run any more"
    assert clock.now - ended[0] < 10 * 60


@pytest.mark.usefixtures("here", "notices")
def test_it_outlives_a_restart_of_airflow(
    settings: Settings, helper: Helper, clock: Clock, running: Callable[[bool], None]
) -> None:
    helper.gives("ONE", 600)
    stage(settings)
    down = [lambda: running(False), nothing, nothing]
    assert keep(settings, clock, *down, lambda: running(True), *down, lambda: running(True), *[nothing] * 9) == []


@pytest.mark.usefixtures("here", "notices")
def test_it_does_not_end_while_somebody_works_on_the_project(
    settings: Settings, helper: Helper, clock: Clock, running: Callable[[bool], None]
) -> None:
    """They may be about to start Airflow, and count on it."""
    helper.gives("ONE", 600)
    stage(settings)
    running(False)
    with locked(state.locate(settings.project), wait=0, doing="invoke start"):
        assert keep(settings, clock, *[nothing] * 20) == []


@pytest.mark.usefixtures("here", "notices", "running")
def test_after_a_laptops_sleep_and_a_clock_that_was_put_back_it_goes_on(
    settings: Settings, helper: Helper, clock: Clock
) -> None:
    helper.gives("ONE", 60)
    stage(settings)

    def asleep() -> None:
        clock.now += 9 * 3600
        helper.gives("TWO", 60)

    def put_back() -> None:
        clock.now -= 50 * 60
        helper.gives("THREE", 60)

    keep(settings, clock, asleep, nothing, helper.answer.unlink, *[nothing] * 120, put_back, *[nothing] * 2)
    assert key(settings) == "THREE"


@pytest.mark.usefixtures("here", "notices", "running")
def test_for_hours_no_process_ever_holds_keys_that_have_ended(
    settings: Settings, helper: Helper, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys of an hour, asked for at every minute as botocore does: past its marks of 15 and of 10 minutes as well."""
    ends: dict[str, float] = {}
    seen: set[str] = set()

    def look() -> None:
        seen.add(holds := reader.get_frozen_credentials().access_key)
        assert ends[holds] > clock.now
        helper.gives(f"KEY{len(ends)}", 60)
        ends[f"KEY{len(ends)}"] = clock.now + 60 * 60

    helper.gives("FIRST", 60)
    ends["FIRST"] = clock.now + 60 * 60
    stage(settings)
    staged = state.locate(settings.project) / "aws" / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(staged))
    reader: Any = botocore.session.Session().get_credentials()
    reader._time_fetcher = lambda: datetime.fromtimestamp(clock.now).astimezone()
    monkeypatch.delenv("AWS_CONFIG_FILE")
    keep(settings, clock, *[look] * 200)
    assert len(seen) == 1 + 200 // 45


@pytest.mark.usefixtures("here", "notices", "running")
def test_it_leaves_keys_alone_that_another_command_line_has_staged(
    settings: Settings, helper: Helper, clock: Clock, closed_world: Path
) -> None:
    """Another shell may have another profile: two that take turns at staging would swap identities for ever."""
    with (closed_world / ".aws" / "config").open("a") as file:
        file.write("[profile dev]\naws_access_key_id = DEV\naws_secret_access_key = canary\n")
    helper.gives("ONE", 60)
    stage(settings)
    said = keep(settings, clock, lambda: stage(settings._replace(profile="dev")), *[nothing] * 5)
    assert said == ["ended: another command line has staged other keys"]
    assert "DEV" in (state.locate(settings.project) / "aws" / "credentials").read_text()


@pytest.mark.usefixtures("here", "notices", "running")
def test_a_source_that_is_written_anew_is_exported_again(settings: Settings, clock: Clock, closed_world: Path) -> None:
    """As saml2aws, Okta's tools and Leapp do; no end is stated by such keys."""
    (closed_world / ".aws").mkdir()
    lines = "[default]\naws_access_key_id = {}\naws_secret_access_key = canary\naws_session_token = canary\n"
    file = closed_world / ".aws" / "credentials"
    file.write_text(lines.format("ONE"))
    stage(settings)
    keep(settings, clock, lambda: [file.write_text(lines.format("ANOTHER"))][0] and None, nothing)
    folder = state.locate(settings.project) / "aws"
    assert "ANOTHER" in "".join(path.read_text() for path in folder.iterdir())


@pytest.mark.usefixtures("here", "running")
def test_what_only_a_person_can_do_is_said_once_on_the_desktop_and_nothing_of_a_network_that_is_down(
    settings: Settings, helper: Helper, clock: Clock, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    helper.gives("ONE", 20)
    stage(settings)
    helper.gives("TWO", 600)

    def failing(error: TaskError) -> Callable[[], None]:
        def export(_: Settings) -> NoReturn:
            raise error

        return lambda: monkeypatch.setattr(world_staging, "export", export)

    needed = LoginNeeded("the SSO session of profile default has ended", ["aws", "sso", "login"])
    said = keep(
        settings,
        clock,
        failing(Unreachable("AWS cannot be reached")),
        *[nothing] * 20,
        failing(needed),
        *[nothing] * 30,
    )
    assert notices == ["the SSO session of profile default has ended\naws sso login"]
    assert [line.splitlines()[0] for line in said] == [
        "AWS cannot be reached; next try follows",
        "the SSO session of profile default has ended; next try follows",
    ]


def test_a_keeper_whose_place_another_has_taken_ends(
    settings: Settings, helper: Helper, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper.gives("ONE", 60)
    stage(settings)
    monkeypatch.setattr(keeping, "STARTING", 0)
    assert keep(settings, clock) == ["ended: another keeper took its place, or Airflow was stopped"]


def test_a_notice_says_what_it_is_given_and_runs_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, notices: list[str]
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(cli, "run", lambda words, **_: ran.append(words))
    for platform in ("linux", "darwin"):
        monkeypatch.setattr("sys.platform", platform)
        world.notice("Airflow", 'a "quote" & $(more)')
    assert [words[0] for words in ran] == ["notify-send", "osascript"]
    assert [words[-1] for words in ran] == ['a "quote" & $(more)'] * 2
    assert [sum("quote" in word for word in words) for words in ran] == [1, 1]


@pytest.mark.parametrize("airflow_runs", [False, True])
def test_the_next_command_takes_keys_away_that_a_crash_or_a_reboot_has_left_unless_airflow_runs_again(
    settings: Settings, helper: Helper, airflow_runs: bool
) -> None:
    folder = state.make(settings.project)
    helper.gives("ONE", 60)
    stage(settings)
    holding.tidy(settings, lambda: airflow_runs)
    assert world_staging.holds(folder)
    (folder / world.RECORD).write_text('{"pid": 4194303, "created": 1.0}')  # of before the reboot
    holding.tidy(settings, lambda: airflow_runs)
    assert (world_staging.holds(folder), (folder / world.RECORD).exists()) == (airflow_runs, airflow_runs)


def test_while_somebody_works_on_the_project_such_keys_are_left_to_them(settings: Settings, helper: Helper) -> None:
    folder = state.make(settings.project)
    helper.gives("ONE", 60)
    stage(settings)
    (folder / world.RECORD).write_text("{}")
    with locked(folder, wait=0, doing="invoke start"):
        holding.tidy(settings, lambda: False)
    assert world_staging.holds(folder)
