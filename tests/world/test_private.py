"""Directories of ours: nobody else of this host enters them, or decides where their paths lead."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aws_airflow_tasks.core import UsageError
from aws_airflow_tasks.world import files, lock, private, sso, staging, state

NOBODY = 65534
as_root = pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that other users reach, outside of any home; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def by_another(*argv: object) -> None:
    """Run a command as another user of this host."""
    nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    subprocess.run([*nobody, *map(str, argv)], check=True, timeout=60)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077, 0o777])
def test_what_is_made_on_the_way_to_our_directories_is_closed_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        made = state.make(tmp_path)
        with lock.locked(tmp_path / "cache" / "aws-airflow" / "venv", wait=0, doing="x"):
            pass
    finally:
        os.umask(before)
    ours = (made, *list(made.parents)[:3], tmp_path / "cache", tmp_path / "cache" / "aws-airflow")
    assert {str(path): oct(mode(path)) for path in ours} == {str(path): "0o700" for path in ours}


@pytest.mark.parametrize(("mode", "folder"), [(0o600, 0o700), (0o644, 0o755), (None, 0o777)])
def test_a_directory_that_is_made_for_a_file_is_open_to_whom_the_file_is(
    no_umask: None, tmp_path: Path, mode: int | None, folder: int
) -> None:
    files.replace(tmp_path / "a" / "b" / "file", None, b"", mode=mode)
    assert {oct(path.stat().st_mode & 0o7777) for path in (tmp_path / "a", tmp_path / "a" / "b")} == {oct(folder)}


def test_a_refresh_before_anything_else_of_ours_leaves_the_way_to_our_directories_closed(
    no_umask: None, tmp_path: Path
) -> None:
    with sso.alone("it"):
        pass
    assert state.make(tmp_path).is_dir()


def test_a_directory_of_ours_that_others_could_only_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o755)
    private.make(tmp_path / "cache")
    assert mode(tmp_path / "cache") == 0o700


@pytest.mark.parametrize("weak", ["", ".local", ".local/state", ".local/state/aws-airflow"])
@pytest.mark.parametrize(("bits", "whom"), [(0o777, "go-w"), (0o702, "o-w")])
def test_a_parent_that_others_can_write_is_refused_with_the_chmod(
    tmp_path: Path, closed_world: Path, weak: str, bits: int, whom: str
) -> None:
    made = state.make(tmp_path)
    (closed_world / weak).chmod(bits)
    for refused in (lambda: private.check(made), lambda: state.make(tmp_path / "another")):
        with pytest.raises(UsageError) as caught:
            refused()
        assert shlex.split(caught.value.hint) == ["chmod", whom, str(closed_world / weak)]
        assert oct(bits)[2:] in caught.value.message
    subprocess.run(caught.value.hint, shell=True, check=True)
    private.check(made)


def test_a_sticky_parent_passes(closed_world: Path, tmp_path: Path) -> None:
    (closed_world / ".local").mkdir()
    (closed_world / ".local").chmod(0o1777)
    assert state.make(tmp_path).is_dir()


@pytest.mark.parametrize(
    ("primary", "members", "others", "passes"),
    [
        (True, [], [], True),
        (True, ["me"], [], True),
        (True, ["me", "somebody"], [], False),
        (True, [], ["somebody"], False),
        (False, [], [], False),
    ],
)
def test_a_group_may_write_that_is_the_owners_own_with_nobody_else_in_it(
    primary: bool,
    members: list[str],
    others: list[str],
    passes: bool,
    closed_world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import grp
    import pwd

    closed_world.chmod(0o770)
    group = closed_world.stat().st_gid

    def user(name: str, uid: int, gid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", uid, gid, "", "/", "/bin/sh"))

    me = user("me", os.geteuid(), group if primary else group + 1)
    everybody = [me, *(user(name, 4711, group) for name in others)]
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: me)
    monkeypatch.setattr(pwd, "getpwall", lambda: everybody)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("own", "x", gid, members)))
    if passes:
        assert state.make(tmp_path).is_dir()
    else:
        with pytest.raises(UsageError) as caught:
            state.make(tmp_path)
        assert shlex.split(caught.value.hint) == ["chmod", "g-w", str(closed_world)]


@as_root
def test_a_parent_or_a_symlink_of_another_user_is_refused(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared.chmod(0o1777)
    by_another("mkdir", shared / "theirs")
    with pytest.raises(UsageError, match="belongs to another user"):
        private.make(shared / "theirs" / "aws-airflow")
    (shared / "ours").mkdir(mode=0o700)
    by_another("ln", "-s", shared / "ours", shared / "link")
    with pytest.raises(UsageError, match=f"{shared}/link belongs to another user"):
        private.make(shared / "link" / "aws-airflow")
    (shared / "own link").symlink_to("ours/../ours")
    private.make(shared / "own link" / "aws-airflow")
    assert mode(shared / "ours" / "aws-airflow") == 0o700


def test_a_directory_that_a_symlink_leads_through_counts(shared: Path) -> None:
    (shared / "weak" / "inner").mkdir(parents=True)
    (shared / "link").symlink_to(shared / "weak" / "inner")
    (shared / "weak").chmod(0o777)
    with pytest.raises(UsageError, match=f"others can write {shared}/weak "):
        private.check_way(shared / "link" / "state")


def test_symlinks_in_a_circle_are_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match=r"[Ss]ymbolic links"):
        private.check_way(tmp_path / "a" / "state")


@as_root
def test_keys_are_not_staged_through_a_link_that_another_user_put_in_the_place_of_the_state_directory(
    shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(shared / "states"))
    made = state.make(tmp_path)
    made.parent.chmod(0o777)
    made.parent.parent.chmod(0o755)
    by_another("mv", made, f"{made}.bak")
    by_another("mkdir", "-p", shared / "states" / "aws-airflow" / "theirs")
    by_another("ln", "-s", "theirs", made)
    with pytest.raises(UsageError):
        staging.stage(made, {"credentials": "the keys"}, staging.Staged("", "", 0, None))
    assert not list((made.parent / "theirs").iterdir())
    by_another("rm", made)
    (made.parent / f"{made.name}.bak").rename(made)
    with pytest.raises(UsageError) as caught:
        staging.stage(made, {"credentials": "the keys"}, staging.Staged("", "", 0, None))
    assert shlex.split(caught.value.hint) == ["chmod", "go-w", str(made.parent)]
    assert not (made / staging.FOLDER).exists()


@as_root
def test_the_home_of_who_typed_sudo_is_refused_and_another_foreign_one_warned_of(
    closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert private.check_home("invoke env") == ""
    os.chown(closed_world, NOBODY, NOBODY)
    assert "belongs to another user" in private.check_home("invoke env")
    monkeypatch.setenv("SUDO_UID", "4711")
    assert "belongs to another user" in private.check_home("invoke env")
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    with pytest.raises(UsageError) as caught:
        private.check_home("invoke env")
    assert caught.value.hint.startswith("invoke env ")


@as_root
def test_what_sudo_has_left_is_given_back_with_the_line_that_is_named(tmp_path: Path, shared: Path) -> None:
    home = shared / "home"
    (home / "left").mkdir(parents=True, mode=0o700)
    os.chown(home, NOBODY, NOBODY)
    code = (
        "import os, sys; from pathlib import Path; from aws_airflow_tasks.world import private\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: private.check(Path(sys.argv[1]))\n"
        "except private.UsageError as error: print(error.hint)\n"
    )
    argv = [sys.executable, "-c", code, str(home / "left")]
    said = subprocess.run(argv, env=os.environ | {"HOME": str(home)}, capture_output=True, text=True, timeout=60)
    assert said.stdout == f'sudo chown -R "$(id -u):$(id -g)" {home}/left\n', said.stderr
