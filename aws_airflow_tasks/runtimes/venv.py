"""Airflow from PyPI in a virtual environment of its own, in the user's cache: one a lock file and Python version.

Airflow's dependencies are far from ours, so it never shares our environment; and it is never in the project, from where
it would get into git and images.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from aws_airflow_tasks.core import TaskError, digest, sh
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.hints import install
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import cli, files, lock, private

log = logging.getLogger("aws_airflow_tasks")

LOCKS = Path(__file__).with_name("locks")
#: the oldest and the newest Python that a major version of Airflow runs on, as its lock file does
PYTHONS = {2: ((3, 11), (3, 12)), 3: ((3, 11), (3, 13))}
#: written last: an environment without it was never finished
MARKER = "aws-airflow-tasks.ready"
#: variables of the person's that would change what is installed, and where
FOREIGN = (
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON", "UV_SYSTEM_PYTHON"),
    *("UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER"),
)
#: seconds for an installation on a slow line
PATIENCE = 1800


def lock_file(major: int) -> Path:
    """The lock file of Airflow ``major``, 2 or 3: exact versions with hashes."""
    return LOCKS / f"airflow-{major}.txt"


@functools.cache
def version(major: int) -> str:
    """The version of Airflow that the lock file of ``major`` installs."""
    found = re.search(r"^apache-airflow==(\S+)", lock_file(major).read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def folder(major: int, cache: Path) -> Path:
    """Where the virtual environment of Airflow ``major`` lies below ``cache``, whether it is there or not."""
    locked = digest(lock_file(major).read_bytes())[:12]
    return cache / f"airflow-{version(major)}-py{_python(major)}-{locked}"


def is_ready(environment: Path) -> bool:
    """Whether a virtual environment was finished and its interpreter still exists."""
    return (environment / MARKER).is_file() and (environment / "bin" / "python").exists()


def ensure(major: int, cache: Path) -> Path:
    """The virtual environment of Airflow ``major``, installed when it is not there yet.

    Args:
        major: 2 or 3.
        cache: this tool's directory in the user's cache; `uv` keeps its downloads beside it, where it always does.

    Raises:
        UsageError: somebody else could decide what it runs.
        TaskError: `uv` or a fitting Python is missing, there is no network, or the disk is full.
    """
    wanted = folder(major, cache)
    with files.explained("write", cache):
        private.make(cache)
    check(wanted)
    if not is_ready(wanted):
        with lock.locked(wanted, wait=PATIENCE, doing=f"the installation of Airflow {version(major)}"):
            if not is_ready(wanted):
                _install(major, wanted)
    return wanted


def check(environment: Path) -> None:
    """Raise UsageError where somebody else could decide what a virtual environment runs."""
    with files.explained("read", environment):
        private.check_way(environment)


def _install(major: int, wanted: Path) -> None:
    """Build beside its place and rename it there, so that whoever is killed leaves nothing that looks finished."""
    log.info("installing Airflow %s", version(major))
    prefix = f".{wanted.name}-"
    try:
        _sweep(wanted.parent, prefix)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=wanted.parent, ignore_cleanup_errors=True) as made:
            built = Path(made) / "venv"
            _uv(wanted.parent, "venv", "--relocatable", "--python", _interpreter(major), str(built))
            python = str(built / "bin" / "python")
            _uv(wanted.parent, "pip", "sync", "--require-hashes", "--python", python, str(lock_file(major)))
            (built / MARKER).touch()
            shutil.rmtree(wanted, ignore_errors=True)
            built.rename(wanted)
        _sweep(wanted.parent, prefix)  # a killed run's uv outlives it, and may have gone on writing meanwhile
    except OSError as error:
        raise TaskError(
            f"cannot write {error.filename or wanted}: {error.strerror}", hint=sh("df -h {}", wanted.parent)
        ) from None


def _sweep(folder: Path, prefix: str) -> None:
    """Remove what killed installations left; the lock is held, so no living one is among them."""
    for left in folder.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)


def _python(major: int) -> str:
    """The Python to run Airflow with, for a folder's name: ours when it fits, else whichever is found of those."""
    return "{}{}".format(*sys.version_info) if _fits(major) else "{}{}-{}{}".format(*itertools.chain(*PYTHONS[major]))


