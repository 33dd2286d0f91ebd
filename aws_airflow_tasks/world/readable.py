"""Whether a process can read the files of credentials: of what it sees of them, the cause, and what mends it.

botocore takes a file that it cannot read for one that is not there, and says nothing. What a process sees (user, mode,
kind, engine) is data here, and the words and the command come from a table.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from aws_airflow_tasks.core import sh
from aws_airflow_tasks.text.calling import command, under

#: what stands at a path: ``link`` leads nowhere, ``hidden`` is behind a directory that may not be entered
Kind = Literal["file", "directory", "link", "other", "absent", "hidden"]
#: how an engine runs containers; empty: the process is of this host
Engine = Literal["", "plain", "rootless", "userns", "desktop"]
#: what keeps a file from being read
Obstacle = Literal["mode", "directory", "link", "absent", "lost", "label", "other"]
#: whose the files are that the process reads: its own host's, the person's through a mount, a staged copy
Place = Literal["host", "live", "staged"]


class Seen(NamedTuple):
    """A file, as a process sees it.

    Attributes:
        path: its name there.
        kind: what stands there.
        mode: its permissions, such as 0o600; of what is hidden, those of the directory that bars the way.
        uid: its owner's number there; of what is hidden, that of the same directory.
        gid: its group's.
        barred: the directory that may not be entered; empty: none is in the way.
        error: what the system says of reading it; empty: it could be read.
    """

    path: str
    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    barred: str = ""
    error: str = ""


class Process(NamedTuple):
    """Who reads, and where.

    Attributes:
        uid: the number of its user.
        groups: the numbers of its groups.
        label: what Linux's security module calls it; empty: none does.
        engine: how its engine runs containers; empty: it runs on this host.
    """

    uid: int
    groups: Collection[int] = ()
    label: str = ""
    engine: Engine = ""


class Files(NamedTuple):
    """The files as this host has them.

    Attributes:
        place: whose they are.
        directory: the one that holds them.
        names: those of them that are files here.
        lost: those of them that were made here, and are no more.
    """

    place: Place
    directory: Path
    names: Collection[str] = ()
    lost: Collection[str] = ()


def told(facts: Mapping[str, Any], *, contained: bool) -> tuple[list[Seen], Process]:
    """What a probe (``steps/probe.py.txt``) reports of the files, and of the process that it ran in.

    Args:
        facts: its answer.
        contained: whether it ran in a container.
    """
    who = facts["process"]
    runs = engine(who["uid_map"], who["kernel"]) if contained else ""
    return [Seen(**each) for each in facts["files"]], Process(facts["uid"], who["groups"], who["label"], runs)


def engine(uid_map: str, kernel: str) -> Engine:
    """How an engine runs the container that a process is in, by what is seen there.

    Args:
        uid_map: ``/proc/self/uid_map`` there: lines of first number inside, first outside, how many
            (user_namespaces(7)); an engine without root maps its own user alone to root.
        kernel: its release; Docker Desktop's is named after LinuxKit.
    """
    if "linuxkit" in kernel:
        return "desktop"
    first = uid_map.split()[:3]
    if len(first) < 3 or first[1] == "0":
        return "plain"
    return "rootless" if first[2] == "1" else "userns"


def look(path: Path) -> Seen:
    """A file, as this process sees it."""
    barred = next((each for each in reversed(path.parents) if each.is_dir() and not os.access(each, os.X_OK)), None)
    if barred:
        found = barred.stat()
        return Seen(str(path), "hidden", stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, str(barred), "barred")
    try:
        found = path.stat()
    except FileNotFoundError:
        return Seen(str(path), "link" if path.is_symlink() else "absent", error=os.strerror(errno.ENOENT))
    except OSError as error:
        return Seen(str(path), "other", error=error.strerror or type(error).__name__)
    facts = (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
    if not stat.S_ISREG(found.st_mode):
        return Seen(str(path), "directory" if stat.S_ISDIR(found.st_mode) else "other", *facts, error="it is no file")
    return Seen(str(path), "file", *facts, error="" if os.access(path, os.R_OK) else "Permission denied")


def finding(seen: Sequence[Seen], process: Process, files: Files) -> tuple[str, str] | None:
    """Why a file cannot be read, and what to type; None: all that this host has can be.

    Args:
        seen: the files as the process sees them.
        process: who reads.
        files: as this host has them.
    """
    for obstacle in _WORDS:
        hit = [each for each in seen if _obstacle(each, process, files) == obstacle]
        if hit:
            names = " and ".join(each.path for each in hit)
            about = _WORDS[obstacle](hit[0], process, names)
            return about, _WAYS[obstacle, files.place](hit[0], process, files)
    return None


def _obstacle(seen: Seen, process: Process, files: Files) -> Obstacle | None:
    if seen.kind == "absent":
        name = PurePosixPath(seen.path).name
        return "absent" if name in files.names else "lost" if name in files.lost else None
    if not seen.error:
        return None
    if seen.kind == "directory" or seen.kind == "link":
        return seen.kind
    if seen.kind == "other":
        return "other"
    if files.place == "host" or not _may(seen, process):
        return "mode"
    denied = seen.kind == "hidden" or "ermission denied" in seen.error
    return "label" if denied and process.engine and ":" in process.label else "other"


def _may(seen: Seen, process: Process) -> bool:
    """Whether owner and mode let a process read a file, or enter what bars the way (path_resolution(7))."""
    shift = 6 if seen.uid == process.uid else 3 if seen.gid in process.groups else 0
    return process.uid == 0 or bool(seen.mode >> shift & (1 if seen.barred else 4))


#: whose files a container sees where its engine maps users
_MAPPED: Mapping[Engine, str] = {
    "rootless": "; the engine is rootless, and your files are root's in there",
    "userns": "; the engine maps users (userns-remap), and your files are nobody's in there",
}


def _mode(seen: Seen, process: Process, names: str) -> str:
    what, cannot = (seen.barred, "entered") if seen.barred else (seen.path, "read")
    return f"{what} (mode {seen.mode:04o}, uid {seen.uid}) cannot be {cannot} by uid {process.uid}" + _MAPPED.get(
        process.engine, ""
    )


#: by obstacle its words; what is in the way of others comes first
_WORDS: Mapping[Obstacle, Callable[[Seen, Process, str], str]] = {
    "mode": _mode,
    "label": lambda seen, process, names: f"SELinux keeps {process.label} from {names}, whose modes would do",
    "directory": lambda seen, process, names: f"{names}: a directory stands where a file is to be",
    "link": lambda seen, process, names: f"{names}: a symlink that leads nowhere" + " there" * bool(process.engine),
    "absent": lambda seen, process, names: f"there is no {names} there, and here there is",
    "lost": lambda seen, process, names: f"there is no {names}: it is gone from the copy that Airflow has",
    "other": lambda seen, process, names: f"{names} cannot be read: {seen.error}",
}

#: makes the command of a row
Way = Callable[[Seen, Process, Files], str]


def _export(*_: object) -> str:
    return under({"credentials": "export"}, "setup")


def _staged_anew(*_: object) -> str:
    return command("refresh", "--force")


def _again(*_: object) -> str:
    """A mount holds on to the directory that was there when the container was made."""
    return f"{command('stop')} && {command('start')}"


def _shared(seen: Seen, process: Process, files: Files) -> str:
    """Docker Desktop's virtual machine sees the directories that its settings share; a restart looks at them anew."""
    if process.engine != "desktop":
        return _again()
    return sh("# in Docker Desktop, Settings, Resources, File sharing, add: {}\n", files.directory) + _again()


