"""Find our lines in a ``.env`` file that was edited since: by key, and by the hash of the value that we gave it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aws_airflow_tasks.core import Edit, Trace
from aws_airflow_tasks.patch import splice
from aws_airflow_tasks.patch.dotenv.lines import byte_offset, decoded, leaning, prove_kept, unreadable, whole_lines
from aws_airflow_tasks.patch.dotenv.readers import Statement, statements, views
from aws_airflow_tasks.text import digest


class _Ours(NamedTuple):
    """An assignment of ours that is still there, and the splice that made it, ``ahead`` characters before its value."""

    statement: Statement
    trace: Trace
    ahead: int

    @property
    def added(self) -> bool:
        """Whether the whole line is ours, not just the value."""
        return self.ahead > len(self.statement.key)


def edits_back(
    data: bytes, traces: Sequence[Trace], keys: Mapping[str, Mapping[str, Any] | None]
) -> tuple[tuple[Edit, ...], tuple[str, ...]]:
    """The edits that take our lines out or put the value before back, and what stays, in words.

    Args:
        data: the file's bytes.
        traces: the splices that were made.
        keys: by key the byte ``offset`` and the ``sha256`` of the value that they gave it; None: they took it out.

    Raises:
        ValueError: the file cannot be read, or the result cannot be proven.
    """
    if cause := unreadable(data):
        raise ValueError(cause)
    text = decoded(data)
    assigned = list(statements(text))
    ours, warnings = [], []
    for key, value in keys.items():
        there = [statement for statement in assigned if statement.key == key]
        same = [s for s in there if value and s.value is not None and digest(s.value) == value["sha256"]]
        if len(same) > 1:
            raise ValueError(f"{key} is in it {len(same)} times with our value")
        if value and same:
            ours.append(_ours(same[0], traces, value["offset"]))
        elif value and there:
            warnings.append(f"{key} (line {there[-1].line}) was changed since and stays")
    edits = tuple(sorted(_edits(data, text, ours), key=lambda edit: edit.start))
    touched = [o.statement for o in ours]
    free = {*keys, *(s.key for s in leaning(text, assigned, touched))}
    rest = splice(data, edits)
    prove_kept(text, views(data, assigned), views(rest, statements(decoded(rest))), touched, free)
    return edits, tuple(warnings)


def _ours(statement: Statement, traces: Sequence[Trace], offset: int) -> _Ours:
    trace = next((t for t in traces if t.start <= offset <= t.start + t.length), None)
    if not trace:
        raise ValueError(f"the receipt does not say how {statement.key} was written")
    return _Ours(statement, trace, offset - trace.start)


def _edits(data: bytes, text: str, ours: Sequence[_Ours]) -> Iterator[Edit]:
    spans = [(*span, b"") for span in whole_lines(text, [o.statement for o in ours if o.added])]
    spans += [(o.statement.value_start - o.ahead, o.statement.value_end, o.trace.old) for o in ours if not o.added]
    for start, end, new in spans:
        yield Edit(byte_offset(data, text, start), text[start:end].encode(), new)
