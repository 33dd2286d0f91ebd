"""The project's state directory, outside the project: receipts, the cached identity, staged credentials, our id.

Astro's ignore files do not cover anything of ours, so nothing secret or large may lie in the project itself.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path

from aws_airflow_tasks.core import TaskError


def root() -> Path:
    """The user's state directory of this tool: ``~/.local/state/aws-airflow``, or the platform's form of it."""
    from platformdirs import user_state_path

    return user_state_path("aws-airflow", appauthor=False)


def locate(project: Path) -> Path:
    """The state directory of ``project``, named after it; with a hash when another checkout holds the name.

    The name is kept readable, and the same for every teammate, because a mount in a shared file may name it.
    """
    plain = root() / (project.name or "root")
    holder = _holder(plain)
    if holder in (None, str(project)) or not Path(holder or "").is_dir():
        return plain
    return plain.with_name(f"{plain.name}-{hashlib.sha256(os.fsencode(project)).hexdigest()[:8]}")


def _holder(folder: Path) -> str | None:
    try:
        return (folder / "project").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None


def make(project: Path) -> Path:
    """Create the state directory (mode 0700) and the project's random id.

    Raises:
        TaskError: it cannot be created, is a symlink or is open to others.
    """
    folder = locate(project)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        private(folder)
        if _holder(folder) != str(project):
            (folder / "project").write_text(str(project), encoding="utf-8", errors="surrogateescape")
        if not (folder / "id").exists():
            (folder / "id").write_text(secrets.token_hex(8), encoding="utf-8")
    except OSError as error:
        raise TaskError(f"cannot write {error.filename or folder}: {error.strerror}", hint=f"ls -ld {folder}") from None
    return folder


def private(folder: Path) -> None:
    """Raise TaskError unless ``folder`` is a directory of ours that nobody else can enter."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise TaskError(f"{folder} is not a directory but something planted there", hint=f"ls -l {folder}")
    if os.name == "posix" and found.st_uid != os.getuid():
        raise TaskError(f"{folder} belongs to another user", hint=f"ls -ld {folder}")
    if os.name == "posix" and found.st_mode & 0o077:
        raise TaskError(f"{folder} is open to others (mode {found.st_mode & 0o777:04o})", hint=f"chmod 700 '{folder}'")


def project_id(folder: Path) -> str:
    """This project's random id, the tag of what is ours in AWS; empty before the first change."""
    try:
        return (folder / "id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
