"""Fresh credentials: exported again in time, once or for as long as somebody watches."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import refresh
from aws_airflow_tasks.world import helpers, private, staging, state
from aws_airflow_tasks.world.causes import LoginNeeded


class Stopped(Exception):  # noqa: N818
    """The watching ends: a test has seen enough."""


@dataclass
class Clock:
    """The time that everything of ours sees; sleeping moves it, and does what a test has put there."""

    now: float
    naps: list[Callable[[], None]]

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if not self.naps:
            raise Stopped
        self.naps.pop(0)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(time.time(), [])
    monkeypatch.setattr(time, "time", made.time)
    return made


@dataclass
class Helper:
    """A credential helper whose answer a test decides."""

    answer: Path

    def gives(self, key: str, minutes: float | None) -> None:
        keys: dict[str, object] = {"Version": 1, "AccessKeyId": key}
        keys |= {"SecretAccessKey": "canary-secret", "SessionToken": "canary-token"}
        if minutes is not None:
            keys["Expiration"] = datetime.fromtimestamp(time.time() + minutes * 60, UTC).isoformat()
        self.answer.write_text(json.dumps(keys))


@pytest.fixture
def helper(closed_world: Path) -> Helper:
    (closed_world / ".aws").mkdir()
    made = Helper(closed_world / "answer.json")
    config = f"[default]\nregion = eu-west-1\ncredential_process = cat '{made.answer}'\n"
    (closed_world / ".aws" / "config").write_text(config)
    return made


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(Site, "running", ())  # nothing: this machine's own engine is not to be asked
    (tmp_path / "dwh").mkdir()
    state.make(tmp_path / "dwh")
    return Settings(project=tmp_path / "dwh", endpoint_url="http://127.0.0.1:9")


def key(settings: Settings) -> str:
    """The access key that Airflow has now."""
    return str(json.loads((folder(settings) / "aws" / "creds.json").read_text())["AccessKeyId"])


def folder(settings: Settings) -> Path:
    return state.make(settings.project)


def apply(settings: Settings, **how: float) -> bool:
    needed = refresh.plan(Site(settings), **how).needed
    for change in needed:
        change.apply()
    return bool(needed)


def test_keys_are_exported_again_when_little_time_is_left(settings: Settings, helper: Helper, clock: Clock) -> None:
    helper.gives("ONE", 60)
    assert apply(settings)
    helper.gives("TWO", 120)
    clock.now += 43.5 * 60
    assert not apply(settings)
    plan = refresh.plan(Site(settings))
    assert (plan.target, plan.reason) == ("profile default", "the credentials are good for another 16 min")
    clock.now += 2 * 60
    assert apply(settings)
    assert key(settings) == "TWO"
    assert not apply(settings)


def test_a_profile_that_changes_while_its_keys_are_exported_is_exported_again(
    settings: Settings, helper: Helper, closed_world: Path
) -> None:
    """The export itself changes the configuration, so what it gave is of the one before."""
    config = closed_world / ".aws" / "config"
    text = config.read_text()
    helper.gives("ONE", 60)
    script = closed_world / "helper.sh"
    script.write_text(f"echo '# changed meanwhile' >> '{config}'\ncat '{helper.answer}'\n")
    config.write_text(text.replace("cat '" + str(helper.answer) + "'", f"sh '{script}'"))
    assert apply(settings)
    script.write_text(f"cat '{helper.answer}'\n")
    assert apply(settings)
    assert not apply(settings)


def test_what_is_left_of_them_does_not_matter_when_they_are_asked_for(settings: Settings, helper: Helper) -> None:
    helper.gives("ONE", 60)
    apply(settings)
    helper.gives("TWO", 60)
    asked = time.time()
    assert apply(settings, renew_before=asked)
    assert key(settings) == "TWO"
    assert not apply(settings, renew_before=asked)


def test_live_credentials_need_no_refresh(settings: Settings, helper: Helper) -> None:
    plan = refresh.plan(Site(settings._replace(credentials="live")))
    assert (plan.skipped, plan.target) == (True, "profile default")
    assert plan.reason == "live, as set; there is nothing to refresh"


def test_keys_of_the_environment_are_said_not_to_be_renewable(
    settings: Settings, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    assert refresh.plan(Site(settings)).warnings == (refresh.NOT_RENEWABLE,)


def watch(settings: Settings, clock: Clock, *naps: Callable[[], None]) -> list[str]:
    said: list[str] = []
    clock.naps.extend(naps)
    with pytest.raises(Stopped):
        refresh.watch(lambda: Site(settings), said.append, clock.sleep)
    return said


def nothing() -> None:
    """A nap in which nothing happens."""


def test_watching_renews_in_time_and_says_so(settings: Settings, helper: Helper, clock: Clock) -> None:
    helper.gives("ONE", 20)
    first = clock.now

    def turn() -> None:
        helper.gives("TWO", 60)

    said = watch(settings, clock, turn, *[nothing] * 12)
    assert key(settings) == "TWO"
    assert clock.now - first < 20 * 60
    assert [line.split()[1:3] for line in said] == [["exported", "afresh;"]] * 2


def test_it_renews_under_the_projects_lock_for_which_it_waits_as_long_as_is_set(
    settings: Settings, helper: Helper, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[tuple[Path, float, str]] = []

    @contextlib.contextmanager
    def noted(folder: Path, *, wait: float, doing: str) -> Iterator[None]:
        held.append((folder, wait, doing))
        assert not (folder / "aws").exists()
        yield
        assert (folder / "aws").exists()

    monkeypatch.setattr(refresh, "locked", noted)
    helper.gives("ONE", 60)
    watch(settings._replace(wait=7), clock)
    assert held == [(state.locate(settings.project), 7, "invoke refresh --watch")]


def test_after_a_laptops_sleep_the_first_look_finds_that_they_have_ended(
    settings: Settings, helper: Helper, clock: Clock
) -> None:
    helper.gives("ONE", 60)

    def asleep() -> None:
        clock.now += 8 * 3600
        helper.gives("TWO", 60)

    watch(settings, clock, asleep, nothing)
    assert key(settings) == "TWO"


@pytest.fixture
def tries(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the helper was asked, in seconds since the epoch."""
    found: list[float] = []
    ask = helpers._run

    def counted(asked: helpers.Helper) -> bytes:
        found.append(clock.now)
        return ask(asked)

    monkeypatch.setattr(helpers, "_run", counted)
    return found


