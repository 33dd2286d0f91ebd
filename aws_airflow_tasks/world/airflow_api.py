"""Airflow's REST API, of both majors: v2 with a token in Airflow 3, v1 with basic authentication in Airflow 2."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.text import members
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import threads, waits

if TYPE_CHECKING:
    import requests

log = logging.getLogger("aws_airflow_tasks")

PREFIX = {2: "/api/v1", 3: "/api/v2"}
HEALTH = {2: "/health", 3: "/api/v2/monitor/health"}
#: the body that triggers a DAG run now; Airflow 3 wants to be told that there is no logical date
NOW: dict[int, dict[str, Any]] = {2: {}, 3: {"logical_date": None}}
#: seconds for one answer
TIMEOUT = 30
#: seconds between two questions of the same kind
PAUSE = 0.25


class Login(NamedTuple):
    """Where Airflow's REST API is and how to log in; ``password`` is a secret.

    ``password_file`` is the file that a person finds it in; empty: there is none. ``logs`` is the command that shows
    what Airflow's web service writes.
    """

    url: str
    user: str
    password: str
    major: int
    password_file: str = ""
    logs: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"Login({self.url!r}, {self.user!r})"


class Patience(NamedTuple):
    """How long answers are waited for: ``wait`` seconds, over at ``deadline`` (of ``time.monotonic``).

    ``unwanted`` is set by another thread when nobody waits any more.
    """

    wait: float
    deadline: float
    unwanted: threading.Event

    def more(self) -> bool:
        """Wait a little; whether to ask once more."""
        return not self.unwanted.wait(PAUSE) and time.monotonic() < self.deadline


class DagImportError(NamedTuple):
    """Why a DAG file could not be loaded: its path as Airflow names it, the traceback, and when it was last tried."""

    file: str
    trace: str
    at: str = ""

    @property
    def cause(self) -> str:
        """The traceback's last line."""
        return telling(self.trace, r"^", otherwise="no reason given")


def health(url: str, major: int) -> Mapping[str, Any]:
    """What Airflow's health endpoint says, without logging in; empty while it does not answer.

    Args:
        url: of the web service, without a path.
        major: Airflow's major version.
    """
    import requests

    with _session() as session, waits.told(f"Airflow at {url}"):
        try:
            answer = session.get(url + HEALTH[major], timeout=TIMEOUT / 3)
            found = answer.json() if answer.ok else {}
        except (requests.RequestException, ValueError):
            return {}
    return found if isinstance(found, dict) else {}


def is_healthy(found: Mapping[str, Any], service: str, *, since: float = 0) -> bool:
    """Whether ``found``, from :func:`health`, says that a service is well.

    Args:
        found: the health endpoint's answer.
        service: its name; the web services are well when they answer and reach the database.
        since: seconds since the epoch; an older heartbeat is one of an earlier process.
    """
    name = service.replace("-", "_")
    if name in ("api_server", "webserver"):
        return (found.get("metadatabase") or {}).get("status") == "healthy"
    return (found.get(name) or {}).get("status") == "healthy" and last_beat(found, name) >= max(since, 1)


def last_beat(found: Mapping[str, Any], service: str) -> float:
    """When a service has last said that it lives, in seconds since the epoch; 0: never, or it has no heartbeat."""
    name = service.replace("-", "_")
    beat = (found.get(name) or {}).get(f"latest_{name}_heartbeat")
    return datetime.fromisoformat(beat).timestamp() if beat else 0


def serves_tasks(url: str) -> bool:
    """Whether Airflow 3's API answers tasks too. The first question makes it build that part, which takes seconds.

    Args:
        url: of the API server, without a path.
    """
    import requests

    with _session() as session:
        try:
            return session.get(f"{url}/execution/health", timeout=4 * TIMEOUT).ok
        except requests.RequestException:
            return False


