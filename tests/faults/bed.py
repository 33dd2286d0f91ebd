"""A sandbox that is kept up, into which faults are put and out of which they are taken again.

Between Airflow or this host and the embedded AWS stands a front, which refuses what a fault wants refused.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import psutil

from aws_airflow_tasks.core import digest
from tests.world.front import Asked, Front, Refusal, front

#: variables that would lead out of the sandbox
FOREIGN = ("AIRFLOW_", "ASTRO", "AWS_", "INVOKE_", "XDG_", "PYTHON", "PYTEST", "HTTP", "http", "NO_PROXY", "no_proxy")
#: seconds that Airflow gets for anything, and a command line for all of it
WAIT, LIMIT = 90, 500
#: a text that is in every fault that can carry one, and must come out of nothing
CANARY = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLECANARY"
#: what a person answers `aws configure` with; the last is for `output`
NAMES = {"variable": "airflow/variables/aws_airflow_check", "connection": "airflow/connections/aws_airflow_check"}
#: programs that only a person can finish: they write down that they were called, and do nothing
STAND_IN = "#!/bin/sh\necho \"$0 $*\" >> '{typed}'\n"
#: `aws` without a browser: a login is written down, all else is the real one
AWS = '#!/bin/sh\ncase "$*" in *login*) echo "$0 $*" >> \'{typed}\';; *) exec \'{real}\' "$@";; esac\n'


class Done(NamedTuple):
    """A command's exit code and what it said."""

    code: int
    out: str
    err: str


