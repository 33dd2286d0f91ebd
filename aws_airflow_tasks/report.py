"""How results look: a line a step, a line a check, the recap, the JSON document. Strings only; ``play`` prints them."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from aws_airflow_tasks.core import NOT_NEEDED, Change, Check, Result, Status, Stopwatch, TaskError
from aws_airflow_tasks.steps.layers import unproved
from aws_airflow_tasks.text.doing import WOULD
from aws_airflow_tasks.text.layout import MARGIN, Layout, brief, laid, shortened, wrapped
from aws_airflow_tasks.text.palette import UNNEEDED
from aws_airflow_tasks.text.printable import printable

#: columns of a check's name
CHECKS = 20
WHOLE = Layout()
#: what a process ends with; where several apply: 130, 2, 1, 4, 3, 0
EXIT_CODES = {
    0: "converged, or changed as asked",
    1: "a step failed",
    2: "bad usage or settings; nothing was started",
    3: "`--check` found something to change",
    4: "`verify`, `doctor` or `secrets.lint` has a failed check",
    130: "interrupted",
}
STATUSES: tuple[Status, ...] = ("ok", "changed", "skipped", "failed")
#: of the JSON document; a number higher says that a key is gone or means something else
VERSION = 1


class Note(NamedTuple):
    """Something to say after the recap.

    Attributes:
        text: for a person, a line.
        commands: those in it that can be typed next, for the JSON document.
    """

    text: str
    commands: tuple[str, ...] = ()


def last_lines(where: str, notes: Sequence[Note], layout: Layout = WHOLE) -> str:
    """Where Airflow is, such as ``Airflow 3: http://127.0.0.1:8080   user admin, …``, and then the notes."""
    head, colon, rest = where.partition(": ")
    lines = laid(head + colon, rest, layout) if where else []
    return "\n".join([*lines, *(_note_lines(note, layout) for note in notes)])


def _note_lines(note: Note, layout: Layout) -> str:
    """A note; its commands stay whole, to be pasted, with ``~`` for the home directory as the shell has it."""
    return shortened(note.text, layout.home, len(note.text)) if layout.width else note.text


def foreseen(again: str) -> tuple[Note, Note]:
    """What is to be said where check mode found something to change: ``again`` changes it."""
    return Note("check mode: nothing was changed"), next_note(again)


def next_note(*commands: str) -> Note:
    """What to type next, one or several to choose from."""
    return Note("next: " + "\n      ".join(commands), commands)


def result_lines(result: Result, layout: Layout = WHOLE) -> str:
    """A line for each target that a step changed, else one for the step, or its error; then its warnings and a hint."""
    lines = []
    changed = [f"{change.target}: {done}" for change, done in zip(result.changes, result.done, strict=True)]
    about = ": ".join(filter(None, (result.target, result.reason)))
    *others, last = [*changed, result.error.message] if result.error else changed or [about]
    for text in others:
        lines += _row("changed", result.step, text, layout)
    lines += _row(result.status, result.step, last + _took(result), layout)
    for warning in result.warnings:
        lines += _row("warning", "", warning, layout)
    return "\n".join(lines + hint_lines(result.error.hint if result.error else "", layout))


def _took(result: Result) -> str:
    """Seconds from one on; of one thing that was done, and not only would be, they end the clause."""
    said = f"{result.seconds:.1f}s"
    ends = len(result.done) == 1 and not result.error and not result.done[0].startswith(WOULD)
    return "" if result.seconds < 1 else f" in {said}" if ends else f" ({said})"


def timed(found: Iterable[Check]) -> Iterator[Check]:
    """The checks, each with the seconds for which it was waited for; what is done between two is not counted."""
    clock = Stopwatch()
    for check in found:
        yield check._replace(seconds=clock.seconds)
        clock = Stopwatch()


def layers(found: Iterable[Check]) -> Iterator[list[Check]]:
    """The checks of one layer together, as soon as they are known; those of no service each by itself, at once."""
    layer: list[Check] = []
    for check in found:
        if layer and (layer[0].check != check.check or not check.service):
            yield layer
            layer = []
        layer.append(check)
        if not check.service:
            yield layer
            layer = []
    if layer:
        yield layer


def check_lines(found: Sequence[Check], layout: Layout = WHOLE) -> str:
    """The lines of one layer's checks, one for services that say the same, and under each what to do about it."""
    said: dict[Check, list[str]] = {}
    for check in found:
        said.setdefault(check._replace(service="", seconds=0), []).append(check.service)
    layout, lines = layout._replace(names=CHECKS), []
    for check, services in said.items():
        where = (
            ", ".join(filter(None, services)) if len(said) > 1 or len(services) == 1 else f"{len(services)} services"
        )
        detail = f"{check.detail} ({where})" if check.detail and where else check.detail or where
        lines += [*_row(check.status, check.check, detail, layout), *hint_lines(check.hint, layout)]
    return "\n".join(lines)


