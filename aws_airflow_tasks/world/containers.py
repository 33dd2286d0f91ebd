"""The project's containers, through the docker SDK: found by Compose's and Astro's labels, never by guessed names."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.world import docker_engine, waits

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.networks import Network

#: set by Compose and by the Astro CLI on every container it creates (astro-cli ``airflow/docker.go`` and its templates)
WORKING_DIR = "com.docker.compose.project.working_dir"
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ASTRO = "io.astronomer.docker.cli"
COMPONENT = "io.astronomer.docker.component"


def of_project(client: DockerClient, project: Path) -> list[Container]:
    """The containers that the Astro CLI made for ``project``, running or not.

    The CLI labels them with the directory as the shell named it, which may lead through symlinks.
    """
    wanted = os.path.realpath(project)
    here = [each for each in _listed(client) if os.path.realpath(each["Labels"].get(WORKING_DIR, "")) == wanted]
    return _read(client, here)


def left_behind(client: DockerClient, state: Path) -> list[Container]:
    """Those that the CLI made in a directory that is gone, as a renamed one: one of them mounts what is in ``state``.

    The CLI itself knows them no more.
    """
    everything, ours = _listed(client), os.path.realpath(state)
    gone = {
        folder
        for each in everything
        if not os.path.lexists(folder := each["Labels"].get(WORKING_DIR, ""))
        for mount in each.get("Mounts") or ()
        if os.path.realpath(_source(mount)).startswith(f"{ours}{os.sep}")
    }
    return _read(client, [each for each in everything if each["Labels"].get(WORKING_DIR) in gone])


def _listed(client: DockerClient) -> list[dict[str, Any]]:
    with waits.told(docker_engine.NAME):
        found: list[dict[str, Any]] = client.api.containers(all=True, filters={"label": [f"{ASTRO}=true", SERVICE]})
    return found


def _read(client: DockerClient, listed: Sequence[Mapping[str, Any]]) -> list[Container]:
    found = []
    for each in listed:
        with docker_engine.unless_gone():  # since it was listed
            found.append(client.containers.get(each["Id"]))
    return found


def stop(found: Sequence[Container]) -> None:
    """Stop containers side by side; each gets the engine's usual time to end by itself."""
    from concurrent.futures import ThreadPoolExecutor

    def end(container: Container) -> None:
        with docker_engine.unless_gone():
            container.stop()

    with ThreadPoolExecutor(max_workers=max(1, len(found))) as pool, waits.told("containers to stop"):
        list(pool.map(end, found))


def remove(client: DockerClient, found: Sequence[Container]) -> None:
    """Remove containers and the networks of their Compose projects; named volumes stay.

    Raises:
        TaskError: a container of somebody else's is in such a network.
    """
    names = {name for each in found if (name := each.labels.get(PROJECT))}
    for container in found:
        with docker_engine.unless_gone():
            container.remove(force=True)
    for name in names:
        for network in client.networks.list(filters={"label": f"{PROJECT}={name}"}, greedy=True):
            _refuse_shared(network)
            network.remove()


def _refuse_shared(network: Network) -> None:
    """The engine removes no network that a container is in, and tells no name of that."""
    others = [each["Name"] for each in (network.attrs.get("Containers") or {}).values()]
    if others:
        out = "".join(sh("docker network disconnect {} {} && ", network.name, each) for each in others)
        raise TaskError(
            f"the network {network.name} stays, as {', '.join(others)} is in it",
            hint=out + sh("docker network rm {}", network.name),
        )


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
    return {mount["Destination"]: (_source(mount), not mount.get("RW", True)) for mount in found}


def _source(mount: Mapping[str, Any]) -> str:
    return re.sub(_IN_A_MACHINE, "", mount.get("Source", ""))


#: where Docker Desktop's machine has the host's files
_IN_A_MACHINE = r"^(/host_mnt|/run/desktop/mnt/host)(?=/)"


def published_port(container: Container, inner: int) -> int | None:
    """The host's port that ``inner`` is published on; the Astro CLI may have moved it from 8080."""
    bindings = (container.attrs["NetworkSettings"].get("Ports") or {}).get(f"{inner}/tcp") or []
    return int(bindings[0]["HostPort"]) if bindings else None


def image_labels(client: DockerClient, name: str) -> dict[str, str]:
    """The labels of an image that the engine has; empty when it has none such."""
    with docker_engine.unless_gone():
        return dict(client.images.get(name).labels) if name else {}
    return {}


def log(container: Container, lines: int = 15) -> str:
    """The last lines that a container wrote; nothing of one that is gone, or is being removed."""
    with docker_engine.unless_gone():
        return bytes(container.logs(tail=lines)).decode(errors="replace")
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
        raise docker_engine.cause(str(error)) from error
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