@dataclass
class Bed:
    """Where it is, what is in the way of AWS, and what the person's shell has.

    Attributes:
        root: the directory of all of it.
        major: of Airflow.
        cache: with the virtual environments.
        aws: the front.
        variables: of the person's shell, a fault's among them.
        finish: what the program does that a stand-in was called for: it mends a fault which only a person can.
    """

    root: Path
    major: int
    cache: Path
    aws: Front = field(default_factory=Front)
    variables: dict[str, str] = field(default_factory=dict)
    base: dict[str, str] = field(default_factory=dict)
    finish: Callable[[], Any] = lambda: None
    after: list[Callable[[], Any]] = field(default_factory=list)
    before: dict[Path, bytes] = field(default_factory=dict)
    entries: dict[str, tuple[str, list[Any]]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @property
    def sandbox(self) -> Path:
        return self.root / "here" / ".sandbox"

    @property
    def project(self) -> Path:
        return self.sandbox / f"airflow-{self.major}"

    @property
    def home(self) -> Path:
        return self.sandbox / "home"

    @property
    def config(self) -> Path:
        return self.home / ".aws" / "config"

    @property
    def credentials(self) -> Path:
        return self.home / ".aws" / "credentials"

    @property
    def dotenv(self) -> Path:
        return self.project / ".env"

    @property
    def dag(self) -> Path:
        return self.project / "dags" / "example_secrets_dag.py"

    @property
    def state(self) -> Path:
        return self.home / ".local" / "state" / "aws-airflow" / self.project.name

    @property
    def staged(self) -> Path:
        """The directory of the staged copy."""
        text = (self.before.get(self.dotenv) or self.dotenv.read_bytes()).decode()  # a fault may have taken it away
        lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return Path(lines["AWS_CONFIG_FILE"]).parent

    @property
    def record(self) -> Path:
        """Where the last proof has written down what it was told."""
        return self.root / "record"

    def recorded(self) -> dict[str, Any]:
        """What the last proof was told, by what it is, without secrets, keys and paths of this machine; what lists."""
        found: dict[str, Any] = {}
        text = self.record.read_text() if self.record.exists() else ""
        value, connection = (self.entries[NAMES[kind]][0] for kind in ("variable", "connection"))
        for secret, shown in {
            **dict.fromkeys(self._keys(), "HIDDEN"),
            value: "nonce",
            digest(value): digest("nonce"),
            json.loads(connection)["host"]: "example.com",
            json.loads(connection)["password"]: "HIDDEN",
            str(self.staged): "/staged",
            str(self.home): "/home/me",
            str(self.project): "/project",
            str(self.root): "/root-of-all",
            str(self.cache): "/cache",
            f"{tempfile.gettempdir()}/": "/scratch/",
            self.aws.url: "http://aws.test",
            os.uname().release: "6.1.0",
        }.items():
            text = text.replace(secret, shown)
        for kind, what in map(json.loads, text.splitlines()):
            found.setdefault(kind, what)  # the first that was met is the cause
        return found

    def _keys(self) -> list[str]:
        """The keys that are in files."""
        texts = [data.decode(errors="replace") for data in self.before.values()]
        return [CANARY, *(key for text in texts for key in re.findall(r"aws_secret_access_key *= *(\S+)", text))]

    @property
    def moto(self) -> str:
        return f"http://127.0.0.1:{(self.sandbox / 'aws' / 'port').read_text()}"

    def client(self, service: str, key: tuple[str, str] | None = None) -> Any:
        """Of the embedded AWS itself, with keys that are not looked at."""
        one, two = key or ("anybody", "anything")
        session = boto3.Session(aws_access_key_id=one, aws_secret_access_key=two, region_name="eu-west-1")
        return session.client(service, endpoint_url=self.moto)

    # what a person types

    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        path = f"{self.root / 'bin'}:{Path(sys.executable).parent}:{plain['PATH']}"
        return plain | {"PATH": path, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.cache)} | self.variables

    def run(
        self, argv: list[str], variables: dict[str, str] | None = None, said: str = "", cwd: Path | None = None
    ) -> Done:
        """Run a command as the person would, in the project."""
        process = subprocess.Popen(
            ["nice", "-n", "5", *argv],
            cwd=cwd or self.project,
            env=self.environment() | (variables or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            out, err = process.communicate(said, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
        self.said += [out, err]
        return Done(process.returncode, out, err)

    def verify(self, *, skip: str = "") -> tuple[int, dict[str, Any]]:
        """The exit code, and the document; ``skip``: a step before it that is left out."""
        self.record.unlink(missing_ok=True)
        argv = [sys.executable, str(Path(__file__).with_name("recorder.py")), "verify", "--json"]
        done = self.run([*argv, *(["--skip", skip] if skip else [])], {"FAULTS_RECORD": str(self.record)})
        try:
            return done.code, dict(json.loads(done.out))
        except ValueError:
            return done.code, {"checks": [], "steps": [], "error": {"message": done.err[-500:], "hint": ""}}

    def typed(self) -> bool:
        """Whether a stand-in was called since."""
        there = (self.root / "typed").exists()
        (self.root / "typed").unlink(missing_ok=True)
        return there

    # what a fault may do

    def refuse(self, refused: Callable[[Asked], Refusal | None]) -> None:
        """Have the front refuse, before what it refuses already."""
        before = self.aws.refuse
        self.aws.refuse = lambda asked: refused(asked) or before(asked)

    @property
    def services(self) -> list[str]:
        """The components that were started."""
        return [path.name.partition(".")[0] for path in (self.state / "airflow").glob("*.pid.json")]

    def pids(self, service: str) -> int:
        return int(json.loads((self.state / "airflow" / f"{service}.pid.json").read_text())["pid"])

    def started(self) -> list[bytes]:
        """Tells one start of Airflow from another."""
        return [path.read_bytes() for path in sorted((self.state / "airflow").glob("*.pid.json"))]

    def signal(self, service: str, number: signal.Signals) -> None:
        """Kill a component, or stop it with all that it has started, which goes on when the fault is taken back."""
        process = psutil.Process(self.pids(service))
        everything = [process, *(process.children(recursive=True) if number == signal.SIGSTOP else ())]
        for each in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(number)
        if number == signal.SIGSTOP:
            self.after.append(lambda: [each.send_signal(signal.SIGCONT) for each in everything if each.is_running()])
        else:
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(10)

    # back to what was

    def remember(self) -> None:
        """What a fault is taken back to."""
        self.before = {}
        self.before = {path: path.read_bytes() for path in self._files()}
        secrets = self.client("secretsmanager")
        for name in NAMES.values():
            value = secrets.get_secret_value(SecretId=name)["SecretString"]
            self.entries[name] = value, secrets.describe_secret(SecretId=name)["Tags"]

    def _files(self) -> list[Path]:
        folders = [self.project, self.home / ".aws", *([self.staged] if self.staged != self.home / ".aws" else [])]
        found = [path for folder in folders for path in folder.rglob("*")]
        return [path for path in found if path.is_file() and "__pycache__" not in path.parts]

    def correct(self, path: Path) -> None:
        """A person corrects a file that they were shown."""
        path.write_bytes(self.before[path])

    @property
    def answers(self) -> str:
        """What a person answers `aws configure`."""
        lines = [line.partition("=")[2].strip() for line in self.before[self.credentials].decode().splitlines()]
        return "\n".join([*[line for line in lines if line][:2], "eu-west-1", "json", ""])

    def restore(self) -> None:
        """Take every fault back; Airflow is started again only where it is not as it was."""
        self.aws.refuse = lambda asked: None
        self.variables = dict(self.base)
        self.finish = lambda: None
        while self.after:
            self.after.pop()()
        (self.state / "identity.json").unlink(missing_ok=True)  # whom AWS knew before the next fault
        for path in set(self._files()) - self.before.keys():
            path.unlink()
        for path, data in self.before.items():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            if path.is_symlink():
                path.unlink()
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_bytes() != data:
                path.write_bytes(data)
        secrets = self.client("secretsmanager")
        for name, (value, tags) in self.entries.items():
            self._entry(secrets, name, value, tags)

    def _entry(self, secrets: Any, name: str, value: str, tags: list[Any]) -> None:
        try:
            found = secrets.describe_secret(SecretId=name)
            if found.get("DeletedDate"):
                secrets.restore_secret(SecretId=name)
            if secrets.get_secret_value(SecretId=name).get("SecretString") == value:
                return
            secrets.put_secret_value(SecretId=name, SecretString=value)
        except secrets.exceptions.ResourceNotFoundException:
            secrets.create_secret(Name=name, SecretString=value, Tags=tags)

    def settle(self) -> None:
        """Airflow runs as the files say; nothing happens where it does."""
        done = self.run(["aws-airflow", "start", "--override"])
        assert done.code == 0, done.out + done.err


@contextlib.contextmanager
def bed(root: Path, major: int, cache: Path, *, keep: bool = False) -> Iterator[Bed]:
    """A sandbox with a real Airflow whose AWS has a front; ``keep`` leaves it for the next time."""
    made = Bed(root, major, cache)
    for folder in (root / "here", root / "bin", root / "nobody"):
        folder.mkdir(parents=True, exist_ok=True)
    real = Path(sys.executable).parent / "aws"
    for name, text in {"sudo": STAND_IN, "aws": AWS}.items():
        (root / "bin" / name).write_text(text.format(typed=root / "typed", real=real))
        (root / "bin" / name).chmod(0o755)
    made.variables = {"HOME": str(root / "nobody")}
    if not (root / "front").exists():
        first = made.run(["aws-airflow", "sandbox", "--airflow", str(major), "--json"], cwd=root / "here")
        assert first.code == 0, first.out + first.err
    try:
        with _front(made.moto, root / "front") as made.aws:
            made.base = _shell(made.aws.url)
            made.variables = dict(made.base)
            made.settle()
            assert made.verify()[0] == 0, made.said
            made.remember()
            yield made
            made.restore()
    finally:
        made.variables = {"HOME": str(root / "nobody")}
        if not keep:
            made.run(["aws-airflow", "sandbox.clean"], cwd=root / "here")


def _shell(url: str) -> dict[str, str]:
    """The shell of somebody who works in the sandbox as in any project of their own."""
    return {
        "AWS_EC2_METADATA_DISABLED": "true",
        "INVOKE_AWS_AIRFLOW_RUNTIME": "embedded",
        "INVOKE_AWS_AIRFLOW_ENDPOINT_URL": url,
        "INVOKE_AWS_AIRFLOW_KEEP_FRESH": "off",
        "INVOKE_AWS_AIRFLOW_WAIT": str(WAIT),
        "EDITOR": "true",
    }


@contextlib.contextmanager
def _front(url: str, file: Path) -> Iterator[Front]:
    """The front at the port of the last time, which Airflow has been told."""
    port = int(file.read_text()) if file.exists() else 0
    with front(url, port) as made:
        file.write_text(made.url.rpartition(":")[2])
        yield made
