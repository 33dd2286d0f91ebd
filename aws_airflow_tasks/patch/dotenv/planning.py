"""Set and remove keys in a ``.env`` file without disturbing a byte that is not ours.

``docker compose`` decides what a key's value is, because that is what `astro dev start` goes by; what the other two
readers see otherwise is named in the warnings. Of several assignments of a key the last one counts, in all three.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from aws_airflow_tasks.core import Edit, digest
from aws_airflow_tasks.patch import FIRST, Patch, splice
from aws_airflow_tasks.patch.dotenv.lines import (
    byte_offset,
    decoded,
    disagreements,
    leaning,
    line_end,
    prove_kept,
    unreadable,
    whole_lines,
)
from aws_airflow_tasks.patch.dotenv.readers import BOM, READERS, UNCLOSED, Statement, portable, statements, views
from aws_airflow_tasks.text.cleaning import HIDDEN
from aws_airflow_tasks.text.redaction import shown_name, shown_value

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


#: takes a key, its current value and the wanted one (None: no line of ours); why the current one will not do, in words
#: that follow the key, without secrets; empty: it will
Objection = Callable[[str, str, str | None], str]


def difference(key: str, current: str, wanted: str | None) -> str:
    """Nothing where the values are the same text; where none is wanted of us, someone's own may be any."""
    return "" if wanted is None or current == wanted else instead(key, current, wanted)


def instead(key: str, current: str, wanted: str | None) -> str:
    """What a value is, and what it should be."""
    return f" is {_shown(key, current)}, wanted {_wanted(key, wanted)}"


def plan(
    data: bytes | None,
    want: Mapping[str, str | None],
    *,
    ours: Mapping[str, Collection[str]] | None = None,
    override: bool = False,
    objection: Objection = difference,
    unwelcome: Mapping[str, str] | None = None,
) -> Patch:
    """What makes ``want`` true of a ``.env`` file.

    Args:
        data: the file's bytes; None when there is no file.
        want: the value of each key, or None: our line of that key goes. Someone's own stays, if it will do.
        ours: by key the sha256 (hex) of every value that we wrote earlier; such a value may change or go freely.
        override: replace someone's own values, too. An empty one is a placeholder, and may be replaced anyway.
        objection: why a current value will not do.
        unwelcome: by key why no value of it will do, in a clause.

    A conflict names in its ``keys`` whose lines are someone's own and will not do.
    """
    if unfit := unreadable(data or b"") or _unwritable(want):
        return Patch("refusal", data, data, reason=unfit, by_hand=_by_hand(want))
    unwelcome = unwelcome or {}
    todo = _Todo.of(data or b"", {**want, **dict.fromkeys(unwelcome)}, ours or {}, objection, unwelcome)
    if hidden := unwelcome.keys() - {statement.key for statement in todo.found}:
        reason = "; ".join(f"{key}: {unwelcome[key]}" for key in sorted(hidden))
        return Patch("refusal", data, data, reason=reason, by_hand=_by_hand(dict.fromkeys(sorted(hidden))))
    if todo.clashes and not override:
        by_hand = _by_hand({key: todo.want[key] for key in todo.clashing} or todo.changed)
        return Patch("conflict", data, data, reason="; ".join(todo.clashes), by_hand=by_hand, keys=todo.clashing)
    if not todo.changed:
        warnings = disagreements(todo.found, views(todo.data, todo.found))
        return Patch("satisfied", data, data, reason=todo.kept, warnings=warnings)
    causes = []
    for before_last_line in (False, True):
        try:
            edits = _edits(todo, before_last_line=before_last_line)
            after = splice(todo.data, edits)
            warnings = _proven(after, todo)
        except ValueError as error:
            causes.append(str(error))
            continue
        return Patch("edits", data, after, edits, todo.reason, warnings=warnings)
    for number, cause in views(todo.data, todo.found)["compose"].errors.items():
        if cause == UNCLOSED:  # what is added below would be a part of its value
            by_hand = f"{FIRST}\n{_by_hand(todo.changed)}"
            return Patch("refusal", data, data, reason=f"line {number}: {cause}", by_hand=by_hand)
    return Patch("refusal", data, data, reason=causes[0], by_hand=_by_hand(todo.changed))


