"""The project's containers, through the docker SDK: found by Compose's and Astro's labels, never by guessed names."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.hints import install, note
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import threads, waits

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from requests import PreparedRequest, Response

#: set by Compose and by the Astro CLI on every container it creates (astro-cli ``airflow/docker.go`` and its templates)
WORKING_DIR = "com.docker.compose.project.working_dir"
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ASTRO = "io.astronomer.docker.cli"
COMPONENT = "io.astronomer.docker.component"
DOCKER_SOCKET = Path("/var/run/docker.sock")
#: seconds for one answer of the engine
TIMEOUT = 30
#: how to start an engine, by ``sys.platform``; the empty key for every other platform
START = {
    "darwin": "open -a Docker",
    "win32": "start Docker Desktop",
    "": "sudo systemctl start docker",
}


@contextlib.contextmanager
def engine(timeout: float = TIMEOUT) -> Iterator[DockerClient]:
    """A client of the engine that ``DOCKER_HOST`` or the current context names, or of Podman where only that is there.

    Args:
        timeout: seconds for one answer.

    Raises:
        TaskError: no engine answers, it may not be asked, or it is too old.
    """
    for name in ("docker", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from docker.errors import APIError, DockerException

    if waits.is_silent(_ENGINE):
        raise cause(_SILENT)
    try:
        with contextlib.closing(_client(timeout)) as client:
            yield client
    except APIError as error:
        raise _refused(str(error.explanation or error)) from error
    except DockerException as error:
        raise cause(str(error)) from error
    except OSError as error:
        if not hasattr(error, "request"):  # as the errors of requests have, which the SDK lets through
            raise
        raise cause(str(error)) from error


#: who is silent where it is the engine, and what the SDK says then
_ENGINE, _SILENT = "the Docker engine", "timed out"


def _client(timeout: float) -> DockerClient:
    import docker

    asking = partial(docker.from_env, timeout=int(timeout), environment=_environment())
    try:
        with waits.told(f"{_ENGINE} (at most {timeout:g} s)"):
            client = threads.within(2 * timeout, asking)  # its own timeout begins anew with every byte
    except threads.Late:
        raise cause(_SILENT) from None
    except OSError as error:
        raise cause(str(error)) from error
    client.api.send = _in_time(client.api.send)  # type: ignore[method-assign]
    return client


def _in_time(send: Callable[..., Response]) -> Callable[..., Response]:
    """``send`` of the SDK's session, with a bound for an answer that it reads to its end, as for the first."""
    from docker.errors import DockerException

    def sent(request: PreparedRequest, *, timeout: float | None = None, **how: Any) -> Response:
        asking = partial(send, request, timeout=timeout, **how)
        if timeout is None or how.get("stream"):
            return asking()
        try:
            return threads.within(2 * timeout, asking)
        except threads.Late:
            raise DockerException(_SILENT) from None

    return sent


def _environment() -> dict[str, str]:
    """Ours; with Podman's socket where nobody named an engine and Docker's own socket is not there."""
    found = dict(os.environ)
    user = os.getuid() if hasattr(os, "getuid") else 0
    podman = Path(found.get("XDG_RUNTIME_DIR") or f"/run/user/{user}", "podman", "podman.sock")
    if podman.is_socket() and not _names_an_engine(found):
        found["DOCKER_HOST"] = f"unix://{podman}"
    return found


def _names_an_engine(environment: Mapping[str, str]) -> bool:
    from docker.context import ContextAPI

    named = environment.get("DOCKER_HOST") or environment.get("DOCKER_CONTEXT")
    return bool(named) or DOCKER_SOCKET.exists() or ContextAPI.get_current_context().name != "default"


def cause(text: str) -> TaskError:
    """What keeps us from the engine, by what the SDK says, and what to type."""
    if re.search(_TIMED_OUT, text):
        waits.note_silence(_ENGINE)
    host = cleaned(os.environ.get("DOCKER_HOST", ""))
    at = f" at {host} (DOCKER_HOST)" if host else ""
    for pattern, message, hint in _CAUSES:
        if found := re.search(pattern, text):
            return TaskError(message.format(*found.groups(), at=at), hint=hint)
    if not shutil.which("docker") and not shutil.which("podman"):
        return TaskError(
            "Docker is not installed", hint=note("install Docker: https://docs.docker.com/get-started/get-docker/")
        )
    start = START.get(sys.platform, START[""])
    return TaskError(
        f"no Docker engine answers{at}", hint="unset DOCKER_HOST   # or start the engine that it names" if at else start
    )


