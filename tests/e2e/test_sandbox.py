"""The sandbox with real Airflow and an embedded AWS, as a stranger runs it in a directory of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import schema
from tests.conftest import FOREIGN, USER_CACHE
from tests.project import tree

pytestmark = pytest.mark.e2e

MENU = {
    "tasks.py": "from aws_airflow_tasks import ns\n\n__all__ = ['ns']\n",
    "invoke.yaml": "tasks:\n  executor_class: aws_airflow_tasks.executor.Executor\n",
}


@dataclass(frozen=True)
class Stranger:
    """Somebody with a HOME and a working directory, a space and an umlaut in its path."""

    home: Path
    here: Path

    @property
    def sandbox(self) -> Path:
        return self.here / ".sandbox"

    def start(self, *argv: str, **variables: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        environment |= {"HOME": str(self.home), "XDG_CACHE_HOME": str(USER_CACHE), **variables}
        return subprocess.Popen(
            [sys.executable, "-m", "invoke", *argv],
            cwd=self.here,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv: str, code: int = 0, **variables: str) -> str:
        with self.start(*argv, **variables) as process:
            out, err = process.communicate(timeout=900)
        assert process.returncode == code, f"{argv}: exit code {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in out + err
        return out

    def json(self, *argv: str, code: int = 0, **variables: str) -> dict[str, Any]:
        return schema.held(self.run(*argv, "--json", code=code, **variables))

    def inside(self) -> dict[str, str]:
        """The environment of somebody who works in the sandbox as in any project of their own."""
        aws = (self.sandbox / "aws" / "port").read_text()
        return {
            "HOME": str(self.sandbox / "home"),
            "INVOKE_AWS_AIRFLOW_RUNTIME": "embedded",
            "INVOKE_AWS_AIRFLOW_ENDPOINT_URL": f"http://127.0.0.1:{aws}",
        }

    def processes(self) -> list[psutil.Process]:
        """Everything that was started below the sandbox and still lives."""
        found = []
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), process.cwd(), *process.environ().values()]
            except psutil.Error:
                continue
            if process.pid != os.getpid() and any(str(self.sandbox) in word for word in words):
                found.append(process)
        return found


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Stranger]:
    made = Stranger(tmp_path / "home", tmp_path / "a päth")
    made.home.mkdir()
    made.here.mkdir()
    for name, text in MENU.items():
        (made.here / name).write_text(text)
    yield made
    made.run("sandbox.clean")
    assert made.processes() == []


def recap(document: dict[str, Any]) -> tuple[int, int]:
    return document["recap"]["changed"], document["recap"]["failed"]


def checks(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(check["check"], check["status"]) for check in document["checks"]}


GREEN = {
    ("host-identity", "ok"),
    ("files-converged", "ok"),
    ("runtime-healthy", "ok"),
    ("files-readable", "ok"),
    ("environment", "ok"),
    ("identity-in-service", "ok"),
    ("raw-secret", "ok"),
    ("backend", "ok"),
    ("hook-identity", "ok"),
    ("dag-run", "ok"),
}


def assert_proven(document: dict[str, Any]) -> None:
    assert checks(document) - {(name, "skipped") for name in ("mount", "provider")} == GREEN
    printed = next(check["detail"] for check in document["checks"] if check["check"] == "dag-run")
    assert "aws_airflow_check = read-with-your-own-permissions-" in printed


def listening(processes: list[psutil.Process]) -> set[str]:
    pids = {process.pid for process in processes}
    found = psutil.net_connections(kind="inet")
    return {each.laddr.ip for each in found if each.pid in pids and each.status == psutil.CONN_LISTEN}


def test_airflow_3_from_nothing_to_proof_twice_then_undone_to_the_byte(stranger: Stranger) -> None:
    first = stranger.json("sandbox")
    assert_proven(first)
    assert {check["service"] for check in first["checks"] if check["check"] == "identity-in-service"} == {
        "scheduler",
        "dag-processor",
        "api-server",
        "triggerer",
    }
    assert listening(stranger.processes()) == {"127.0.0.1"}
    lines = (stranger.sandbox / "airflow-3" / ".env").read_text()
    assert lines.count(stranger.inside()["INVOKE_AWS_AIRFLOW_ENDPOINT_URL"]) == 2

    second = stranger.json("sandbox")
    assert recap(second) == (0, 0)
    assert_proven(second)
    assert stranger.run("--dry", "sandbox").count("ok ") == 3 + 6, "all but mount, which does not apply here"

    project = str(stranger.sandbox / "airflow-3")
    stranger.run("dag", "--project", project, INVOKE_AWS_AIRFLOW_CHECK_ENTRIES="read", **stranger.inside())
    before = {*stranger.sandbox.rglob("attempt=*.log")}
    read = stranger.json("verify", "--project", project, INVOKE_AWS_AIRFLOW_CHECK_ENTRIES="read", **stranger.inside())
    (detail,) = [check["detail"] for check in read["checks"] if check["check"] == "dag-run"]
    assert detail == "printed what tells the value of variable aws_airflow_check"
    (log,) = {*stranger.sandbox.rglob("attempt=*.log")} - before
    assert log.read_text().count("HMAC = ") == 2
    assert "read-with-your-own-permissions-" not in log.read_text()

    stranger.run("undo", "--project", project, **stranger.inside())
    left = {path.removeprefix(f"{stranger.sandbox}/"): facts for path, facts in tree(stranger.sandbox).items()}
    assert not [path for path in left if "example_secrets_dag" in path or "override" in path]
    assert (stranger.sandbox / "airflow-3" / ".env").read_bytes() == b""
    assert listening(stranger.processes()) == {"127.0.0.1"}, "the embedded AWS is not the project's to stop"

    stranger.run("sandbox.stop")
    assert stranger.processes() == []
    stranger.run("sandbox.clean")
    assert sorted(path.name for path in stranger.here.iterdir()) == sorted(MENU)
    assert list(stranger.home.rglob("*")) == [], "the person's HOME is neither read nor written"


def test_parameter_store_from_nothing_to_proof_and_from_there_to_secrets_manager(stranger: Stranger) -> None:
    assert_proven(stranger.json("sandbox", "--backend", "parameter-store"))
    assert recap(stranger.json("sandbox", "--backend", "parameter-store")) == (0, 0)
    document = stranger.json("sandbox")
    assert_proven(document)
    (secrets,) = [step["changes"] for step in document["steps"] if step["step"] == "secrets"]
    assert [(change["target"].split()[0], change["action"]) for change in secrets] == [
        *[("secret", "create")] * 2,
        *[("parameter", "delete")] * 2,
    ]
    (backend,) = [check["detail"] for check in document["checks"] if check["check"] == "backend"]
    assert backend.startswith("SecretsManagerBackend finds")


def test_airflow_2_after_runs_that_were_killed(stranger: Stranger) -> None:
    for seconds in (0.7, 4, 12):
        killed = stranger.start("sandbox", "--airflow", "2")
        time.sleep(seconds)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    document = stranger.json("sandbox", "--airflow", "2")
    assert_proven(document)
    assert document["recap"]["failed"] == 0
    assert recap(stranger.json("sandbox", "--airflow", "2")) == (0, 0)
    assert listening(stranger.processes()) == {"127.0.0.1"}
