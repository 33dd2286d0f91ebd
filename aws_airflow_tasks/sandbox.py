"""A project, an embedded AWS and an embedded Airflow in ``.sandbox/``; then the same tasks as anywhere else.

Inside the sandbox this process has a HOME of its own, so that the person's ``~/.aws`` is neither read nor written, and
no ``AWS_*`` variable; what runs there, in a play of its own, cannot tell the sandbox from a laptop. What stands beside
it on the command line acts on the person's project as ever.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from aws_airflow_tasks import backends
from aws_airflow_tasks.core import Change, Plan, TaskError, UsageError, digest, sh
from aws_airflow_tasks.play import Play
from aws_airflow_tasks.report import Note, next_note
from aws_airflow_tasks.runtimes import airflow_config, venv
from aws_airflow_tasks.runtimes.embedded import Embedded
from aws_airflow_tasks.runtimes.venv import Further
from aws_airflow_tasks.settings import KEYS, Settings, here, shown
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import copying, parsing
from aws_airflow_tasks.steps.copying import Source
from aws_airflow_tasks.text.calling import called, command, current, flag
from aws_airflow_tasks.world import cli, moto, processes, sessions

#: the base images that the Astro CLI would write into the Dockerfile
IMAGES = {2: "quay.io/astronomer/astro-runtime:13.2.0", 3: "astrocrpublic.azurecr.io/runtime:3.1-12"}
#: variables of the person's that would lead out of the sandbox
FOREIGN = ("AIRFLOW_", "AWS_", "INVOKE_AWS_AIRFLOW_", "XDG_")


def run(play: Play, airflow: str, backend: str, source: str, *tasks: Any) -> None:
    """Make the project, the embedded AWS and Airflow's virtual environment, then run ``tasks`` on them.

    Args:
        play: the command line, which is told what came of it.
        airflow: Airflow's major version, ``2`` or ``3``; empty: the source's, else 3.
        backend: the name of the secrets backend.
        source: the directory of the project that a copy is made of; empty: an empty one.
        tasks: the tasks to run there.

    Raises:
        UsageError: there is no such version here, no such backend, or no project in that directory.
    """
    if airflow not in ("", "2", "3"):
        raise UsageError(f"--airflow {airflow} is neither 2 nor 3", hint=command("sandbox", "--airflow 3"))
    if backend not in backends.ALL:
        known = " nor ".join(backends.ALL)
        raise UsageError(
            f"--backend {backend} is neither {known}", hint=command("sandbox", "--backend parameter-store")
        )
    root = _root(play.settings)
    asked = int(airflow) if airflow else None
    mine = copying.read(copying.source(source, here(), root), asked) if source else None
    major = mine.major if mine else asked or 3
    project = root / (_copied(mine) if mine else f"airflow-{major}")
    settings = _settings(play.settings, project)._replace(backend=backend)
    flags = _flags(airflow, backend, mine.path if mine else None)
    with _inside(root), _typed(flags):
        if not _made(play, settings, root, major, mine):
            return
        endpoint = moto.running(_aws_directory(root), root / "home") or ""
        with play.another(settings._replace(endpoint_url=endpoint)) as there:
            there.go(*tasks)
            if mine and not (there.failed or settings.check):
                there.verify(lambda site: parsing.checks(site, mine.path), parsing.NAME)
            _say_what_next(there, mine.path if mine else None)


def _typed(flags: str) -> AbstractContextManager[None]:
    """A task's own name, typed outside of the sandbox, acts on the person's project: hints name the sandbox's."""
    there = {"": command("sandbox", flags), "stop": command("sandbox.stop"), "undo": command("sandbox.clean")}
    return called(current()._replace(there=there))


def _copied(source: Source) -> str:
    """The name of the copy's directory: a person can tell whose it is, and no other has it."""
    name = re.sub(r"[^A-Za-z0-9_]+", "-", source.path.name).strip("-")[:40]
    return f"airflow-{source.major}-{name or 'root'}-{digest(str(source.path))[:6]}"


