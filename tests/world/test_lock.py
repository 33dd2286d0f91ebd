"""One lock per project."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import lock
from aws_airflow_tasks.world.lock import locked

HOLD = """
import sys
from pathlib import Path
from aws_airflow_tasks.world.lock import locked
with locked(Path(sys.argv[1]), wait=0, doing="invoke setup"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "states" / "project"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def holder(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_holder_is_named(state: Path, holder: subprocess.Popen[str]) -> None:
    """Who waits in vain is told who holds the lock, by command, pid and time, and how to look at it."""
    said: list[str] = []
    with pytest.raises(TaskError) as caught, locked(state, wait=0.1, doing="x", waiting=said.append):
        pytest.fail("the lock was given twice")
    named = f"invoke setup (pid {holder.pid}, since "
    assert caught.value.message.startswith(f"another run works on this project: {named}")
    assert caught.value.message.endswith("waited 0.1 s")
    assert caught.value.hint == f"ps -fp {holder.pid}"
    assert len(said) == 1
    assert said[0].startswith(f"waiting for {named}")


def test_a_holder_that_lets_go_is_waited_for(state: Path, holder: subprocess.Popen[str]) -> None:
    """The lock is had as soon as the other run ends."""
    assert holder.stdin
    with locked(state, wait=60, doing="x", waiting=lambda said: holder.communicate()):  # type: ignore[arg-type]
        assert holder.returncode == 0


def test_a_holder_that_dies_loses_it(state: Path, holder: subprocess.Popen[str]) -> None:
    """A killed process holds nothing."""
    holder.kill()
    holder.wait()
    said: list[str] = []
    with locked(state, wait=0, doing="x", waiting=said.append):
        assert said == []


def test_a_holder_that_has_not_signed(state: Path, holder: subprocess.Popen[str]) -> None:
    """A lock whose holder cannot be told is still a lock; the hint finds the holder."""
    lock = state.with_name("project.lock")
    for text in ("", "[]", '{"pid": 1}'):
        state.with_name("project.lock.json").write_text(text)
        with pytest.raises(TaskError) as caught, locked(state, wait=0, doing="x"):
            pytest.fail("the lock was given twice")
        assert "a run that has not said who it is" in caught.value.message
        assert caught.value.hint == ("ps -fp 1" if "pid" in text else f"fuser -v {lock}")


def test_the_lock_is_beside_the_state_directory(state: Path) -> None:
    """The state directory may be deleted while the lock is held; then the lock goes with it."""
    with locked(state, wait=0, doing="x"):
        assert list(state.iterdir()) == []
        state.rmdir()
        assert list(state.parent.iterdir())
    assert list(state.parent.iterdir()) == []


def test_before_the_first_run(tmp_path: Path) -> None:
    """The lock can be had although nothing of ours exists yet."""
    with locked(tmp_path / "states" / "project", wait=0, doing="x"):
        (tmp_path / "states" / "project").mkdir()
    assert sorted(path.name for path in (tmp_path / "states").iterdir()) == ["project", "project.lock"]


def test_an_error_inside_frees_it(state: Path) -> None:
    """Whatever happens while it is held, it is free afterwards."""
    with pytest.raises(ZeroDivisionError), locked(state, wait=0, doing="x"):
        raise ZeroDivisionError
    with locked(state, wait=0, doing="x"):
        pass


def test_a_lock_file_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in the place of the directory is an error that says where to look."""
    (tmp_path / "states").write_bytes(b"")
    with pytest.raises(TaskError, match="cannot lock") as caught, locked(tmp_path / "states" / "p", wait=0, doing="x"):
        pytest.fail("the lock was given")
    assert caught.value.hint == f"ls -ld {tmp_path / 'states'}"


def test_a_holder_of_a_project_with_a_quote_in_its_name(tmp_path: Path) -> None:
    """The command that finds the holder can be pasted, whatever the project is called."""
    state = tmp_path / "states" / "it's"
    with locked(state, wait=0, doing="x"):
        state.with_name("it's.lock.json").write_text("{}")
        code = f"with locked(Path({str(state)!r}), wait=0, doing='x'): pass"
        script = f"from pathlib import Path\nfrom aws_airflow_tasks.world.lock import *\ntry:\n    {code}\n"
        script += "except TaskError as error: print(error.hint)"
        said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shlex.split(said) == ["fuser", "-v", f"{state}.lock"]


def test_a_link_in_the_place_of_the_note_is_not_followed(state: Path) -> None:
    """Nothing that a planted link leads to is written or shown; the lock works, and the note is a file of ours."""
    theirs = state.parent.parent / "theirs"
    theirs.write_text('{"doing": "what they keep secret", "since": 1}')
    note = state.with_name("project.lock.json")
    note.symlink_to(theirs)
    assert lock._named(note) == "a run that has not said who it is"
    with locked(state, wait=0, doing="invoke setup"):
        assert not note.is_symlink()
        assert lock._named(note).startswith("invoke setup (pid ")
    assert theirs.read_text() == '{"doing": "what they keep secret", "since": 1}'


def test_a_note_is_shown_without_what_a_terminal_obeys(state: Path) -> None:
    """What others have written into it is text, a number of a process is a number, and no note is an error."""
    note = state.with_name("project.lock.json")
    with locked(state, wait=0, doing="x"):
        for text in (
            '{"doing": "\\u001b]0;owned\\u0007", "pid": "1; touch x", "since": 1}',
            "[" * 9_000,
            '{"since": 1e999}',
        ):
            note.write_text(text)
            code = f"with locked(Path({str(state)!r}), wait=0, doing='x'): pass"
            script = f"from pathlib import Path\nfrom aws_airflow_tasks.world.lock import *\ntry:\n    {code}\n"
            script += "except TaskError as error: print(ascii(error.message + error.hint))"
            said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
            assert "another run works on this project" in said
            assert "\\x1b]0" not in said.replace("\\\\x1b", "")
            assert said.rstrip("'\n").endswith(f"fuser -v {state}.lock")
