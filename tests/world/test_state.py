"""The state directory: one a project, private, named so that teammates' mounts read alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import state


def test_it_is_named_after_the_project_and_private(tmp_path: Path) -> None:
    project = tmp_path / "team" / "dwh"
    project.mkdir(parents=True)
    folder = state.make(project)
    assert folder == state.root() / "dwh"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_locating_it_creates_nothing(tmp_path: Path) -> None:
    assert not state.locate(tmp_path).exists()
    assert not state.root().exists()


def test_another_checkout_of_the_same_name_gets_a_hash(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "dwh", tmp_path / "b" / "dwh"
    first.mkdir(parents=True)
    second.mkdir(parents=True)
    one, two = state.make(first), state.make(second)
    assert one != two
    assert two.name.startswith("dwh-")
    assert (state.make(first), state.make(second)) == (one, two)


def test_the_projects_id_is_random_and_stays(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    ids = [state.project_id(state.make(project)) for project in (first, second, first)]
    assert ids[0] == ids[2] != ids[1]
    assert len(ids[0]) == 16


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
