"""Each place is probed once and speaks for its services; the example DAG's run must have printed this very value."""

from __future__ import annotations

import hmac
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Change, Check, Plan, TaskError
from aws_airflow_tasks.runtimes.precedence import Ours
from aws_airflow_tasks.runtimes.protocol import Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import dag, verify
from aws_airflow_tasks.steps.layers import LAYERS
from aws_airflow_tasks.steps.probing import Expected
from aws_airflow_tasks.steps.secrets import TAG
from aws_airflow_tasks.world import airflow_api, dag_runs, identity
from aws_airflow_tasks.world.aws import Account, Identity
from aws_airflow_tasks.world.cli import Completed
from aws_airflow_tasks.world.dag_runs import DagRun
from tests.facts import site
from tests.project import airflow, astro_project, embedded, run
from tests.steps.raised import data, refused
from tests.test_setup import CONNECTION, VARIABLE, Run, project, secrets
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "embedded", "project", "run", "secrets"]

EXPECTED = Expected(Identity("1", "arn:aws:iam::1:user/me", "A"), {}, "the nonce", "the-host")
GOOD = "INFO - variable aws_airflow_check = the nonce\nINFO - connection aws_airflow_check has host = the-host\n"
ME, OTHER = EXPECTED.identity.arn, "arn:aws:iam::1:user/other"
HOOKS = {"boto3": {"value": ME}, "aws_default": {"value": ME}, "place": {"value": None}}


@dataclass
class Runtime:
    mounts: bool = True
    name: str = "embedded"
    #: what the scheduler says of hooks, if it is asked
    hooks: dict[str, Any] | None = None

    def services(self) -> tuple[str, ...]:
        return ("scheduler", "triggerer")

    def running(self) -> tuple[Service, ...]:
        return ()

    def ailing(self) -> tuple[Any, ...]:
        return ()

    def logs(self, services: list[str], *, follow: bool) -> list[str]:
        raise TaskError("they have written nothing")

    def login(self) -> Any:
        return type("Login", (), {"url": "http://127.0.0.1:1", "major": 3})()

    def exec(self, *_: Any, **__: Any) -> Completed:
        assert self.hooks is not None, "the scheduler is asked only where the log does not say it"
        return Completed(0, json.dumps(self.hooks), "")


def proven(
    monkeypatch: pytest.MonkeyPatch, state: str, log: str, hooks: dict[str, Any] | None = None, **settings: Any
) -> list[Check]:
    """The findings where the example DAG's run ends in ``state`` and its task's log is ``log``."""
    given_up = threading.Event()

    def connect(login: Any, *, wait: int, unwanted: threading.Event) -> Any:
        assert (login.url, wait, unwanted) == ("http://127.0.0.1:1", 7, given_up)
        return api

    def run(asked: Any, dag_id: str, conf: Any) -> DagRun:
        assert (asked, dag_id) == (api, dag.DAG_ID)
        return DagRun("manual__1", state)

    logs = {(dag.DAG_ID, "manual__1", dag.TASK_ID): log}
    api: Any = type("Api", (), {"log": lambda self, *task: logs[task]})()
    monkeypatch.setattr(airflow_api, "connect", connect)
    monkeypatch.setattr(dag_runs, "run", run)
    return verify._proof(site(Settings(wait=7, **settings), runtime=Runtime(hooks=hooks)), EXPECTED, given_up)


def dag_run(monkeypatch: pytest.MonkeyPatch, state: str, log: str, **settings: Any) -> Check:
    return proven(monkeypatch, state, log, HOOKS, **settings)[-1]


def test_a_run_that_printed_our_values_is_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    check = dag_run(monkeypatch, "success", GOOD)
    assert check == Check("dag-run", "ok", "printed: variable aws_airflow_check = the nonce")


