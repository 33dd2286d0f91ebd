"""The wheel, as a stranger has it: on every Python at hand, as nobody, with a HOME that is read-only, offline."""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from aws_airflow_tasks import ns
from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.tasks import PlayTask
from tests.conftest import FOREIGN, USER_CACHE
from tests.project import tree

pytestmark = pytest.mark.xdist_group("wheel")

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
#: what keeps us from installing anything, which is no fault of the wheel's
OFFLINE = re.compile(r"Request failed|error sending request|dns error|Failed to fetch|network")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else, or take the network away")


def plain(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*FOREIGN, "UV_", "VIRTUAL_ENV"))}
    return kept | {"XDG_CACHE_HOME": str(USER_CACHE)} | more


def uv(*words: object, **variables: str) -> str:
    done = subprocess.run([venv.find_uv(), *map(str, words)], env=plain(**variables), capture_output=True, text=True)
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip(f"nothing can be installed here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that everybody can enter."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def wheel(place: Path) -> Path:
    uv("build", "--quiet", "--wheel", "--out-dir", place, ROOT)
    (found,) = place.glob("*.whl")
    return found


def interpreter(version: str) -> str:
    """A Python of that version on this machine: on the PATH, of uv's, or of pyenv's."""
    own = Path(pwd.getpwuid(os.getuid()).pw_dir)
    pyenv = Path(os.environ.get("PYENV_ROOT") or own / ".pyenv") / "versions"
    candidates = [
        *filter(None, [shutil.which(f"python{version}")]),
        *map(str, sorted(pyenv.glob(f"{version}.*/bin/python{version}"))),
        *map(
            str, sorted((own / ".local" / "share" / "uv" / "python").glob(f"cpython-{version}.*/bin/python{version}"))
        ),
    ]
    for each in candidates:  # one of pyenv's on the PATH may be none
        if subprocess.run([each, "-c", ""], capture_output=True).returncode == 0:
            return each
    return pytest.skip(f"there is no Python {version} here")


def installed(place: Path, wheel: Path, version: str) -> Path:
    """The directory of the scripts of a virtual environment with the wheel in it, and nothing else of ours."""
    folder = place / version
    if not (folder / "bin" / "aws-airflow").exists():
        uv("venv", "--quiet", "--python", interpreter(version), folder)
        uv("pip", "install", "--quiet", "--python", folder, wheel)
    return folder / "bin"


def run(argv: Sequence[object], here: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in argv]
    return subprocess.run(words, cwd=here, env=environment, input="", capture_output=True, text=True, timeout=300)


#: command lines in an empty directory, in this order, with the exit codes that they may end in
WORKS: Mapping[tuple[str, ...], Sequence[int]] = {
    ("aws-airflow", "--version"): (0,),
    ("aws-airflow", "--list"): (0,),
    ("aws-airflow", "init-tasks"): (0,),
    ("invoke", "--list"): (0,),
    ("invoke", "doctor", "--json"): (0, 4),
    ("aws-airflow", "setup", "--check", "--json"): (1, 3),
    ("aws-airflow", "undo"): (0,),
}


@pytest.mark.parametrize("version", PYTHONS)
def test_the_wheel_works_on_every_python_that_it_says(place: Path, wheel: Path, tmp_path: Path, version: str) -> None:
    scripts = installed(place, wheel, version)
    code = (
        "import importlib, pkgutil, aws_airflow_tasks as ours\n"
        "for each in pkgutil.walk_packages(ours.__path__, 'aws_airflow_tasks.'): importlib.import_module(each.name)\n"
        "import sys; print(*sys.version_info[:2], sep='.')"
    )
    strict = run([scripts / "python", "-W", "error:::aws_airflow_tasks", "-c", code], tmp_path, **plain())
    assert strict.stdout == f"{version}\n", strict.stderr
    environment = {"HOME": str(tmp_path / "home"), "PATH": f"{scripts}:/usr/bin:/bin", "DOCKER_HOST": "unix:///none"}
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    for words, codes in WORKS.items():
        done = run([scripts / words[0], *words[1:]], tmp_path / "here", **environment)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        assert done.returncode in codes, (words, done)
        assert "--json" not in words or json.loads(done.stdout)["exit_code"] == done.returncode


def test_as_a_tool_of_uvs_it_says_what_the_sandbox_lacks_and_that_is_all_that_it_lacks(
    place: Path, wheel: Path, tmp_path: Path
) -> None:
    scripts = place / "bin"
    uv("tool", "install", "--quiet", wheel, UV_TOOL_DIR=str(place / "tools"), UV_TOOL_BIN_DIR=str(scripts))
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    first = run([scripts / "aws-airflow", "sandbox", "--json"], tmp_path, **environment)
    (error,) = [step["error"] for step in json.loads(first.stdout)["steps"] if step["step"] == "aws"]
    program, *words = shlex.split(error["hint"])
    assert (first.returncode, program) == (1, "uv")
    uv(*words, "--quiet")
    code = "import moto.server, shutil, sys, uv; print(uv.find_uv_bin(), shutil.which('aws', path=sys.prefix + '/bin'))"
    tool = place / "tools" / "aws-airflow-tasks" / "bin"
    assert run([tool / "python", "-c", code], tmp_path, **environment).stdout == f"{tool / 'uv'} {tool / 'aws'}\n"


def test_the_wheel_says_the_pythons_that_are_tested() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert tuple(re.findall(r"Python :: (3\.\d+)", text)) == PYTHONS
    assert f'requires-python = ">={PYTHONS[0]}"' in text
    assert {f"3.{minor}" for (_, low), (_, high) in venv.PYTHONS.values() for minor in (low, high)} <= {*PYTHONS}


#: words that a command needs, or that keep it short
WORDS: Mapping[str, Sequence[str]] = {
    "explain": ["-"],
    "secrets.get": ["x"],
    "secrets.put": ["x"],
    "secrets.delete": ["x"],
    "secrets.history": ["x"],
    "secrets.sync": ["x.yaml"],
}
TASKS = [
    name.replace("sandbox.up", "sandbox").replace("secrets.check", "secrets")
    for name in cast(Any, ns).task_names
    if isinstance(ns[name], PlayTask)
]
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}
#: by what somebody has: the environment, the mode of HOME, and what is typed
STRANGERS: dict[str, tuple[Mapping[str, str], int, Sequence[str]]] = {
    "nothing, and a HOME that is read-only": ({}, 0o555, TASKS),
    "keys that nobody can be asked about": (KEYS, 0o755, ("creds", "setup", "secrets.list", "refresh", "undo", "stop")),
}


