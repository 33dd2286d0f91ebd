"""Directories of ours that nobody else of this host can enter, or exchange for others.

As OpenSSH's ``StrictModes`` (sshd_config(5)): who can write a directory decides what lies in it, so each one on the way
counts, up from the person's home or else from the root, and so does the owner of each symlink that is followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from aws_airflow_tasks.core import UsageError, sh
from aws_airflow_tasks.world import files

#: symlinks in a path, of which Linux follows no more (path_resolution(7))
_MOST_LINKS = 40


def make(folder: Path) -> None:
    """Make a directory and those above it that are missing, each mode 0700 whatever the umask.

    One of ours that is there, and only open to be read, is closed.

    Raises:
        UsageError: others could exchange it; see :func:`check_way`.
        OSError: it cannot be made.
    """
    for place in (*files.missing_parents(folder), folder):
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:
            if not place.is_dir():
                raise
        else:
            place.chmod(0o700)
    check_way(folder)
    found = folder.stat()
    if found.st_uid == _uid() and found.st_mode & 0o077:
        folder.chmod(0o700)


def check(folder: Path) -> None:
    """Raise UsageError unless ``folder`` is a directory of ours that nobody else can enter or exchange.

    Raises:
        OSError: there is none, or it cannot be looked at.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise UsageError(f"{folder} is not a directory but something planted there", hint=sh("ls -ld {}", folder))
    if (ours := _uid()) is None:
        return
    if found.st_uid != ours:
        # what a command under sudo has left
        mend = 'sudo chown -R "$(id -u):$(id -g)" {}' if found.st_uid == 0 else "ls -ld {}"
        raise UsageError(f"{folder} belongs to another user", hint=sh(mend, folder))
    if found.st_mode & 0o077:
        raise UsageError(
            f"{folder} is open to others (mode {found.st_mode & 0o777:04o})", hint=sh("chmod 700 {}", folder)
        )
    check_way(folder)


def check_way(path: Path) -> None:
    """Raise UsageError where somebody else could decide what ``path`` leads to; what is not there yet is fine.

    Nobody else owns a directory or a symlink on the way, but for root and who owns the person's home, and nobody else
    can write a directory. A sticky one may be open (who can write it exchanges only what is their own there), and a
    group may write that is the owner's own, as where each user has one and a umask of 002.

    Raises:
        OSError: it cannot be looked at.
    """
    if (ours := _uid()) is None:
        return
    home = Path(os.path.realpath(Path.home()))
    owners = {0, ours}
    with contextlib.suppress(OSError):
        owners.add(home.stat().st_uid)
    way = dict(_way(path))
    places = list(way)
    for place in places[places.index(home) if home in way else 0 :]:
        _check_one(place, way[place], owners)


def check_home(again: str) -> str:
    """What to warn of where the person's home is another user's; empty where it is their own.

    Args:
        again: the command, for who is to type it without sudo.

    Raises:
        UsageError: it is the home of who typed ``sudo``, and would be left with files that they cannot write.
    """
    home = Path.home()
    if (ours := _uid()) is None or not home.exists() or (owner := home.stat().st_uid) == ours:
        return ""
    if os.environ.get("SUDO_UID") == str(owner):
        raise UsageError(
            f"sudo runs this as another user than you, with your home {home}: what it makes there you could not write",
            hint=f"{again}   # without sudo",
        )
    return f"your home {home} belongs to another user: what is made there may be of no use to either"


def _uid() -> int | None:
    """Who we are; None where files have no owner and no mode, as on Windows."""
    if sys.platform == "win32" or not hasattr(os, "geteuid"):
        return None
    return os.geteuid()


def _way(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """What decides where a path leads: each directory on the way, the root first, each symlink, and the end."""
    path = path.absolute()
    place, rest, links = Path(path.anchor), [*reversed(path.parts[1:])], 0
    yield place, place.lstat()
    while rest:
        place /= rest.pop()
        if place.name == "..":  # below a directory without symlinks in its path
            place = place.parent.parent
        try:
            found = place.lstat()
        except (OSError, ValueError):
            return
        yield place, found
        if stat.S_ISLNK(found.st_mode):
            target, links = place.readlink(), links + 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            rest += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            place = Path(target.anchor) if target.is_absolute() else place.parent


def _check_one(place: Path, found: os.stat_result, owners: set[int]) -> None:
    if found.st_uid not in owners:
        raise UsageError(
            f"{place} belongs to another user, who could exchange what we keep there", hint=sh("ls -ld {}", place)
        )
    others = 0 if stat.S_ISLNK(found.st_mode) or found.st_mode & stat.S_ISVTX else found.st_mode & 0o022
    if others == 0o020 and _is_own_group(found.st_uid, found.st_gid):
        others = 0
    if others:
        whom = {0o020: "g-w", 0o002: "o-w", 0o022: "go-w"}[others]
        sudo = "" if found.st_uid == _uid() else "sudo "
        raise UsageError(
            f"others can write {place} (mode {found.st_mode & 0o7777:04o}), and so exchange what we keep there",
            hint=sh(f"{sudo}chmod {whom} {{}}", place),
        )


def _is_own_group(user: int, group: int) -> bool:
    """Whether a group is a user's own primary one, and nobody else is in it."""
    if sys.platform == "win32":
        return False
    import grp
    import pwd

    with contextlib.suppress(KeyError):  # no such user or group in the system's lists
        entry = pwd.getpwuid(user)
        others = any(other.pw_gid == group and other.pw_uid != user for other in pwd.getpwall())
        return entry.pw_gid == group and not others and set(grp.getgrgid(group).gr_mem) <= {entry.pw_name}
    return False
