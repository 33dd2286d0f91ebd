"""A process that is killed while it writes leaves the old file or the new one, and the next run mends the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="system calls are stepped with Linux's ptrace")

SETUP = """
import fcntl, json, os, sys
from pathlib import Path
from aws_airflow_tasks.core import Edit
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.world import files, receipts
from tests.world import crash

if not crash.possible():
    print(json.dumps({"impossible": True}))
    raise SystemExit

def on_disk(place):
    '''What a kill would leave: every path with what its inode says.'''
    found = {}
    for entry in os.scandir(place):
        known = entry.stat(follow_symlinks=False)
        found[entry.path] = (known.st_ino, known.st_mode, known.st_size, known.st_mtime_ns)
        if entry.is_dir(follow_symlinks=False):
            found |= on_disk(entry.path)
    return found

def killed_everywhere(folder, prepare, work, check, look=None):
    '''How many kills there were; after each, ``check`` has seen what was left.'''
    number = 1
    while True:
        place = folder / str(number)
        place.mkdir()
        prepare(place)
        going_on = crash.killed_at(lambda: work(place), number, look and (lambda: look(place)))
        check(place)
        if not going_on:
            return number
        number += 1
"""

REPLACE = """
BEFORE, AFTER = {before!r}, {after!r}
left = []

def prepare(place):
    if BEFORE is not None:
        (place / "target").write_bytes(BEFORE)
        (place / "target").chmod(0o640)
        (place / "f").symlink_to("target")

def work(place):
    files.replace(place / {name!r}, BEFORE, AFTER)

def check(place):
    path = place / {name!r}
    now = files.read(path)
    assert now in (BEFORE, AFTER), now
    if AFTER is not None and now is not None and BEFORE is not None:
        assert path.stat().st_mode & 0o777 == 0o640
    left.append(any(place.rglob(".aws-airflow-*")))
    if now != AFTER:
        files.replace(path, now, AFTER)  # the next run
    else:
        files.sweep(path.parent)
    assert files.read(path) == AFTER
    assert not list(place.rglob(".aws-airflow-*"))

kills = killed_everywhere(Path(sys.argv[1]), prepare, work, check)
print(json.dumps({{"kills": kills, "leftovers": sum(left)}}))
"""

RUN = """
WANT = {"K": "new", "B": "2"}
outcomes = set()

def prepare(place):
    (place / "state").mkdir(mode=0o700)
    (place / ".env").write_bytes(b"K=hunter2\\nA=1\\n")

def work(place):
    state, env = place / "state", place / ".env"
    ours = receipts.written_values(receipts.load(state), ".env")
    patch = dotenv.plan(files.read(env), WANT, ours=ours, override=True)
    if patch.outcome == "edits":
        keys = dotenv.written(patch, WANT)
        receipts.record(state, receipts.file_record(".env", patch.before, patch.after, patch.edits, keys=keys))
        files.replace(env, patch.before, patch.after)

def check(place):
    from aws_airflow_tasks.patch.reverse import reverse
    state, env = place / "state", place / ".env"
    outcomes.add((files.read(env), len(receipts.load(state))))
    work(place)  # the next run
    assert files.read(env) == b"K=new\\nA=1\\nB=2\\n", files.read(env)
    for folder in (place, state / "receipts", state / "replaced"):
        files.sweep(folder)
    assert not list(place.rglob(".aws-airflow-*"))
    data = files.read(env)
    for kept in receipts.way_back(receipts.of_file(receipts.load(state), ".env"), data):
        record = kept.record
        found = receipts.traces(state, kept)
        patch = reverse(data, found, before=record.before, after=record.after, keys=record.keys)
        assert patch.outcome == "edits", patch
        data = patch.after
    assert data == b"K=hunter2\\nA=1\\n", data

kills = killed_everywhere(Path(sys.argv[1]), prepare, work, check)
print(json.dumps({"kills": kills, "outcomes": sorted([str(data), count] for data, count in outcomes)}))
"""


def run(code: str, folder: Path) -> dict[str, object]:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", SETUP + code, folder], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    if found.get("impossible"):
        pytest.skip("processes may not be traced here")
    return found


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [(b"old\n", b"new\n", "target"), (b"old\n", b"new\n", "f"), (None, b"new\n", "d/e/f"), (b"old\n", None, "target")],
    ids=["replace", "through a symlink", "create with directories", "delete"],
)
def test_killed_before_and_after_each_system_call(
    tmp_path: Path, before: bytes | None, after: bytes | None, name: str
) -> None:
    """Wherever the process is killed: the old file or the new one, whole; then the next write leaves nothing behind."""
    found = run(REPLACE.format(before=before, after=after, name=name), tmp_path)
    assert int(str(found["kills"])) > 20
    if after is not None:  # some of the kills did leave a temporary file, which then was swept
        assert int(str(found["leftovers"])) > 5


def test_a_run_killed_before_and_after_each_system_call(tmp_path: Path) -> None:
    """Wherever a run of plan, receipt and write is killed, the next one converges, and undo leads back to the start."""
    found = run(RUN, tmp_path)
    old, new = str(b"K=hunter2\nA=1\n"), str(b"K=new\nA=1\nB=2\n")
    assert found["outcomes"] == [[old, 0], [old, 1], [new, 1]]
