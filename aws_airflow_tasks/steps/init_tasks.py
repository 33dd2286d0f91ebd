"""``tasks.py`` and the ``invoke.yaml`` that it needs, for people who like ``invoke``."""

from __future__ import annotations

from aws_airflow_tasks.core import Change, Edit, Plan, TaskError
from aws_airflow_tasks.patch import Patch
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import files, init

CONFIGURATION = b"tasks:\n  executor_class: aws_airflow_tasks.executor.Executor\n"
WANTED = {
    "tasks.py": b'"""The menu: type `invoke --list`."""\n\nfrom aws_airflow_tasks import ns\n\n__all__ = ["ns"]\n',
    "invoke.yaml": CONFIGURATION,
}
ADD = """\
# in tasks.py, where your own collection is made:
from invoke import Collection
import aws_airflow_tasks
ns = Collection(...)  # your tasks
ns.add_collection(aws_airflow_tasks.ns, name="aws-airflow")
# in invoke.yaml:
"""


def plan(site: Site) -> Plan:
    """Plan the two files.

    Raises:
        TaskError: another one is there already; it is left alone.
    """
    found = {name: site.read(name) for name in WANTED}
    if found == WANTED:
        return Plan(target="tasks.py, invoke.yaml", reason="as this writes them")
    there = ", ".join(name for name, data in found.items() if data is not None)
    if any(data not in (None, WANTED[name]) for name, data in found.items()):
        raise TaskError(f"{there} exists already and is left alone", hint=ADD + CONFIGURATION.decode())
    changes: tuple[Change, ...] = ()
    for name, data in WANTED.items():
        if found[name] is None:
            patch = Patch("edits", None, data, (Edit(0, b"", data),))
            changes += files.plan("init-tasks", site.project, name, patch).changes
    return Plan((changes[0]._replace(ask=init.absent(site.project)), *changes[1:]))
