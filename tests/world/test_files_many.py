"""Many runs at once do what one run does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.world.receipts import load

PROCESSES, ROUNDS = 16, 50
BEFORE = b"# theirs\r\nA='1' # note\r\nexport B=2\r\nBARE"
WANT = {"AWS_PROFILE": "dev", "AWS_REGION": "eu-west-1", "B": "2"}

WORK = """
import fcntl, json, os, sys
from pathlib import Path
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.world import files, receipts
from aws_airflow_tasks.world.lock import locked

folder, processes, rounds, want = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])

def run(place):
    state, env = place / "state", place / ".env"
    with locked(state, wait=300, doing="invoke env"):
        patch = dotenv.plan(files.read(env), want, ours=receipts.written_values(receipts.load(state), ".env"))
        assert patch.outcome in ("satisfied", "edits"), patch
        if patch.outcome == "edits":
            keys = dotenv.written(patch, want)
            receipts.record(state, receipts.file_record(".env", patch.before, patch.after, patch.edits, keys=keys))
            files.replace(env, patch.before, patch.after)

children = []
for _ in range(processes):
    pid = os.fork()
    if pid == 0:
        try:
            for number in range(rounds):
                run(folder / str(number))
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(pid)
raise SystemExit(sum(os.waitpid(pid, 0)[1] != 0 for pid in children))
"""


def test_many_processes_at_once(tmp_path: Path) -> None:
    """16 processes, 50 rounds: the bytes are those of one run, one receipt is written, and nothing is left behind."""
    for number in range(ROUNDS):
        (tmp_path / str(number) / "state").mkdir(mode=0o700, parents=True)
        (tmp_path / str(number) / ".env").write_bytes(BEFORE)
    arguments = [str(tmp_path), str(PROCESSES), str(ROUNDS), json.dumps(WANT)]
    done = subprocess.run([sys.executable, "-c", WORK, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("waiting for ")] == []
    one = dotenv.plan(BEFORE, WANT).after
    for number in range(ROUNDS):
        place = tmp_path / str(number)
        assert (place / ".env").read_bytes() == one
        assert len(load(place / "state")) == 1
        assert sorted(path.name for path in place.iterdir()) == [".env", "state", "state.lock"]
