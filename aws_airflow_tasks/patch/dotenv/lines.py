"""What stands where in a ``.env`` file, and the proof that a change of it left everything else as it was."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from aws_airflow_tasks.patch.dotenv.readers import BOM, READERS, SPACE, Reader, Statement, Views, view
from aws_airflow_tasks.text.redaction import shown_name

CALLED: Mapping[Reader, str] = {
    "compose": "docker compose (astro dev start)",
    "standalone": "the Astro CLI in standalone mode",
    "docker": "docker --env-file (astro dev pytest, astro dev parse)",
}
#: how many keys a warning names
_NAMED = 5


def unreadable(data: bytes) -> str:
    """Why a ``.env`` file of these bytes is not touched; empty: it can be read."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "it is UTF-16; save it as UTF-8"
    if b"\0" in data:
        return f"line {_line_number(data, data.index(0))} holds a NUL byte; save it as UTF-8 text"
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return f"line {_line_number(data, error.start)} is not UTF-8; save it as UTF-8"
    return "its lines end in CR alone; save it with LF" if b"\r" in data and b"\n" not in data else ""


def _line_number(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def decoded(data: bytes) -> str:
    """The text of a file, without its byte order mark; any bytes will do."""
    return data.decode(errors="surrogateescape").removeprefix(BOM)


def byte_offset(data: bytes, text: str, position: int) -> int:
    """The offset in ``data`` of a position in ``text``, which is ``data`` :func:`decoded`."""
    bom = len(BOM.encode()) if data.startswith(BOM.encode()) else 0
    return bom + len(text[:position].encode(errors="surrogateescape"))


def line_end(text: str, position: int) -> int:
    """Where the line of ``position`` ends, before its line feed."""
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def lines_of(text: str, statement: Statement) -> str:
    """The whole lines of a statement, without the last line feed."""
    return text[text.rfind("\n", 0, statement.start) + 1 : line_end(text, statement.value_end)]


def whole_lines(text: str, found: Iterable[Statement]) -> list[tuple[int, int]]:
    """The spans to cut so that these statements' lines are gone and the final newline is as it was."""
    spans: list[tuple[int, int]] = []
    for statement in sorted(found, key=lambda statement: statement.start):
        start = text.rfind("\n", 0, statement.start) + 1
        end = min(line_end(text, statement.value_end) + 1, len(text))
        if spans and start <= spans[-1][1]:
            start, end = spans[-1][0], max(end, spans.pop()[1])
        spans.append((start, end))
    if spans and spans[-1][1] == len(text) and not text.endswith("\n"):
        start = len(text[: spans[-1][0]].removesuffix("\n").removesuffix("\r"))
        spans[-1] = (start, len(text))
    return spans


def leaning(text: str, assigned: Sequence[Statement], changed: Collection[Statement]) -> list[Statement]:
    """The assignments that refer, directly or through others, to one that changes before them."""
    names, found = set[str](), []
    for statement in assigned:
        raw = text[statement.value_start : statement.value_end]
        if names.intersection(re.findall(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", raw)) and not raw.startswith("'"):
            found.append(statement)
            names.add(statement.key)
        if statement in changed:
            names.add(statement.key)
    return [statement for statement in found if statement not in changed]


def prove_kept(text: str, old: Views, new: Views, touched: Iterable[Statement], free: Collection[str]) -> None:
    """Each key but those of ``touched``, statements of ``text``, and ``free`` has the value it had, for every reader.

    Raises:
        ValueError: a reader rejects what it took before, or a key has another value, came or went.
    """
    # the first line has another name for the standalone loader, which keeps the byte order mark
    lines = [(bom + lines_of(text, statement)).encode() for statement in touched for bom in ("", BOM)]
    for reader in READERS:
        values, after = old[reader].values, new[reader]
        if len(after.errors) > len(old[reader].errors):
            line, cause = list(after.errors.items())[-1]
            raise ValueError(f"{CALLED[reader]} would reject line {line}: {cause}")
        allowed = set(free).union(*(view(line, reader).values for line in lines))
        changed = {key for key, _ in values.items() ^ after.values.items() if _plain(key) not in free} - allowed
        if changed:
            raise ValueError(f"{', '.join(sorted(map(shown_name, changed)))} would change for {CALLED[reader]}")


def _plain(name: str) -> str:
    """The name without what a reader that works line by line takes for a part of it."""
    return re.sub(rf"^{BOM}?(export[\t ]+)?", "", name).strip(SPACE)


def disagreements(found: Iterable[Statement], seen: Views) -> tuple[str, ...]:
    """What a person should know of how the readers see a file: who rejects it, who sees other values; no values.

    Args:
        found: the file's statements.
        seen: what each reader sees in it.
    """
    compose = seen["compose"].values
    lines = {statement.key: statement.line for statement in found}
    said = []
    if "" in compose:
        said.append(f"{CALLED['compose']} misreads line {lines['']} of .env: end it with `=` or a newline")
    for reader in READERS:
        if seen[reader].errors:
            line, cause = next(iter(seen[reader].errors.items()))
            said.append(f"{CALLED[reader]} rejects .env at line {line}: {cause}")
            continue
        other = [key for key, value in compose.items() if key and seen[reader].values.get(key) != value]
        if other:
            named = ", ".join(f"{shown_name(key)} (line {lines[key]})" for key in other[:_NAMED])
            more = f" and {len(other) - _NAMED} more" if len(other) > _NAMED else ""
            said.append(f"{CALLED[reader]} sees another value of {named}{more} than docker compose")
    return tuple(said)
