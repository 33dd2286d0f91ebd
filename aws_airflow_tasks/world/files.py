"""People's files: read whole, replaced atomically, and never when they were edited meanwhile.

A file is replaced by a temporary one beside it, written and synced first, that is renamed over it. What stands there is
read again and compared directly before the rename. An edit that another program makes in the microseconds between that
comparison and the rename is lost; POSIX has no way to close this window for programs that take no lock of ours.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shlex
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.text.hints import note

#: in bytes; nobody writes a larger ``.env`` or compose file by hand
MAX_SIZE = 10 * 1024 * 1024
#: how the temporary files begin and end, so that leftovers of a killed process are recognised
_PREFIX, _SUFFIX = ".aws-airflow-", ".tmp"

_HINTS = {
    errno.EACCES: "ls -ld {both}",
    errno.EPERM: "ls -ld {both}",
    errno.EROFS: "mount | grep '[(,]ro[,)]'",
    errno.ENOSPC: "df -h {folder}",
    errno.EDQUOT: "quota",
    errno.EFBIG: "ulimit -f",
    errno.ENOTDIR: "ls -ld {folder}",
    errno.ELOOP: "ls -l {path}",
    errno.EISDIR: "ls -ld {path}",
}


def read(path: Path) -> bytes | None:
    """The bytes of a file; None when there is none.

    Raises:
        TaskError: it is no regular file, a symlink that leads nowhere, larger than :data:`MAX_SIZE`, or unreadable.
    """
    with explained("read", path):
        try:
            handle = opened(path, os.O_RDONLY, "O_NONBLOCK")  # a named pipe must not make us wait for a writer
        except FileNotFoundError:
            if path.is_symlink():
                target = path.readlink()
                raise TaskError(
                    f"{path} is a symlink to {target}, which does not exist", hint=sh("ls -l {}", path)
                ) from None
            return None
        try:
            _regular(path, os.fstat(handle))
            with os.fdopen(handle, "rb", closefd=False) as file:
                data = file.read(MAX_SIZE + 1)
        finally:
            os.close(handle)
    if len(data) > MAX_SIZE:
        raise TaskError(
            f"{path} is larger than {MAX_SIZE >> 20} MB, which is no file for us", hint=sh("ls -lh {}", path)
        )
    return data


def opened(path: Path, flags: int, *names: str, mode: int = 0o600) -> int:
    """As ``os.open``, with those of the flags ``names`` that this system has; bytes stay bytes on Windows too."""
    for name in (*names, "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    return os.open(path, flags, mode)


def _regular(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a directory" if stat.S_ISDIR(found.st_mode) else "something else"
        aside = path.with_name(f"{path.name}.aside")
        raise TaskError(f"{path} is no file but {kind}", hint=sh("mv {} {}   # it is kept there", path, aside))


def missing_parents(path: Path) -> tuple[Path, ...]:
    """The directories that must be made before ``path`` can be written, the outermost first."""
    missing = [parent for parent in path.parents if not os.path.lexists(parent)]
    return tuple(reversed(missing))


def replace(path: Path, before: bytes | None, after: bytes | None, *, mode: int | None = None) -> None:
    """Make ``after`` the content of ``path``, atomically, provided that it still is ``before``.

    A file that is replaced keeps its mode, owner and extended attributes; a symlink stays and its target is replaced.
    Missing parent directories are made (see :func:`missing_parents`): with ``mode``, open to whom the file is.

    Args:
        path: the file.
        before: the bytes that the caller read; None: there was no file.
        after: the bytes wanted; None: there is to be no file.
        mode: the mode of a file that is created; None: by the umask.

    Raises:
        TaskError: it was edited meanwhile, or it cannot be replaced just so; nothing was touched then.
    """
    with explained("write", path):
        _unchanged(path, before)
        if after is None:
            if before is not None:
                _delete(path)
            return
        target = path.resolve() if path.is_symlink() else path
        _replaceable(path, target)
        with _parents(target, mode):
            sweep(target.parent)
            _write(target, before, after, mode)


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes of ours left in ``folder``; those still being written stay."""
    with contextlib.suppress(OSError):
        for leftover in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            _remove_leftover(leftover)


def is_temporary(path: Path) -> bool:
    """Whether a file is one of our temporary files, by its name."""
    return path.name.startswith(_PREFIX) and path.name.endswith(_SUFFIX)


def _remove_leftover(path: Path) -> None:
    with contextlib.suppress(OSError):
        handle = opened(path, os.O_RDONLY, "O_NOFOLLOW", "O_NONBLOCK")
        try:
            if claimed := _claim(handle):
                path.unlink()
        finally:
            os.close(handle)
        if not claimed:
            path.unlink()


