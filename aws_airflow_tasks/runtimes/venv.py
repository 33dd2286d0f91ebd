"""Airflow from PyPI in a virtual environment of its own, in the user's cache: one a lock file and Python version.

Airflow's dependencies are far from ours, so it never shares our environment; and it is never in the project, from where
it would get into git and images.
"""

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
from typing import NamedTuple

from aws_airflow_tasks.core import TaskError, digest, sh
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.hints import install, note
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


class Further(NamedTuple):
    """What is installed besides Airflow.

    Attributes:
        known: the bytes by which it is known again; empty: nothing is.
        file: the requirements file.
        shown: the file that a person edits.
    """

    known: bytes = b""
    file: Path = Path()
    shown: Path = Path()


NOTHING = Further()
#: in a project in the sandbox that is a copy: what is installed for it
FURTHER = "requirements.sandbox.txt"


def further(project: Path, shown: Path) -> Further:
    """What is installed for a project besides Airflow: nothing but for a copy of one in the sandbox."""
    file = project / FURTHER
    return Further(files.read(file) or b"", file, shown)


def folder(major: int, cache: Path, further: Further = NOTHING) -> Path:
    """Where the virtual environment of Airflow ``major`` lies below ``cache``, whether it is there or not."""
    parts = [digest(lock_file(major).read_bytes())[:12], *([digest(further.known)[:12]] if further.known else [])]
    return cache / "-".join([f"airflow-{version(major)}-py{_python(major)}", *parts])


def is_ready(environment: Path) -> bool:
    """Whether a virtual environment was finished and its interpreter still exists."""
    return (environment / MARKER).is_file() and (environment / "bin" / "python").exists()


def ensure(major: int, cache: Path, further: Further = NOTHING) -> Path:
    """The virtual environment of Airflow ``major``, installed when it is not there yet.

    Args:
        major: 2 or 3.
        cache: this tool's directory in the user's cache; `uv` keeps its downloads beside it, where it always does.
        further: what is installed besides; it may move anything but Airflow itself.

    Raises:
        UsageError: somebody else could decide what it runs.
        TaskError: `uv` or a fitting Python is missing, there is no network, the disk is full, or what is wanted besides
            cannot be installed.
    """
    wanted = folder(major, cache, further)
    with files.explained("write", cache, moved_by="XDG_CACHE_HOME"):
        private.make(cache)
    check(wanted)
    if not is_ready(wanted):
        with lock.locked(wanted, wait=PATIENCE, doing=f"the installation of Airflow {version(major)}"):
            if not is_ready(wanted):
                _install(major, wanted, further)
    return wanted


def check(environment: Path) -> None:
    """Raise UsageError where somebody else could decide what a virtual environment runs."""
    with files.explained("read", environment):
        private.check_way(environment)


def _install(major: int, wanted: Path, further: Further) -> None:
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
            if further.known:
                _install_further(wanted.parent, python, major, further)
            (built / MARKER).touch()
            shutil.rmtree(wanted, ignore_errors=True)
            built.rename(wanted)
        _sweep(wanted.parent, prefix)  # a killed run's uv outlives it, and may have gone on writing meanwhile
    except OSError as error:
        raise TaskError(
            f"cannot write {error.filename or wanted}: {error.strerror}", hint=sh("df -h {}", wanted.parent)
        ) from None


def _install_further(cache: Path, python: str, major: int, further: Further) -> None:
    """Install more, as an Astro image does: it may move what else is there, and never Airflow."""
    log.info("installing what %s asks for", further.shown.name)
    pins = re.findall(r"^apache-airflow(?:-core|-task-sdk)?==\S+", lock_file(major).read_text("utf-8"), re.MULTILINE)
    with tempfile.NamedTemporaryFile("w", suffix=".txt", dir=cache) as constraints:
        constraints.write("\n".join(pins))
        constraints.flush()
        arguments = ("--python", python, "--constraint", constraints.name, "-r", str(further.file))
        _uv(cache, "pip", "install", *arguments, further=further)


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


