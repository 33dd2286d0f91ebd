"""A server that accepts every connection and never answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Silent:
    """What has connected to it, and where it is."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port = int(listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections: list[socket.socket] = []

    def accept(self) -> None:
        with contextlib.suppress(OSError):  # closed: the test is over
            while True:
                self.connections.append(self._listener.accept()[0])


@contextlib.contextmanager
def silent() -> Iterator[Silent]:
    """A silent server on this host."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Silent(listener)
        thread = threading.Thread(target=server.accept)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in server.connections:
                connection.close()
