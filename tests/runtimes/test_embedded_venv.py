"""Airflow's virtual environment: where it lies, that it is finished or not there, what goes wrong. `uv` is a fake."""

from __future__ import annotations

import builtins
import os
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks.core import TaskError, UsageError
from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.runtimes.embedded import Embedded
from aws_airflow_tasks.text import hints
from aws_airflow_tasks.world import cli
from tests.world.server import REAL_SPAWN

#: notes every call; makes what `uv venv` and `uv pip sync` make; fails as `FAKE_UV` says
UV = """#!/bin/sh
echo "$*" >> "$NOTES"
echo "$UV_CACHE_DIR" > "$NOTES.cache"
for last; do :; done
case "$*" in
    *" venv "*) mkdir -p "$last/bin" && ln -s "$PYTHON" "$last/bin/python" ;;
    *" pip install "*) test -z "$FAKE_FURTHER" || { printf '%b' "$FAKE_FURTHER" >&2; exit 1; } ;;
    *" pip sync "*) sleep 0.2; test -z "$FAKE_UV" || { printf '%b' "$FAKE_UV" >&2; exit 2; } ;;
esac
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "uv").write_text(UV)
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    monkeypatch.setattr(venv, "find_uv", lambda: str(tmp_path / "uv"))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("FAKE_UV", "")
    monkeypatch.setenv("FAKE_FURTHER", "")
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    return tmp_path / "a cäche" / "aws-airflow-tasks"


def calls(cache: Path) -> list[str]:
    return (cache.parent.parent / "notes").read_text().splitlines()


@pytest.mark.parametrize("major", [2, 3])
def test_the_lock_files_pin_everything_with_hashes_and_name_no_place_of_ours(major: int) -> None:
    text = venv.lock_file(major).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    assert len(entries) > 100
    assert [entry for entry in entries if not re.match(r"[a-z0-9-]+==\S+.*\\\n    --hash=sha256:", entry)] == []
    assert venv.version(major).startswith(f"{major}.")
    assert "apache-airflow-providers-amazon==" in text
    assert "/" not in re.sub(r"--hash=\S+", "", text)


def test_it_lies_in_the_cache_named_after_version_python_and_lock(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = f"{sys.version_info[0]}{sys.version_info[1]}"
    folder = venv.folder(3, cache)
    assert folder.parent == cache
    assert re.fullmatch(rf"airflow-{re.escape(venv.version(3))}-py{python}-[0-9a-f]{{12}}", folder.name)
    monkeypatch.setattr(venv, "lock_file", lambda _: Path(__file__))
    assert venv.folder(3, cache).name[-12:] != folder.name[-12:]


@pytest.mark.parametrize(
    ("ours", "major", "named"),
    [((3, 11), 2, "py311"), ((3, 13), 2, "py311-312"), ((3, 13), 3, "py313"), ((3, 99), 3, "py311-313")],
)
def test_python_is_ours_when_airflow_runs_on_it_else_any_that_it_runs_on(
    cache: Path, monkeypatch: pytest.MonkeyPatch, ours: tuple[int, int], major: int, named: str
) -> None:
    monkeypatch.setattr(sys, "version_info", (*ours, 0, "final", 0))
    assert f"-{named}-" in venv.folder(major, cache).name


def test_where_ours_does_not_fit_uv_is_asked_for_any_that_does(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(venv.PYTHONS, 2, ((3, 1), (3, 2)))
    assert venv.ensure(2, cache).name.split("-py")[1].startswith("31-32-")
    assert "--python >=3.1,<=3.2.99 " in calls(cache)[0]


def test_it_is_installed_once_from_the_lock_with_hashes(cache: Path) -> None:
    folder = venv.ensure(3, cache)
    assert venv.is_ready(folder)
    assert venv.ensure(3, cache) == folder
    made, synced = calls(cache)
    assert f"--python {sys.executable}" in made
    assert "--relocatable" in made
    assert "--require-hashes" in synced
    assert synced.endswith(str(venv.lock_file(3)))


def test_uvs_downloads_stay_beside_our_cache_wherever_home_is(cache: Path) -> None:
    venv.ensure(3, cache)
    assert (cache.parent.parent / "notes.cache").read_text().strip() == str(cache.parent / "uv")


def test_several_at_once_install_it_once(cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: venv.ensure(3, cache), range(4)))) == 1
    assert len(calls(cache)) == 2


def test_what_fails_leaves_nothing_that_looks_finished_and_the_next_run_installs(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_UV", "error: something\\n")
    with pytest.raises(TaskError, match="something"):
        venv.ensure(3, cache)
    assert not venv.is_ready(venv.folder(3, cache))
    monkeypatch.setenv("FAKE_UV", "")
    assert venv.is_ready(venv.ensure(3, cache))


def test_a_killed_installation_is_swept_away_by_the_next(cache: Path) -> None:
    code = "from pathlib import Path\nfrom aws_airflow_tasks.runtimes import venv\n"
    code += f"venv.find_uv = lambda: {str(cache.parent.parent / 'uv')!r}\nvenv.ensure(3, Path({str(cache)!r}))\n"
    with subprocess.Popen([sys.executable, "-c", code]) as killed:
        while not any(cache.glob(".airflow-*")):
            assert killed.poll() is None
        killed.kill()
    assert any(cache.glob(".airflow-*"))
    assert venv.is_ready(venv.ensure(3, cache))
    assert not any(cache.glob(".airflow-*"))


def test_one_whose_python_was_uninstalled_is_made_anew(cache: Path) -> None:
    folder = venv.ensure(3, cache)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to(cache / "gone")
    assert not venv.is_ready(folder)
    assert venv.is_ready(venv.ensure(3, cache))


def test_without_uv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "uv":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(TaskError) as caught:
        venv.ensure(3, tmp_path)
    assert caught.value.hint == hints.install("uv")


def further(cache: Path, text: str) -> venv.Further:
    file = cache.parent.parent / "asks.txt"
    file.write_text(text)
    return venv.Further(text.encode(), file, Path("/my/requirements.txt"))


def test_what_a_project_asks_for_besides_is_installed_into_an_environment_of_its_own_where_airflow_stays(
    cache: Path,
) -> None:
    asked = further(cache, "pandas\n")
    folder = venv.ensure(3, cache, asked)
    assert venv.is_ready(folder)
    assert not venv.is_ready(venv.folder(3, cache))
    assert folder.name.startswith(venv.folder(3, cache).name + "-")
    assert venv.folder(3, cache, asked._replace(known=b"other")) != folder
    _, _, installed = calls(cache)
    words = installed.split()
    assert words[words.index("-r") + 1] == str(asked.file)
    assert "--constraint" in words
    assert sorted(path.name for path in cache.iterdir()) == sorted([folder.name, f"{folder.name}.lock"])


#: what uv says of requirements, each with the line that it speaks of and the words that tell
REFUSED = {
    "unknown": (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because nosuch was not found in the package registry and you require nosuch==1, we can conclude that "
        "your requirements are unsatisfiable.\n",
        "requests\n# nosuch\nnosuch==1\n",
        "line 3 (nosuch==1): Because nosuch was not found in the package registry",
    ),
    "another airflow": (
        "error: No solution found when resolving dependencies\n"
        "  cause: Because old-package==1 depends on apache-airflow<3 and you require old-package==1, and so on.\n",
        "old-package==1\n",
        "line 1 (old-package==1): Because old-package==1 depends on apache-airflow<3",
    ),
    "no requirement": (
        "error: Couldn't parse requirement in `asks.txt` at position 0\n"
        "  cause: Expected one of `@`, found `l`\n         bad line !!\n             ^\n",
        "bad line !!\n",
        "line 1 (bad line !!): Couldn't parse requirement in `asks.txt` at position 0: Expected one of",
    ),
    "no compiler": (
        "error: Failed to build `graphs==1.13`\n  cause: The build backend returned an error\n\n"
        "         [stdout]\n         copying graphs/a.py\n         [stderr]\n"
        "         graphs/a.i:1: fatal error: cgraph.h: No such file or directory\n         compilation terminated.\n",
        "graphs\n",
        "line 1 (graphs): Failed to build `graphs==1.13`: graphs/a.i:1: fatal error: cgraph.h: No such file",
    ),
    "another hash": (
        "error: Failed to download `six==1.17.0`\n  cause: Hash mismatch for `six==1.17.0`\n\n         Expected:\n",
        "six==1.17.0 --hash=sha256:00\n",
        "Failed to download `six==1.17.0`: Hash mismatch for `six==1.17.0`",
    ),
    "a file that is not there": (
        "error: Distribution not found at: file:///x/pkg\n",
        "./pkg\n",
        "asks for: Distribution not found at: file:///x/pkg",
    ),
    "nothing": ("", "pandas\n", "asks for: it said nothing"),
}


@pytest.mark.parametrize(("said", "text", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_requirements_that_cannot_be_installed_are_told_by_their_line_and_leave_nothing_half_built(
    cache: Path, monkeypatch: pytest.MonkeyPatch, said: str, text: str, told: str
) -> None:
    monkeypatch.setenv("FAKE_FURTHER", said or " ")
    asked = further(cache, text)
    with pytest.raises(TaskError) as caught:
        venv.ensure(3, cache, asked)
    assert told in caught.value.message
    assert caught.value.message.startswith("cannot install what /my/requirements.txt asks for")
    assert re.fullmatch(r"less( \+\d+)? /my/requirements\.txt", caught.value.hint)
    assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []


def test_an_index_that_does_not_answer_is_no_fault_of_the_requirements(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FURTHER", NO_NETWORK)
    with pytest.raises(TaskError) as caught:
        venv.ensure(3, cache, further(cache, "aiohttp\n"))
    assert "requirements.txt asks for: pypi.example: failed to lookup" in caught.value.message
    assert caught.value.hint.startswith("# once this machine reaches pypi.example")
    assert "token" not in caught.value.message


NO_NETWORK = """error: Request failed after 3 retries in 5.0s
  cause: Failed to fetch: https://me:token@pypi.example/simple/aiohttp/
  cause: error sending request for url (https://pypi.example/simple/aiohttp/)
  cause: client error (Connect)
  cause: dns error
  cause: failed to lookup address information: Name or service not known
"""
UNKNOWN_ISSUER = """error: Failed to fetch: https://pypi.org/simple/filelock/
  cause: error sending request for url (https://pypi.org/simple/filelock/)
  cause: client error (Connect)
  cause: invalid peer certificate: UnknownIssuer

hint: Consider enabling use of system TLS certificates with the `--system-certs` command-line flag
"""
NOT_FOUND = """error: No solution found when resolving dependencies
  cause: Because a2wsgi was not found in the package registry, your requirements are unsatisfiable.

hint: Packages were unavailable because the network was disabled.
"""
NO_PYTHON = "error: No interpreter found for Python 3.12 in managed installations or search path\n"
FULL = "error: Failed to install: x\n  cause: No space left on device (os error 28)\n"
SYNC = ("pip", "sync", "--require-hashes", "airflow-3.txt")
VENV = ("venv", "--python", ">=3.11,<=3.12.99", "folder")
NO_DOWNLOAD = """error: Request failed after 3 retries in 8.3s
  cause: Failed to download `https://github.com/astral-sh/python-build-standalone/releases/download/x.tar.gz`
  cause: client error (Connect)
  cause: dns error
  cause: failed to lookup address information: Name or service not known
"""


@pytest.mark.parametrize(
    ("said", "arguments", "message", "hint"),
    [
        (NO_NETWORK, SYNC, r"pypi\.example: failed to lookup address", "# once this machine reaches pypi.example"),
        (
            NO_DOWNLOAD,
            VENV,
            r"no Python 3\.11 to 3\.12 is here \(uv cannot download one from github\.com: failed to lookup address",
            f"UV_PYTHON_INSTALL_DIR=/c {venv.find_uv()} python install 3.12",
        ),
        (NOT_FOUND, SYNC, "Airflow: Because a2wsgi was not found", "uv pip install --dry-run"),
        (
            NO_PYTHON,
            VENV,
            r"no Python 3\.11 to 3\.12 is here \(error: No interp",
            f"UV_PYTHON_INSTALL_DIR=/c {venv.find_uv()} python install 3.12",
        ),
        (UNKNOWN_ISSUER, SYNC, r"pypi\.org: invalid peer certificate: UnknownIssuer", "export UV_NATIVE_TLS=true"),
        (FULL, SYNC, "the disk is full", "df -h /c"),
        (FULL, VENV, "the disk is full", "df -h /c"),
        ("", SYNC, "it said nothing", "uv pip install --dry-run"),
    ],
)
def test_what_uv_says_becomes_a_cause_and_a_command(
    said: str, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    error = venv.explain(said, arguments, pythons="/c")
    assert re.search(message, error.message)
    assert error.hint.startswith(hint)
    assert "token" not in error.message + error.hint


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_an_environment_that_another_user_planted_is_never_run(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    with tempfile.TemporaryDirectory() as shared:
        Path(shared).chmod(0o1777)
        planted = venv.folder(3, Path(shared) / "aws-airflow-tasks")
        ran = Path(shared, "ran")
        python = f"#!/bin/sh\necho code of theirs > {ran}\n"
        script = f"mkdir -p {planted}/bin; echo '{python}' > {planted}/bin/python; chmod 755 {planted}/bin/python"
        theirs = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c")
        subprocess.run([*theirs, f"{script}; touch {planted}/{venv.MARKER}"], check=True)
        assert venv.is_ready(planted)
        with pytest.raises(UsageError, match="belongs to another user"):
            venv.ensure(3, planted.parent)
        runtime = Embedded(cache, cache, planted.parent, 3)
        with pytest.raises(UsageError, match="belongs to another user"):
            subprocess.run(runtime._argv(["python", "-c", "0"]), check=True)
        assert not ran.exists()


def test_a_cache_that_others_can_write_is_refused_with_the_chmod(cache: Path) -> None:
    venv.ensure(3, cache)
    cache.parent.chmod(0o777)
    with pytest.raises(UsageError) as caught:
        venv.ensure(3, cache)
    assert shlex.split(caught.value.hint) == ["chmod", "go-w", str(cache.parent)]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_uv_runs_with_a_umask_of_its_own_whatever_the_persons_is(cache: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = venv.ensure(3, cache)
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in (folder, folder / "bin")} == {"0o755"}
