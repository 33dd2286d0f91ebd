"""The way that credentials take to Airflow: the person's own files live, or a staged copy of the one profile."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterable
from pathlib import Path, PurePath, PureWindowsPath
from typing import Literal, NamedTuple

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Change
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import identity, staging
from aws_airflow_tasks.world.profiles import Credentials, Kind

#: runtimes in which Airflow's processes are the person's own, on this host
ON_HOST = ("embedded", "standalone")
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


def way(settings: Settings, credentials: Credentials) -> Way:
    """What the setting says; ``auto`` exports for containers, and lets an Airflow on this host read the files."""
    if settings.credentials == "live":
        return Way("live", "live, as set")
    if settings.credentials == "export":
        return Way("export", "exported, as set")
    hindered = hindrance(settings, credentials)
    if runtimes.resolve(settings) in ON_HOST:
        return Way("export", f"exported: {hindered}") if hindered else Way("live", "live: Airflow runs on this host")
    why = hindered or f"Airflow is to see profile {credentials.profile} only"
    return Way("export", f"exported: {why}")


def hindrance(settings: Settings, credentials: Credentials) -> str:
    """Why Airflow could not use the person's own files, in a clause; empty when it could."""
    on_host = runtimes.resolve(settings) in ON_HOST
    known = NOT_ON_HOST if on_host else NOT_IN_CONTAINER
    reason = known.get(credentials.kind) or known.get(credentials.source, "")
    return reason or ("" if on_host or sys.platform != "linux" else unreadable(_files(credentials)))


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


def _files(credentials: Credentials) -> list[Path]:
    return [path for path in (credentials.config_file, credentials.credentials_file) if path.exists()]


def delivered(settings: Settings, state: Path, credentials: Credentials) -> Credentials:
    """The same facts with the files that Airflow is to have: for a mount and for ``.env``."""
    if way(settings, credentials).name == "live":
        return credentials
    folder = staging.folder(state)
    return credentials._replace(config_file=folder / "config", credentials_file=folder / "credentials", staged=True)


def change(settings: Settings, state: Path, credentials: Credentials, *, renew_before: float = 0) -> Change | None:
    """What brings the staged copy to what the way needs; None when it is so.

    Args:
        settings: of the command line.
        state: the project's state directory.
        credentials: what the configuration says.
        renew_before: keys exported before this time (seconds since the epoch) are renewed whatever is left of them.
    """
    found = staging.staged(state)
    chosen = way(settings, credentials)
    if chosen.name == "live":
        return _removal(state, chosen) if staging.folder(state).exists() else None
    seen_at = str(staging.folder(state)) if runtimes.resolve(settings) in ON_HOST else settings.mount_path
    why = staging.missing(found, identity.definition(settings, os.environ), seen_at)
    if not why and found and found.exported < renew_before:
        why = "asked to"
    return _staging(settings, state, found, seen_at, f"{chosen.reason}; {why}") if why else None


def _staging(settings: Settings, state: Path, found: staging.Staged | None, seen_at: str, reason: str) -> Change:
    return Change(
        target=_target(state),
        action="refresh" if found else "create",
        before=_described(found) if found else None,
        after="fresh credentials of the profile alone\n",
        apply=lambda: _stage(settings, state, seen_at),
        receipt=None if found else {"kind": "staged"},
        reason=reason,
    )


def _removal(state: Path, chosen: Way) -> Change:
    before = "credentials that were staged earlier\n"
    return Change(_target(state), "delete", before, None, lambda: staging.remove(state), reason=chosen.reason)


def _target(state: Path) -> str:
    return source(staging.folder(state), Path.home())


def _described(found: staging.Staged) -> str:
    if found.expiry is None:
        return "credentials that do not say when they end\n"
    return f"credentials that end at {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(found.expiry))}\n"


def _stage(settings: Settings, state: Path, seen_at: str) -> None:
    defined = identity.definition(settings, os.environ)  # before the export: a change meanwhile makes it void
    credentials, keys = staging.export(settings)
    record = staging.Staged(defined, seen_at, time.time(), keys.expiry)
    staging.stage(state, staging.contents(credentials, keys, seen_at), record)


def source(directory: PurePath, home: PurePath) -> str:
    """A mount's source as every teammate's would read: ``~/…`` where it lies in the home directory.

    Elsewhere it is absolute, for Windows in the form that both Compose and the tutorial have: ``/c/Users/me/.aws``.
    """
    if directory.is_relative_to(home):
        return "~" if directory == home else f"~/{directory.relative_to(home).as_posix()}"
    if isinstance(directory, PureWindowsPath) and directory.drive.endswith(":"):
        return f"/{directory.drive[0].lower()}/{directory.relative_to(directory.anchor).as_posix()}"
    return directory.as_posix()
