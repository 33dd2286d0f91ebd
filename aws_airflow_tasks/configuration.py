"""Invoke's configuration files, read with bounds: each gives a mapping or one clear error, whatever lies there."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from os import PathLike
from pathlib import Path
from typing import Any

import invoke.util
from invoke.config import AmbiguousMergeError, Config, copy_dict, merge_dicts

from aws_airflow_tasks.core import UsageError, sh
from aws_airflow_tasks.settings import SECTION, Layer, is_trusted, own
from aws_airflow_tasks.text.hints import note

yaml: Any = invoke.util.yaml  # type: ignore[attr-defined]  # the one that invoke itself reads with
#: how an ``invoke.yaml`` of a project may be written; invoke itself takes, and runs, an ``invoke.py`` as well
DATA = ("yaml", "yml", "json")
#: bytes of a file, and values in it with every alias written out; real files have some dozen lines
LARGEST_FILE, MOST_VALUES = 256 * 1024, 20_000
#: of two names, from which on one is the other misspelt: a letter of our ten
LIKENESS = 0.9


class Configuration(Config):
    """Invoke's configuration, of which a project has only our own settings, as data; no file stops who loads it.

    A directory that was cloned or downloaded is looked at before anybody trusts it: its ``invoke.py`` is not run, and
    of its ``invoke.yaml`` nothing but our section is taken, so that no key of invoke's (``tasks.executor_class``,
    ``runners``, ``run.shell`` …) reaches this program. The levels that the person wrote or named (``/etc``,
    ``~/.invoke.*``, ``-f FILE``) are as under ``invoke``, Python included: they are the person's own programs.

    Raises:
        UsageError: a file is not readable, no regular file, too large, not what its ending says, or no mapping.
    """

    def load_project(self, merge: bool = True) -> None:
        """Load the project's level."""
        suffixes = self._file_suffixes
        self._set(_file_suffixes=DATA)
        super().load_project(merge=False)
        self._set(_file_suffixes=suffixes)
        ours = layer(str(self._project_path), self._project or {}).values
        self._set(_project={SECTION: ours} if ours else {})
        if merge:
            self.merge()

    def _load_file(self, prefix: str, absolute: bool = False, merge: bool = True) -> None:
        try:
            super()._load_file(prefix, absolute, merge)
        except UsageError:
            raise
        except Exception as error:  # the file's ending is none of invoke's
            raise UsageError(_one_line(error)) from None

    def _load_yaml(self, path: str | PathLike[str]) -> dict[str, Any]:
        return self._checked(path, lambda: _yaml(_text(path)))

    _load_yml = _load_yaml

    def _load_json(self, path: str | PathLike[str]) -> dict[str, Any]:
        return self._checked(path, lambda: json.loads(_text(path)))

    def _load_py(self, path: str) -> dict[str, Any]:
        return self._checked(path, lambda: _text(path) and super(Configuration, self)._load_py(path))

    def _checked(self, path: str | PathLike[str], load: Any) -> dict[str, Any]:
        try:
            found = load() or {}
            if not isinstance(found, dict):
                raise ValueError("it is not a mapping of settings")
            merge_dicts(copy_dict(self._defaults), found)  # as invoke will
        except FileNotFoundError:  # one of the endings that invoke tries
            raise
        except Exception as error:  # whatever a file's content makes of a parser, or of the person's own code in it
            name = os.fspath(path)
            look = "${{EDITOR:-vi}}" if Path(name).is_file() and os.access(name, os.R_OK) else "ls -ld"
            raise UsageError(f"{name} cannot be read: {_one_line(error)}", hint=sh(look + " {}", name)) from None
        return found


def of_project(folder: Path) -> Layer:
    """Our settings in a project's own file, as :class:`Configuration` reads it; empty where there is none.

    Raises:
        UsageError: it cannot be read, belongs to another user, or names another project.
    """
    _refuse_strangers(folder)
    found = Configuration(project_location=folder, lazy=True)
    found.load_project(merge=False)
    path = str(found._project_path or folder)
    return own(layer(path, found._project), folder)._replace(brought=True)


def layer(origin: str, level: Mapping[str, Any] | None) -> Layer:
    """Our section of what a file says, None if nothing; raises UsageError if it is no mapping, or its name misspelt."""
    level = level or {}
    section = level.get(SECTION) or {}
    if not isinstance(section, Mapping):
        raise UsageError(
            f"{SECTION} is not a mapping (from {origin})",
            hint=note("write it as a mapping, such as aws_airflow: {profile: dev}"),
        )
    for name in level:
        if name != SECTION and _resembles(str(name)):
            raise UsageError(f"nobody reads the section {name} (from {origin})", hint=note(f"its name is: {SECTION}"))
    return Layer(origin, section)


def _resembles(name: str) -> bool:
    """Whether a section is ours but for its spelling, or is called like our command or package."""
    letters, ours = re.sub(r"[^a-z]", "", name.lower()), SECTION.replace("_", "")
    return letters == f"{ours}tasks" or SequenceMatcher(None, letters, ours).ratio() >= LIKENESS


def _refuse_strangers(folder: Path) -> None:
    """Raise UsageError where settings of another user would count, as git does with a repository of another user."""
    found = [path for suffix in DATA if os.path.lexists(path := folder / f"invoke.{suffix}")]
    theirs = next((path for path in (folder, *found) if not is_trusted(path)), None)
    if found and theirs:
        raise UsageError(
            f"{theirs} belongs to another user, so the settings in {found[0].name} are not taken",
            hint=sh('sudo chown -R "$USER" {}   # if it is to be yours', theirs),
        )


def _text(path: str | PathLike[str]) -> str:
    """The text of a regular file of a bounded size; a path through something that is no directory is not there."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is not a regular file")
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        if Path(path).is_symlink():  # settings that are meant, and would count as none
            raise ValueError(f"it is a symlink to {Path(path).readlink()}, which does not exist") from None
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(errno.ENOENT, error.strerror, error.filename) from None
    if len(data) > LARGEST_FILE:
        raise ValueError(f"it is larger than {LARGEST_FILE // 1024} KiB")
    return data.decode("utf-8-sig")


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a FIFO would wait for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _yaml(text: str) -> Any:
    """The value of YAML whose aliases do not multiply: some hundred bytes may stand for more than fits in memory."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _values(node, {}) > MOST_VALUES:
            raise ValueError(f"with its aliases written out it has more than {MOST_VALUES} values")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _values(node: Any, known: dict[int, int]) -> int:
    """How many values a node holds with its aliases written out; ``known`` are those counted, 0 while that goes on."""
    if id(node) not in known:
        known[id(node)] = 0
        known[id(node)] = 1 + sum(_values(child, known) for child in _children(node))
    elif not known[id(node)]:
        raise ValueError("an alias in it stands for what it is part of")
    return known[id(node)]


def _children(node: Any) -> Iterator[Any]:
    for child in node.value if isinstance(node.value, list) else ():
        if isinstance(child, tuple):
            yield from child
        else:
            yield child


def _one_line(error: Exception) -> str:
    """What is wrong, without the text around it: a configuration may hold a password."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, AmbiguousMergeError):
        return "a section of invoke's own is no mapping in it, or a value is one"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split()) or type(error).__name__