def _interpreter(major: int) -> str:
    """The same, as uv is asked for it."""
    oldest, newest = PYTHONS[major]
    return sys.executable if _fits(major) else ">={}.{},<={}.{}.99".format(*oldest, *newest)


def _fits(major: int) -> bool:
    oldest, newest = PYTHONS[major]
    return oldest <= sys.version_info[:2] <= newest


def _uv(cache: Path, *arguments: str) -> None:
    """Run uv in ``cache``, where no project's configuration of it lies."""
    environment = _environment(cache)
    argv = [find_uv(), "--quiet", "--no-progress", *arguments]
    done = cli.run(argv, env=environment, cwd=cache, timeout=PATIENCE, umask=0o022)
    if done.code:
        raise explain(done.stderr, arguments, pythons=environment["UV_PYTHON_INSTALL_DIR"])


def find_uv() -> str:
    """The path of the uv that was installed with us.

    Raises:
        TaskError: there is none.
    """
    try:
        import uv

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        raise TaskError("`uv`, which installs Airflow, is not there", hint=install("uv")) from None


def _environment(cache: Path) -> dict[str, str]:
    """Ours, with uv's own directories where HOME does not reach: HOME may be a sandbox's that is deleted later."""
    places = {"UV_CACHE_DIR": str(cache.parent / "uv"), "UV_PYTHON_INSTALL_DIR": str(cache / "python")}
    return places | {name: value for name, value in os.environ.items() if name not in FOREIGN}


#: every line of uv's but its hints
_CAUSE = r"^(?!hint:)"


def explain(said: str, arguments: Sequence[str], *, pythons: str) -> TaskError:
    """What uv's error output means: the cause and what to type.

    Args:
        said: what uv wrote on standard error.
        arguments: of the command that failed.
        pythons: the directory where uv keeps the Pythons that it downloads.
    """
    text = cleaned(said)
    last = telling(text, _CAUSE).removeprefix("cause: ")
    host = ""
    if re.search(r"Request failed|error sending request|[Ff]ailed to (fetch|download)|dns error", text):
        host = (re.findall(r"https?://(?:\*+@)?([^/`\s]+)", text) or ["pypi.org"])[0]
    if arguments[0] == "venv" and "No space left" not in text:
        return _no_python(arguments[arguments.index("--python") + 1], text, f"{host}: {last}" if host else "", pythons)
    if host:
        return TaskError(f"cannot install Airflow: {host}: {last}", hint=sh("curl -sSI {}", f"https://{host}"))
    if "No space left" in text:
        return TaskError("cannot install Airflow: the disk is full", hint=sh("df -h {}", pythons))
    return TaskError(
        f"cannot install Airflow: {last}",
        hint=sh("uv pip install --dry-run --require-hashes -r {}", arguments[-1]),
    )


def _no_python(wanted: str, text: str, unreached: str, pythons: str) -> TaskError:
    """Why there is no Python as uv was asked for, and what gets it one.

    Args:
        wanted: a version, the oldest and newest that fit, or an interpreter.
        text: what uv said.
        unreached: why uv could not download it; empty: it did not come to that.
        pythons: the directory where uv keeps the Pythons that it downloads.
    """
    fitting = re.findall(r"\d+\.\d+", wanted) if wanted.startswith(">=") else [wanted]
    why = f"uv cannot download one from {unreached}" if unreached else telling(text, _CAUSE, first=True)
    return TaskError(
        f"cannot install Airflow: no Python {' to '.join(dict.fromkeys(fitting))} is here ({why})",
        hint=sh("UV_PYTHON_INSTALL_DIR={} {} python install {}", pythons, find_uv(), fitting[-1]),
    )