def waits(tries: list[float]) -> list[int]:
    return [round(later - earlier) for earlier, later in itertools.pairwise(tries)]


def test_once_it_has_worked_the_next_failure_is_the_first_again(
    settings: Settings, helper: Helper, clock: Clock, tries: list[float]
) -> None:
    works = [nothing, nothing, nothing, lambda: helper.gives("ONE", 20)]
    watch(settings, clock, *works, *[nothing] * 3, helper.answer.unlink, *[nothing] * 14)
    assert waits(tries)[:3] == [60, 60, 120]
    assert waits(tries)[4:7] == [60, 60, 120]


def test_errors_are_said_once_tried_again_ever_more_slowly_and_do_not_end_it(
    settings: Settings, helper: Helper, clock: Clock, tries: list[float]
) -> None:
    said = watch(settings, clock, *[nothing] * 30, lambda: helper.gives("ONE", 60), *[nothing] * 10)
    assert key(settings) == "ONE"
    assert [line.splitlines()[0] for line in said[:1]] == [
        f"the credential helper `cat` of profile default ended with exit code 1: cat: {helper.answer}: No such file or"
        " directory; next try follows"
    ]
    assert len(said) == 2
    assert waits(tries) == [60, 60, 120, 240, 480, 600, 600]
    assert "canary" not in "".join(said)


