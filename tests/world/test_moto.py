"""The embedded AWS: one process, found again, with keys of its own in a home directory of its own."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text import hints
from aws_airflow_tasks.world import aws, cli, moto, processes
from tests.world.server import REAL_SPAWN, serving


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    yield tmp_path / "a folder"
    moto.stop(tmp_path / "a folder")


def identity(endpoint: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", str(home))
    return aws.caller_identity(aws.connect(Settings(endpoint_url=endpoint))).arn


def test_it_runs_once_on_loopback_only_and_its_keys_give_its_users_identity(
    folder: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "somebody-elses")
    assert moto.running(folder, folder / "home") is None
    endpoint = moto.ensure(folder, folder / "home")
    assert moto.running(folder, folder / "home") == endpoint
    record = (folder / "moto.json").read_text()
    assert moto.ensure(folder, folder / "home") == endpoint
    assert (folder / "moto.json").read_text() == record
    server = psutil.Process(json.loads(record)["pid"])
    assert {c.laddr.ip for c in server.net_connections() if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert not [name for name in server.environ() if name.startswith("AWS_")]
    assert list(closed_world.iterdir()) == []
    monkeypatch.delenv("AWS_PROFILE")
    assert identity(endpoint, folder / "home", monkeypatch) == f"arn:aws:iam::123456789012:user/{moto.USER}"
    assert (folder / "home" / ".aws" / "credentials").stat().st_mode & 0o777 == 0o600


def test_a_directory_that_cannot_be_made_or_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TaskError, match=r"cannot make .*file/aws: Not a directory"):
        moto.ensure(tmp_path / "file" / "aws", tmp_path)
    (tmp_path / "port").mkdir()
    with pytest.raises(TaskError, match=r"cannot write .*/port: Is a directory"):
        moto.ensure(tmp_path, tmp_path)


def test_other_keys_give_another_identity(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = moto.ensure(folder, folder / "home")
    stranger = folder / "stranger"
    (stranger / ".aws").mkdir(parents=True)
    (stranger / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n"
    )
    assert identity(endpoint, stranger, monkeypatch) != identity(endpoint, folder / "home", monkeypatch)


def test_a_new_server_gets_new_keys_on_the_earlier_port(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = moto.ensure(folder, folder / "home")
    keys = (folder / "home" / ".aws" / "credentials").read_text()
    assert moto.stop(folder)
    assert not moto.stop(folder)
    assert moto.ensure(folder, folder / "home") == endpoint
    assert (folder / "home" / ".aws" / "credentials").read_text() != keys
    assert identity(endpoint, folder / "home", monkeypatch).endswith(moto.USER)


def test_an_interrupted_start_is_made_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = moto.ensure(folder, folder / "home")
    (folder / "configured").unlink()  # as if killed after the user was created, before the keys were written
    assert moto.ensure(folder, folder / "home") == endpoint
    assert identity(endpoint, folder / "home", monkeypatch).endswith(moto.USER)


def test_a_server_that_a_killed_run_left_half_made_or_unrecorded_is_seen_and_stopped(folder: Path) -> None:
    assert not moto.lives(folder)
    moto.ensure(folder, folder / "home")
    (folder / "configured").unlink()
    assert (moto.running(folder, folder / "home"), moto.lives(folder)) == (None, True)
    server = psutil.Process(json.loads((folder / "moto.json").read_text())["pid"])
    (folder / "moto.json").unlink()
    assert moto.lives(folder)
    assert moto.stop(folder)
    assert not moto.lives(folder)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


def test_the_secret_key_is_on_no_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(cli, "spawn", lambda argv, **how: seen.append(argv) or REAL_SPAWN(argv, **how))
    moto.ensure(folder, folder / "home")
    secret = (folder / "home" / ".aws" / "credentials").read_text().split("aws_secret_access_key = ")[1].split()[0]
    assert [argv[1:] for argv in seen] == [["configure"]]
    assert secret not in (folder / "moto.log").read_text()


def test_a_server_that_does_not_come_up_is_an_error_with_its_last_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    broken = folder / "python"
    broken.write_text("#!/bin/sh\necho no such thing\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(moto.sys, "executable", str(broken))
    with pytest.raises(TaskError, match="did not come up: no such thing") as caught:
        moto.ensure(folder, folder / "home")
    assert caught.value.hint == f"cat '{folder / 'moto.log'}'"
    assert processes.running(folder / "moto.json") is None


def test_a_port_that_another_takes_before_the_server_does_is_left_to_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who took it answers what is asked of moto; nothing of a start may go there, and the next port serves."""
    asked: list[str] = []

    class Another(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET  # noqa: N815

    with serving(Another) as url:
        free, taken = processes.free_port, int(url.rpartition(":")[2])
        found = iter([taken])  # free when it was asked, and no more
        monkeypatch.setattr(processes, "free_port", lambda preferred=0: next(found, None) or free(preferred))
        assert moto.ensure(folder, folder / "home") != url
    assert asked == []


def test_without_the_sandbox_extra_the_error_says_how_to_install_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(TaskError, match="not installed") as caught:
        moto.ensure(tmp_path, tmp_path / "home")
    assert caught.value.hint == f"uv pip install --python {sys.executable} awscli 'moto[server]' uv"
    extra = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert [re.split("[<>=]", each)[0] for each in extra["sandbox"]] == [*hints.SANDBOX]


def test_a_failing_aws_configure_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws_program = folder / "bin" / "aws"
    aws_program.parent.mkdir(parents=True)
    aws_program.write_text("#!/bin/sh\nexit 7\n")
    aws_program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{aws_program.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(TaskError, match="exit code 7"):
        moto.ensure(folder, folder / "home")
