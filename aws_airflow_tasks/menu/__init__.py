"""The menu: every task, in the tutorial's order, with the tasks it depends on. No logic in here.

What a task does is loaded when it runs: listing the tasks loads none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_airflow_tasks.menu import entries, project, sandbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def completion_script(shell: str) -> str:
    """What a shell sources to complete our command lines, and those of invoke; raises UsageError for others."""
    from aws_airflow_tasks import completion

    return completion.script(shell)


def candidates(words: Sequence[str], tasks: Mapping[str, Any], flags: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What may stand for the last of ``words`` on a command line with these tasks, and by task these flags."""
    from aws_airflow_tasks import completion

    return completion.candidates(words, completion.Line(tasks, flags))


ns = project.ns
ns.add_collection(sandbox.ns)
ns.add_collection(entries.ns)