def test_a_login_that_is_needed_is_said_with_its_command_and_noticed_once_it_is_made(
    settings: Settings, closed_world: Path, clock: Clock
) -> None:
    (closed_world / ".aws").mkdir()
    (closed_world / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n")

    def logged_in() -> None:
        keys = "[default]\naws_access_key_id = AKIA\naws_secret_access_key = canary\n"
        (closed_world / ".aws" / "credentials").write_text(keys)

    said = watch(settings, clock, *[nothing] * 8, logged_in, nothing)
    assert said[0] == "profile default has no credentials; next try follows\n-> aws configure"
    assert said[1].endswith("exported afresh; the credentials do not say when they end")
    assert len(said) == 2


def test_an_error_that_nothing_can_be_done_about_is_said_alone(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> str:
        raise TaskError("no luck")

    monkeypatch.setattr(refresh, "renew", failing)
    assert watch(settings, clock, nothing) == ["no luck; next try follows"]


def test_an_interrupt_ends_it(settings: Settings, helper: Helper) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    helper.gives("ONE", 60)
    with pytest.raises(KeyboardInterrupt):
        refresh.watch(lambda: Site(settings), lambda _: None, interrupted)
    assert key(settings) == "ONE"


def test_a_broken_configuration_is_an_error(settings: Settings, closed_world: Path) -> None:
    with pytest.raises(TaskError, match="there is no profile gone"):
        refresh.plan(Site(settings._replace(profile="gone")))


@pytest.mark.parametrize("force", [True, False])
def test_force_renews_keys_that_have_much_time_left_and_without_it_they_stay(
    settings: Settings, helper: Helper, force: bool
) -> None:
    helper.gives("ONE", 60)
    assert apply(settings)
    assert bool(refresh.planner(force=force)(Site(settings)).needed) is force
    assert refresh.plan(Site(settings)).warnings == ()


def test_keys_that_have_ended_are_good_for_no_minute_more(clock: Clock) -> None:
    assert refresh.left(staging.Staged("", "", 0, clock.now - 600)).endswith(" 0 min")
    assert refresh.left(staging.Staged("", "", 0, clock.now + 3600)).endswith(" 60 min")


def test_a_login_is_looked_for_at_every_look_and_anything_else_ever_more_seldom() -> None:
    assert refresh._delay(LoginNeeded("log in", ["aws", "login"]), 5) == 0
    assert [refresh._delay(TaskError("no luck"), failures) for failures in (1, 2, 3, 9)] == [30, 60, 120, 600]


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become somebody else")
def test_a_watch_gives_no_keys_to_who_exchanges_the_state_directory_meanwhile(
    helper: Helper, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a directory of theirs, or by a link to one of the person's; in a place that others can write."""
    monkeypatch.setattr(Site, "running", ())
    (tmp_path / "dwh").mkdir()
    with tempfile.TemporaryDirectory() as shared:
        Path(shared).chmod(0o777)
        monkeypatch.setenv("XDG_STATE_HOME", f"{shared}/states")
        monkeypatch.setattr(private, "check_way", lambda path: None)  # as it was made before anybody looked
        settings = Settings(project=tmp_path / "dwh", endpoint_url="http://127.0.0.1:9")
        ours = folder(settings)
        ours.parent.chmod(0o777)
        ours.parent.parent.chmod(0o777)
        helper.gives("ONE", 60)
        assert apply(settings)
        monkeypatch.undo()
        monkeypatch.setenv("XDG_STATE_HOME", f"{shared}/states")
        monkeypatch.setenv("HOME", str(helper.answer.parent))
        monkeypatch.setattr(Site, "running", ())
        monkeypatch.setattr(time, "time", clock.time)
        open_to_all = Path(shared) / "open to all"
        open_to_all.mkdir()
        open_to_all.chmod(0o777)
        theirs = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        record = (ours / "project").read_text()  # nothing in it that they could not find out

        def exchanged() -> None:
            script = 'printf %s "$1" > "$2"'
            subprocess.run([*theirs, "sh", "-c", script, "sh", record, open_to_all / "project"], check=True)
            subprocess.run([*theirs, "mv", ours, f"{ours}.bak"], check=True)
            subprocess.run([*theirs, "ln", "-s", open_to_all, ours], check=True)
            helper.gives("TWO", 60)

        said: list[str] = []
        clock.naps = [exchanged] + 60 * [lambda: None]
        with pytest.raises(Stopped):
            refresh.watch(lambda: Site(settings), said.append, clock.sleep)
        assert [path.name for path in open_to_all.iterdir()] == ["project"]
        assert f"chmod go-w {shared}" in "".join(said)


def test_keys_of_a_helper_that_does_not_say_their_end_are_new_after_each_refresh_that_somebody_types(
    settings: Settings, helper: Helper
) -> None:
    helper.gives("ONE", None)
    assert apply(settings)
    assert not apply(settings)
    helper.gives("TWO", None)
    planned = refresh.planner(force=False)
    for change in planned(Site(settings)).needed:
        change.apply()
    assert key(settings) == "TWO"
    assert not planned(Site(settings)).needed


def test_while_somebody_watches_such_a_helper_is_asked_once_ten_minutes_are_over(
    settings: Settings, helper: Helper, clock: Clock, tries: list[float]
) -> None:
    helper.gives("ONE", None)
    watch(settings, clock, *[nothing] * 12, lambda: helper.gives("TWO", None), *[nothing] * 10)
    assert key(settings) == "TWO"
    assert waits(tries) == [660, 660]
