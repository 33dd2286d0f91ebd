"""Credential helpers that answer, ask, hang, flood and fail: each is bounded, and said what it did."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import aws, cli, helpers, staging

BY_HAND = 'sh -c "$(aws configure get credential_process --profile dev)" > /dev/null'
#: one that is broken for good shows no more than why, and is mended where it is named
ELSE = "   # it shows why; unless that has mended it, then: ${EDITOR:-vi} "
GOOD = {"Version": 1, "AccessKeyId": "ASIAONE", "SecretAccessKey": "canary-secret", "SessionToken": "canary-token"}


@pytest.fixture
def helper(closed_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Settings]:
    """A profile whose helper is a script with this text; nobody is at a terminal."""
    monkeypatch.setattr(cli, "terminal", lambda: False)

    def made(text: str) -> Settings:
        script = tmp_path / "my helper"
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
        return named(f"'{script}' --password canary-argument")

    return made


def named(command: str) -> Settings:
    (Path.home() / ".aws").mkdir(exist_ok=True)
    (Path.home() / ".aws" / "config").write_text(f"[profile dev]\ncredential_process = {command}\n")
    return Settings(profile="dev", region="eu-west-1")


def keys(settings: Settings) -> staging.Keys:
    return staging.export(settings)[1]


def said(settings: Settings) -> tuple[str, str]:
    """The words of the error, which has no secret."""
    with pytest.raises(TaskError) as caught:
        keys(settings)
    assert "canary" not in f"{caught.value.message} {caught.value.hint}"
    return caught.value.message, caught.value.hint


def answering(**members: object) -> str:
    answer = {name: value for name, value in (GOOD | members).items() if value is not None}
    return f"echo '{json.dumps(answer)}'"


NO_USE = {
    "an exit code with what it said": (
        "echo token ASIACANARY0123456789 canary-session-of-yesterday; echo 'Error: log in first' >&2; exit 3",
        "ended with exit code 3: Error: log in first",
    ),
    "what it said, without what it gave": (
        f"{answering()}; echo got canary-secret canary-token >&2; exit 1",
        "ended with exit code 1: got *** ***",
    ),
    "nothing at all": ("exit 1", "ended with exit code 1"),
    "a crash": ("kill -9 $$", "ended with exit code -9"),
    "no output": ("true", "printed nothing"),
    "no JSON": ("echo canary no json", "printed no JSON"),
    "a list": ("echo '[1]'", 'printed JSON without "Version": 1'),
    "another version": (answering(Version=2), 'printed JSON without "Version": 1'),
    "no key": (answering(AccessKeyId=None), "printed JSON without AccessKeyId"),
    "an empty secret": (answering(SecretAccessKey=""), "printed JSON without SecretAccessKey"),
    "a time that is none": (
        answering(Expiration="canary"),
        "printed an Expiration that is no time such as 2030-01-31T12:00:00Z",
    ),
    "a number for a time": (
        answering(Expiration=1893456000),
        "printed an Expiration that is no time such as 2030-01-31T12:00:00Z",
    ),
    "no time between its quotes": (
        answering(Expiration=""),
        "printed an Expiration that is no time such as 2030-01-31T12:00:00Z",
    ),
    "milliseconds for a time": (
        answering(Expiration="1893456000000"),
        "printed an Expiration that is no time such as 2030-01-31T12:00:00Z",
    ),
    "a time of a zone that nobody knows": (
        answering(Expiration="2030-01-31T12:00:00 PST"),
        "printed an Expiration that is no time such as 2030-01-31T12:00:00Z",
    ),
    "keys of yesterday": (
        answering(Expiration="2020-01-31T12:00:00Z"),
        "gives credentials that have expired (2020-01-31T12:00:00+00:00)",
    ),
    "a flood": ("exec yes canary", "printed more than 64 KiB"),
    "a flood that ends": ("head -c 200000 /dev/zero", "printed more than 64 KiB"),
}


@pytest.mark.parametrize(("text", "words"), NO_USE.values(), ids=NO_USE)
def test_a_helper_that_gives_no_keys_is_said_what_it_did_and_how_to_run_it(
    text: str, words: str, helper: Callable[[str], Settings]
) -> None:
    message, hint = said(helper(text))
    assert message == f"the credential helper `my helper` of profile dev {words}"
    assert hint.startswith(BY_HAND + ELSE)


EDITOR = "${EDITOR:-vi} "
NOT_THERE = {
    "no such program": ("no-such-helper-of-ours", "is not there", EDITOR),
    "no such path": ("/no/such/helper", "is not there", EDITOR),
    "a home that no shell fills in": ("~/helper", "is not there: ~/helper is taken as it is", EDITOR),
    "a variable that no shell fills in": ("$HOME/helper", "is not there: $HOME/helper is taken", EDITOR),
    "a directory": ("/usr", "cannot be started: Permission denied", EDITOR),
    "an open quotation mark": ("'helper", "is no command line: No closing quotation", EDITOR),
    "nothing": ("", "is no command line: it is empty", EDITOR),
}


@pytest.mark.parametrize(("command", "words", "hint"), NOT_THERE.values(), ids=NOT_THERE)
def test_a_helper_that_cannot_be_run_is_said_why(command: str, words: str, hint: str) -> None:
    message, typed = said(named(command))
    assert words in message
    assert typed.startswith(hint)
    assert str(Path.home()) in typed or EDITOR not in typed


def test_a_helper_that_never_ends_is_ended_with_all_it_started(
    helper: Callable[[str], Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helpers, "LIMIT", 1)
    message, hint = said(helper(f"sleep 1000 & echo $! > '{tmp_path}/child'; wait"))
    assert message.endswith("did not end within 1 seconds, without a terminal to ask at; does it ask?")
    assert hint.startswith(BY_HAND + ELSE)
    child = int((tmp_path / "child").read_text())
    gone = time.monotonic() + 30
    while alive(child) and time.monotonic() < gone:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]
    except OSError:
        return False


def test_a_helper_reads_nothing_where_nobody_can_answer(
    helper: Callable[[str], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open pipe as our standard input would let it wait."""
    read, write = os.pipe()
    before = os.dup(0)
    os.dup2(read, 0)
    try:
        assert said(helper("read code || { echo 'no code' >&2; exit 9; }"))[0].endswith("exit code 9: no code")
    finally:
        os.dup2(before, 0)
        for each in (read, write, before):
            os.close(each)


