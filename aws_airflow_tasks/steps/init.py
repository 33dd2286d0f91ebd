"""The project directory is an Astro project."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.core import Change, Plan, Target, TaskError, digest, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import cli, files, receipts

#: what `astro dev init` says where it cannot ask for the newest version of Astro Runtime
_OFFLINE = r"updates\.astronomer\.io|no such host|dial (tcp|udp)|failure in name resolution|server misbehaving"
#: the command that need not ask, as it is told the version
_INIT_OFFLINE = "astro dev init --runtime-version 3.1-12"
#: seconds that `astro dev init` may take: it asks for the newest version and writes some files
_PATIENCE = 60
#: where `astro dev init` puts files; nothing else is looked at
FOLDERS = (".astro", "dags", "include", "plugins", "tests")
#: the files that make a directory an Astro project
PARTS = (".astro/config.yaml", "Dockerfile")


def plan(site: Site) -> Plan:
    """`astro dev init` where there is no Astro project yet; judged by the files it leaves, not by its exit code.

    Raises:
        TaskError: the directory is the home directory or the root, or `astro` is missing.
    """
    project = site.project
    if is_project(project):
        return Plan(target=shown(project), reason="an Astro project")
    _refuse(project)
    _find_astro(project)
    change = Change(
        target=shown(project),
        action="create",
        before=None,
        after="the files of `astro dev init`\n",
        apply=lambda: _init(project, site.state),
        reason="astro dev init",
        ask=absent(project) or _occupied(project),
    )
    return Plan((change,))


def absent(project: Path) -> str:
    """The question that comes before a directory is made, whose name may be misspelt; empty where it is there."""
    return "" if project.exists() else f"There is no {shown(project)}; make it?"


def _occupied(project: Path) -> str:
    return f"{shown(project)} is not empty; make it an Astro project?" if any(project.iterdir()) else ""


def _find_astro(project: Path) -> None:
    try:
        cli.find("astro")
    except TaskError as error:
        if project.exists():
            raise
        raise TaskError(f"there is no {shown(project)}, and {error.message}", hint=error.hint) from None


def is_project(project: Path) -> bool:
    """Whether ``astro dev`` would take ``project`` for one of its own."""
    return all((project / name).is_file() for name in PARTS)


def shown(path: Path) -> str:
    """A path as a person writes it: the home directory as ``~``."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path != home and path.is_relative_to(home) else str(path)


def _refuse(project: Path) -> None:
    if project in (Path.home(), Path(project.anchor)):
        raise TaskError(
            f"{project} is no place for an Astro project, and there is none here or above",
            hint="mkdir my-airflow && cd my-airflow",
        )
    if project.exists() and not project.is_dir():
        raise TaskError(f"{project} is not a directory", hint=command("init", sh("--project {}", project.parent)))
    for name in PARTS:
        files.read(project / name)  # what stands there and is no file, `astro dev init` would trip over


@receipts.kind("init")
class Made(NamedTuple):
    """What `astro dev init` made: by path the sha256 (hex) of each file; directories end in a slash and have none."""

    made: Mapping[str, str]


def undo(site: Site) -> list[Target]:
    """What `astro dev init` made goes, but for the files that were changed since."""
    name = "the files of `astro dev init`"
    kept = receipts.of(site.receipts, Made)
    made = {path: sha256 for each in kept for path, sha256 in each.record.made.items()}

    def left() -> list[str]:
        return [path for path, sha256 in made.items() if sha256 and _without_ours(site, path) == sha256]

    def plan() -> Plan:
        folders = [site.project / path for path in sorted(made) if path.endswith("/")]
        before = "".join(f"{path}\n" for path in left()) or None
        paths = (site.project / path for path in left())
        return Plan((Change(name, "delete", before, None, lambda: _remove([*paths], folders)),), target=name)

    return [Target(name, plan, tuple(each.number for each in kept))] if kept else []


def _without_ours(site: Site, path: str) -> str | None:
    """The hash of a file as it is, or will be once our own changes of it are taken back."""
    data = site.read(path)
    way = receipts.way_back(receipts.of_file(site.receipts, path), data)
    return way[-1].record.before if way and way[0].record.after == digest(data) else digest(data)


def _remove(paths: Sequence[Path], folders: Sequence[Path]) -> None:
    for path in paths:
        files.replace(path, files.read(path), None)
    files.remove_empty([folder for folder in folders if not _is_here(folder)])


def _is_here(folder: Path) -> bool:
    """Whether the person stands in a directory, whose shell would stand nowhere without it."""
    try:
        return Path.cwd().is_relative_to(folder.resolve())
    except OSError:
        return False


def _init(project: Path, state: Path) -> None:
    """Run `astro dev init`, and remember what it made even when it was interrupted, with the directory if we did."""
    itself = {} if project.exists() else {"./": ""}
    with files.explained("make", project):
        project.mkdir(parents=True, exist_ok=True)
    had = _files(project)
    try:
        # older CLIs ask instead of knowing --force, and a telemetry notice must not count as a failure
        done = _astro(project, "--force")
        if not is_project(project):
            done = _astro(project, input="y\n")
    finally:
        made = itself | {path: digest for path, digest in _files(project).items() if path not in had}
        if made:
            receipts.record(state, Made(made))
    if not is_project(project):
        offline = re.search(_OFFLINE, done.stdout + done.stderr)
        hint = f"{_INIT_OFFLINE}   # needs no network" if offline else "astro dev init"
        raise TaskError(f"`astro dev init` made no project: {cli.said(done)}", hint=hint)


def _astro(project: Path, *flags: str, input: str = "") -> cli.Completed:
    """`astro dev init`; what it makes is for containers, whose user is another one, to read.

    Raises:
        TaskError: it hangs, before it has made a project.
    """
    try:
        return cli.run(["astro", "dev", "init", *flags], cwd=project, input=input, timeout=_PATIENCE, umask=0o022)
    except cli.TimedOut as error:
        if not is_project(project):
            raise TaskError(error.message, hint=f"{_INIT_OFFLINE}   # needs no network") from None
        return cli.Completed(0, "", "")


def _files(project: Path) -> dict[str, str]:
    """The files where init may put some, with their SHA-256; directories end in a slash and have none."""
    found: dict[str, str] = {}
    for top in sorted(project.iterdir()):
        if top.is_dir() and not top.is_symlink() and top.name in FOLDERS:
            for folder, _, names in os.walk(top):
                found[f"{Path(folder).relative_to(project).as_posix()}/"] = ""
                paths = [Path(folder, name) for name in names]
                found |= {_name(project, path): digest(path.read_bytes()) for path in paths if path.is_file()}
        elif top.is_file() and not top.is_symlink():
            found[top.name] = digest(top.read_bytes())
    return found


def _name(project: Path, path: Path) -> str:
    return path.relative_to(project).as_posix()
