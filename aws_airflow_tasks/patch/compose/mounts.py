"""What Compose makes of a volume entry: where it comes from, where it appears, and whether that is what we want.

The rules are compose-go's (https://github.com/compose-spec/compose-go: ``template``, ``format/volume.go``, ``paths``).
"""

import ntpath
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto
from typing import Any, NamedTuple

from aws_airflow_tasks.patch.interpolation import interpolate
from aws_airflow_tasks.patch.yaml.positions import shown

#: stands for what cannot be told; YAML allows no NUL in a text
_UNKNOWN = "\0"


class Mount(NamedTuple):
    """A directory of the host in a service.

    Attributes:
        source: the directory on the host as it is to be written: absolute, or below ``~``; a ``$`` in it is itself.
        target: the absolute path in the container.
        read_only: whether the container must not write; when False, a mount that is there may be of either kind.
        long: write it in the long syntax, which fails on a missing source instead of making it, owned by root.
    """

    source: str
    target: str
    read_only: bool = True
    long: bool = False


class Host(NamedTuple):
    """What ``~``, relative paths and ``${VAR}`` stand for.

    Attributes:
        home: the person's home directory, absolute; one with a drive, such as ``C:\\Users\\me``, says Windows.
        project: the directory the compose file is in, absolute.
        environ: the host's environment, from which alone ``${VAR}`` comes (not from a project's ``.env``).
    """

    home: str
    project: str
    environ: Mapping[str, str]

    @property
    def windows(self) -> bool:
        """Whether its paths are those of Windows."""
        return bool(ntpath.splitdrive(self.home)[0])

    def variable(self, name: str) -> str | None:
        """A variable's value; None when it is not set."""
        if self.windows:  # in any case, as there; and HOME is no variable of the system's
            return self.environ.get(name, self.environ.get(name.upper()))
        return self.environ.get(name, self.home if name == "HOME" else None)

    def interpolated(self, text: str) -> str:
        """``text`` with its variables put in as Compose does; what it would reject becomes a NUL."""
        return interpolate(text, self.variable, lambda cause: _UNKNOWN)


class Volume(NamedTuple):
    """One entry of ``volumes`` as it is in the file.

    Attributes:
        source: for messages, as written.
        path: the directory on the host, absolute and normalised; None when it is not one or cannot be told.
        target: the path in the container, normalised; empty when it cannot be told.
        read_only: whether the container may not write.
    """

    source: str
    path: str | None
    target: str
    read_only: bool


class Ours(NamedTuple):
    """How to tell the volumes that we wrote from other people's.

    Attributes:
        roots: directories that nobody but us mounts: a volume from there, or below, is ours wherever it appears.
        lent: directories of the person's that we mounted; a volume of exactly one of them is ours at ``target``.
        target: the path in the container.
        theirs: services that carried such a volume before us: those stay as they are.
        services: the only ones in which one of ``lent`` is ours; None: in any but ``theirs``.
        empty: what was there before us with nothing in it, and so stays: ``services``, ``NAME``, ``NAME.volumes``.
    """

    roots: Sequence[str]
    lent: Sequence[str] = ()
    target: str = ""
    theirs: Collection[str] = ()
    services: Collection[str] | None = None
    empty: Collection[str] = ()

    def owns(self, volume: Volume, service: str, host: Host) -> bool:
        """Whether ``volume`` in ``service`` is one that we wrote, or a copy of one."""
        if volume.path is None or service in self.theirs:
            return False
        if self.names(volume.path, host):
            return True
        known = self.services is None or service in self.services
        lent = volume.path in [resolve(path, host) for path in self.lent]
        return known and lent and volume.target == posixpath.normpath(self.target)

    def names(self, path: str | None, host: Host) -> bool:
        """Whether ``path`` is at or below one of ``roots``."""
        return path is not None and any(_within(path, resolve(root, host)) for root in self.roots)


class Verdict(Enum):
    """How an existing volume relates to the wanted mount."""

    UNRELATED = auto()
    #: the same directory at the same target
    SATISFIED = auto()
    #: the same, but the container may write and should not
    READ_WRITE = auto()
    #: at the same target, from a directory we mounted earlier
    OURS = auto()
    #: at the same target, from anything else
    CONFLICT = auto()
    #: a directory above it, at the target's corresponding parent
    PARENT = auto()
    #: below the target, over a file that is to be seen there
    HIDES = auto()


#: the files in the mounted directory by which a process has its identity (``world/staged_text.py``)
SEEN = ("config", "credentials", "creds.json", "creds.sh", "ca_bundle.pem")


def judge(volume: Volume, wanted: Mount, host: Host, ours: Sequence[str]) -> Verdict:
    """Say how ``volume`` relates to ``wanted``; a source at or below one of ``ours`` is one we wrote earlier."""
    source, target = resolve(wanted.source, host), posixpath.normpath(wanted.target)
    if volume.target != target:
        if _hides(volume, source, target):
            return Verdict.HIDES
        return Verdict.PARENT if _carries(volume, source, target) else Verdict.UNRELATED
    if volume.path is None:
        return Verdict.CONFLICT
    if volume.path == source:
        return Verdict.SATISFIED if volume.read_only or not wanted.read_only else Verdict.READ_WRITE
    return Verdict.OURS if any(_within(volume.path, resolve(root, host)) for root in ours) else Verdict.CONFLICT


