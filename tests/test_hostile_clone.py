"""Looking at a clone, as the kernel sees it: whose programs run, who is connected to, and what is written.

`strace` says so, of the installed script and of all that it starts; `.ci/run` installs it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.project import embedded, tree
from tests.world.server import Embedded

__all__ = ["embedded"]

SCRIPT = Path(sys.executable).with_name("aws-airflow")
#: what a kernel is asked for that runs, connects, or leaves something behind; `?` for those that not every one has
WRITING = ("mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "link", "linkat",
           "symlink", "symlinkat", "chmod", "fchmodat", "truncate", "mknod", "mknodat", "creat")  # fmt: skip
CALLS = ",".join(f"?{name}" for name in ("execve", "execveat", "connect", "open", "openat", "openat2", *WRITING))
PROGRAMS = ("aws", "astro", "docker", "git", "uv", "python", "python3", "sh", "ps", "x-helper")
MODULES = ("invoke.py", "tasks.py", "sitecustomize.py", "boto3.py", "yaml.py", "json.py", "evil.py")


class Seen(NamedTuple):
    """What a command line did, by the kernel's word.

    Attributes:
        code: its exit code.
        ran: the programs that it, or what it started, has run.
        connected: the addresses, without ports.
        written: the paths that were opened for writing, made, renamed, linked or removed.
        opened: all paths that were opened.
    """

    code: int
    ran: set[str]
    connected: set[str]
    written: set[str]
    opened: set[str]


def _strace(log: Path, *argv: str | Path) -> list[str]:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: apt-get install strace")
    return [strace, "-f", "-y", "-qq", "-s", "4096", "-o", str(log), "-e", f"trace={CALLS}", *map(str, argv)]


@pytest.fixture(scope="module", autouse=True)
def may_trace(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Some containers forbid it."""
    done = subprocess.run(_strace(tmp_path_factory.mktemp("strace") / "log", "true"), capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")


@pytest.fixture
def clone(tmp_path: Path, closed_world: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An Astro project of somebody who means ill; the person has keys, which AWS knows."""
    (closed_world / ".aws").mkdir()
    for name in ("config", "credentials"):
        (closed_world / ".aws" / name).write_bytes((embedded.home / ".aws" / name).read_bytes())
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.url)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{closed_world}/no-engine")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # what Python keeps beside installed modules is none of ours
    made = tmp_path / "clone"
    ran = f"touch {made}/ran; touch {closed_world}/ran\n"
    for name in (f"{folder}{name}" for name in PROGRAMS for folder in ("", "bin/", ".venv/bin/")):
        put(made / name, f"#!/bin/sh\n{ran}")
        (made / name).chmod(0o755)
    for name in (*MODULES, "dags/evil.py", "plugins/evil.py", "include/evil.py"):
        put(made / name, f"import os\nos.system({ran!r})\n")
    put(made / ".astro" / "config.yaml", "project:\n  name: clone\n")
    put(made / "Dockerfile", "FROM astrocrpublic.azurecr.io/runtime:3.1-12\nRUN ./sh\n")
    put(made / "docker-compose.override.yml", "services:\n  scheduler:\n    volumes: ['./x:/x']\n")
    put(made / ".env", "AWS_ENDPOINT_URL=http://198.51.100.7\nPYTHONPATH=.\nPATH=.\nhttps_proxy=http://198.51.100.7\n")
    return made


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


#: what the clone's own file sets
FILES = {
    "nothing": "",
    "what is free": "aws_airflow: {region: eu-west-1, wait: 1, identity_ttl: 0, backend: secrets-manager}\n",
    "what is asked about": "aws_airflow:\n  endpoint_url: http://198.51.100.7\n  runtime: embedded\n"
    "  credentials: live\n",
}
INVOKES = """\
tasks: {executor_class: evil.x, search_root: .}
run: {shell: ./sh, env: {PATH: .}}
runners: {local: evil.x}
"""
LISTS = ("--help", "--list", "--help status", "trust --agreed", "undo --check")
LOOKS = ("status", "setup --check --diff", "creds --check --json")


@pytest.mark.parametrize(
    ("file", "mode", "words"),
    [
        *(("what is asked about", "docker", words) for words in LISTS),
        *((file, "docker", words) for file in FILES for words in LOOKS),
        *(("nothing", "standalone", words) for words in LOOKS),
    ],
)
def test_looking_at_a_hostile_clone_runs_nothing_of_it_reaches_aws_alone_and_writes_in_the_state_directory_alone(
    file: str, mode: str, words: str, clone: Path, closed_world: Path
) -> None:
    put(clone / ".astro" / "config.yaml", f"project:\n  name: clone\ndev:\n  mode: {mode}\n")
    put(clone / "invoke.yaml", INVOKES + FILES[file])
    before = tree(clone, closed_world)
    state = closed_world / ".local" / "state" / "aws-airflow"
    seen = traced(clone, words)
    agreed = file != "what is asked about"
    assert beneath(clone, seen.ran) == set()
    assert str(SCRIPT) in seen.ran
    assert seen.connected <= {"127.0.0.1", "::1"}
    assert (seen.code == 2) == (words in LOOKS and not agreed)
    assert ("127.0.0.1" in seen.connected) == (words in LOOKS and agreed)
    assert {path for path in beneath(clone, seen.opened) if path.endswith(".py") and "/dags/" not in path} == set()
    assert {path for path in seen.written if not path.startswith("/dev/")} - beneath(state, seen.written) == set()
    left = {path: found for path, found in tree(clone, closed_world).items() if not Path(path).is_relative_to(state)}
    assert {path: found for path, found in left.items() if path not in map(str, state.parents)} == before


def test_a_program_of_the_clone_a_connection_and_a_write_would_be_seen(clone: Path, closed_world: Path) -> None:
    script = (
        "import os, socket\nos.system('./sh')\nopen('x', 'w').close()\nos.mkdir('made')\nos.rename('made', 'moved')\n"
        "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out: out.connect(('198.51.100.7', 9))\n"
    )
    seen = traced(clone, "-c", script, program=Path(sys.executable))
    assert (seen.code, beneath(clone, seen.ran)) == (0, {str(clone / "sh")})
    assert seen.connected == {"198.51.100.7"}
    wanted = {str(clone / name) for name in ("x", "made", "moved", "ran")} | {str(closed_world / "ran")}
    assert wanted <= seen.written


def beneath(folder: Path, paths: set[str]) -> set[str]:
    return {path for path in paths if Path(path).is_relative_to(folder)}


def traced(cwd: Path, words: str, *more: str, program: Path = SCRIPT) -> Seen:
    """Run a command line in a directory, where nobody is at a terminal."""
    log = cwd.parent / "strace.log"
    argv = [*(words.split() if not more else [words]), *more]
    done = subprocess.run(_strace(log, program, *argv), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True)
    lines = list(_calls(log.read_text(errors="surrogateescape")))
    succeeded = [(name, arguments) for name, arguments, result in lines if not result.startswith("-1 ENO")]
    opened = [arguments for name, arguments in succeeded if name.startswith("open")]
    writes = [each for each in opened if re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)", each)]
    writes += [arguments for name, arguments in succeeded if name in WRITING]
    return Seen(
        done.returncode,
        {path for name, arguments in succeeded if name.startswith("execve") for path in _paths(arguments, cwd)[:1]},
        {address for name, arguments, _ in lines if name == "connect" for address in _addresses(arguments)},
        {path for arguments in writes for path in _paths(arguments, cwd)},
        {path for arguments in opened for path in _paths(arguments, cwd)},
    )


def _calls(text: str) -> Iterator[tuple[str, str, str]]:
    """By line of strace's the call, its arguments and its result; one that another's interrupted is put together."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        process, _, said = line.partition(" ")
        said = said.strip()
        if said.endswith("<unfinished ...>"):
            begun[process] = said.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>", said):
            said = begun.pop(process, "") + said[resumed.end() :]
        if call := re.fullmatch(r"(\w+)\((.*)\)\s+= (.+)", said):
            yield call[1], call[2], call[3]
        else:
            assert said.startswith(("+++", "---")) or "= ?" in said, line


def _paths(arguments: str, cwd: Path) -> list[str]:
    """The paths among a call's arguments, absolute; each may be relative to a directory that is open, and named."""
    found = re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', arguments)
    return [os.path.normpath(Path(at or cwd, path)) for at, path in found]


def _addresses(arguments: str) -> list[str]:
    return re.findall(r'inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"', arguments)
