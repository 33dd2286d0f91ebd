"""Take back what a receipt says we did to a file: exactly while it is as we left it, else by finding what is ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aws_airflow_tasks.core import Edit, Trace, digest
from aws_airflow_tasks.patch import Patch, splice
from aws_airflow_tasks.patch.dotenv import reverse as dotenv_reverse
from aws_airflow_tasks.patch.dotenv.readers import BOM
from aws_airflow_tasks.patch.listing import listing, runs

#: how long a line is, in bytes, that can be told from others' lines
_TELLING = 16


def no_objection(before: bytes, after: bytes) -> str:
    """No objection."""
    return ""


def reverse(
    data: bytes | None,
    traces: Sequence[Trace],
    *,
    before: str | None,
    after: str | None,
    keys: Mapping[str, Mapping[str, Any] | None] | None = None,
    objection: Callable[[bytes, bytes], str] = no_objection,
) -> Patch:
    """The way back to what a file was before one change of ours.

    Args:
        data: the file's bytes now; None when there is no file.
        traces: the splices that were made, with the text they took the place of.
        before: the sha256 (hex) of the file before them; None: we created it.
        after: the sha256 (hex) of the file as we left it; None: we deleted it.
        keys: for a ``.env`` file, what ``dotenv.written`` said of it.
        objection: takes the file now and what it would become; why that must not be, empty: it may. Asked only when
            the file was edited since.

    Returns:
        ``satisfied`` when nothing of ours is left; ``edits``, with ``after`` None for a file that is to be deleted; or
        ``refusal`` with the lines to take out by hand.
    """
    now = digest(data)
    if now == before or (data is None and after is not None):
        reason = "it is as it was before" if now == before else "it is gone"
        return Patch("satisfied", data, data, reason=reason)
    if now == after:
        return _exactly(data, traces, before)
    if data is not None and before is None and any(_same_text(data, trace.new) for trace in traces):
        return Patch("edits", data, None, (Edit(0, data, b""),), "takes out a file that we made, but for its line ends")
    if data is None or after is None:
        return Patch("refusal", data, data, reason="it was written anew after we deleted it")
    try:
        edits, warnings = _edits_back(data, traces) if keys is None else dotenv_reverse.edits_back(data, traces, keys)
        rest = splice(data, edits)
        if cause := objection(data, rest) if edits else "":
            raise ValueError(cause)
    except ValueError as error:
        said = _by_hand(data, traces) if keys is None else listing(dotenv_reverse.lines(data, keys))
        return Patch("refusal", data, data, reason=f"it was edited since, and {error}", by_hand=said)
    gone = before is None and not rest.removeprefix(BOM.encode()).strip()
    if not edits and not gone:
        return Patch("satisfied", data, data, reason="nothing of ours is left in it", warnings=warnings)
    reason = "takes our lines out of a file that was edited since"
    return Patch("edits", data, None if gone else rest, edits, reason, warnings=warnings)


def _exactly(data: bytes | None, traces: Sequence[Trace], before: str | None) -> Patch:
    now = data or b""
    edits = tuple(Edit(t.start, now[t.start : t.start + t.length], t.old) for t in traces)
    rest = None if before is None else splice(now, edits)
    if digest(rest) != before:
        return Patch("refusal", data, data, reason="the receipt does not lead back to what it was before")
    return Patch("edits", data, rest, edits, "takes our change back")


def _edits_back(data: bytes, traces: Sequence[Trace]) -> tuple[tuple[Edit, ...], tuple[str, ...]]:
    """The edits that take back those of ``traces`` that are still there.

    Raises:
        ValueError: one cannot be told for certain.
    """
    edits = _blocks_out(data, [trace.new or b"" for trace in traces if _is_block(trace)])
    within = [trace for trace in traces if not _is_block(trace)]
    lines = Counter((trace.line, trace.column) for trace in within)
    for trace in within:
        starts = list(_windows(data, trace))
        if len(starts) != lines[trace.line, trace.column]:
            raise ValueError("the lines that we changed cannot be found again")
        edits += [Edit(start, data[start : start + trace.length], trace.old) for start in starts]
    return tuple(sorted(set(edits), key=lambda edit: edit.start)), ()


def _blocks_out(data: bytes, blocks: Sequence[bytes]) -> list[Edit]:
    """The edits that take out what is left of the blocks that we put in."""
    edits, missing = [], []
    for new, count in Counter(blocks).items():
        starts = list(_blocks(data, new))
        if len(starts) > count:
            raise ValueError("our lines are in it more often than we wrote them")
        edits += [Edit(start, new, b"") for start in starts]
        missing += [new] if len(starts) < count else []
    rest = splice(data, tuple(sorted(edits, key=lambda edit: edit.start)))
    if any(_left(rest, new) for new in missing):
        raise ValueError("our lines were changed")
    return edits


def _is_block(trace: Trace) -> bool:
    """Whether it put whole lines in between: those can be found by their text alone."""
    new = trace.new or b""
    return not trace.old and ((trace.column == 0 and new.endswith(b"\n")) or new.startswith((b"\n", b"\r\n")))


def _blocks(data: bytes, new: bytes) -> Iterator[int]:
    """Where ``new`` stands as lines of their own."""
    start = data.find(new)
    while start >= 0:
        end = start + len(new)
        begins = new[:1] in b"\r\n" or start == 0 or data[start - 1 : start] == b"\n" or data[:start] == BOM.encode()
        ends = new.endswith(b"\n") or end == len(data) or data[end : end + 1] in b"\r\n"
        if begins and ends:
            yield start
        start = data.find(new, end if begins and ends else start + 1)


def _windows(data: bytes, trace: Trace) -> Iterator[int]:
    """Where the splice begins in each run of lines that is just as we left it."""
    count = (trace.new or b"").count(b"\n") + 1
    lines = data.split(b"\n")
    offset = 0
    for index in range(len(lines) - count + 1):
        if digest(b"\n".join(lines[index : index + count])) == trace.line:
            yield offset + trace.column
        offset += len(lines[index]) + 1


def _left(data: bytes, new: bytes) -> list[bytes]:
    """The lines of ``new`` that are in ``data``; short ones such as ``volumes:`` count only where all are short."""
    lines = [line.strip() for line in new.split(b"\n") if line.strip()]
    telling = [line for line in lines if len(line) >= _TELLING] or lines
    return [line for line in telling if line in data]


def _same_text(data: bytes, new: bytes | None) -> bool:
    """Whether only the ends of the lines, or the last one's, differ."""
    return new is not None and data.replace(b"\r\n", b"\n").rstrip(b"\n") == new.rstrip(b"\n") != b""


def _by_hand(data: bytes, traces: Sequence[Trace]) -> str:
    """Our lines that are still there, to be taken out by the person."""
    text = data.decode(errors="replace")
    blocks = [(trace.new or b"").decode(errors="replace") for trace in traces]
    telling = [line.decode(errors="replace") for trace in traces for line in _left(data, trace.new or b"")]
    numbers = runs(text, blocks, lambda line: any(each in line for each in telling))
    lines = text.split("\n")
    ours = {line.strip() for block in blocks for line in block.split("\n")}
    whole = all(lines[number - 1].strip() in ours for number in numbers)
    title = "take these lines out:" if whole else "take what we wrote out of these lines:"
    return listing({number: lines[number - 1].rstrip() for number in numbers}, title)
