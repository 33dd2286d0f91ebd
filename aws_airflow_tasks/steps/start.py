"""Airflow runs, healthy, with exactly this mount and this environment; it is (re)started only when it does not.

What runs as it should and is only not healthy yet is waited for: started again it would begin from nothing.
"""

import contextlib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Change, Pending, Plan, Target, TaskError, digest, sh
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.runtimes import Runtime, Service, precedence
from aws_airflow_tasks.site import AIRFLOW, Site
from aws_airflow_tasks.steps import env, keeper, staging, unwell
from aws_airflow_tasks.steps.env import ENV
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import delivery, identity, receipts, seeing
from aws_airflow_tasks.world import files as world
from aws_airflow_tasks.world.aws import principal
from aws_airflow_tasks.world.receipts import Kept
from aws_airflow_tasks.world.staging import FOLDER

#: variables that make a difference even when ``.env`` no longer has them
OURS = ("AWS_", "AIRFLOW__SECRETS__", "AIRFLOW__WORKERS__SECRETS_", "AIRFLOW__AWS__", "AIRFLOW_CONN_AWS_DEFAULT")
#: in the state directory: what was otherwise than ``.env`` says right after the last start, and would be again
BEATEN = "beaten.json"
#: in the state directory: as whom Airflow was last started that reads the person's own files
STARTED_AS = "started_as"


def plan(site: Site) -> Plan:
    """Start, restart, wait, or nothing; what differs is named service by service, never with a value."""
    environment, runtime, running, stale = read_environment(site), site.runtime, site.running, _stale(site)
    wanted = {site.settings.mount_path: site.delivered.directory} if runtime.mounts else {}
    ignored = _without_effect(environment, site.state)
    effective = _apart(environment, ignored)
    seen = tuple(service._replace(environment=_apart(service.environment, ignored)) for service in running)
    differences = _differences(runtime, seen, effective, wanted, stale)
    if not differences:
        return Plan(keeper.changes(site), target=AIRFLOW, reason=f"{len(running)} services healthy")
    well = tuple(service._replace(healthy=True) for service in seen)
    crashes = any(service.crashes for service in running)
    slow = not crashes and not _differences(runtime, well, effective, wanted, stale) and not runtime.ailing()
    change = Change(
        target=AIRFLOW,
        action="wait" if slow else "restart" if running else "start",
        before="\n".join(differences) + "\n",
        after="".join(f"{name}: healthy, environment as in {ENV}\n" for name in runtime.services()),
        apply=lambda: _wait(site, environment) if slow else _start(site, environment, stale),
        receipt=None if slow else _receipt(site),
        reason="; ".join(differences) if running or site.settings.check else "was not running",
    )
    return Plan((change, *keeper.changes(site)))


@receipts.kind("runtime")
class Started(NamedTuple):
    """What there was before our first start in a runtime: what ``undo`` goes back to.

    Attributes:
        runtime: its name.
        running: whether Airflow ran.
        made: whether nothing of it was there, so that what there is now came of us.
    """

    runtime: str
    running: bool
    made: bool = False


def _receipt(site: Site) -> Started | None:
    runtime = site.runtime
    if any(kept.record.runtime == runtime.name for kept in receipts.of(site.receipts, Started)):
        return None
    return Started(runtime.name, bool(site.running), not runtime.made())


def _wait(site: Site, environment: Mapping[str, str]) -> None:
    try:
        site.runtime.await_healthy(environment, wait=site.settings.wait)
    except TaskError as error:
        if (known := unwell.by_its_words(site, error)) is not error:
            raise known from None  # what mends that; beginning anew alone does not
        again = f"{command('stop')} && {command('start')}   # begins from nothing, if waiting longer does not help"
        raise TaskError(error.message, hint=f"{error.hint}\n{again}".strip()) from None


def _stale(site: Site) -> Collection[str]:
    """The services that may hold another's keys, by their ``identity``: no process reads keys that do not end again."""
    if site.way.name != "live":
        return staging.stale(site)
    earlier, now = (world.read(site.state / STARTED_AS) or b"").decode(), _as_whom(site)
    return [service.identity for service in site.running] if earlier and now and earlier != now else ()


def _as_whom(site: Site) -> str:
    """Who we are, hashed; empty where it is not known: the steps that need files alone go on without AWS."""
    found = identity.remembered(site.settings, site.state)
    with contextlib.suppress(TaskError):
        found = found or (site.identity if site.settings.check else None)
    return digest(principal(found.identity.arn)) if found else ""


