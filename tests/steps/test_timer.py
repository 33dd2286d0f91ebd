"""A timer of the system in the keeper's place: its files, and a stand-in for what systemd and launchd do with them."""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.core import Plan, TaskError, UsageError
from aws_airflow_tasks.runtimes.protocol import Service
from aws_airflow_tasks.settings import Layer, Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import keeper, keeping, staging, timer
from aws_airflow_tasks.world import cli, receipts, state, timers
from aws_airflow_tasks.world import keeper as world
from tests.steps.test_refresh import Clock, Helper, clock, helper, key
from tests.steps.test_refresh import settings as auto

__all__ = ["auto", "clock", "helper"]

SPAWN = cli.spawn
#: remembers what it was told, and which timers run, as the real ones do: enabled, or not
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> {folder}/told
case "$*" in
*daemon-reload*) ;;
*is-enabled*|*is-active*|print*) test -e {folder}/on ;;
*disable*|bootout*) rm -f {folder}/on ;;
*enable*|*restart*|bootstrap*) touch {folder}/on ;;
*) exit 64 ;;
esac
"""


@pytest.fixture(params=["linux", "darwin"])
def system(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a stand-in for `systemctl`, or `launchctl`, which has in ``told`` what it was told."""
    folder = tmp_path / "system"
    folder.mkdir()
    for name in ("systemctl", "launchctl"):
        (folder / name).write_text(STAND_IN.format(folder=shlex.quote(str(folder))))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(timers, "is_launchd", lambda: request.param == "darwin")
    monkeypatch.setattr(cli, "spawn", SPAWN)
    return folder


