"""Windows, as far as it can be simulated: without what it lacks of Unix, and with paths as it has them.

Nothing here ran on a real Windows. Types are checked for it too (``mypy --platform win32``).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import pytest

from aws_airflow_tasks.patch.compose import Host, Mount, Ours, ensure, survey, take_out
from aws_airflow_tasks.world import delivery
from tests import schema
from tests.project import astro_project, tree
from tests.world.server import Embedded, embedded

__all__ = ["astro_project", "embedded"]

ROOT = Path(__file__).parents[1]
RUN = """
from tests import without_posix
import os, socket, sys
from botocore.configprovider import ConfiguredEndpointProvider
provide, resolve = ConfiguredEndpointProvider.provide, socket.getaddrinfo
ConfiguredEndpointProvider.provide = lambda self: provide(self) or os.environ["STAND_IN"]
socket.getaddrinfo = lambda host, *rest, **more: resolve({"aws.invalid": "127.0.0.1"}.get(host, host), *rest, **more)
from aws_airflow_tasks.program import main
sys.argv[0] = "aws-airflow"
main()
"""
TASKS = ("creds", "init", "mount", "env", "provider", "secrets", "dag")


def process(*argv: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a fresh process that finds the tests and the package."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, *argv], cwd=cwd, env=env, capture_output=True, text=True, check=False)


def tasks(*words: str, cwd: Path, **environment: str) -> tuple[int, Any]:
    done = process("-c", RUN, *words, "--json", cwd=cwd, **environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, schema.held(done.stdout)


def contents(*roots: Path) -> dict[str, str]:
    """Every path below ``roots`` with the hash of its bytes: Windows has no modes."""
    return {path: found.split(" ")[1] for path, found in tree(*roots).items()}


def test_every_task_up_to_the_start_and_its_undo_needs_nothing_of_unix(
    astro_project: Path, closed_world: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    (astro_project / ".env").write_bytes(b"A=1\r\n")
    (astro_project / "docker-compose.override.yml").write_bytes(b"services:\r\n  scheduler:\r\n    image: x\r\n")
    before = contents(astro_project, closed_world / ".aws")
    # the embedded AWS is AWS's own endpoint there: no setting names it
    here: Mapping[str, str] = {"STAND_IN": embedded.url.replace("127.0.0.1", "aws.invalid")}
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
    chosen = ("--runtime", "docker")
    code, said = tasks(*TASKS, *chosen, cwd=astro_project, **here)
    assert (code, [step["step"] for step in said["steps"] if step["status"] == "failed"]) == (0, []), said
    assert (astro_project / "docker-compose.override.yml").read_bytes().count(b"/home/astro/.aws\r\n") == 4
    code, said = tasks(*TASKS, *chosen, cwd=astro_project, **here)
    assert (code, said["recap"]["changed"]) == (0, 0), said
    code, said = tasks("undo", "--yes", *chosen, cwd=astro_project, **here)
    assert code == 0, said
    assert contents(astro_project, closed_world / ".aws") == before
    assert not [path for path in (closed_world / ".local").rglob("*") if path.is_file()]


def test_the_docker_runtime_and_the_file_steps_pass_their_own_tests_there(tmp_path: Path) -> None:
    files = ("steps/test_mount.py", "steps/test_init.py", "runtimes/test_docker_health.py")
    done = process(
        *("-m", "pytest", "-p", "tests.without_posix", "-n0", "-q", "-p", "no:cacheprovider"),
        *("--basetemp", str(tmp_path / "there"), "-k", "not standalone", *(f"tests/{name}" for name in files)),
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("setup", "--runtime", "standalone"), "the standalone runtime"),
        (("setup", "--runtime", "embedded"), "the embedded runtime"),
        (("undo", "--yes", "--runtime", "embedded"), "the embedded runtime"),
        (("sandbox",), "the sandbox"),
        (("sandbox.stop",), "the sandbox"),
        (("sandbox.clean",), "the sandbox"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_needs_unix_is_refused_before_anything_is_done(
    words: tuple[str, ...], named: str, astro_project: Path, closed_world: Path
) -> None:
    before = tree(astro_project, closed_world)
    code, said = tasks(*words, cwd=astro_project, INVOKE_AWS_AIRFLOW_RUNTIME="docker")
    assert (code, said["steps"]) == (2, [])
    assert said["error"]["message"] == f"{named} runs on Linux and macOS; on Windows it runs in WSL 2"
    assert said["error"]["hint"].startswith("wsl --install ")
    assert tree(astro_project, closed_world) == before


# -- paths ----------------------------------------------------------------------------------------------------------

HOST = Host(r"C:\Users\me", r"C:\Users\me\proj", {"USERPROFILE": r"C:\Users\me"})
LIVE = Mount("~/.aws", "/home/astro/.aws")


def asked(entry: str, mount: Mount = LIVE, **more: Any) -> str:
    text = f"services:\n  scheduler:\n    volumes:\n      - {entry}\n"
    return ensure(text.encode(), ["scheduler"], mount, host=HOST, **more).outcome


@pytest.mark.parametrize(
    "source",
    [
        "~/.aws",
        r"~\.aws",
        r"C:\Users\me\.aws",
        r"c:\users\ME\.aws\ ".strip(),
        "C:/Users/me/.aws",
        "/c/Users/me/.aws",
        "/C/Users/me/.aws/",
        "//c/Users/me/.aws",
        "../.aws",
        r"..\.aws",
        r"${USERPROFILE}\.aws",
        r"${UserProfile}/.aws",
    ],
)
def test_every_way_to_write_the_directory_is_known_for_the_same(source: str) -> None:
    assert asked(f"{source}:/home/astro/.aws:ro") == "satisfied"
    assert asked(f"{source}:/home/astro/.aws") == "edits", "read-write"


@pytest.mark.parametrize(
    "source",
    ["/d/Users/me/.aws", r"D:\Users\me\.aws", "./.aws", "/Users/me/.aws", "$HOME/.aws", "keys"],
)
def test_another_directory_is_a_conflict(source: str) -> None:
    assert asked(f"{source}:/home/astro/.aws:ro") == "conflict"


@pytest.mark.parametrize("home", [r"C:\Users\me", r"D:\Profiles\me"])
@pytest.mark.parametrize("long", [True, False])
def test_a_mount_is_written_in_a_form_that_compose_takes_found_again_and_taken_out_to_the_byte(
    home: str, long: bool
) -> None:
    state = PureWindowsPath(r"C:\Users\me\AppData\Local\aws-airflow\demo\aws")
    host = Host(home, home + r"\proj", {})
    source = delivery.source(state, PureWindowsPath(home))
    assert source in ("~/AppData/Local/aws-airflow/demo/aws", "/c/Users/me/AppData/Local/aws-airflow/demo/aws")
    mount, before = Mount(source, "/home/astro/.aws", long=long), b"services:\r\n  scheduler:\r\n    image: x\r\n"
    ours = Ours((str(state.parents[1]),), target=mount.target)
    assert survey(before, ours, host=host) == ([], [])
    patch = ensure(before, ["scheduler", "triggerer"], mount, host=host)
    assert patch.after
    assert f"{source}".encode() in patch.after
    assert ensure(patch.after, ["scheduler", "triggerer"], mount, host=host).outcome == "satisfied"
    edited = patch.after + b"# edited\r\n"
    assert take_out(edited, ours, host=host).after == before + b"# edited\r\n"
    broken = edited + b"broken: [\r\n"
    refused = take_out(broken, ours, host=host, blocks=[edit.new for edit in patch.edits])
    assert (refused.outcome, "aws-airflow/demo/aws" in refused.by_hand) == ("refusal", True)


@pytest.mark.parametrize(
    ("mounted", "directory", "same"),
    [
        (r"C:\Users\me\.aws", PureWindowsPath(r"C:\Users\me\.aws"), True),
        ("/c/Users/Me/.aws", PureWindowsPath(r"C:\Users\me\.aws"), True),
        ("/d/Users/me/.aws", PureWindowsPath(r"C:\Users\me\.aws"), False),
        ("/c/Users/me", PureWindowsPath(r"C:\Users\me\.aws"), False),
        ("/c/Users/me/.aws", PurePath("/c/Users/me/.aws"), True),
        ("/c/Users/me/.aws", PurePath("/c/Users/Me/.aws"), False),
    ],
)
def test_what_docker_desktop_says_of_a_mount_is_compared_as_the_system_compares_paths(
    mounted: str, directory: PurePath, same: bool
) -> None:
    assert delivery.same(mounted, directory) is same
