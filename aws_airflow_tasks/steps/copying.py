"""A copy of one's own project in the sandbox: its DAGs, plugins, include and requirements, and nothing else of it.

These are what the Astro CLI mounts into its containers or installs in the image. What else a project has (its override,
``.env``, Dockerfile and system packages) says how Airflow runs elsewhere, or holds keys, and does not come along.
"""

import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.core import Change, Pending, Plan, UsageError, digest, sh
from aws_airflow_tasks.patch.requirement_lines import MAX_FILES, installed
from aws_airflow_tasks.patch.requirements import NAME
from aws_airflow_tasks.runtimes import dockerfile, venv
from aws_airflow_tasks.runtimes.venv import Further
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import dag
from aws_airflow_tasks.steps.places import OVERRIDE
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.world import copies, files
from aws_airflow_tasks.world.copies import Found

#: what is copied, beside the requirements
FOLDERS = ("dags", "plugins", "include")
#: what is not, and a person may expect
UNUSED = (OVERRIDE, ".env", "Dockerfile", "packages.txt", "airflow_settings.yaml", dag.DAG)
#: in a requirements file: another file that it names
_NAMED = re.compile(r"(?m)^\s*(?:-[rc]|--requirement|--constraint)[ \t=]*([^\s#]+)")
#: a line of it that asks for what lies on this machine: a path, a file's URL, an editable of no repository
_PATH = re.compile(
    r"\s*(?:(?:\.{1,2}|~)?/|\.{1,2}\s*$|(?:[\w.-]+(?:\[[^\]]*\])?\s*@\s*)?file:"
    r"|(?:-e|--editable)[ \t=]*+(?!\w+\+|https?:|ssh:)\S)"
)


class Source(NamedTuple):
    """A project to copy.

    Attributes:
        path: its directory.
        major: Airflow's major version: what was asked for, what its Dockerfile tells, or 3.
        found: its files.
        asks: what its requirements ask for, as it is installed; empty: nothing.
        moved: of those, what asks for another version of Airflow than the sandbox has.
    """

    path: Path
    major: int
    found: Found
    asks: str = ""
    moved: Sequence[str] = ()

    def further(self, copy: Path) -> Further:
        """What is installed for it besides Airflow, from its copy."""
        return Further(self.asks.encode(), copy / venv.FURTHER, self.path / NAME)


def source(named: str, cwd: Path, sandbox: Path) -> Path:
    """The directory that a person names, as an absolute path.

    Raises:
        UsageError: there is no such directory, no DAG in it, or it is the sandbox's own.
    """
    try:
        path = Path(os.path.normpath(cwd / Path(named).expanduser()))
    except RuntimeError:  # ~NAME of nobody
        path = cwd / named
    if "\0" in named or not os.path.lexists(path):
        raise UsageError(f"--from {named!r}: there is no such directory", hint=sh("ls -ld {}", path.parent))
    if not path.is_dir():
        raise UsageError(f"--from {named}: {path} is not a directory", hint=sh("ls -ld {}", path))
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(sandbox)):
        hint = command("sandbox", sh("--from {}", sandbox.parent))
        raise UsageError(f"--from {named}: {path} is the sandbox's own, not a project of yours", hint=hint)
    with files.explained("read", path / "dags"):
        there = (path / "dags").is_dir() and any((path / "dags").iterdir())
    if not there:
        raise UsageError(f"--from {named}: there is no DAG in {path / 'dags'}", hint=sh("ls {}", path))
    return path


