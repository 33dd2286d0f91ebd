"""Why a process cannot read the files of credentials: who it is, what it sees, under which engine -> what mends it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.world import readable
from aws_airflow_tasks.world.readable import Engine, Files, Kind, Place, Process, Seen

STEPS = Path(readable.__file__).parent.parent / "steps"
MINE, AIRFLOW = 1000, 50000
CONFIG, KEYS = "/home/astro/.aws/config", "/home/astro/.aws/credentials"
FINE = Seen(CONFIG, "file", 0o644, MINE, MINE)
DENIED = "Permission denied"
CONTAINER = Process(AIRFLOW, (0,), engine="plain")
SELINUX = CONTAINER._replace(label="system_u:system_r:container_t:s0:c1,c2")
STAGED = Files("staged", Path("/my state/aws"), ("config", "credentials"))
LIVE = STAGED._replace(place="live", directory=Path("/home/me/.aws"))
HOST = LIVE._replace(place="host")
EXPORT = "export INVOKE_AWS_AIRFLOW_CREDENTIALS=export && invoke setup"
ANEW, AGAIN = "invoke refresh --force", "invoke stop && invoke start"


def keys(kind: Kind = "file", mode: int = 0o600, uid: int = MINE, gid: int = MINE, **more: Any) -> Seen:
    return Seen(KEYS, kind, mode, uid, gid, **{"error": DENIED} | more)


class Row(NamedTuple):
    """What is seen, by whom, whose the files are; a part of the cause, and how the command begins."""

    seen: Seen
    process: Process
    files: Files
    cause: str
    typed: str


BARRED = keys("hidden", 0o700, barred="/home/astro/.aws")
ROOTLESS, USERNS, DESKTOP = (CONTAINER._replace(engine=each) for each in ("rootless", "userns", "desktop"))
SHARE = "# in Docker Desktop, Settings, Resources, File sharing, add: '/my state/aws'\ninvoke stop"
TABLE = {
    "0600, live": Row(keys(), CONTAINER, LIVE, f"{KEYS} (mode 0600, uid 1000) cannot be read by uid 50000", EXPORT),
    "0600, staged": Row(keys(), CONTAINER, STAGED, "(mode 0600, uid 1000) cannot be read by uid 50000", ANEW),
    "0640, its group is not Airflow's": Row(keys(mode=0o640), CONTAINER, LIVE, "(mode 0640, uid 1000)", EXPORT),
    "0600, rootless": Row(keys(uid=0), ROOTLESS, LIVE, "the engine is rootless, and your files are root's", EXPORT),
    "0600, userns-remap": Row(keys(uid=65534), USERNS, LIVE, "(userns-remap), and your files are nobody's", EXPORT),
    "0600, Docker Desktop": Row(keys(), DESKTOP, LIVE, "(mode 0600, uid 1000) cannot be read", EXPORT),
    "a parent 0700, live": Row(
        BARRED, CONTAINER, LIVE, "/home/astro/.aws (mode 0700, uid 1000) cannot be entered by uid 50000", EXPORT
    ),
    "a parent 0700, staged": Row(BARRED, CONTAINER, STAGED, "(mode 0700, uid 1000) cannot be entered", ANEW),
    "a parent 0700, rootless": Row(BARRED._replace(uid=0), ROOTLESS, LIVE, "the engine is rootless", EXPORT),
    "SELinux, live": Row(keys(mode=0o644), SELINUX, LIVE, "SELinux keeps system_u:system_r:container_t", EXPORT),
    "SELinux, staged": Row(
        keys(mode=0o644), SELINUX, STAGED, "whose modes would do", "chcon -R -t container_file_t -l s0 '/my state/aws'"
    ),
    "SELinux bars the directory": Row(
        BARRED._replace(mode=0o755), SELINUX, STAGED, "SELinux keeps", "chcon -R -t container_file_t"
    ),
    "SELinux, yet the mode is in the way": Row(keys(), SELINUX, LIVE, "(mode 0600, uid 1000)", EXPORT),
    "a directory in its place, not here": Row(
        keys("directory", 0o755, 0, error="Is a directory"), CONTAINER, LIVE, "a directory stands where a file", AGAIN
    ),
    "a link to nowhere, live": Row(
        keys("link", error="No such file"), CONTAINER, LIVE, f"{KEYS}: a symlink that leads nowhere there", EXPORT
    ),
    "a link to nowhere, staged": Row(keys("link"), CONTAINER, STAGED, "leads nowhere there", ANEW),
    "one of two is missing, live": Row(keys("absent"), CONTAINER, LIVE, f"there is no {KEYS} there", AGAIN),
    "one of two is missing, staged": Row(keys("absent"), CONTAINER, STAGED, "and here there is", AGAIN),
    "one of two is gone from the copy": Row(
        keys("absent"), CONTAINER, STAGED._replace(names=(), lost=("credentials",)), "gone from the copy", ANEW
    ),
    "a stale file handle": Row(
        keys("other", error="Stale file handle"), CONTAINER, STAGED, "cannot be read: Stale file handle", AGAIN
    ),
    "what Docker Desktop does not share": Row(
        keys(mode=0o644, error="Operation not permitted"), DESKTOP, STAGED, "cannot be read: Operation not", SHARE
    ),
    "an engine's security module of no name": Row(keys(mode=0o644), CONTAINER, STAGED, f"read: {DENIED}", AGAIN),
    "root may not either": Row(keys(), CONTAINER._replace(uid=0), LIVE, f"cannot be read: {DENIED}", AGAIN),
    "here, one's own 0000": Row(keys(mode=0), Process(MINE), HOST, "(mode 0000, uid 1000)", f"chmod u+r {KEYS}"),
    "here, another's": Row(
        keys(uid=0), Process(MINE), HOST, "(mode 0600, uid 0) cannot be read by uid 1000", f'sudo chown "$USER" {KEYS}'
    ),
    "here, a parent that is closed": Row(
        BARRED._replace(mode=0o600), Process(MINE), HOST, "cannot be entered by uid 1000", "chmod u+x /home/astro/.aws"
    ),
    "here, a pipe": Row(keys("other", error="it is no file"), Process(MINE), HOST, "it is no file", "ls -ld /"),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_what_keeps_a_process_from_a_file_is_said_with_what_mends_it(row: Row) -> None:
    found = readable.finding([FINE, row.seen], row.process, row.files)
    assert found is not None
    cause, typed = found
    assert (row.cause in cause, typed.startswith(row.typed)) == (True, True), found


@pytest.mark.parametrize("process", [CONTAINER, SELINUX, ROOTLESS, Process(MINE)], ids=str)
@pytest.mark.parametrize("missing", ["config", "credentials"])
def test_what_can_be_read_is_no_finding_nor_is_what_this_host_has_not_either(missing: str, process: Process) -> None:
    there = [FINE, FINE._replace(path=KEYS)]
    assert readable.finding(there, process, LIVE) is None
    absent = Seen(f"/home/astro/.aws/{missing}", "absent", error="No such file or directory")
    assert readable.finding([FINE, absent], process, LIVE._replace(names=())) is None


def test_of_two_files_with_two_faults_the_one_that_is_in_the_way_of_the_other_comes_first() -> None:
    gone = Seen(CONFIG, "absent", error="No such file or directory")
    found = readable.finding([gone, keys()], CONTAINER, STAGED)
    assert found is not None
    assert found[1] == ANEW  # and that puts both in place


@pytest.mark.parametrize(("own", "typed"), [(True, "rmdir"), (False, "sudo rmdir")])
def test_a_directory_that_stands_in_a_files_place_here_is_taken_away(
    own: bool, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").mkdir()
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid if own else uid + 1)
    seen = keys("directory", 0o755, 0, error="Is a directory")
    for process, place in ((CONTAINER, "live"), (Process(MINE), "host")):
        found = readable.finding([seen], process, Files(place, tmp_path, ("config",)))  # type: ignore[arg-type]
        assert found is not None
        assert found[1].startswith(f"{typed} {tmp_path}/credentials ")


FACTS = st.builds(
    Seen,
    path=st.sampled_from([CONFIG, KEYS]),
    kind=st.sampled_from(get_args(Kind)),
    mode=st.integers(0, 0o7777),
    uid=st.sampled_from([0, MINE, AIRFLOW]),
    gid=st.sampled_from([0, MINE]),
    barred=st.sampled_from(["", "/home/astro/.aws"]),
    error=st.sampled_from(["", DENIED, "Input/output error"]),
)


@given(
    st.lists(FACTS, min_size=1, max_size=2),
    st.sampled_from(get_args(Engine)),
    st.sampled_from(get_args(Place)),
    st.sampled_from(["", "docker-default (enforce)", SELINUX.label]),
    st.sampled_from([0, MINE, AIRFLOW]),
)
def test_whatever_is_seen_there_are_a_cause_and_a_command_or_nothing_is_wrong(
    seen: list[Seen], engine: Engine, place: Place, label: str, uid: int
) -> None:
    found = readable.finding(seen, Process(uid, (0,), label, engine), STAGED._replace(place=place))
    bad = [each for each in seen if each.error and each.kind != "absent"]
    assert (found is not None) or not bad
    if found:
        assert found[0]
        for line in found[1].splitlines():
            assert shlex.split(line, comments=True) or line.startswith("#")


@pytest.mark.parametrize(
    ("uid_map", "kernel", "engine"),
    [
        ("         0          0 4294967295", "6.1.0-18-amd64", "plain"),
        ("         0       1000          1\n         1     100000      65536", "6.1.0-18-amd64", "rootless"),
        ("         0     100000      65536", "6.1.0-18-amd64", "userns"),
        ("         0          0 4294967295", "6.6.16-linuxkit", "desktop"),
        ("", "5.15.0", "plain"),
    ],
)
def test_how_an_engine_maps_users_is_seen_from_inside(uid_map: str, kernel: str, engine: str) -> None:
    assert readable.engine(uid_map, kernel) == engine


def probed(*paths: Path, uid: int = 0) -> tuple[list[Seen], Process]:
    """What the probe says of files, as another user where there is a number."""
    become = f"os.setgroups([]); os.setgid({uid}); os.setuid({uid});" if uid else ""
    run = "sys.argv = ['-', sys.argv[1]]; exec(sys.stdin.read(), {'__name__': 'probe'})"
    question = {"files": list(map(str, paths)), "names": [], "endpoints": {}, "secret": None, "agent": "", "region": ""}
    command = [sys.executable, "-c", f"import hashlib, json, os, sys; {become} {run}", json.dumps(question)]
    source = "".join((STEPS / f"{name}.py.txt").read_text() for name in ("told", "probe"))
    source = source.replace("import botocore.session", "raise LookupError")
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    return readable.told(json.loads(done.stdout.splitlines()[-1]), contained=True)


def test_the_probe_and_this_host_see_the_same_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "directory").mkdir()
    (tmp_path / "nowhere").symlink_to("/home/me/dotfiles/config")
    (tmp_path / "itself").symlink_to("itself")
    os.mkfifo(tmp_path / "pipe")
    names = ("file", "directory", "nowhere", "itself", "pipe", "absent", "file/below")
    found, process = probed(*(tmp_path / name for name in names))
    assert [each.kind for each in found] == ["file", "directory", "link", "other", "other", "absent", "other"]
    here = [readable.look(tmp_path / name) for name in names]
    assert [(each.kind, each.mode, each.uid) for each in here] == [(each.kind, each.mode, each.uid) for each in found]
    assert [bool(each.error) for each in here] == [bool(each.error) for each in found]
    assert process.uid == os.getuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_the_probe_as_another_user_tells_a_closed_file_from_one_behind_a_closed_directory(tmp_path: Path) -> None:
    folder = Path(f"/tmp/aws-airflow-test-{os.getpid()}")  # which everybody may enter, as they may not the tests'
    folder.mkdir(mode=0o755)
    try:
        (folder / "config").write_text("x")
        (folder / "config").chmod(0o600)
        (folder / "aws").mkdir(mode=0o700)
        (folder / "aws" / "credentials").write_text("x")
        (config, keys), process = probed(folder / "config", folder / "aws" / "credentials", uid=AIRFLOW)
    finally:
        for path in ("aws/credentials", "config"):
            (folder / path).unlink(missing_ok=True)
        (folder / "aws").rmdir()
        folder.rmdir()
    assert config == Seen(str(folder / "config"), "file", 0o600, 0, 0, error=DENIED)
    assert keys == Seen(str(folder / "aws/credentials"), "hidden", 0o700, 0, 0, str(folder / "aws"), DENIED)
    assert process.uid == AIRFLOW
