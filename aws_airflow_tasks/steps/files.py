"""From what a patcher says of a file to a plan: shared by the steps that keep lines in people's files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.patch import Patch
from aws_airflow_tasks.world import files, receipts


def plan(
    task: str,
    project: Path,
    name: str,
    patch: Patch,
    *,
    mode: int | None = None,
    shown: Callable[[str], str] = lambda text: text,
    **receipt: Any,
) -> Plan:
    """The plan for one file of the project.

    Args:
        task: the task that keeps lines in it.
        project: the project directory.
        name: the file's path in it.
        patch: what the patcher says.
        mode: the mode of a file that is created.
        shown: redacts the file's text for the diff.
        receipt: what else ``undo`` needs to know.

    Raises:
        TaskError: a conflict or a refusal; the hint has the lines to change by hand.
    """
    if patch.outcome == "conflict":
        instead = f"invoke {task} --override   # replaces it, and `invoke undo` gives it back; or by hand:"
        raise TaskError(f"{name}: {patch.reason}", hint=f"{instead}\n{patch.by_hand}")
    if patch.outcome == "refusal":
        raise TaskError(f"{name}: {patch.reason}", hint=patch.by_hand)
    if patch.outcome == "satisfied":
        return Plan(target=name, reason=patch.reason, warnings=patch.warnings)
    folders = [os.path.relpath(folder, project) for folder in files.missing_parents(project / name)]
    change = Change(
        target=name,
        action="create" if patch.before is None else "patch",
        before=_text(patch.before),
        after=_text(patch.after),
        apply=lambda: files.replace(project / name, patch.before, patch.after, mode=mode),
        receipt=receipts.file_receipt(name, patch.before, patch.after, patch.edits, folders=folders, **receipt),
        shown=shown,
        reason=patch.reason,
        file=True,
    )
    return Plan((change,), warnings=patch.warnings)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", errors="surrogateescape")