def _claim(handle: int) -> bool:
    """Lock an open temporary file, which tells :func:`sweep` that its writer lives.

    Returns:
        False on Windows, which has no such lock, and neither renames nor deletes a file that somebody has open.

    Raises:
        OSError: another process has it, or the file system has no locks.
    """
    try:
        import fcntl
    except ImportError:
        return False
    if sys.platform != "win32":  # the import has told; mypy does not know
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove the directories that are empty, the innermost (last) first; the others stay."""
    for folder in reversed(folders):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _unchanged(path: Path, before: bytes | None) -> None:
    if read(path) != before:
        raise TaskError(
            f"{path} was edited while it was being changed; nothing was written",
            hint=note("type the same command again"),
        )


def _delete(path: Path) -> None:
    if path.is_symlink():
        raise TaskError(f"{path} has become a symlink; it stays", hint=sh("ls -l {}", path))
    path.unlink()
    _sync(path.parent)


def _replaceable(path: Path, target: Path) -> None:
    """Raise TaskError when a rename would change more than the content."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return
    if found.st_nlink > 1:
        raise TaskError(
            f"{path} has {found.st_nlink} names (hard links), which replacing it would part",
            hint=sh("ls -li {}", target),
        )
    if hasattr(os, "statvfs") and os.statvfs(target).f_flag & getattr(os, "ST_RDONLY", 0):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(target, os.W_OK):
        raise TaskError(f"{path} is read-only", hint=sh("chmod u+w {}", target))


@contextlib.contextmanager
def _parents(path: Path, mode: int | None) -> Iterator[None]:
    """Make the missing parent directories; they go again when the body fails."""
    made = []
    try:
        for folder in missing_parents(path):
            folder.mkdir(0o777 if mode is None else 0o755 if mode & stat.S_IROTH else 0o700)
            made.append(folder)
            if mode is not None and mode & stat.S_IROTH:  # whatever the umask has left of it
                folder.chmod(0o755)
            _sync(folder.parent)
        yield
    except BaseException:
        remove_empty(made)
        raise


def _write(target: Path, before: bytes | None, after: bytes, mode: int | None) -> None:
    temporary = target.parent / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
    # the kernel applies the umask to a new file's mode; anything else starts closed to others
    first = 0o666 if before is None and mode is None else 0o600
    handle, claimed = opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, "O_NOFOLLOW", mode=first), True
    with os.fdopen(handle, "wb", buffering=0) as file:
        try:
            with contextlib.suppress(OSError):  # not every file system has it
                claimed = _claim(handle)
            if before is not None:
                _like(target, handle)
            elif mode is not None and hasattr(os, "fchmod"):
                os.fchmod(handle, mode)
            _write_all(handle, after)
            os.fsync(handle)
            _unchanged(target, before)
            if not claimed:
                file.close()
            temporary.replace(target)
        except BaseException:
            file.close()
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    _sync(target.parent)


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]


def _like(target: Path, handle: int) -> None:
    """Give the open file the owner, the extended attributes and the mode of ``target``, where the system has them."""
    if sys.platform == "win32" or not hasattr(os, "fchown"):
        return  # Windows: it has the permissions of its directory
    wanted, have = target.stat(), os.fstat(handle)
    if (wanted.st_uid, wanted.st_gid) != (have.st_uid, have.st_gid):
        _kept(target, "its owner and group", lambda: os.fchown(handle, wanted.st_uid, wanted.st_gid))
    _kept(target, "its extended attributes", lambda: _copy_attributes(target, handle))
    os.fchmod(handle, stat.S_IMODE(wanted.st_mode))


def _kept(target: Path, what: str, keep: Callable[[], None]) -> None:
    try:
        keep()
    except OSError as error:
        raise TaskError(
            f"{target} would lose {what} ({error.strerror}); nothing was written", hint=sh("ls -l {}", target)
        ) from None


def _copy_attributes(target: Path, handle: int) -> None:
    if sys.platform == "darwin":
        _copy_attributes_darwin(target, handle)
        return
    if sys.platform != "linux":
        return
    names, have = _attributes(target), _attributes(handle)
    for name in have.keys() - names.keys():  # such as a default ACL of the directory
        os.removexattr(handle, name)
    for name, value in names.items():
        if have.get(name) != value:
            os.setxattr(handle, name, value)


def _attributes(file: Path | int) -> dict[str, bytes]:
    if sys.platform != "linux":
        return {}
    try:
        return {name: os.getxattr(file, name) for name in os.listxattr(file)}
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise


def _copy_attributes_darwin(target: Path, handle: int) -> None:
    """Python has no xattr functions on macOS; copyfile(3) has: COPYFILE_ACL is 1, COPYFILE_XATTR is 4."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    source = opened(target, os.O_RDONLY)
    try:
        if library.fcopyfile(source, handle, None, ctypes.c_uint32(1 | 4)) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(source)


def _sync(folder: Path) -> None:
    """Make a rename or removal in ``folder`` last; some file systems cannot sync directories, nor can Windows."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = opened(folder, os.O_RDONLY, "O_DIRECTORY")
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


@contextlib.contextmanager
def explained(doing: str, path: Path, *, moved_by: str = "") -> Iterator[None]:
    """Turn an OSError into a TaskError: what could not be done to ``path``, and a command about what is there of it.

    ``moved_by`` is the variable, if any, by which a person has it lie elsewhere.
    """
    try:
        yield
    except OSError as error:
        there, folder = _there(path), _there(path.parent)
        names = {"path": there, "folder": folder, "both": " ".join(dict.fromkeys([folder, there]))}
        hint = _HINTS.get(error.errno or 0, "ls -ld {path}").format(**names)
        if moved_by and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint += f"\nexport {moved_by}=DIRECTORY   # one that you can write to; it is kept there then"
        raise TaskError(f"cannot {doing} {path}: {error.strerror or type(error).__name__}", hint=hint) from None


def _there(path: Path) -> str:
    """The path, or else the nearest directory above it that exists, quoted for a shell."""
    return shlex.quote(str(next((place for place in (path, *path.parents) if os.path.lexists(place)), path)))
