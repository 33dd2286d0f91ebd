"""Find our lines in a ``.env`` file that was edited since: by key, and by the hash of the value that we gave it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aws_airflow_tasks.core import Edit, Trace, digest
from aws_airflow_tasks.patch import splice
from aws_airflow_tasks.patch.dotenv.lines import (
    byte_offset,
    decoded,
    leaning,
    line_end,
    lines_of,
    prove_kept,
    unreadable,
    whole_lines,
)
from aws_airflow_tasks.patch.dotenv.readers import Statement, statements, view, views


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
    """The edits that take our lines out, put the value or the line before back, and what stays, in words.

    Args:
        data: the file's bytes.
        traces: the splices that were made.
        keys: by key the byte ``offset`` and the ``sha256`` of the value that they gave it; None: they took it out.

    Raises:
        ValueError: the file cannot be read, or the result cannot be proven.
    """
    if cause := unreadable(data):
        if not lines(data, keys):
            return (), ()
        raise ValueError(cause)
    text = decoded(data)
    assigned = list(statements(text))
    ours, warnings = [], []
    for key, value in keys.items():
        there = [statement for statement in assigned if statement.key == key]
        same = [statement for statement in there if _is_same(statement, value)]
        if value and same:  # more than once where the person doubled it: each goes the same way
            ours += [_ours(statement, traces, value["offset"]) for statement in same]
        elif value and there:
            warnings.append(f"{key} (line {there[-1].line}) was changed since and stays")
    edits = tuple(sorted(_edits(data, text, ours), key=lambda edit: edit.start))
    touched = [o.statement for o in ours]
    free = {*keys, *(s.key for s in leaning(text, assigned, touched))}
    rest = splice(data, edits)
    seen = views(rest, statements(decoded(rest)))
    prove_kept(text, views(data, assigned), seen, touched, free)
    given = _given_back(rest, len(data), traces, keys)
    after = view(splice(data, edits + given), "compose").values  # a reader that took the lines amiss before may again
    if any(after.get(key) != value for key, value in seen["compose"].values.items()):
        raise ValueError("the lines that we took out cannot be put back behind what is there now")
    return edits + given, tuple(warnings)


def lines(data: bytes, keys: Mapping[str, Mapping[str, Any] | None]) -> dict[int, str]:
    """By number the lines that give a key the value that we gave it, without the value; of any file at all."""
    text = decoded(data.replace(b"\0", b""))
    found = (statement for statement in statements(text) if _is_same(statement, keys.get(statement.key)))
    return {statement.line: f"{statement.key}=…" for statement in found}


def _is_same(statement: Statement, value: Mapping[str, Any] | None) -> bool:
    return bool(value) and statement.value is not None and digest(statement.value) == (value or {})["sha256"]


def _ours(statement: Statement, traces: Sequence[Trace], offset: int) -> _Ours:
    trace = next((t for t in traces if t.start <= offset <= t.start + t.length), None)
    if not trace:
        raise ValueError(f"the receipt does not say how {statement.key} was written")
    return _Ours(statement, trace, offset - trace.start)


def _given_back(
    rest: bytes, end: int, traces: Sequence[Trace], keys: Mapping[str, Mapping[str, Any] | None]
) -> tuple[Edit, ...]:
    """The lines that we took out, at the end of the file, which has become ``rest``; not of keys assigned since."""
    there = {statement.key for statement in statements(decoded(rest))}
    lines = [
        lines_of(old, statement).rstrip("\r").encode()
        for old in (decoded(trace.old) for trace in traces if not trace.length)
        for statement in statements(old)
        if keys.get(statement.key, statement) is None and statement.key not in there
    ]
    ending = b"\r\n" if b"\r\n" in rest else b"\n"
    if not lines:
        return ()
    if not rest or rest.endswith(b"\n"):
        return (Edit(end, b"", b"".join(line + ending for line in lines)),)
    return (Edit(end, b"", b"".join(ending + line for line in lines)),)


def _edits(data: bytes, text: str, ours: Sequence[_Ours]) -> Iterator[Edit]:
    added = [o.statement for o in ours if o.added]
    commented = [statement for statement in added if _comment(text, statement)]
    spans = [(*span, b"") for span in whole_lines(text, [each for each in added if each not in commented])]
    spans += [(each.start, text.index("#", each.value_end), b"") for each in commented]
    spans += [(o.statement.value_start - o.ahead, o.statement.value_end, o.trace.old) for o in ours if not o.added]
    for start, end, new in spans:
        yield Edit(byte_offset(data, text, start), text[start:end].encode(), new)


def _comment(text: str, statement: Statement) -> str:
    """The comment that somebody put behind an assignment: it stays, on a line of its own."""
    rest = text[statement.value_end : line_end(text, statement.value_end)].strip()
    return rest if rest.startswith("#") else ""