def written(patch: Patch, want: Mapping[str, str | None]) -> dict[str, dict[str, Any] | None]:
    """What a receipt keeps of ``patch``, made by :func:`plan` from ``want``.

    Returns:
        By key the byte ``offset`` of the value in ``patch.after`` and its ``sha256``; None for a key whose line went.
    """
    after = patch.after or b""
    text = decoded(after)
    spans, shift = [], 0
    for edit in patch.edits:
        spans.append((edit.start + shift, edit.start + shift + len(edit.new)))
        shift += len(edit.new) - len(edit.old)
    keys: dict[str, dict[str, Any] | None] = {key: None for key, value in want.items() if value is None}
    for statement in statements(text):
        offset = byte_offset(after, text, statement.value_start)
        if statement.key in want and any(start <= offset <= end for start, end in spans):
            keys[statement.key] = {"offset": offset, "sha256": digest(statement.value or "")}
    return keys


def _unwritable(want: Mapping[str, str | None]) -> str:
    for key, value in want.items():
        if not _NAME.fullmatch(key):
            return f"{key!r} is no name of an environment variable"
        try:
            portable(value or "")
        except ValueError as error:
            return f"{key}: {error}"
    return ""


def _by_hand(want: Mapping[str, str | None]) -> str:
    return "\n".join(
        f"(remove the line {key}=...)" if value is None else f"{key}={value}" for key, value in want.items()
    )


class _Todo(NamedTuple):
    """What differs between a file and what is wanted of it.

    Attributes:
        data: the file's bytes; none when there is no file.
        text: the same without the byte order mark.
        found: its assignments.
        want: as :func:`plan` got it.
        gone: assignments that are to go: ours, and someone's that will not do.
        differing: assignments that get another value.
        missing: keys to append, with their values.
        clashing: the keys of those whose value is not ours to change.
        clashes: why what would change is not ours to change.
        leaning: assignments whose value would change along, since they refer to one that changes.
        kept: what stays as it is, in words.
    """

    data: bytes
    text: str
    found: list[Statement]
    want: Mapping[str, str | None]
    objection: Objection
    gone: list[Statement]
    differing: list[Statement]
    missing: dict[str, str]
    clashing: tuple[str, ...]
    clashes: list[str]
    leaning: list[Statement]
    kept: str

    @classmethod
    def of(
        cls,
        data: bytes,
        want: Mapping[str, str | None],
        ours: Mapping[str, Collection[str]],
        objection: Objection,
        unwelcome: Mapping[str, str],
    ) -> "_Todo":
        """Compare the file with what is wanted; of several assignments of a key the last one counts."""

        def is_ours(found: Statement) -> bool:
            return found.value is not None and digest(found.value) in ours.get(found.key, ())

        text = decoded(data)

        def may_stay(found: Statement) -> bool:
            return found.key not in unwelcome and not objection(found.key, found.value or "", None)

        found = list(statements(text))
        by_weight = sorted(found, key=lambda s: not s.error)
        current = {s.key: s for s in by_weight if s.key in want}
        wanted = {key: value for key, value in want.items() if value is not None}
        theirs = {s.key: s for s in by_weight if s.key in want and s.key not in wanted and not is_ours(s)}
        unfit = {key for key, s in theirs.items() if not may_stay(s)}
        gone = [
            s
            for s in found
            if s.key in want and s.key not in wanted and (is_ours(s) or (s.key in unfit and not may_stay(s)))
        ]
        differing = [
            s
            for key, s in current.items()
            if key in wanted and (s.value is None or objection(key, s.value, wanted[key]))
        ]
        clashing = [s for s in (*differing, *gone) if not is_ours(s) and not _placeholder(text, s)]
        clashes = [_clash(s, want[s.key], unwelcome.get(s.key, ""), objection) for s in clashing]
        leans = leaning(text, found, [*gone, *differing])
        return cls(
            data,
            text,
            found,
            want,
            objection,
            gone,
            differing,
            {key: value for key, value in wanted.items() if key not in current},
            tuple(s.key for s in clashing),
            [*clashes, *(f"line {s.line}: {shown_name(s.key)} refers to what would change" for s in leans)],
            leans,
            "; ".join(f"{s.key} (line {s.line}) is not ours and stays" for s in theirs.values() if s not in gone)
            or "all lines are as wanted",
        )

    @property
    def changed(self) -> dict[str, str | None]:
        """The keys to set or remove."""
        named = {statement.key for statement in (*self.gone, *self.differing)}
        return {key: value for key, value in self.want.items() if key in named or key in self.missing}

    @property
    def reason(self) -> str:
        """What is done, in words."""
        changed = self.changed
        parts = {
            "adds": list(self.missing),
            "changes": [s.key for s in self.differing],
            "removes": [key for key in changed if changed[key] is None],
        }
        return "; ".join(f"{verb} {', '.join(keys)}" for verb, keys in parts.items() if keys)


def _placeholder(text: str, statement: Statement) -> bool:
    """Whether nothing is assigned: no value, and no variable that has none here."""
    return statement.value == "" and not text[statement.value_start : statement.value_end].strip("'\" \t")


