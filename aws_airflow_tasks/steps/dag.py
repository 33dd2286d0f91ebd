"""The example DAG is there: one text for Airflow 2.4 and later, and 3."""

from __future__ import annotations

from pathlib import Path

from aws_airflow_tasks.core import Edit, Pending, Plan, Target, TaskError
from aws_airflow_tasks.patch import Patch
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import files, init
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
    data, want = site.read(DAG), _text(site).encode()
    if data is None:
        patch = Patch("edits", None, want, (Edit(0, b"", want),), reason="the example DAG")
    elif data == want:
        patch = Patch("satisfied", data, data, reason="the example DAG")
    elif site.settings.override or receipts.is_as_written(site.receipts, DAG, data):
        patch = Patch("edits", data, want, (Edit(0, data, want),), reason="the example DAG, brought up to date")
    elif f'dag_id="{DAG_ID}"'.encode() in data:
        patch = Patch("satisfied", data, data, reason="edited by you, kept as it is")
    else:
        raise TaskError(f"{DAG} exists and is not ours", hint=f"mv {DAG} dags/mine.py   # or: invoke dag --override")
    return files.plan("dag", site.project, DAG, patch, mode=files.SHARED)


def undo(site: Site) -> list[Target]:
    """The example DAG is gone, or what it took the place of is back."""
    return files.undo(site, DAG)


def _text(site: Site) -> str:
    """The DAG's source with the names of the check variable and connection filled in."""
    template = Path(__file__).with_name("example_secrets_dag.py.txt").read_text(encoding="utf-8")
    named = template.replace("{{variable}}", site.settings.check_variable)
    return named.replace("{{connection}}", site.settings.check_connection)
