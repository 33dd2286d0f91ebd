"""Take back what the receipts say was applied: Airflow stopped, AWS entries deleted, every file back to its bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.backends import secrets_manager
from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.patch.requirements import NAME as REQUIREMENTS
from aws_airflow_tasks.patch.reverse import no_objection, reverse
from aws_airflow_tasks.patch.yaml import positions as yaml_positions
from aws_airflow_tasks.runtimes.protocol import Runtime
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import mount, provider
from aws_airflow_tasks.steps.env import ENV
from aws_airflow_tasks.steps.mount import OVERRIDE
from aws_airflow_tasks.steps.secrets import TAG
from aws_airflow_tasks.world import files, receipts
from aws_airflow_tasks.world import state as states
from aws_airflow_tasks.world.receipts import Receipt


def plan(site: Site) -> Plan:
    """One change for each target that the receipts name: what is running first, then AWS, then the files.

    Raises:
        TaskError: something of ours cannot be told from what the person changed since; the hint says what to remove.
    """
    journal = list(site.receipts)
    changes = [_runtime(site, group) for group in _by_target(journal, "runtime")]
    changes += [_secret(site, group) for group in _by_target(journal, "secret")]
    restored = {group[0].content["path"]: _restored(site, group) for group in _by_target(journal, "file")}
    changes += [_file(site, group, restored) for group in _by_target(journal, "file")]
    changes += [_init(site, group, restored) for group in _by_target(journal, "init")]
    changes += [_restarted(site, group) for group in _by_target(journal, "runtime")]
    changes.append(_state(site.state))
    started = {receipt.content["runtime"] for receipt in journal if receipt.kind == "runtime"}
    warnings = tuple(kept for name in started if (kept := runtimes.ALL[name].kept))
    warnings += tuple(map(str, states.orphans(besides=site.state)))
    return Plan(tuple(changes), target=str(site.project), reason="nothing of ours is left", warnings=warnings)


def _by_target(journal: Sequence[Receipt], kind: str) -> list[list[Receipt]]:
    """The receipts of a kind, those of one target together, the newest first."""
    groups: dict[str, list[Receipt]] = {}
    for receipt in reversed(journal):
        if receipt.kind == kind:
            target = str(receipt.content.get("path") or receipt.content.get("name") or kind)
            groups.setdefault(target, []).append(receipt)
    return list(groups.values())


def _runtime(site: Site, group: list[Receipt]) -> Change:
    """What we started is stopped, in the runtime it was started in; what that made is removed, but for its data."""
    runtime, first = _started(site, group), group[-1].content
    there = "".join(f"{service.name}: running\n" for service in runtime.running())
    if first.get("made"):
        return Change("Airflow", "remove", there or _left(runtime), None, runtime.discard)
    return Change("Airflow", "stop", None if first.get("running") else there or None, None, runtime.stop)


def _started(site: Site, group: list[Receipt]) -> Runtime:
    return Site(replace(site.settings, runtime=group[0].content["runtime"])).runtime


def _left(runtime: Runtime) -> str | None:
    return "its containers\n" if runtime.made() else None


def _restarted(site: Site, group: list[Receipt]) -> Change:
    """What ran before we came is started again with the files that it had."""
    runtime, before = _started(site, group), "running with our mount and environment\n"
    ran = group[-1].content.get("running") and runtime.running()
    return Change(
        target="Airflow",
        action="restart",
        before=before if ran else None,
        after="running with the files from before\n" if ran else None,
        apply=lambda: runtime.start({}, restart=True, wait=site.settings.wait),
    )


def _secret(site: Site, group: list[Receipt]) -> Change:
    """Only what both the receipt and the tag claim is deleted, with no recovery window."""
    made = group[0].content
    where = replace(site.settings, profile=made["profile"], region=made["region"], endpoint_url=made["endpoint_url"])
    account = Site(where).account
    found = secrets_manager.describe(account, made["name"])
    mine = found is not None and found.tags.get(TAG) == states.project_id(site.state) and not found.pending_deletion
    arn = found.id if found else ""
    return Change(
        target=f"secret {made['name']}",
        action="delete",
        before="exists\n" if mine else None,
        after=None,
        apply=lambda: secrets_manager.delete(account, arn),
    )


def _restored(site: Site, group: list[Receipt]) -> bytes | None:
    """What a file was before all of its changes, taken back from the newest to the oldest."""
    name = str(group[0].content["path"])
    data = now = files.read(site.project / name)
    for receipt in receipts.since(receipts.of_file(group[::-1], name), data):
        back = reverse(
            data,
            receipts.traces(site.state, receipt),
            before=receipt.content["before"],
            after=receipt.content["after"],
            keys=receipt.content.get("keys"),
            objection=_unreadable if name == OVERRIDE else no_objection,
        )
        if back.outcome == "refusal":
            if name == OVERRIDE and now and (left := mount.withdrawn(site, now)) != now:
                return left
            if name == REQUIREMENTS and now is not None:
                left = provider.withdrawn(site, now)
                return None if group[-1].content["before"] is None and not left.strip() else left
            raise TaskError(f"{name}: {back.reason}", hint=back.by_hand or f"less {name}")
        data = back.after
    return data


def _unreadable(before: bytes, after: bytes) -> str:
    """Why a compose file that was edited since must not become ``after``."""
    try:
        yaml_positions.parse(after.decode("utf-8-sig"))
    except (yaml_positions.Refused, UnicodeDecodeError) as error:
        return f"without our lines it could not be read: {error}"
    return ""


def _file(site: Site, group: list[Receipt], restored: Mapping[str, bytes | None]) -> Change:
    name = str(group[0].content["path"])
    now, data = files.read(site.project / name), restored[name]
    folders = [os.path.normpath(site.project / folder) for folder in group[-1].content.get("folders", [])]
    return Change(
        target=name,
        action="restore" if data is not None else "delete",
        before=_text(now),
        after=_text(data),
        apply=lambda: _write(site.project / name, now, data, folders),
        shown=dotenv.redactor() if name == ENV else str,
        file=True,
    )


def _write(path: Path, now: bytes | None, data: bytes | None, folders: Sequence[str]) -> None:
    files.replace(path, now, data)
    if data is None:
        cache = path.parent / "__pycache__"
        for compiled in cache.glob(f"{path.stem}.*.pyc"):
            compiled.unlink(missing_ok=True)
        files.remove_empty([*map(Path, folders), cache] if cache.is_dir() else [*map(Path, folders)])


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", errors="surrogateescape")


def _init(site: Site, group: list[Receipt], restored: Mapping[str, bytes | None]) -> Change:
    """What `astro dev init` made goes, but for the files that were changed since."""
    made = {name: digest for receipt in group for name, digest in receipt.content["made"].items()}

    def left() -> list[str]:
        return [name for name, digest in made.items() if digest and _digest(site, name, restored) == digest]

    listing = "".join(f"{name}\n" for name in left())
    folders = [site.project / name for name in sorted(made) if name.endswith("/")]
    return Change(
        target="the files of `astro dev init`",
        action="delete",
        before=listing or None,
        after=None,
        apply=lambda: _remove([site.project / name for name in left()], folders),
    )


def _digest(site: Site, name: str, restored: Mapping[str, bytes | None]) -> str:
    data = restored[name] if name in restored else files.read(site.project / name)
    return "" if data is None else hashlib.sha256(data).hexdigest()


def _remove(paths: Sequence[Path], folders: Sequence[Path]) -> None:
    for path in paths:
        files.replace(path, files.read(path), None)
    files.remove_empty(folders)


def _state(state: Path) -> Change:
    """The state directory goes last: with it the receipts, and all that is ours outside the project."""
    return Change(
        target=str(state),
        action="delete",
        before="receipts, identity, data\n" if state.is_dir() else None,
        after=None,
        apply=lambda: _forget(state),
    )


def _forget(state: Path) -> None:
    try:
        shutil.rmtree(state)
    except OSError as error:
        raise TaskError(f"cannot remove {error.filename}: {error.strerror}", hint=f"rm -r '{state}'") from None
