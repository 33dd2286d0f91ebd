"""An accelerated day in real Airflow: keys that last 90 seconds, a DAG run every 20, a session that ends in between.

Usage: python -m benchmarks.day [MINUTES [LIFE]]   (15 90). It makes a project of its own on the embedded runtime, in a
temporary HOME; a moto server behind a gate that refuses keys older than LIFE seconds is its AWS, and gives keys to who
shows a token of IAM Identity Center. The token ends after nine fifteenths of the time, and somebody logs in again two
and a half fifteenths later. Nobody types anything for the keys. With a clock that is four times as fast, keys of an
hour pass their last 15 and 10 minutes, where botocore renews (libfaketime 0.9.10 does not know how Python waits for a
lock, sem_clockwait; 0.9.12 does):

    faketime -f '+0 x4' python -m benchmarks.day 75 3600

No run may fail but while the session has ended and keys do not last until the login, and the keeper must have said then
why it cannot renew. It exits with 1 otherwise.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import dag
from aws_airflow_tasks.world import airflow_api, dag_runs, keeper, moto, processes, state

#: seconds for which keys are good unless told otherwise, and between two runs at the least
LIFE, EVERY = 90, 20
#: after which part of the time the session ends, and somebody logs in again
ENDS, LOGIN = 9 / 15, 11.5 / 15
#: seconds that the keeper gets to notice a login
NOTICED = 75
FILES = {
    ".astro/config.yaml": "project:\n  name: day\n",
    "Dockerfile": "FROM astrocrpublic.azurecr.io/runtime:3.1-12\n",
    ".env": "",
    "requirements.txt": "",
    "dags/.airflowignore": "",
}
START_URL = "https://example.awsapps.com/start"
CONFIG = f"""\
[default]
region = eu-west-1
sso_session = day
sso_account_id = 123456789012
sso_role_name = reader
[sso-session day]
sso_region = eu-west-1
sso_start_url = {START_URL}
"""


class Run(NamedTuple):
    """A DAG run: when it began, in seconds from the first one, how it ended, and how long it took."""

    at: float
    state: str
    seconds: float


class Gate(BaseHTTPRequestHandler):
    """Gives keys to who has logged in, and passes on to moto what is signed with keys that have not ended."""

    upstream = ""
    life = LIFE
    refused: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """GetRoleCredentials: an access key has the time of its making in it; a token that of its end."""
        now = int(time.time())
        if now > int(self.headers.get("x-amz-sso_bearer_token", "0")):
            body = json.dumps({"message": "Session token not found or invalid"}).encode()
            self._answer(401, body, {"x-amzn-errortype": "UnauthorizedException"})
            return
        keys = {"accessKeyId": f"ASIADAY{now:013d}", "secretAccessKey": "secret", "sessionToken": "token"}
        body = json.dumps({"roleCredentials": {**keys, "expiration": (now + self.life) * 1000}}).encode()
        self._answer(200, body, {"Content-Type": "application/json"})

    def do_POST(self) -> None:
        """Refuse, or ask moto."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        made = re.search(r"Credential=ASIADAY(\d{13})/", self.headers.get("Authorization", ""))
        if made and time.time() > int(made[1]) + self.life:
            asked, who = self.headers.get("X-Amz-Target", "sts"), self.headers.get("User-Agent", "")
            self.refused.append(f"{asked} with keys of {time.time() - int(made[1]):.0f} s by {who[:160]}")
            self._answer(400, self._expired(), {"Content-Type": "application/x-amz-json-1.1"})
            return
        to = http.client.HTTPConnection(urlsplit(self.upstream).netloc, timeout=30)
        with contextlib.closing(to):
            to.request("POST", self.path, body, {**self.headers, "Host": urlsplit(self.upstream).netloc})
            answer = to.getresponse()
            self._answer(answer.status, answer.read(), {"Content-Type": answer.headers.get("Content-Type", "")})

    def _expired(self) -> bytes:
        said = "The security token included in the request is expired"
        if "/sts/" in self.headers.get("Authorization", ""):
            error = f"<Error><Code>ExpiredToken</Code><Message>{said}</Message></Error>"
            return f"<ErrorResponse>{error}</ErrorResponse>".encode()
        return json.dumps({"__type": "ExpiredTokenException", "message": said}).encode()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def gate(folder: Path) -> Iterator[str]:
    """The URL of the gate, before a moto server that ends with it."""
    moto.ensure(folder / "aws", folder / "moto-home")
    Gate.upstream = moto.running(folder / "aws", folder / "moto-home") or ""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gate)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        moto.stop(folder / "aws")


def tasks(*words: str) -> None:
    """Run a command line of ours; it must end well."""
    subprocess.run([str(Path(sys.executable).with_name("aws-airflow")), *words], check=True, stdin=subprocess.DEVNULL)


