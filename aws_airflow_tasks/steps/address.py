"""Where Airflow is, and how a person logs in there: said after a start, and shown in a browser by ``open``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aws_airflow_tasks.core import Pending, Plan, TaskError
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import cli
from aws_airflow_tasks.world.airflow_api import Login


def told(site: Site) -> tuple[Mapping[str, Any], str]:
    """The JSON document's ``airflow`` and a line for a person; nothing of it where Airflow does not run.

    A generated password is in neither, but the file that holds it.
    """
    try:
        login = site.runtime.login() if site.running else None
    except (Pending, TaskError):  # no project yet, say, or no port is published: who asks for it by `open` is told why
        login = None
    if not login:
        return {}, ""
    return _document(login), f"Airflow {login.major}: {login.url}   {_how(login)}"


def opener() -> tuple[Callable[[Site], Plan], Mapping[str, Any]]:
    """What shows Airflow's own pages, and what of the JSON document it then knows: the login is asked for once.

    They are shown in the browser where somebody sits at this terminal; else it only says where they are. It raises
    TaskError where Airflow does not run.
    """
    found: dict[str, Any] = {}

    def plan(site: Site) -> Plan:
        import webbrowser  # a start, which only says the address, needs none of what comes with it

        if not site.running:
            raise TaskError("Airflow does not run", hint=command("start"))
        login = site.runtime.login()
        found.update(_document(login))
        shown = cli.terminal() and not site.settings.json and webbrowser.open(login.url)
        said = "shown in your browser" if shown else "open it yourself"
        return Plan(target=login.url, reason=f"{said}; {_how(login)}")

    return plan, found


def _document(login: Login) -> dict[str, Any]:
    return {"airflow": {"url": login.url, "user": login.user, "password_file": login.password_file}}


def _how(login: Login) -> str:
    where = f"in {_near(login.password_file)}" if login.password_file else "admin, as Astro has it"
    return f"user {login.user}, password {where}"


def _near(path: str) -> str:
    """A file's path as it can be pasted here: the shorter one where it lies below."""
    with contextlib.suppress(ValueError, OSError):
        return str(Path(path).relative_to(Path.cwd()))
    return path
