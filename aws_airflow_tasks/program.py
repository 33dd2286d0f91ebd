"""The console script ``aws-airflow``: the same tasks in any Astro project, with no ``tasks.py`` at all."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from invoke.collection import Collection
from invoke.config import Config
from invoke.exceptions import Exit
from invoke.program import Program

from aws_airflow_tasks import ns, report
from aws_airflow_tasks.core import Change, Edit, Plan, TaskError, UsageError
from aws_airflow_tasks.executor import Executor, task
from aws_airflow_tasks.patch import Patch
from aws_airflow_tasks.play import Play
from aws_airflow_tasks.settings import SECTION, is_trusted, nearest_project
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import files

TASKS = '"""The menu: type `invoke --list`."""\n\nfrom aws_airflow_tasks import ns\n\n__all__ = ["ns"]\n'
CONFIGURATION = "tasks:\n  executor_class: aws_airflow_tasks.executor.Executor\n"
ADD = """\
# in tasks.py, where your own collection is made:
from invoke import Collection
import aws_airflow_tasks
ns = Collection(...)  # your tasks
ns.add_collection(aws_airflow_tasks.ns, name="aws-airflow")
# in invoke.yaml:
"""


@task()
def init_tasks(play: Play) -> None:
    """Write a tasks.py and invoke.yaml for people who like `invoke` (this script needs neither)."""
    play.converge("init-tasks", _plan)


def _plan(site: Site) -> Plan:
    wanted = {"tasks.py": TASKS, "invoke.yaml": CONFIGURATION}
    found = {name: _read(site.project / name) for name in wanted}
    if found == wanted:
        return Plan(target="tasks.py, invoke.yaml", reason="as this writes them")
    if any(text is not None and text != wanted[name] for name, text in found.items()):
        there = ", ".join(name for name, text in found.items() if text is not None)
        raise TaskError(f"{there} exists already and is left alone", hint=ADD + CONFIGURATION)
    changes: tuple[Change, ...] = ()
    for name, text in wanted.items():
        if found[name] is None:
            data = text.encode()
            patch = Patch("edits", None, data, (Edit(0, b"", data),))
            changes += files.plan("init-tasks", site.project, name, patch).changes
    return Plan(changes)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TaskError(f"cannot read {path.name}: {error.strerror}", hint=f"ls -ld {path}") from None


#: how an ``invoke.yaml`` of a project may be written; invoke itself takes, and runs, an ``invoke.py`` as well
DATA = ("yaml", "yml", "json")


class Configuration(Config):
    """Invoke's configuration, of which a project has only our own settings, as data.

    A directory that was cloned or downloaded is looked at before anybody trusts it: its ``invoke.py`` is not run, and
    of its ``invoke.yaml`` nothing but our section is taken, so that no key of invoke's (``tasks.executor_class``,
    ``runners``, ``run.shell`` …) reaches this program. The levels that the person wrote or named (``/etc``,
    ``~/.invoke.*``, ``-f FILE``) are as under ``invoke``, Python included: they are the person's own programs.
    """

    def load_project(self, merge: bool = True) -> None:
        """Load the project's level."""
        suffixes = self._file_suffixes
        self._set(_file_suffixes=DATA)
        super().load_project(merge=False)
        self._set(_file_suffixes=suffixes)
        found = self._project or {}
        self._set(_project={SECTION: found[SECTION]} if found.get(SECTION) else {})
        if merge:
            self.merge()


class AwsAirflow(Program):
    """Invoke's program bound to our tasks; of the Astro project's ``invoke.yaml`` it takes our settings."""

    def update_config(self, merge: bool = True) -> None:
        """Load the project's level too: here, as neither ``--help`` nor ``--list`` needs anything of a directory."""
        folder = nearest_project(Path.cwd())
        try:
            _refuse_strangers(folder)
            self.config.set_project_location(str(folder))
            self.config.load_project()
        except UsageError as error:
            raise Exit(report.error_lines(error), code=2) from None
        except Exception as error:  # invoke lets YAML's and its own errors through as they are
            problem = TaskError(f"{folder / 'invoke.yaml'} cannot be read: {_one_line(error)}", hint="mend that file")
            raise Exit(report.error_lines(problem), code=2) from None
        super().update_config(merge)

    def execute(self) -> None:
        """Run the tasks under our own executor, whatever a configuration file names for ``invoke``."""
        self.executor_class(self.collection, self.config, self.core).execute(*self.tasks)


def _refuse_strangers(folder: Path) -> None:
    """Raise UsageError where settings of another user would count, as git does with a repository of another user."""
    found = [path for suffix in DATA if os.path.lexists(path := folder / f"invoke.{suffix}")]
    theirs = next((path for path in (folder, *found) if not is_trusted(path)), None)
    if found and theirs:
        yours, there = shlex.quote(str(theirs)), shlex.quote(str(folder))
        raise UsageError(
            f"{theirs} belongs to another user, so the settings in {found[0].name} are not taken",
            hint=f'sudo chown -R "$USER" {yours}   # if it is to be yours\n'
            f"cd && aws-airflow status --project {there}   # without its settings",
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def program() -> AwsAirflow:
    """The program, for the console script and for tests."""
    return AwsAirflow(
        version=version("aws-airflow-tasks"),
        name="aws-airflow",
        binary="aws-airflow",
        namespace=_namespace(),
        executor_class=Executor,
        config_class=Configuration,
    )


def _namespace() -> Collection:
    extended = Collection()
    for one in ns.tasks.values():
        extended.add_task(one)
    for collection in ns.collections.values():
        extended.add_collection(collection)
    extended.add_task(init_tasks)
    return extended


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line; ends the process with the exit code of the interface."""
    try:
        program().run(list(argv) if argv is not None else sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
