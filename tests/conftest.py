"""Tests fail closed: no real HOME, no real AWS, no way out of 127.0.0.1, no external command that was not prepared."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

from aws_airflow_tasks import report
from aws_airflow_tasks.world import cli, keeper, waits
from tests import schema

_COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("dev", max_examples=200, **_COMMON)
settings.register_profile("ci", max_examples=2_000, derandomize=True, **_COMMON)  # the same ones in every run
settings.register_profile("soak", max_examples=100_000, **_COMMON)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

#: each session has a loader of its own, which parses botocore's models anew: half the time of the tests that ask AWS
botocore.session.create_loader = cache(botocore.session.create_loader)
#: the person's own cache directory, where Airflow's virtual environments are shared; taken before HOME is moved
USER_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
#: variables that would lead a test into the person's own world
FOREIGN = ("AIRFLOW_", "ASTRO", "AWS_", "INVOKE_", "XDG_")
#: names the authorities that requests trusts, and botocore after it
TRUSTS = "REQUESTS_CA_BUNDLE"
#: the sockets of this machine's Docker engine
ENGINES = ("/var/run/docker.sock", "/run/docker.sock")
#: hosts that a test gives a name: by name the port on 127.0.0.1; every other name leads to a port where nobody answers
HOSTS: dict[str, int] = {}


@pytest.fixture(autouse=True)
def closed_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A HOME of the test's own, no host but this one, no engine that it has not asked for, and no external command.

    Every JSON document that a test comes by holds what the schema says.
    """
    home = tmp_path_factory.mktemp("home")
    kept = () if request.node.get_closest_marker("e2e") is None else (TRUSTS,)  # what installs packages goes by it
    for name in list(os.environ):
        if name.startswith((*FOREIGN, TRUSTS)) and name not in kept:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for owner in ("credentials.SSOProvider", "tokens.SSOTokenProvider"):  # set once, from the HOME at import
        monkeypatch.setattr(f"botocore.{owner}._SSO_TOKEN_CACHE_DIR", str(home / ".aws" / "sso" / "cache"))
    monkeypatch.setattr(sys, "argv", ["invoke"])
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_KEEP_FRESH", "off")
    monkeypatch.setattr(cli, "spawn", _unprepared)
    monkeypatch.setattr(report, "document", partial(_held, report.document))
    waits.forget()
    monkeypatch.setattr(waits.log, "handlers", [])  # each command line adds its own, for the life of a process
    monkeypatch.setattr(keeper, "start", _unasked)
    monkeypatch.setattr(socket, "getaddrinfo", _here(socket.getaddrinfo))
    allowed = ENGINES if "engine" in request.fixturenames else ()
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _loopback_only(getattr(socket.socket, name), allowed))
    return home


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that run a whole Airflow share one worker: two at a time are slower than one after the other."""
    for item in items:
        if item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.xdist_group("airflow"))


def _unprepared(argv: Sequence[str], **_: Any) -> NoReturn:
    raise AssertionError(f"a test ran an external command that it had not prepared: {argv[0]}")


def _held(document: Callable[..., str], *args: Any, **more: Any) -> str:
    text = document(*args, **more)
    schema.held(text)
    return text


def _unasked(*_: Any) -> NoReturn:
    raise AssertionError("a test left a keeper of keys that it had not asked for")


def _here(look_up: Any) -> Any:
    """No name is looked up outside of this host."""

    def guarded(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host or "localhost"
        if not (name == "localhost" or ":" in name or name[:1].isdigit()):
            host, port = "127.0.0.1", HOSTS.get(name, 9)
        return look_up(host, port, *args, **kwargs)

    return guarded


def _loopback_only(connect: Any, engines: Sequence[str]) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if address in ENGINES and address not in engines:
            self.close()  # the SDK would leave it to the garbage collector
            raise ConnectionRefusedError("this test has not asked for the engine of this machine")
        host = address[0] if isinstance(address, tuple) else ""
        if isinstance(address, tuple) and not (host.startswith("127.") or host in ("localhost", "::1")):
            raise AssertionError(f"a test tried to reach {host}")
        return connect(self, address)

    return guarded


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--real-astro", action="store_true", help="run the container tests with the Astro CLI on PATH, not its stand-in"
    )
