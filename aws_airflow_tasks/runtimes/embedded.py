"""Airflow from PyPI on this machine, without containers: its own components, each a process of ours on 127.0.0.1."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes import Login, Outcome, Service, airflow_config, venv
from aws_airflow_tasks.runtimes.airflow_config import Place
from aws_airflow_tasks.world import airflow_api, cli, files, processes

log = logging.getLogger("aws_airflow_tasks")

#: by major version: service -> the arguments of `airflow` that run it; no log servers, as those listen everywhere
COMMANDS: dict[int, dict[str, tuple[str, ...]]] = {
    3: {
        "api-server": ("airflow", "api-server"),
        "scheduler": ("airflow", "scheduler", "--skip-serve-logs"),
        "dag-processor": ("airflow", "dag-processor"),
        "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
    },
    2: {
        "webserver": (
            *("python", "-m", "gunicorn", "--preload", "--workers", "1", "--timeout", "120"),
            *("--config", "python:airflow.www.gunicorn_config", "airflow.www.app:cached_app()"),
        ),
        "scheduler": ("airflow", "scheduler", "--skip-serve-logs"),
        "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
    },
}
#: seconds that Airflow's processes get to end by themselves
GRACE = 15


class Embedded:
    """One project's Airflow in a virtual environment from the user's cache.

    Args:
        project: the Astro project; nothing is written there.
        state: the directory for Airflow's data.
        cache: this tool's directory in the user's cache.
        major: Airflow's major version, 2 or 3.
    """

    name = "embedded"
    mounts = False

    def __init__(self, project: Path, state: Path, cache: Path, major: int = 3) -> None:
        self.project = project
        self.state = state
        self.cache = cache
        self._major = major

    @property
    def place(self) -> Place:
        """Where everything of this Airflow lies."""
        return Place(self.project, self.state, venv.folder(self._major, self.cache), self._major)

    def major(self) -> int:
        """Airflow's major version."""
        return self._major

    def services(self) -> tuple[str, ...]:
        """Airflow's components, each a process."""
        return tuple(COMMANDS[self._major])

    def credentials(self, host: Path) -> str:
        """The same path: these processes see this host's files."""
        return str(host)

    def running(self) -> tuple[Service, ...]:
        """The components that live, with the health that Airflow's own endpoint reports."""
        found = {name: process for name in self.services() if (process := processes.running(self._record(name)))}
        health = airflow_api.health(self._url(), self._major) if found else {}
        return tuple(
            Service(
                name,
                airflow_api.is_healthy(health, name, since=process.created),
                processes.environ(process),
                f"{process.pid}:{process.created}",
            )
            for name, process in found.items()
        )

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int) -> None:
        """Install Airflow if need be, start its components and wait until all are healthy.

        Raises:
            TaskError: it did not come up; nothing of it runs then.
        """
        deadline = time.monotonic() + wait
        venv.ensure(self._major, self.cache)
        self.stop()
        try:
            variables = self._prepare(environment)
            self._migrate(variables)
            for name, arguments in COMMANDS[self._major].items():
                self._start(name, arguments, variables)
            self._wait(deadline, wait, environment)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop every process of this Airflow, whoever started it."""
        mark = (airflow_config.MARK, str(self.state))
        processes.stop_all(self.state.glob("*.pid.json"), mark=mark, seconds=GRACE)

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Outcome:
        """Run ``argv`` with the environment of the running ``service``; `python` and `airflow` are Airflow's own."""
        process = processes.running(self._record(service))
        if process is None:
            raise TaskError(f"{service} does not run", hint="invoke start")
        variables = processes.environ(process)
        done = cli.run(
            [*self._program(argv[0]), *argv[1:]], env=variables, cwd=self.project, input=stdin, timeout=timeout
        )
        return Outcome(done.code, done.stdout, done.stderr)

    def login(self) -> Login:
        """The API of the web service, and the password of its only user."""
        password = airflow_config.keys(self.state).password
        return Login(self._url(), "admin", password, self._major, str(self.place.password_file))

    def log(self, service: str) -> Path:
        """The file that a component's output goes to."""
        return self.state / f"{service}.log"

    def _record(self, service: str) -> Path:
        return self.state / f"{service}.pid.json"

    def _program(self, name: str) -> list[str]:
        """`python` and `airflow` of the virtual environment; anything else as PATH has it."""
        scripts = self.place.venv / "bin"
        known = {"python": [str(scripts / "python")], "airflow": [str(scripts / "python"), str(scripts / "airflow")]}
        return known.get(name, [name])

    def _port(self) -> int:
        text = (files.read(self.state / "port") or b"").decode(errors="replace")
        return int(text) if text.isdecimal() else 0

    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port()}"

    def _prepare(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Write the configuration and return the environment of all processes."""
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.place.home.mkdir(mode=0o700, exist_ok=True)
        keys, port = airflow_config.keys(self.state), processes.free_port(self._port())
        self._write(self.state / "port", str(port))
        self._write(self.place.home / "airflow.cfg", airflow_config.airflow_cfg(self.place, keys))
        self._write(self.place.password_file, airflow_config.password_file(keys))
        return airflow_config.environment(self.place, port, environment, os.environ)

    def _write(self, path: Path, text: str) -> None:
        before, after = files.read(path), text.encode()
        if before != after:
            files.replace(path, before, after, mode=0o600)

    def _migrate(self, variables: Mapping[str, str]) -> None:
        """Bring the database to this version's schema, once; one that was left half made is made anew."""
        marker, wanted = self.place.home / "migrated", self.place.venv.name
        found = (files.read(marker) or b"").decode(errors="replace")
        if found == wanted:
            return
        if not found:
            for left in self.place.home.glob("airflow.db*"):
                left.unlink()
        log.info("making Airflow's database")
        marker.unlink(missing_ok=True)
        script = airflow_config.database_script(self._major, airflow_config.keys(self.state))
        done = cli.run([*self._program("python"), "-"], env=variables, cwd=self.project, input=script, timeout=600)
        if done.code:
            raise TaskError("airflow db migrate failed"+done.stderr[-3000:])
        self._write(marker, wanted)

    def _start(self, name: str, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        self.log(name).unlink(missing_ok=True)
        processes.start(
            [*self._program(arguments[0]), *arguments[1:]],
            env=variables,
            cwd=self.project,
            log=self.log(name),
            record=self._record(name),
        )

    def _wait(self, deadline: float, wait: int, environment: Mapping[str, str]) -> None:
        while True:
            running = self.running()
            alive = {service.name for service in running}
            for name in self.services():
                if name not in alive:
                    raise self._failure(name, "ended by itself", environment)
            sick = [service.name for service in running if not service.healthy]
            if not sick:
                return
            if not processes.wait_until(deadline, 0.1):
                raise self._failure(sick[0], f"was not healthy within {wait} seconds", environment)

    def _failure(self, service: str, what: str, environment: Mapping[str, str]) -> TaskError:
        return TaskError(
            f"{service} {what}: {processes.tail(self.log(service), 3)}", hint=f"less '{self.log(service)}'"
        )
