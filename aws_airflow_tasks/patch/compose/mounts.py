"""What Compose makes of a volume entry: where it comes from, where it appears, and whether that is what we want.

The rules are compose-go's (https://github.com/compose-spec/compose-go: ``template``, ``format/volume.go``, ``paths``).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
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
        home: the person's home directory, absolute.
        project: the directory the compose file is in, absolute.
        environ: the host's environment, from which alone ``${VAR}`` comes (not from a project's ``.env``).
    """

    home: str
    project: str
    environ: Mapping[str, str]

    def variable(self, name: str) -> str | None:
        """A variable's value; None when it is not set."""
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


def judge(volume: Volume, wanted: Mount, host: Host, ours: Sequence[str]) -> Verdict:
    """Say how ``volume`` relates to ``wanted``; a source at or below one of ``ours`` is one we wrote earlier."""
    source, target = resolve(wanted.source, host), posixpath.normpath(wanted.target)
    if volume.target != target:
        return Verdict.PARENT if _carries(volume, source, target) else Verdict.UNRELATED
    if volume.path is None:
        return Verdict.CONFLICT
    if volume.path == source:
        return Verdict.SATISFIED if volume.read_only or not wanted.read_only else Verdict.READ_WRITE
    return Verdict.OURS if any(_within(volume.path, resolve(root, host)) for root in ours) else Verdict.CONFLICT


def _carries(volume: Volume, source: str | None, target: str) -> bool:
    if volume.path is None or not volume.target.startswith("/") or not _within(target, volume.target):
        return False
    return posixpath.normpath(posixpath.join(volume.path, posixpath.relpath(target, volume.target))) == source


def _within(path: str, root: str | None) -> bool:
    return root is not None and (path == root or path.startswith(root.rstrip("/") + "/"))


def from_short(text: str, host: Host) -> Volume:
    """Read the short syntax, ``[SOURCE:]TARGET[:MODE]``."""
    source, *rest = _DRIVE_OR_COLON.split(host.interpolated(text))
    if not rest:
        return Volume("an anonymous volume", None, _target(source), read_only=False)
    modes = [mode for mode in ",".join(rest[1:]).split(",") if mode in ("ro", "rw")]
    is_path = source.startswith((".", "/", "~", "\\\\")) or source[1:2] == ":"
    path = resolve(source, host) if is_path else None
    return Volume(shown(_written_parts(text)[0]), path, _target(rest[0]), read_only=modes[-1:] == ["ro"])


#: the colons between parts; a drive letter's colon is none of them
_DRIVE_OR_COLON = re.compile(r"(?<!\A[A-Za-z]):|(?<=\A[A-Za-z]):\Z")


def _written_parts(text: str) -> list[str]:
    """The parts as they are written, colons in ``${VAR:-x}`` left alone."""
    hidden = re.sub(r"\$\{[^}]*\}", lambda found: found[0].replace(":", _UNKNOWN), text)
    return [part.replace(_UNKNOWN, ":") for part in _DRIVE_OR_COLON.split(hidden)]


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
    if source.startswith("~"):
        source = posixpath.join(host.home, source[1:].lstrip("/"))
    elif source.startswith("\\\\") or re.match(r"[A-Za-z]:", source):
        return source.replace("\\", "/").rstrip("/")
    return "/" + posixpath.normpath(posixpath.join(host.project, source)).lstrip("/")


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
