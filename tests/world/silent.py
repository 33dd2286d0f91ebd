"""Servers that accept every connection and never answer, or never come to the end of an answer."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class Silent:
    """What has connected to it, where it is, and whether somebody has waited for the end of an answer.

    ``begins`` is how its answers begin, if they do.
    """

    def __init__(self, listener: socket.socket, begins: bytes = b"") -> None:
        self._listener = listener
        self._begins = begins
        self.was_waited_for = False
        self.port = int(listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections: list[socket.socket] = []

    def accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                self.connections.append(self._listener.accept()[0])
                if self._begins:
                    threading.Thread(target=self._trickle, args=(self.connections[-1],), daemon=True).start()

    def _trickle(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            connection.sendall(self._begins)
            for _ in range(600):  # half a minute, so that who waits for the end fails a test, and does not hang in it
                time.sleep(0.05)
                connection.sendall(b"x")
            self.was_waited_for = True
            connection.shutdown(socket.SHUT_RDWR)


#: how the answer of a server begins that trickles in its headers, or in its body
TRICKLING = {"headers": b"HTTP/1.1 200 OK\r\nX-", "body": b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"}


@contextlib.contextmanager
def silent(begins: bytes = b"") -> Iterator[Silent]:
    """A silent server on this host; or one whose answers begin so, and then come by single bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Silent(listener, begins)
        thread = threading.Thread(target=server.accept)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in server.connections:
                connection.close()