def error_lines(error: TaskError, layout: Layout = WHOLE) -> str:
    """An error that no step owns."""
    return "\n".join([*laid("error: ", printable(error.message), layout), *hint_lines(error.hint, layout)])


def hint_lines(hint: str, layout: Layout = WHOLE) -> list[str]:
    """The hint; its first line carries an arrow. Commands stay whole, to be pasted; whom to ask is prose."""
    lines: list[str] = []
    for line in printable(hint).splitlines():
        words, room = line.removeprefix("# "), (layout.width or len(line)) - MARGIN
        parts = wrapped(words, room, room) if words != line and layout.width else [words]
        lines += [f"{'   ' if lines or number else '-> '}{part}" for number, part in enumerate(parts)]
    return lines


def _row(status: str, name: str, text: str, layout: Layout) -> list[str]:
    if status == "skipped" and NOT_NEEDED in text:
        status, text = UNNEEDED, text.replace(NOT_NEEDED, "", 1)
    head, text = f"{status:<8} {printable(name):<{layout.names}} ", printable(text)
    return laid(head, brief(head, text, layout) if status in ("ok", "changed") else text, layout)


def diff_lines(change: Change, layout: Layout = WHOLE) -> str:
    """What differs: of a file whole, for `git apply`; of another target in words."""
    diff = change.diff().rstrip("\n")
    return diff if change.file or not diff else "\n".join(laid("  ", printable(diff.strip()), layout))


def counts(results: Sequence[Result], checks: Sequence[Check]) -> dict[str, int]:
    """How many steps and checks ended in each status, and how many warnings both gave."""
    ended = Counter[str]([*(result.status for result in results), *(found.status for found in checks)])
    warnings = ended["warning"] + sum(len(result.warnings) for result in results)
    return {status: ended[status] for status in STATUSES} | {"warnings": warnings}


def recap_line(results: Sequence[Result], checks: Sequence[Check], seconds: float) -> str:
    """Such as ``recap: ok=5 changed=2 skipped=0 failed=0 in 3.2s``, with ``warnings=1`` where there are any."""
    found = counts(results, checks)
    return "recap: " + " ".join(f"{k}={v}" for k, v in found.items() if v or k in STATUSES) + f" in {seconds:.1f}s"


def exit_code(results: Sequence[Result], checks: Sequence[Check], *, check: bool) -> int:
    """1 a step failed, 4 a check failed, 3 check mode found something to change, else 0; the first that applies.

    A step that was to run alone and could not, as something that it needs is not there, counts as failed.
    """
    if any(result.status == "failed" or result.error for result in results):
        return 1
    if any(found.status == "failed" for found in checks):
        return 4
    return 3 if check and any(result.status == "changed" for result in results) else 0


def document(
    task: str,
    *,
    check: bool,
    code: int,
    seconds: float,
    results: Sequence[Result],
    checks: Sequence[Check],
    error: TaskError | None,
    notes: Sequence[Note],
    extra: dict[str, Any],
) -> str:
    """The one JSON document of ``--json``, as docs/output.schema.json says; keys are only ever added."""
    return json.dumps(
        {
            "version": VERSION,
            "task": task,
            "check": check,
            "exit_code": code,
            "seconds": round(seconds, 3),
            "recap": counts(results, checks),
            "steps": [_step(result) for result in results],
            "checks": [_check(found) for found in checks or unproved(results)],
            "error": _error(error),
            "next": [command for note in notes for command in note.commands],
            **extra,
        },
        indent=2,
    )


def _step(result: Result) -> dict[str, Any]:
    return {
        "step": result.step,
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "target": result.target,
        "reason": result.reason,
        "changes": [
            {"target": change.target, "action": change.action, "done": done, "diff": change.diff()}
            for change, done in zip(result.changes, result.done, strict=True)
        ],
        "warnings": list(result.warnings),
        "error": _error(result.error),
    }


def _check(found: Check) -> dict[str, Any]:
    return {
        "check": found.check,
        "service": found.service or None,
        "status": found.status,
        "detail": found.detail,
        "hint": found.hint or None,
        "seconds": round(found.seconds, 3),
    }


def _error(error: TaskError | None) -> dict[str, str] | None:
    return {"message": error.message, "hint": error.hint} if error else None
