"""A process that is killed while it makes a state directory leaves what the next one mends: one directory, one id."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.world.test_files_crash import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="system calls are stepped with Linux's ptrace")

CODE = """
import ctypes, os
import filelock
from aws_airflow_tasks.world import lock, state

outcomes = set()

def at_home(place):
    os.environ["HOME"] = str(place)
    return place / "dwh"

def prepare(place):
    project = at_home(place)
    project.mkdir()
    if {begun!r} == "fresh":
        return
    folder = state.root() / "dwh"
    (folder / "receipts").mkdir(parents=True)
    folder.chmod(0o700)
    (folder / "project").write_text(str(project))
    (folder / "id").write_text("0123456789abcdef")

def work(place):
    state.make(at_home(place))

def check(place):
    project, folder = at_home(place), state.root() / "dwh"
    if folder.is_dir():
        outcomes.add(tuple(sorted(name for name in os.listdir(folder) if not name.startswith("."))))
    begun = state.project_id(folder)
    assert state.make(project) == folder, state.make(project)
    assert state.project_id(folder) == begun or not begun
    assert state.make(project) == state.locate(project) == folder
    assert state._record(folder) == state._now(project, None)
    # a lock that nobody holds any more goes when the next directory is made
    assert [name for name in os.listdir(state.root()) if not name.startswith(".making.lock")] == ["dwh"]
    assert set(os.listdir(folder)) - {{"receipts"}} == {{"id", "project"}}, os.listdir(folder)
    assert (folder / "receipts").exists() == ({begun!r} != "fresh")

(Path(sys.argv[1]) / "0").mkdir()
prepare(Path(sys.argv[1]) / "0")
work(Path(sys.argv[1]) / "0")  # all that is imported late
kills = killed_everywhere(Path(sys.argv[1]), prepare, work, check)
print(json.dumps({{"kills": kills, "outcomes": sorted(outcomes)}}))
"""


@pytest.mark.parametrize(
    ("begun", "outcomes"),
    [
        ("fresh", [[], ["id"], ["id", "project"]]),
        ("of version 0.1.0", [["id", "project", "receipts"]]),
    ],
)
def test_killed_before_and_after_each_system_call(tmp_path: Path, begun: str, outcomes: list[list[str]]) -> None:
    """Wherever the process is killed: the next run has the same directory, the same id, and leaves nothing else."""
    found = run(CODE.format(begun=begun), tmp_path)
    assert int(str(found["kills"])) > 50
    assert found["outcomes"] == outcomes
