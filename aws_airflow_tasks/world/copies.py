"""Copies of somebody's directories: read whole and within bounds, and written only where a file differs.

The source is never written. What is copied is known again by a list in the copy, so that what else is made there (by a
DAG that runs, say) is left alone, and a file that is gone from the source goes from the copy.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.core import UsageError, sh
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import files

#: in a copy: the files that were copied, with their hashes
LIST = ".copied.json"
#: directories that no program of Airflow's reads, and that grow
SKIPPED = frozenset(
    (
        *(".git", ".hg", ".svn", ".sandbox", ".venv", "venv", "node_modules", "__pycache__", ".ipynb_checkpoints"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox"),
    )
)
#: entries of directories, and bytes of files, that are copied at most
MOST_ENTRIES, MOST_BYTES = 20_000, 500 * 1024 * 1024


class Found(NamedTuple):
    """What there is to copy.

    Attributes:
        files: by the path relative to the source, the hash of each.
        left: what is left out that a person may miss, with the reason.
    """

    files: Mapping[str, str]
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        """So many files, and what tells them from others."""
        known = hashlib.sha256(json.dumps(sorted(self.files.items())).encode()).hexdigest()
        return f"{len(self.files)} files ({known[:12]})"


def look(source: Path, names: Sequence[str], *, without: Sequence[str] = ()) -> Found:
    """The files that are at or below ``names``.

    A symlink within the source is followed, and its target copied; one that leads out of it is left out, as it would
    lead nowhere in a container that has these directories mounted.

    Args:
        source: the directory.
        names: paths in it, of files and directories; what is not there is none.
        without: paths in it that are not wanted.

    Raises:
        UsageError: there is too much of it.
        TaskError: something in it cannot be read.
    """
    walk = _Walk(source)
    found = {name: path for each in names for name, path in walk.below(each) if name not in without}
    return Found({name: _hash(path) for name, path in found.items()}, tuple(walk.left))


class _Walk:
    """One reading of a directory; counts what it has seen."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.left: list[str] = []
        self._real = Path(os.path.realpath(source))
        self._entries = self._bytes = 0

    def below(self, name: str, above: frozenset[Path] = frozenset()) -> Iterator[tuple[str, Path]]:
        """Each file at or below ``name`` with its path; ``above`` are the directories that lead there."""
        path = self.source / name
        real = Path(os.path.realpath(path))
        self._entries += 1
        if not real.is_relative_to(self._real):
            self.left.append(f"{name} (a symlink that leads out of {self.source})")
            return
        with files.explained("read", path):
            try:
                found = real.stat()
            except FileNotFoundError:
                self.left += [f"{name} (a symlink that leads nowhere)"] if path.is_symlink() else []
                return
            if not stat.S_ISDIR(found.st_mode):
                yield from self._file(name, real, found)
                return
            if real in above or (real / "pyvenv.cfg").is_file():
                self.left.append(f"{name} ({'a symlink to what it lies in' if real in above else 'an environment'})")
                return
            inside = sorted(entry.name for entry in real.iterdir() if entry.name not in SKIPPED)
        self._bounded(name)
        for entry in inside:
            yield from self.below(f"{name}/{entry}", above | {real})

    def _file(self, name: str, real: Path, found: os.stat_result) -> Iterator[tuple[str, Path]]:
        if not stat.S_ISREG(found.st_mode):
            self.left.append(f"{name} (no file)")
            return
        self._bytes += found.st_size
        self._bounded(name)
        yield name, real

    def _bounded(self, name: str) -> None:
        if self._entries > MOST_ENTRIES or self._bytes > MOST_BYTES:
            most = f"more than {MOST_ENTRIES} files" if self._entries > MOST_ENTRIES else f"over {MOST_BYTES >> 20} MB"
            raise UsageError(
                f"{self.source} is too large to be copied: {most} up to {name}",
                hint=sh("du -h -d 2 {} | sort -h | tail", self.source),
            )


def _hash(path: Path) -> str:
    with files.explained("read", path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copied(copy: Path) -> Found | None:
    """What was copied into ``copy`` and is still there, as it is there now; None: nothing ever was."""
    names = _listed(copy)
    if names is None:
        return None
    there = (name for name in names if (copy / name).is_file())
    return Found({name: _hash(copy / name) for name in there})


def _listed(copy: Path) -> list[str] | None:
    data = files.read(copy / LIST)
    try:
        return None if data is None else [str(name) for name in from_json(data)]
    except (ValueError, TypeError):
        return []


def bring(source: Path, copy: Path, wanted: Found) -> list[str]:
    """Make ``copy`` have the files of ``source`` that are ``wanted``; returns what it has changed.

    Raises:
        TaskError: it cannot be written.
    """
    before = copied(copy) or Found({})
    gone = [name for name in before.files if name not in wanted.files]
    differing = [name for name, known in wanted.files.items() if before.files.get(name) != known]
    with files.explained("write", copy):
        for name in gone:
            (copy / name).unlink(missing_ok=True)
        # named first: whatever a killed run has written is known again
        copy.mkdir(parents=True, exist_ok=True)
        files.replace(copy / LIST, files.read(copy / LIST), json.dumps([*wanted.files]).encode())
        for name in differing:
            _put(source / name, copy / name)
    return [*gone, *differing]


def _put(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o600 | source.stat().st_mode & 0o777)
