"""The example DAG is there: one text for Airflow 2.4 and later, and 3."""

from __future__ import annotations

import hmac
from pathlib import Path

from aws_airflow_tasks.core import Edit, Pending, Plan, Target, TaskError
from aws_airflow_tasks.patch import Patch
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import files, init
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import receipts

DAG = "dags/example_secrets_dag.py"
DAG_ID = "example_secrets_dag"
TASK_ID = "print_secrets"


def plan(site: Site) -> Plan:
    """The example DAG as shipped; one that the person has edited since is theirs and is kept.

    Raises:
        TaskError: another file has the name.
    """
    if not init.is_project(site.project):
        raise Pending("init")
    data, want = site.read(DAG), text(site).encode()
    if data is None:
        patch = Patch("edits", None, want, (Edit(0, b"", want),), reason="the example DAG")
    elif data == want:
        patch = Patch("satisfied", data, data, reason="the example DAG")
    elif site.settings.override or receipts.is_as_written(site.receipts, DAG, data):
        patch = Patch("edits", data, want, (Edit(0, data, want),), reason="the example DAG, brought up to date")
    elif f'dag_id="{DAG_ID}"'.encode() in data:
        patch = Patch("satisfied", data, data, reason="edited by you, kept as it is")
    else:
        raise TaskError(
            f"{DAG} exists and is not ours", hint=f"mv {DAG} dags/mine.py   # or: {command('dag', '--override')}"
        )
    return files.readable(site, DAG, files.plan("dag", site.project, DAG, patch, mode=files.SHARED))


def undo(site: Site) -> list[Target]:
    """The example DAG is gone, or what it took the place of is back."""
    return files.undo(site, DAG)


#: how the DAG shows what it reads, by the setting ``check_entries``: what is not ours by HMACs alone
_SHOWS = {
    "create": {
        "says": "the variable,\nthe connection's host (no password, no URI), and who AWS says that you are.",
        "needs": "",
        "prints": """\
def print_secrets() -> None:
    print(f"variable {VARIABLE} = {Variable.get(VARIABLE)}")
    host = BaseHook.get_connection(CONNECTION).host
    print(f"connection {CONNECTION} has host = {host}")
    print_identity()
""",
    },
    "read": {
        "says": "what tells\nvariable and host to those alone who know them, and who AWS says that you are.",
        "needs": "import hmac\n\n",
        "prints": """\
def print_secrets(dag_run) -> None:
    key = (dag_run.conf or {}).get("key", "")  # of this run alone
    value = Variable.get(VARIABLE)
    print(f"variable {VARIABLE} has HMAC = {mark(key, value)}")
    host = BaseHook.get_connection(CONNECTION).host
    print(f"connection {CONNECTION} has a host of HMAC = {mark(key, host)}")
    print_identity()


def mark(key: str, value: str | None) -> str:
    \"""What tells a value to who knows it, and the key.\"""
    if not key:
        return "none, without a key"
    known = hmac.new(key.encode(), (value or "").encode(), "sha256")
    return known.hexdigest()
""",
    },
}


def marked(key: str, value: str) -> str:
    """What the DAG prints of a value under ``check_entries: read``."""
    return hmac.new(key.encode(), value.encode(), "sha256").hexdigest()


def text(site: Site) -> str:
    """The DAG's source with the names of the check variable and connection filled in."""
    made, settings = Path(__file__).with_name("example_secrets_dag.py.txt").read_text(encoding="utf-8"), site.settings
    names = {"variable": settings.check_variable, "connection": settings.check_connection}
    for name, value in {**_SHOWS[settings.check_entries], **names}.items():
        made = made.replace("{{" + name + "}}", value)
    return made
