"""The Docker engine: a client of it through the docker SDK, and why there is none.

The one door to the SDK; what is asked of an engine is in ``containers``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_airflow_tasks.core import TaskError, expanded, sh
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.hints import install, note
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import threads, waits

if TYPE_CHECKING:
    from docker import DockerClient
    from requests import PreparedRequest, Response

#: who is waited for
NAME = "the Docker engine"
DOCKER_SOCKET = Path("/var/run/docker.sock")
#: seconds for one answer of the engine
TIMEOUT = 30
#: how to start an engine, by ``sys.platform``; the empty key for every other platform
START = {
    "darwin": "open -a Docker",
    "win32": "start Docker Desktop",
    "": "sudo systemctl start docker",
}
#: the same, by the context that an engine's own setup makes
START_OF = {
    "colima": "colima start",
    "desktop-linux": START.get(sys.platform, "systemctl --user start docker-desktop"),
    "orbstack": "orb start",
    "rootless": "systemctl --user start docker",
}


@contextlib.contextmanager
def client(timeout: float = TIMEOUT) -> Iterator[DockerClient]:
    """A client of the engine that ``DOCKER_HOST`` or the current context names, or of Podman where only that is there.

    Args:
        timeout: seconds for one answer.

    Raises:
        TaskError: no engine answers, it may not be asked, or it is too old.
    """
    for name in ("docker", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from docker.errors import APIError, DockerException

    if waits.is_silent(NAME):
        raise cause(_SILENT)
    try:
        with contextlib.closing(_asked(timeout)) as found:
            yield found
    except APIError as error:
        raise _refused(str(error.explanation or error)) from error
    except DockerException as error:
        raise cause(str(error)) from error
    except OSError as error:
        if not hasattr(error, "request"):  # as the errors of requests have, which the SDK lets through
            raise
        raise cause(str(error)) from error


@contextlib.contextmanager
def unless_gone() -> Iterator[None]:
    """Go on after it where the engine has no such thing any more, or is removing it: 404 and 409 of Docker's API."""
    from docker.errors import APIError

    try:
        yield
    except APIError as error:
        if error.status_code not in (404, 409):
            raise


#: what the SDK says of an engine that is silent
_SILENT = "timed out"


def _asked(timeout: float) -> DockerClient:
    import docker
    from docker.errors import InvalidConfigFile

    try:
        _refuse_unknown_context()
        asking = partial(docker.from_env, timeout=int(timeout), environment=_environment())
        with waits.told(f"{NAME} (at most {timeout:g} s)"):
            found = threads.within(2 * timeout, asking, lambda: cause(_SILENT))
    except OSError as error:
        raise cause(str(error)) from error
    except (AttributeError, InvalidConfigFile, LookupError, TypeError, ValueError) as error:
        if re.search(_NO_ADDRESS, str(error)):
            raise cause(str(error)) from error
        raise _damaged(error) from error
    except Exception as error:
        if type(error) is not Exception:  # as the SDK raises of the file of a context
            raise
        raise _damaged(error) from error
    found.api.send = _in_time(found.api.send)  # type: ignore[method-assign]
    return found


def _in_time(send: Callable[..., Response]) -> Callable[..., Response]:
    """``send`` of the SDK's session, with a bound for an answer that it reads to its end, as for the first."""
    from docker.errors import DockerException

    def sent(request: PreparedRequest, *, timeout: float | None = None, **how: Any) -> Response:
        asking = partial(send, request, timeout=timeout, **how)
        if timeout is None or how.get("stream"):
            return asking()
        return threads.within(2 * timeout, asking, lambda: DockerException(_SILENT))

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
    if named or DOCKER_SOCKET.exists():
        return True
    current = ContextAPI.get_current_context()
    return current is not None and current.name != "default"  # None: left over, of an engine that was removed


def _refuse_unknown_context() -> None:
    """The SDK takes the default engine where it does not find the context that a variable names; `docker` refuses.

    It looks for contexts beside Docker's configuration file, and finds none where there is no such file.
    """
    from docker.context import ContextAPI
    from docker.utils.config import find_config_file

    name = os.environ.get("DOCKER_CONTEXT", "")
    if not name or os.environ.get("DOCKER_HOST") or ContextAPI.get_context(name):
        return
    folder = expanded(os.environ.get("DOCKER_CONFIG") or "~/.docker")
    if (folder / "contexts").is_dir() and not find_config_file():
        file = folder / "config.json"
        said = f"the Docker context {cleaned(name)} (DOCKER_CONTEXT) cannot be read without {file}"
        raise TaskError(said, hint=sh("docker context use {}   # it writes that file", name))
    raise TaskError(
        f"there is no Docker context {cleaned(name)} (DOCKER_CONTEXT)",
        hint="unset DOCKER_CONTEXT   # or let it name one that is there: docker context ls",
    )


def _damaged(error: Exception) -> TaskError:
    """What is in Docker's own configuration is taken as it is by the SDK, which stumbles then."""
    from docker.utils.config import find_config_file

    path = _damaged_context() or str(find_config_file() or "")
    if not path:
        raise error
    return TaskError(f"the configuration of Docker is damaged: {path}", hint=sh("less {}", path))