def _uv(cache: Path, *arguments: str, further: Further = NOTHING) -> None:
    """Run uv in ``cache``, where no project's configuration of it lies."""
    environment = _environment(cache)
    argv = [find_uv(), "--quiet", "--no-progress", *arguments]
    done = cli.run(argv, env=environment, cwd=cache, timeout=PATIENCE, umask=0o022)
    if done.code:
        raise explain(done.stderr, arguments, pythons=environment["UV_PYTHON_INSTALL_DIR"], further=further)


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


#: in what uv says where an index does not answer; of a package that it did get it says that it failed to download it
_UNREACHED = r"Request failed|error sending request|[Ff]ailed to fetch|dns error|client error|HTTP status"
#: every line of uv's but its hints
_CAUSE = r"^(?!hint:)"


def _reach(host: str, said: str) -> str:
    """What lets uv reach a host: what it says tells a certificate that it does not trust from silence."""
    if re.search(r"UnknownIssuer|invalid peer certificate|CERTIFICATE_VERIFY", said):
        return "export UV_NATIVE_TLS=true UV_SYSTEM_CERTS=true   # this system's certificates then; and once more"
    return note(f"once this machine reaches {host} (network, proxy: HTTPS_PROXY), type the same command again")


def explain(said: str, arguments: Sequence[str], *, pythons: str, further: Further = NOTHING) -> TaskError:
    """What uv's error output means: the cause and what to type.

    Args:
        said: what uv wrote on standard error.
        arguments: of the command that failed.
        pythons: the directory where uv keeps the Pythons that it downloads.
        further: what was to be installed besides Airflow, if it was that.
    """
    text, what = cleaned(said), f"what {further.shown} asks for" if further.known else "Airflow"
    last = telling(text, _CAUSE).removeprefix("cause: ")
    host = ""
    if re.search(_UNREACHED, text):
        host = (re.findall(r"https?://(?:\*+@)?([^/`\s]+)", text) or ["pypi.org"])[0]
    if arguments[0] == "venv" and "No space left" not in text:
        return _no_python(arguments[arguments.index("--python") + 1], text, f"{host}: {last}" if host else "", pythons)
    if host:
        return TaskError(f"cannot install {what}: {host}: {last}", hint=_reach(host, text))
    if "No space left" in text:
        return TaskError(f"cannot install {what}: the disk is full", hint=sh("df -h {}", pythons))
    if further.known:
        return _unsatisfied(text, further)
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


#: of what uv says of requirements, the line from which the others follow
_WHY = r"\bBecause\b|\bfatal\b|^cause: (?:Expected|Hash|failed to read)"


def _unsatisfied(text: str, further: Further) -> TaskError:
    """Why uv could not install what a file asks for, and the line of it that uv speaks of."""
    what, why = telling(text, r"^error: ", first=True), telling(text, _WHY, otherwise=" ").removeprefix("cause: ")
    said = why if "Because" in why else f"{what.removeprefix('error: ')}: {why}".rstrip(": ")
    lines = [line.strip() for line in further.known.decode("utf-8-sig", errors="replace").splitlines()]
    number = next((number for number, line in enumerate(lines, 1) if _is_about(text, line)), 0)
    where = f", line {number} ({lines[number - 1]})" if number else ""
    at = f" +{number}" if number else ""
    return TaskError(
        cleaned(f"cannot install what {further.shown} asks for{where}: {said}"),
        hint=sh(f"less{at} {{}}", further.shown),
    )


def _is_about(said: str, line: str) -> bool:
    name = re.match(r"[A-Za-z0-9][\w.-]*", line)
    named = name and re.search(rf"(?<![\w.-]){re.escape(name[0])}(?![\w-])", said, re.IGNORECASE)
    return bool(named) or (bool(line) and not line.startswith("#") and line in said)
