"""What Airflow's services write, line by line as it comes, and nothing of it that is secret."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Sequence

from aws_airflow_tasks.core import Pending, Plan, TaskError
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.text.calling import again, command
from aws_airflow_tasks.text.mistyped import misnamed
from aws_airflow_tasks.text.redaction import redact_output
from aws_airflow_tasks.world import cli


class Logs:
    """A step that shows what services write.

    Args:
        services: by name; none: all of them.
        follow: whether to go on until interrupted.
        tell: prints a line; False: nobody reads on.

    Attributes:
        interrupted: whether somebody has ended it, which is the only end of one that follows.
    """

    def __init__(self, services: Sequence[str], tell: Callable[[str], bool], *, follow: bool) -> None:
        self.services = services
        self.follow = follow
        self.tell = tell
        self.interrupted = False

    def plan(self, site: Site) -> Plan:
        """Show them; there is never anything to change.

        Raises:
            TaskError: there is no log, or the command that shows it fails.
        """
        known = _services(site)
        argv, hide, last = site.runtime.logs(self.services, follow=self.follow), _redacting(site), ""

        def tell(line: str) -> bool:
            nonlocal last
            last = hide(line)
            return self.tell(last)

        try:
            code = cli.follow(argv, tell, cwd=site.project)
        except KeyboardInterrupt:
            self.interrupted, code = True, 0
        if code:
            raise TaskError(f"`{shlex.join(argv[:3])}` failed: {last}", hint=command("start"))
        return Plan(target=", ".join(self.services or known), reason=f"`{shlex.join(argv)}`")


def refuse_unknown(site: Site, services: Sequence[str]) -> None:
    """Raise UsageError for a service that Airflow does not have here; TaskError where there is no Airflow at all."""
    known = _services(site) if services else ()
    for name in services:
        if name not in known:
            raise misnamed(f"there is no service {name} here", name, name, known, again(""), command("logs"))


def _services(site: Site) -> tuple[str, ...]:
    try:
        return site.runtime.services()
    except Pending as pending:
        message = "this is no Astro project yet, so no Airflow has written anything"
        raise TaskError(message, hint=command(pending.after)) from None


def _redacting(site: Site) -> Callable[[str], str]:
    """Hides what ``.env`` says, the password that was made for Airflow, and what looks like a secret."""
    try:
        environment = dotenv.read(site.read(".env") or b"", site.runtime.reads, os.environ)
    except ValueError:  # who keeps lines in it says what is wrong with it
        environment = {}
    password = ""
    with contextlib.suppress(TaskError):  # it does not run
        login = site.runtime.login()
        password = login.password if login.password_file else ""  # else it is one that everybody knows
    return lambda line: redact_output(line, environment, password)