def read(path: Path, major: int | None) -> Source:
    """What is copied of a project.

    Args:
        path: its directory.
        major: Airflow's major version that was asked for; None: the one that its Dockerfile tells.

    Raises:
        UsageError: there is no DAG in it, it is too large, or its requirements are of this machine.
        TaskError: something in it cannot be read.
    """
    text = _text(path, NAME)
    names = [*FOLDERS, NAME, *_followed(path, text)]
    _refuse_paths(path, names[len(FOLDERS) :])
    found = copies.look(path, names, without=[dag.DAG])
    if not any(name.startswith("dags/") and name.endswith((".py", ".zip")) for name in found.files):
        left = "".join(f"; left out: {each}" for each in found.left[:3])
        raise UsageError(f"there is no DAG file in {path / 'dags'}{left}", hint=sh("ls -l {}", path / "dags"))
    major = major or _declared(path) or 3
    asks, moved = installed(text, "apache-airflow", venv.version(major))
    hashes = "".join(f"# {name}: {found.files[name]}\n" for name in names[len(FOLDERS) + 1 :] if name in found.files)
    return Source(path, major, found, asks and asks + hashes, moved)


def _declared(path: Path) -> int | None:
    try:
        return dockerfile.declared_major(path)
    except Pending:
        return None


def _text(path: Path, name: str) -> str:
    """The text of a file of the project; empty where there is none, or it leads out of the project."""
    file = path / name
    inside = Path(os.path.realpath(file)).is_relative_to(os.path.realpath(path))
    return (files.read(file) or b"").decode("utf-8-sig", errors="replace") if inside else ""


def _followed(path: Path, text: str) -> list[str]:
    """The files of the project that its requirements name, and that these name; each once."""
    found, waiting = {NAME: text}, [NAME]
    while waiting and len(found) < MAX_FILES:
        at = waiting.pop(0)
        for named in _NAMED.findall(found[at]):
            name = posixpath.normpath(posixpath.join(posixpath.dirname(at), named))
            if name not in found and not name.startswith(("..", "/")) and "://" not in named:
                found[name] = _text(path, name)
                waiting.append(name)
    return [*found][1:]


def _refuse_paths(path: Path, names: Sequence[str]) -> None:
    """Raise UsageError where a requirements file asks for a path: what lies there does not come along."""
    lines = ((name, *each) for name in names for each in enumerate(_text(path, name).splitlines(), 1))
    for name, number, line in lines:
        if _PATH.match(line):
            better = note("put that code below include or plugins, which come along, or name a package:")
            raise UsageError(
                f"{name}, line {number} ({line.strip()}) asks for a path of this machine: the sandbox installs none",
                hint=f"{better}\n{sh(f'less +{number} {{}}', path / name)}",
            )


def plan(site: Site, source: Source) -> Plan:
    """The project in the sandbox has the files of the source."""
    copy, wanted = site.project, f"{source.found}, {_tells(source.asks)}\n"
    there, asks = copies.copied(copy), (files.read(copy / venv.FURTHER) or b"").decode(errors="replace")
    change = Change(
        target=f".sandbox/{copy.name}",
        action="create" if there is None else "refresh",
        before=None if there is None else f"{there}, {_tells(asks)}\n",
        after=wanted,
        apply=lambda: _bring(site, source),
        reason=_said(source),
    )
    return Plan((change,), target=change.target, reason=_said(source), warnings=tuple(_warnings(source)))


def _tells(asks: str) -> str:
    return f"requirements {digest(asks)[:12]}" if asks else "no requirements"


def _bring(site: Site, source: Source) -> None:
    changed = copies.bring(source.path, site.project, source.found)
    if any(name.startswith("plugins/") for name in changed):
        site.runtime.stop()  # it reads them once, when it starts
    file = site.project / venv.FURTHER
    files.replace(file, files.read(file), source.asks.encode() if source.asks else None)


def _said(source: Source) -> str:
    unused = [name for name in UNUSED if os.path.lexists(source.path / name)]
    return f"{len(source.found.files)} files of {source.path}" + (f"; not used: {', '.join(unused)}" if unused else "")


def _warnings(source: Source) -> Iterator[str]:
    if source.found.left:
        more = f" and {len(source.found.left) - 5} more" if len(source.found.left) > 5 else ""
        yield f"left out: {', '.join(source.found.left[:5])}{more}"
    for line in source.moved:
        yield f"{NAME} asks for {line}: the sandbox has Airflow {venv.version(source.major)}"
