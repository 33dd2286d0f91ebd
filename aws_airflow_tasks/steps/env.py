"""``.env`` holds every line we keep in it, consistent with the mount."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from aws_airflow_tasks import backends
from aws_airflow_tasks.backends import arguments
from aws_airflow_tasks.backends.arguments import Objection
from aws_airflow_tasks.core import Plan, Target, TaskError
from aws_airflow_tasks.patch import Patch, dotenv
from aws_airflow_tasks.runtimes import Runtime, precedence
from aws_airflow_tasks.runtimes.precedence import BACKEND, KWARGS, Finding
from aws_airflow_tasks.settings import is_allowed
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import files, places
from aws_airflow_tasks.steps.places import Placed
from aws_airflow_tasks.text.calling import command, flag, under
from aws_airflow_tasks.text.hints import no_region, note, where
from aws_airflow_tasks.text.redaction import SUSPECT
from aws_airflow_tasks.world import delivery, receipts
from aws_airflow_tasks.world.endpoints import EVERYTHING, is_loopback
from aws_airflow_tasks.world.profiles import Credentials

ENV = ".env"
PROFILE = "AWS_PROFILE"
#: the settings that a line follows from alone, and those of them that are flags
LINES = {PROFILE: "profile", "AWS_DEFAULT_REGION": "region", EVERYTHING: "endpoint_url"}
FLAGS = ("profile", "region")
#: the files that a line leads to, below ``mount_path``
FILES = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}


def plan(site: Site) -> Plan:
    """The lines of :func:`wanted`, in one plan, and none that beats one of them.

    Raises:
        TaskError: a line of the person's says otherwise, or no region is known.
    """
    lines, known, data = wanted(site), site.delivered, site.read(ENV)
    there, beneath, kept = _read(site.runtime, data), places.beneath(site), ours(site, lines)
    judged = {name: value for name, value in there.items() if name != PROFILE or lines[PROFILE]}  # or taken out
    found = precedence.find({name: each.value for name, each in beneath.items()} | judged, kept)
    conflicts = [each for each in found if each.weight == "conflict"]
    current, wanted_value = there.get(KWARGS), lines[KWARGS]
    if current and wanted_value and there.get(BACKEND, lines[BACKEND]) == lines[BACKEND]:
        lines[KWARGS] = _joined(site, current, wanted_value)
    lines |= _over(site, kept, [each for each in conflicts if each.name in beneath], beneath, there)
    unwelcome = {each.name: each.means for each in conflicts if each.name not in beneath}
    patch = dotenv.plan(
        data,
        lines,
        ours=receipts.written_values(site.receipts, ENV),
        override=site.settings.override,
        objection=partial(objection, site),
        unwelcome=unwelcome,
    )
    planned = files.plan(
        "env",
        site.project,
        ENV,
        patch,
        mode=0o600,
        shown=dotenv.redactor(),
        agreeing=_agreeing(site, patch, lines),
        keys=dotenv.written(patch, {**lines, **dict.fromkeys(unwelcome)}),
        shell={} if site.settings.endpoint_url else known.outside,
    )
    said = [
        f"{ENV if each.name in there else beneath[each.name].said}: {each.said}"
        for each in found
        if each.weight == "warning"
    ]
    return planned._replace(warnings=(*planned.warnings, *said))


def _over(
    site: Site,
    kept: precedence.Ours,
    conflicts: Sequence[Finding],
    beneath: Mapping[str, Placed],
    there: Mapping[str, str],
) -> dict[str, str]:
    """Lines that win over what the Dockerfile or ``airflow.cfg`` sets, and that do nothing else.

    Raises:
        TaskError: they are not asked for, or no line would do.
    """
    lines = {each.name: precedence.neutral(each.name, kept) for each in conflicts}
    may = {name for name, value in lines.items() if value is not None and (site.settings.override or name in there)}
    stuck = [each for each in conflicts if each.name not in may]
    if stuck:
        said = "; ".join(f"{beneath[each.name].said}: {each.said}" for each in stuck)
        by_hand = "\n".join(f"(remove {each.name}, {beneath[each.name].said})" for each in stuck)
        instead = (
            f"{command('env', '--override')}   # a line in {ENV} wins over it, until `{command('undo')}`; or by hand:\n"
        )
        raise TaskError(said, hint=by_hand if None in lines.values() else instead + by_hand)
    return {name: value for name, value in lines.items() if value is not None}


def unwelcome(site: Site, variables: Mapping[str, str]) -> dict[str, str]:
    """By name why variables that win over ``.env`` cannot stay: they beat a line of ours, or differ from one.

    No fact is asked where none of them can have to do with ours.
    """
    if not any(name.startswith(("AWS_", "AIRFLOW_")) for name in variables):
        return {}
    lines = wanted(site)
    kept = ours(site, lines)
    found = precedence.find({**_read(site.runtime, site.read(ENV)), **variables}, kept)
    against = {each.name: each.means for each in found if each.weight == "conflict" and each.name in variables}
    differing = {
        name: f"it wins over the line of {ENV}"
        for name, value in kept.lines.items()
        if name in variables and objection(site, name, variables[name], value)
    }
    return differing | against


def in_override(names: Collection[str]) -> str:
    """What shows where the override sets variables that win over ours."""
    return f"{where(names, places.OVERRIDE)}   # `environment:` wins over {ENV}"


def way_out(site: Site, names: Collection[str], otherwise: str) -> str:
    """The command that takes out what beats ours in a process, or looks for it; ``otherwise``: no file sets it."""
    data = site.read(places.OVERRIDE) or b""
    if site.runtime.mounts and any(name.encode() in data for name in names):
        return in_override(sorted(names))
    there = {**_read(site.runtime, site.read(ENV)), **places.beneath(site)}
    return f"{command('env', '--override')} && {command('start')}" if there.keys() & set(names) else otherwise


def _read(runtime: Runtime, data: bytes | None) -> dict[str, str]:
    try:
        return dotenv.read(data or b"", runtime.reads, os.environ)
    except ValueError:  # what the reader rejects, the patcher refuses or warns of
        return {}


def ours(site: Site, lines: Mapping[str, str | None]) -> precedence.Ours:
    """What Airflow is to resolve with ``lines``, those of :func:`wanted`."""
    kept, known = {name: value for name, value in lines.items() if value is not None}, site.delivered
    return precedence.Ours(
        kept,
        lambda text: not objection(site, KWARGS, text, kept[KWARGS]),
        frozenset(_profiles(site)),
        known.endpoints,
        site.runtime.version(),
        metadata=known.source == "metadata" and not known.staged,
        assumes=known.kind in ("assume-role", "mfa") and not known.staged,
    )


def undo(site: Site) -> list[Target]:
    """``.env`` without our lines, and with the values that ours took the place of."""
    return files.undo(site, ENV, shown=dotenv.redactor())


def wanted(site: Site) -> dict[str, str | None]:
    """Every line that we keep, and None for those that we would take out again.

    A staged copy has the profile as ``[default]``, and containers need no name for it: `astro dev pytest` and
    `astro dev parse`, which get ``.env`` and no mount, could make no client with one.
    """
    settings, known = site.settings, site.delivered
    if not known.staged and (misled := delivery.misled(settings, known)):
        raise TaskError(f"not with credentials=live: {misled}", hint=under({"credentials": "export"}, "setup"))
    _reachable(site, known)
    if not known.region:
        raise TaskError(
            f"no region is set for profile {known.profile}",
            hint=no_region(known.profile),
        )
    path, backend = site.runtime.credentials(known.directory), site.backend
    earlier = {name for name in receipts.written_values(site.receipts, ENV) if name.startswith(EVERYTHING)}
    return {
        "AWS_CONFIG_FILE": f"{path}/{known.config_file.name}",
        "AWS_SHARED_CREDENTIALS_FILE": f"{path}/{known.credentials_file.name}",
        PROFILE: None if site.runtime.mounts and known.staged else known.profile,
        "AWS_DEFAULT_REGION": known.region,
        "AWS_EC2_METADATA_DISABLED": None if known.source == "metadata" and not known.staged else "true",
        **dict.fromkeys(sorted({EVERYTHING} | earlier)),
        **known.outside,
        BACKEND: backend.CLASS if backend else None,
        KWARGS: dotenv.json_value(backend.kwargs(settings, known)) if backend else None,
    }


def _reachable(site: Site, known: Credentials) -> None:
    """Raise TaskError when an endpoint is this host's loopback, which a container's own is not."""
    for name, url in known.endpoints.items():
        if site.runtime.mounts and is_loopback(url):
            raise TaskError(
                f"{known.origin(site.settings, name)} {url} is this host's loopback, which containers cannot reach",
                hint=note(
                    "bind it to the Docker bridge's address and name that, such as http://172.17.0.1:5000 "
                    "(Docker Desktop: http://host.docker.internal:5000)"
                ),
            )


def objection(site: Site, key: str, current: str, wanted_value: str | None) -> str:
    """Why a line's value will not do, in words that follow its key; empty: it will.

    Of the backend's arguments the person may have others, and further ones, that come to the same; where the profile
    needs no line, one that names what the copy has.
    """
    if key == PROFILE and current in _profiles(site):
        return ""
    if key == PROFILE and wanted_value is None:
        return dotenv.instead(key, current, None)
    if key != KWARGS or wanted_value is None or not current:
        return dotenv.difference(key, current, wanted_value)
    said = _against(site, current, wanted_value)
    return ": " + ", ".join(each.words for each in said) if said else ""


def _profiles(site: Site) -> Collection[str]:
    """The names that the profile has where Airflow is."""
    known = site.delivered
    return {known.profile, "default"} if known.staged else {known.profile}


def _against(site: Site, current: str, wanted_value: str) -> tuple[Objection, ...]:
    assert site.backend is not None
    return arguments.objections(site.backend, site.settings, _profiles(site), current, wanted_value)


def _joined(site: Site, current: str, wanted_value: str) -> str:
    """Our arguments for the backend with those of the person's beside which they hold."""
    assert site.backend is not None
    found = arguments.joined(site.backend, site.settings, _profiles(site), current, wanted_value)
    return dotenv.json_value(found)