def _permitted(seen: Seen, process: Process, files: Files) -> str:
    place = seen.barred or seen.path
    if seen.uid != process.uid:
        return sh('sudo chown "$USER" {}', place)
    return sh("chmod u+x {}" if seen.barred else "chmod u+r {}", place)


def _cleared(seen: Seen, process: Process, files: Files) -> str:
    """Docker makes an empty directory, root's, where the file that it is to mount is missing."""
    path = files.directory / PurePosixPath(seen.path).name
    if not path.is_dir():
        return _again()
    own = not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()
    return sh("{}rmdir {}   # what it holds: ls -la {}".replace("{}", "" if own else "sudo ", 1), path, path)


def _looked_at(seen: Seen, *_: object) -> str:
    path = Path(seen.path)
    return sh("ls -ld {}", next((place for place in (path, *path.parents) if os.path.lexists(place)), path))


def _labelled(seen: Seen, process: Process, files: Files) -> str:
    return sh("chcon -R -t container_file_t -l s0 {}", files.directory)


#: by obstacle and place what mends it
_WAYS: Mapping[tuple[Obstacle, Place], Way] = {
    ("mode", "host"): _permitted,
    ("mode", "live"): _export,
    ("mode", "staged"): _staged_anew,
    ("label", "live"): _export,
    ("label", "staged"): _labelled,
    ("directory", "host"): _cleared,
    ("directory", "live"): _cleared,
    ("directory", "staged"): _cleared,
    ("link", "host"): _looked_at,
    ("link", "live"): _export,
    ("link", "staged"): _staged_anew,
    ("absent", "host"): _looked_at,
    ("absent", "live"): _again,
    ("absent", "staged"): _again,
    ("lost", "staged"): _staged_anew,
    ("other", "host"): _looked_at,
    ("other", "live"): _shared,
    ("other", "staged"): _shared,
}
