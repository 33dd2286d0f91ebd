"""The facts of one plan, each asked when it is first wanted and never twice."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from aws_airflow_tasks import backends, runtimes
from aws_airflow_tasks.backends import Backend
from aws_airflow_tasks.core import Action, Change, Pending, TaskError, sh
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.runtimes import Runtime, Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import aws, delivery, files, identity, receipts, staging, state
from aws_airflow_tasks.world.aws import Account
from aws_airflow_tasks.world.delivery import Way
from aws_airflow_tasks.world.identity import Known
from aws_airflow_tasks.world.profiles import Credentials
from aws_airflow_tasks.world.receipts import Receipt
from aws_airflow_tasks.world.staging import Staged

#: what a person calls all of Airflow's services: the target of what starts and stops them
AIRFLOW = "Airflow"
#: the action of a login, which only a person can make: who we are, and with what, is known after it
LOGIN: Action = "login"


@dataclass(frozen=True, eq=False, repr=False)
class Site:
    """A project as it is now. It is made anew for each planning, so what it says cannot go stale.

    Attributes:
        settings: of the command line.
        planned: in check mode, by target, what the steps before would change: the project is as if they had.

    Every fact raises TaskError where it cannot be told, and Pending where it is told only after what is planned.
    """

    settings: Settings
    planned: Mapping[str, Change] = field(default_factory=dict)

    @property
    def project(self) -> Path:
        """The project's directory."""
        return self.settings.project

    @cached_property
    def state(self) -> Path:
        """The project's state directory; it may not exist yet."""
        return state.locate(self.project)

    @cached_property
    def receipts(self) -> tuple[Receipt, ...]:
        """What was applied here, the oldest first."""
        return tuple(receipts.load(self.state))

    @cached_property
    def runtime(self) -> Runtime:
        """The way Airflow runs here."""
        return runtimes.choose(self.settings, self.state)

    @cached_property
    def running(self) -> tuple[Service, ...]:
        """Airflow's services that run; those that would are known by name only."""
        if change := self.planned.get(AIRFLOW):
            return tuple(Service(name, healthy=True) for name in self.runtime.services()) if change.after else ()
        return self.runtime.running()

    @cached_property
    def backend(self) -> Backend | None:
        """Where Airflow looks for variables and connections first; None: nowhere else than in itself."""
        return backends.choose(self.settings.backend)

    @cached_property
    def account(self) -> Account:
        """This host's access to AWS; no call is made by it."""
        if any(change.action == LOGIN for change in self.planned.values()):
            raise Pending("creds")
        self._same_endpoints()
        return aws.connect(self.settings, self._remembered.identity if self._remembered else None)

    def _same_endpoints(self) -> None:
        """Raise TaskError where ``.env`` has an endpoint that a shell named, and this shell does not name it.

        The keys may be good for that endpoint alone, and what Airflow is told must not depend on who asks.
        """
        kept = receipts.of_file(self.receipts, ".env")
        shell = kept[-1].record.shell if kept else {}
        gone = {name: url for name, url in shell.items() if not os.environ.get(name)}
        if not gone or self.settings.endpoint_url or self.settings.override:
            return
        with contextlib.suppress(ValueError):  # whoever keeps lines in it says what is wrong with it
            there = dotenv.read(self.read(".env") or b"", self.runtime.reads, os.environ)
            left = {name: url for name, url in gone.items() if there.get(name) == url}
            if left:
                values = "".join(sh(f" {name}={{}}", url) for name, url in left.items())
                raise TaskError(
                    f".env has{values} from a shell, and this shell has it not: Airflow would ask another AWS",
                    hint=f"export{values}   # or have Airflow ask as this shell does: {command('setup', '--override')}",
                )

    @cached_property
    def identity(self) -> Known:
        """Who we are: as STS says now, or has said lately."""
        self._same_endpoints()
        return identity.known(self.settings, self._remembered, lambda: self.account)

    @cached_property
    def _remembered(self) -> Known | None:
        """What STS has said last, if that is still about us."""
        return identity.remembered(self.settings, self.state)

    @cached_property
    def credentials(self) -> Credentials:
        """What the configuration says of the profile in use; no botocore is loaded while STS's answer is remembered."""
        self._same_endpoints()
        return self._remembered.credentials if self._remembered else self.account.credentials

    @cached_property
    def way(self) -> Way:
        """The way that the credentials take to Airflow."""
        return delivery.way(self.settings, self.credentials, mounts=self.runtime.mounts)

    @cached_property
    def delivered(self) -> Credentials:
        """:attr:`credentials` with the files that Airflow is to have: the person's own, or the staged copy's."""
        if self.way.name == "live":
            return self.credentials
        folder = staging.folder(self.state)
        return self.credentials._replace(
            config_file=folder / "config", credentials_file=folder / "credentials", staged=True
        )

    @cached_property
    def staged(self) -> Staged | None:
        """What is staged now; None: nothing, or not all of it."""
        return staging.staged(self.state)

    def read(self, name: str) -> bytes | None:
        """A file of the project; None when there is none."""
        if (change := self.planned.get(name)) and change.file:
            return None if change.after is None else change.after.encode("utf-8", errors="surrogateescape")
        return files.read(self.project / name)
