"""Reading and replacing people's files."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import files
from aws_airflow_tasks.world.files import MAX_SIZE, missing_parents, read, remove_empty, replace, sweep

ROOT = os.geteuid() == 0
LINUX = sys.platform == "linux"


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_read(tmp_path: Path) -> None:
    """A file is its bytes, an absent one is None, even in a directory that is not there."""
    (tmp_path / "f").write_bytes(b"a\0\r\n")
    assert read(tmp_path / "f") == b"a\0\r\n"
    assert read(tmp_path / "absent") is None
    assert read(tmp_path / "no" / "such") is None


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "directory": (lambda path: path.mkdir(), "is no file but a directory"),
    "pipe": (_pipe, "is no file but something else"),
    "dangling symlink": (lambda path: path.symlink_to("nowhere"), "is a symlink to nowhere, which does not exist"),
    "symlink loop": (_loop, "Too many levels of symbolic links"),
    "100 MB": (_huge, "is larger than 10 MB"),
}


@pytest.mark.parametrize(("make", "said"), ODD.values(), ids=ODD)
def test_what_is_no_plain_file_is_an_error(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    """Reading it and writing it is an error that names it and says what to look at; it stays as it is."""
    path = tmp_path / ".env"
    make(path)
    attempts: list[Callable[[Path], object]] = [read, partial(replace, before=None, after=b"x")]
    for attempt in attempts:
        with pytest.raises(TaskError) as caught:
            attempt(path)
        assert said in caught.value.message
        assert str(path) in caught.value.message
        assert str(path) in caught.value.hint
    assert listing(tmp_path) == [".env"]


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), _pipe], ids=["directory", "pipe"])
def test_what_stands_in_the_way_of_a_file_is_moved_aside_by_the_command_that_is_said(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    path = tmp_path / ".env"
    make(path)
    with pytest.raises(TaskError) as caught:
        read(path)
    verb, old, new = shlex.split(caught.value.hint, comments=True)
    assert verb == "mv"
    Path(old).rename(new)
    assert read(path) is None
    assert listing(tmp_path) == [".env.aside"]


def test_a_file_in_the_place_of_a_directory(tmp_path: Path) -> None:
    """A path that leads through a file is an error."""
    (tmp_path / "dags").write_bytes(b"")
    with pytest.raises(TaskError, match="Not a directory"):
        replace(tmp_path / "dags" / "x.py", None, b"x")
    with pytest.raises(TaskError, match="Not a directory"):
        read(tmp_path / "dags" / "x.py")


@pytest.mark.parametrize(("mode", "umask", "expected"), [(None, 0o022, 0o644), (None, 0o077, 0o600), (0o600, 0, 0o600)])
def test_the_mode_of_a_new_file(tmp_path: Path, mode: int | None, umask: int, expected: int) -> None:
    """A new file has the mode asked for, else what the umask leaves."""
    before = os.umask(umask)
    try:
        replace(tmp_path / ".env", None, b"A=1\n", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == expected
    assert read(tmp_path / ".env") == b"A=1\n"
    assert listing(tmp_path) == [".env"]


@pytest.mark.parametrize("mode", [0o640, 0o755, 0o604])
def test_replacing_keeps_the_mode(tmp_path: Path, mode: int) -> None:
    """An existing file keeps its mode, whatever was asked for new ones."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(mode)
    replace(path, b"old", b"new", mode=0o600)
    assert (read(path), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


@pytest.mark.skipif(not ROOT, reason="only root may give files away")
def test_replacing_keeps_the_owner(tmp_path: Path) -> None:
    """A file that belongs to someone else still does afterwards."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    os.chown(path, 1234, 5678)
    replace(path, b"old", b"new")
    assert (path.stat().st_uid, path.stat().st_gid, read(path)) == (1234, 5678, b"new")


def _set_attribute(path: Path) -> None:
    try:
        os.setxattr(path, "user.note", b"keep me")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error.strerror}")


@pytest.mark.skipif(not LINUX, reason="Python has no xattr functions elsewhere")
def test_replacing_keeps_extended_attributes(tmp_path: Path) -> None:
    """Extended attributes go over to the new content."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    _set_attribute(path)
    replace(path, b"old", b"new")
    assert os.getxattr(path, "user.note") == b"keep me"


@pytest.mark.skipif(not LINUX, reason="Python has no xattr functions elsewhere")
def test_an_attribute_that_cannot_be_kept_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an attribute cannot be set nothing is written."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    _set_attribute(path)

    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "setxattr", refuse)
    with pytest.raises(TaskError, match="would lose its extended attributes"):
        replace(path, b"old", b"new")
    assert (read(path), listing(tmp_path)) == (b"old", ["f"])


def test_an_owner_that_cannot_be_kept_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the owner cannot be given nothing is written."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    real = os.fstat

    def strange(handle: int) -> os.stat_result:
        found = list(real(handle))
        found[stat.ST_UID] += 1
        return os.stat_result(found)

    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fstat", strange)
    monkeypatch.setattr(os, "fchown", refuse)
    with pytest.raises(TaskError, match="would lose its owner and group"):
        replace(path, b"old", b"new")
    monkeypatch.undo()
    assert (read(path), listing(tmp_path)) == (b"old", ["f"])


