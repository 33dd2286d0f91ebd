"""The stand-ins for AWS at AWS's own addresses: a proxy leads there, and a certificate is good for them."""

from __future__ import annotations

import contextlib
import datetime
import http.server
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ("*.eu-west-1.amazonaws.com", "*.sso.eu-west-1.amazonaws.com", "sts.amazonaws.com")


def certificate(folder: Path) -> Path:
    """A file with a certificate of those hosts that vouches for itself, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = folder / "certificate.pem"
    path.write_bytes(made.public_bytes(encoding) + key.private_bytes(encoding, form, serialization.NoEncryption()))
    return path


class Tunnel(socketserver.StreamRequestHandler):
    """CONNECT, wherever to: it ends at ``port`` of this host."""

    port: int

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        with socket.create_connection(("127.0.0.1", self.port)) as there:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_copy, args=(there, self.connection), daemon=True)
            back.start()
            _copy(self.connection, there)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True


@contextlib.contextmanager
def at_aws(handler: type[http.server.BaseHTTPRequestHandler], folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which every request to AWS is answered by ``handler``."""
    known = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(known)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as aws:
        aws.daemon_threads = True
        aws.socket = context.wrap_socket(aws.socket, server_side=True)
        with Server(("127.0.0.1", 0), type("To", (Tunnel,), {"port": aws.server_address[1]})) as proxy:
            threads = [threading.Thread(target=each.serve_forever, args=(0.05,)) for each in (aws, proxy)]
            for each in threads:
                each.start()
            try:
                yield {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}", "AWS_CA_BUNDLE": str(known)}
            finally:
                for server in (aws, proxy):
                    server.shutdown()
                for each in threads:
                    each.join()