@pytest.fixture
def settings(auto: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("CI", raising=False)
    return auto._replace(credentials="export", runtime="embedded")


def folder(settings: Settings) -> Path:
    return state.locate(settings.project)


def apply(settings: Settings, plan: Callable[[Site], Plan]) -> list[str]:
    """Do as a play does; the targets of what was changed."""
    changes = plan(Site(settings)).needed
    for change in changes:
        if change.receipt:
            receipts.record(folder(settings), change.receipt)
        change.apply()
    return [change.target for change in changes]


def test_it_is_installed_planned_and_shown_once_and_undone_to_the_last_file(
    settings: Settings, helper: Helper, system: Path, closed_world: Path
) -> None:
    before = {path for path in closed_world.rglob("*") if path.is_file()}
    planned = timer.plan(Site(settings))
    assert [change.action for change in planned.needed] == ["create"] * (len(planned.needed) - 1) + ["enable"]
    assert all("canary" not in change.diff() for change in planned.needed)
    assert apply(settings, timer.plan)[-1] == "refresh timer"
    assert timer.plan(Site(settings)).needed == ()
    assert timers.installed(folder(settings))
    assert keeper.changes(Site(settings)) == ()
    (target,) = timer.undo(Site(settings))
    for change in target.plan().needed:
        change.apply()
    assert target.plan().needed == ()
    left = {path for path in closed_world.rglob("*") if path.is_file()} - before
    assert {path for path in left if not path.is_relative_to(folder(settings))} == set()
    assert keeper.changes(Site(settings))[0].action == "start"
    assert not (system / "on").exists()


def test_what_was_uninstalled_is_gone_and_there_is_nothing_more_to_do(
    settings: Settings, helper: Helper, system: Path
) -> None:
    assert timer.gone(Site(settings)).needed == ()
    apply(settings, timer.plan)
    assert apply(settings, timer.gone)[0] == "refresh timer"
    assert timer.gone(Site(settings)).needed == ()
    assert [path for path in timers.places(folder(settings)) if path.exists()] == []
    assert not (system / "on").exists()


def test_one_that_somebody_has_switched_off_or_whose_settings_differ_is_made_so_again(
    settings: Settings, helper: Helper, system: Path
) -> None:
    apply(settings, timer.plan)
    (system / "on").unlink()
    assert apply(settings, timer.plan) == ["refresh timer"]
    assert timer.plan(Site(settings._replace(json=True, override=True))).needed == ()
    changed = apply(settings._replace(region="us-east-1"), timer.plan)
    assert (len(changed), changed[-1]) == (2, "refresh timer")
    assert len(receipts.of(Site(settings).receipts, timer.Installed)) == 1


def test_a_timer_that_the_system_refuses_is_an_error_with_its_own_words(
    settings: Settings, helper: Helper, system: Path
) -> None:
    for name in ("systemctl", "launchctl"):
        refuses = "case $* in *is-*|print*) exit 1;; esac\necho 'Failed to connect to bus' >&2\nexit 1\n"
        (system / name).write_text(f"#!/bin/sh\n{refuses}")
    with pytest.raises(TaskError, match="failed: Failed to connect to bus") as raised:
        apply(settings, timer.plan)
    assert raised.value.hint == "invoke refresh --watch"
    assert keeper.changes(Site(settings))[0].action == "start", "what does not run renews nothing"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy"])
def test_what_leads_out_goes_along_and_a_password_in_it_goes_into_no_file(
    name: str, settings: Settings, helper: Helper, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {name: "http://proxy:3128", "NO_PROXY": "x", "SSL_CERT_FILE": "/ca.pem", "DOCKER_CERT_PATH": "/certs"}
    for each, value in wanted.items():
        monkeypatch.setenv(each, value)
    text = "".join(timers.units(settings, folder(settings)).values())
    assert all(each in text and value in text for each, value in wanted.items())
    monkeypatch.setenv(name, "http://me:canary@proxy:3128")
    with pytest.raises(TaskError, match=f"{name} has a password in it"):
        timer.plan(Site(settings))


def test_a_system_without_timers_is_told_the_way_without_one(
    settings: Settings, helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(timers, "is_launchd", lambda: False)
    with pytest.raises(TaskError) as raised:
        timer.plan(Site(settings))
    assert raised.value.hint == "invoke refresh --watch"


def test_keys_of_the_environment_are_refused_and_live_credentials_need_none(
    settings: Settings, helper: Helper, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timer.plan(Site(settings._replace(credentials="live"))).skipped
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    with pytest.raises(TaskError, match="cannot be renewed by a timer"):
        timer.plan(Site(settings))


def test_both_flags_at_once_are_a_usage_error_and_none_asks_for_nothing() -> None:
    with pytest.raises(UsageError):
        timer.planner(install=True, uninstall=True)
    asked = [timer.planner(install=install, uninstall=not install) for install in (True, False)]
    assert asked == [timer.plan, timer.gone]
    assert timer.planner(install=False, uninstall=False) is None


def test_no_secret_of_the_shell_goes_into_its_files(
    settings: Settings, helper: Helper, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "OTHER"):
        monkeypatch.setenv(name, "canary-of-the-shell")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    text = "".join(timers.units(settings, folder(settings)).values())
    assert ("canary" in text, "eu-west-3" in text) == (False, True)


def test_systemd_reads_back_what_was_meant_whatever_a_directory_is_called(
    settings: Settings, helper: Helper, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", '/home/per son/100% "mine" \\ $HOME/config')
    monkeypatch.setattr(timers, "is_launchd", lambda: False)
    service, _ = timers.units(settings, folder(settings)).values()
    lines = [line.partition("=")[2] for line in service.splitlines() if line.startswith("Environment=")]
    read = [word.replace("%%", "%") for line in lines for word in shlex.split(line)]
    assert 'AWS_CONFIG_FILE=/home/per son/100% "mine" \\ $HOME/config' in read
    (told,) = [word for word in read if word.startswith(f"{world.SETTINGS}=")]
    assert world.read(told.partition("=")[2]) == settings


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_the_real_systemd_finds_nothing_to_say_of_its_files_whatever_a_directory_is_called(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / 'my $dir, 100% "mine"'
    there.mkdir()
    monkeypatch.chdir(there)
    monkeypatch.setenv("AWS_PROFILE", '$mine %h "b" \\ c')
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(timers, "is_launchd", lambda: False)
    found = timers.units(settings._replace(project=there), state.make(there))
    for path, text in found.items():
        timers.write(path, text)
    argv = ["systemd-analyze", "verify", "--user", *map(str, found)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_is_written_for_later_still_says_where_each_value_is_from(settings: Settings) -> None:
    given = settings._replace(layers=(Layer("~/.invoke.yaml", {"profile": "dev"}), Layer("invoke.yaml", {}, True)))
    found = world.read(world.written(given))
    assert found == given
    assert (found.origin("profile"), found.layers[1].brought) == ("~/.invoke.yaml", True)


def test_launchd_reads_back_what_was_meant(
    settings: Settings, helper: Helper, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "is_launchd", lambda: True)
    (text,) = timers.units(settings, folder(settings)).values()
    found = plistlib.loads(text.encode())
    assert found["ProgramArguments"] == [sys.executable, "-P", "-m", "aws_airflow_tasks.steps.keeping", "--once"]
    assert world.read(found["EnvironmentVariables"][world.SETTINGS]) == settings


def test_what_the_timer_runs_renews_what_is_due_while_airflow_runs_and_says_once_what_it_cannot(
    settings: Settings, helper: Helper, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices: list[str] = []
    monkeypatch.setattr(world, "notice", lambda _, text: notices.append(text))
    said: list[str] = []
    helper.gives("ONE", 20)
    for change in staging.changes(Site(settings)):
        change.apply()
    helper.gives("TWO", 20)
    clock.now += 15 * 60
    assert (keeping.once(settings, said.append), said, key(settings)) == (0, [], "ONE")
    monkeypatch.setattr(Site, "running", (Service("scheduler", True),))
    assert (keeping.once(settings, said.append), key(settings)) == (0, "TWO")
    clock.now += 60 * 60
    assert [keeping.once(settings, said.append) for _ in range(3)] == [1, 1, 1]
    assert len(notices) == 1
    helper.gives("THREE", 60)
    assert keeping.once(settings, said.append) == 0
    clock.now += 2 * 60 * 60
    assert (keeping.once(settings, said.append), len(notices)) == (1, 2)


def test_the_module_that_a_timer_runs_ends_well_where_there_is_nothing_to_do(
    settings: Settings, helper: Helper
) -> None:
    told = {**os.environ, world.SETTINGS: world.written(settings)}
    argv = [sys.executable, "-P", "-m", world.MODULE, "--once"]
    done = subprocess.run(argv, env=told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