@pytest.mark.parametrize(("key", "status"), [("of-this-run", "ok"), ("of-another", "failed")])
def test_of_entries_that_are_not_ours_what_the_runs_own_key_makes_of_them_is_the_proof_and_no_value_is_told(
    key: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = [hmac.new(key.encode(), value, "sha256").hexdigest() for value in (b"the nonce", b"the-host")]
    log = "".join(f"has HMAC = {mark}\n" for mark in marks)
    monkeypatch.setattr("tests.steps.test_verify.EXPECTED", EXPECTED._replace(key="of-this-run"))
    check = dag_run(monkeypatch, "success", log, check_entries="read")
    assert (check.status, "the nonce" in check.detail) == (status, False)


def test_without_a_backend_a_green_run_is_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dag_run(monkeypatch, "success", "", backend="none") == Check("dag-run", "ok", "manual__1")


@pytest.mark.parametrize("log", [GOOD.replace("the nonce", "a stale value"), GOOD.replace("the-host", "h")])
def test_a_green_run_that_printed_another_value_does_not_pass(monkeypatch: pytest.MonkeyPatch, log: str) -> None:
    check = dag_run(monkeypatch, "success", log)
    assert (check.check, check.status) == ("dag-run", "failed")
    assert check.hint.startswith("invoke dag --override   #"), "`dag` alone keeps what was edited"
    assert "another value" in check.detail


def test_a_failed_run_is_told_by_the_error_in_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    log = "INFO - start\nNoCredentialsError: Unable to locate credentials\nINFO - done\n"
    assert dag_run(monkeypatch, "failed", log) == Check(
        "dag-run",
        "failed",
        "the DAG run failed: NoCredentialsError: Unable to locate credentials",
        "invoke open",
    )


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", "it said nothing"),
        (
            "x\n*** Could not read served logs: Client error '403 FORBIDDEN' for url 'http://s:8793/log'\n",
            "403 FORBIDDEN",
        ),
        ("*** Log file does not exist: /usr/local/airflow/logs/x.log\nmore", "Log file does not exist"),
    ],
)
def test_a_log_that_airflow_cannot_read_is_no_other_value(log: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check = dag_run(monkeypatch, "success", log)
    assert (check.status, check.hint) == ("failed", "invoke stop && invoke start")
    assert check.detail.startswith("manual__1 succeeded, but its log cannot be read: ")
    assert told in check.detail


def test_a_value_that_airflow_hides_in_its_log_is_said_to_be_hidden_with_what_proves_it_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = dag_run(monkeypatch, "success", GOOD.replace("the nonce", "***"))
    assert "Airflow hides variable aws_airflow_check in its log" in check.detail
    assert check.hint.startswith("export INVOKE_AWS_AIRFLOW_CHECK_ENTRIES=read && invoke setup")


@pytest.mark.parametrize(("value", "other"), [("the nonce", "the nonce-old"), ("the-host", "the-host.old")])
def test_a_value_that_only_begins_as_ours_is_another(value: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check = dag_run(monkeypatch, "success", GOOD.replace(f"= {value}\n", f"= {other}\n"))
    assert (check.status, "printed another value" in check.detail) == ("failed", True)


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


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("ValueError: first\nKeyError: last\n", "KeyError: last"),
        ("KeyError: x\nINFO - no error since\n", "KeyError: x"),
        ("ERROR - VARIABLE_NOT_FOUND: x\nINFO - done\n", "ERROR - VARIABLE_NOT_FOUND: x"),
    ],
)
def test_where_the_backend_raised_nothing_the_last_exception_of_the_log_is_told(
    log: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    detail = dag_run(monkeypatch, "failed", log).detail
    assert detail.startswith("the DAG run failed: ")
    assert told in detail


def test_a_failed_run_whose_log_names_no_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    check = dag_run(monkeypatch, "failed", "INFO - start\nINFO - done\n")
    assert (check.detail, check.hint) == ("the DAG run failed: its log names no error", "invoke open")


@pytest.mark.parametrize("state", ["failed", "success"])
@pytest.mark.parametrize("log", ["", "INFO - start\n", "ValueError: x\n"])
def test_of_a_run_whose_log_tells_nothing_airflows_services_are_asked_and_of_one_that_names_an_error_they_are_not(
    log: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Runtime, "logs", lambda self, services, *, follow: ["show", *services])
    monkeypatch.setattr(Runtime, "database", lambda self: None, raising=False)
    monkeypatch.setattr(verify.cli, "run", lambda *_, **__: Completed(0, "OSError: No space left on device", ""))
    check = dag_run(monkeypatch, state, log)
    if state == "failed" and "Error" in log:
        assert (check.detail, check.hint) == ("the DAG run failed: ValueError: x", "invoke open")
    else:
        assert "the disk is full (scheduler: OSError: No space left on device)" in check.detail
        assert check.hint.startswith("df -h")


def test_an_interrupt_ends_the_wait_for_the_dag_run_and_whatever_else_is_going_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended, stopped = threading.Event(), threading.Event()

    def waiting(_: Any, __: Any, unwanted: threading.Event) -> list[Check]:
        unwanted.wait()
        ended.set()
        return [Check("dag-run", "failed")]

    def interrupted(_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "_proof", waiting)
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
    monkeypatch.setattr(verify, "_proof", lambda *_: [Check("hook-identity", "ok"), Check("dag-run", "ok")])
    monkeypatch.setattr(verify, "_mounts", lambda *_: [])
    running = (
        Service("api-server", True, {"A": "1"}),
        Service("scheduler", True, {"A": "1"}),
        Service("triggerer", True, {"A": "2"}),
    )
    runtime: Any = type("Runtime", (), {"mounts": mounts})()
    found = list(verify._in_services(site(Settings(), runtime=runtime, running=running), EXPECTED))
    assert sorted(asked) == probed
    assert found[0] == Check("files-readable", "failed", "nothing runs there", "invoke start", "triggerer")
    assert [(check.check, check.status, check.service) for check in found] == [
        ("files-readable", "failed", "triggerer"),
        ("environment", "ok", "api-server"),
        ("environment", "ok", "scheduler"),
    ], "no more can be asked where it is not known what the files are"


@pytest.mark.parametrize("broken", [False, True])
def test_a_layer_that_cannot_be_probed_fails_with_why_and_no_run_is_waited_for_under_it(
    broken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = site(Settings(), runtime=Runtime(mounts=False), running=(Service("scheduler", True, {}),))

    def backend_check(asked: Site, expected: Expected) -> Check:
        assert (asked, expected) == (here, EXPECTED)
        if broken:
            raise TaskError("no backend", hint="mend it")
        return Check("backend", "ok", "found", "", "scheduler")

    def service_checks(asked: Site, service: str, expected: Expected) -> list[Check]:
        assert (asked, service, expected) == (here, "scheduler", EXPECTED)
        return [Check(layer, "ok", layer) for layer in ("identity-in-service", "environment", "files-readable")]

    def run(asked: Site, unwanted: threading.Event, conf: Any) -> Any:
        assert asked is here
        if broken and not unwanted.wait(60):
            raise AssertionError("the DAG run is waited for though it cannot succeed")
        raise TaskError("no DAG", hint="look there")

    def hook_check(asked: Site, expected: Expected, lines: Sequence[str]) -> Check:
        assert (asked, expected, lines) == (here, EXPECTED, ())
        raise TaskError("no hook", hint="look here")

    monkeypatch.setattr(verify, "backend_check", backend_check)
    monkeypatch.setattr(verify, "service_checks", service_checks)
    monkeypatch.setattr(verify, "hook_check", hook_check)
    monkeypatch.setattr(verify, "_run", run)
    assert list(verify._in_services(here, EXPECTED))[1:] == [
        Check("files-readable", "ok", "files-readable", "", "scheduler"),
        Check("environment", "ok", "environment", "", "scheduler"),
        Check("identity-in-service", "ok", "identity-in-service", "", "scheduler"),
        Check("backend", "failed", "no backend", "mend it", "scheduler")
        if broken
        else Check("backend", "ok", "found", "", "scheduler"),
        Check("hook-identity", "failed", "no hook", "look here", "scheduler"),
        *([] if broken else [Check("dag-run", "failed", "no DAG", "look there")]),
    ]


def test_what_beats_a_line_of_ours_is_looked_for_in_the_environment_of_the_service_that_was_probed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = (Service("scheduler", True, {"A": "1"}), Service("triggerer", True, {"A": "2"}))
    here = site(Settings(), runtime=Runtime(), running=services)
    found = [Check("environment", "ok", "as in .env"), Check("files-readable", "ok", "")]
    monkeypatch.setattr(verify, "service_checks", lambda *_: found)

    def beaten(asked: Site, check: Check, variables: Any, ours: Ours) -> Check:
        assert (asked, check, ours) == (here, found[0], OURS)
        return check._replace(status="failed", detail=f"A is {variables['A']}")

    monkeypatch.setattr(verify, "beaten", beaten)
    for name, said in (("scheduler", "A is 1"), ("triggerer", "A is 2")):
        assert verify._probed(here, [name], EXPECTED._replace(ours=OURS)) == [
            Check("environment", "failed", said, "", name),
            Check("files-readable", "ok", "", "", name),
        ]
    assert verify._probed(here, ["scheduler"], EXPECTED._replace(ours=None))[0].status == "ok"


# -- every layer by itself, from facts that are given ---------------------------------------------------------


def running(*names: str, sick: str = "") -> tuple[Service, ...]:
    return tuple(Service(name, name != sick, {}) for name in names)


@pytest.mark.parametrize(
    ("services", "finding"),
    [
        (running("triggerer", "scheduler", "more"), ("ok", "3 services", "")),
        (running("scheduler", "triggerer", sick="triggerer"), ("failed", "not healthy: triggerer", "invoke start")),
        (running("triggerer"), ("failed", "not healthy: scheduler", "invoke start")),
        ((), ("failed", "not healthy: scheduler, triggerer", "invoke start")),
    ],
)
def test_every_service_that_is_wanted_must_run_and_be_healthy(
    services: tuple[Service, ...], finding: tuple[str, str, str]
) -> None:
    here = site(Settings(), runtime=Runtime(), running=services)
    assert verify._healthy(here) == Check("runtime-healthy", *finding)  # type: ignore[arg-type]


def test_a_step_that_would_change_nothing_passes_and_one_that_does_not_apply_is_skipped(tmp_path: Path) -> None:
    change = Change("f", "patch", "a", "b", lambda: None, reason="it differs")
    plans = (
        Plan((change,), "target"),
        Plan((change._replace(after="a"),), "target", "as wanted"),
        Plan(target="target", reason="not here", skipped=True),
    )
    here, asked = site(Settings(project=tmp_path)), list[Site]()
    found = [verify._file("layer", lambda site, plan=plan: asked.append(site) or plan, here) for plan in plans]  # type: ignore[misc, func-returns-value]
    assert found == [
        Check("layer", "failed", "f differs: it differs", "invoke setup"),
        Check("layer", "ok", "target: as wanted"),
        Check("layer", "skipped", "target: not needed here: not here"),
    ]
    assert asked == [here] * 3
    assert verify._file("layer", lambda site: plans[0], here, "invoke it").hint == "invoke it"


def test_files_are_looked_at_in_the_order_of_their_steps_and_one_that_cannot_be_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change = Change("requirements.txt", "patch", "a", "b", lambda: None, reason="no provider")
    made = {"mount": Plan(target="mount"), "dag": Plan(target="dag"), "provider": Plan((change,))}
    here = site(Settings())

    def plan(step: str, asked: Site) -> Plan:
        assert asked is here
        if step not in made:
            raise TaskError("no text", hint="less .env")
        return made[step]

    for step in ("mount", "env", "dag", "provider"):
        monkeypatch.setattr(getattr(verify, step), "plan", partial(plan, step))
    assert list(verify._converged(here)) == [
        Check("files-converged", "ok", "mount: "),
        Check("files-converged", "failed", "no text", "less .env"),
        Check("files-converged", "ok", "dag: "),
        Check("provider", "failed", "requirements.txt differs: no provider", "invoke provider start"),
    ]
    made["mount"] = Plan(target="mount", skipped=True, reason="no containers")  # as the layer `mount` says
    assert [check.detail for check in verify._converged(here)][:2] == ["no text", "dag: "]
    del made["provider"]
    assert list(verify._converged(here))[-1] == Check("provider", "failed", "no text", "less .env")


class Backend:
    """A backend that has two entries."""

    NAME, ENTRY = "secrets-manager", "secret"
    values: dict[str, str]

    def __init__(self, **values: str) -> None:
        self.values = values

    def variable_name(self, settings: Settings) -> str:
        return f"v_{settings.check_variable}"

    def connection_name(self, settings: Settings) -> str:
        return f"c_{settings.check_connection}"

    def get(self, account: str, name: str) -> str | None:
        assert account == "the account"
        return self.values.get(name) or None

    def describe(self, account: str, name: str) -> str | None:
        if name == "v_denied":
            raise TaskError("not allowed: DescribeSecret")
        return "there" if name in self.values else None


OURS = Ours({"A": "1", "B": None, "C": ""}, bool, frozenset())  # type: ignore[dict-item]


def expected(monkeypatch: pytest.MonkeyPatch, backend: Backend | None, **settings: str) -> Expected:
    lines = {"A": "1", "B": None, "C": ""}
    here = site(Settings(**settings), backend=backend, account="the account")  # type: ignore[arg-type]
    monkeypatch.setattr(verify.env, "wanted", lambda asked: lines if asked is here else {})
    monkeypatch.setattr(verify.env, "ours", lambda asked, lines: OURS._replace(lines=lines) if asked is here else None)
    return verify._expected(here, EXPECTED.identity, verify._values(here))


def test_expected_are_the_identity_the_lines_of_ours_and_the_two_values_of_the_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = Backend(v_aws_airflow_check="nonce", c_aws_airflow_check='{"conn_type": "http", "host": "h"}')
    assert expected(monkeypatch, backend) == Expected(EXPECTED.identity, {"A": "1", "C": ""}, "nonce", "h", OURS)
    assert expected(monkeypatch, None) == Expected(EXPECTED.identity, {"A": "1", "C": ""}, ours=OURS)
    backend.values["c_aws_airflow_check"] = "no connection"
    with pytest.raises(TaskError, match="secret c_aws_airflow_check: Airflow could not read it"):
        expected(monkeypatch, backend)


@pytest.mark.parametrize(
    ("values", "variable", "said", "hint"),
    [
        ({"v_c": "nonce"}, "c", "there is no secret c_aws_airflow_check with a text value", "invoke secrets"),
        ({}, "denied", "there is no secret v_denied with a text value", "invoke secrets"),
        (
            {"v_a b": ""},
            "a b",
            "secret v_a b holds bytes",
            "invoke secrets.delete 'a b' --now --override && invoke secrets",
        ),
        (
            {"v_c": "nonce", "c_aws_airflow_check": ""},
            "c",
            "secret c_aws_airflow_check holds bytes",
            "invoke secrets.delete aws_airflow_check --connection --now --override && invoke secrets",
        ),
    ],
)
def test_a_value_that_is_not_there_is_told_from_one_that_is_no_text_and_each_has_a_way_out(
    values: dict[str, str], variable: str, said: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TaskError, match=said) as caught:
        expected(monkeypatch, Backend(**values), check_variable=variable)
    assert caught.value.hint == hint


@pytest.fixture
def layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What each layer is to find; a TaskError where it cannot be probed. Which site it was asked of."""
    given: dict[str, Any] = {
        "identity": type("Known", (), {"identity": EXPECTED.identity}),
        "running": running("scheduler", "triggerer"),
        "values": ("the nonce", "the-host"),
        "expected": EXPECTED,
    }

    def fact(name: str, asked: Site | None = None) -> Any:
        given["asked"] = asked or given["asked"]
        if isinstance(given[name], TaskError):
            raise given[name]
        return given[name]

    def in_services(asked: Site, expected: Expected) -> Any:
        assert (asked, expected) == (given["asked"], given["expected"])
        return [Check("environment", "ok")]

    def expected(asked: Site, who: Identity, values: Any) -> Expected:
        assert (asked, who) == (given["asked"], EXPECTED.identity)
        assert values == (None if isinstance(given["values"], TaskError) else given["values"])
        return fact("expected")  # type: ignore[no-any-return]

    runtime = type("Running", (Runtime,), {"running": lambda self: fact("running")})()
    monkeypatch.setattr(runtimes, "choose", lambda settings, state: runtime)
    monkeypatch.setattr(Site, "identity", property(lambda asked: fact("identity", asked)))
    monkeypatch.setattr(verify.staging, "lasting", lambda asked: "; for ever")
    monkeypatch.setattr(verify, "_values", lambda asked: fact("values", asked))
    monkeypatch.setattr(verify, "_converged", lambda asked: [Check("files-converged", "ok")])
    monkeypatch.setattr(verify, "_provider", lambda asked: Check("provider", "ok"))
    monkeypatch.setattr(verify, "_expected", expected)
    monkeypatch.setattr(verify, "_in_services", in_services)
    return given


def told(**settings: Any) -> list[Check]:
    return list(verify.checks(Site(Settings(**settings))))


def test_the_layers_come_in_their_order_each_probed_of_one_site_that_trusts_no_memory(
    layer_by_layer: dict[str, Any],
) -> None:
    assert told(check=True) == [
        Check("host-identity", "ok", "arn:aws:iam::1:user/me; for ever"),
        Check("files-converged", "ok"),
        Check("runtime-healthy", "ok", "2 services"),
        Check("environment", "ok"),
    ]
    assert layer_by_layer["asked"].settings == Settings(fresh=True, check=False)


def skipped(why: str, *layers: str) -> list[Check]:
    return [Check(layer, "skipped", f"{why} failed") for layer in layers]


INSIDE = LAYERS[LAYERS.index("mount") :]


def test_without_an_identity_only_what_needs_none_is_looked_at(layer_by_layer: dict[str, Any]) -> None:
    layer_by_layer["identity"] = TaskError("nobody", hint="log in")
    assert told() == [
        Check("host-identity", "failed", "nobody", "log in"),
        *skipped("host-identity", "files-converged"),
        Check("provider", "ok"),
        Check("runtime-healthy", "ok", "2 services"),
        *skipped("host-identity", *INSIDE),
    ]


def test_without_services_nothing_in_them_is_looked_at(layer_by_layer: dict[str, Any]) -> None:
    layer_by_layer["running"] = TaskError("no engine", hint="start it")
    without = [Check("runtime-healthy", "failed", "no engine", "start it"), *skipped("runtime-healthy", *INSIDE)]
    assert told()[2:] == without


def test_where_the_lines_of_ours_cannot_be_told_nothing_is_compared_with_them(layer_by_layer: dict[str, Any]) -> None:
    layer_by_layer["expected"] = TaskError("no region", hint="set it")
    assert told()[-len(INSIDE) :] == skipped("files-converged", *INSIDE)


def test_a_value_that_this_host_cannot_read_is_no_matter_of_identity_and_what_needs_none_is_looked_at(
    layer_by_layer: dict[str, Any],
) -> None:
    layer_by_layer["values"] = TaskError("not allowed", hint="ask for it")
    assert told() == [
        Check("host-identity", "ok", "arn:aws:iam::1:user/me; for ever"),
        Check("raw-secret", "failed", "not allowed", "ask for it"),
        Check("files-converged", "ok"),
        Check("runtime-healthy", "ok", "2 services"),
        Check("environment", "ok"),
        *skipped("raw-secret", "backend", "dag-run"),
    ]


def test_of_a_value_that_this_host_cannot_read_airflow_is_not_asked_and_hooks_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = site(Settings(), runtime=Runtime(mounts=False), running=(Service("scheduler", True, {}),))
    for name in ("_proof", "backend_check"):
        monkeypatch.setattr(verify, name, lambda *_: pytest.fail("there is nothing to be found"))
    monkeypatch.setattr(verify, "service_checks", lambda *_: [Check("identity-in-service", "ok")])
    monkeypatch.setattr(verify, "hook_check", lambda *_: Check("hook-identity", "ok"))
    found = list(verify._in_services(here, EXPECTED._replace(variable=None)))
    assert [check.check for check in found] == ["mount", "identity-in-service", "hook-identity"]


@pytest.mark.parametrize("layer", ["files-readable", "identity-in-service", "raw-secret", "backend"])
def test_a_dag_run_that_cannot_succeed_is_not_waited_for(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, stopped = threading.Event(), threading.Event()

    def waiting(_: Any, __: Any, unwanted: threading.Event) -> list[Check]:
        unwanted.wait()
        ended.set()
        return [Check("dag-run", "failed")]

    def finding(name: str) -> Check:
        return Check(name, "failed" if name == layer else "ok")

    monkeypatch.setattr(verify, "_proof", waiting)
    monkeypatch.setattr(verify, "backend_check", lambda *_: finding("backend"))
    monkeypatch.setattr(verify, "hook_check", lambda *_: finding("hook-identity"))
    monkeypatch.setattr(verify.cli, "stop_running", stopped.set)
    inside = LAYERS[LAYERS.index("files-readable") : LAYERS.index("backend")]
    monkeypatch.setattr(verify, "service_checks", lambda *_: [finding(each) for each in inside])
    here = site(Settings(), runtime=Runtime(mounts=False), running=(Service("scheduler", True, {}),))
    found = [check.check for check in verify._in_services(here, EXPECTED)]
    assert "dag-run" not in found
    assert ("hook-identity" in found) == (layer in ("raw-secret", "backend"))
    assert stopped.is_set()
    assert ended.wait(60)


# -- order and conditions: every layer by itself, in a project that is set up -------------------------------


@pytest.fixture
def here(project: Path, embedded: Embedded, run: Run, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project that is set up; what is probed in its services is left out."""
    assert run("setup").code == 0
    monkeypatch.setattr(verify, "_in_services", lambda site, expected: iter([Check("environment", "ok")]))
    return Settings(project=project, runtime="embedded", endpoint_url=embedded.url)


def seen(settings: Settings) -> list[tuple[str, str]]:
    return [(check.check, check.status) for check in verify.checks(Site(settings))]


CONVERGED = [
    ("host-identity", "ok"),
    ("files-converged", "ok"),
    ("files-converged", "ok"),
    ("provider", "skipped"),
    ("runtime-healthy", "ok"),
    ("environment", "ok"),
]


def test_where_all_is_as_set_up_every_layer_passes_in_its_order(here: Settings) -> None:
    assert seen(here) == CONVERGED


@pytest.mark.parametrize(
    ("name", "where"), [(".env", 1), ("dags/example_secrets_dag.py", 2)], ids=["the environment", "the DAG"]
)
def test_a_file_that_differs_fails_its_layer_and_names_itself_and_setup(here: Settings, name: str, where: int) -> None:
    (here.project / name).unlink()
    found = list(verify.checks(Site(here)))[where]
    assert (found.check, found.status, found.hint) == ("files-converged", "failed", "invoke setup")
    assert f"{name} differs: " in found.detail


def test_a_file_that_differs_is_no_plan_of_check_mode_but_a_failed_layer(here: Settings) -> None:
    (here.project / ".env").unlink()
    assert seen(here._replace(check=True)) == seen(here)


def test_a_step_that_cannot_be_planned_fails_its_layer_and_the_others_are_probed(here: Settings) -> None:
    (here.project / ".env").write_bytes(b"\0")
    assert seen(here) == [CONVERGED[0], ("files-converged", "failed"), *CONVERGED[2:]]


def test_the_proof_asks_sts_now_whatever_was_remembered(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Site(here).identity.identity  # remembered from here on
    ask, asked = identity.caller_identity, list[str]()

    def noted(account: Account) -> Identity:
        asked.append("STS")
        return ask(account)

    monkeypatch.setattr(identity, "caller_identity", noted)
    assert Site(here).identity.identity
    assert asked == []
    assert seen(here) == CONVERGED
    assert asked == ["STS"]


def test_without_an_entry_in_the_backend_the_identity_is_well_and_what_needs_no_value_is_looked_at(
    here: Settings, secrets: Any
) -> None:
    secrets.delete_secret(SecretId=VARIABLE, ForceDeleteWithoutRecovery=True)
    found = list(verify.checks(Site(here)))
    assert (found[1].check, found[1].status, found[1].hint) == ("raw-secret", "failed", "invoke secrets")
    without = [("backend", "skipped"), ("dag-run", "skipped")]
    assert [(check.check, check.status) for check in found] == [
        CONVERGED[0],
        ("raw-secret", "failed"),
        *CONVERGED[1:],
        *without,
    ]


def test_a_value_that_is_binary_has_a_command_that_mends_it(here: Settings, secrets: Any, run: Run) -> None:
    secrets.delete_secret(SecretId=VARIABLE, ForceDeleteWithoutRecovery=True)
    secrets.create_secret(Name=VARIABLE, SecretBinary=b"\x00", Tags=[{"Key": TAG, "Value": "x"}])
    found = list(verify.checks(Site(here)))[1]
    assert (found.check, found.status) == ("raw-secret", "failed")
    assert found.hint == "invoke secrets.delete aws_airflow_check --now --override && invoke secrets"
    assert run("secrets.delete", "aws_airflow_check", "--now", "--override", "--yes").code == 0
    assert run("secrets").code == 0
    assert seen(here) == CONVERGED


def as_expected(settings: Settings) -> Expected:
    site = Site(settings)
    return verify._expected(site, site.identity.identity, verify._values(site))


def test_what_the_services_must_see_is_what_this_host_reads_from_the_backend(here: Settings, secrets: Any) -> None:
    expected = as_expected(here)
    assert expected.variable == secrets.get_secret_value(SecretId=VARIABLE)["SecretString"]
    assert expected.host == json.loads(secrets.get_secret_value(SecretId=CONNECTION)["SecretString"])["host"]
    assert expected.identity == Site(here).identity.identity
    assert expected.environment["AWS_PROFILE"] == "default"
    assert None not in expected.environment.values()


def test_without_a_backend_no_value_is_expected(here: Settings) -> None:
    without = as_expected(here._replace(backend="none"))
    assert (without.variable, without.host) == ("", "")


SCHEDULER = Service("scheduler", True, {}, "1", {"/home/astro/.aws": ("/staged", True)})


@pytest.mark.parametrize(
    ("mounts", "finding"),
    [
        ({"/home/astro/.aws": ("/staged", True)}, ("ok", "read-only", "")),
        ({"/home/astro/.aws": ("/staged", False)}, ("failed", "mount read-write, wanted read-only", "invoke start")),
        ({}, ("failed", "no mount at /home/astro/.aws", "invoke start")),
    ],
    ids=["read-only", "read-write", "none"],
)
def test_each_containers_mount_is_a_finding_of_its_own(mounts: Any, finding: tuple[str, str, str]) -> None:
    runtime, delivered = Runtime(), type("Delivered", (), {"directory": Path("/staged")})
    running = (SCHEDULER, SCHEDULER._replace(name="triggerer", mounts=mounts))
    first, second = verify._mounts(site(Settings(), runtime=runtime, running=running, delivered=delivered))
    assert first == Check("mount", "ok", "read-only", "", "scheduler")
    assert second == Check("mount", *finding, "triggerer")


def test_on_this_host_there_is_no_mount_to_be_proven() -> None:
    (found,) = verify._mounts(site(Settings(), runtime=Runtime(mounts=False)))
    assert (found.check, found.status) == ("mount", "skipped")
    assert "embedded runtime" in found.detail


def test_who_reads_no_further_ends_the_dag_run_that_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()
    monkeypatch.setattr(verify, "backend_check", lambda *_: Check("backend", "ok"))
    monkeypatch.setattr(verify, "_proof", lambda site, expected, unwanted: waited(unwanted, given_up))
    found = verify._in_services(site(Settings(), runtime=Runtime(mounts=False), running=()), EXPECTED)
    assert next(found).check == "mount"
    found.close()
    assert given_up.wait(60)


def waited(unwanted: threading.Event, given_up: threading.Event) -> list[Check]:
    if unwanted.wait(60):
        given_up.set()
    return [Check("dag-run", "failed")]


# -- hooks: whom DAG code acts as --------------------------------------------------------------------------


def identities(boto3: str = ME, aws_default: str = ME) -> str:
    """What the example DAG prints at its end, and one line of Airflow's between."""
    lines = ("INFO - identity by boto3 = " + boto3, "WARNING - else", "INFO - identity by aws_default = " + aws_default)
    return "".join(f"{line}\n" for line in lines)


def test_who_dag_code_is_comes_from_the_runs_own_log_and_the_scheduler_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook, run = proven(monkeypatch, "success", GOOD + identities())
    assert hook == Check("hook-identity", "ok", f"{ME}, by boto3 and by aws_default")
    assert run.status == "ok"


def test_another_session_of_the_same_role_is_the_same_identity_and_another_role_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    role = "arn:aws:sts::1:assumed-role/{}/{}"
    expected = EXPECTED._replace(identity=EXPECTED.identity._replace(arn=role.format("dev", "me")))
    monkeypatch.setattr(sys.modules[__name__], "EXPECTED", expected)
    same, other = role.format("dev", "botocore-1"), role.format("ops", "me")
    assert proven(monkeypatch, "success", GOOD + identities(same, same))[0].status == "ok"
    assert proven(monkeypatch, "success", GOOD + identities(same, other), HOOKS)[0].status == "failed"


@pytest.mark.parametrize(
    ("place", "said", "hint"),
    [
        (
            "SecretsManagerBackend",
            "secret airflow/connections/aws_default",
            "aws secretsmanager describe-secret --secret-id airflow/connections/aws_default --region eu-west-1",
        ),
        (
            "EnvironmentVariablesBackend",
            "AIRFLOW_CONN_AWS_DEFAULT",
            "grep -noE AIRFLOW_CONN_AWS_DEFAULT .env docker-compose.override.yml Dockerfile",
        ),
        ("MetastoreBackend", "Airflow's database", "invoke open   # Admin, Connections"),
        ("SomeBackend", "SomeBackend", "invoke start"),
    ],
)
def test_a_connection_of_other_keys_is_named_with_its_place(
    place: str, said: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    hooks = HOOKS | {"place": {"value": place}}
    hook, run = proven(monkeypatch, "success", GOOD + identities(aws_default=OTHER), hooks)
    detail = f"by aws_default, a connection in {said}: {OTHER}, but this host is {ME}"
    assert hook == Check("hook-identity", "failed", detail, hint, "scheduler")
    assert run.status == "ok", "it printed what it read, all the same"


def test_where_plain_boto3_is_somebody_else_no_connection_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = HOOKS | {"place": {"value": "MetastoreBackend"}}
    hook, _ = proven(monkeypatch, "success", GOOD + identities(OTHER, OTHER), hooks)
    assert hook.detail == f"by boto3: {OTHER}, but this host is {ME}"


@pytest.mark.parametrize("log", [GOOD, GOOD + identities(aws_default="arn:aws:iam::1:user/m***"), ""])
def test_the_scheduler_is_asked_where_the_log_does_not_say_who(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = proven(monkeypatch, "success", log, HOOKS)[0]
    assert (hook.status, hook.service) == ("ok", "scheduler")
    assert proven(monkeypatch, "success", log, HOOKS | {"aws_default": {"value": OTHER}})[0].status == "failed"


def test_a_run_that_failed_at_the_hook_alone_is_told_once_and_by_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    log = GOOD + identities().partition("WARNING")[0] + "ClientError: (InvalidClientTokenId)\n"
    raised = refused("InvalidClientTokenId", "The security token is invalid.\nx-amz-security-token:canary")
    hooks = HOOKS | {"aws_default": {"error": data(raised)}, "place": {"value": "MetastoreBackend"}}
    hook, run = proven(monkeypatch, "failed", log, hooks)
    raw = "ClientError (InvalidClientTokenId): The security token is invalid."
    assert hook.detail == f"by aws_default, a connection in Airflow's database: {raw}", "they are no profile's keys"
    assert hook.hint == "invoke open   # Admin, Connections"
    assert run == Check("dag-run", "skipped", "hook-identity failed")


def test_a_run_that_did_not_print_what_it_read_failed_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = HOOKS | {"aws_default": {"error": data(NoCredentialsError())}}
    _, run = proven(monkeypatch, "failed", "KeyError: 'Variable x does not exist'\n", hooks)
    assert run.status == "failed"
    assert "neither in the backend nor elsewhere" in run.detail
    assert "(KeyError: 'Variable x does not exist')" in run.detail


def test_hooks_are_asked_though_airflows_api_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: Any, **__: Any) -> Any:
        raise TaskError("it does not answer", hint="invoke start")

    monkeypatch.setattr(airflow_api, "connect", silent)
    hook, run = verify._proof(site(Settings(), runtime=Runtime(hooks=HOOKS)), EXPECTED, threading.Event())
    assert (hook.status, run) == ("ok", Check("dag-run", "failed", "it does not answer", "invoke start"))


def test_without_a_backend_hooks_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    hook, _ = proven(monkeypatch, "success", "", backend="none")
    assert hook == Check("hook-identity", "skipped", "not needed here: no backend is set")


def test_a_run_that_nobody_waits_for_any_more_asks_the_scheduler_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def given_up(*_: Any) -> Any:
        raise TaskError("still running")

    unwanted = threading.Event()
    unwanted.set()
    monkeypatch.setattr(verify, "_run", given_up)
    (found,) = verify._proof(site(Settings(), runtime=Runtime()), EXPECTED, unwanted)
    assert found.check == "dag-run"
