"""Which engine is asked, and what is said when it does not answer, may not be asked or is too old."""

from __future__ import annotations

import gc
import hashlib
import http.server
import json
import socketserver
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker.errors import APIError
from requests.adapters import HTTPAdapter

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.text.hints import install
from aws_airflow_tasks.world import docker_engine
from tests.world.silent import TRICKLING, silent

UPDATE = "# bring the Docker engine, or this tool, up to date: https://docs.docker.com/engine/install/"
#: starts an engine that only knows its version, at a socket's path
Stub = Callable[[Path, str], None]


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Stub]:
    servers: list[socketserver.ThreadingUnixStreamServer] = []

    def serve(path: Path, version: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"ApiVersion": version, "Version": f"engine at {path.name}"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self) -> str:
                return ""

            def log_message(self, *_: object) -> None:
                """Keep the test's output its own."""

        path.parent.mkdir(parents=True, exist_ok=True)
        server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        servers.append(server)

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a short path: that of a socket has 107 characters at most."""
    return tmp_path_factory.mktemp("s")


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """The SDK leaves connections behind when it finds no engine that it likes; nothing of ours can reach them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def asked() -> str:
    with docker_engine.client(5) as client:
        return str(client.version()["Version"])


def failure() -> TaskError:
    with pytest.raises(TaskError) as caught:
        asked()
    return caught.value


def test_docker_host_names_the_engine(stub: Stub, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub(short / "named.sock", "1.44")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short / 'named.sock'}")
    assert asked() == "engine at named.sock"


def context(home: Path, host: str, name: str = "colima") -> None:
    """A context, as `docker context create` makes one."""
    folder = home / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": False}
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (folder / "meta.json").write_text(json.dumps(meta))


def test_a_context_that_a_variable_names_and_nobody_has_is_no_reason_to_ask_another_engine(
    stub: Stub, short: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "context.sock", "1.44")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONTEXT", "colima")
    error = failure()
    assert error.message == "there is no Docker context colima (DOCKER_CONTEXT)"
    assert error.hint.startswith("unset DOCKER_CONTEXT ")
    context(closed_world, f"unix://{short / 'context.sock'}")
    without_configuration = failure()
    assert "cannot be read without" in without_configuration.message
    assert without_configuration.hint.startswith("docker context use colima ")
    (closed_world / ".docker" / "config.json").write_text('{"currentContext": "colima"}')
    assert asked() == "engine at context.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "another")
    assert failure().message == "there is no Docker context another (DOCKER_CONTEXT)"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short / 'context.sock'}")
    assert asked() == "engine at context.sock"