def _made(play: Play, settings: Settings, root: Path, major: int, mine: Source | None = None) -> bool:
    """Make all that ``tasks`` need; returns whether it is there, and not only would be."""
    with play.another(settings) as there, ThreadPoolExecutor(max_workers=1) as pool, _nothing_left():
        if mine:
            there.converge("copy", lambda site: copying.plan(site, mine))
            if there.failed:
                return False
        # the longest step goes on beside the others; nothing that it makes depends on them
        further = mine.further(settings.project) if mine else venv.NOTHING
        wanted = not settings.check and not venv.is_ready(venv.folder(major, settings.cache, further))
        built = [pool.submit(venv.ensure, major, settings.cache, further)] if wanted else []
        there.converge("project", lambda site: _project(site.project, major))
        there.converge("aws", lambda _: _aws(root))
        there.converge("airflow", lambda site: _airflow(site.settings, major, built, further))
    pending = settings.check and any(result.status == "changed" for result in there.results)
    return not (there.failed or pending)


@contextlib.contextmanager
def _nothing_left() -> Iterator[None]:
    """Who interrupts the body does not wait for what other threads have started."""
    try:
        yield
    except BaseException:
        cli.stop_running()
        raise


def stop(play: Play) -> None:
    """Stop the sandbox's Airflow and AWS, whatever a killed run left of them."""
    root = _root(play.settings)
    with _inside(root), play.another(_settings(play.settings, root / "airflow-3")) as there:
        there.converge("sandbox.stop", lambda site: _stopped(site.settings, root))


def clean(play: Play) -> None:
    """Stop the sandbox and remove ``.sandbox/``; the virtual environments in the user's cache stay."""
    stop(play)
    if play.failed:
        return  # what runs there still needs it
    root = _root(play.settings)
    with _inside(root), play.another(_settings(play.settings, root / "airflow-3")) as there:
        there.converge("sandbox.clean", lambda _: _removed(root))


def _root(asked: Settings) -> Path:
    """The sandbox's directory; raises UsageError where a symlink, which a repository may bring, leads out of it."""
    processes.on_unix("the sandbox")
    root = asked.project / ".sandbox"
    real = Path(os.path.realpath(asked.project)) / root.name
    below = (Path(folder, name) for folder, *names in os.walk(root) for name in itertools.chain(*names))
    for path in itertools.chain([root], below):
        if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(real):
            raise UsageError(
                f"{path} is a symlink to {shown(str(path.readlink()))}, and the sandbox writes nothing outside of it",
                hint=sh("rm {}", path),
            )
    return root


def _settings(asked: Settings, project: Path) -> Settings:
    """What was asked for, of which nothing but the flags and the patience is for the sandbox too."""
    plain = Settings()
    ours = {key: getattr(plain, key) for key in KEYS if key != "wait"}
    return asked._replace(**ours | {"project": project, "runtime": "embedded"})


@contextlib.contextmanager
def _inside(root: Path) -> Iterator[None]:
    """The environment of somebody who lives in the sandbox; this process's own is given back."""
    sessions.load()
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(FOREIGN)]:
        del os.environ[name]
    os.environ |= {
        "HOME": str(root / "home"),
        "USERPROFILE": str(root / "home"),
        "AWS_EC2_METADATA_DISABLED": "true",
        **airflow_config.no_proxy(os.environ),
    }
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ |= before


def _project(project: Path, major: int) -> Plan:
    """The files that `astro dev init` would make; one that is there already is left alone."""
    wanted = _files(project, major)
    missing = {path: text for path, text in wanted.items() if not path.exists()}
    listing = "".join(f"{path.relative_to(project.parent)}\n" for path in wanted)
    change = Change(
        target=f".sandbox/{project.name}",
        action="create",
        before="".join(f"{path.relative_to(project.parent)}\n" for path in wanted if path not in missing) or None,
        after=listing,
        apply=lambda: _write(missing, project.parent),
        reason="the files of `astro dev init`",
    )
    return Plan((change,), target=change.target, reason="an Astro project")


def _files(project: Path, major: int) -> dict[Path, str]:
    return {
        project.parent / ".gitignore": "*\n",
        project / ".astro" / "config.yaml": f"project:\n    name: {project.name}\n",
        project / ".astro" / "dag_integrity_exceptions.txt": "# DAG files that the parse test leaves out, one a line\n",
        project / ".dockerignore": ".git\n.env\n.venv\nairflow_settings.yaml\n",
        project / ".env": "",
        project / ".gitignore": ".env\n.venv\n__pycache__/\nairflow_settings.yaml\n",
        project / "Dockerfile": f"FROM {IMAGES[major]}\n",
        project / "README.md": "The sandbox's Astro project. Change what you like.\n",
        project / "airflow_settings.yaml": "airflow:\n  connections: []\n  pools: []\n  variables: []\n",
        project / "dags" / ".airflowignore": "",
        project / "include" / ".gitkeep": "",
        project / "packages.txt": "",
        project / "plugins" / ".gitkeep": "",
        project / "requirements.txt": "",
    }


