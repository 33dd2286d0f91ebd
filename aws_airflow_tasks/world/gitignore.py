"""Whether git ignores a file, by the .gitignore files of its repository and the lists beside these: no git is run."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from aws_airflow_tasks.core import expanded
from aws_airflow_tasks.world import git_index


def ignoring(path: Path, top: Path) -> str:
    """The line by which git ignores ``path``, or a directory that it is in; empty: none does.

    Args:
        path: the file.
        top: the repository's own directory, above it.
    """
    above = path.parents[: path.parents.index(top)]
    for place in (*reversed(above), path):  # in a directory that is ignored no line takes anything back
        line = _last(place, top, folder=place != path)
        if line and not line.startswith("!"):
            return line
    return ""


def text(path: Path) -> str:
    """Of a .gitignore, without a byte order mark, as git reads it; empty where it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def _last(place: Path, top: Path, *, folder: bool) -> str:
    """The line that counts for a place: the last one of the list that comes first; empty: none does.

    Of the .gitignore files the nearest one comes first, then what this clone ignores, and what the person does.
    """
    lists = [(above, above / ".gitignore") for above in place.parents[: place.parents.index(top) + 1]]
    for above, file in (*lists, *((top, file) for file in _beside(top))):
        names = place.relative_to(above).parts
        for line in reversed(text(file).split("\n")):
            if _names(line := _trimmed(line), names, folder=folder):
                return line
    return ""


def _beside(top: Path) -> list[Path]:
    """The lists that are in no directory of the work tree: ``info/exclude``, and what ``core.excludesFile`` names."""
    with contextlib.suppress(OSError):
        git, home = git_index.directory(top), expanded(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "git"
        shared = git / text(git / "commondir").strip()  # of a further work tree
        configs = (shared / "config", expanded("~/.gitconfig"), home / "config")
        named = next(filter(None, map(_excludes_file, configs)), "")
        return [shared / "info" / "exclude", top / (expanded(named) if named else home / "ignore")]
    return []


def _excludes_file(config: Path) -> str:
    """What a configuration of git's says that ``core.excludesFile`` is; empty: nothing. Its includes are not read."""
    section = found = ""
    for line in text(config).split("\n"):
        if named := re.match(r"\s*\[\s*([^\]]*?)\s*\]", line):
            section = named[1].lower()
        if section == "core" and (value := re.search(r"(?i)(?:^|\])\s*excludesfile\s*=\s*(.*)", line)):
            found = re.sub(r"\s+[#;].*", "", value[1]).strip().strip('"')
    return found


def _trimmed(line: str) -> str:
    """Without the spaces at its end, but for one that is escaped."""
    return re.sub(r"(?<!\\) +$", "", line.removesuffix("\r"))


def _names(line: str, names: Sequence[str], *, folder: bool) -> bool:
    """Whether a line is about a place, by its names from the directory of the .gitignore on."""
    glob = line.removeprefix("!")
    if not glob or line.startswith("#") or (glob.endswith("/") and not folder):
        return False
    glob = glob.removesuffix("/")
    anchored = "/" in glob  # else it counts on every level
    return _fits(glob.removeprefix("/").split("/") if anchored else ["**", glob], names)


def _fits(globs: Sequence[str], names: Sequence[str]) -> bool:
    if not globs or not names:
        return not globs and not names
    if globs[0] != "**":
        return fnmatchcase(names[0], _glob(globs[0])) and _fits(globs[1:], names[1:])
    return len(globs) == 1 or any(_fits(globs[1:], names[count:]) for count in range(len(names)))


def _glob(glob: str) -> str:
    """What git writes otherwise than Python: ``\\#`` for a plain character, ``[^x]`` for any other one."""
    plain = re.sub(r"\\(.)", lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], glob)
    return plain.replace("[^", "[!")
