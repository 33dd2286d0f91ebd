"""What stands before the embedded AWS: writes down what is asked of it, and refuses what a test wants refused."""

from __future__ import annotations

import contextlib
import http.server
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs

from tests.world.server import serving


class Asked(NamedTuple):
    """One request: the service whose name its signature has, the operation, the caller's user agent, and all of it."""

    service: str
    operation: str
    agent: str
    text: str


class Refusal(NamedTuple):
    """An answer that is not passed on; a status of 0 ends the connection without one."""

    status: int
    body: str
    kind: str = "application/x-amz-json-1.1"


@dataclass
class Front:
    """Its URL; what was asked, in order; ``refuse`` says how a request is refused, None: it is passed on."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    refuse: Callable[[Asked], Refusal | None] = lambda asked: None

    @property
    def calls(self) -> list[str]:
        """Such as ``sts:GetCallerIdentity``."""
        return [f"{asked.service}:{asked.operation}" for asked in self.asked]


@contextlib.contextmanager
def front(url: str, port: int = 0, host: str = "127.0.0.1") -> Iterator[Front]:
    """A front of the AWS at ``url``; at a port of its own choice, or that one."""
    state = Front()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.asked.append(asked := self._asked(body.decode(errors="replace")))
            if refusal := state.refuse(asked):
                return self._answer(refusal.status, refusal.body.encode(), refusal.kind)
            headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Content-Length")}
            request = urllib.request.Request(url + self.path, body or None, headers, method=self.command)
            try:
                with urllib.request.urlopen(request) as answer:
                    return self._answer(answer.status, answer.read(), answer.headers["Content-Type"])
            except urllib.error.HTTPError as error:
                with error:
                    return self._answer(error.code, error.read(), error.headers["Content-Type"])

        do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815

        def _asked(self, body: str) -> Asked:
            signed = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", self.headers.get("Authorization", ""))
            target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            operation = target or parse_qs(body).get("Action", [""])[0] or f"{self.command} {self.path}"
            text = f"{self.command} {self.path}\n{self.headers}\n{body}"
            return Asked(signed[1] if signed else "", operation, self.headers.get("User-Agent", ""), text)

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            if not status:
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who asked waits no more
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output its own."""

    with serving(Handler, port, host) as state.url:
        yield state