def test_hard_links_are_an_error(tmp_path: Path) -> None:
    """A file with a second name is not replaced, since the names would part."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    (tmp_path / "g").hardlink_to(path)
    with pytest.raises(TaskError, match="has 2 names"):
        replace(path, b"old", b"new")
    assert (read(path), listing(tmp_path)) == (b"old", ["f", "g"])


@pytest.mark.parametrize("absolute", [False, True])
def test_a_symlink_stays_and_its_target_is_replaced(tmp_path: Path, absolute: bool) -> None:
    """Through a chain of symlinks, relative or absolute, it is the file at the end that changes."""
    (tmp_path / "shared").mkdir()
    target, link, chain = tmp_path / "shared" / "env", tmp_path / ".env", tmp_path / "chain"
    target.write_bytes(b"old")
    link.symlink_to(target if absolute else "shared/env")
    chain.symlink_to(".env")
    replace(chain, b"old", b"new")
    assert (read(target), link.is_symlink(), chain.is_symlink()) == (b"new", True, True)
    assert (listing(tmp_path), listing(tmp_path / "shared")) == ([".env", "chain", "shared"], ["env"])


def test_deleting(tmp_path: Path) -> None:
    """A file that is to be gone is gone; once more changes nothing; a symlink is not ours to delete."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    replace(path, b"old", None)
    replace(path, None, None)
    replace(tmp_path / "no" / "such", None, None)
    assert listing(tmp_path) == []
    (tmp_path / "target").write_bytes(b"old")
    path.symlink_to("target")
    with pytest.raises(TaskError, match="has become a symlink"):
        replace(path, b"old", None)
    assert listing(tmp_path) == ["f", "target"]


@pytest.mark.parametrize(("before", "now"), [(b"old", b"edited"), (b"old", None), (None, b"theirs")])
@pytest.mark.parametrize("after", [b"new", None])
def test_an_edit_before_the_replace_is_never_overwritten(
    tmp_path: Path, before: bytes | None, now: bytes | None, after: bytes | None
) -> None:
    """A file that is not what was read is left as it is, and the error names it."""
    path = tmp_path / ".env"
    if now is not None:
        path.write_bytes(now)
    with pytest.raises(TaskError, match="was edited while it was being changed") as caught:
        replace(path, before, after)
    assert str(path) in caught.value.message
    assert read(path) == now


@pytest.mark.parametrize("before", [b"old", None])
def test_an_edit_just_before_the_rename_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    """An edit made after the new content was written, directly before the last look, is seen."""
    path = tmp_path / ".env"
    if before is not None:
        path.write_bytes(before)
    real = os.fsync

    def edit(handle: int) -> None:
        real(handle)
        path.write_bytes(b"theirs")

    monkeypatch.setattr(os, "fsync", edit)
    with pytest.raises(TaskError, match="was edited while it was being changed"):
        replace(path, before, b"new")
    assert (read(path), listing(tmp_path)) == (b"theirs", [".env"])


def test_missing_parents_are_made_and_known(tmp_path: Path) -> None:
    """The directories that a file needs are told beforehand, outermost first, and made with it."""
    path = tmp_path / "a" / "b" / "f"
    assert missing_parents(path) == (tmp_path / "a", tmp_path / "a" / "b")
    replace(path, None, b"x")
    assert (missing_parents(path), read(path)) == ((), b"x")
    replace(path, b"x", None)
    remove_empty((tmp_path / "a", tmp_path / "a" / "b"))
    assert listing(tmp_path) == []


def test_only_empty_directories_are_removed(tmp_path: Path) -> None:
    """A directory with something in it stays."""
    replace(tmp_path / "a" / "b" / "f", None, b"x")
    remove_empty((tmp_path / "a", tmp_path / "a" / "b"))
    assert read(tmp_path / "a" / "b" / "f") == b"x"


