"""A copy of directories: the source is only read, within bounds, and what differs is written."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws_airflow_tasks.core import TaskError, UsageError
from aws_airflow_tasks.world import copies
from tests.project import tree


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "a söurce"
    for name, text in {
        "dags/one.py": "1",
        "dags/team/two.py": "2",
        "include/sql/all.sql": "select 1",
        "dags/__pycache__/one.pyc": "x",
        "include/node_modules/x/index.js": "x",
        "include/env/pyvenv.cfg": "",
        "include/env/lib/large.py": "",
        "other/secret": "s",
        ".env": "KEY=s",
    }.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    return made


NAMES = ("dags", "include", "requirements.txt")


def copy_of(source: Path, copy: Path) -> list[str]:
    return copies.bring(source, copy, copies.look(source, NAMES))


def names(copy: Path) -> set[str]:
    return {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()} - {copies.LIST}


def test_what_is_named_is_copied_but_for_caches_and_environments_and_the_source_stays_as_it_is(
    source: Path, tmp_path: Path
) -> None:
    before = tree(source)
    found = copies.look(source, NAMES)
    copies.bring(source, tmp_path / "copy", found)
    assert names(tmp_path / "copy") == {"dags/one.py", "dags/team/two.py", "include/sql/all.sql"}
    assert found.left == ("include/env (an environment)",)
    assert tree(source) == before


def test_a_second_copy_writes_nothing_and_one_of_an_edited_source_only_what_differs(
    source: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    assert copies.copied(copy) is None
    copy_of(source, copy)
    assert copies.copied(copy) == copies.look(source, NAMES)._replace(left=())
    assert copy_of(source, copy) == []

    (source / "dags" / "one.py").write_text("1, edited")
    (source / "dags" / "team" / "two.py").unlink()
    (copy / "include" / "made-by-a-dag.csv").write_text("stays")
    assert sorted(copy_of(source, copy)) == ["dags/one.py", "dags/team/two.py"]
    assert names(copy) == {"dags/one.py", "include/sql/all.sql", "include/made-by-a-dag.csv"}


def test_a_file_that_was_changed_or_removed_in_the_copy_is_brought_back(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_of(source, copy)
    (copy / "dags" / "one.py").write_text("other")
    (copy / "include" / "sql" / "all.sql").unlink()
    assert copies.copied(copy) != copies.look(source, NAMES)
    assert sorted(copy_of(source, copy)) == ["dags/one.py", "include/sql/all.sql"]
    assert (copy / "dags" / "one.py").read_text() == "1"


def test_a_file_may_become_a_directory_and_a_directory_a_file(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy_of(source, copy)
    (source / "dags" / "one.py").unlink()
    (source / "dags" / "one.py").mkdir()
    (source / "dags" / "one.py" / "x.py").write_text("x")
    (source / "dags" / "team" / "two.py").unlink()
    (source / "dags" / "team").rmdir()
    (source / "dags" / "team").write_text("a file")
    copy_of(source, copy)
    assert names(copy) == {"dags/one.py/x.py", "dags/team", "include/sql/all.sql"}


TREES = st.dictionaries(
    st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join), st.binary(max_size=3), max_size=5
).map(lambda tree: {name: data for name, data in tree.items() if not any(f"{name}/" in each for each in tree)})


@given(first=TREES, second=TREES, made=TREES)
@settings(max_examples=60)
def test_whatever_was_there_before_a_copy_has_the_sources_files_and_a_second_one_changes_nothing(
    first: dict[str, bytes], second: dict[str, bytes], made: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, copy = Path(folder, "source"), Path(folder, "copy")
        for tree_ in (first, second):
            shutil.rmtree(source, ignore_errors=True)
            for name, data in tree_.items():
                (source / "dags" / name).parent.mkdir(parents=True, exist_ok=True)
                (source / "dags" / name).write_bytes(data)
            source.mkdir(exist_ok=True)
            found = copies.look(source, ["dags"])
            copies.bring(source, copy, found)
            assert {name: (copy / "dags" / name).read_bytes() for name in tree_} == tree_
            assert copies.bring(source, copy, found) == []
            for name, data in made.items():  # by a DAG that runs
                place = copy / "include" / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
        assert {name: (copy / "include" / name).read_bytes() for name in made} == made
        assert {name.removeprefix("dags/") for name in names(copy) if name.startswith("dags/")} == second.keys()


def test_a_symlink_within_is_followed_and_one_that_leads_out_nowhere_or_around_is_left_out_and_named(
    source: Path, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("secret")
    (source / "dags" / "shared").symlink_to("../include/sql")
    (source / "dags" / "keys.py").symlink_to(tmp_path / "keys")
    (source / "dags" / "gone.py").symlink_to("nowhere.py")
    (source / "dags" / "around").symlink_to(".")
    os.mkfifo(source / "dags" / "pipe")
    found = copies.look(source, ["dags"])
    assert set(found.files) == {"dags/one.py", "dags/team/two.py", "dags/shared/all.sql"}
    assert [each.partition(" (")[0] for each in sorted(found.left)] == [
        *("dags/around", "dags/gone.py", "dags/keys.py", "dags/pipe")
    ]
    copies.bring(source, tmp_path / "copy", found)
    assert not any(path.is_symlink() for path in (tmp_path / "copy").rglob("*"))


@pytest.mark.parametrize(("bound", "value"), [("MOST_ENTRIES", 3), ("MOST_BYTES", 1)])
def test_what_is_too_large_is_refused_with_where_that_was_seen(
    source: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(copies, bound, value)
    with pytest.raises(UsageError, match="too large to be copied") as caught:
        copies.look(source, NAMES)
    assert caught.value.hint.startswith("du ")


def test_symlinks_that_multiply_end_at_the_bound(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST_ENTRIES", 500)
    for level in range(30):
        folder = source / "dags" / f"level{level}"
        folder.mkdir()
        for side in ("a", "b"):
            (folder / side).symlink_to(f"../level{level + 1}")
    with pytest.raises(UsageError, match="more than 500 files"):
        copies.look(source, NAMES)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_named(source: Path) -> None:
    (source / "dags" / "one.py").chmod(0)
    with pytest.raises(TaskError, match=r"cannot read .*one\.py: Permission denied"):
        copies.look(source, NAMES)


def test_a_copy_that_cannot_be_written_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("a file")
    with pytest.raises(TaskError, match=r"cannot (write|read)"):
        copy_of(source, tmp_path / "copy")


def test_a_script_stays_one_that_can_be_run(source: Path, tmp_path: Path) -> None:
    (source / "include" / "run.sh").write_text("#!/bin/sh\n")
    (source / "include" / "run.sh").chmod(0o555)
    copy_of(source, tmp_path / "copy")
    (source / "include" / "run.sh").chmod(0o755)
    (source / "include" / "run.sh").write_text("#!/bin/sh\nexit 1\n")
    copy_of(source, tmp_path / "copy")
    assert (tmp_path / "copy" / "include" / "run.sh").stat().st_mode & 0o777 == 0o755
