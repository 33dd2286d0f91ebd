"""The way that credentials take to Airflow: the person's own files live, or a staged copy of the one profile."""

import os
import re
import stat
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath, PureWindowsPath
from typing import Literal, NamedTuple

from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world.endpoints import EVERYTHING
from aws_airflow_tasks.world.kinds import Kind
from aws_airflow_tasks.world.profiles import Credentials

#: the user and group of Airflow's containers (Astro's and Apache's images: ``astro``, ``airflow``)
AIRFLOW_UID, AIRFLOW_GID = 50000, 0
#: why the files alone are not enough, by kind: on this host, and in a container as well
NOT_ON_HOST: dict[Kind, str] = {
    "environment": "keys in environment variables are in no file",
    "mfa": "Airflow cannot be asked for an MFA code",
    "login": "Airflow has no login session",
}
NOT_IN_CONTAINER: dict[Kind, str] = NOT_ON_HOST | {
    "process": "the credential helper is not in Airflow's image",
    "sso": "an SSO token cannot be refreshed on a read-only mount",
    "web-identity": "the identity token's file is not in the container",
    "metadata": "the metadata service is this host's",
}


class Way(NamedTuple):
    """The way taken, and why, in a clause."""

    name: Literal["live", "export"]
    reason: str


def way(settings: Settings, credentials: Credentials, *, mounts: bool) -> Way:
    """What the setting says; ``auto`` exports for containers, and lets an Airflow on this host read the files.

    Args:
        settings: of the command line.
        credentials: what the configuration says.
        mounts: whether Airflow runs in containers.
    """
    if settings.credentials == "live":
        return Way("live", "live, as set")
    if settings.credentials == "export":
        return Way("export", "exported, as set")
    hindered = hindrance(settings, credentials, mounts=mounts)
    if not mounts:
        return Way("export", f"exported: {hindered}") if hindered else Way("live", "live: Airflow runs on this host")
    why = hindered or f"Airflow is to see profile {credentials.profile} only"
    return Way("export", f"exported: {why}")


def hindrance(settings: Settings, credentials: Credentials, *, mounts: bool) -> str:
    """Why Airflow could not use the person's own files, in a clause; empty when it could."""
    known = NOT_IN_CONTAINER if mounts else NOT_ON_HOST
    reason = known.get(credentials.kind) or known.get(credentials.source)
    reason = reason or misled(settings, credentials)
    if not reason and mounts and credentials.places:
        reason = f"{credentials.places[0]} names a place on this host"
    if not reason and mounts:
        reason = dangling((credentials.config_file, credentials.credentials_file))
    reason = reason or credentials.only_here
    return reason or (unreadable(_files(credentials)) if mounts and sys.platform == "linux" else "")


def misled(settings: Settings, credentials: Credentials) -> str:
    """How a login by Airflow itself would leave AWS, in a clause; empty: none would. Its botocore knows no logins."""
    everything = settings.endpoint_url or credentials.endpoints.get(EVERYTHING)
    if everything and credentials.source in ("sso", "web-identity"):
        return f"Airflow would send the login itself to {credentials.origin(settings, EVERYTHING)}"
    return ""


def unreadable(paths: Iterable[Path], uid: int = AIRFLOW_UID, gid: int = AIRFLOW_GID) -> str:
    """Which of ``paths``, or of their directories, another user id may not read, in a clause; empty when it may all.

    On Linux a mounted directory keeps owners and modes; Docker Desktop makes them of no account. The way to the
    directory does not count: a mount is entered from inside.
    """
    wanted = [(path, 4) for path in paths]
    for path, right in [*((folder, 1) for folder in {path.parent for path, _ in wanted}), *wanted]:
        found = path.stat()
        shift = 6 if found.st_uid == uid else 3 if found.st_gid == gid else 0
        if not found.st_mode >> shift & right:
            return f"{path.name} is mode {stat.S_IMODE(found.st_mode):04o}, which Airflow's user {uid} cannot read"
    return ""


def dangling(paths: Iterable[Path]) -> str:
    """Which of ``paths`` is a symlink that leads nowhere in a container, in a clause; empty when none is.

    There is the directory alone, at another path: a link out of it ends there, and so does any absolute one.
    """
    for path in paths:
        folder = Path(os.path.realpath(path.parent))
        at = folder / path.name
        for _ in range(40):  # as many as Linux follows
            if not at.is_symlink():
                break
            target = at.readlink()
            at = Path(os.path.normpath(at.parent / target))
            if target.is_absolute() or not at.is_relative_to(folder):
                return f"{path.name} is a symlink to {target}, which leads nowhere in a container"
    return ""


def unseen_by_snap(directory: PurePath, home: PurePath, docker: str, environ: Mapping[str, str]) -> bool:
    """Whether Docker is the one from snap, and ``directory`` hidden from it.

    It is confined to the home directory without what is hidden there: https://github.com/canonical/docker-snap,
    issues 189 and 334.

    Args:
        directory: the one to mount.
        home: the home directory.
        docker: the path of the ``docker`` command; empty: there is none.
        environ: the environment; an engine that it names is another one.
    """
    if not docker.startswith("/snap/") or environ.get("DOCKER_HOST"):
        return False
    return not directory.is_relative_to(home) or str(directory.relative_to(home)).startswith(".")


def _files(credentials: Credentials) -> list[Path]:
    return [path for path in (credentials.config_file, credentials.credentials_file) if path.exists()]


def same(mounted: str, directory: PurePath) -> bool:
    """Whether what an engine says it mounts is ``directory``: for ``C:\\Users``, ``/c/Users`` too (Docker Desktop)."""
    given = re.sub(r"\A/([A-Za-z])(?=/|\Z)", r"\1:", mounted) if isinstance(directory, PureWindowsPath) else mounted
    return type(directory)(given) == directory or os.path.realpath(given) == os.path.realpath(directory)


def source(directory: PurePath, home: PurePath) -> str:
    """A mount's source as every teammate's would read: ``~/…`` where it lies in the home directory.

    Elsewhere it is absolute, for Windows in the form that both Compose and the tutorial have: ``/c/Users/me/.aws``.
    """
    if directory.is_relative_to(home):
        return "~" if directory == home else f"~/{directory.relative_to(home).as_posix()}"
    if isinstance(directory, PureWindowsPath) and directory.drive.endswith(":"):
        return f"/{directory.drive[0].lower()}/{directory.relative_to(directory.anchor).as_posix()}"
    return directory.as_posix()
