"""AWS for tests: moto's server as the sandbox starts it, and a stand-in that answers whatever a test wants.

``AWS_AIRFLOW_TESTS_AT=URL`` has another emulator, such as MiniStack, give a second opinion where moto is asked.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from aws_airflow_tasks.world import cli, moto

#: taken when this module is imported, before a fixture forbids it
REAL_SPAWN = cli.spawn
#: likewise
OTHER = os.environ.get("AWS_AIRFLOW_TESTS_AT", "")


@dataclass(frozen=True)
class Embedded:
    """A running moto server: its URL, and the home directory with the keys of its user."""

    url: str
    home: Path


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    folder = tmp_path_factory.mktemp("moto")
    if OTHER:
        (folder / "home" / ".aws").mkdir(parents=True)
        (folder / "home" / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n")
        keys = "[default]\naws_access_key_id = test\naws_secret_access_key = test\n"
        (folder / "home" / ".aws" / "credentials").write_text(keys)
        yield Embedded(OTHER, folder / "home")
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "spawn", REAL_SPAWN)
        try:
            yield Embedded(moto.ensure(folder, folder / "home"), folder / "home")
        finally:
            moto.stop(folder)


@contextlib.contextmanager
def everybodys(host: str, log: Path) -> Iterator[str]:
    """A moto server at an address of this host that takes any keys; its URL. The port is whichever it bound itself."""
    argv = [sys.executable, "-m", "moto.server", "-H", host, "-p", "0"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with log.open("wb") as out, subprocess.Popen(argv, env=clean, stdout=out, stderr=out) as server:
        try:
            process, deadline = psutil.Process(server.pid), time.monotonic() + 120
            while not (found := [one for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN]):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield f"http://{host}:{found[0].laddr.port}"
        finally:
            server.terminate()


@pytest.fixture
def our_keys(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Embedded:
    """HOME with the keys of the server's user, and every client pointed at the server."""
    monkeypatch.setenv("HOME", str(embedded.home))
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.url)
    return embedded


@dataclass
class StandIn:
    """Answers every request with ``status`` and ``body``; ``asked`` are the requests' paths."""

    url: str = ""
    status: int = 400
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    state = StandIn()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.asked.append(self.path)
            self.send_response(state.status)
            for name, value in ({"Content-Length": str(len(state.body.encode()))} | state.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(state.body.encode())

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Keep the test's output its own."""

    with serving(Handler) as url:
        state.url = url
        yield state


@contextlib.contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """An HTTP server at an address of this host in a thread of its own; its URL."""
    server = http.server.ThreadingHTTPServer((host, port), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
