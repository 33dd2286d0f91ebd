"""The project's state directory, outside the project: receipts, the cached identity, staged credentials, our id.

Astro's ignore files do not cover anything of ours, so nothing secret or large may lie in the project itself.

Its file ``project`` records whose it is: path, device, inode and time of birth of the project's directory. Its receipts
speak of the files of that directory, and must never be lost silently, nor go to another project. Hence:

- The same directory at another path was renamed, and keeps its state. Where it is at both paths (a bind mount), the
  recorded one is the project.
- The same path with another inode is the same project: a restored backup, a clone over again, a network or overlay file
  system that numbers anew when it is mounted. The files that receipts name are there or are found to be gone, and undo
  refuses what it cannot prove. Only where the recorded directory now lies beside it (``mv demo old; git clone … demo``)
  is it another project; one that was moved further away before is not looked for.
- Any other is a project of its own, and gets a directory of its own, even if the recorded one is gone: its disk may
  just not be mounted. :func:`orphans` lists those.
- Where the file system has no inodes, where the project does not exist yet, and in what version 0.1.0 recorded, the
  path alone counts.
"""

import contextlib
import hashlib
import itertools
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import files, inodes, private
from aws_airflow_tasks.world.lock import locked

#: what a state directory holds that nobody misses
_WORTHLESS = ("project", "id", "identity.json")
#: in it: what the person has agreed to of what the project asks for
ANSWERS = "trust.json"
#: what it holds before anything names it
_EARLY = {*_WORTHLESS, "receipts", "replaced", "aws", "staged.json", "history.jsonl", ANSWERS}
#: what :func:`inodes.at` says where there is no directory, or no number of it
_UNKNOWN = (None, (0, 0))
#: what is a file's name everywhere, and needs no quotes in a compose file
_READABLE = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_-])?"
#: seconds for which another process that makes a state directory is waited for: it takes milliseconds
_PATIENCE = 60


def root() -> Path:
    """The user's state directory of this tool: ``~/.local/state/aws-airflow``, or the platform's form of it."""
    from platformdirs import user_state_path

    return user_state_path("aws-airflow", appauthor=False)


class Record(NamedTuple):
    """Whose a state directory is; zeros: not known.

    Attributes:
        path: the project's path, without symlinks.
        device: the file system's number.
        inode: the directory's number there.
        born: when it was made, in nanoseconds since the epoch.
    """

    path: str
    device: int = 0
    inode: int = 0
    born: int = 0

    def is_at(self, path: Path) -> bool:
        """Whether ``path`` is the very directory that was recorded, wherever it lies now."""
        same = self.inode and inodes.at(path) == (self.device, self.inode)
        return bool(same) and (not self.born or inodes.born(path) in (0, self.born))

    def names(self, project: Path) -> bool:
        """Whether the recorded path leads to ``project``, or does in other letters that the file system takes alike."""
        if self.path == str(project) or os.path.realpath(self.path) == str(project):
            return True
        there = inodes.at(Path(self.path)) if self.path.casefold() == str(project).casefold() else None
        return there not in _UNKNOWN and there == inodes.at(project)

    def moved_to(self, project: Path) -> bool:
        """Whether the recorded directory is ``project`` now, and no longer where it was."""
        if self.names(project) or not self.is_at(project):
            return False
        there = inodes.at(Path(self.path))
        return there is None or bool(self.born and there != (0, 0) and not self.is_at(Path(self.path)))

    def beside(self) -> bool:
        """Whether the recorded directory lies under another name in the directory that it was in."""
        parent, name = Path(self.path).parent, Path(self.path).name
        with contextlib.suppress(OSError), os.scandir(parent) as entries:
            alike = [entry.name for entry in entries if self.inode and entry.inode() == self.inode]
            return any(self.is_at(parent / other) for other in alike if other != name)
        return False

    def gone(self) -> bool:
        """Whether the project is nowhere that we know of."""
        return inodes.at(Path(self.path)) is None and not self.beside()


def _now(project: Path, known: Record | None) -> Record:
    """What is to be recorded of ``project``; what is known of it already, where it cannot be seen now."""
    here = inodes.at(project)
    if known and known.path == str(project) and here in _UNKNOWN:
        return known
    return Record(str(project), *(here or (0, 0)), inodes.born(project))