def _write(missing: dict[Path, str], root: Path) -> None:
    try:
        (root / "home").mkdir(parents=True, exist_ok=True)
        (root / "home").chmod(0o700)
        for path, text in missing.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise TaskError(f"cannot write {error.filename}: {error.strerror}", hint=sh("ls -ld {}", root.parent)) from None


def _aws_directory(root: Path) -> Path:
    return root / "aws"


def _aws(root: Path) -> Plan:
    directory, home = _aws_directory(root), root / "home"
    endpoint = moto.running(directory, home)
    change = Change(
        target="embedded AWS",
        action="start",
        before="running\n" if endpoint else None,
        after="running\n",
        apply=lambda: _start_aws(directory, home),
        reason="an IAM user with keys, and `aws configure`",
    )
    return Plan((change,), target="embedded AWS", reason=f"moto server on {endpoint}")


def _start_aws(directory: Path, home: Path) -> None:
    moto.ensure(directory, home)


def _airflow(settings: Settings, major: int, built: list[Future[Path]], further: Further = venv.NOTHING) -> Plan:
    folder = venv.folder(major, settings.cache, further)
    change = Change(
        target=f"Airflow {venv.version(major)}",
        action="create",
        before="installed\n" if venv.is_ready(folder) and not built else None,
        after="installed\n",
        apply=lambda: _wait_for(built),
        reason=f"from PyPI, into {folder}",
    )
    return Plan((change,), target=change.target, reason=f"in {folder}")


def _wait_for(built: list[Future[Path]]) -> None:
    while built:
        built.pop().result()


def _flags(airflow: str, backend: str, source: Path | None) -> str:
    """The flags that choose the same sandbox again, where it is not the default one."""
    plain = Settings().backend
    chosen = {
        "from": str(source or ""),
        "airflow": "" if airflow == "3" and not source else airflow,
        "backend": "" if backend == plain else backend,
    }
    return " ".join(flag(name, value) for name, value in chosen.items() if value)


def _say_what_next(play: Play, source: Path | None = None) -> None:
    if play.failed or play.settings.check:
        return
    printed = next((check.detail for check in play.checks if check.check == "dag-run" and check.status == "ok"), "")
    where = play.extra.get("airflow", {})
    play.extra["sandbox"] = {"value": printed, "ui": where.get("url"), "project": str(play.settings.project)}
    play.extra["sandbox"] |= {"from": str(source)} if source else {}
    ours = Path(sys.executable).with_name("aws-airflow")  # found from any directory
    play.note(
        Note(f"in your own Astro project:\n      {sh('{}', ours)} setup --check --diff"),
        next_note(command("stop"), command("undo"), command("sandbox")),
    )


def _stopped(settings: Settings, root: Path) -> Plan:
    halts = _running(settings, root)
    change = Change(
        target=", ".join(halts) or "sandbox",
        action="stop",
        before="".join(f"{name}: running\n" for name in halts) or None,
        after=None,
        apply=lambda: _halt(halts),
    )
    return Plan((change,), target="sandbox", reason="not running")


def _running(settings: Settings, root: Path) -> dict[str, Callable[[], object]]:
    """What runs in the sandbox, by name, each with the way to stop it."""
    found: dict[str, Callable[[], object]] = {}
    for project in sorted(root.glob("airflow-*")):
        state = Site(settings._replace(project=project)).state
        major = 2 if project.name.startswith("airflow-2") else 3  # one that is half made has no Dockerfile to ask
        runtime = Embedded(project, state / Embedded.leaves, settings.cache, major)
        if runtime.running():
            found[f"Airflow in {project.name}"] = runtime.stop
    if moto.lives(_aws_directory(root)):
        found["embedded AWS"] = lambda: moto.stop(_aws_directory(root))
    return found


def _halt(halts: dict[str, Callable[[], object]]) -> None:
    for halt in halts.values():
        halt()


def _removed(root: Path) -> Plan:
    change = Change(
        target=str(root),
        action="delete",
        before="the sandbox\n" if root.exists() else None,
        after=None,
        apply=lambda: _remove(root),
    )
    return Plan((change,), target=str(root), reason="not there")


def _remove(root: Path) -> None:
    try:
        shutil.rmtree(root)
    except OSError as error:
        raise TaskError(f"cannot remove {error.filename}: {error.strerror}", hint=sh("rm -r {}", root)) from None