def test_at_a_terminal_a_helper_asks_for_as_long_as_it_likes_and_the_time_is_told(
    helper: Callable[[str], Settings],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(cli, "terminal", lambda: True)
    monkeypatch.setattr(helpers, "LIMIT", 0)
    monkeypatch.setattr(helpers, "TOLD_AFTER", 0.2)
    caplog.set_level("INFO", "aws_airflow_tasks")
    assert keys(helper(f"echo 'MFA code:' >&2; sleep 1; {answering()}")).access_key == "ASIAONE"
    assert "MFA code:" in capfd.readouterr().err
    assert "waiting for the credential helper `my helper` of profile dev: 0 s; Ctrl-C ends it" in caplog.messages


def test_ctrl_c_ends_a_helper_that_waits_at_a_terminal(
    helper: Callable[[str], Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "terminal", lambda: True)
    settings = helper(f"echo $$ > '{tmp_path}/pid'; exec sleep 1000")

    begun, wait = threading.Event(), helpers._await
    monkeypatch.setattr(helpers, "_await", lambda *those: (begun.set(), wait(*those)))

    def interrupt() -> None:
        begun.wait()
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            keys(settings)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not alive(int((tmp_path / "pid").read_text()))


def test_what_a_helper_leaves_behind_is_not_waited_for(helper: Callable[[str], Settings], tmp_path: Path) -> None:
    """An agent that it starts holds its standard output open."""
    try:
        assert keys(helper(f"sleep 1000 & echo $! > '{tmp_path}/agent'; {answering()}")).access_key == "ASIAONE"
    finally:
        os.kill(int((tmp_path / "agent").read_text()), signal.SIGKILL)


def test_a_time_without_a_zone_is_taken_for_utc(helper: Callable[[str], Settings]) -> None:
    assert keys(helper(answering(Expiration="2100-01-01T00:00:00"))).expiry == 4102444800


def test_within_one_command_line_a_helper_is_asked_once(helper: Callable[[str], Settings], tmp_path: Path) -> None:
    settings = helper(f"echo asked >> '{tmp_path}/asked'; {answering()}")
    with helpers.asked_once():
        assert keys(settings) == keys(settings)
    assert (tmp_path / "asked").read_text() == "asked\n"
    keys(settings)
    assert (tmp_path / "asked").read_text() == "asked\nasked\n"


def test_an_answer_that_has_ended_meanwhile_is_asked_for_again(
    helper: Callable[[str], Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = helper(f"echo asked >> '{tmp_path}/asked'; {answering(Expiration='2100-01-01T00:00:00Z')}")
    with helpers.asked_once():
        keys(settings)
        monkeypatch.setattr(helpers.time, "time", lambda: 4102444801.0)
        with pytest.raises(TaskError, match="have expired"):
            keys(settings)
    assert (tmp_path / "asked").read_text() == "asked\nasked\n"


def test_the_helper_of_a_source_profile_is_bounded_too(helper: Callable[[str], Settings]) -> None:
    settings = helper("exit 4")
    with (Path.home() / ".aws" / "config").open("a") as file:
        file.write("[profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = dev\n")
    message, hint = said(Settings(profile="role", region=settings.region))
    assert message == "the credential helper `my helper` of profile dev ended with exit code 4"
    assert hint.startswith(BY_HAND + ELSE)


def test_an_expired_answer_of_aws_is_never_met_with_keys_that_would_shadow_the_helper(
    helper: Callable[[str], Settings],
) -> None:
    account = aws.connect(helper(answering()))
    with pytest.raises(TaskError) as caught, account.explained():
        raise RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired.")
    assert caught.value.hint == BY_HAND


@pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")
@pytest.mark.parametrize(
    ("text", "mode", "told", "typed"),
    [
        ("exit 0\n", 0o755, "it has no first line such as #!/bin/sh", "${EDITOR:-vi} +1 {}"),
        (
            "#!/usr/bin/nopython\n",
            0o755,
            "what its first line names is not there: /usr/bin/nopython",
            "${EDITOR:-vi} +1 {}   # install /usr/bin/nopython, or name what is there instead",
        ),
        (
            "#!/gone/sh -e\n",
            0o755,
            "what its first line names is not there: /gone/sh",
            f"${{EDITOR:-vi}} +1 {{}}   # name one that is there: {shutil.which('sh')}",
        ),
        (
            "#!/gone/pipx/venvs/my-helper/bin/python\n",
            0o755,
            "what its first line names is not there",
            "pipx reinstall my-helper",
        ),
        (
            "#!/gone/uv/tools/my-helper/bin/python3\n",
            0o755,
            "what its first line names is not there",
            "uv tool install --reinstall my-helper",
        ),
        ("#!/bin/sh\n", 0o644, "Permission denied", "chmod u+x {}"),
    ],
    ids=["no first line", "no interpreter", "another interpreter", "of pipx", "of uv", "mode"],
)
def test_a_helper_that_is_there_and_cannot_be_started_is_told_with_what_mends_it(
    text: str, mode: int, told: str, typed: str, tmp_path: Path
) -> None:
    script = tmp_path / "helper"
    script.write_text(text)
    script.chmod(mode)
    message, hint = said(named(str(script)))
    assert f"cannot be started: {told}" in message
    assert hint == typed.replace("{}", str(script))


@pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")
def test_what_is_to_be_typed_mends_a_helper_whose_lines_end_as_windows_has_them(tmp_path: Path) -> None:
    script, link = tmp_path / "the helper", tmp_path / "link"
    script.write_bytes(f"#!/bin/sh\n{answering()}\n".replace("\n", "\r\n").encode())
    script.chmod(0o750)
    link.symlink_to("the helper")
    message, hint = said(named(str(link)))
    assert "cannot be started: its lines end as Windows has them" in message
    subprocess.run(["sh", "-c", hint], check=True)
    assert (link.is_symlink(), script.stat().st_mode & 0o777, b"\r" in script.read_bytes()) == (True, 0o750, False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "the helper"]
    subprocess.run([link], check=True, capture_output=True)


@pytest.mark.skipif(sys.platform != "linux", reason="the loader that a program names is one of Linux")
def test_a_helper_that_is_a_program_for_another_system_is_told_as_that(tmp_path: Path) -> None:
    data, loader = Path(sys.executable).read_bytes(), b"/lib64/ld-linux"
    if loader not in data:
        pytest.skip("this Python names another loader")
    script = tmp_path / "helper"
    script.write_bytes(data.replace(loader, b"/gone64/nothing"))
    script.chmod(0o755)
    message, hint = said(named(str(script)))
    assert "cannot be started: it is a program for another system" in message
    assert hint == "# install helper for this system"