def test_leftovers_of_the_dead_are_swept_those_of_the_living_stay(tmp_path: Path) -> None:
    """The next write in a directory removes temporary files that nobody writes any more; nothing else."""
    import fcntl

    for name in (".aws-airflow-dead.tmp", ".aws-airflow-alive.tmp", ".aws-airflow-notes", "x.tmp"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "target").write_bytes(b"")
    (tmp_path / ".aws-airflow-link.tmp").symlink_to("target")
    with (tmp_path / ".aws-airflow-alive.tmp").open() as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        replace(tmp_path / "f", None, b"x")
    assert ".aws-airflow-dead.tmp" not in listing(tmp_path)
    assert {".aws-airflow-alive.tmp", ".aws-airflow-notes", "x.tmp", "target"} <= {*listing(tmp_path)}
    sweep(tmp_path)
    assert ".aws-airflow-alive.tmp" not in listing(tmp_path)
    sweep(tmp_path / "absent")


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while writing: the old file, no temporary one, no directory made for it."""

    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        replace(tmp_path / "a" / "f", None, b"x")
    assert listing(tmp_path) == []


def test_a_file_system_that_cannot_sync_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a directory cannot be synced the file is written all the same."""
    real = os.fsync

    def only_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", only_files)
    replace(tmp_path / "f", None, b"x")
    assert read(tmp_path / "f") == b"x"


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small tmpfs on ``folder``."""
    if not (ROOT and LINUX and shutil.which("mount")):
        pytest.skip("only root can mount a file system")
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_disk_full(tmp_path: Path) -> None:
    """On a full disk: the cause, where to look, and nothing touched."""
    with mounted(tmp_path / "small", "size=64k") as folder:
        path = folder / "f"
        replace(path, None, b"old")
        with pytest.raises(TaskError, match="No space left on device") as caught:
            replace(path, b"old", b"x" * 100_000)
        assert caught.value.hint == f"df -h {folder}"
        assert (read(path), listing(folder)) == (b"old", ["f"])


def test_read_only_file_system(tmp_path: Path) -> None:
    """On a read-only file system: the cause, and nothing touched."""
    with mounted(tmp_path / "fixed", "size=64k") as folder:
        path = folder / "f"
        replace(path, None, b"old")
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        for before, after in ((b"old", b"new"), (b"old", None)):
            with pytest.raises(TaskError, match="Read-only file system") as caught:
                replace(path, before, after)
            assert "mount" in caught.value.hint
        assert (read(path), listing(folder)) == (b"old", ["f"])


def test_file_too_large(tmp_path: Path) -> None:
    """Under a limit on file sizes: the cause, and nothing touched."""
    path = tmp_path / "f"
    path.write_bytes(b"old")
    code = (
        "import resource, signal; from pathlib import Path; from aws_airflow_tasks.world import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: files.replace(Path('f'), b'old', b'x' * 10000)\n"
        "except files.TaskError as error: print(error.message, '|', error.hint)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout == "cannot write f: File too large | ulimit -f\n"
    assert (read(path), listing(tmp_path)) == (b"old", ["f"])


def _without_rights(folder: Path, code: str) -> str:
    """What ``code`` prints when it is run in ``folder`` by someone who is not root."""
    script = (
        "import os; from pathlib import Path; from aws_airflow_tasks.world import files\n"
        "import fcntl, secrets, ctypes, codecs, encodings.idna\n"
        f"os.chdir({str(folder)!r})\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"try: {code}\n"
        "except files.TaskError as error: print(error.message, '|', error.hint)\n"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A directory that everyone can reach and write in."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    folder = tmp_path / "project"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)


def test_no_permission(open_folder: Path) -> None:
    """What may not be read or written is an error with the cause and where to look."""
    path = open_folder / "f"
    path.write_bytes(b"old")
    path.chmod(0o600 if ROOT else 0)
    said = _without_rights(open_folder, "files.read(Path('f'))")
    assert said == "cannot read f: Permission denied | ls -ld . f\n"
    path.chmod(0o644 if ROOT else 0o444)
    assert _without_rights(open_folder, "files.replace(Path('f'), b'old', b'new')").startswith("f is read-only | ")
    open_folder.chmod(0o755 if ROOT else 0o555)
    said = _without_rights(open_folder, "files.replace(Path('g'), None, b'new')")
    assert said == "cannot write g: Permission denied | ls -ld .\n"
    said = _without_rights(open_folder, "files.replace(Path('d/g'), None, b'new')")
    assert said == "cannot write d/g: Permission denied | ls -ld .\n"
    assert (read(path) if ROOT else b"old", listing(open_folder)) == (b"old", ["f"])


@pytest.mark.skipif(not ROOT, reason="only root can make a file of somebody else's")
def test_somebody_elses_writable_file(open_folder: Path) -> None:
    """A file of another owner that we may write, but not give back to them, is not replaced."""
    path = open_folder / "f"
    path.write_bytes(b"old")
    path.chmod(0o666)
    said = _without_rights(open_folder, "files.replace(Path('f'), b'old', b'new')")
    assert said.startswith("f would lose its owner and group (Operation not permitted)")
    assert (read(path), listing(open_folder)) == (b"old", ["f"])


def test_the_largest_file(tmp_path: Path) -> None:
    """A file of just the largest size is read; one byte more is an error."""
    path = tmp_path / "f"
    path.write_bytes(b"x" * MAX_SIZE)
    assert len(read(path) or b"") == MAX_SIZE
    path.write_bytes(b"x" * (MAX_SIZE + 1))
    with pytest.raises(TaskError, match="larger than"):
        read(path)


def test_a_file_system_without_attributes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are no extended attributes there are none to keep."""
    if not LINUX:
        pytest.skip("Python has no xattr functions here")

    def unsupported(*args: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "listxattr", unsupported)
    (tmp_path / "f").write_bytes(b"old")
    files.replace(tmp_path / "f", b"old", b"new")
    assert read(tmp_path / "f") == b"new"
