"""Airflow's services carry the credentials directory, read-only, through ``docker-compose.override.yml``."""

from __future__ import annotations

import os
import re
import shutil
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from aws_airflow_tasks.core import Plan, Target, TaskError, Trace, sh
from aws_airflow_tasks.patch import Patch, compose, dotenv
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import env, files
from aws_airflow_tasks.steps.places import OVERRIDE
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.redaction import yaml_redactor
from aws_airflow_tasks.world import delivery, receipts, staging
from aws_airflow_tasks.world import state as states
from aws_airflow_tasks.world.receipts import FileRecord, Kept

#: names that Compose itself knows, and the Astro CLI does not
UNREAD = ("docker-compose.override.yaml", "compose.override.yml", "compose.override.yaml")


_VARIABLE = rb"\b(AWS|AIRFLOW)_\w+[\"']?[ ]*[=:]"


def plan(site: Site) -> Plan:
    """One volume a service, in one plan for all services; none for those of another version of Airflow.

    Raises:
        TaskError: someone else's mount has the target, or the file cannot be patched with proof.
    """
    runtime = site.runtime
    if not runtime.mounts:
        return Plan(skipped=True, target=OVERRIDE, reason=f"the {runtime.name} runtime reads this host's files itself")
    known, services, data = site.delivered, runtime.services(), site.read(OVERRIDE)
    patch = compose.ensure(
        data,
        services,
        compose.Mount(_source(known.directory), site.settings.mount_path, long=known.staged),
        host=_host(site),
        ours=(str(states.root()), *_written(site)),
        absent_from=[name for name in runtime.names if name not in services],
        replace_conflicts=site.settings.override,
        unwelcome=partial(env.unwelcome, site),
    )
    more = _before_us(site, data, str(known.directory)) if patch.outcome == "edits" else {}
    more |= {"shown": yaml_redactor(), "source": str(known.directory)}
    planned = files.plan("mount", site.project, OVERRIDE, patch, mode=files.SHARED, **more)
    beaten = [change for each in _env_files(site, data) for change in each.changes]
    warnings = (*_unread(site), *_unseen(site), *(_unlike_teammates(site) if planned.needed else ()))
    return planned._replace(changes=(*planned.changes, *beaten), warnings=(*planned.warnings, *warnings))


def _env_files(site: Site, data: bytes | None) -> Iterator[Plan]:
    """Files that ``env_file:`` names, which win over ``.env``, without what beats a line of ours.

    Raises:
        TaskError: there is such a line, and it is not asked for, or the file is none of the project's.
    """
    named = dict[str, list[str]]()
    for path, services in compose.env_files(data, site.runtime.services()).items():
        named.setdefault(os.path.normpath(path), []).extend(services)
    for path, services in named.items():
        text = site.read(path) if path != env.ENV else None
        try:
            found = env.unwelcome(site, dotenv.read(text or b"", "compose", os.environ))
        except ValueError:
            continue
        if not found:
            continue
        why = {name: f"{said} (env_file of {', '.join(services)})" for name, said in found.items()}
        within = not Path(path).is_absolute() and not path.startswith("..")
        patch = dotenv.plan(text, {}, override=site.settings.override and within, unwelcome=why)
        if patch.outcome == "conflict" and not within:
            raise TaskError(f"{path}: {patch.reason}", hint=patch.by_hand)
        keys = dotenv.written(patch, dict.fromkeys(why))
        yield files.plan("mount", site.project, path, patch, shown=dotenv.redactor(), keys=keys)


def _unread(site: Site) -> tuple[str, ...]:
    """Overrides of a name that the Astro CLI does not read."""
    there = [name for name in UNREAD if os.path.lexists(site.project / name)]
    return tuple(f"the Astro CLI does not read {name}: move what it says to {OVERRIDE}" for name in there)


def _unseen(site: Site) -> tuple[str, ...]:
    """A mount that would be empty, as the engine does not see its source."""
    directory = site.delivered.directory
    if not delivery.unseen_by_snap(directory, Path.home(), shutil.which("docker") or "", os.environ):
        return ()
    cure = f'export XDG_STATE_HOME="$HOME/airflow-state"   # in your shell\'s profile; then: {command("setup")}'
    live = "" if site.delivered.staged else "set credentials to export, and "
    return (f"Docker from snap sees no hidden directories, and {_source(directory)} is empty for it; {live}{cure}",)


def _unlike_teammates(site: Site) -> tuple[str, ...]:
    """What to know of a line that a shared file has otherwise, as another checkout here has the project's name."""
    plain = states.plain(site.project)
    if not site.delivered.staged or plain == site.state:
        return ()
    ours, theirs = (_source(staging.folder(state)) for state in (site.state, plain))
    keep = sh("git update-index --skip-worktree {}", OVERRIDE)
    return (
        f"this checkout's line names {ours}, a teammate's or another checkout's {theirs}: keep {OVERRIDE} out of your"
        f" commits: {keep}",
    )


def _source(directory: Path) -> str:
    return delivery.source(directory, Path.home())


def _host(site: Site) -> compose.Host:
    return compose.Host(str(Path.home()), str(site.project), os.environ)