def _damaged_context() -> str | None:
    """The file of the current context where the SDK cannot read that; None: it can, or there is none."""
    from docker.context import Context
    from docker.context.config import get_current_context_name, get_meta_file

    name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
    if not isinstance(name, str) or os.environ.get("DOCKER_HOST"):
        return None
    try:
        Context.load_context(name)
    except Exception:  # whatever it stumbles over
        return str(get_meta_file(name))
    return None


def cause(text: str) -> TaskError:
    """What keeps us from the engine, by what the SDK says, and what to type."""
    if re.search(_TIMED_OUT, text):
        waits.note_silence(NAME)
    if known := _known(text, CAUSES):
        return known
    if not shutil.which("docker") and not shutil.which("podman"):
        return TaskError(
            "Docker is not installed", hint=note("install Docker: https://docs.docker.com/get-started/get-docker/")
        )
    return TaskError(f"no Docker engine answers{_named()}", hint=_start())


def _known(text: str, rows: Sequence[Cause]) -> TaskError | None:
    for row in rows:
        if found := re.search(row.seen, text):
            words = {"at": _named(), "paramiko": install("paramiko"), "docker": install("docker", upgrade=True)}
            words |= found.groupdict()
            return TaskError(row.cause.format_map(words), hint=row.hint.format_map(words))
    return None


def _named() -> str:
    """Where the engine is, if a variable or a context names it, in a clause."""
    host, name = cleaned(os.environ.get("DOCKER_HOST", "")), cleaned(_context())
    return f" at {host} (DOCKER_HOST)" if host else f" in the context {name}" if name else ""


def _start() -> str:
    """What starts the engine that is asked, or has another one asked."""
    if os.environ.get("DOCKER_HOST"):
        return "unset DOCKER_HOST   # or start the engine that it names"
    name = _context()
    if not name:
        return START.get(sys.platform, START[""])
    another = "unset DOCKER_CONTEXT" if os.environ.get("DOCKER_CONTEXT") else "docker context use default"
    return START_OF.get(name) or f"{another}   # or start the engine that the context names"


def _context() -> str:
    """The context that names the engine; empty: none but the default one does, or it cannot be read."""
    from docker.context import ContextAPI

    with contextlib.suppress(Exception):  # whatever the SDK stumbles over
        found = ContextAPI.get_context(os.environ.get("DOCKER_CONTEXT"))
        return "" if found is None or found.name == "default" else str(found.name)
    return ""


#: what mends an engine that hangs, and one of another age
_RESTART = {"darwin": "docker desktop restart", "win32": "docker desktop restart"}.get(
    sys.platform, "sudo systemctl restart docker"
)
_UPDATE = note("bring the Docker engine, or this tool, up to date: https://docs.docker.com/engine/install/")
#: what the SDK says of silence
_TIMED_OUT = r"[Tt]imed out"
#: what it, and Python, say of what is no address
_NO_ADDRESS = r"Invalid bind address|Invalid .*host|Invalid IPv6 URL|^Port (?:could not be cast|out of range)"


class Cause(NamedTuple):
    """A pattern of what the SDK says, such words in short, what it is, what to type; a package's name installs it."""

    seen: str
    says: str
    cause: str
    hint: str


#: of the engine itself, whose other refusals are about what it was asked for
_OF_VERSIONS = (
    Cause(
        r"client version [\d.]+ is too old\D+(?P<api>\d+\.\d+)",
        "client version 1.43 is too old. Minimum supported API version is 1.44",
        "this tool's library `docker` is too old for the Docker engine{at}: API {api} is needed",
        "{docker}",
    ),
    Cause(
        r"(?:client version [\d.]+ is too new|client is newer than server\D+[\d.]+)\D+(?P<api>\d+\.\d+)",
        "client version 1.51 is too new. Maximum supported API version is 1.41",
        "the Docker engine{at} is too old: it knows API {api} at most",
        _UPDATE,
    ),
)
CAUSES = (
    *_OF_VERSIONS,
    Cause(
        r"[Pp]ermission ?[Dd]enied|PermissionError",
        "[Errno 13] Permission denied",
        "you have no permission on the Docker engine's socket",
        "sudo usermod -aG docker $USER && newgrp docker",
    ),
    Cause(
        r"API versions below (?P<api>[\d.]+)",
        "API versions below 1.24 are not supported",
        "the Docker engine is too old: API {api} is needed",
        _UPDATE,
    ),
    Cause(
        r"paramiko",
        "Install paramiko package to enable ssh:// support",
        "the Docker engine{at} is reached over ssh, which needs paramiko",
        "{paramiko}",
    ),
    Cause(
        r"TLS|certificate",
        "certificate verify failed",
        "the Docker engine{at} wants other certificates",
        note("ask who runs that engine for its certificates; DOCKER_CERT_PATH names their directory"),
    ),
    Cause(
        _NO_ADDRESS,
        "Invalid bind address format",
        "there is no address of an engine{at}",
        "unset DOCKER_HOST",
    ),
    Cause(_TIMED_OUT, "Read timed out", "the Docker engine{at} does not answer in time", _RESTART),
)


def _refused(said: str) -> TaskError:
    return _known(said, _OF_VERSIONS) or TaskError(f"the Docker engine refused: {telling(said)}", hint="docker info")