def _start(site: Site, environment: Mapping[str, str], stale: Collection[str]) -> None:
    """Start, and note what of ``.env`` something stronger won over, such as ``environment:`` in a compose file."""
    runtime, state = site.runtime, site.state
    if runtime.mounts and site.delivered.staged:
        seeing.check(site.delivered.directory)
    if any(service.identity in stale for service in site.running):  # nothing else may differ: it would be left running
        runtime.stop()
    try:
        runtime.start(environment, restart=bool(site.running), wait=site.settings.wait)
    except TaskError as error:
        raise unwell.by_its_words(site, error) from None
    if site.way.name == "live" and (whom := _as_whom(site)):
        world.replace(state / STARTED_AS, world.read(state / STARTED_AS), whom.encode(), mode=0o600)
    beaten = sorted({name for service in runtime.running() for name in _differing(service, environment)})
    if any(name.startswith(OURS) for name in beaten):
        _raise_beaten(site, beaten)
    found = {name: _fingerprint(name, environment) for name in beaten}
    before, after = world.read(state / BEATEN), json.dumps(found).encode()
    if found or before:
        world.replace(state / BEATEN, before, after, mode=0o600)


def _raise_beaten(site: Site, beaten: Collection[str]) -> None:
    """Raise TaskError where what differs is a line of ours, or beats one; what changes nothing of ours may differ."""
    ours = env.ours(site, env.wanted(site))
    said = dict.fromkeys(ours.lines.keys() & beaten, f"{ENV} says otherwise, but something stronger sets it")
    for service in site.runtime.running():
        found = precedence.find(service.environment, ours)
        said |= {each.name: each.means for each in found if each.weight == "conflict" and each.name in beaten}
    if said:
        here = sh("env | grep -oE {}   # unset it, and start again", "|".join(said))
        hint = env.in_override(said) if site.runtime.mounts else here
        raise TaskError("; ".join(f"{name}: {means}" for name, means in said.items()), hint=hint)


def _without_effect(environment: Mapping[str, str], state: Path) -> set[str]:
    """The variables that were otherwise than ``environment`` says when Airflow was last started with just that."""
    try:
        beaten = dict(from_json(world.read(state / BEATEN) or b"{}"))
    except (ValueError, TypeError):
        return set()
    return {name for name, known in beaten.items() if known == _fingerprint(name, environment)}


def _apart(variables: Mapping[str, str], ignored: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name not in ignored}


def _fingerprint(name: str, environment: Mapping[str, str]) -> str:
    return digest(f"{name}={environment[name]}" if name in environment else name)


def stop(site: Site) -> Plan:
    """Airflow is stopped, and the keys that were staged for it are gone; the next start has them exported again."""
    there = "".join(f"{service.name}: running\n" for service in site.running) or _left(site)
    change = Change(target=AIRFLOW, action="stop", before=there or None, after=None, apply=site.runtime.stop)
    changes = (*keeper.stopped(site), change, *staging.emptied(site))
    return Plan(changes, target=AIRFLOW, reason="" if there else "not running")


def _left(site: Site) -> str:
    """What has not ended of an Airflow that does not run, a line each: a paused container, or its database alone."""
    made = {} if AIRFLOW in site.planned else site.runtime.made()
    return "".join(f"{name}: {status}\n" for name, status in made.items() if status)


def undo(site: Site) -> list[Target]:
    """What we started is stopped, in each runtime it was started in; what that made is removed, but for its data."""
    return [_stopped(site, name, target, group) for name, target, group in _started(site)]


def undo_restart(site: Site) -> list[Target]:
    """What ran before we came is started again with the files that it had."""
    return [_restarted(site, name, target, group) for name, target, group in _started(site)]


def _started(site: Site) -> list[tuple[str, str, list[Kept[Started]]]]:
    """Each runtime in which we started Airflow, what a person calls it, and its receipts.

    Version 0.1.0 wrote a receipt for the first runtime only: another is known by what it left in the state directory.
    """
    found: dict[str, list[Kept[Started]]] = {}
    for kept in receipts.of(site.receipts, Started):
        found.setdefault(kept.record.runtime, []).append(kept)
    for name, loaded in runtimes.ALL.items():
        if name not in found and (leaves := loaded().leaves) and (site.state / leaves).exists():
            found[name] = [Kept(0, Started(name, running=False))]
    several = len(found) > 1
    return [(name, f"{AIRFLOW} ({name})" if several else AIRFLOW, group) for name, group in found.items()]