def _hides(volume: Volume, source: str | None, target: str) -> bool:
    """Whether something else than the source's own file is put over one of :data:`SEEN`."""
    name = volume.target.removeprefix(f"{target}/")
    return name in SEEN and (source is None or volume.path != posixpath.join(source, name))


def _carries(volume: Volume, source: str | None, target: str) -> bool:
    if volume.path is None or not volume.target.startswith("/") or not _within(target, volume.target):
        return False
    return posixpath.normpath(posixpath.join(volume.path, posixpath.relpath(target, volume.target))) == source


def _within(path: str, root: str | None) -> bool:
    return root is not None and (path == root or path.startswith(root.rstrip("/") + "/"))


def from_short(text: str, host: Host) -> Volume:
    """Read the short syntax, ``[SOURCE:]TARGET[:MODE]``."""
    source, *rest = re.split(_DRIVE_OR_COLON, host.interpolated(text))
    if not rest:
        return Volume("an anonymous volume", None, _target(source), read_only=False)
    modes = [mode for mode in ",".join(rest[1:]).split(",") if mode in ("ro", "rw")]
    is_path = source.startswith((".", "/", "~", "\\\\")) or source[1:2] == ":"
    path = resolve(source, host) if is_path else None
    return Volume(shown(_written_parts(text)[0]), path, _target(rest[0]), read_only=modes[-1:] == ["ro"])


def named(text: str, host: Host) -> str | None:
    """The path of the host that a scalar names, whole or as the source of the short syntax; None: it names none."""
    source = re.split(_DRIVE_OR_COLON, host.interpolated(text))[0]
    drive = host.windows and re.match(r"[A-Za-z]:[\\/]", source)
    return resolve(source, host) if drive or source.startswith((".", "/", "~")) else None


#: the colons between parts; a drive letter's colon is none of them
_DRIVE_OR_COLON = r"(?<!\A[A-Za-z]):|(?<=\A[A-Za-z]):\Z"


def _written_parts(text: str) -> list[str]:
    """The parts as they are written, colons in ``${VAR:-x}`` left alone."""
    hidden = re.sub(r"\$\{[^}]*\}", lambda found: found[0].replace(":", _UNKNOWN), text)
    return [part.replace(_UNKNOWN, ":") for part in re.split(_DRIVE_OR_COLON, hidden)]


def from_long(fields: Mapping[str, str], host: Host) -> Volume:
    """Read the long syntax; ``fields`` are its scalars as written."""
    source = host.interpolated(fields.get("source", ""))
    path = resolve(source, host) if fields.get("type") == "bind" and source else None
    read_only = host.interpolated(fields.get("read_only", "")).lower() in _TRUE
    written = fields.get("source") or f"a {fields.get('type') or 'volume'} mount"
    return Volume(shown(written), path, _target(host.interpolated(fields.get("target", ""))), read_only)


#: compose-go's ``toBoolean``
_TRUE = ("true", "y", "yes", "on")


def _target(text: str) -> str:
    return re.sub(r"\A//", "/", posixpath.normpath(text)) if text and _UNKNOWN not in text else ""


def resolve(source: str, host: Host) -> str | None:
    """The absolute, normalised path of a bind's source; None when it cannot be told. Symbolic links are left alone."""
    if _UNKNOWN in source:
        return None
    if host.windows:
        return _resolve_windows(source, host)
    if source.startswith("~"):
        source = posixpath.join(host.home, source[1:].lstrip("/"))
    elif source.startswith("\\\\") or re.match(r"[A-Za-z]:", source):
        return source.replace("\\", "/").rstrip("/")
    return "/" + posixpath.normpath(posixpath.join(host.project, source)).lstrip("/")


def _resolve_windows(source: str, host: Host) -> str:
    """``c:/users/me/.aws`` for every way to write it: Compose hands on ``/c/Users/…``, which Docker Desktop takes."""
    if source.startswith("~"):
        source = ntpath.join(host.home, source[1:].lstrip("/\\"))
    elif drive := re.match(r"/{1,2}([A-Za-z])(?=/|\Z)", source):
        source = f"{drive[1]}:{source[drive.end() :] or '/'}"
    elif source.startswith("/") and not source.startswith("//"):
        return posixpath.normpath(source)  # in Docker Desktop's own machine
    return ntpath.normpath(ntpath.join(host.project, source)).replace("\\", "/").casefold()


def entry(mount: Mount) -> str | dict[str, Any]:
    """The entry of ``volumes`` that asks for ``mount``, as data."""
    source, target = mount.source.replace("$", "$$"), mount.target.replace("$", "$$")
    if not mount.long and ":" not in re.sub(r"\A[A-Za-z]:", "", source) + target:
        return f"{source}:{target}" + (":ro" if mount.read_only else "")
    access = {"read_only": True} if mount.read_only else {}
    return {"type": "bind", "source": source, "target": target, **access, "bind": {"create_host_path": False}}


def made_read_only(text: str) -> str:
    """An entry in short syntax with its mode changed and nothing else."""
    source, target, *rest = _written_parts(text)
    kept = [mode for mode in ":".join(rest).split(",") if mode.strip() not in ("", "ro", "rw")]
    return ":".join((source, target, ",".join(["ro", *kept])))