def _clash(statement: Statement, wanted: str | None, why: str, objection: Objection) -> str:
    where = f"line {statement.line}: {statement.key}"
    if why:
        return f"{where}: {why}"
    if statement.error:
        return f"{where} cannot be read ({statement.error}), wanted {_wanted(statement.key, wanted)}"
    if statement.value is None:
        return f"{where} is taken from the shell, wanted {_wanted(statement.key, wanted)}"
    return where + objection(statement.key, statement.value, wanted)


def _wanted(key: str, value: str | None) -> str:
    return "no such line" if value is None else _shown(key, value)


def _shown(key: str, value: str) -> str:
    shown = shown_value(key, value)
    return HIDDEN if shown is None else repr(shown)


def _edits(todo: _Todo, *, before_last_line: bool) -> tuple[Edit, ...]:
    """The splices: values changed and lines removed in place, what is missing appended as one block.

    Args:
        todo: what is to change.
        before_last_line: put the block before the last line, which means something only at the very end.

    Raises:
        ValueError: a line cannot be changed so that it is read as wanted.
    """
    spans = [(start, end, "") for start, end in whole_lines(todo.text, todo.gone)]
    spans += [_replaced(todo.text, s, todo.want[s.key] or "") for s in todo.differing]
    edits = []
    for start, end, new in sorted(spans):
        offset = byte_offset(todo.data, todo.text, start)
        edits.append(Edit(offset, todo.text[start:end].encode(), new.encode()))
    block = _block(todo.data, splice(todo.data, tuple(edits)), todo.missing, before_last_line=before_last_line)
    return tuple(sorted((*edits, *block), key=lambda edit: edit.start))


def _replaced(text: str, statement: Statement, value: str) -> tuple[int, int, str]:
    """The value alone, bare; where something sticks to it that must stay, quoted; else to the end of the line."""
    start, end = statement.value_start, statement.value_end
    whole = line_end(text, end)
    end = min(end, max(start, len(text[:whole].rstrip("\r"))))  # an open quote reaches into the line's ending
    equals = "" if re.search("[=:]", text[statement.start : start]) else "="
    for new, stop in ((value, end), (f"'{value}'", end), (value, len(text[:whole].rstrip("\r")))):
        line = text[statement.start : start] + equals + new + text[stop:whole]
        seen = list(statements(line))
        if not any(s.error for s in seen) and (seen[0].key, seen[0].value) == (statement.key, value):
            return start, stop, equals + new
    raise ValueError(f"line {statement.line}: {statement.key} cannot be changed without disturbing what is around it")


def _block(data: bytes, head: bytes, missing: Mapping[str, str], *, before_last_line: bool) -> tuple[Edit, ...]:
    """Our new lines as one edit of ``data``, which the other edits turn into ``head``; the final newline as found."""
    if not missing:
        return ()
    ending = _line_ending(data)
    lines = [f"{key}={value}".encode() for key, value in missing.items()]
    if before_last_line:
        start = data.rfind(b"\n", 0, len(data) - 1) + 1 or len(BOM.encode()) * data.startswith(BOM.encode())
        return (Edit(start, b"", b"".join(line + ending for line in lines)),)
    if head in (b"", BOM.encode()) or head.endswith(b"\n"):
        # the standalone loader takes a byte order mark for part of the name after it
        lead = ending if head == BOM.encode() else b""
        return (Edit(len(data), b"", lead + b"".join(line + ending for line in lines)),)
    return (Edit(len(data), b"", b"".join(ending + line for line in lines)),)


def _line_ending(data: bytes) -> bytes:
    """That of the last line that has one, the neighbour of what is appended."""
    last = data.rfind(b"\n")
    return b"\r\n" if last > 0 and data[last - 1 : last] == b"\r" else b"\n"


def _proven(after: bytes, todo: _Todo) -> tuple[str, ...]:
    """Read the result again: it is as wanted and everything else as before; what the readers see differently.

    Raises:
        ValueError: it is not.
    """
    found = list(statements(decoded(after)))
    seen = views(after, found)
    free = {*todo.want, *(s.key for s in todo.leaning)}
    prove_kept(todo.text, views(todo.data, todo.found), seen, [*todo.gone, *todo.differing], free)
    for key, value in todo.want.items():
        current = seen["compose"].values.get(key)
        if value is not None if current is None else todo.objection(key, current, value):
            raise ValueError(f"{key} would not be read as wanted by docker compose")
    if any(not seen[reader].values.items() >= todo.missing.items() for reader in READERS):
        raise ValueError(f"{', '.join(todo.missing)} would not be read as wanted by every reader")
    return disagreements(found, seen)
