"""The state directory: one a project, private, named so that teammates' mounts read alike."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import inodes, state
from tests.world.test_files import mounted


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return directory(tmp_path / "team" / "dwh")


def directory(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def used(project: Path) -> Path:
    """The state directory of a project that has a change to take back."""
    folder = state.make(project)
    directory(folder / "receipts").joinpath("0001.json").write_text("{}")
    return folder


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_named_after_the_project_and_private(project: Path) -> None:
    folder = state.make(project)
    assert folder == state.root() / "dwh"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"id": 0o600, "project": 0o600}
    assert listing(state.root()) == ["dwh"]


def test_it_records_the_projects_path_device_and_inode(project: Path) -> None:
    recorded, found = json.loads((state.make(project) / "project").read_text()), project.stat()
    assert (recorded["path"], recorded["device"], recorded["inode"]) == (str(project), found.st_dev, found.st_ino)


def test_locating_it_creates_nothing(tmp_path: Path) -> None:
    assert not state.locate(tmp_path).exists()
    assert not state.root().exists()


def test_making_one_that_is_whole_writes_nothing(project: Path) -> None:
    folder = state.make(project)
    before = {path: path.stat() for path in (folder, folder / "id", folder / "project")}
    assert state.make(project) == folder
    assert {path: path.stat() for path in before} == before


def test_another_checkout_of_the_same_name_gets_a_hash(tmp_path: Path) -> None:
    first, second = directory(tmp_path / "a" / "dwh"), directory(tmp_path / "b" / "dwh")
    one, two = state.make(first), state.make(second)
    assert one != two
    assert two.name.startswith("dwh-")
    assert (state.make(first), state.make(second)) == (one, two)


def configured(project: Path, text: str) -> Path:
    directory(project / ".astro").joinpath("config.yaml").write_text(text)
    return project


def test_it_is_named_after_the_astro_project_whatever_the_checkout_is_called(tmp_path: Path) -> None:
    """The line that names it is in a file that the team shares."""
    first, second = (
        configured(directory(tmp_path / name), "project:\n  name: dwh\n") for name in ("dwh-clone", "work")
    )
    one, two = state.make(first), state.make(second)
    assert one == state.plain(first) == state.plain(second) == state.root() / "dwh"
    assert two.name.startswith("dwh-")
    assert (state.make(first), state.make(second)) == (one, two)


@pytest.mark.parametrize(
    "text",
    [
        "project: {name: other}\n",
        "# ours\nproject: { mode: x, name: 'other' }  # ours\n",
        '{project: {name: "other", mode: x}}\n',
        "project: {\n  name: other,\n}\n",
        "\ufeffproject: {name: other}\n",
        "\ufeffproject:\n  name: other\n",
    ],
)
def test_the_name_of_the_astro_project_may_stand_in_braces(text: str, project: Path) -> None:
    configured(project, text)
    assert yaml.safe_load(text)["project"]["name"] == "other"
    assert state.make(project) == state.root() / "other"


def test_one_that_was_named_after_its_folder_keeps_its_name(project: Path) -> None:
    folder = state.make(project)
    configured(project, "project:\r\n  name: other\r\n")
    assert state.make(project) == folder != state.plain(project)


@pytest.mark.parametrize(
    ("left", "renamed"),
    [({}, True), ({"receipts/0001.json": '{"kind": "init"}', "aws/config": "", "staged.json": ""}, True)]
    + [({name: '{"kind": "file"}'}, False) for name in ("receipts/0001.json", "airflow/log", "receipts/2.json")],
)
def test_one_that_nothing_names_yet_gets_the_name_that_astro_dev_init_has_chosen(
    left: dict[str, str], renamed: bool, project: Path
) -> None:
    folder, number = state.make(project), state.project_id(state.make(project))
    for name, text in left.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    assert not state.outgrown(project)
    configured(project, "project:\n    # ours\n    other: 1\n    name: 'd-w-h'  # kept\n")
    assert state.outgrown(project) == renamed
    state.rename(project)
    assert state.make(project) == state.root() / ("d-w-h" if renamed else "dwh")
    assert state.project_id(state.locate(project)) == number
    assert not state.outgrown(project)


def test_a_name_that_another_project_holds_renames_nothing(project: Path, tmp_path: Path) -> None:
    folder, other = state.make(project), state.make(tmp_path / "other")
    configured(project, "project:\r\n  name: other\r\n")
    state.rename(project)
    assert (state.make(project), state.make(tmp_path / "other")) == (folder, other)


@pytest.mark.parametrize(
    "text",
    [
        *("", "project: [", "project:\n  name:\n", "project: name\n", "project:\n  name: [x]\n", "[" * 20_000 + "name"),
        *(f"project:\n  name: '{name}'\n" for name in ("../x", "..", ".making", "a/b", "a b", "$HOME", "x" * 65, "x.")),
        "project:\n  sub:\n    name: x\n",
        *(
            "project: {sub: {name: x}}",
            "project: {surname: x}",
            "other: {name: x}",
            "project: {name: [x]}",
            "project: {}",
        ),
        "name: x\nother:\n  name: x\n",
    ],
    ids=lambda text: text[:40],
)
def test_a_name_that_is_no_plain_file_name_or_cannot_be_read_gives_way_to_the_folders(text: str, project: Path) -> None:
    configured(project, text)
    assert state.make(project) == state.root() / "dwh"


def test_the_projects_id_is_random_and_stays(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    ids = [state.project_id(state.make(project)) for project in (first, second, first)]
    assert ids[0] == ids[2] != ids[1]
    assert len(ids[0]) == 16


def _renamed(project: Path) -> Path:
    return project.rename(project.with_name("warehouse"))


def _moved(project: Path) -> Path:
    return project.rename(directory(project.parent.parent / "elsewhere") / "dwh")


def _moved_and_linked(project: Path) -> Path:
    project.symlink_to(_moved(project))
    return project


def _linked(project: Path) -> Path:
    link = project.with_name("link")
    link.symlink_to(project)
    return link


def _cloned_again(project: Path) -> Path:
    kept = project.with_name("kept")  # so that the next one cannot have its inode
    project.rename(kept)
    directory(project)
    kept.rmdir()
    return project


def _renamed_and_replaced(project: Path) -> Path:
    renamed = _renamed(project)
    directory(project)
    return renamed


def _replaced(project: Path) -> Path:
    _renamed(project)
    return directory(project)


def _copied(project: Path) -> Path:
    return shutil.copytree(project, project.with_name("copy"))


def _copied_and_removed(project: Path) -> Path:
    copy = _copied(project)
    shutil.rmtree(project)
    return copy


def _gone_and_another_made(project: Path) -> Path:
    shutil.rmtree(project)  # ext4 gives its inode to the next one
    return directory(project.with_name("other"))


def _gone_and_one_of_its_name_elsewhere(project: Path) -> Path:
    shutil.rmtree(project)
    return directory(project.parent.parent / "elsewhere" / "dwh")


def _renamed_and_one_of_its_name_elsewhere(project: Path) -> Path:
    _renamed(project)
    return directory(project.parent.parent / "elsewhere" / "dwh")


@pytest.mark.parametrize(
    ("happens", "same"),
    [
        (_renamed, True),
        (_moved, True),
        (_moved_and_linked, True),
        (_linked, True),
        (_cloned_again, True),
        (_renamed_and_replaced, True),
        (_replaced, False),
        (_copied, False),
        (_copied_and_removed, False),
        (_gone_and_another_made, False),
        (_gone_and_one_of_its_name_elsewhere, False),
        (_renamed_and_one_of_its_name_elsewhere, False),
    ],
)
def test_a_project_keeps_its_receipts_and_no_other_inherits_them(
    project: Path, happens: Callable[[Path], Path], same: bool
) -> None:
    folder = used(project)
    known = state.project_id(folder)
    asked = happens(project)
    assert (state.locate(asked) == folder) == same
    made = state.make(asked)
    assert (made == folder) == (state.project_id(made) == known) == (made / "receipts").exists() == same
    assert json.loads((made / "project").read_text())["path"] == os.path.realpath(asked)
    assert (state.locate(asked), state.make(asked)) == (made, made)
    assert (folder / "receipts" / "0001.json").exists()


def test_two_projects_that_swap_their_names_keep_their_own(tmp_path: Path) -> None:
    one, two, aside = directory(tmp_path / "one"), directory(tmp_path / "two"), tmp_path / "aside"
    first, second = used(one), used(two)
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    assert (state.make(one), state.make(two)) == (second, first)
    assert (state.make(one), state.make(two)) == (second, first)


def test_one_that_moved_away_keeps_the_hashed_name_too(tmp_path: Path) -> None:
    state.make(directory(tmp_path / "a" / "dwh"))
    hashed = used(directory(tmp_path / "b" / "dwh"))
    (tmp_path / "b").rename(tmp_path / "c")
    assert state.make(tmp_path / "c" / "dwh") == hashed
    third = state.make(directory(tmp_path / "b" / "dwh"))
    assert third.name == f"{hashed.name}-2"
    assert state.make(tmp_path / "b" / "dwh") == third


def test_a_name_is_free_again_when_its_project_is_gone_and_left_nothing_to_be_missed(project: Path) -> None:
    folder = state.make(project)
    known = state.project_id(folder)
    (folder / "identity.json").write_text("{}")
    other = _gone_and_one_of_its_name_elsewhere(project)
    assert state.make(other) == folder
    assert state.project_id(folder) not in ("", known)


def test_one_directory_at_two_paths_is_the_recorded_project_only(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, other = used(project), directory(tmp_path / "mounted" / "dwh")
    number, birth = inodes.at(project), inodes.born(project)
    monkeypatch.setattr(inodes, "at", lambda path: number if path.is_dir() else None)
    monkeypatch.setattr(inodes, "born", lambda path: birth)
    assert state.make(other) != folder
    assert state.make(project) == folder


def test_other_letters_of_a_file_system_that_takes_them_alike_name_the_same_project(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, number, birth = used(project), inodes.at(project), inodes.born(project)
    monkeypatch.setattr(inodes, "at", lambda path: number if str(path).lower() == str(project).lower() else None)
    monkeypatch.setattr(inodes, "born", lambda path: birth)
    assert state.make(project.with_name("DWH")) == folder


@pytest.mark.parametrize("happens", [_cloned_again, _renamed, _copied])
def test_without_inodes_the_path_alone_counts(
    project: Path, happens: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inodes, "at", lambda path: (0, 0) if path.is_dir() else None)
    folder = used(project)
    asked = happens(project)
    assert (state.make(asked) == folder) == (asked == project)


def test_a_project_that_cannot_be_looked_at_is_not_taken_for_gone(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = state.make(project)
    number = inodes.at(project)
    other = _moved(project)
    monkeypatch.setattr(inodes, "at", lambda path: (0, 0) if path == project else number)
    assert state.make(other) != folder
    assert state.orphans() == []


def test_a_project_that_is_made_later_is_recorded_then(tmp_path: Path) -> None:
    project = tmp_path / "new"
    folder = used(project)
    directory(project)
    assert state.make(project) == folder
    assert state.make(_renamed(project)) == folder


def test_what_version_010_recorded_is_read_and_brought_up_to_date(project: Path) -> None:
    folder = state.root() / "dwh-0a1b2c3d"  # as it was named beside another one
    directory(folder / "receipts")
    folder.chmod(0o700)
    (folder / "project").write_text(str(project))
    (folder / "id").write_text("0123456789abcdef")
    assert state.locate(project) == state.make(project) == folder
    assert state.project_id(folder) == "0123456789abcdef"
    assert (folder / "project").stat().st_mode & 0o777 == 0o600
    assert state.make(_renamed(project)) == folder


HALF_MADE: dict[str, Callable[[Path], object]] = {
    "an empty directory": lambda folder: None,
    "an empty record": lambda folder: (folder / "project").write_bytes(b""),
    "a record of zeros": lambda folder: (folder / "project").write_bytes(bytes(40)),
    "half a record": lambda folder: (folder / "project").write_bytes(b'{"path": "/ho'),
    "a record of no path": lambda folder: (folder / "project").write_bytes(b'{"path": "dwh"}'),
    "an id only": lambda folder: (folder / "id").write_text("0123456789abcdef"),
    "an empty id": lambda folder: (folder / "id").write_bytes(b""),
    "a temporary file": lambda folder: (folder / ".aws-airflow-0123.tmp").write_bytes(b"x"),
}


@pytest.mark.parametrize("what", HALF_MADE)
def test_what_is_half_made_is_mended_and_not_shadowed(project: Path, what: str) -> None:
    folder = state.root() / "dwh"
    folder.mkdir(parents=True, mode=0o700)
    HALF_MADE[what](folder)
    assert state.locate(project) == state.make(project) == folder
    assert listing(folder) == ["id", "project"]
    assert len(state.project_id(folder)) == 16
    assert listing(state.root()) == ["dwh"]


def test_a_lost_id_is_made_again(project: Path) -> None:
    folder = used(project)
    (folder / "id").unlink()
    assert state.make(project) == folder
    assert len(state.project_id(folder)) == 16


def test_several_processes_at_once_make_one_directory_and_one_id(tmp_path: Path) -> None:
    projects = [str(directory(tmp_path / parent / "dwh")) for parent in "ab"]
    code = (
        "import sys; from pathlib import Path; from aws_airflow_tasks.world import lock, state; import filelock\n"
        "sys.stdin.readline(); folder = state.make(Path(sys.argv[1])); print(folder, state.project_id(folder))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, projects[number % 2]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(6)
    ]
    for process in running:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 6
    assert (len(set(said[::2])), len(set(said[1::2])), len(set(said))) == (1, 1, 2)
    assert len(listing(state.root())) == 2


def test_one_that_is_open_to_others_is_an_error_with_the_command(tmp_path: Path) -> None:
    state.make(tmp_path).chmod(0o755)
    with pytest.raises(TaskError, match="open to others") as caught:
        state.make(tmp_path)
    assert caught.value.hint.startswith("chmod 700 ")


def test_a_symlink_planted_there_is_refused(tmp_path: Path) -> None:
    state.root().mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    state.locate(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TaskError, match="planted"):
        state.make(tmp_path)


def test_a_file_in_its_place_is_an_error_with_a_command_about_it(project: Path) -> None:
    for place, cause in ((state.root(), "cannot write .*: "), (state.root() / "dwh", "is not a directory")):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"")
        with pytest.raises(TaskError, match=cause) as caught:
            state.make(project)
        assert shlex.split(caught.value.hint) == ["ls", "-ld", str(place)]
        place.unlink()


@pytest.mark.parametrize("full", ["nr_inodes=2", "nr_inodes=4", "nr_inodes=5", "nr_inodes=6", "size"])
def test_on_a_full_disk_the_hint_looks_at_it_and_the_next_run_mends(
    project: Path, tmp_path: Path, full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(tmp_path / "it's $HOME", "size=1m,nr_inodes=50") as home:
        monkeypatch.setenv("HOME", str(home))
        if full == "size":
            with pytest.raises(OSError, match="No space"):
                (home / "large").write_bytes(bytes(2_000_000))
        else:
            subprocess.run(["mount", "-o", f"remount,{full}", home], check=True)
        with pytest.raises(TaskError, match=r"^cannot .*: No space left on device$") as caught:
            state.make(project)
        command, flag, place = shlex.split(caught.value.hint)
        assert (command, flag) == ("df", "-h")
        assert Path(place).is_relative_to(home)
        assert Path(place).exists()
        (home / "large").unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,nr_inodes=50", home], check=True)
        assert state.make(project) == state.root() / "dwh"
        assert listing(state.root()) == ["dwh"]
        assert listing(state.root() / "dwh") == ["id", "project"]


def test_a_read_only_home_is_an_error_with_the_cause(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mounted(tmp_path / "home", "size=64k") as home:
        monkeypatch.setenv("HOME", str(home))
        subprocess.run(["mount", "-o", "remount,ro", home], check=True)
        with pytest.raises(TaskError, match="Read-only file system") as caught:
            state.make(project)
        assert caught.value.hint.startswith("mount | grep '[(,]ro[,)]'\nexport XDG_STATE_HOME=")


@pytest.fixture
def for_everybody() -> Iterator[Path]:
    """A directory that other users reach: every run of pytest closes the one that it keeps ``tmp_path`` in."""
    with tempfile.TemporaryDirectory(prefix="it's ") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_home_without_permission_is_an_error_that_names_what_is_there(project: Path, for_everybody: Path) -> None:
    home = directory(for_everybody / "it's home")
    home.chmod(0o555)
    code = (
        "import ctypes, os, sys; from pathlib import Path; from aws_airflow_tasks.world import state\n"
        "state.root()\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: state.make(Path(sys.argv[1]))\n"
        "except state.TaskError as error: print(error.message, '|', error.hint)\n"
    )
    environment = {**os.environ, "HOME": str(home)}
    said = subprocess.run([sys.executable, "-c", code, project], env=environment, capture_output=True, text=True)
    message, _, hint = said.stdout.partition(" | ")
    look, elsewhere = hint.splitlines()
    assert (message, shlex.split(look)) == (
        f"cannot write {home}/.local/state/aws-airflow/dwh: Permission denied",
        ["ls", "-ld", str(home)],
    ), said.stderr
    assert elsewhere.startswith("export XDG_STATE_HOME=")


def test_a_state_directory_whose_project_is_gone_is_an_orphan(project: Path) -> None:
    folder = used(project)
    directory(folder / "aws").joinpath("credentials").write_text("")
    assert state.orphans() == []
    shutil.rmtree(project)
    (found,) = state.orphans()
    assert (found.folder, found.project, found.receipts, found.credentials) == (folder, str(project), 1, True)
    assert found.changed >= (folder / "aws").stat().st_mtime
    assert str(project) in str(found)
    assert "(receipts: 1, staged credentials" in str(found)
    assert str(found).endswith(f": rm -r {folder}")
    assert state.orphans(besides=folder) == []


@pytest.mark.parametrize(
    ("happens", "orphans"),
    [
        (_renamed, 0),  # it lies beside, though nothing of ours has run there since
        (_linked, 0),
        (_replaced, 0),
        (_copied_and_removed, 1),
        (_gone_and_another_made, 1),
    ],
)
def test_a_project_that_can_be_found_is_no_orphan(project: Path, happens: Callable[[Path], Path], orphans: int) -> None:
    used(project)
    happens(project)
    assert len(state.orphans()) == orphans


def test_what_a_killed_undo_left_is_an_orphan_of_an_unknown_project(project: Path) -> None:
    folder = used(project)
    (folder / "project").unlink()
    (found,) = state.orphans()
    assert (found.folder, found.project) == (folder, "")
    assert "a project that is not recorded" in str(found)


def test_the_command_that_removes_an_orphan_can_be_pasted(tmp_path: Path) -> None:
    project = directory(tmp_path / "it's $(touch x)")
    folder = used(project)
    project.rmdir()
    (found,) = state.orphans()
    assert shlex.split(str(found).rpartition(": ")[2]) == ["rm", "-r", str(folder)]
