"""The menu: what a newcomer sees, what depends on what, and what loading it costs."""

from __future__ import annotations
import __future__

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aws_airflow_tasks import ns
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.settings import KEYS, Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import env
from aws_airflow_tasks.tasks import COMMON
from tests.project import StandInAirflow, airflow, astro_project, embedded

__all__ = ["airflow", "astro_project", "embedded"]

ROOT = Path(__file__).parent.parent
HEAVY = ("boto3", "botocore", "docker", "ruamel", "ruamel.yaml", "rich", "moto", "packaging")
DEPENDS = {
    "creds": [],
    "init": [],
    "mount": ["creds", "init"],
    "env": ["mount"],
    "secrets": ["creds"],
    "provider": ["init"],
    "dag": ["init"],
    "start": ["mount", "env", "provider", "dag"],
    "verify": ["start", "secrets"],
    "setup": ["creds", "init", "mount", "env", "secrets", "provider", "dag", "start"],
    "idempotence": ["setup"],
    "status": [],
    "open": [],
    "logs": [],
    "doctor": [],
    "explain": [],
    "trust": [],
    "refresh": ["creds"],
    "stop": [],
    "undo": [],
}


def test_every_task_declares_what_it_depends_on() -> None:
    assert {name: [other.name for other in ns[name].pre] for name in DEPENDS} == DEPENDS
    assert ns.tasks.keys() == DEPENDS.keys() - {"secrets"}


def test_the_tasks_of_single_entries_stand_beside_the_step_and_depend_on_the_identity_alone() -> None:
    entries = {name: task for name, task in ns.collections["secrets"].tasks.items() if name != "check"}
    assert entries.keys() == {"list", "get", "put", "delete", "history", "sync", "lint", "policy"}
    assert {task.name: [other.name for other in task.pre] for task in entries.values()} == {
        f"secrets.{name}": ["creds"] for name in entries
    }
    assert ns["secrets"].name == "secrets"


def test_the_sandbox_and_its_two_commands_are_there() -> None:
    assert set(ns.task_names) >= {"sandbox.up", "sandbox.stop", "sandbox.clean"}
    assert ns["sandbox"].name == "up"


@pytest.mark.parametrize("name", [*DEPENDS, *(each for each in ns.task_names if "." in each)])
def test_a_tasks_first_line_fits_a_terminal(name: str) -> None:
    first = (ns[name].__doc__ or "").splitlines()[0]
    assert 10 < len(first) <= 53


EVERYWHERE = {"project", "json", "yes"}
#: the flags that a task heeds beside those of every task, where these are not all of them
HEEDED = {
    "init": "check diff only skip",
    "provider": "check diff only skip runtime",
    "dag": "check diff only skip runtime override",
    "open": "runtime",
    "logs": "runtime",
    "status": "profile region runtime fresh diff",
    "doctor": "profile region runtime",
    "explain": "profile",
    "trust": "check diff",
    "stop": "check diff runtime",
    "undo": "check diff runtime",
    "sandbox.up": "check diff fresh override",
    "sandbox.stop": "check diff",
    "sandbox.clean": "check diff",
}


@pytest.mark.parametrize("name", ns.task_names)
def test_a_task_takes_the_flags_that_are_heeded_and_every_one_takes_project_json_and_yes(name: str) -> None:
    taken = {argument.name for argument in ns[name].get_arguments()} & COMMON.keys()
    changes = COMMON.keys() if name in DEPENDS or "check" in taken else COMMON.keys() - {"check", "override"}
    assert taken == EVERYWHERE | (set(HEEDED[name].split()) if name in HEEDED else changes)


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def test_listing_the_tasks_loads_nothing_heavy_and_of_ours_the_menu_alone() -> None:
    code = (
        "import sys\n"
        "from invoke.program import Program\n"
        "try:\n    Program().run(['invoke', '--list'])\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "print(*sorted(name for name in sys.modules if name.startswith('aws_airflow_tasks.')))"
    )
    heavy, ours = run_python(code).splitlines()[-2:]
    assert heavy == "[]"
    rooms = ("menu", "menu.entries", "menu.project", "menu.sandbox")
    assert ours.split() == [f"aws_airflow_tasks.{name}" for name in (*rooms, "process", "tasks")]


def test_importing_the_tasks_changes_nothing_of_the_process() -> None:
    code = (
        "import atexit, gc, logging, os, signal, sys\n"
        "import concurrent.futures.thread, invoke.program\n"
        "sys.dont_write_bytecode = True\n"
        "world = lambda: (gc.get_threshold(), gc.isenabled(), gc.get_freeze_count(), sys.dont_write_bytecode,\n"
        "    atexit._ncallbacks(), dict(os.environ), sys.path[:],\n"
        "    [signal.getsignal(n) for n in signal.valid_signals()], sys.stdout, sys.stderr, sys.excepthook)\n"
        "before = world()\n"
        "from aws_airflow_tasks import ns\n"
        "print(world() == before, len(ns.tasks) > 5)"
    )
    assert run_python(code).split() == ["True", "True"]


@pytest.mark.parametrize(("words", "needed"), [(["--list"], {"project"}), (["status"], {"project", "play", "creds"})])
def test_our_modules_are_compiled_once_and_no_module_of_the_person_is_kept(
    words: list[str], needed: set[str], tmp_path: Path
) -> None:
    (tmp_path / "tasks.py").write_text("from aws_airflow_tasks import ns\n")
    (tmp_path / "invoke.yaml").write_text("tasks:\n  executor_class: aws_airflow_tasks.executor.Executor\n")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"PYTHONPYCACHEPREFIX": str(tmp_path / "kept"), "HOME": str(tmp_path)}
    command = [sys.executable, "-v", "-m", "invoke", *words]
    subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True)
    kept = [path.relative_to(tmp_path / "kept") for path in (tmp_path / "kept").rglob("*.pyc")]
    assert needed <= {path.name.partition(".")[0] for path in kept if "aws_airflow_tasks" in path.parts}
    assert [path for path in kept if tmp_path.name in path.parts] == []
    again = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True).stderr
    compiled = re.findall(r"(?m)^# code object from (?!.*\.pyc'$)(.*)$", again)
    allowed = {ROOT / "aws_airflow_tasks" / name for name in ("__init__.py", "process.py", "executor/__init__.py")}
    allowed.add(Path(__future__.__file__))
    assert {Path(path) for path in compiled} - allowed == {tmp_path / "tasks.py"}  # but for the few lines that say so


def test_env_example_is_exactly_the_lines_that_env_maintains(
    astro_project: Path, airflow: StandInAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow.mounts = True
    settings = Settings(project=astro_project, endpoint_url="http://host.docker.internal:5000", credentials="live")
    lines = {name: value for name, value in env.wanted(Site(settings)).items() if value}
    text = (ROOT / ".env.example").read_bytes()
    assert dotenv.read(text, "docker") == lines == dotenv.read(text, "compose") == dotenv.read(text, "standalone")


def test_every_line_of_env_example_is_explained() -> None:
    paragraphs = (ROOT / ".env.example").read_text().strip().split("\n\n")[1:]
    assert all(paragraph.startswith("# ") and "=" in paragraph.splitlines()[-1] for paragraph in paragraphs)


def test_the_readme_names_every_setting_and_task() -> None:
    text = (ROOT / "README.md").read_text()
    assert [key for key in KEYS if f"`{key}`" not in text] == []
    assert [name for name in DEPENDS if f"`{name}`" not in text] == []
