"""`undo` by itself: the order of its targets, and what stays in the state directory for those that are not done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks import undo
from aws_airflow_tasks.core import Plan, Target, TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.world import receipts, state

FILES = {"dag": "dags/x.py", "provider": "requirements.txt", "env": ".env", "mount": "docker-compose.override.yml"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


@pytest.fixture
def folder(project: Path) -> Path:
    """The project's state directory, with some data in it."""
    made = state.make(project)
    (made / "data").mkdir()
    (made / "data" / "deep").write_text("")
    (made / "identity.json").write_text("{}")
    return made


def targets(monkeypatch: pytest.MonkeyPatch, **found: list[Target]) -> None:
    """What each step says is to be taken back; nothing unless it is given."""
    for step in ("keeper", "dag", "provider", "env", "mount", "init", "staging", "secrets", "start"):
        monkeypatch.setattr(getattr(undo, step), "undo", lambda site, step=step: found.get(step, []))
    monkeypatch.setattr(undo.start, "undo_restart", lambda site: found.get("restart", []))


def target(name: str, **more: Any) -> Target:
    return Target(name, lambda: Plan(target=name), **more)


def test_the_keeper_and_airflow_end_first_then_files_go_back_then_it_starts_again_then_keys_and_aws(
    project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (FILES["env"], "tasks.py", "invoke.yaml", "tasks.py"):
        receipts.record(folder, receipts.file_record(name, None, b"x", ()))
    others = {step: [target(step)] for step in ("keeper", "start", "init", "restart", "staging", "secrets")}
    targets(monkeypatch, **others, **{step: [target(name)] for step, name in FILES.items()})
    (project / "tasks.py").write_text("x")
    plans = undo.plans(Site(Settings(project=project)))
    assert plans["tasks.py"]().needed[0].action == "delete"
    assert list(plans) == [
        "keeper",
        "start",
        *FILES.values(),
        "tasks.py",
        "invoke.yaml",
        "init",
        "restart",
        "staging",
        "secrets",
    ]
    assert plans["secrets"]() == Plan(target="secrets")


def rest(project: Path, *done: str) -> Plan:
    return undo.rest(Site(Settings(project=project)), done)


def test_once_all_is_done_the_state_directory_goes_and_then_nothing_is_left(
    project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets(monkeypatch, dag=[target("a")], secrets=[target("b")])
    monkeypatch.setattr(undo.states, "orphans", lambda besides: [f"orphans besides {besides.name}"])
    planned = rest(project, "a", "b")
    (change,) = planned.needed
    assert (change.target, change.action, change.after) == (str(folder), "delete", None)
    change.apply()
    assert not folder.exists()
    assert rest(project, "a", "b").needed == ()
    assert (planned.target, planned.reason) == (str(project), "nothing of ours is left")
    assert planned.warnings == (f"orphans besides {folder.name}",)


def test_what_is_not_done_keeps_its_receipts_and_what_they_need_and_nothing_more(
    project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo.states, "orphans", lambda besides: [f"orphans besides {besides.name}"])
    for name in ("a", "b", "c"):
        receipts.record(folder, receipts.file_record(name, None, b"x", ()))
    left = target("b", receipts=(2,), needs=("data",))
    targets(monkeypatch, dag=[target("a", receipts=(1,), needs=("identity.json",))], env=[left])
    (change,) = rest(project, "a", "c").needed
    assert (change.target, change.action, change.after) == ("receipts of what is done", "delete", None)
    assert change.before == "file\nfile\nidentity.json\n"
    change.apply()
    assert [receipt.number for receipt in receipts.load(folder)] == [2]
    assert sorted(path.name for path in folder.iterdir()) == ["data", "id", "project", "receipts", "replaced"]
    again = rest(project, "a", "c")
    assert (again.needed, again.target) == ((), str(project))
    assert (again.reason, again.warnings) == (
        "the receipts of what is left stay",
        (f"orphans besides {folder.name}",),
    )


def test_without_a_state_directory_what_is_not_done_keeps_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets(monkeypatch, dag=[target("a")])
    assert rest(project).needed == ()


def test_receipts_are_gone_before_what_they_need_so_that_a_kill_leaves_none_that_cannot_be_read(
    project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets(monkeypatch)
    receipts.record(folder, receipts.file_record("a", None, b"x", ()))
    seen = list[int]()
    monkeypatch.setattr(undo.shutil, "rmtree", lambda path: seen.append(len(receipts.load(folder))))
    (change,) = rest(project, "a").needed
    change.apply()
    assert seen == [0]


def test_what_a_link_leads_to_is_not_ours_to_remove(project: Path, folder: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (folder / "link").symlink_to(theirs)
    undo._remove_tree(folder / "link")
    undo._remove_tree(folder / "identity.json")
    undo._remove_tree(folder / "never there")
    assert theirs.is_dir()
    assert sorted(path.name for path in folder.iterdir()) == ["data", "id", "project"]


def test_what_cannot_be_removed_is_said_with_the_command_that_removes_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path / "deep"))

    monkeypatch.setattr(undo.shutil, "rmtree", refused)
    with pytest.raises(TaskError, match=r"cannot remove .*/data/deep: Permission denied") as caught:
        undo._remove_tree(folder / "data")
    assert caught.value.hint == f"rm -r {folder / 'data'}"
