"""The client of Airflow's REST API, against a server that answers as both majors do."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import airflow_api, dag_runs, processes, waits
from aws_airflow_tasks.world.airflow_api import Api, Login

#: what a request is answered: a status and a JSON value, or text as it is
Answer = tuple[int, Any]


@dataclass
class Airflow:
    """A server that answers by ``METHOD path``; a list is answered one by one, its last for ever; 0 is no answer."""

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
            if not status:  # the connection ends, or the client has left by then
                time.sleep(value)
                self.close_connection = True
                return
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


def connected(server: Airflow, major: int, **patience: Any) -> Api:
    if major == 3:
        server.answers.setdefault("POST /auth/token", (201, {"access_token": "tok"}))
    return airflow_api.connect(Login(server.url, "admin", "pass-word", major), **patience)


def prefix(major: int) -> str:
    return f"/api/v{major - 1}"


def test_airflow_3_is_asked_for_a_token_which_every_request_then_carries(server: Airflow) -> None:
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = (200, {"state": "success"})
    assert connected(server, 3).state("d", "r") == "success"
    assert server.bodies("POST /auth/token") == [{"username": "admin", "password": "pass-word"}]
    assert server.asked[-1][1]["Authorization"] == "Bearer tok"


def test_where_everybody_is_an_admin_a_token_is_given_for_nothing(server: Airflow) -> None:
    server.answers["POST /auth/token"] = (401, {"detail": "Invalid credentials"})
    server.answers["GET /auth/token"] = (201, {"access_token": "free"})
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = (200, {"state": "success"})
    airflow_api.connect(Login(server.url, "admin", "admin", 3)).state("d", "r")
    assert server.asked[-1][1]["Authorization"] == "Bearer free"


def test_airflow_2_gets_user_and_password_with_every_request(server: Airflow) -> None:
    server.answers["GET /api/v1/dags/d/dagRuns/r"] = (200, {"state": "success"})
    assert connected(server, 2).state("d", "r") == "success"
    assert server.asked[-1][1]["Authorization"] == f"Basic {base64.b64encode(b'admin:pass-word').decode()}"


def test_a_refused_login_is_said_without_the_password(server: Airflow) -> None:
    server.answers["POST /auth/token"] = server.answers["GET /auth/token"] = (401, {"detail": "pass-word?"})
    with pytest.raises(TaskError, match="refuses the user admin") as caught:
        airflow_api.connect(Login(server.url, "admin", "pass-word", 3))
    assert "pass-word" not in caught.value.message + caught.value.hint + repr(caught.value)


@pytest.mark.parametrize("major", [2, 3])
def test_one_that_does_not_answer_is_said_with_the_command_that_shows_its_log(major: int) -> None:
    with pytest.raises(TaskError, match=r"http://127.0.0.1:9 does not answer \(ConnectionError\)") as caught:
        airflow_api.connect(Login("http://127.0.0.1:9", "admin", "x", major, logs="astro dev logs")).state("d", "r")
    assert caught.value.hint == "astro dev logs"


NOTHING: Answer = (0, 0)


@pytest.mark.parametrize("major", [2, 3])
def test_what_is_not_answered_in_time_or_at_all_is_asked_again_while_there_is_patience(
    server: Airflow, major: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow_api, "TIMEOUT", 0.2)
    state = (200, {"state": "success"})
    server.answers |= {
        "POST /auth/token": [NOTHING, (201, {"access_token": "tok"})],
        f"GET {prefix(major)}/dags/d/dagRuns/r": [NOTHING, (0, 0.5), state],
    }
    assert connected(server, major, wait=60).state("d", "r") == "success"
    assert server.bodies(f"GET {prefix(major)}/dags/d/dagRuns/r") == [None] * 3


def test_an_api_that_refuses_connections_yet_is_asked_again_until_it_listens(server: Airflow) -> None:
    """Nobody listens on the port before the fourth question."""
    url = f"http://127.0.0.1:{processes.free_port()}"
    asked: list[str] = []

    class Session(requests.Session):
        def request(self, method: str | bytes, url: str | bytes, *args: Any, **arguments: Any) -> requests.Response:
            asked.append(str(url))
            to = server.url + str(url).removeprefix(at) if len(asked) > 3 else str(url)
            return super().request(method, to, *args, **arguments)

    at = url
    server.answers["GET /api/v1/dags/d/dagRuns/r"] = (200, {"state": "success"})
    login = Login(url, "admin", "x", 2)
    patience = airflow_api.Patience(60, time.monotonic() + 60, threading.Event())
    assert Api(login, Session(), patience).state("d", "r") == "success"
    assert len(asked) == 4


@pytest.mark.parametrize("status", [401, 403, 500])
def test_an_answer_is_an_answer_and_is_not_asked_for_again(server: Airflow, status: int) -> None:
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = (status, {"detail": "no"})
    with pytest.raises(TaskError):
        connected(server, 3, wait=60).state("d", "r")
    assert len(server.bodies("GET /api/v2/dags/d/dagRuns/r")) == 1


def test_an_api_that_nobody_wants_an_answer_of_any_more_is_not_asked_again(server: Airflow) -> None:
    server.answers["GET /api/v1/dags/d/dagRuns/r"] = NOTHING
    unwanted = threading.Event()
    api = connected(server, 2, wait=600, unwanted=unwanted)
    unwanted.set()
    with pytest.raises(TaskError, match="does not answer"):
        api.state("d", "r")
    assert len(server.bodies("GET /api/v1/dags/d/dagRuns/r")) == 1


def test_the_persons_proxies_and_netrc_are_left_out(
    server: Airflow, monkeypatch: pytest.MonkeyPatch, closed_world: Any
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    (closed_world / ".netrc").write_text("machine 127.0.0.1 login me password theirs\n")
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = (200, {"state": "success"})
    connected(server, 3).state("d", "r")
    assert server.asked[-1][1]["Authorization"] == "Bearer tok"


@pytest.mark.parametrize("major", [2, 3])
def test_an_error_names_the_request_and_what_airflow_said(server: Airflow, major: int) -> None:
    server.answers[f"GET {prefix(major)}/dags/d/dagRuns/r"] = (500, {"detail": "database is locked"})
    with pytest.raises(TaskError, match=rf"500 to GET {prefix(major)}/dags/d/dagRuns/r: .*database is locked"):
        connected(server, major).state("d", "r")


def test_something_else_on_the_port_is_said(server: Airflow) -> None:
    server.answers["GET /api/v1/dags/d/dagRuns/r"] = (200, "<html>nginx</html>")
    with pytest.raises(TaskError, match="is not Airflow's API"):
        connected(server, 2).state("d", "r")


def test_a_token_answer_of_something_else_is_said(server: Airflow) -> None:
    server.answers["POST /auth/token"] = (200, "<html>nginx</html>")
    with pytest.raises(TaskError, match="is not Airflow's API"):
        airflow_api.connect(Login(server.url, "admin", "x", 3))


def of_run(server: Airflow, prefix: str, *states: Answer, post: Answer | list[Answer] = (200, {})) -> None:
    """The DAG ``my dag``, and these answers about the one run that is triggered, whatever its id."""
    dag = f"{prefix}/dags/my%20dag"
    server.answers |= {f"GET {dag}": (200, {}), f"PATCH {dag}": (200, {}), f"POST {dag}/dagRuns": post}
    left = list(states)
    answer = server.answer

    def answering(request: str) -> Answer:
        if request.startswith(f"GET {dag}/dagRuns/manual__"):
            return left.pop(0) if len(left) > 1 else left[0]
        return answer(request)

    server.answer = answering  # type: ignore[method-assign]


@pytest.mark.parametrize(("major", "body"), [(2, {}), (3, {"logical_date": None})])
def test_a_run_is_unpaused_triggered_under_an_id_of_its_own_and_waited_for(
    server: Airflow, major: int, body: dict[str, Any]
) -> None:
    dag = f"{prefix(major)}/dags/my%20dag"
    of_run(server, prefix(major), *((200, {"state": state}) for state in ("queued", "running", "failed")))
    server.answers |= {
        f"GET {dag}": [(404, {}), (404, {}), (200, {"dag_id": "my dag"})],
        f"GET {prefix(major)}/importErrors": (200, {"import_errors": []}),
    }
    done = dag_runs.run(connected(server, major, wait=60), "my dag")
    assert done.state == "failed"
    assert re.fullmatch(r"manual__[A-Za-z0-9_.~:+-]+", done.run_id)  # Airflow's `allowed_run_id_pattern`
    assert server.bodies(f"PATCH {dag}") == [{"is_paused": False}]
    assert server.bodies(f"POST {dag}/dagRuns") == [body | {"dag_run_id": done.run_id}]


def test_what_is_waited_for_names_the_dag_until_it_is_triggered_and_then_its_run(
    server: Airflow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    of_run(server, prefix(3), (200, {"state": "success"}))
    monkeypatch.setattr(waits, "AFTER", 0.05)
    answer = server.answer

    def answering(request: str) -> Answer:
        time.sleep(0.2 if "my%20dag" in request else 0)
        return answer(request)

    server.answer = answering  # type: ignore[method-assign]
    with caplog.at_level("INFO", logger="aws_airflow_tasks"):
        dag_runs.run(connected(server, 3, wait=60), "my dag")
    assert [each for each in caplog.messages if server.url not in each] == [
        "waiting for Airflow to find the DAG my dag (at most 60 s)",
        "triggered my dag",
        "waiting for its run to end (at most 60 s)",
    ]


@pytest.mark.parametrize("major", [2, 3])
@pytest.mark.parametrize(
    ("second", "about"),
    [((200, {}), []), ((409, {"detail": "exists"}), [(200, {})]), ((500, {"detail": "UNIQUE"}), [(200, {})])],
    ids=["it was not made", "it was made", "it was being made"],
)
def test_a_trigger_that_is_not_answered_is_sent_again_and_makes_one_run(
    server: Airflow, major: int, second: Answer, about: list[Answer]
) -> None:
    of_run(server, prefix(major), *about, (200, {"state": "success"}), post=[NOTHING, second])
    done = dag_runs.run(connected(server, major, wait=60), "my dag")
    bodies = server.bodies(f"POST {prefix(major)}/dags/my%20dag/dagRuns")
    assert (done.state, [body["dag_run_id"] for body in bodies]) == ("success", [done.run_id] * 2)


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_trigger_that_is_refused_and_made_nothing_is_an_error(server: Airflow, status: int) -> None:
    of_run(server, "/api/v2", (404, {}), post=(status, {"detail": "no"}))
    with pytest.raises(TaskError, match=r"refuses the user|answered \d+ to POST \S+/dagRuns: no$"):
        dag_runs.run(connected(server, 3, wait=60), "my dag")
    assert len(server.bodies("POST /api/v2/dags/my%20dag/dagRuns")) == 1


def test_what_replaces_an_edited_example_says_that_the_edits_go_as_undo_removes_a_file_that_we_made() -> None:
    assert dag_runs.anew() == "invoke dag --override   # your edits go: keep a copy of what you want of them"


def test_a_trigger_that_airflow_2_refuses_for_an_import_error_is_told_by_that_error(server: Airflow) -> None:
    of_run(server, "/api/v1", (404, {}), post=(400, {"detail": "DAG with dag_id: 'my dag' has import errors"}))
    error = {"filename": "/dags/my dag.py", "stack_trace": "Traceback\nSyntaxError: invalid syntax\n"}
    server.answers["GET /api/v1/importErrors"] = (200, {"import_errors": [error]})
    with pytest.raises(TaskError, match=r"my dag\.py cannot be imported: SyntaxError") as caught:
        dag_runs.run(connected(server, 2, wait=1), "my dag")
    assert caught.value.hint.startswith("invoke dag --override")


def test_a_run_that_does_not_end_in_time_says_its_state(server: Airflow) -> None:
    of_run(server, "/api/v2", (200, {"state": "queued"}))
    with pytest.raises(TaskError, match=r"the DAG run manual__\S+ of my dag is still queued after 0 seconds") as caught:
        dag_runs.run(connected(server, 3), "my dag")
    assert caught.value.hint == "invoke start"


@pytest.mark.parametrize("major", [2, 3])
def test_a_dag_that_cannot_be_imported_is_said_with_the_last_line_of_the_traceback(server: Airflow, major: int) -> None:
    error = {"filename": "dags/d.py", "stack_trace": "Traceback:\n  File x\nModuleNotFoundError: No module named 'y'\n"}
    other = {"filename": "dags/another_d.py", "stack_trace": "SyntaxError"}
    server.answers[f"GET {prefix(major)}/importErrors"] = (200, {"import_errors": [other, error]})
    with pytest.raises(
        TaskError, match=r"dags/d\.py cannot be imported: ModuleNotFoundError: No module named 'y'"
    ) as caught:
        dag_runs.run(connected(server, major), "d")
    assert caught.value.hint.startswith("invoke dag --override   #"), "`dag` alone keeps what was edited"


HEALTHY = {
    name: {"status": "healthy", f"latest_{name}_heartbeat": "2024-01-01T00:00:10+00:00"}
    for name in ("metadatabase", "scheduler", "dag_processor", "triggerer")
}
SICK = {"status": "unhealthy", "latest_scheduler_heartbeat": "2024-01-01T00:00:10+00:00"}


@pytest.mark.parametrize(
    ("health", "told", "hint"),
    [
        (HEALTHY | {"scheduler": SICK}, r"not healthy: scheduler \(not heard of for \d+ s\)", "invoke start"),
        (HEALTHY | {"metadatabase": {"status": "unhealthy"}}, "not healthy: the metadata database", "invoke start"),
        (HEALTHY, "and all of Airflow's components are healthy", "invoke open"),
        ({}, "not healthy: its web service", "invoke start"),
    ],
)
def test_a_run_that_stays_queued_names_the_component_that_is_down(
    server: Airflow, health: dict[str, Any], told: str, hint: str
) -> None:
    of_run(server, "/api/v2", (200, {"state": "queued"}))
    server.answers["GET /api/v2/monitor/health"] = (200, health)
    with pytest.raises(TaskError, match=rf"still queued after 0 seconds.*{told}") as caught:
        dag_runs.run(connected(server, 3), "my dag")
    assert caught.value.hint == hint


def test_a_run_that_stays_queued_is_given_up_where_the_scheduler_stays_down(
    server: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dag_runs, "EVERY", 0)
    monkeypatch.setattr(dag_runs, "DOWN", 0.05)
    of_run(server, "/api/v2", (200, {"state": "queued"}))
    server.answers["GET /api/v2/monitor/health"] = (200, HEALTHY | {"scheduler": SICK})
    with pytest.raises(TaskError, match=r"still queued.*not healthy: scheduler"):
        dag_runs.run(connected(server, 3, wait=600), "my dag")


def test_a_dag_that_no_healthy_component_parses_is_said_with_the_one_that_is_down(server: Airflow) -> None:
    server.answers |= {
        "GET /api/v2/importErrors": (200, {"import_errors": []}),
        "GET /api/v2/monitor/health": (200, HEALTHY | {"dag_processor": {"status": "unhealthy"}}),
    }
    with pytest.raises(TaskError, match="has not found the DAG d: not healthy: dag-processor") as caught:
        dag_runs.run(connected(server, 3), "d")
    assert caught.value.hint == "invoke start"


@pytest.mark.parametrize("major", [2, 3])
def test_a_dag_that_breaks_before_it_is_triggered_is_told_by_its_import_error(server: Airflow, major: int) -> None:
    of_run(server, prefix(major), (404, {}), post=(404, {"detail": "The Dag with ID: `my dag` was not found"}))
    error = {"filename": "dags/my dag.py", "stack_trace": "ModuleNotFoundError: No module named 'nosuchmodule'"}
    server.answers[f"GET {prefix(major)}/importErrors"] = (200, {"import_errors": [error]})
    with pytest.raises(TaskError, match=r"my dag\.py cannot be imported: .*nosuchmodule"):
        dag_runs.run(connected(server, major), "my dag")


@pytest.mark.parametrize("status", [400, 404, 409, 500])
def test_no_answer_of_airflows_is_to_be_repeated_by_hand_without_a_login(server: Airflow, status: int) -> None:
    server.answers["GET /api/v2/dags/d/dagRuns/r"] = (status, {"detail": "no"})
    server.answers["POST /auth/token"] = (201, {"access_token": "tok"})
    with pytest.raises(TaskError) as caught:
        airflow_api.connect(Login(server.url, "admin", "x", 3, logs="astro dev logs")).state("d", "r")
    assert caught.value.hint == "astro dev logs"


def test_a_log_that_the_api_does_not_give_says_nothing_of_what_the_task_did(server: Airflow) -> None:
    server.answers["GET /api/v2/dags/d/dagRuns/r/taskInstances/t"] = (500, {"detail": "Internal Server Error"})
    with pytest.raises(TaskError, match=r"the log of the DAG run r cannot be read: .* 500 "):
        dag_runs.log_of(connected(server, 3), "d", "r", "t")


def test_a_run_that_nobody_waits_for_any_more_is_left_alone(server: Airflow) -> None:
    of_run(server, "/api/v2", (200, {"state": "running"}))
    unwanted = threading.Event()
    unwanted.set()
    with pytest.raises(TaskError, match="still running"):
        dag_runs.run(connected(server, 3, wait=600, unwanted=unwanted), "my dag")


def test_a_dag_that_does_not_appear_is_said(server: Airflow) -> None:
    server.answers["GET /api/v2/importErrors"] = (200, {"import_errors": []})
    with pytest.raises(TaskError, match="has not found the DAG d"):
        dag_runs.run(connected(server, 3), "d")


def test_a_dag_that_airflow_2_has_deactivated_is_not_there(server: Airflow) -> None:
    server.answers["GET /api/v1/dags/d"] = (200, {"dag_id": "d", "is_active": False})
    assert not connected(server, 2).has_dag("d")


def test_what_airflow_3_had_parsed_before_its_file_broke_is_told_by_the_import_error(
    server: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dag_runs, "STALE", 0)
    error = {"filename": "d.py", "stack_trace": "Traceback\nModuleNotFoundError: No module named 'nosuchmodule'\n"}
    server.answers |= {
        "GET /api/v2/dags/d": (200, {"dag_id": "d", "is_stale": True}),
        "GET /api/v2/importErrors": (200, {"import_errors": [error]}),
    }
    with pytest.raises(TaskError, match=r"d\.py cannot be imported: ModuleNotFoundError.*nosuchmodule"):
        dag_runs.run(connected(server, 3), "d")


@pytest.mark.parametrize(("at", "told"), [("2026-11-29T00:59:59Z", False), ("2026-11-29T01:00:01.5+00:00", True)])
def test_an_import_error_from_before_one_asks_is_not_taken_for_one_of_the_file_as_it_is_now(
    server: Airflow, at: str, told: bool
) -> None:
    error = {"filename": "d.py", "stack_trace": "NameError: x", "timestamp": at}
    server.answers["GET /api/v2/importErrors"] = (200, {"import_errors": [error]})
    with pytest.raises(TaskError) if told else contextlib.nullcontext():
        assert dag_runs._unimported(connected(server, 3), "d", "2026-11-29T01:00:00+00:00")


def test_a_dag_that_airflow_3_keeps_parsing_is_there(server: Airflow) -> None:
    server.answers["GET /api/v2/dags/d"] = (200, {"dag_id": "d", "is_stale": False})
    assert connected(server, 3).has_dag("d")


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
        {"exc_type": "AirflowRuntimeError", "exc_value": "VARIABLE_NOT_FOUND: {'message': 'no x'}", "frames": []},
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
        "AirflowRuntimeError: VARIABLE_NOT_FOUND: no x",
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
