"""A sync that is killed, cut off or run twice at once: the next one finishes only the rest, and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.project import airflow, astro_project, embedded, run
from tests.steps.test_sync import CANARY, Run, V, aws, entries, held, project, proxy, written
from tests.world.killer import Killer
from tests.world.proxy import Body, Proxy, Refusal

__all__ = ["airflow", "astro_project", "aws", "embedded", "project", "proxy", "run"]

SYNC = "from aws_airflow_tasks.program import main\nmain(['aws-airflow', 'secrets.sync', 'v.json'])"
KEYS = [f"k{number}" for number in range(50)]
#: calls until the first plan, and a part of the plan under the lock, are made
BATCHES = 6


def begun(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SYNC],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_sync_of_fifty_that_is_killed_again_and_again_at_a_later_call_is_finished_by_the_last(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    written(project, **dict.fromkeys(KEYS[::2], "old"))
    assert run("secrets.sync", "v.json").code == 0
    written(project, **dict.fromkeys(KEYS, CANARY))
    proxy.keeps, runs = False, 0
    for at in range(1, 200):
        killer = Killer(at if at <= BATCHES else BATCHES + (at - BATCHES) * 12, answered=bool(at % 2))
        proxy.rules.append(killer.before)
        proxy.edits.append(killer.after)
        killer.process = begun(project)
        code = killer.process.wait(120)
        proxy.rules.pop()
        proxy.edits.pop()
        runs += 1
        if code != -signal.SIGKILL:
            break
    assert (code, runs > BATCHES + 4) == (0, True)
    assert held_all(aws) == {f"{V}{key}": CANARY for key in KEYS}
    versions = Counter(
        len(aws.list_secret_version_ids(SecretId=f"{V}{key}", IncludeDeprecated=True)["Versions"]) for key in KEYS
    )
    assert versions == {1: 25, 2: 25}
    proxy.forget()
    assert run("secrets.sync", "v.json").code == 0
    assert dict(proxy.calls) == {"BatchGetSecretValue": 3}
    assert run("undo", "--yes").code == 0
    assert held_all(aws) == {}


def held_all(aws: Any) -> dict[str, str]:
    assert "NextToken" not in aws.list_secrets(MaxResults=100)
    return held(aws)


def test_keys_that_end_in_the_middle_leave_the_rest_for_the_next_run(
    project: Path, aws: Any, proxy: Proxy, run: Run
) -> None:
    written(project, **dict.fromkeys(KEYS, CANARY))
    made: list[str] = []

    def ended(operation: str, body: Body) -> Refusal | None:
        if operation == "CreateSecret" and len(made) == 20:
            return 400, "ExpiredTokenException", "The security token included in the request is expired"
        if operation == "CreateSecret":
            made.append(body["Name"])
        return None

    proxy.rules.append(ended)
    done = run("secrets.sync", "v.json", "--json")
    proxy.rules.pop()
    assert done.code == 1
    assert "have expired" in done.document["steps"][-1]["error"]["message"]
    assert proxy.calls["CreateSecret"] < 40
    assert len(held(aws)) == 20
    proxy.forget()
    assert Counter(entries(run("secrets.sync", "v.json", "--json")).values()) == {"created": 30, "ok": 20}
    assert proxy.calls["CreateSecret"] == 30


def test_two_syncs_of_one_team_at_once_agree(project: Path, aws: Any, proxy: Proxy, tmp_path: Path) -> None:
    written(project, **dict.fromkeys(KEYS, CANARY))
    homes = [{}, {"XDG_STATE_HOME": str(tmp_path / "colleague")}]
    processes = [begun(project, **home) for home in homes]
    assert [process.wait(120) for process in processes] == [0, 0]
    assert held_all(aws) == {f"{V}{key}": CANARY for key in KEYS}
    versions = {len(aws.list_secret_version_ids(SecretId=f"{V}{key}")["Versions"]) for key in KEYS}
    assert versions == {1}


def test_a_debug_log_has_no_value(project: Path, aws: Any, run: Run) -> None:
    written(project, a=CANARY, b={"x": CANARY})
    code = SYNC.replace("'aws-airflow', ", "'aws-airflow', '--debug', '--echo', ")
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "secrets.sync" in done.stdout + done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert json.loads(held(aws)[f"{V}b"]) == {"x": CANARY}
