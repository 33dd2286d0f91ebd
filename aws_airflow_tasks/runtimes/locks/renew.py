"""Writes the lock files: ``python -m aws_airflow_tasks.runtimes.locks.renew --exclude-newer DATE [--upgrade]``.

For the repository, not for those who install the package: no wheel holds this module. What is pinned stays, so the
command in the files' first lines writes the same bytes again; ``--upgrade`` and a later DATE take newer packages.
To move Airflow itself, change ``INPUTS``. The tool's own lock is made from ``pyproject.toml``.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import tomllib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from aws_airflow_tasks.runtimes import venv

#: what each lock file is made from, by Airflow's major version; all else follows from these
INPUTS = {
    2: ("apache-airflow==2.11.2", "apache-airflow-providers-amazon==9.39.0"),
    3: ("apache-airflow==3.3.2", "apache-airflow-providers-amazon==9.39.0"),
}
#: one file for every platform and Python, with hashes, and nothing in it that tells where it was made
OPTIONS = ("--universal", "--generate-hashes", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links")
MODULE = "aws_airflow_tasks.runtimes.locks.renew"
#: what the tool's own lock is made from, and that lock: what it needs to be built and to run
PROJECT = Path(__file__).parents[3] / "pyproject.toml"
OWN = PROJECT.with_name("requirements.lock")


def command(major: int, date: str) -> str:
    """What the lock file of ``major`` says made it: the command for all files, then this file and its inputs."""
    return _command(venv.lock_file(major), INPUTS[major], date)


def _command(lock: Path, inputs: Sequence[str], date: str) -> str:
    return f"python -m {MODULE} --exclude-newer {date}  # {lock.name}: {' '.join(inputs)}"


def renew(major: int, date: str, *options: str) -> None:
    """Write the lock file of Airflow ``major`` from the packages uploaded before ``date``.

    Raises:
        TaskError: uv is not installed.
        subprocess.CalledProcessError: uv found no solution, or no network; it has said so.
    """
    oldest, _ = venv.PYTHONS[major]
    _write(venv.lock_file(major), ".".join(map(str, oldest)), INPUTS[major], date, options)


def own() -> tuple[str, list[str]]:
    """The oldest Python of the tool, and what its own lock is made from."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    python = project["project"]["requires-python"].removeprefix(">=")
    return python, [*project["project"]["dependencies"], *project["build-system"]["requires"]]


def renew_own(date: str, *options: str) -> None:
    """Write the tool's own lock file; raises as :func:`renew`."""
    python, inputs = own()
    _write(OWN, python, inputs, date, options)


def _write(lock: Path, python: str, inputs: Sequence[str], date: str, options: Sequence[str]) -> None:
    argv = [venv.find_uv(), "pip", "compile", *OPTIONS, "--python-version", python]
    argv += ["--exclude-newer", date, *options, "--quiet", "--output-file", str(lock), "-"]
    ours = {name: value for name, value in os.environ.items() if name not in venv.FOREIGN}
    environment = ours | {"UV_CUSTOM_COMPILE_COMMAND": _command(lock, inputs, date)}
    subprocess.run(argv, env=environment, input="\n".join(inputs), text=True, check=True)


def moment(text: str) -> str:
    """``text``, when it is a moment in UTC: a date alone would be midnight wherever the command is run.

    Raises:
        ValueError: it is something else.
    """
    datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    return text


def main(words: Sequence[str] | None = None) -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(prog=shlex.join(["python", "-m", MODULE]), description="write the lock files")
    parser.add_argument(
        "--exclude-newer", type=moment, required=True, metavar="DATE", help="UTC, such as 2026-11-18T18:00:00Z"
    )
    parser.add_argument("--upgrade", action="store_true", help="take the newest packages before DATE")
    asked = parser.parse_args(words)
    upgrade = ["--upgrade"] if asked.upgrade else []
    for major in INPUTS:
        renew(major, asked.exclude_newer, *upgrade)
    renew_own(asked.exclude_newer, *upgrade)


if __name__ == "__main__":
    main()
