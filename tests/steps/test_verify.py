"""Each place is probed once and speaks for its services; the example DAG's run must have printed this very value."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from aws_airflow_tasks.core import Check, TaskError
from aws_airflow_tasks.runtimes.protocol import Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import verify
from aws_airflow_tasks.steps.probing import Expected
from aws_airflow_tasks.world import airflow_api
from aws_airflow_tasks.world.airflow_api import DagRun
from aws_airflow_tasks.world.aws import Identity
from tests.facts import site

EXPECTED = Expected(Identity("1", "arn:aws:iam::1:user/me", "A"), {}, "the nonce", "the-host")
GOOD = "INFO - variable aws_airflow_check = the nonce\nINFO - connection aws_airflow_check has host = the-host\n"


class Runtime:
    def login(self) -> Any:
        return type("Login", (), {"url": "http://127.0.0.1:1"})()


def dag_run(monkeypatch: pytest.MonkeyPatch, state: str, log: str) -> Check:
    api: Any = type("Api", (), {"log": lambda *_: log})()
    monkeypatch.setattr(airflow_api, "connect", lambda login: api)
    monkeypatch.setattr(airflow_api, "run", lambda api, dag_id, wait, unwanted: DagRun(dag_id, "manual__1", state))
    return verify._dag_run(site(Settings(), runtime=Runtime()), EXPECTED, threading.Event())


def test_a_run_that_printed_our_values_is_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    check = dag_run(monkeypatch, "success", GOOD)
    assert (check.status, check.detail) == ("ok", "printed: variable aws_airflow_check = the nonce")


@pytest.mark.parametrize("log", [GOOD.replace("the nonce", "a stale value"), GOOD.replace("the-host", "h"), ""])
def test_a_green_run_that_printed_another_value_does_not_pass(monkeypatch: pytest.MonkeyPatch, log: str) -> None:
    check = dag_run(monkeypatch, "success", log)
    assert check.status == "failed"
    assert "another value" in check.detail


def test_a_failed_run_is_told_by_the_error_in_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    log = "INFO - start\nNoCredentialsError: Unable to locate credentials\nINFO - done\n"
    check = dag_run(monkeypatch, "failed", log)
    assert (check.status, check.detail) == (
        "failed",
        "the DAG run failed: NoCredentialsError: Unable to locate credentials",
    )


BACKEND = (
    "Unable to retrieve variable from secrets backend (SecretsManagerBackend). Checking subsequent secrets backend."
)


@pytest.mark.parametrize(
    "log",
    [
        f"Task started\n{BACKEND}\nClientError: An error occurred (InvalidSignatureException): wrong key\n"
        "Task failed with exception\nAirflowRuntimeError: VARIABLE_NOT_FOUND: {'key': 'x'}",
        f"[2026-11-24T10:00:00.000+0000] {{variable.py:357}} ERROR - {BACKEND}\nTraceback (most recent call last):\n"
        '  File "client.py", line 1, in _api\n    raise ClientError(parsed, name)\n'
        "botocore.errorfactory.ClientError: An error occurred (InvalidSignatureException): wrong key\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "RuntimeError: again\n[2026-11-24T10:00:01.000+0000] {taskinstance.py:1} ERROR - Task failed with exception\n"
        "KeyError: 'Variable x does not exist'",
    ],
    ids=["Airflow 3", "Airflow 2"],
)
def test_what_the_backend_raised_comes_before_what_it_led_to(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "InvalidSignatureException): wrong key" in dag_run(monkeypatch, "failed", log).detail


def test_a_failed_run_whose_log_names_no_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    check = dag_run(monkeypatch, "failed", "INFO - start\nINFO - done\n")
    assert check.detail == "the DAG run failed: its log names no error"


def test_an_interrupt_ends_the_wait_for_the_dag_run_and_whatever_else_is_going_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended, stopped = threading.Event(), threading.Event()

    def waiting(_: Any, __: Any, unwanted: threading.Event) -> Check:
        unwanted.wait()
        ended.set()
        return Check("dag-run", "failed")

    def interrupted(_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "_dag_run", waiting)
    monkeypatch.setattr(verify, "backend_check", lambda *_: Check("backend", "ok"))
    monkeypatch.setattr(verify, "_mounts", interrupted)
    monkeypatch.setattr(verify.cli, "stop_running", stopped.set)
    with pytest.raises(KeyboardInterrupt):
        list(verify._in_services(site(Settings(), runtime=Runtime(), running=()), EXPECTED))
    assert ended.wait(10)
    assert stopped.is_set()


def test_the_interpreter_does_not_wait_in_the_end_for_what_nobody_wants() -> None:
    code = (
        "import threading\nfrom aws_airflow_tasks.world.threads import begin\n"
        "begin(threading.Event().wait)\nprint('done')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "done\n")


@pytest.mark.parametrize(
    ("mounts", "probed"),
    [(False, ["api-server", "triggerer"]), (True, ["api-server", "scheduler", "triggerer"])],
    ids=["processes that see the same", "containers"],
)
def test_services_are_probed_once_a_place_and_each_has_its_findings(
    mounts: bool, probed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def service_checks(_: Any, service: str, __: Any) -> list[Check]:
        asked.append(service)
        if service == "triggerer":
            raise TaskError("nothing runs there", hint="invoke start")
        return [Check("environment", "ok", "as in .env", "", service)]

    monkeypatch.setattr(verify, "service_checks", service_checks)
    monkeypatch.setattr(verify, "backend_check", lambda *_: Check("backend", "ok"))
    monkeypatch.setattr(verify, "_dag_run", lambda *_: Check("dag-run", "ok"))
    monkeypatch.setattr(verify, "_mounts", lambda *_: [])
    running = (
        Service("api-server", True, {"A": "1"}),
        Service("scheduler", True, {"A": "1"}),
        Service("triggerer", True, {"A": "2"}),
    )
    runtime: Any = type("Runtime", (), {"mounts": mounts})()
    found = list(verify._in_services(site(Settings(), runtime=runtime, running=running), EXPECTED))
    assert sorted(asked) == probed
    assert [(check.check, check.status, check.service) for check in found] == [
        ("files-readable", "failed", "triggerer"),
        ("environment", "ok", "api-server"),
        ("environment", "ok", "scheduler"),
        ("backend", "ok", ""),
        ("dag-run", "ok", ""),
    ]
