"""Converged commands against their bare equivalents. Usage: python -m benchmarks.commands [RUNS]

Starts a sandbox of its own (real Airflow, an embedded AWS) in a temporary directory, and removes it again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.whole import Command, compare

MENU = {
    "tasks.py": "from aws_airflow_tasks import ns\n",
    "invoke.yaml": "tasks:\n  executor_class: aws_airflow_tasks.executor.Executor\n",
}
NOOP = "from invoke import task\n\n\n@task\ndef noop(c):\n    pass\n"
#: what leads out of the benchmark's own world
FOREIGN = ("AIRFLOW_", "AWS_", "INVOKE_", "XDG_")


def main() -> None:
    """Prepare, compare, clean up."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        for name, text in MENU.items():
            (here / name).write_text(text)
        invoke = [sys.executable, "-m", "invoke"]
        try:
            subprocess.run([*invoke, "sandbox"], cwd=here, env=clean, check=True)
            _commands(here, clean, invoke, runs)
        finally:
            subprocess.run([*invoke, "sandbox.clean"], cwd=here, env=clean, check=True)


def _commands(here: Path, clean: dict[str, str], invoke: list[str], runs: int) -> None:
    project, endpoint = here / ".sandbox" / "airflow-3", (here / ".sandbox" / "aws" / "port").read_text()
    inside = clean | {
        "HOME": str(here / ".sandbox" / "home"),
        "XDG_CACHE_HOME": str(Path.home() / ".cache"),
        "INVOKE_AWS_AIRFLOW_ENDPOINT_URL": f"http://127.0.0.1:{endpoint}",
        "INVOKE_AWS_AIRFLOW_RUNTIME": "embedded",
    }
    aws = inside | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{endpoint}"}
    for name, text in MENU.items():
        (project / name).write_text(text)
    bare = here / "bare"
    bare.mkdir()
    (bare / "tasks.py").write_text(NOOP)
    noop = Command("invoke noop", [*invoke, "noop"], bare, clean)
    who = Command("aws sts get-caller-identity", [_aws(), "sts", "get-caller-identity"], here, aws)
    compare(Command("invoke setup, converged", [*invoke, "setup"], project, inside), who, runs=runs, target=3)
    compare(
        Command("invoke mount env, converged, embedded", [*invoke, "mount", "env"], project, inside),
        noop,
        runs=runs,
        target=1.5,
    )
    docker = inside | {
        "INVOKE_AWS_AIRFLOW_RUNTIME": "docker",
        "INVOKE_AWS_AIRFLOW_ENDPOINT_URL": "",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{endpoint}",
    }
    del docker["INVOKE_AWS_AIRFLOW_ENDPOINT_URL"]
    other = here / "docker"
    shutil.copytree(project, other, ignore=shutil.ignore_patterns(".env"))
    subprocess.run([*invoke, "mount", "env"], cwd=other, env=docker, check=True)
    compare(
        Command("invoke mount env, converged, docker", [*invoke, "mount", "env"], other, docker),
        noop,
        runs=runs,
        target=1.5,
    )
    compare(Command("invoke --list", [*invoke, "--list"], project, inside), noop, runs=runs, target=1.5)


def _aws() -> str:
    return str(Path(sys.executable).with_name("aws"))


if __name__ == "__main__":
    main()