def connect(login: Login, *, wait: float = 0, unwanted: threading.Event | None = None) -> Api:
    """Log in.

    Args:
        login: where, and as whom.
        wait: seconds for this and all that is asked of the API later: what is not answered is asked again until then.
        unwanted: is set by another thread when nobody waits for answers any more.

    Raises:
        TaskError: it does not answer, or refuses the login.
    """
    patience = Patience(wait, time.monotonic() + wait, unwanted or threading.Event())
    session = _session()
    if login.major == 2:
        session.auth = (login.user, login.password)
    else:
        session.headers["Authorization"] = f"Bearer {_token(session, login, patience)}"
    return Api(login, session, patience)


def _session() -> requests.Session:
    """A session without the proxies and the ``.netrc`` of our environment: Airflow is on this machine."""
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    import requests

    session = requests.Session()
    session.trust_env = False
    request = session.request

    def in_time(method: str, url: str, *, timeout: float, **more: Any) -> requests.Response:
        return threads.within(2 * timeout, lambda: request(method, url, timeout=timeout, **more), requests.Timeout)

    session.request = in_time  # type: ignore[method-assign,assignment]
    return session


def _token(session: requests.Session, login: Login, patience: Patience) -> str:
    """A token for a user and password; or, where everybody is an admin, for nobody."""
    body = {"username": login.user, "password": login.password}
    answer = _sent(session, login, patience, "POST", "/auth/token", json=body)
    if not answer.ok:
        answer = _sent(session, login, patience, "GET", "/auth/token")
    return str(_json(answer, login)["access_token"])


def _sent(
    session: requests.Session, login: Login, patience: Patience, method: str, path: str, **arguments: Any
) -> requests.Response:
    """The answer to a request that may be sent more than once: it is, while a slow or starting Airflow gives none."""
    import requests

    passing = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    while True:
        try:
            with waits.told(f"Airflow at {login.url}"):
                return session.request(method, login.url + path, timeout=TIMEOUT, **arguments)
        except requests.RequestException as error:
            why = type(error).__name__
            if isinstance(error, passing) and patience.more():
                log.debug("%s %s: %s; asking again", method, path, why)
                continue
        raise Unwell(f"Airflow's API at {login.url} does not answer ({why})", hint=login.logs or command("start"))


def _json(answer: requests.Response, login: Login) -> dict[str, Any]:
    if not answer.ok:
        raise _refused(answer, login)
    try:
        return dict(answer.json())
    except ValueError:
        other = note(f"another program answers at {login.url}: end that one, then:")
        raise TaskError(f"{login.url} is not Airflow's API", hint=f"{other}\n{_anew()}") from None


class Unwell(TaskError):  # noqa: N818
    """Airflow does not answer, or not as it should: that it runs does not mean that it works."""


def _refused(answer: requests.Response, login: Login) -> TaskError:
    if answer.status_code in (401, 403):
        theirs = note(f"give Airflow's user {login.user} the password that Astro gave it, admin")
        hint = _anew() if login.password_file else theirs
        return TaskError(f"Airflow's API at {login.url} refuses the user {login.user}", hint=hint)
    try:
        found = members.words(answer.json())
    except (ValueError, RecursionError):
        found = answer.text
    said = " ".join(cleaned(found).split())[:300]
    message = (
        f"Airflow's API answered {answer.status_code} to {answer.request.method} {answer.request.path_url}: {said}"
    )
    made = Unwell if answer.status_code >= 500 else TaskError
    return made(message, hint=login.logs or command("start"))


def _anew() -> str:
    return f"{command('stop')} && {command('start')}"