@as_root
@pytest.mark.parametrize("who", STRANGERS)
def test_as_nobody_without_a_network_every_command_works_or_says_why_not_and_what_to_type(
    place: Path, wheel: Path, who: str
) -> None:
    scripts = installed(place, wheel, "{}.{}".format(*sys.version_info))
    variables, mode, tasks = STRANGERS[who]
    with tempfile.TemporaryDirectory(dir=place) as made:
        here, home = Path(made, "here"), Path(made, "home")
        for folder, bits in ((Path(made), 0o755), (here, 0o755), (home, mode)):
            folder.mkdir(exist_ok=True)
            folder.chmod(bits)
            os.chown(folder, 65534, 65534)
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "DOCKER_HOST": "unix:///none", **variables}
        for name in tasks:
            words = [scripts / "aws-airflow", name, *WORDS.get(name, ())]
            done = run(["unshare", "-n", *NOBODY, *words], here, **environment)
            said = done.stdout + done.stderr
            assert "Traceback" not in said, said
            assert "unexpected error" not in said, said
            assert done.returncode in (0, 1, 2, 4), (name, said)
            assert done.returncode == 0 or "-> " in said, (name, said)
        assert mode != 0o555 or [*home.iterdir()] == []


@as_root
def test_where_home_cannot_be_written_to_the_variable_that_is_named_is_the_way_on(place: Path, wheel: Path) -> None:
    scripts = installed(place, wheel, "{}.{}".format(*sys.version_info))
    with tempfile.TemporaryDirectory(dir=place) as made:
        here, home, other = (Path(made, name) for name in ("here", "home", "other"))
        for folder, bits in ((Path(made), 0o755), (here, 0o755), (home, 0o555), (other, 0o700)):
            folder.mkdir(exist_ok=True)
            folder.chmod(bits)
            os.chown(folder, 65534, 65534)
        argv = [*NOBODY, scripts / "aws-airflow", "init-tasks"]
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        done = run(argv, here, **environment)
        assert done.returncode == 1
        (variable,) = re.findall(r"export (\w+)=DIRECTORY", done.stdout)
        assert run(argv, here, **environment, **{variable: str(other)}).returncode == 0
        assert (here / "tasks.py").is_file()


@as_root
def test_without_a_network_undo_stop_and_what_reads_files_work(place: Path, wheel: Path, tmp_path: Path) -> None:
    scripts = installed(place, wheel, "{}.{}".format(*sys.version_info))
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "DOCKER_HOST": "unix:///none"}
    (tmp_path / "here").mkdir()
    before = tree(tmp_path / "here")
    for words in (["--list"], ["--version"], ["undo"], ["trust", "--agreed"], ["sandbox.stop"], ["sandbox.clean"]):
        done = run(["unshare", "-n", scripts / "aws-airflow", *words], tmp_path / "here", **environment)
        assert done.returncode == 0, (words, done)
    assert tree(tmp_path / "here") == before