#: what mends an engine that hangs, and one of another age
_RESTART = {"darwin": "docker desktop restart", "win32": "docker desktop restart"}.get(
    sys.platform, "sudo systemctl restart docker"
)
_UPDATE = note("bring the Docker engine, or this tool, up to date: https://docs.docker.com/engine/install/")
#: what the SDK says of silence
_TIMED_OUT = r"[Tt]imed out"
#: what the SDK says, what it is, what to type
_CAUSES = (
    (
        r"[Pp]ermission ?[Dd]enied|PermissionError",
        "you have no permission on the Docker engine's socket",
        "sudo usermod -aG docker $USER && newgrp docker",
    ),
    (r"API versions below ([\d.]+)", "the Docker engine is too old: API {} is needed", _UPDATE),
    (r"paramiko", "the Docker engine{at} is reached over ssh, which needs paramiko", install("paramiko")),
    (
        r"TLS|certificate",
        "the Docker engine{at} wants other certificates",
        note("ask who runs that engine for its certificates; DOCKER_CERT_PATH names their directory"),
    ),
    (r"Invalid bind address|Invalid .*host", "there is no address of an engine{at}", "unset DOCKER_HOST"),
    (_TIMED_OUT, "the Docker engine{at} does not answer in time", _RESTART),
)


def _refused(said: str) -> TaskError:
    if "too new" in said or "too old" in said:
        return TaskError(f"the Docker engine's API does not fit: {telling(said)}", hint=_UPDATE)
    return TaskError(f"the Docker engine refused: {telling(said)}", hint="docker info")


def of_project(client: DockerClient, project: Path) -> list[Container]:
    """The containers that the Astro CLI made for ``project``, running or not.

    The CLI labels them with the directory as the shell named it, which may lead through symlinks.
    """
    from docker.errors import NotFound

    wanted, found = os.path.realpath(project), []
    with waits.told(_ENGINE):
        everything = client.api.containers(all=True, filters={"label": [f"{ASTRO}=true", SERVICE]})
    for each in everything:
        if os.path.realpath(each["Labels"].get(WORKING_DIR, "")) == wanted:
            with contextlib.suppress(NotFound):  # gone since it was listed
                found.append(client.containers.get(each["Id"]))
    return found


def stop(found: Sequence[Container]) -> None:
    """Stop containers side by side; each gets the engine's usual time to end by itself."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=max(1, len(found))) as pool, waits.told("containers to stop"):
        list(pool.map(lambda container: container.stop(), found))


def remove(client: DockerClient, found: Sequence[Container]) -> None:
    """Remove containers and the networks of their Compose projects; named volumes stay."""
    names = {name for each in found if (name := each.labels.get(PROJECT))}
    for container in found:
        container.remove(force=True)
    for name in names:
        for network in client.networks.list(filters={"label": f"{PROJECT}={name}"}):
            network.remove()


def service(container: Container) -> str:
    """The Compose service that a container is of."""
    return str(container.labels.get(SERVICE, ""))


def component(container: Container) -> str:
    """What part of Airflow a container is, such as ``airflow-scheduler``; empty for the database and strangers."""
    return str(container.labels.get(COMPONENT, ""))


def environment(container: Container) -> dict[str, str]:
    """The environment variables that a container was created with."""
    return dict(pair.partition("=")[::2] for pair in container.attrs["Config"].get("Env") or [])


def identity(container: Container) -> str:
    """What changes when a container is created or started anew."""
    return f"{container.id}:{container.attrs['State'].get('StartedAt', '')}"


def started(container: Container) -> float:
    """When a container was started, in seconds since the epoch, by the engine's clock."""
    text = re.sub(r"(\.\d{6})\d*", r"\1", container.attrs["State"].get("StartedAt", ""))
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0


def healthy(container: Container) -> bool:
    """Running, and not reported unhealthy by a health check of its own."""
    found = container.attrs["State"]
    status = (found.get("Health") or {}).get("Status", "none")
    return bool(found.get("Running")) and not found.get("Restarting") and status in ("healthy", "none", "")


