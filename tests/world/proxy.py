"""AWS as it is, before moto as it is: counts calls, and answers as a test or a benchmark wants where moto would not."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.world.aws_rules import Refusal, limits

Body = dict[str, Any]
Rule = Callable[[str, Body], "Refusal | None"]
Edit = Callable[[str, Body, Body], Body]


@dataclass
class Proxy:
    """What passes between a client and moto.

    Attributes:
        url: where it listens.
        calls: how often each operation was asked for.
        times: when each operation reached moto, in seconds of a monotonic clock.
        rules: asked before moto is, in their order; the first refusal is the answer. They may change what moto gets.
        edits: applied to what moto answers.
        asked: every call in its order, with its body.
    """

    url: str = ""
    calls: Counter[str] = field(default_factory=Counter)
    times: dict[str, list[float]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    asked: list[tuple[str, Body]] = field(default_factory=list)
    keeps: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    def forget(self) -> None:
        """Count anew."""
        with self.lock:
            self.calls.clear()
            self.times.clear()
            self.asked.clear()

    def refused(self, operation: str, body: Body) -> Refusal | None:
        """The answer of the rules."""
        with self.lock:
            self.calls[operation] += 1
            if self.keeps:
                self.asked.append((operation, body))
            for rule in list(self.rules):
                if answer := rule(operation, body):
                    return answer
            self.times.setdefault(operation, []).append(time.monotonic())
        return None


def denying(*denied: str, service: str = "secretsmanager") -> Rule:
    """AccessDenied for these operations."""

    def rule(operation: str, body: Body) -> Refusal | None:
        message = f"User: arn:aws:iam::123456789012:user/u is not authorized to perform: {service}:{operation}"
        return (400, "AccessDeniedException", message) if operation in denied else None

    return rule


class Upstream(threading.local):
    """The server behind, over a connection of each thread's own."""

    def __init__(self, url: str) -> None:
        self.there = urlsplit(url)
        self.connection: http.client.HTTPConnection | None = None

    def ask(self, path: str, headers: dict[str, str], data: bytes) -> tuple[int, bytes]:
        for _ in range(2):
            try:
                connection = self._connected()
                connection.request("POST", path, data, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError):
                self.connection = None
        raise ConnectionError

    def _connected(self) -> http.client.HTTPConnection:
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.there.hostname or "", self.there.port, timeout=60)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.connection


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: Proxy
    upstream: Upstream

    def handle_one_request(self) -> None:
        """Whoever asked may have been killed."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        try:
            self._answer(*(self._of(operation, data) if operation else self._passed(data)))
        except ConnectionError:  # a rule or an edit ends the connection without an answer
            self.close_connection = True

    def _of(self, operation: str, data: bytes) -> tuple[int, bytes]:
        body = json.loads(data)
        if refusal := self.proxy.refused(operation, body):
            status, code, message = refusal
            return status, json.dumps({"__type": code, "message": message}).encode()
        status, content = self._passed(json.dumps(body).encode())
        if status == 200 and self.proxy.edits:
            parsed = json.loads(content)
            for edit in self.proxy.edits:
                parsed = edit(operation, json.loads(data), parsed)
            content = json.dumps(parsed).encode()
        return status, content

    def _passed(self, data: bytes) -> tuple[int, bytes]:
        skipped = ("connection", "content-length")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        return self.upstream.ask(self.path, headers, data)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        kind = "application/x-amz-json-1.1" if content.startswith(b"{") else "text/xml"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def before(url: str) -> Iterator[Proxy]:
    """A proxy before the server at ``url``, with AWS's limits; it ends with the block."""
    made = Proxy(rules=[limits])
    handler = type("Bound", (Handler,), {"proxy": made, "upstream": Upstream(url)})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
