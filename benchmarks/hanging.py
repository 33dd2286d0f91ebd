"""How long commands take where something hangs, and what they leave. Usage: python -m benchmarks.hanging

With the real bounds, so it takes minutes. Each row: seconds, exit code, seconds until the first word of what is waited
for, and how many of the processes that hung are left.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path
from typing import NamedTuple

import psutil

from aws_airflow_tasks.world import processes

FOREIGN = ("AIRFLOW_", "AWS_", "INVOKE_", "XDG_", "DOCKER_")
SSO = """[profile it]
sso_session = it
sso_account_id = 123456789012
sso_role_name = developer
region = eu-west-1
[sso-session it]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
"""


class Case(NamedTuple):
    """A command, and what hangs."""

    what: str
    words: str
    environment: Mapping[str, str] = {}
    program: str = ""
    config: str = ""


def cases(silent: str) -> list[Case]:
    """What can hang; ``silent`` is the address of a server that never answers."""
    aws, sso = {"AWS_ENDPOINT_URL": f"http://{silent}"}, {"AWS_ENDPOINT_URL_SSO": "http://127.0.0.1:9"}
    docker = {"DOCKER_HOST": f"tcp://{silent}", "INVOKE_AWS_AIRFLOW_RUNTIME": "docker"}
    helper = "[default]\nregion = eu-west-1\ncredential_process = astro\n"
    return [
        Case("an endpoint that accepts and never answers", "creds", aws),
        Case("the same", "status", aws),
        Case("the same", "creds mount env secrets", aws),
        Case("`aws`, where an SSO token needs refreshing", "creds --profile it", sso, "aws", SSO),
        Case("`astro dev init`", "init --project new --yes", {}, "astro"),
        Case("a credential helper", "creds", {}, "astro", helper),
        Case("a Docker engine that accepts and never answers", "status", docker),
    ]


@contextlib.contextmanager
def silence() -> Iterator[str]:
    """A server that accepts every connection and never answers."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listener.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def world(folder: Path, case: Case) -> dict[str, str]:
    """A HOME with keys, a project, and a program that hangs, as does what it starts."""
    home, project, scripts = folder / "home", folder / "project", folder / "bin"
    for place in (home / ".aws" / "sso" / "cache", project / ".astro", project / "dags", scripts):
        place.mkdir(parents=True)
    (project / ".astro" / "config.yaml").write_text("project: {name: mine}\n")
    (project / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    keys = "" if case.config else "aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example\n"
    (home / ".aws" / "config").write_text(case.config or f"[default]\nregion = eu-west-1\n{keys}")
    soon = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    login = {"accessToken": "x", "expiresAt": soon, "region": "eu-west-1", "refreshToken": "x", "clientId": "x"}
    login |= {"clientSecret": "x", "registrationExpiresAt": "2099-01-01T00:00:00Z"}
    name = sha1(b"it", usedforsecurity=False).hexdigest()
    (home / ".aws" / "sso" / "cache" / f"{name}.json").write_text(json.dumps(login))
    if case.program:
        note = f"echo $$ >> {shlex.quote(str(folder / 'pids'))}"
        script = scripts / case.program
        script.write_text(f"#!/bin/sh\n{note}\nsh -c {shlex.quote(f'{note}; sleep 3600; :')} &\nwait\n")
        script.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    return kept | {"HOME": str(home), "PATH": path, "AWS_EC2_METADATA_DISABLED": "true", **case.environment}


def measure(case: Case) -> str:
    """The row of a case."""
    with tempfile.TemporaryDirectory() as folder:
        environment = world(Path(folder), case)
        argv = [str(Path(sys.executable).with_name("aws-airflow")), *case.words.split()]
        begin, told = time.monotonic(), 0.0
        with subprocess.Popen(
            argv,
            cwd=Path(folder) / "project",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stderr
            for line in child.stderr:
                told = told or ("waiting for" in line and time.monotonic() - begin) or 0.0
        seconds = time.monotonic() - begin
        pids = (Path(folder) / "pids").read_text().split() if case.program else []
        left = [pid for pid in map(int, pids) if processes.lives(pid)]
        for pid in left:
            psutil.Process(pid).kill()
    said = f"{told:5.1f}" if told else "never"
    row = f"{case.what:<48} {case.words:<24} {seconds:6.1f} s  exit {child.returncode}"
    return f"{row}  told after {said}  left {len(left)}"


def main() -> None:
    """Measure all of them."""
    with silence() as silent:
        for case in cases(silent):
            print(measure(case), flush=True)


if __name__ == "__main__":
    main()
