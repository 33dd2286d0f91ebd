"""Whether the Docker engine sees a directory of this host: it may run elsewhere, or this shell in a container.

Then what is mounted is empty there, or another directory of the same name, and everything that relies on it fails late.
"""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import docker_engine

if TYPE_CHECKING:
    from docker import DockerClient

#: what works wherever the engine is
WITHOUT = "   # Airflow as processes here, without the engine"
#: on a container of ours that is only looked into
LABEL = "aws-airflow-tasks.looks"


def check(directory: Path) -> None:
    """Look from a container for a file that is put into a directory of ours for that long.

    Raises:
        TaskError: it is not there; the message says which side sees what, the hint what works.
    """
    nonce = directory / f"nonce-{secrets.token_hex(8)}"
    try:
        nonce.write_text(nonce.name, encoding="utf-8")
        with docker_engine.client() as client:
            seen = look(client, directory, nonce.name)
    except (LookupError, OSError, TaskError):  # nobody can tell; the start will
        return
    finally:
        nonce.unlink(missing_ok=True)
    if seen != nonce.name.encode():
        raise unseen(directory, os.environ, in_container=is_container())


def look(client: DockerClient, directory: Path, name: str) -> bytes | None:
    """What a file in a directory of this host holds for a container that mounts it; None: it is not there.

    Nothing is run: a container is made of any image that the engine has, looked into and removed.

    Raises:
        LookupError: it cannot be told.
    """
    for left in client.containers.list(all=True, filters={"label": LABEL}):  # of a run that was killed
        left.remove(force=True)
    images = client.api.images()
    if not images:
        raise LookupError("the engine has no image")
    made = ""
    try:
        mount: Any = {"Target": "/aws-airflow", "Source": str(directory), "Type": "bind", "ReadOnly": True}
        host = client.api.create_host_config(mounts=[mount])
        made = client.api.create_container(images[0]["Id"], ["true"], host_config=host, labels={LABEL: "1"})["Id"]
        stream, _ = client.api.get_archive(made, f"/aws-airflow/{name}")
        return _only_file(b"".join(stream))
    except Exception as error:  # the SDK's own, by what they have: it loads from one module alone
        said = str(getattr(error, "explanation", ""))
        missing = getattr(error, "status_code", 0) == 404 or "source path does not exist" in said
        if missing:
            return None
        raise LookupError(said) from None
    finally:
        if made:
            client.api.remove_container(made, force=True)


def _only_file(archive: bytes) -> bytes | None:
    """The content of the one file in a tar archive."""
    import tarfile  # with it come compressors that nothing else needs

    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        file = opened.extractfile(opened.getmembers()[0])
        return file.read() if file else None


def is_container() -> bool:
    """Whether this shell itself is in a container, such as a dev container's."""
    return Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()


def unseen(directory: Path, environ: Mapping[str, str], *, in_container: bool) -> TaskError:
    """The error that the engine does not see ``directory``.

    Args:
        directory: the one to mount.
        environ: the environment; an engine that it names may be on another machine.
        in_container: whether this shell is in a container.
    """
    host = environ.get("DOCKER_HOST", "")
    remote = host.startswith(("ssh://", "tcp://", "http"))
    if in_container or environ.get("CODESPACES") or environ.get("REMOTE_CONTAINERS"):
        why = "this shell is in a container, and the engine is that of its host, which has no such directory"
        place = sh("{}", directory.parent.parent)
        way = (
            f"# give this container that directory of the host at the same path (devcontainer.json: mounts, {place}),\n"
            "# or an engine of its own (the dev container feature docker-in-docker)"
        )
    elif remote:
        why = f"the engine at {host.rpartition('@')[2] if '@' in host else host} is another machine, which has it not"
        way = "unset DOCKER_HOST   # an engine of this machine; or run this where the engine is"
    else:
        why = "the engine sees another directory there, or none"
        way = "docker context ls   # which engine it is; one in a virtual machine shares only some directories"
    return TaskError(
        f"{directory} is here, but not for the Docker engine: {why}",
        hint=f"{way}\n{command('setup', '--runtime embedded')}{WITHOUT}",
    )
