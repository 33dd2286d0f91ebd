"""The client of Airflow's REST API, against a server that answers as both majors do."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import airflow_api
from aws_airflow_tasks.world.airflow_api import Api, Login

#: what a request is answered: a status and a JSON value, or text as it is
Answer = tuple[int, Any]


@dataclass
class Airflow:
    """A server that answers by ``METHOD path``; a list is answered one by one, its last for ever."""

    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, request: str) -> Answer:
        found = self.answers.get(request, (404, {"detail": "no such thing"}))
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found

    def bodies(self, request: str) -> list[Any]:
        return [body for name, _, body in self.asked if name == request]


@pytest.fixture
def server() -> Iterator[Airflow]:
    airflow = Airflow()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            name = f"{self.command} {self.path}"
            airflow.asked.append((name, dict(self.headers), body))
            status, value = airflow.answer(name)
            data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        airflow.url = f"http://127.0.0.1:{made.server_port}"
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield airflow
        made.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_api, "PAUSE", 0.01)


def connected(server: Airflow, major: int) -> Api:
    if major == 3:
        server.answers["POST /auth/token"] = (201, {"access_token": "tok"})
    return airflow_api.connect(Login(server.url, "admin", "pass-word", major))


def prefix(major: int) -> str:
    return f"/api/v{major - 1}"


def test_airflow_3_is_asked_for_a_token_which_every_request_then_carries(server: Airflow) -> None:
    server.answers["GET /api/v2/version"] = (200, {"version": "3.0.6"})
    assert connected(server, 3).version() == "3.0.6"
    assert server.bodies("POST /auth/token") == [{"username": "admin", "password": "pass-word"}]
    assert server.asked[-1][1]["Authorization"] == "Bearer tok"


def test_where_everybody_is_an_admin_a_token_is_given_for_nothing(server: Airflow) -> None:
    server.answers["POST /auth/token"] = (401, {"detail": "Invalid credentials"})
    server.answers["GET /auth/token"] = (201, {"access_token": "free"})
    server.answers["GET /api/v2/version"] = (200, {"version": "3.0.0"})
    airflow_api.connect(Login(server.url, "admin", "admin", 3)).version()
    assert server.asked[-1][1]["Authorization"] == "Bearer free"


def test_airflow_2_gets_user_and_password_with_every_request(server: Airflow) -> None:
    server.answers["GET /api/v1/version"] = (200, {"version": "2.11.0"})
    assert connected(server, 2).version() == "2.11.0"
    assert server.asked[-1][1]["Authorization"] == f"Basic {base64.b64encode(b'admin:pass-word').decode()}"


def test_a_refused_login_is_said_without_the_password(server: Airflow) -> None:
    server.answers["POST /auth/token"] = server.answers["GET /auth/token"] = (401, {"detail": "pass-word?"})
    with pytest.raises(TaskError, match="refuses the user admin") as caught:
        airflow_api.connect(Login(server.url, "admin", "pass-word", 3))
    assert "pass-word" not in caught.value.message + caught.value.hint + repr(caught.value)


@pytest.mark.parametrize("major", [2, 3])
def test_one_that_does_not_answer_is_said_with_the_way_to_start_it(major: int) -> None:
    with pytest.raises(TaskError, match=r"http://127.0.0.1:9 does not answer") as caught:
        airflow_api.connect(Login("http://127.0.0.1:9", "admin", "x", major)).version()
    assert caught.value.hint == "invoke start"


def test_the_persons_proxies_and_netrc_are_left_out(
    server: Airflow, monkeypatch: pytest.MonkeyPatch, closed_world: Any
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    (closed_world / ".netrc").write_text("machine 127.0.0.1 login me password theirs\n")
    server.answers["GET /api/v2/version"] = (200, {"version": "3"})
    connected(server, 3).version()
    assert server.asked[-1][1]["Authorization"] == "Bearer tok"


@pytest.mark.parametrize("major", [2, 3])
def test_an_error_names_the_request_and_what_airflow_said(server: Airflow, major: int) -> None:
    server.answers[f"GET {prefix(major)}/version"] = (500, {"detail": "database is locked"})
    with pytest.raises(TaskError, match=rf"500 to GET {prefix(major)}/version: .*database is locked"):
        connected(server, major).version()


def test_something_else_on_the_port_is_said(server: Airflow) -> None:
    server.answers["GET /api/v1/version"] = (200, "<html>nginx</html>")
    with pytest.raises(TaskError, match="is not Airflow's API"):
        connected(server, 2).version()


def test_a_token_answer_of_something_else_is_said(server: Airflow) -> None:
    server.answers["POST /auth/token"] = (200, "<html>nginx</html>")
    with pytest.raises(TaskError, match="is not Airflow's API"):
        airflow_api.connect(Login(server.url, "admin", "x", 3))


@pytest.mark.parametrize(("major", "body"), [(2, {}), (3, {"logical_date": None})])
def test_a_run_is_unpaused_triggered_and_waited_for(server: Airflow, major: int, body: dict[str, Any]) -> None:
    dag, run = f"{prefix(major)}/dags/my%20dag", "manual__2024-01-01T00%3A00%3A00%2B00%3A00"
    server.answers |= {
        f"GET {dag}": [(404, {}), (404, {}), (200, {"dag_id": "my dag"})],
        f"GET {prefix(major)}/importErrors": (200, {"import_errors": []}),
        f"PATCH {dag}": (200, {}),
        f"POST {dag}/dagRuns": (200, {"dag_run_id": "manual__2024-01-01T00:00:00+00:00"}),
        f"GET {dag}/dagRuns/{run}": [
            (200, {"state": "queued"}),
            (200, {"state": "running"}),
            (200, {"state": "failed"}),
        ],
    }
    done = airflow_api.run(connected(server, major), "my dag", wait=10)
    assert (done.run_id, done.state) == ("manual__2024-01-01T00:00:00+00:00", "failed")
    assert server.bodies(f"PATCH {dag}") == [{"is_paused": False}]
    assert server.bodies(f"POST {dag}/dagRuns") == [body]


def test_a_run_that_does_not_end_in_time_says_its_state(server: Airflow) -> None:
    server.answers |= {
        "GET /api/v2/dags/d": (200, {}),
        "PATCH /api/v2/dags/d": (200, {}),
        "POST /api/v2/dags/d/dagRuns": (200, {"dag_run_id": "r"}),
        "GET /api/v2/dags/d/dagRuns/r": (200, {"state": "queued"}),
    }
    with pytest.raises(TaskError, match="the DAG run r of d is still queued after 0 seconds") as caught:
        airflow_api.run(connected(server, 3), "d", wait=0)
    assert server.url in caught.value.hint


@pytest.mark.parametrize("major", [2, 3])
def test_a_dag_that_cannot_be_imported_is_said_with_the_last_line_of_the_traceback(server: Airflow, major: int) -> None:
    error = {"filename": "dags/d.py", "stack_trace": "Traceback:\n  File x\nModuleNotFoundError: No module named 'y'\n"}
    other = {"filename": "dags/other.py", "stack_trace": "SyntaxError"}
    server.answers[f"GET {prefix(major)}/importErrors"] = (200, {"import_errors": [other, error]})
    with pytest.raises(TaskError, match=r"dags/d\.py cannot be imported: ModuleNotFoundError: No module named 'y'"):
        airflow_api.run(connected(server, major), "d", wait=0)


def test_a_run_that_nobody_waits_for_any_more_is_left_alone(server: Airflow) -> None:
    server.answers |= {
        "GET /api/v2/dags/d": (200, {"dag_id": "d"}),
        "PATCH /api/v2/dags/d": (200, {}),
        "POST /api/v2/dags/d/dagRuns": (200, {"dag_run_id": "r"}),
        "GET /api/v2/dags/d/dagRuns/r": (200, {"state": "running"}),
    }
    unwanted = threading.Event()
    unwanted.set()
    with pytest.raises(TaskError, match="still running"):
        airflow_api.run(connected(server, 3), "d", wait=600, unwanted=unwanted)


def test_a_dag_that_does_not_appear_is_said(server: Airflow) -> None:
    server.answers["GET /api/v2/importErrors"] = (200, {"import_errors": []})
    with pytest.raises(TaskError, match="has not found the DAG d"):
        airflow_api.run(connected(server, 3), "d", wait=0)


def test_a_dag_that_airflow_2_has_deactivated_is_not_there(server: Airflow) -> None:
    server.answers["GET /api/v1/dags/d"] = (200, {"dag_id": "d", "is_active": False})
    assert not connected(server, 2).has_dag("d")


def test_airflow_3s_log_is_the_events_of_the_last_try_one_a_line(server: Airflow) -> None:
    task = "/api/v2/dags/d/dagRuns/r/taskInstances/t"
    content = [{"event": "::group::x", "sources": ["f"]}, {"timestamp": "…", "event": "variable x = 1"}, "plain"]
    server.answers |= {
        f"GET {task}": (200, {"try_number": 2}),
        f"GET {task}/logs/2?full_content=true": (200, {"content": content}),
    }
    assert connected(server, 3).log("d", "r", "t") == "::group::x\nvariable x = 1\nplain"


def test_airflow_3s_log_has_the_errors_that_a_line_was_logged_with_the_cause_first(server: Airflow) -> None:
    """As Airflow 3.3.2 answers: the event names none."""
    task = "/api/v2/dags/d/dagRuns/r/taskInstances/t"
    errors = [
        {"exc_type": "AirflowRuntimeError", "exc_value": "VARIABLE_NOT_FOUND: x", "frames": []},
        {"exc_type": "KeyError", "exc_value": "'x'", "frames": []},
    ]
    content = [
        {"event": "Task failed with exception", "error_detail": errors},
        {"event": "odd", "error_detail": None},
        {"event": "odder", "error_detail": ["text"]},
    ]
    server.answers |= {
        f"GET {task}": (200, {"try_number": 1}),
        f"GET {task}/logs/1?full_content=true": (200, {"content": content}),
    }
    assert connected(server, 3).log("d", "r", "t").splitlines() == [
        "Task failed with exception",
        "KeyError: 'x'",
        "AirflowRuntimeError: VARIABLE_NOT_FOUND: x",
        "odd",
        "odder",
    ]


def test_airflow_2s_log_is_its_text(server: Airflow) -> None:
    task = "/api/v1/dags/d/dagRuns/r/taskInstances/t"
    server.answers |= {
        f"GET {task}": (200, {"try_number": 1}),
        f"GET {task}/logs/1?full_content=true": (200, "host\nINFO - variable x = 1\n"),
    }
    assert "INFO - variable x = 1" in connected(server, 2).log("d", "r", "t").splitlines()
    assert server.asked[-1][1]["Accept"] == "text/plain"


def test_task_instances_are_airflows_own_words(server: Airflow) -> None:
    found = [{"task_id": "t", "state": "success"}]
    server.answers["GET /api/v2/dags/d/dagRuns/r/taskInstances"] = (200, {"task_instances": found})
    assert connected(server, 3).task_instances("d", "r") == found


HEALTH = {
    "metadatabase": {"status": "healthy"},
    "scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2024-01-01T00:00:10+00:00"},
    "dag_processor": {"status": "healthy", "latest_dag_processor_heartbeat": "2024-01-01T00:00:10.5Z"},
    "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
}
SINCE = 1704067210.0  # 2024-01-01T00:00:10Z


@pytest.mark.parametrize(
    ("service", "since", "well"),
    [
        ("scheduler", SINCE, True),
        ("scheduler", SINCE + 1, False),
        ("dag-processor", SINCE + 0.4, True),
        ("triggerer", 0.0, False),
        ("api-server", SINCE + 99, True),
        ("webserver", 0.0, True),
        ("nothing", 0.0, False),
    ],
)
def test_a_service_is_well_when_its_heartbeat_is_its_own(service: str, since: float, well: bool) -> None:
    assert airflow_api.is_healthy(HEALTH, service, since=since) is well


def test_a_web_service_without_its_database_is_not_well() -> None:
    assert not airflow_api.is_healthy({"metadatabase": {"status": "unhealthy"}}, "api-server")


@pytest.mark.parametrize(("major", "path"), [(2, "/health"), (3, "/api/v2/monitor/health")])
def test_health_is_asked_without_a_login_and_is_empty_while_nobody_answers(
    server: Airflow, major: int, path: str
) -> None:
    server.answers[f"GET {path}"] = [(503, {}), (200, "no JSON"), (200, ["a", "list"]), (200, HEALTH)]
    found = [airflow_api.health(server.url, major) for _ in range(4)]
    assert found == [{}, {}, {}, HEALTH]
    assert airflow_api.health("http://127.0.0.1:9", major) == {}
    assert "Authorization" not in server.asked[0][1]


@pytest.mark.parametrize(("answer", "serves"), [((200, {"status": "healthy"}), True), ((500, {}), False)])
def test_whether_tasks_are_served_is_asked_of_the_execution_api(server: Airflow, answer: Answer, serves: bool) -> None:
    server.answers["GET /execution/health"] = answer
    assert airflow_api.serves_tasks(server.url) is serves
    assert airflow_api.serves_tasks("http://127.0.0.1:9") is False


def test_a_login_never_shows_its_password() -> None:
    login = Login("http://127.0.0.1:1", "admin", "canary-password", 3)
    assert "canary" not in f"{login} {login!r} {[login]}"
