"""The order in which everything is taken back, each target by itself: one that cannot be keeps no other from it.

The keeper of the keys and Airflow are stopped first, then the files go back to their bytes, the staged credentials go,
then what is in AWS, and in the end the state directory, but for the receipts of what could not be taken back. How a
target is taken back stands in the step that made it.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from aws_airflow_tasks.core import Change, Plan, Target, TaskError, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import (
    dag,
    env,
    files,
    init,
    keeper,
    mount,
    provider,
    secrets,
    staging,
    start,
    timer,
    unsync,
)
from aws_airflow_tasks.world import receipts
from aws_airflow_tasks.world import state as states
from aws_airflow_tasks.world.receipts import FileRecord

#: in the state directory: what receipts that stay cannot do without, and what the person has agreed to
NEEDED = ("id", "project", "receipts", "replaced", states.ANSWERS)


def plans(site: Site) -> dict[str, Callable[[], Plan]]:
    """By target its plan, in the order in which they are taken back.

    Raises:
        TaskError: the journal cannot be read.
    """
    return {target.name: target.plan for target in _targets(site)}


def _targets(site: Site) -> list[Target]:
    return list(_distinct(_all_targets(site)))


def _distinct(targets: Iterable[Target]) -> Iterator[Target]:
    """Each by a name of its own, by which it is known whether it is done: places may be called alike."""
    known = Counter[str]()
    for target in targets:
        known[target.name] += 1
        yield target._replace(name=f"{target.name} [{known[target.name]}]") if known[target.name] > 1 else target


def _all_targets(site: Site) -> list[Target]:
    kept_in = [*dag.undo(site), *provider.undo(site), *env.undo(site), *mount.undo(site)]
    return [
        *timer.undo(site),
        *keeper.undo(site),
        *start.undo(site),
        *kept_in,
        *_others(site, {target.name for target in kept_in}),
        *init.undo(site),
        *start.undo_restart(site),
        *staging.undo(site),
        *unsync.undo(site),
        *secrets.undo(site),
    ]


def _others(site: Site, known: Collection[str]) -> list[Target]:
    """Files of which no step knows, such as those of `init-tasks`."""
    paths = dict.fromkeys(kept.record.path for kept in receipts.of(site.receipts, FileRecord))
    return [target for path in paths if path not in known for target in files.undo(site, path)]


def rest(site: Site, done: Collection[str]) -> Plan:
    """The state directory goes, but for the receipts of the targets that are not ``done``."""
    left, state = [target for target in _targets(site) if target.name not in done], site.state
    orphans = tuple(map(str, states.orphans(besides=site.state)))
    if not left:
        before = "receipts, identity, data\n" if state.is_dir() else None
        everything = [receipt.number for receipt in site.receipts]
        change = Change(str(state), "delete", before, None, lambda: _forget(state, everything, [state]))
        return Plan((change,), target=str(site.project), reason="nothing of ours is left", warnings=orphans)
    kept = {number for target in left for number in target.receipts}
    gone = [receipt for receipt in site.receipts if receipt.number not in kept]
    needed = {*NEEDED, *(name for target in left for name in target.needs)}
    data = sorted(path for path in state.iterdir() if path.name not in needed) if state.is_dir() else []
    change = Change(
        target="receipts of what is done",
        action="delete",
        before="".join(f"{name}\n" for name in [*(r.kind for r in gone), *(path.name for path in data)]) or None,
        after=None,
        apply=lambda: _forget(state, [receipt.number for receipt in gone], data),
    )
    return Plan((change,), target=str(site.project), reason="the receipts of what is left stay", warnings=orphans)


def _forget(state: Path, numbers: Sequence[int], data: Sequence[Path]) -> None:
    """The receipts go before what they need: a kill in between must leave none that cannot be read any more."""
    receipts.forget(state, numbers)
    for path in data:
        _remove_tree(path)


def _remove_tree(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise TaskError(f"cannot remove {error.filename}: {error.strerror}", hint=sh("rm -r {}", path)) from None
