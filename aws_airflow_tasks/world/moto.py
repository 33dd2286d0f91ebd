"""The embedded AWS: moto's server as a process of its own on 127.0.0.1, with a user, keys and an AWS configuration.

moto answers any keys with one identity, so the keys are those of an IAM user that is created in it: then an identity
check can tell ours from others. moto keeps everything in memory, so all this is done again for every new process.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.text.hints import SANDBOX, install
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import cli, files, processes, sessions

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

REGION = "eu-west-1"
USER = "airflow-sandbox"
#: seconds until a new server has to answer
PATIENCE = 60


def ensure(directory: Path, home: Path) -> str:
    """A running server whose keys are in ``home``'s AWS configuration; what runs already is found again.

    Args:
        directory: where its process record, port and log are kept.
        home: the home directory whose ``.aws`` the keys go to, through `aws configure`.

    Returns:
        The endpoint's URL.

    Raises:
        TaskError: moto or `aws` is not installed, or the server does not come up.
    """
    endpoint = running(directory, home)
    if endpoint:
        return endpoint
    with files.explained("make", directory):
        directory.mkdir(parents=True, exist_ok=True)
    process = processes.running(_record(directory)) or _start(directory)
    while not _answers(process, directory):
        process = _start(directory)
    _ask(_port(directory), "POST", "/moto-api/reset")  # what an interrupted run left half made
    _configure(home, *_keys(_endpoint(directory)))
    with files.explained("write", _marker(directory)):
        _marker(directory).write_text(_name(process), encoding="utf-8")
    return _endpoint(directory)


def running(directory: Path, home: Path) -> str | None:
    """The endpoint's URL while the server runs, answers, and its keys are in ``home``; None otherwise."""
    process = processes.running(_record(directory))
    configured = process and _text(_marker(directory)) == _name(process) and (home / ".aws" / "credentials").is_file()
    return _endpoint(directory) if configured and _ask(_port(directory), "GET", "/moto-api/data.json") else None


def lives(directory: Path) -> bool:
    """Whether a server of ``directory`` is there, be it half made: a killed run may have left one."""
    return bool(processes.running(_record(directory)) or processes.marked(*_mark(directory)))


def stop(directory: Path) -> bool:
    """Stop the server of ``directory``, however little a killed run recorded of it; whether there was one."""
    return processes.stop_all([_record(directory)], mark=_mark(directory))


def _start(directory: Path) -> processes.Process:
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise TaskError("the embedded AWS (moto) is not installed", hint=install(*SANDBOX))
    stop(directory)  # one that nobody recorded would keep the port
    port = processes.free_port(_port(directory))
    with files.explained("write", directory / "port"):
        (directory / "port").write_text(str(port), encoding="utf-8")
    return processes.start(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        env=_clean_environment() | dict([_mark(directory)]),
        cwd=directory,
        log=_log(directory),
        record=_record(directory),
    )


def _answers(process: processes.Process, directory: Path) -> bool:
    """Wait until the server answers; False: it has ended, as another program took the port before it could.

    Raises:
        TaskError: it ended with the port still free, or does not answer in time.
    """
    deadline, port = time.monotonic() + PATIENCE, _port(directory)
    while not (processes.listens(process, port) and _ask(port, "GET", "/moto-api/data.json")):
        ended = processes.running(_record(directory)) is None
        if ended and processes.free_port(port) != port:
            return False
        if ended or not processes.wait_until(deadline, 0.1):
            stop(directory)
            raise TaskError(
                f"the embedded AWS did not come up: {telling(processes.tail(_log(directory), 1))}",
                hint=sh("cat {}", _log(directory)),
            )
    return True


def _ask(port: int, method: str, path: str) -> bool:
    """Whether the server answers; never through a proxy."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        try:
            connection.request(method, path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _keys(endpoint: str) -> tuple[str, str]:
    """Create the user and give them an access key: its id and its secret."""
    anybody = sessions.of_keys("anybody", "anything")
    iam: IAMClient = sessions.boto(anybody, REGION).client("iam", endpoint_url=endpoint)
    iam.create_user(UserName=USER)
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def _configure(home: Path, key: str, secret: str) -> None:
    """Answer the four questions of `aws configure`; on standard input, where nobody else can read the secret."""
    home.mkdir(parents=True, exist_ok=True)
    done = cli.run(
        ["aws", "configure"],
        env=_clean_environment() | {"HOME": str(home), "USERPROFILE": str(home)},
        cwd=home,
        input=f"{key}\n{secret}\n{REGION}\njson\n",
        timeout=60,
    )
    if done.code or not (home / ".aws" / "credentials").is_file():
        raise TaskError(
            f"`aws configure` wrote no credentials for the sandbox (exit code {done.code})", hint="aws --version"
        )


def _clean_environment() -> dict[str, str]:
    """Ours without a trace of the person's AWS."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def _mark(directory: Path) -> tuple[str, str]:
    """The variable in the server's environment that tells whose it is."""
    return "EMBEDDED_AWS_STATE", str(directory)


def _endpoint(directory: Path) -> str:
    return f"http://127.0.0.1:{_port(directory)}"


def _name(process: processes.Process) -> str:
    return f"{process.pid} {process.created}"


def _marker(directory: Path) -> Path:
    """Names the process that the keys in the home directory are for."""
    return directory / "configured"


def _port(directory: Path) -> int:
    text = _text(directory / "port")
    return int(text) if text.isdecimal() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _record(directory: Path) -> Path:
    return directory / "moto.json"


def _log(directory: Path) -> Path:
    return directory / "moto.log"