def _stopped(site: Site, name: str, target: str, group: Sequence[Kept[Started]]) -> Target:
    before = group[0].record

    def plan() -> Plan:
        runtime = _runtime(site, name)
        there = "".join(f"{service.name}: running\n" for service in runtime.running()) or None
        if before.made and not before.running:
            left = "its containers\n" if not there and runtime.made() else None
            change = Change(target, "remove", there or left, None, runtime.discard)
        else:
            change = Change(target, "stop", None if before.running else there, None, runtime.stop)
        return Plan((change,), target=target, warnings=(runtime.kept,) if runtime.kept else ())

    return _target(name, target, plan, group)


def _restarted(site: Site, name: str, target: str, group: Sequence[Kept[Started]]) -> Target:
    restarted = list[bool]()

    def plan() -> Plan:
        if restarted or not group[0].record.running:
            return Plan(target=target)
        runtime = _runtime(site, name)

        def apply() -> None:
            runtime.start({}, restart=True, wait=site.settings.wait)
            restarted.append(True)

        ran = bool(runtime.running())
        before, after = "running with our mount and environment\n", "running with the files from before\n"
        return Plan((Change(target, "restart", before if ran else None, after if ran else None, apply),), target=target)

    return _target(name, f"{target}, started again", plan, group)


def _target(name: str, target: str, plan: Callable[[], Plan], group: Sequence[Kept[Started]]) -> Target:
    needs = filter(None, (FOLDER, runtimes.ALL[name]().leaves))  # what cannot be stopped mounts the one
    return Target(target, plan, tuple(kept.number for kept in group if kept.number), tuple(needs))


def _runtime(site: Site, name: str) -> Runtime:
    return Site(site.settings._replace(runtime=name)).runtime


def read_environment(site: Site) -> dict[str, str]:
    """``.env`` as this runtime's reader sees it.

    Raises:
        Pending: there is no ``.env`` yet.
        TaskError: the reader would reject it.
    """
    data = site.read(ENV)
    if data is None:
        raise Pending("env")
    try:
        return dotenv.read(data, site.runtime.reads, os.environ)
    except ValueError as error:
        raise TaskError(f"{ENV} cannot be read: {error}", hint=f"less {ENV}") from None


def _differences(
    runtime: Runtime,
    running: tuple[Service, ...],
    environment: Mapping[str, str],
    mounts: Mapping[str, Path],
    stale: Collection[str],
) -> list[str]:
    if not running:
        return ["not running"]
    found, wanted = {service.name: service for service in running}, runtime.services()
    told: dict[str, list[str]] = {}
    for name in [*wanted, *(name for name in found if name not in wanted)]:
        other = f"not of Airflow {runtime.major()}" if name in runtime.names else "to be replaced"
        foreign = "" if name in wanted else other
        if difference := foreign or _difference(found.get(name), environment, mounts, stale):
            told.setdefault(difference, []).append(name)
    every = {*wanted, *found}
    return [
        difference if {*names} == every else f"{', '.join(names)}: {difference}" for difference, names in told.items()
    ]


def _difference(
    service: Service | None, environment: Mapping[str, str], mounts: Mapping[str, Path], stale: Collection[str]
) -> str:
    if service is None:
        return "not running"
    problems = [
        *(problem for target, source in mounts.items() if (problem := mount_problem(service, target, source))),
        *([f"{', '.join(differing)} not as in {ENV}"] if (differing := _differing(service, environment)) else []),
        *(["it may use the credentials from before"] if service.identity in stale else []),
        *([] if service.healthy else ["it ends again and again" if service.crashes else "not healthy"]),
    ]
    return ", ".join(problems)


def _differing(service: Service, environment: Mapping[str, str]) -> list[str]:
    """The variables that a service has otherwise than ``environment`` says, or too many of ours."""
    names = environment.keys() | {name for name in service.environment if name.startswith(OURS)}
    return sorted(name for name in names if service.environment.get(name) != environment.get(name))


def mount_problem(service: Service, target: str, source: Path) -> str:
    """What is wrong with a service's mount of the credentials directory; empty when nothing is."""
    found = service.mounts.get(target)
    if found is None:
        return f"no mount at {target}"
    if not delivery.same(found[0], source):
        return f"mount at {target} is {found[0]}, wanted {source}"
    return "" if found[1] else "mount read-write, wanted read-only"