@pytest.mark.parametrize("named", [True, False], ids=["by a variable", "by the configuration"])
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("rootless", "systemctl --user start docker"),
        ("colima", "colima start"),
        ("mine", "{}   # or start the engine that the context names"),
    ],
)
def test_where_the_engine_of_a_context_does_not_answer_that_one_is_to_be_started(
    name: str, command: str, named: bool, short: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    context(closed_world, f"unix://{short / 'none.sock'}", name)
    (closed_world / ".docker" / "config.json").write_text("{}" if named else f'{{"currentContext": "{name}"}}')
    if named:
        monkeypatch.setenv("DOCKER_CONTEXT", name)
    error = failure()
    assert error.message == f"no Docker engine answers in the context {name}"
    assert error.hint == command.format("unset DOCKER_CONTEXT" if named else "docker context use default")


def test_the_current_context_of_the_docker_command_names_the_engine(
    stub: Stub, short: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "context.sock", "1.44")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    context(closed_world, f"unix://{short / 'context.sock'}")
    (closed_world / ".docker" / "config.json").write_text('{"currentContext": "colima"}')
    monkeypatch.setattr(docker_engine, "DOCKER_SOCKET", short / "none.sock")
    assert asked() == "engine at context.sock"


def test_podmans_socket_is_taken_where_docker_has_none(
    stub: Stub, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "podman" / "podman.sock", "1.41")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    monkeypatch.setattr(docker_engine, "DOCKER_SOCKET", short / "none.sock")
    assert asked() == "engine at podman.sock"


@pytest.mark.parametrize("context", ['"desktop-linux"', "null"])
def test_podmans_socket_is_taken_where_a_context_is_left_over_of_an_engine_that_is_gone(
    context: str, stub: Stub, short: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "podman" / "podman.sock", "1.41")
    configured(closed_world / ".docker", f'{{"currentContext": {context}}}')
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    monkeypatch.setattr(docker_engine, "DOCKER_SOCKET", short / "none.sock")
    assert asked() == "engine at podman.sock"


def configured(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(text)
    return folder / "config.json"


DAMAGED = ["[]", "null", '{"currentContext": 5}', '{"proxies": null}', '{"auths": {"x": {"auth": "YQ=="}}}']
DAMAGED += ['{"auths": {"x": "y"}}', '{"proxies": {"default": []}}']


@pytest.mark.parametrize("text", DAMAGED)
def test_a_configuration_of_docker_that_is_damaged_is_named_with_what_shows_it(
    text: str, stub: Stub, short: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "podman" / "podman.sock", "1.41")
    path = configured(closed_world / ".docker", text)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    monkeypatch.setattr(docker_engine, "DOCKER_SOCKET", short / "none.sock")
    error = failure()
    assert error.message == f"the configuration of Docker is damaged: {path}"
    assert error.hint == f"less {path}"


@pytest.mark.parametrize("meta", ["", "[]", "{}", '{"Name": "colima", "Metadata": {}, "Endpoints": {"docker": 5}}'])
def test_the_file_of_a_context_that_is_damaged_is_named_with_what_shows_it(
    meta: str, short: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(closed_world / ".docker", '{"currentContext": "colima"}')
    folder = closed_world / ".docker" / "contexts" / "meta" / hashlib.sha256(b"colima").hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(meta)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(docker_engine, "DOCKER_SOCKET", short / "none.sock")
    assert failure().hint == f"less {folder / 'meta.json'}"


def test_a_damaged_configuration_is_named_where_docker_config_has_it(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = configured(short / "elsewhere", "[]")
    monkeypatch.setenv("DOCKER_CONFIG", str(path.parent))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/none.sock")
    assert failure().hint == f"less {path}"


@pytest.mark.parametrize("host", ["tcp://h:x", "tcp://h:99999", "tcp://[::1"])
def test_a_docker_host_that_is_no_address_is_told_as_such(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    error = failure()
    assert error.message == f"there is no address of an engine at {host} (DOCKER_HOST)"
    assert error.hint == "unset DOCKER_HOST"


def test_an_engine_that_is_down_is_named_with_the_variable_that_names_it(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/down.sock")
    error = failure()
    assert error.message == f"no Docker engine answers at unix://{short}/down.sock (DOCKER_HOST)"
    assert error.hint.startswith("unset DOCKER_HOST ")


def test_an_engine_that_dies_while_it_is_asked_is_an_error_with_a_cause(
    stub: Stub, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "dies.sock", "1.44")
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/dies.sock")
    with pytest.raises(TaskError, match="no Docker engine answers"), docker_engine.client(5) as client:
        (short / "dies.sock").unlink()
        client.containers.list()


def test_an_engine_that_sends_a_byte_now_and_then_is_not_waited_for_after_its_first_answer_either(
    stub: Stub, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "slow.sock", "1.44")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/slow.sock")
    with (
        silent(TRICKLING["body"]) as slow,
        pytest.raises(TaskError, match="does not answer in time"),
        docker_engine.client(1) as client,
    ):
        client.api.base_url = slow.url
        client.api.mount(slow.url, HTTPAdapter())
        client.containers.list()
    assert (len(slow.connections), slow.was_waited_for) == (1, False)


def test_an_error_of_who_asks_the_engine_is_none_of_the_engine(
    stub: Stub, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "well.sock", "1.44")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/well.sock")
    with pytest.raises(FileNotFoundError), docker_engine.client(5):
        (short / "nothing").read_text()


def test_an_engine_that_is_too_old_is_told_with_the_version_that_is_needed(
    stub: Stub, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "old.sock", "1.12")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/old.sock")
    error = failure()
    assert error.message == "the Docker engine is too old: API 1.24 is needed"
    assert error.hint.startswith("# bring the Docker engine")


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        (
            "Error while fetching server API version: ('Connection aborted.', PermissionError(13, 'denied'))",
            "you have no permission on the Docker engine's socket",
            "sudo usermod -aG docker $USER && newgrp docker",
        ),
        (
            "Install paramiko package to enable ssh:// support",
            "the Docker engine is reached over ssh, which needs paramiko",
            install("paramiko"),
        ),
        (
            "HTTPSConnectionPool(host='10.0.0.9', port=2376): Read timed out. (read timeout=30)",
            "the Docker engine does not answer in time",
            "sudo systemctl restart docker",
        ),
        (
            "client version 1.43 is too old. Minimum supported API version is 1.44, please upgrade your client to a "
            "newer version",
            "this tool's library `docker` is too old for the Docker engine: API 1.44 is needed",
            install("docker", upgrade=True),
        ),
        (
            "client version 1.50 is too new. Maximum supported API version is 1.41",
            "the Docker engine is too old: it knows API 1.41 at most",
            UPDATE,
        ),
        (
            "client is newer than server (client API version: 1.44, server API version: 1.41)",
            "the Docker engine is too old: it knows API 1.41 at most",
            UPDATE,
        ),
    ],
)
def test_every_cause_comes_with_the_command_to_type(
    said: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    error = docker_engine.cause(said)
    assert (error.message, error.hint) == (message, hint)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("client version 1.43 is too old. Minimum supported API version is 1.44", "library `docker` is too old"),
        ("client version 1.50 is too new. Maximum supported API version is 1.41", "it knows API 1.41 at most"),
        ("OCI runtime exec failed: permission denied", "the Docker engine refused: OCI runtime exec failed"),
    ],
)
def test_of_what_the_engine_refuses_only_a_version_is_a_cause_of_its_own(
    said: str, message: str, stub: Stub, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(short / "new.sock", "1.52")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/new.sock")
    with pytest.raises(TaskError, match=message), docker_engine.client(5):
        raise APIError("400 Client Error", explanation=said)


def test_a_password_in_docker_host_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://me:hunter2@127.0.0.1:9")
    assert "hunter2" not in failure().message + failure().hint


def test_without_docker_the_hint_is_how_to_get_it(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/none.sock")
    assert failure().message == "Docker is not installed"
