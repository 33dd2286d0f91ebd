"""The tool is installed from a lock: exact versions with hashes, and nothing that has another hash."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.runtimes.locks import renew


class Pin(NamedTuple):
    """A line of the lock: the exact version, and the hashes."""

    version: str
    hashes: list[str]


def pinned() -> Iterator[tuple[str, Pin]]:
    lines = renew.OWN.read_text().replace("\\\n", " ").splitlines()
    for line in lines:
        if not line.startswith("#"):
            wanted, *hashes = re.split(r"\s+--hash=", line.strip())
            (exact,) = Requirement(wanted).specifier
            assert exact.operator == "=="
            yield Requirement(wanted).name, Pin(exact.version, hashes)


PINS = dict(pinned())


def test_the_lock_pins_all_that_is_needed_within_what_the_project_allows_each_with_hashes() -> None:
    _, inputs = renew.own()
    wanted = [Requirement(line) for line in inputs]
    assert {canonicalize_name(each.name) for each in wanted} <= PINS.keys()
    assert [str(each) for each in wanted if PINS[canonicalize_name(each.name)].version not in each.specifier] == []
    shape = re.compile("sha256:[0-9a-f]{64}")
    assert [name for name, pin in PINS.items() if not pin.hashes or not all(map(shape.fullmatch, pin.hashes))] == []


def wheel(folder: Path, name: str, version: str) -> str:
    """A package that holds nothing, as a wheel in ``folder``; its hash."""
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    files = {
        f"{stem}_is_here.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD"
    lines = [f"{path},sha256={_base64(text)},{len(text)}" for path, text in files.items()] + [f"{record},,"]
    path = folder / f"{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in (files | {record: "\n".join(lines) + "\n"}).items():
            archive.writestr(inside, text)
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def _base64(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with a package of each pinned name and version, none of them the real one; their hashes."""
    folder = tmp_path_factory.mktemp("index")
    return folder, {name: wheel(folder, name, version) for name, (version, _) in PINS.items()}


def installed(index: Path, lock: Path, target: Path, *, uv: bool) -> subprocess.CompletedProcess[str]:
    """Install as SECURITY.md says, but from a folder and into one."""
    installer = [venv.find_uv(), "pip"] if uv else [sys.executable, "-m", "pip"]
    words = ["install", "--require-hashes", "-r", lock, "--no-index", "--find-links", index, "--target", target]
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return subprocess.run([*installer, *map(str, words)], env=plain, capture_output=True, text=True)


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_a_package_with_another_hash_is_refused_and_nothing_is_installed(
    index: tuple[Path, dict[str, str]], tmp_path: Path, uv: bool
) -> None:
    folder, hashes = index
    theirs = tmp_path / "theirs.lock"
    theirs.write_text("".join(f"{name}=={PINS[name].version} --hash={hashes[name]}\n" for name in hashes))
    done = installed(folder, theirs, tmp_path / "fits", uv=uv)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "fits" / "boto3_is_here.py").exists()

    done = installed(folder, renew.OWN, tmp_path / "none", uv=uv)
    assert done.returncode != 0
    assert re.search("hash", done.stderr, re.IGNORECASE), done.stderr
    assert list((tmp_path / "none").glob("*.py")) == []


def test_one_wrong_hash_among_right_ones_is_enough(index: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    folder, hashes = index
    wrong = "sha256:" + "0" * 64
    lock = tmp_path / "one.lock"
    lock.write_text(
        "".join(f"{name}=={PINS[name].version} --hash={wrong if name == 'six' else hashes[name]}\n" for name in hashes)
    )
    done = installed(folder, lock, tmp_path / "none", uv=True)
    assert done.returncode != 0
    assert "six" in done.stderr
    assert not (tmp_path / "none" / "boto3_is_here.py").exists()


@pytest.mark.parametrize(("code", "ends"), [(0, 0), (1, 1)])
def test_the_audit_looks_at_every_lock_and_fails_where_one_does(tmp_path: Path, code: int, ends: int) -> None:
    asked = tmp_path / "asked"
    (tmp_path / "uvx").write_text(
        f'#!/bin/sh\necho "$@" >>{asked}\ncase "$*" in *requirements.lock) exit {code};; esac\n'
    )
    (tmp_path / "uvx").chmod(0o755)
    script = renew.OWN.with_name(".ci") / "audit"
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([script], env={"PATH": path}, capture_output=True, text=True)
    assert (done.returncode, "could not say" in done.stderr) == (ends, bool(ends)), done.stderr
    lines = asked.read_text().splitlines()
    locks = [renew.OWN, *(venv.lock_file(major) for major in renew.INPUTS)]
    assert sorted(Path(line.split()[-1]).name for line in lines) == sorted(path.name for path in locks)
    assert all("--strict" in line.split() for line in lines)
