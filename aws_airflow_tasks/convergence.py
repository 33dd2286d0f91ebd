"""Plan, apply what differs, and plan again as proof: for one step, or for many targets of which each stands alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from aws_airflow_tasks.core import NOT_NEEDED, Change, Pending, Plan, Result, TaskError
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.doing import done


def converge(
    step: str,
    plan: Callable[[], Plan],
    *,
    check: bool,
    hold: Callable[[], None],
    apply: Callable[[Change], None],
) -> Result:
    """Plan, apply what differs, and plan again as proof.

    Args:
        step: its name, for the result.
        plan: reads the facts and says what differs; called again whenever they may have changed.
        check: only say what would change.
        hold: takes the project's lock, so that the second plan's facts hold while they are acted on.
        apply: makes one change, with all that belongs to it (the question, the receipt).

    Raises:
        TaskError: a change failed or did not take effect.
    """
    planned = _planned(plan, check)
    if isinstance(planned, Pending):
        return Result(step, "changed", reason=str(planned))
    now = Plan()
    if planned.needed and not check:
        hold()
        planned = _known(plan)
        for change in planned.needed:
            apply(change)
        now = _proved(_known(plan))
    if planned.needed:
        said = [done(each, check=check, now=now.reason if now.target == each.target else "") for each in planned.needed]
        why = _once(change.reason for change in planned.needed)
        return Result(step, "changed", planned.about, why, planned.needed, planned.warnings, done=tuple(said))
    reason = f"{NOT_NEEDED}{planned.reason}" if planned.skipped else planned.reason
    return Result(step, "skipped" if planned.skipped else "ok", planned.target, reason, warnings=planned.warnings)


def _once(clauses: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, clauses)))


def converge_each(
    step: str,
    plans: Callable[[], Mapping[str, Callable[[], Plan]]],
    rest: Callable[[Collection[str]], Plan],
    *,
    check: bool,
    hold: Callable[[], None],
    apply: Callable[[Change], None],
) -> Result:
    """Converge targets of which none keeps another from its end, in their order, and then what waits for all of them.

    Args:
        step: its name, for the result.
        plans: by what a person calls a target its plan; asked again once the lock is held.
        rest: takes the targets that are as wanted now, and plans what is left to do.
        check: only say what would change.
        hold: takes the project's lock.
        apply: makes one change; see :func:`converge`.

    Returns:
        One result for all: what was changed, and in ``error`` every target that failed.
    """
    if plans() and not check:
        hold()
    results: list[Result] = []
    failed: dict[str, TaskError] = {}

    def attempt(name: str, plan: Callable[[], Plan]) -> None:
        try:
            results.append(converge(step, plan, check=check, hold=hold, apply=apply))
        except TaskError as error:
            failed[name] = error

    targets = plans()
    for name, plan in targets.items():
        attempt(name, plan)
    done = targets.keys() - failed.keys()
    attempt("", lambda: rest(done))
    return _together(step, results, failed)


def _together(step: str, results: Sequence[Result], failed: Mapping[str, TaskError]) -> Result:
    changed = [result for result in results if result.status == "changed"]
    return Result(
        step,
        "failed" if failed else "changed" if changed else "ok",
        ", ".join(dict.fromkeys(result.target for result in changed or results[-1:] if result.target)),
        _once(result.reason for result in changed or results[-1:]),
        tuple(change for result in results for change in result.changes),
        tuple(dict.fromkeys(warning for result in results for warning in result.warnings)),
        _one_error(failed) if failed else None,
        done=tuple(each for result in results for each in result.done),
    )


def _one_error(failed: Mapping[str, TaskError]) -> TaskError:
    """One error that names every target that failed, with what to do about each."""
    said = [f"{name}: {error.message}" if name else error.message for name, error in failed.items()]
    hints = [
        "\n".join([f"# {name or 'the rest'}", *error.hint.splitlines()] if len(failed) > 1 else error.hint.splitlines())
        for name, error in failed.items()
        if error.hint
    ]
    return TaskError("; ".join(said), hint="\n".join(hints))


def _planned(plan: Callable[[], Plan], check: bool) -> Plan | Pending:
    if not check:
        return _known(plan)
    try:
        return plan()
    except Pending as pending:
        return pending


def _known(plan: Callable[[], Plan]) -> Plan:
    """A plan where every change before it was made: nothing may still be pending."""
    try:
        return plan()
    except Pending as pending:
        said = f"it needs what `{pending.after}` makes, which is not there"
        raise TaskError(said, hint=command(pending.after)) from pending


def _proved(planned: Plan) -> Plan:
    if planned.needed:
        left = planned.needed[0]
        said = f"{left.target} was changed, yet still differs: {left.reason or left.action}"
        raise TaskError(said, hint=command("status", "--diff"))
    return planned