def _record(folder: Path) -> Record | None:
    """Whose ``folder`` is; None: it does not say, so that it is half made or no state directory."""
    try:
        text = os.fsdecode((folder / "project").read_bytes())
        found = Record(text)
        if text.startswith("{"):
            stored = from_json(text)
            found = Record(str(stored["path"]), *(int(stored[field]) for field in Record._fields[1:]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if Path(found.path).is_absolute() and "\0" not in found.path else None


def _folders() -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in root().iterdir() if path.is_dir() and not path.is_symlink())
    return []


def recorded() -> list[tuple[Path, str]]:
    """Every state directory that says whose it is, with the project's path."""
    return [(folder, record.path) for folder in _folders() if (record := _record(folder))]


def _real(project: Path) -> Path:
    return Path(os.path.realpath(project))


def plain(project: Path) -> Path:
    """The directory whose name teammates' mounts have: the project's own name in its configuration, else its folder's.

    Another project may hold that name here.
    """
    with contextlib.suppress(TaskError):
        data = files.read(project / ".astro" / "config.yaml") or b""
        name = _astro_name(data.decode("utf-8-sig", errors="replace"))
        if re.fullmatch(_READABLE, name):
            return root() / name
    return _folder(project)


def _astro_name(text: str) -> str:
    """``project.name`` of the Astro CLI's configuration, as that writes it, or in braces; else empty."""
    if flow := re.search(r"^(?:\{\s*)?project:\s+\{([^{}\[\]#]*)\}", text, re.MULTILINE):
        given = re.search(r"(?:^|,)\s*name:\s+([\"']?)([^,\"']+?)\1\s*(?:,|$)", flow[1])
        return given[2] if given else ""
    section = re.search(r"^project:[ \t]*(?:#.*)?\r?\n((?:[ \t#].*\n?|\r?\n)*)", text, re.MULTILINE)
    lines = [line for line in (section[1] if section else "").splitlines() if line.strip() and line.strip()[0] != "#"]
    indent = lines[0][: -len(lines[0].lstrip())] if lines else ""
    names = (re.fullmatch(rf"{indent}name:\s+([\"']?)(.+?)\1\s*(?:\s#.*)?", line) for line in lines)
    return next((found[2] for found in names if found), "")


def _folder(project: Path) -> Path:
    return root() / (_real(project).name or "root")


def _names(project: Path, plain: Path) -> Iterator[Path]:
    yield plain
    hashed = plain.with_name(f"{plain.name}-{hashlib.sha256(os.fsencode(project)).hexdigest()[:8]}")
    yield hashed
    yield from (hashed.with_name(f"{hashed.name}-{number}") for number in itertools.count(2))


def locate(project: Path) -> Path:
    """The state directory of ``project``, named after it; with a hash when another project holds the name.

    The name is kept readable, and the same for every teammate, because a mount in a shared file names it. So a project
    that is gone holds its name only while its directory holds something to be missed.
    """
    project = _real(project)
    return _found(project) or next(folder for folder in _names(project, plain(project)) if _free(folder))


def _found(project: Path) -> Path | None:
    """The state directory that is this project's: recorded as it is now, renamed since, or made anew at its path."""
    here = inodes.at(project)
    unknown = here in _UNKNOWN
    for folder in _likely(project):  # as nearly always, and quickly
        record = _record(folder)
        if record and record.path == str(project) and (unknown or here == (record.device, record.inode)):
            return folder
    records = [(folder, record) for folder in _folders() if (record := _record(folder))]
    named = [(folder, record) for folder, record in records if record.names(project)]
    exact = (folder for folder, record in named if unknown or not record.inode or record.is_at(project))
    moved = (folder for folder, record in records if record.moved_to(project))
    again = (folder for folder, record in named if not record.beside())
    return next(itertools.chain(exact, moved, again), None)


def _likely(project: Path) -> Iterator[Path]:
    yield from itertools.islice(_names(project, _folder(project)), 2)
    yield from itertools.islice(_names(project, plain(project)), 2)


def _free(folder: Path) -> bool:
    record = _record(folder)
    return record is None or (record.gone() and not _holds(folder))


def _holds(folder: Path) -> bool:
    """Whether there is anything in it to be missed; so too where nobody can look."""
    try:
        return any(path.name not in _WORTHLESS and not files.is_temporary(path) for path in folder.iterdir())
    except OSError:
        return True


def make(project: Path) -> Path:
    """Create the state directory (mode 0700) and the project's random id; mend what is half made, update its record.

    Raises:
        UsageError: it is open to others, or somebody else could exchange it.
        TaskError: it cannot be created.
    """
    project = _real(project)
    folder = locate(project)
    if not _whole(folder, project):
        with files.explained("write", folder, moved_by="XDG_STATE_HOME"):
            private.make(root())
        with locked(root() / ".making", wait=_PATIENCE, doing="making a state directory"):
            folder = locate(project)
            _mend(folder, project)
    with files.explained("read", folder):
        private.check(folder)
    return folder


def _whole(folder: Path, project: Path) -> bool:
    record = _record(folder)
    return record == _now(project, record) and bool(project_id(folder))


def outgrown(project: Path) -> bool:
    """Whether the directory has its folder's name still, which :func:`rename` changes into that of :func:`plain`.

    `astro dev init` names a project as it likes (``p2`` becomes ``p-2``), and nothing names the directory before the
    first mount.
    """
    project = _real(project)
    folder = _folder(project)
    return _found(project) == folder != plain(project) and not os.path.lexists(plain(project)) and _is_unnamed(folder)


def rename(project: Path) -> None:
    """Give the directory the name of :func:`plain`; call it with the project's lock held, and take the new one's.

    Raises:
        TaskError: it cannot be renamed.
    """
    if outgrown(project):
        with files.explained("rename", _folder(project)):
            _folder(project).rename(plain(project))


def _is_unnamed(folder: Path) -> bool:
    """Whether nothing was made yet but the copy of the credentials and an Astro project."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kinds = {from_json(path.read_bytes())["kind"] for path in (folder / "receipts").glob("*.json")}
        return kinds <= {"init"} and {path.name for path in folder.iterdir()} <= _EARLY
    return False


def _mend(folder: Path, project: Path) -> None:
    """Write what is missing, the record last: with it the directory is whole."""
    with files.explained("write", folder):
        if not os.path.lexists(folder):
            private.make(folder)
        private.check(folder)
    record = _record(folder)
    taken_over = record is not None and _found(project) != folder
    if taken_over or not project_id(folder):
        _write(folder / "id", secrets.token_hex(8))
    if record != (now := _now(project, record)):
        _write(folder / "project", json.dumps(now._asdict()))


def _write(path: Path, text: str) -> None:
    before = files.read(path)
    if before is not None:
        with files.explained("write", path):
            path.chmod(0o600)  # version 0.1.0 went by the umask
    files.replace(path, before, text.encode(), mode=0o600)


def project_id(folder: Path) -> str:
    """This project's random id, the tag of what is ours in AWS; empty before the first change."""
    try:
        return (folder / "id").read_bytes().decode("ascii").strip("\0 \n")
    except (OSError, ValueError):
        return ""


class Orphan(NamedTuple):
    """A state directory whose project is gone.

    Attributes:
        folder: the state directory.
        project: the recorded path of the project; empty: it does not say.
        changed: when it was last changed, in seconds since the epoch.
        receipts: how many changes it could take back.
        credentials: whether credentials are staged in it.
    """

    folder: Path
    project: str
    changed: float
    receipts: int
    credentials: bool

    def __str__(self) -> str:
        """What a person should know of it, with the command that removes it."""
        held = [f"receipts: {self.receipts}" if self.receipts else "", "staged credentials" if self.credentials else ""]
        known = ", ".join([*filter(None, held), time.strftime("last changed %Y-%m-%d", time.localtime(self.changed))])
        lost = ", and with it what undo knows of its files and its entries in AWS" if self.receipts else ""
        return (
            f"{self.project or 'a project that is not recorded'} is gone or its disk is not mounted, its state is left"
            f" ({known}); undo works once it is back; to drop it{lost}: {sh('rm -r {}', self.folder)}"
        )


def orphans(besides: Path | None = None) -> list[Orphan]:
    """The state directories whose projects are gone, but for ``besides``."""
    found = [(folder, _record(folder)) for folder in _folders() if folder != besides]
    return [
        _orphan(folder, record.path if record else "")
        for folder, record in found
        if (record.gone() if record else _holds(folder))
    ]


def _orphan(folder: Path, project: str) -> Orphan:
    changed = [0.0]
    with contextlib.suppress(OSError):
        changed += [path.lstat().st_mtime for path in (folder, *folder.iterdir())]
    receipts = len(list((folder / "receipts").glob("*.json")))
    return Orphan(folder, project, max(changed), receipts, any((folder / "aws").glob("*")))