def _agreeing(site: Site, patch: Patch, lines: Mapping[str, str | None]) -> str:
    """The command whose flags and settings agree with every line that a conflict is about; empty: there is none."""
    values = _values(patch)
    chosen: dict[str, str] = {}
    for key in patch.keys:
        if key == KWARGS and BACKEND in patch.keys:
            continue  # another class, whose arguments they are
        for setting, value in _settings(site, key, values.get(key), lines.get(key) or ""):
            fit = bool(setting) and is_allowed(setting, value) and not re.search(SUSPECT, value)
            if not fit or chosen.setdefault(setting, value) != value:
                return ""
    flags = [flag(key, chosen[key]) for key in chosen if key in FLAGS]
    settings = {key: value for key, value in chosen.items() if key not in FLAGS}
    return under(settings, "env", " ".join(flags)) if chosen else ""


def _values(patch: Patch) -> Mapping[str, str]:
    try:
        return dotenv.read(patch.before or b"", "compose")
    except ValueError:
        return {}


def _settings(site: Site, key: str, value: str | None, wanted_value: str) -> Sequence[tuple[str, str]]:
    """The settings, with their values, under which ``value`` is what we want of ``key``; an empty name: none is."""
    if value is None:
        return [("", "")]
    if key == KWARGS:
        return [(each.setting, each.value) for each in _against(site, value, wanted_value)]
    if key == BACKEND:
        names = {each.CLASS: each.NAME for each in backends.ALL.values()}
        return [("backend", names.get(value, "none"))]
    folder, _, name = value.rpartition("/")
    if site.runtime.mounts and FILES.get(key) == name:
        return [("mount_path", folder)]
    return [(LINES.get(key, "") if value else "", value)]
