"""Airflow on this host through the Astro CLI's standalone mode: ``airflow standalone`` in the project's own venv.

Where the CLI keeps what was read in astro-cli 1.45 (``airflow/standalone.go``, ``pkg/airflowrt``): the project's
``.venv``; in ``.astro/standalone`` Airflow's home, its pid and its log.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.runtimes import astro, dockerfile, image
from aws_airflow_tasks.runtimes.astro import ALL, SERVICES
from aws_airflow_tasks.runtimes.protocol import Ailing, Service
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.world import airflow_api, cli, files, processes
from aws_airflow_tasks.world.airflow_api import Login

log = logging.getLogger("aws_airflow_tasks")

HOME = Path(".astro", "standalone")
#: the variable that moves the web service from port 8080
PORT = {2: "AIRFLOW__WEBSERVER__WEB_SERVER_PORT", 3: "AIRFLOW__API__PORT"}
#: seconds between two looks at what comes up
PAUSE = 1.0


class Standalone:
    """The Astro CLI's standalone mode for one project."""

    name = "standalone"
    mounts = False
    names = ALL
    installs: Literal["image", "host", ""] = "host"
    reads: Literal["compose", "standalone"] = "standalone"
    leaves = ""
    kept = "Airflow's database and logs stay in .astro/standalone, its packages in .venv"

    def __init__(self, project: Path) -> None:
        self.project = project

    @classmethod
    def of(cls, project: Path, state: Path, *, mount_path: str, cache: Path) -> Standalone:
        """The standalone mode of a project."""
        return cls(project)

    def major(self) -> int:
        """Airflow's major version, by the Dockerfile: the CLI installs what its tag says.

        Raises:
            TaskError: its base image does not tell.
        """
        found = dockerfile.declared_major(self.project)
        if found is None:
            raise TaskError(
                "the Dockerfile's base image does not tell the version of Airflow that standalone mode installs",
                hint=note("begin the Dockerfile with one that does: FROM astrocrpublic.azurecr.io/runtime:3.1-12"),
            )
        return found

    def version(self) -> tuple[int, ...]:
        """Airflow's version, by the Dockerfile."""
        return image.read(dockerfile.read(dockerfile.text(self.project))).airflow or (self.major(),)

    def services(self) -> tuple[str, ...]:
        """Airflow's components, all started by one process."""
        return SERVICES[self.major()]

    def credentials(self, host: Path) -> str:
        """The same path: these processes see this host's files."""
        return str(host)

    def running(self) -> tuple[Service, ...]:
        """The components, while the process that the CLI started lives, with the health that Airflow reports."""
        process = self._process()
        if process is None:
            return ()
        major = self.major()
        variables = processes.environ(process)
        health = airflow_api.health(_url(variables, major), major)
        identity = f"{process.pid}:{process.created}"
        return tuple(
            Service(name, airflow_api.is_healthy(health, name, since=process.started), variables, identity)
            for name in self.services()
        )

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int) -> None:
        """`astro dev start`, or `restart`; the CLI makes the venv, reads ``.env`` and waits for the web service.

        Raises:
            TaskError: it did not come up; the hint has the log.
        """
        command = "restart" if restart else "start"
        words = [command, *self._mode(), "--wait", f"{wait}s", *([] if restart else ["--no-browser"])]
        log.info("astro dev %s", " ".join(words))
        before = self._pid()

        def look() -> None:
            pid = self._pid()  # the CLI waits for the web service until its time is over, whatever has become of it
            if pid not in (0, before) and not processes.lives(pid):
                raise self._ended(pid, environment)

        patience = wait + astro.BUILD
        done = cli.run(
            ["astro", "dev", *words], env=_passed(), cwd=self.project, timeout=patience, tick=look, every=PAUSE
        )
        if done.code and "did not become healthy" in done.stdout + done.stderr:
            raise self._failure("was not healthy in time", environment)
        if done.code:
            raise astro.explain(command, done, environment)
        self.await_healthy(environment, wait=wait)

    def await_healthy(self, environment: Mapping[str, str], *, wait: int) -> None:
        """Until every component is healthy: the CLI itself waits for the web service alone.

        Raises:
            TaskError: not in time, or Airflow ended.
        """
        deadline, waiting = time.monotonic() + wait, ""
        while True:
            running = self.running()
            if not running:
                raise self._ended(self._pid(), environment)
            sick = ", ".join(service.name for service in running if not service.healthy)
            if not sick:
                return
            if sick != waiting:
                log.info("waiting for %s", sick)
                waiting = sick
            if not processes.wait_until(deadline, PAUSE):
                raise self._failure(f"was not healthy within {wait} seconds ({sick})", environment)

    def ailing(self) -> tuple[Ailing, ...]:
        """Nothing tells: what of it has ended is not there."""
        return ()

    def stop(self) -> None:
        """`astro dev stop`, where it runs.

        Raises:
            TaskError: the CLI fails.
        """
        if self._process():
            done = cli.run(["astro", "dev", "stop", *self._mode()], cwd=self.project, timeout=120)
            if done.code:
                raise astro.explain("stop", done, {})

    def made(self) -> dict[str, str]:
        """Nothing: processes are gone when they have ended."""
        return {}

    def discard(self) -> None:
        """The same as stopping it."""
        self.stop()

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> cli.Completed:
        """Run ``argv`` with the environment of the running Airflow; its PATH begins with the project's venv.

        Raises:
            TaskError: Airflow does not run, or it takes longer than ``timeout`` seconds.
        """
        process = self._process()
        if process is None:
            raise TaskError("Airflow does not run", hint=command("start"))
        program = self.project / ".venv" / "bin" / argv[0]
        words = [str(program) if program.exists() else argv[0], *argv[1:]]
        variables = processes.environ(process)
        return cli.run(words, env=variables, cwd=self.project, input=stdin, timeout=timeout)

    def login(self) -> Login:
        """The API: in Airflow 3 everybody is an admin, Airflow 2 writes the admin's password into a file.

        Raises:
            TaskError: Airflow does not run.
        """
        process, major = self._process(), self.major()
        if process is None:
            raise TaskError("Airflow does not run", hint=command("start"))
        url = _url(processes.environ(process), major)
        logs = " ".join(["astro", "dev", "logs", *self._mode()])
        if major == 3:
            return Login(url, "admin", "admin", major, logs=logs)
        file = self.project / HOME / "standalone_admin_password.txt"
        password = (files.read(file) or b"admin").decode(errors="replace").strip()
        return Login(url, "admin", password, major, str(file), logs)

    def database(self) -> Path:
        """That of SQLite, as `airflow standalone` makes it."""
        return self.project / HOME / "airflow.db"

    def logs(self, services: Sequence[str], *, follow: bool) -> list[str]:
        """`astro dev logs`."""
        return astro.logs(self._mode(), services, follow=follow)

    def _mode(self) -> list[str]:
        """What tells the CLI its mode, where its configuration does not."""
        return [] if astro.is_standalone(self.project) else ["--standalone"]

    def _process(self) -> processes.Process | None:
        """The process of the CLI's pid file; None when it has ended, or its number is a stranger's now."""
        pid, home = self._pid(), (self.project / HOME).resolve()
        found = processes.of_another(pid) if pid else None
        ours = found and Path(processes.environ(found).get("AIRFLOW_HOME", "")).resolve() == home
        return found if ours else None

    def _pid(self) -> int:
        """What the CLI's pid file says; 0: nothing."""
        text = (files.read(self.project / HOME / "airflow.pid") or b"").strip()
        return int(text) if text.isdigit() and len(text) < 10 else 0

    def _ended(self, pid: int, environment: Mapping[str, str]) -> TaskError:
        """Why the process ``pid`` of the CLI has ended; what it leaves behind, such as its scheduler, is stopped."""
        failure = self._failure("ended by itself", environment)
        if pid and not processes.lives(pid):  # else the number is a stranger's, or the group is not ours to stop
            processes.stop_group(pid)
        return failure

    def _failure(self, what: str, environment: Mapping[str, str]) -> TaskError:
        file = self.project / HOME / "airflow.log"
        return astro.ended(f"Airflow {what}", processes.tail(file, 100), environment, sh("less {}", file))


def _passed() -> dict[str, str]:
    """Our environment without what is to come from ``.env`` alone: the CLI hands all of its own on to Airflow."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AIRFLOW__SECRETS__"))}


def _url(variables: Mapping[str, str], major: int) -> str:
    return f"http://127.0.0.1:{variables.get(PORT[major]) or '8080'}"