class Api:
    """Airflow's API, logged in; every method raises TaskError when it does not answer or refuses."""

    def __init__(self, login: Login, session: requests.Session, patience: Patience) -> None:
        self._login = login
        self._session = session
        self.patience = patience

    @property
    def url(self) -> str:
        """Where it is; the UI is there too."""
        return self._login.url

    @property
    def logs(self) -> str:
        """The command that shows what Airflow's web service writes."""
        return self._login.logs or command("start")

    def down(self) -> list[str]:
        """The components that Airflow says are not healthy, each with how long it has not been heard of."""
        found = health(self.url, self._login.major)
        if not found:
            return ["its web service, which says nothing of the others"]
        parts = ((name, part) for name, part in found.items() if isinstance(part, dict))
        return [_down(name, part) for name, part in parts if part.get("status") not in ("healthy", None)]

    def has_dag(self, dag_id: str) -> bool:
        """Whether Airflow has a DAG of this id, as its file is now: the database keeps one that no longer imports.

        Airflow 3 says ``is_stale`` of that one, and triggers it not; Airflow 2 says that it is not ``is_active``.
        """
        answer = self._ask("GET", f"/dags/{quote(dag_id, safe='')}")
        if answer.status_code == 404:
            return False
        found = _json(answer, self._login)
        return bool(found.get("is_active", True)) and not found.get("is_stale", False)

    def import_errors(self) -> list[DagImportError]:
        """The DAG files that cannot be loaded."""
        found = self._json("GET", "/importErrors")["import_errors"]
        return [
            DagImportError(str(entry["filename"]), str(entry["stack_trace"]), str(entry.get("timestamp", "")))
            for entry in found
        ]

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's runs be scheduled."""
        self._json("PATCH", f"/dags/{quote(dag_id, safe='')}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, str] | None = None) -> str:
        """Start a run now, just one even where the request is sent again; returns its id, in Airflow's own form."""
        run_id = f"manual__{datetime.now(UTC).isoformat()}_{os.urandom(4).hex()}"
        path, body = f"/dags/{quote(dag_id, safe='')}/dagRuns", {**NOW[self._login.major], "dag_run_id": run_id}
        body |= {"conf": dict(conf)} if conf else {}
        answer = self._ask("POST", path, json=body)
        made = not answer.ok and self._ask("GET", _run_path(dag_id, run_id)).ok  # by an earlier sending
        if not made:
            _json(answer, self._login)
        return run_id

    def state(self, dag_id: str, run_id: str) -> str:
        """The state of a run: ``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._json("GET", _run_path(dag_id, run_id))["state"])

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """The log of a task instance's last try, one event a line; under it the errors it was logged with, cause first.

        Airflow 3.3 logs JSON lines, of which the API passes all fields on: what was raised is in ``error_detail``, not
        in ``event`` (structlog's ``dict_tracebacks``).
        """
        task = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"
        number = max(1, int(self._json("GET", task)["try_number"]))
        accepted = {"Accept": "text/plain" if self._login.major == 2 else "application/json"}
        answer = self._ask("GET", f"{task}/logs/{number}?full_content=true", headers=accepted)
        if self._login.major == 2 and answer.ok:
            return answer.text
        content = _json(answer, self._login)["content"]
        return "\n".join(_event(line) for line in content)

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return _json(self._ask(method, path, json=body), self._login)

    def _ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        path = PREFIX[self._login.major] + path
        return _sent(self._session, self._login, self.patience, method, path, **arguments)


def _event(line: Any) -> str:
    if not isinstance(line, dict):
        return str(line)
    raised = [error for error in line.get("error_detail") or () if isinstance(error, dict)]
    errors = [f"{error.get('exc_type')}: {members.told(str(error.get('exc_value')))}" for error in reversed(raised)]
    return "\n".join([str(line.get("event")), *errors])


def _down(name: str, part: Mapping[str, Any]) -> str:
    said = name.replace("_", "-") if name != "metadatabase" else "the metadata database"
    beat = part.get(f"latest_{name}_heartbeat")
    ago = time.time() - datetime.fromisoformat(beat).timestamp() if beat else 0
    return f"{said} (not heard of for {ago:.0f} s)" if beat else said


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"
