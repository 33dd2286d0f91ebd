"""From what a patcher says of a file to a plan, and the way back: for the steps that keep lines in people's files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aws_airflow_tasks.core import Change, Plan, Target, TaskError, digest, sh
from aws_airflow_tasks.patch import Patch
from aws_airflow_tasks.patch.reverse import no_objection, reverse
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.world import files, receipts, trust
from aws_airflow_tasks.world.receipts import FileRecord, Kept

#: the mode of a file of the project that another user id reads in a container, or in an image
SHARED = 0o644


def plan(
    task: str,
    project: Path,
    name: str,
    patch: Patch,
    *,
    mode: int | None = None,
    shown: Callable[[str], str] = cleaned,
    agreeing: str = "",
    **receipt: Any,
) -> Plan:
    """The plan for one file of the project.

    Args:
        task: the task that keeps lines in it.
        project: the project directory.
        name: the file's path in it.
        patch: what the patcher says.
        mode: the mode of a file that is created; None: by the umask.
        shown: redacts the file's text for the diff.
        agreeing: the command that agrees with what a conflict is about; empty: there is none.
        receipt: what else ``undo`` needs to know.

    Raises:
        TaskError: a conflict or a refusal; the hint has the lines to change by hand. Or a symlink leads out of the
            project, which nobody has agreed to.
    """
    trust.keep_inside(project, name)
    if patch.outcome == "conflict":
        ways = [f"{command(task, '--override')}   # replaces it, and `{command('undo')}` gives it back"]
        ways += [f"{agreeing}{'; ' if '   # ' in agreeing else '   # '}agrees with it"] if agreeing else []
        hint = "; or\n".join(ways) + f"; or by hand:\n{patch.by_hand}"
        raise TaskError(f"{name}: {patch.reason}", hint=hint)
    if patch.outcome == "refusal":
        raise TaskError(f"{name}: {patch.reason}", hint=patch.by_hand)
    if patch.outcome == "satisfied":
        return Plan(target=name, reason=patch.reason, warnings=patch.warnings)
    folders = [os.path.relpath(folder, project) for folder in files.missing_parents(project / name)]
    change = Change(
        target=name,
        action="create" if patch.before is None else "patch",
        before=_text(patch.before),
        after=_text(patch.after),
        apply=lambda: files.replace(project / name, patch.before, patch.after, mode=mode),
        receipt=receipts.file_record(name, patch.before, patch.after, patch.edits, folders=folders, **receipt),
        shown=shown,
        reason=patch.reason,
        file=True,
    )
    return Plan((change,), warnings=patch.warnings)


def readable(site: Site, name: str, planned: Plan) -> Plan:
    """The plan for a file; where we made the file, with its directories, other users can read it: it is :data:`SHARED`.

    Earlier versions left that to the umask. What a person has made keeps its mode.
    """
    kept = receipts.of_file(site.receipts, name)
    if not kept or kept[0].record.before is not None or not hasattr(os, "fchmod"):  # Windows has no such modes
        return planned
    wanted = {name: SHARED} | dict.fromkeys(kept[0].record.folders, 0o755)
    opened = (_opened(site.project / path, path, mode) for path, mode in wanted.items())
    return planned._replace(changes=(*planned.changes, *filter(None, opened)))


def _opened(path: Path, name: str, mode: int) -> Change | None:
    """The change by which others have of a path what ``mode`` says; None where they do, and of what is not there."""
    if not path.exists():
        return None
    now = stat.S_IMODE(path.stat().st_mode)
    wanted = now | (mode & 0o055)

    def apply() -> None:
        with files.explained("change the mode of", path):
            path.chmod(wanted)

    why = "Airflow's user in the container is another one"
    change = Change(f"mode of {name}", "patch", f"{now:04o}\n", f"{wanted:04o}\n", apply, reason=why)
    return change if change.needed else None


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", errors="surrogateescape")


#: takes versions of a file that was edited since and gives the first without anything of ours; None: no file is left
Without = Callable[[Site, Sequence[bytes]], bytes | None]


def undo(
    site: Site,
    name: str,
    *,
    objection: Callable[[bytes, bytes], str] = no_objection,
    without: Without | None = None,
    shown: Callable[[str], str] = cleaned,
) -> list[Target]:
    """The file goes back to what it was before all of our changes.

    Args:
        site: the project.
        name: the file's path in it.
        objection: why a file that was edited since must not become what it would; see ``patch.reverse``.
        without: finds what is ours where text around it was edited; it may raise TaskError with the lines.
        shown: redacts the file's text for the diff.

    Returns:
        One target; none where we never changed the file.
    """
    kept = receipts.of_file(site.receipts, name)

    def plan() -> Plan:
        trust.keep_inside(site.project, name)
        now = files.read(site.project / name)
        data, warnings = _restored(site, name, kept, now, objection, without)
        folders = [Path(os.path.normpath(site.project / folder)) for folder in kept[0].record.folders]
        change = Change(
            target=name,
            action="restore" if data is not None else "delete",
            before=_text(now),
            after=_text(data),
            apply=lambda: _write(site.project / name, now, data, folders),
            shown=shown,
            file=True,
        )
        return Plan((change,), target=name, warnings=warnings)

    return [Target(name, plan, tuple(each.number for each in kept))] if kept else []


def _restored(
    site: Site,
    name: str,
    kept: Sequence[Kept[FileRecord]],
    now: bytes | None,
    objection: Callable[[bytes, bytes], str],
    without: Without | None,
) -> tuple[bytes | None, tuple[str, ...]]:
    """What the file was before, taken back from the newest change to the oldest, and what is to be said.

    Raises:
        TaskError: something of ours cannot be told from what the person changed since; the hint has the lines.
    """
    data, warnings = now, list[str]()
    chain = receipts.way_back(kept, data)
    for each in chain:
        before, after, keys = each.record.before, each.record.after, each.record.keys
        splices = receipts.traces(site.state, each)
        back = reverse(data, splices, before=before, after=after, keys=keys, objection=objection)
        if back.outcome == "refusal":
            if without and now is not None:
                return without(site, [now]), ()
            raise _beyond_telling(name, back, whole=chain[-1].record.before is None and keys is None)
        data = back.after
        warnings += back.warnings
    exact = not chain or digest(data) == chain[-1].record.before
    if without and now is not None and data is not None and not exact:
        data = without(site, [data, now])
    return data, tuple(warnings)


def _beyond_telling(name: str, back: Patch, *, whole: bool) -> TaskError:
    """``whole``: we made the file, not just lines in it."""
    if whole:
        return TaskError(back.reason, hint=sh("rm {}   # it is yours now: keep a copy of what you want of it", name))
    return TaskError(back.reason, hint=back.by_hand or sh("less {}", name))


def _write(path: Path, now: bytes | None, data: bytes | None, folders: Sequence[Path]) -> None:
    files.replace(path, now, data)
    if data is None:
        cache = path.parent / "__pycache__"
        for compiled in cache.glob(f"{path.stem}.*.pyc"):
            compiled.unlink(missing_ok=True)
        files.remove_empty([*folders, cache] if cache.is_dir() else folders)
