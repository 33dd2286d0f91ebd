"""What a project decides beyond its own directory, and the person's answer to it: asked once, kept by its content.

A clone is looked at before anybody knows what is in it, so what its author wrote does not count until the person has
agreed: git, direnv and mise ask alike. The answers lie in the project's state directory, which nobody else can write;
one that cannot be read is none.
"""

import ipaddress
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from aws_airflow_tasks.core import TaskError, digest, sh
from aws_airflow_tasks.settings import Layer, joined, shown
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import files, private, state


def _stays_here(url: str) -> bool:
    """Whether requests for ``url`` stay on this machine, whatever a DNS or a C library makes of its host."""
    host = urlsplit(url).hostname or ""
    try:
        return not url or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _any(_: str) -> bool:
    return True


#: the settings that a project may decide, and which of their values; every other one is asked about
FREE: Mapping[str, Callable[[str], bool]] = {
    "region": _any,
    "wait": _any,
    "identity_ttl": _any,
    "backend": _any,
    "runtime": lambda value: value in ("auto", "docker"),
    "credentials": lambda value: value in ("auto", "export"),
    "endpoint_url": _stays_here,
}


#: what we, or `astro dev start`, write in a project, and where `astro dev init` does; directories come first
WRITTEN = (
    ".astro", "dags", ".env", "docker-compose.override.yml", "requirements.txt", "dags/example_secrets_dag.py",
)  # fmt: skip
INIT = (
    "include", "plugins", "tests", "tests/dags", ".astro/config.yaml", ".astro/dag_integrity_exceptions.txt",
    ".astro/test_dag_integrity_default.py", ".dockerignore", ".gitignore", "Dockerfile", "README.md",
    "airflow_settings.yaml", "dags/.airflowignore", "dags/exampledag.py", "include/.keep", "packages.txt",
    "plugins/.keep", "tests/dags/test_dag_example.py",
)  # fmt: skip


class Asked(NamedTuple):
    """What a project asks for.

    Attributes:
        settings: by file, relative to the project, the values that it sets.
        links: by name in the project, of what is written there, the place outside of it that a symlink leads to.
    """

    settings: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    links: Mapping[str, str] = MappingProxyType({})

    @property
    def lines(self) -> tuple[str, ...]:
        """One for each thing, in words for a person; a value may hold anything, and is shown as Python writes it."""
        found = [
            f"{key}: {shown(value)} ({file})" for file, values in self.settings.items() for key, value in values.items()
        ]
        return (*found, *(f"{name} is a symlink to {shown(target)}" for name, target in self.links.items()))

    @property
    def sha256(self) -> str:
        """By which its content is known again, in hex."""
        return digest(json.dumps([dict(self.settings), dict(self.links)], sort_keys=True))


class Answer(NamedTuple):
    """What was agreed to, and when (seconds since the epoch)."""

    asked: Asked
    at: float


def asked(project: Path, layers: Iterable[Layer]) -> Asked:
    """What the files and the symlinks that a project brings ask for.

    Args:
        project: its directory.
        layers: all that was given; their values are valid.
    """
    found = {_relative(layer.origin, project): dict(_of(layer)) for layer in layers if layer.brought}
    return Asked({file: values for file, values in sorted(found.items()) if values}, links(project))


def links(project: Path) -> dict[str, str]:
    """By name what is written in a project and would be written outside of it, and where."""
    made = all((project / name).is_file() for name in (".astro/config.yaml", "Dockerfile"))
    found: dict[str, str] = {}
    for name in WRITTEN if made else WRITTEN + INIT:
        if (project / name).is_symlink() and (target := _outside(project, name)) and not _beneath(target, found):
            found[name] = target
    return found


def _beneath(target: str, links: Mapping[str, str]) -> bool:
    """Whether a place lies where one of the symlinks leads, and so goes with it."""
    return any(Path(target).is_relative_to(to) for to in links.values())


def _outside(project: Path, name: str) -> str:
    """Where a name in the project leads; empty: not out of it."""
    target = os.path.realpath(project / name)
    return "" if Path(target).is_relative_to(os.path.realpath(project)) else target


def keep_inside(project: Path, name: str) -> None:
    """Raise TaskError where a name in the project leads out of it, and the person has not agreed to that."""
    target = _outside(project, name)
    if target and not any(_beneath(target, answer.asked.links) for answer in answers(project)):
        raise TaskError(
            f"{name} leads out of the project, to {shown(target)}, which you have not agreed to",
            hint=sh("ls -ld {}", project / name) + f"   # if that is meant: {command('trust')}",
        )


def _of(layer: Layer) -> Iterator[tuple[str, str]]:
    for key, value in sorted(layer.values.items()):
        if value is not None and not (key in FREE and FREE[key](str(value))):
            yield key, str(joined(key, value))


def _relative(file: str, project: Path) -> str:
    try:
        return os.path.relpath(file, project)
    except ValueError:  # Windows: it lies on another drive
        return file


def without(project: Path, layers: Sequence[Layer], agreed: Asked) -> list[Layer]:
    """The layers, of which those that a project brings ask for no more than was agreed to."""

    def heeded(layer: Layer) -> Layer:
        if not layer.brought:
            return layer
        asks = dict(_of(layer))
        free = {key: value for key, value in layer.values.items() if key not in asks}
        return layer._replace(values={**free, **agreed.settings.get(_relative(layer.origin, project), {})})

    return [heeded(layer) for layer in layers]


def answers(project: Path) -> list[Answer]:
    """What the person has agreed to for a project, the latest last.

    Raises:
        TaskError: others could have written it.
    """
    folder = state.locate(project)
    if not os.path.lexists(folder):
        return []
    with files.explained("read", folder):
        private.check(folder)
    return list(_read(folder))


def everywhere() -> dict[str, list[Answer]]:
    """By project what the person has agreed to."""
    return {project: found for folder, project in state.recorded() if (found := list(_read(folder)))}


def _read(folder: Path) -> Iterator[Answer]:
    try:
        stored = from_json(files.read(folder / state.ANSWERS) or b"[]")
        for each in stored:
            if (agreed := Asked(**each["asked"])).sha256 == each["sha256"]:
                yield Answer(agreed, float(each["at"]))
    except (ValueError, TypeError, KeyError):
        return


def holds(wanted: Asked, found: Iterable[Answer]) -> bool:
    """Whether just this was agreed to; nothing needs no answer."""
    return not any(wanted) or wanted.sha256 in {answer.asked.sha256 for answer in found}


def agree(project: Path, wanted: Asked) -> None:
    """Keep the person's answer.

    Raises:
        TaskError: it cannot be kept.
    """
    folder = state.make(project)
    others = [answer for answer in _read(folder) if answer.asked != wanted]
    _write(folder, [*others, Answer(wanted, time.time())])


def revoke(project: Path) -> None:
    """Forget every answer for a project."""
    _write(state.locate(project), [])


def _write(folder: Path, found: Sequence[Answer]) -> None:
    path, stored = folder / state.ANSWERS, [_stored(answer) for answer in found]
    files.replace(path, files.read(path), json.dumps(stored, indent=1).encode() if stored else None, mode=0o600)


def _stored(answer: Answer) -> dict[str, Any]:
    agreed = {name: dict(found) for name, found in answer.asked._asdict().items()}
    return {"sha256": answer.asked.sha256, "asked": agreed, "at": answer.at}
