"""Pure text to text: patching people's files without disturbing a byte that is not ours. No I/O in here."""

from typing import Literal, NamedTuple

from aws_airflow_tasks.core import Edit

#: stands above the lines to add to a file that no reader takes: added alone they would not be read either
FIRST = "# correct that line first; then the same command adds these:"


class Patch(NamedTuple):
    """What a patcher says of a file.

    Attributes:
        outcome: ``satisfied`` (nothing to do), ``edits`` (``after`` is proven), ``conflict`` (someone else's value
            for the same target) or ``refusal`` (it cannot be proven).
        before: the file's bytes; None when there is no file.
        after: the bytes wanted; equal to ``before`` but for ``edits``.
        edits: the splices from ``before`` to ``after``, in ascending order, with offsets into ``before``.
        reason: one clause: why nothing is to do, what is done, or the cause of a conflict or refusal (no secrets).
        by_hand: the lines to add or change by hand, for a conflict or refusal.
        warnings: what a person should know although the file can be patched.
        keys: of a conflict about assignments, whose values are someone else's.
    """

    outcome: Literal["satisfied", "edits", "conflict", "refusal"]
    before: bytes | None
    after: bytes | None
    edits: tuple[Edit, ...] = ()
    reason: str = ""
    by_hand: str = ""
    warnings: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


def splice(data: bytes, edits: tuple[Edit, ...]) -> bytes:
    """``data`` with ``edits`` (ascending, offsets into ``data``) made.

    Raises:
        ValueError: when an edit's ``old`` is not what stands there, or edits overlap.
    """
    pieces, at = [], 0
    for edit in edits:
        end = edit.start + len(edit.old)
        if edit.start < at or data[edit.start : end] != edit.old:
            raise ValueError(f"edit at {edit.start} does not fit")
        pieces += [data[at : edit.start], edit.new]
        at = end
    return b"".join([*pieces, data[at:]])