def connected(container: Container) -> bool:
    """Whether a container is in a network, of which Compose and the Astro CLI make one for each project."""
    return bool(container.attrs.get("NetworkSettings", {}).get("Networks", True))


def exit_code(container: Container) -> int:
    """The code that a container ended with; 0 while it runs, when it ended well, and when it is being removed."""
    found = container.attrs["State"]
    return int(found.get("ExitCode") or 0) if found.get("Status") == "exited" else 0


def restarts(container: Container) -> int:
    """How often the engine started a container again that had ended by itself."""
    return int(container.attrs.get("RestartCount") or 0)


def mounts(container: Container) -> dict[str, tuple[str, bool]]:
    """A container's mounts: target -> (source, whether it is read-only)."""
    found = container.attrs.get("Mounts") or []
    return {
        mount["Destination"]: (re.sub(_IN_A_MACHINE, "", mount.get("Source", "")), not mount.get("RW", True))
        for mount in found
    }


#: where Docker Desktop's machine has the host's files
_IN_A_MACHINE = r"^(/host_mnt|/run/desktop/mnt/host)(?=/)"


def published_port(container: Container, inner: int) -> int | None:
    """The host's port that ``inner`` is published on; the Astro CLI may have moved it from 8080."""
    bindings = (container.attrs["NetworkSettings"].get("Ports") or {}).get(f"{inner}/tcp") or []
    return int(bindings[0]["HostPort"]) if bindings else None


def image_labels(client: DockerClient, name: str) -> dict[str, str]:
    """The labels of an image that the engine has; empty when it has none such."""
    from docker.errors import ImageNotFound, NullResource

    with contextlib.suppress(ImageNotFound, NullResource):
        return dict(client.images.get(name).labels)
    return {}


def log(container: Container, lines: int = 15) -> str:
    """The last lines that a container wrote; nothing of one that is gone, or is being removed."""
    from docker.errors import APIError

    try:
        return bytes(container.logs(tail=lines)).decode(errors="replace")
    except APIError as error:
        if error.status_code not in (404, 409):
            raise
        return ""


def run(container: Container, argv: Sequence[str], *, stdin: str = "", timeout: float = 120) -> tuple[int, str, str]:
    """Run ``argv`` in a container as its own user, with ``stdin`` on its standard input.

    Returns:
        The exit code, stdout and stderr.

    Raises:
        TaskError: it takes longer than ``timeout`` seconds, or the engine goes away.
    """
    assert container.client
    api = container.client.api
    made = api.exec_create(container.id, list(argv), stdin=True)["Id"]
    stream = api.exec_start(made, socket=True)
    raw: Any = getattr(stream, "_sock", stream)
    try:
        raw.settimeout(timeout)
        raw.sendall(stdin.encode())
        raw.shutdown(socket.SHUT_WR)
        with waits.told(f"`{argv[0]}` in {service(container)} (at most {timeout:g} s)"):
            out, err = _frames(raw, time.monotonic() + timeout)
    except TimeoutError:
        raise TaskError(
            f"`{argv[0]}` in {service(container)} did not end within {timeout:g} seconds",
            hint=sh("docker restart {}", container.name),
        ) from None
    except OSError as error:
        raise cause(str(error)) from error
    finally:
        stream.close()
        raw.close()
    return int(api.exec_inspect(made)["ExitCode"] or 0), out, err


def _frames(raw: socket.socket, deadline: float) -> tuple[str, str]:
    """Both output streams until they end; the engine sends frames: stream, length (Docker's API, "attach")."""
    streams: dict[int, list[bytes]] = {1: [], 2: []}
    while header := _exactly(raw, 8, deadline):
        number, length = struct.unpack(">BxxxL", header)
        streams.setdefault(number, []).append(_exactly(raw, length, deadline))
    out, err = (b"".join(streams[number]).decode(errors="replace") for number in (1, 2))
    return out, err


def _exactly(raw: Any, length: int, deadline: float) -> bytes:
    """So many bytes, or fewer when the stream ends."""
    data = b""
    while len(data) < length:
        raw.settimeout(max(0.01, deadline - time.monotonic()))
        part = raw.recv(length - len(data))
        if not part:
            return b""
        data += part
    return data
