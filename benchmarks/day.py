"""An accelerated day in real Airflow: keys that last 90 seconds, a DAG run every 20, a session that ends in between.

Usage: python -m benchmarks.day [MINUTES]   (15). It makes a project of its own on the embedded runtime, in a temporary
HOME; a moto server behind a gate that refuses keys of more than 90 seconds is its AWS. The session behind the keys ends
after nine fifteenths of the time, and somebody logs in again two and a half fifteenths later. Nobody types anything for
the keys.

No run may fail but while the session has ended, and then the keeper must have said why. It exits with 1 otherwise.
"""

from __future__ import annotations

import contextlib
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import dag
from aws_airflow_tasks.world import airflow_api, dag_runs, keeper, moto, processes, state

#: seconds for which keys are good, and between two runs
LIFE, EVERY = 90, 20
#: seconds that the keeper gets to notice a login
NOTICED = 75
FILES = {
    ".astro/config.yaml": "project:\n  name: day\n",
    "Dockerfile": "FROM astrocrpublic.azurecr.io/runtime:3.1-12\n",
    ".env": "",
    "requirements.txt": "",
    "dags/.airflowignore": "",
}
#: a credential helper: an access key has the time of its making in it
HELPER = """\
import json, pathlib, sys, time
from datetime import datetime, timezone
if pathlib.Path({ended!r}).exists():
    sys.exit("The SSO session associated with this profile has expired or is otherwise invalid.")
made = int(time.time())
ends = datetime.fromtimestamp(made + {life}, timezone.utc).isoformat()
keys = {{"AccessKeyId": f"ASIADAY{{made:013d}}", "SecretAccessKey": "secret", "SessionToken": "token"}}
print(json.dumps({{"Version": 1, "Expiration": ends}} | keys))
"""


class Run(NamedTuple):
    """A DAG run: when it began, in seconds from the first one, how it ended, and how long it took."""

    at: float
    state: str
    seconds: float


class Gate(BaseHTTPRequestHandler):
    """Passes on to moto what is signed with keys that have not ended."""

    upstream = ""
    refused = 0

    def do_POST(self) -> None:
        """Refuse, or ask moto."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        made = re.search(r"Credential=ASIADAY(\d{13})/", self.headers.get("Authorization", ""))
        if made and time.time() > int(made[1]) + LIFE:
            type(self).refused += 1
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


def made(folder: Path, endpoint: str) -> tuple[Path, Path]:
    """A project, and the file that says that the session has ended; this process has its HOME in ``folder`` then."""
    project, home, ended = folder / "day", folder / "home", folder / "ended"
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (home / ".aws").mkdir(parents=True)
    (folder / "helper.py").write_text(HELPER.format(ended=str(ended), life=LIFE))
    helper = f'"{sys.executable}" "{folder / "helper.py"}"'
    (home / ".aws" / "config").write_text(f"[default]\nregion = eu-west-1\ncredential_process = {helper}\n")
    for name in [
        name for name in os.environ if name.startswith(("AIRFLOW_", "AWS_", "INVOKE_", "XDG_")) or name == "CI"
    ]:
        del os.environ[name]
    os.environ |= {
        "XDG_CACHE_HOME": str(Path.home() / ".cache"),
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    ours = {"ENDPOINT_URL": endpoint, "RUNTIME": "embedded", "CREDENTIALS": "export", "PROJECT": str(project)}
    os.environ |= {f"INVOKE_AWS_AIRFLOW_{key}": value for key, value in ours.items()}
    return project, ended


def day(project: Path, ended: Path, minutes: float) -> list[Run]:
    """A run every so often; the session ends, and somebody logs in again."""
    found, start = list[Run](), time.monotonic()
    site = Site(Settings(project=project, runtime="embedded"))
    while (at := time.monotonic() - start) < minutes * 60:
        if ended_between(minutes, at) and not ended.exists():
            ended.touch()
        if not ended_between(minutes, at):
            ended.unlink(missing_ok=True)
        found.append(one(site, at))
        print(f"{found[-1].at:6.0f} s  {found[-1].state:8} {found[-1].seconds:5.1f} s", flush=True)
        time.sleep(max(0.0, at + EVERY - (time.monotonic() - start)))
    return found


def one(site: Site, at: float) -> Run:
    """One DAG run."""
    began = time.monotonic()
    try:
        outcome = dag_runs.run(airflow_api.connect(site.runtime.login(), wait=120), dag.DAG_ID).state
    except TaskError as error:
        outcome = error.message
    return Run(at, outcome, time.monotonic() - began)


def ended_between(minutes: float, at: float) -> bool:
    """Whether the session has ended at this time."""
    return minutes * 60 * 9 / 15 <= at < minutes * 60 * 11.5 / 15


def excused(minutes: float, at: float) -> bool:
    """Whether a run that began then may fail: while the session has ended, and until the keeper notices the login."""
    return minutes * 60 * 9 / 15 <= at < minutes * 60 * 11.5 / 15 + NOTICED


def main(minutes: float) -> int:
    """Run it and say what came of it; returns the exit code."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, gate(Path(name)) as endpoint:
        project, ended = made(Path(name), endpoint)
        try:
            tasks("setup")
            folder = state.locate(project)
            found, kept = day(project, ended, minutes), keeper.running(folder)
            said = (folder / keeper.LOG).read_text()
        finally:
            tasks("stop")
        left = bool(processes.marked(keeper.MARK, str(folder))) or kept is None or processes.lives(kept.pid)
    failed = [run for run in found if run.state != "success"]
    wrong = [run for run in failed if not excused(minutes, run.at)]
    print(said)
    print(f"{len(found)} runs, {len(failed)} failed, {len(wrong)} of them with a session; {Gate.refused} calls refused")
    after = "something" if left else "nothing"
    print(f"the keeper renewed {said.count('exported afresh')} times; {after} of ours runs after stop")
    words = "SSO session" in said
    return int(bool(wrong or left or not (failed and words)))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 15))
