"""External command lines: found, run without a shell, stopped with us, explained when they are not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import cli
from tests.world.server import REAL_SPAWN


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program ``thing`` on the PATH; a test writes its Python source with :func:`becomes`."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "thing"


def becomes(program: Path, source: str) -> None:
    program.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
    program.chmod(0o755)


def test_output_input_directory_and_exit_code_are_the_commands_own(program: Path, tmp_path: Path) -> None:
    becomes(
        program, "import sys, os\nprint(sys.argv[1:], input(), os.getcwd())\nprint('no', file=sys.stderr)\nsys.exit(3)"
    )
    done = cli.run(["thing", "a b; $HOME", "*"], input="typed\n", cwd=tmp_path)
    assert (done.code, done.stderr) == (3, "no\n")
    assert done.stdout == f"['a b; $HOME', '*'] typed {tmp_path}\n"


def test_a_captured_command_never_waits_for_input(program: Path) -> None:
    becomes(program, "import sys\nprint(repr(sys.stdin.read()))")
    assert cli.run(["thing"]).stdout == "''\n"


def test_the_environment_is_exactly_the_one_given(program: Path) -> None:
    becomes(program, "import os\nprint(os.environ.get('HOME'), os.environ.get('GIVEN'))")
    assert cli.run(["thing"], env={"GIVEN": "1", "PATH": os.environ["PATH"]}).stdout == "None 1\n"


def test_bytes_that_are_no_utf8_do_not_raise(program: Path) -> None:
    becomes(program, "import sys\nsys.stdout.buffer.write(b'\\xff\\n')")
    assert cli.run(["thing"]).stdout == "\ufffd\n"


@pytest.mark.parametrize(
    ("platform", "command"),
    [
        ("darwin", "brew install awscli"),
        ("linux", "sudo snap install aws-cli --classic"),
        ("win32", "winget install -e --id Amazon.AWSCLI"),
    ],
)
def test_a_missing_program_is_said_with_how_to_install_it_here(
    platform: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(TaskError, match="`aws` is not installed") as caught:
        cli.run(["aws", "--version"])
    assert caught.value.hint.startswith(command)


def test_a_program_beside_our_interpreter_is_found_when_the_path_lacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    becomes(tmp_path / "thing", "")
    monkeypatch.setattr(cli.sysconfig, "get_path", lambda _: str(tmp_path))
    assert cli.find("thing") == str(tmp_path / "thing")


def test_a_file_that_cannot_be_executed_is_an_error_with_the_cause(program: Path) -> None:
    program.write_bytes(b"\x7fELF nonsense")
    program.chmod(0o755)
    with pytest.raises(TaskError, match="cannot start `thing`"):
        cli.run(["thing"])


def test_a_command_that_takes_too_long_is_stopped_and_named(program: Path) -> None:
    becomes(program, "import time\ntime.sleep(600)")
    with pytest.raises(TaskError, match=r"`thing x` did not end within 0\.2 seconds"):
        cli.run(["thing", "x"], timeout=0.2)


@pytest.mark.parametrize("call", ["run", "interactive"])
def test_an_interrupt_stops_the_child_and_is_passed_on(call: str, program: Path, tmp_path: Path) -> None:
    becomes(program, f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)")
    script = (
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background has none
        "from aws_airflow_tasks.world import cli\n"
        f"try:\n    cli.{call}(['thing'])\nexcept KeyboardInterrupt:\n    print('passed on')\n"
    )
    ours = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = _pid(tmp_path / "pid")
    ours.send_signal(signal.SIGINT)
    out, _ = ours.communicate(timeout=30)
    assert out == "passed on\n"
    assert not _lives(child)


def _pid(path: Path) -> int:
    for _ in range(600):
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError("the child did not start")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_interactive_command_inherits_the_terminal_and_keeps_our_stdout_clean(program: Path) -> None:
    becomes(program, "print(input('your key? '))\nraise SystemExit(4)")
    script = "from aws_airflow_tasks.world import cli\nprint(cli.interactive(['thing']))"
    done = subprocess.run([sys.executable, "-c", script], input="mine\n", capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("4\n", "your key? mine\n")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("aws-cli/1.46.3 Python/3.11.7 Linux/6.18 botocore/1.43.62\n", (1, 46, 3)),
        ("aws-cli/2.9.19 Python/3.11.2 Linux/6.1 source/x86_64.debian.12 prompt/off", (2, 9, 19)),
        ("aws: command not found", None),
        ("", None),
    ],
)
def test_the_version_is_read_from_what_aws_prints(text: str, version: tuple[int, int, int] | None) -> None:
    assert cli.parse_aws_version(text) == version


def test_the_real_aws_command_line_tells_its_version() -> None:
    assert cli.aws_version() >= (1, 42, 0)


def test_a_command_line_that_says_no_version_is_an_error(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    becomes(program.with_name("aws"), "print('hello')")
    with pytest.raises(TaskError, match="does not say a version"):
        cli.aws_version()
