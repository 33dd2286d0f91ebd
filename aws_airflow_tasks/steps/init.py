"""The project directory is an Astro project."""

from __future__ import annotations

import os
from pathlib import Path

from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.text import digest
from aws_airflow_tasks.world import cli, receipts

#: where `astro dev init` puts files; nothing else is looked at
FOLDERS = (".astro", "dags", "include", "plugins", "tests")


def plan(site: Site) -> Plan:
    """`astro dev init` where there is no Astro project yet; judged by the files it leaves, not by its exit code.

    Raises:
        TaskError: the directory is the home directory or the root, or `astro` is missing.
    """
    project = site.project
    if is_project(project):
        return Plan(target=shown(project), reason="an Astro project")
    _refuse(project)
    cli.find("astro")
    occupied = project.is_dir() and any(project.iterdir())
    change = Change(
        target=shown(project),
        action="create",
        before=None,
        after="the files of `astro dev init`\n",
        apply=lambda: _init(project, site.state),
        reason="astro dev init",
        ask=f"{shown(project)} is not empty; make it an Astro project?" if occupied else "",
    )
    return Plan((change,))


def is_project(project: Path) -> bool:
    """Whether ``astro dev`` would take ``project`` for one of its own."""
    return (project / ".astro" / "config.yaml").is_file() and (project / "Dockerfile").is_file()


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
        raise TaskError(f"{project} is not a directory", hint="invoke init --project DIRECTORY")


def _init(project: Path, state: Path) -> None:
    """Run `astro dev init`, and remember what it made even when it was interrupted."""
    project.mkdir(parents=True, exist_ok=True)
    had = _files(project)
    try:
        # older CLIs ask instead of knowing --force, and a telemetry notice must not count as a failure
        done = cli.run(["astro", "dev", "init", "--force"], cwd=project)
        if not is_project(project):
            done = cli.run(["astro", "dev", "init"], cwd=project, input="y\n")
    finally:
        made = {path: digest for path, digest in _files(project).items() if path not in had}
        if made:
            receipts.record(state, {"kind": "init", "made": made})
    if not is_project(project):
        raise TaskError(f"`astro dev init` made no project: {cli.said(done)}", hint="astro dev init")


def _files(project: Path) -> dict[str, str]:
    """The files where init may put some, with their SHA-256; directories end in a slash and have none."""
    found: dict[str, str] = {}
    for top in sorted(project.iterdir()):
        if top.is_dir() and not top.is_symlink() and top.name in FOLDERS:
            for folder, _, names in os.walk(top):
                found[f"{Path(folder).relative_to(project).as_posix()}/"] = ""
                paths = [Path(folder, name) for name in names]
                found |= {_name(project, path): digest(path.read_bytes()) for path in paths}
        elif top.is_file() and not top.is_symlink():
            found[top.name] = digest(top.read_bytes())
    return found


def _name(project: Path, path: Path) -> str:
    return path.relative_to(project).as_posix()
