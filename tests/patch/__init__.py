"""What the tests of the patchers share."""

from __future__ import annotations

from aws_airflow_tasks.core import Edit


def reversed_edits(edits: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """The edits that take ``splice(data, edits)`` back to ``data``."""
    shift, back = 0, []
    for edit in edits:
        back.append(Edit(edit.start + shift, edit.new, edit.old))
        shift += len(edit.new) - len(edit.old)
    return tuple(back)
