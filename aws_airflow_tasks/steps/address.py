"""Where Airflow is, and how a person logs in there: said after a start, and shown in a browser by ``open``."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping
from typing import Any

from aws_airflow_tasks.core import Plan, TaskError
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
    except TaskError:  # it publishes no port, say: whoever asks for it by `open` is told why
        login = None
    if not login:
        return {}, ""
    found = {"url": login.url, "user": login.user, "password_file": login.password_file}
    return {"airflow": found}, f"Airflow {login.major}: {login.url}   {_how(login)}"


def plan(site: Site) -> Plan:
    """Show Airflow's own pages in the browser, where somebody sits at this terminal; else only say where they are.

    Raises:
        TaskError: Airflow does not run.
    """
    if not site.running:
        raise TaskError("Airflow does not run", hint=command("start"))
    login = site.runtime.login()
    shown = cli.terminal() and not site.settings.json and webbrowser.open(login.url)
    return Plan(target=login.url, reason=f"{'shown in your browser' if shown else 'open it yourself'}; {_how(login)}")


def _how(login: Login) -> str:
    where = f"in {login.password_file}" if login.password_file else "admin, as Astro has it"
    return f"user {login.user}, password {where}"
