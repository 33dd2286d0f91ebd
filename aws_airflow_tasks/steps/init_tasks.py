"""``tasks.py`` and the ``invoke.yaml`` that it needs, for people who like ``invoke``."""

from __future__ import annotations

from aws_airflow_tasks.core import Change, Edit, Plan, TaskError
from aws_airflow_tasks.patch import Patch, splice
from aws_airflow_tasks.patch.yaml.parsing import load
from aws_airflow_tasks.patch.yaml.positions import Refused
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
    """Plan the two files; an ``invoke.yaml`` of the person's that says nothing of tasks gets its lines at its end.

    Raises:
        TaskError: another one is there already; it is left alone.
    """
    found = {name: site.read(name) for name in WANTED}
    edits = {name: _edit(name, data) for name, data in found.items()}
    if not any(edits.values()) and None not in edits.values():
        return Plan(target="tasks.py, invoke.yaml", reason="as this writes them")
    there = ", ".join(name for name, data in found.items() if data is not None)
    if None in edits.values():
        raise TaskError(f"{there} exists already and is left alone", hint=ADD + CONFIGURATION.decode())
    changes: tuple[Change, ...] = ()
    for name, data in found.items():
        for edit in edits[name] or ():
            patch = Patch("edits", data, splice(data or b"", (edit,)), (edit,))
            changes += files.plan("init-tasks", site.project, name, patch).changes
    return Plan((changes[0]._replace(ask=init.absent(site.project)), *changes[1:]))


def _edit(name: str, data: bytes | None) -> tuple[Edit, ...] | None:
    """What a file lacks: nothing, all of it, or its lines at the end; None: it cannot be told where they belong."""
    if data is None:
        return (Edit(0, b"", WANTED[name]),)
    if data == WANTED[name]:
        return ()
    return _addition(data) if name == "invoke.yaml" else None


def _addition(data: bytes) -> tuple[Edit, ...] | None:
    """The lines at the end of a configuration, if with them it says what it said, and ours."""
    added = (b"" if data.endswith(b"\n") or not data else b"\n") + CONFIGURATION
    try:
        said, ours = load(data.decode()) or {}, load(CONFIGURATION.decode())
        if not isinstance(said, dict) or not isinstance(ours, dict):
            return None
        if "tasks" in said:
            own = said["tasks"] if isinstance(said["tasks"], dict) else {}
            return () if own.get("executor_class") == ours["tasks"]["executor_class"] else None
        return (Edit(len(data), b"", added),) if load((data + added).decode()) == said | ours else None
    except (Refused, UnicodeDecodeError):
        return None