def made(folder: Path, endpoint: str) -> Path:
    """A project; this process has its HOME in ``folder`` then."""
    project, home = folder / "day", folder / "home"
    clock = {name: value for name, value in os.environ.items() if name.startswith(("FAKETIME", "LD_PRELOAD"))}
    lines = "".join(f"{name}={value}\n" for name, value in clock.items())  # Airflow has no other variables
    for name, text in (FILES | {".env": lines}).items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text(CONFIG)
    for name in [
        name for name in os.environ if name.startswith(("AIRFLOW_", "AWS_", "INVOKE_", "XDG_")) or name == "CI"
    ]:
        del os.environ[name]
    os.environ |= {
        "XDG_CACHE_HOME": str(Path.home() / ".cache"),
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_SSO": endpoint,
        "AWS_ENDPOINT_URL_STS": endpoint,
    }
    ours = {"ENDPOINT_URL": endpoint, "RUNTIME": "embedded", "CREDENTIALS": "export", "PROJECT": str(project)}
    os.environ |= {f"INVOKE_AWS_AIRFLOW_{key}": value for key, value in ours.items()}
    return project


def log_in(ends: float) -> None:
    """As `aws sso login` does: a token that is good until then, and that nothing refreshes."""
    at = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    token = {"accessToken": str(int(ends)), "expiresAt": at, "region": "eu-west-1", "startUrl": START_URL}
    path = Path(os.environ["HOME"], ".aws", "sso", "cache", f"{hashlib.sha1(b'day').hexdigest()}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(token))


def await_first(folder: Path) -> None:
    """Wait for the keeper's first renewal: to start Airflow may take longer than the keys of `setup` last."""
    deadline = time.time() + min(Gate.life, NOTICED)
    while "exported afresh" not in (folder / keeper.LOG).read_text() and time.time() < deadline:
        time.sleep(0.2)


def day(project: Path, minutes: float) -> list[Run]:
    """A run every so often; the session ends, and somebody logs in again."""
    found, start, again = list[Run](), time.time(), False
    log_in(start + minutes * 60 * ENDS)
    site = Site(Settings(project=project, runtime="embedded"))
    while (at := time.time() - start) < minutes * 60:
        if at >= minutes * 60 * LOGIN and not again:
            again = True
            log_in(time.time() + 3600)
        found.append(one(site, at))
        print(f"{found[-1].at:6.0f} s  {found[-1].state:8} {found[-1].seconds:5.1f} s", flush=True)
        while time.time() - start < at + max(EVERY, Gate.life / 36):
            time.sleep(0.2)
    return found


def one(site: Site, at: float) -> Run:
    """One DAG run."""
    began = time.time()
    try:
        outcome = dag_runs.run(airflow_api.connect(site.runtime.login(), wait=120), dag.DAG_ID).state
    except TaskError as error:
        outcome = error.message
    return Run(at, outcome, time.time() - began)


def excused(minutes: float, at: float) -> bool:
    """Whether a run that began then may fail: while the session has ended, and until the keeper notices the login."""
    return ends_before_login(minutes) and minutes * 60 * ENDS <= at < minutes * 60 * LOGIN + NOTICED


def ends_before_login(minutes: float) -> bool:
    """Whether keys that were made just before the session's end do not last until somebody logs in again."""
    return Gate.life < minutes * 60 * (LOGIN - ENDS)


def main(minutes: float = 15, life: float = LIFE) -> int:
    """Run it and say what came of it; returns the exit code."""
    Gate.life = int(life)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, gate(Path(name)) as endpoint:
        project = made(Path(name), endpoint)
        log_in(time.time() + 3600)
        try:
            tasks("setup")
            folder = state.locate(project)
            await_first(folder)
            found, kept = day(project, minutes), keeper.running(folder)
            said = (folder / keeper.LOG).read_text()
        finally:
            tasks("stop")
        left = bool(processes.marked(keeper.MARK, str(folder))) or kept is None or processes.lives(kept.pid)
    failed = [run for run in found if run.state != "success"]
    wrong = [run for run in failed if not excused(minutes, run.at)]
    print(said)
    ended = f"{len(failed)} failed, {len(wrong)} of them with a session"
    print(f"{len(found)} runs, {ended}; {len(Gate.refused)} calls refused")
    print(*Gate.refused, sep="\n")
    after = "something" if left else "nothing"
    print(f"the keeper renewed {said.count('exported afresh')} times; {after} of ours runs after stop")
    words = "SSO session" in said or not ends_before_login(minutes)
    return int(bool(wrong or left or not words or bool(failed) != ends_before_login(minutes)))


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
