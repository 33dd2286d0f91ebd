"""Airflow from PyPI on this machine, without containers: its own components, each a process of ours on 127.0.0.1."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.runtimes import airflow_config, dockerfile, venv
from aws_airflow_tasks.runtimes.airflow_config import Place
from aws_airflow_tasks.runtimes.protocol import Ailing, Service
from aws_airflow_tasks.runtimes.said import death
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.redaction import redact_output
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import airflow_api, cli, files, processes
from aws_airflow_tasks.world.airflow_api import Login

log = logging.getLogger("aws_airflow_tasks")

#: by major version: service -> how it is run; no log servers, as those listen on every address
COMMANDS: dict[int, dict[str, tuple[str, ...]]] = {
    3: {
        # what `airflow api-server` runs, without its look at the database before: that is still being made
        "api-server": (
            *("python", "-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"),
            *("--no-access-log", "airflow.api_fastapi.main:app"),
        ),
        "scheduler": ("airflow", "scheduler", "--skip-serve-logs"),
        "dag-processor": ("airflow", "dag-processor"),
        "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
    },
    2: {
        # what `airflow webserver` runs, without the monitor that waits for it
        "webserver": (
            *("python", "-m", "gunicorn", "--preload", "--workers", "1", "--timeout", "120"),
            *("--bind", "127.0.0.1:{port}", "--config", "python:airflow.www.gunicorn_config"),
            "airflow.www.app:cached_app()",
        ),
        "scheduler": ("airflow", "scheduler", "--skip-serve-logs"),
        "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
    },
}
#: started beside the making of the database: it takes longest and asks the database nothing until it is asked itself
EARLY = ("api-server",)
#: the name of a process that a killed run of ours, another installation, or one from before a rename has left
LEFT = "left by an earlier run"
#: seconds that Airflow's processes get to end by themselves
GRACE = 15
#: seconds for making the database, on a slow machine
PATIENCE = 600


class Embedded:
    """One project's Airflow in a virtual environment from the user's cache.

    Args:
        project: the Astro project; nothing is written there.
        state: the directory for Airflow's data.
        cache: this tool's directory in the user's cache.
        major: Airflow's major version, 2 or 3; None: what the project's Dockerfile says, else 3.
    """

    name = "embedded"
    mounts = False
    names = tuple(dict.fromkeys(name for commands in COMMANDS.values() for name in commands))
    installs: Literal["image", "host", ""] = ""
    reads: Literal["compose", "standalone"] = "standalone"  # which this one stands in for
    leaves = "airflow"
    kept = ""

    def __init__(self, project: Path, state: Path, cache: Path, major: int | None = None) -> None:
        self.project = project
        self.state = state
        self.cache = cache
        self._asked = major

    @classmethod
    def of(cls, project: Path, state: Path, *, mount_path: str, cache: Path) -> Embedded:
        """The embedded Airflow of a project."""
        return cls(project, state / cls.leaves, cache)

    @cached_property
    def _major(self) -> int:
        return self._asked or dockerfile.declared_major(self.project) or 3

    @property
    def place(self) -> Place:
        """Where everything of this Airflow lies."""
        return Place(self.project, self.state, venv.folder(self._major, self.cache, self._further), self._major)

    @property
    def _further(self) -> venv.Further:
        return venv.further(self.project, self.project / "requirements.txt")

    def major(self) -> int:
        """Airflow's major version."""
        return self._major

    def version(self) -> tuple[int, ...]:
        """That of the lock file."""
        return tuple(int(number) for number in venv.version(self._major).split(".")[:2])

    def services(self) -> tuple[str, ...]:
        """Airflow's components, each a process."""
        return tuple(COMMANDS[self._major])

    def credentials(self, host: Path) -> str:
        """The same path: these processes see this host's files."""
        return str(host)

    def running(self) -> tuple[Service, ...]:
        """The components that live, with the health that Airflow's own endpoint reports."""
        alive = {name: process for name in self.services() if (process := processes.running(self._record(name)))}
        place = self.place
        found = {name: each for name, each in alive.items() if _is_of(place, processes.environ(each))}
        if not found:
            return tuple(Service(LEFT, healthy=False, identity=str(one.pid)) for one in processes.marked(*self._mark()))
        health = airflow_api.health(self._url(), self._major)
        return tuple(
            Service(
                name,
                airflow_api.is_healthy(health, name, since=process.started or process.created),
                airflow_config.as_asked(processes.environ(process)),
                f"{process.pid}:{process.created}",
            )
            for name, process in found.items()
        )

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int) -> None:
        """Install Airflow if need be, start its components and wait until all are healthy.

        Raises:
            TaskError: it did not come up; nothing of it runs then.
        """
        venv.ensure(self._major, self.cache, self._further)
        self.stop()
        try:
            self._start(environment)
            self.await_healthy(environment, wait=wait)
        except BaseException:
            self.stop()
            raise

    def await_healthy(self, environment: Mapping[str, str], *, wait: int) -> None:
        """Until every component is healthy; one that ends by itself ends the waiting.

        Raises:
            TaskError: not in time, or one ended.
        """
        deadline, serves, waiting = time.monotonic() + wait, self._major == 2, ""
        while True:
            found = {service.name: service.healthy for service in self.running()}
            ended = [name for name in self.services() if name not in found]
            if ended:
                raise self._failure(ended[0], "ended by itself", environment)
            if not serves and found["api-server"]:
                serves = airflow_api.serves_tasks(self._url())  # takes seconds; the others start meanwhile
                continue
            if all(found.values()):
                return
            if (sick := ", ".join(name for name, healthy in found.items() if not healthy)) != waiting:
                log.info("waiting for %s", sick)
                waiting = sick
            if not processes.wait_until(deadline):
                sick = next(name for name, healthy in found.items() if not healthy)
                raise self._failure(sick, f"was not healthy within {wait} seconds", environment)

    def ailing(self) -> tuple[Ailing, ...]:
        """Components that a signal has stopped: they live and answer nothing. What of it has ended is not there."""
        alive = {name: processes.running(self._record(name)) for name in self.services()}
        return tuple(
            Ailing(name, "a signal has stopped it (SIGSTOP)")
            for name, process in alive.items()
            if process and processes.halted(process)
        )

    def stop(self) -> None:
        """Stop every process of this Airflow, those that a killed run has left included."""
        processes.stop_all(self.state.glob("*.pid.json"), mark=self._mark(), seconds=GRACE)

    def made(self) -> dict[str, str]:
        """Nothing: processes are gone when they have ended."""
        return {}

    def discard(self) -> None:
        """The same as stopping it."""
        self.stop()

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> cli.Completed:
        """Run ``argv`` with the environment of the running ``service``; `python` and `airflow` are Airflow's own.

        Raises:
            TaskError: the service does not run, or the command takes longer than ``timeout`` seconds.
        """
        process = processes.running(self._record(service))
        variables = processes.environ(process) if process else {}
        if not variables:
            raise TaskError(f"{service} does not run", hint=command("start"))
        return cli.run(self._argv(argv), env=variables, cwd=self.project, input=stdin, timeout=timeout)

    def login(self) -> Login:
        """The API of the web service, and the password of its only user."""
        password = airflow_config.keys(self.state).password
        logs = sh("less {}", self.log("webserver" if self._major == 2 else "api-server"))
        return Login(self._url(), "admin", password, self._major, str(self.place.password_file), logs)

    def database(self) -> Path:
        """That of SQLite."""
        return self.place.database

    def logs(self, services: Sequence[str], *, follow: bool) -> list[str]:
        """`tail` of the files that the components write.

        Raises:
            TaskError: there is none of them.
        """
        files = [str(file) for name in services or self.services() if (file := self.log(name)).exists()]
        if not files:
            raise TaskError("Airflow has not been started here, so there is no log of it", hint=command("start"))
        return ["tail", "-n", "+1", *(["-F"] if follow else []), *files]

    def log(self, service: str) -> Path:
        """The file that a component's output goes to."""
        return self.state / f"{service}.log"

    def _mark(self) -> tuple[str, str]:
        return airflow_config.MARK, str(self.state)

    def _record(self, service: str) -> Path:
        return self.state / f"{service}.pid.json"

    def _argv(self, argv: Sequence[str]) -> list[str]:
        """``argv`` with `python` and `airflow` of the virtual environment; anything else as PATH has it."""
        venv.check(self.place.venv)
        scripts = self.place.venv / "bin"
        known = {"python": [str(scripts / "python")], "airflow": [str(scripts / "python"), str(scripts / "airflow")]}
        return [*known.get(argv[0], [argv[0]]), *argv[1:]]

    def _port(self) -> int:
        text = (files.read(self.state / "port") or b"").decode(errors="replace")
        return int(text) if text.isdecimal() else 0

    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port()}"

    def _start(self, environment: Mapping[str, str]) -> None:
        variables = self._configure(environment)
        fresh = self._is_current()
        if not fresh:
            self._discard_half_made()
        early = () if fresh else tuple(name for name in self.services() if name in EARLY)
        log.info("starting Airflow %s", venv.version(self._major))
        for name in early:
            self._launch(name, variables)
        if not fresh:
            self._make_database(variables, environment)
        for name in self.services():
            if name not in early:
                self._launch(name, variables)

    def _configure(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Write the configuration and return the environment of all processes."""
        try:
            for folder in (self.state, self.place.home):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TaskError(
                f"cannot write {error.filename}: {error.strerror}", hint=sh("ls -ld {}", self.state.parent)
            ) from None
        keys, port = airflow_config.keys(self.state), processes.free_port(self._port())
        _write(self.state / "port", str(port))
        _write(self.place.home / "airflow.cfg", airflow_config.airflow_cfg(self.place, keys))
        _write(self.place.password_file, airflow_config.password_file(keys))
        return airflow_config.environment(self.place, port, environment, os.environ)

    @property
    def _marker(self) -> Path:
        """Says for which installation the database was made; it is not there while that goes on."""
        return self.place.home / "database"

    def _is_current(self) -> bool:
        return files.read(self._marker) == self.place.venv.name.encode() and _has_tables(self.place.database)

    def _discard_half_made(self) -> None:
        if files.read(self._marker) is None:
            for left in self.place.home.glob(f"{self.place.database.name}*"):
                left.unlink()

    def _make_database(self, variables: Mapping[str, str], environment: Mapping[str, str]) -> None:
        """Make the database, or bring one of another version up to date."""
        self._marker.unlink(missing_ok=True)
        log.info("making the database of Airflow")
        script = airflow_config.database_script(self._major, airflow_config.keys(self.state))
        done = cli.run(self._argv(["python", "-"]), env=variables, cwd=self.project, input=script, timeout=PATIENCE)
        output = self.log("database")
        _write(output, self._redacted(done.stdout + done.stderr, environment))
        if done.code:
            raise self._failure("database", "could not be made", environment)
        _write(self._marker, self.place.venv.name)

    def _launch(self, name: str, variables: Mapping[str, str]) -> None:
        self.log(name).unlink(missing_ok=True)
        argv = [word.format(port=self._port()) for word in COMMANDS[self._major][name]]
        processes.start(
            self._argv(argv), env=variables, cwd=self.project, log=self.log(name), record=self._record(name)
        )

    def _failure(self, service: str, what: str, environment: Mapping[str, str]) -> TaskError:
        log = self._redacted(processes.tail(self.log(service), 40), environment)
        if known := death(log):
            return TaskError(f"Airflow's {service} {what}: {known.cause}", hint=known.hint)
        return TaskError(f"Airflow's {service} {what}: {telling(log)}", hint=sh("less {}", self.log(service)))

    def _redacted(self, text: str, environment: Mapping[str, str]) -> str:
        keys = airflow_config.keys(self.state)
        return redact_output(text, environment, keys.password, keys.fernet, keys.signing)


def _write(path: Path, text: str) -> None:
    before, after = files.read(path), text.encode()
    if before != after:
        files.replace(path, before, after, mode=0o600)


def _is_of(place: Place, variables: Mapping[str, str]) -> bool:
    """Whether a process is of this installation and of this directory: a project may be renamed while it runs."""
    venv, dags = (variables.get(name) for name in ("VIRTUAL_ENV", airflow_config.DAGS))
    here = os.path.realpath(place.dags)
    return venv in (None, str(place.venv)) and (dags is None or os.path.realpath(dags) == here)


def _has_tables(database: Path) -> bool:
    """Whether Airflow's tables were ever made in a file: one that is emptied, or made anew by a process, has none.

    One that cannot be asked has, as who is started on it says more: it is corrupt, or locked.
    """
    import sqlite3

    if not database.is_file():
        return False
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(database, timeout=1)) as connection:
        return bool(connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall())
    return True
