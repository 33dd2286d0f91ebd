"""Take back what the receipts say was applied: Airflow stopped, AWS entries deleted, every file back to its bytes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Change, Plan, TaskError
from aws_airflow_tasks.patch import dotenv, yaml_positions
from aws_airflow_tasks.patch.reverse import reverse, unproven
from aws_airflow_tasks.runtimes import Runtime
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import mount
from aws_airflow_tasks.steps.env import ENV
from aws_airflow_tasks.steps.mount import OVERRIDE
from aws_airflow_tasks.steps.secrets import TAG
from aws_airflow_tasks.world import aws, files, receipts
from aws_airflow_tasks.world import state as states
from aws_airflow_tasks.world.receipts import Receipt

#: what Airflow itself has written since, by runtime: it may be wanted, so it stays
KEPT = {
    "docker": "Airflow's database and logs stay in Docker's volumes: docker volume ls",
    "standalone": "Airflow's database and logs stay in .astro/standalone, its packages in .venv",
}


def plan(settings: Settings, state: Path) -> Plan:
    """One change for each target that the receipts name: what is running first, then AWS, then the files.

    Raises:
        TaskError: something of ours cannot be told from what the person changed since; the hint says what to remove.
    """
    journal = receipts.load(state)
    changes = [_runtime(settings, state, group) for group in _by_target(journal, "runtime")]
    changes += [_secret(settings, state, group) for group in _by_target(journal, "secret")]
    restored = {group[0].content["path"]: _restored(settings, state, group) for group in _by_target(journal, "file")}
    changes += [_file(settings, group, restored) for group in _by_target(journal, "file")]
    changes += [_init(settings, group, restored) for group in _by_target(journal, "init")]
    changes += [_restarted(settings, state, group) for group in _by_target(journal, "runtime")]
    changes.append(_state(state))
    started = {receipt.content["runtime"] for receipt in journal if receipt.kind == "runtime"}
    warnings = tuple(text for name, text in KEPT.items() if name in started)
    return Plan(tuple(changes), target=str(settings.project), reason="nothing of ours is left", warnings=warnings)


def _by_target(journal: Sequence[Receipt], kind: str) -> list[list[Receipt]]:
    """The receipts of a kind, those of one target together, the newest first."""
    groups: dict[str, list[Receipt]] = {}
    for receipt in reversed(journal):
        if receipt.kind == kind:
            target = str(receipt.content.get("path") or receipt.content.get("name") or kind)
            groups.setdefault(target, []).append(receipt)
    return list(groups.values())


def _runtime(settings: Settings, state: Path, group: list[Receipt]) -> Change:
    """What we started is stopped, in the runtime it was started in; what that made is removed, but for its data."""
    runtime, first = _started(settings, state, group), group[-1].content
    there = "".join(f"{service.name}: running\n" for service in runtime.running())
    if first.get("made"):
        return Change("Airflow", "remove", there or _left(runtime), None, runtime.discard)
    return Change("Airflow", "stop", None if first.get("running") else there or None, None, runtime.stop)


def _started(settings: Settings, state: Path, group: list[Receipt]) -> Runtime:
    return runtimes.choose(replace(settings, runtime=group[0].content["runtime"]), state)


def _left(runtime: Runtime) -> str | None:
    return "its containers\n" if runtime.made() else None


def _restarted(settings: Settings, state: Path, group: list[Receipt]) -> Change:
    """What ran before we came is started again with the files that it had."""
    runtime, before = _started(settings, state, group), "running with our mount and environment\n"
    ran = group[-1].content.get("running") and runtime.running()
    return Change(
        target="Airflow",
        action="restart",
        before=before if ran else None,
        after="running with the files from before\n" if ran else None,
        apply=lambda: runtime.start({}, restart=True, wait=settings.wait),
    )


def _secret(settings: Settings, state: Path, group: list[Receipt]) -> Change:
    """Only what both the receipt and the tag claim is deleted, with no recovery window."""
    made = group[0].content
    where = replace(settings, profile=made["profile"], region=made["region"], endpoint_url=made["endpoint_url"])
    account = aws.connect(where)
    found = aws.describe_secret(account, made["name"])
    mine = found is not None and found.tags.get(TAG) == states.project_id(state) and not found.pending_deletion
    arn = found.arn if found else ""
    return Change(
        target=f"secret {made['name']}",
        action="delete",
        before="exists\n" if mine else None,
        after=None,
        apply=lambda: aws.delete_secret(account, arn),
    )


def _restored(settings: Settings, state: Path, group: list[Receipt]) -> bytes | None:
    """What a file was before all of its changes, taken back from the newest to the oldest."""
    name = str(group[0].content["path"])
    data = now = files.read(settings.project / name)
    for receipt in receipts.since(receipts.of_file(group[::-1], name), data):
        back = reverse(
            data,
            receipts.traces(state, receipt),
            before=receipt.content["before"],
            after=receipt.content["after"],
            keys=receipt.content.get("keys"),
            objection=_unreadable if name == OVERRIDE else unproven,
        )
        if back.outcome == "refusal":
            if name == OVERRIDE and now and (left := mount.withdrawn(settings, state, now)) != now:
                return left
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


def _file(settings: Settings, group: list[Receipt], restored: Mapping[str, bytes | None]) -> Change:
    name = str(group[0].content["path"])
    now, data = files.read(settings.project / name), restored[name]
    return Change(
        target=name,
        action="restore" if data is not None else "delete",
        before=_text(now),
        after=_text(data),
        apply=lambda: _write(settings.project / name, now, data, group[-1].content.get("folders", [])),
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


def _init(settings: Settings, group: list[Receipt], restored: Mapping[str, bytes | None]) -> Change:
    """What `astro dev init` made goes, but for the files that were changed since."""
    made = {name: digest for receipt in group for name, digest in receipt.content["made"].items()}

    def left() -> list[str]:
        return [name for name, digest in made.items() if digest and _digest(settings, name, restored) == digest]

    listing = "".join(f"{name}\n" for name in left())
    folders = [settings.project / name for name in sorted(made) if name.endswith("/")]
    return Change(
        target="the files of `astro dev init`",
        action="delete",
        before=listing or None,
        after=None,
        apply=lambda: _remove([settings.project / name for name in left()], folders),
    )


def _digest(settings: Settings, name: str, restored: Mapping[str, bytes | None]) -> str:
    data = restored[name] if name in restored else files.read(settings.project / name)
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