def _ours(site: Site) -> list[Kept[FileRecord]]:
    return receipts.of_file(site.receipts, OVERRIDE)


def _written(site: Site) -> list[str]:
    """The directories that we mounted before, such as the person's own when credentials were live."""
    return sorted({kept.record.source for kept in _ours(site)} - {""})


def _before_us(site: Site, data: bytes | None, source: str) -> dict[str, Any]:
    """For the record: the services that carried such a volume before us, and what there was with nothing in it."""
    earlier = _ours(site)
    last = earlier[-1].record if earlier else None
    if last and last.theirs is None:
        return {}  # version 0.1.0 did not write it down, and now it can no longer be told
    lent = () if source in _written(site) else (source,)
    ours = compose.Ours(() if earlier else (str(states.root()),), lent, site.settings.mount_path)
    theirs, empty = compose.survey(data, ours, host=_host(site))
    if last and last.theirs is not None:
        return {"theirs": sorted({*last.theirs, *theirs}), "empty": last.empty}
    return {"theirs": sorted(theirs), "empty": empty}


def undo(site: Site) -> list[Target]:
    """The override without any volume of ours, whoever copied, moved or renamed what we put in; and its env_files."""
    known = {kept.record.path for kept in receipts.of(site.receipts, FileRecord) if kept.record.keys is not None}
    beaten = [files.undo(site, path, shown=dotenv.redactor()) for path in sorted(known - {env.ENV})]
    return [
        *files.undo(site, OVERRIDE, objection=compose.misplaced, without=_without_ours, shown=yaml_redactor()),
        *chain(*beaten),
    ]


def _without_ours(site: Site, versions: Sequence[bytes]) -> bytes | None:
    for version in versions:
        patch = withdrawn(site, version)
        if patch.outcome != "refusal":
            return patch.after
    raise TaskError(f"it was edited since, and {patch.reason}", hint=patch.by_hand or f"less {OVERRIDE}")


def withdrawn(site: Site, data: bytes) -> Patch:
    """The override without any mount of ours, by what is mounted: the text around them may have been edited since.

    Args:
        site: the project.
        data: the file as it is.

    Returns:
        ``satisfied`` when nothing of ours is in it; ``edits``, with ``after`` None when nothing but our first line
        would be left of a file that we created; ``refusal``, with the lines to change by hand, where one of ours cannot
        be taken out with proof, or took the place of somebody else's.
    """
    changes = _ours(site)
    splices = [trace for kept in changes for trace in receipts.traces(site.state, kept)]
    places = [receipts.replaced(site.state, kept, index) for kept in changes for index in range(len(kept.record.edits))]
    patch = compose.take_out(
        data,
        _volumes(site, splices),
        host=_host(site),
        blocks=[trace.new or b"" for trace in splices],
        replaced=_replaced(site, dict(zip(places, splices, strict=True))),
    )
    created = bool(changes) and changes[0].record.before is None
    if created and patch.outcome != "refusal":
        return patch._replace(outcome="edits", after=_without_header(patch.after or b""))
    return patch


def _volumes(site: Site, splices: Sequence[Trace]) -> compose.Ours:
    """How to tell our volumes: what version 0.1.0 did not write down is taken from the text that we put in."""
    known = next((kept.record for kept in _ours(site) if kept.record.theirs is not None), None)
    root, written, names = str(states.root()), _written(site), site.runtime.names
    text = b"\n".join(trace.new or b"" for trace in splices)
    filled = [name for name in names if not re.search(rf"(?<![\w-]){name}[\"']?[ ]*:".encode(), text)]
    return compose.Ours(
        roots=(root, *(path for path in written if Path(path).is_relative_to(site.state))),
        lent=[path for path in written if not Path(path).is_relative_to(root)],
        target=site.settings.mount_path,
        theirs=(known.theirs if known else None) or (),
        services=None if known else names,
        empty=(known.empty or ()) if known else filled,
    )


def _replaced(site: Site, splices: Mapping[Path, Trace]) -> str:
    """What is theirs and gave way to ours: mounts at our target, and variables that beat a line of ours.

    Values are hidden; the file that a piece lies in is named then.
    """
    names = [_source(Path(path)).encode() for path in (str(states.root()), *_written(site))]
    target = site.settings.mount_path.encode()
    found: dict[str, Path] = {}
    for place, trace in splices.items():
        old = trace.old
        if (target in old or re.search(_VARIABLE, old)) and not any(name in old for name in names):
            found.setdefault(old.decode(errors="replace").strip(), place)
    shown = {text: yaml_redactor()(text) for text in found}
    return "\n".join(shown[text] + (f"\n# whole: {place}" * (shown[text] != text)) for text, place in found.items())


def _without_header(data: bytes) -> bytes | None:
    """A file that we created without our first line, wherever it is and however it ends now; None: nothing is left."""
    lines = data.splitlines(keepends=True)
    left = b"".join(line for line in lines if line.removeprefix(BOM_UTF8).strip() != compose.HEADER.strip().encode())
    return left if left.removeprefix(BOM_UTF8).strip() else None
