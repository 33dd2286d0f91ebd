"""The check variable and connection exist in the backend; this edits no file."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from secrets import token_hex, token_urlsafe
from typing import NamedTuple

from aws_airflow_tasks import backends
from aws_airflow_tasks.backends import Backend, Entry, created, limits
from aws_airflow_tasks.core import Change, Plan, Target, TaskError, digest
from aws_airflow_tasks.settings import ENVIRONMENT_PREFIX, tagged
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import check_values
from aws_airflow_tasks.text.calling import command, under
from aws_airflow_tasks.text.hints import no_region
from aws_airflow_tasks.world import aws, receipts
from aws_airflow_tasks.world import state as states
from aws_airflow_tasks.world.aws import Account
from aws_airflow_tasks.world.causes import Denied
from aws_airflow_tasks.world.endpoints import EVERYTHING
from aws_airflow_tasks.world.receipts import Kept

#: what to type where an entry of the name is somebody else's
READ = {"check_entries": "read"}
#: the tag that says whose an entry is; its value is a project's random id
TAG = "aws-airflow-tasks"


def plan(site: Site) -> Plan:
    """Create what is missing, tagged as this project's; use what another project of ours made.

    Raises:
        TaskError: AWS refuses, or an entry of the name is somebody else's.
    """
    backend, account = site.backend, site.account
    before, warnings = _of_another_backend(site)
    if backend is None:
        return Plan(tuple(before), skipped=True, reason="no backend is set", warnings=tuple(warnings))
    if not account.credentials.region:
        profile = account.credentials.profile
        raise TaskError(f"no region is set for profile {profile}", hint=no_region(profile))
    names = _entries(site, backend)
    if len(names) < 2:
        raise TaskError(
            f"the check variable and the check connection would both be {backend.ENTRY} {', '.join(names)}",
            hint=under({"check_variable": "another_name"}, "secrets env dag"),
        )
    if site.settings.check_entries == "read":
        return _read(site, backend, list(names))
    changes = [_change(site, backend, name, value()) for name, value in names.items()]
    target = ", ".join(change.target for change in changes)
    return Plan((*changes, *before), target=target, reason="there", warnings=tuple(warnings))


def _read(site: Site, backend: Backend, names: Sequence[str]) -> Plan:
    """Entries of somebody else's, which can be read; nothing is ever to do.

    Raises:
        TaskError: one cannot, or is not there.
    """
    check_values.both(site, backend)
    return Plan(target=", ".join(f"{backend.ENTRY} {name}" for name in names), reason="read, and never written")


def _entries(site: Site, backend: Backend) -> Mapping[str, Callable[[], str]]:
    """The names of our entries, each with what makes a value for it."""
    variable, connection = backend.variable_name(site.settings), backend.connection_name(site.settings)
    return {variable: variable_value, connection: connection_value}


def variable_value() -> str:
    """A value that nobody can have seen before: a stale one of the same name elsewhere must not pass for it."""
    return f"read-with-your-own-permissions-{token_hex(8)}"


def connection_value() -> str:
    """A connection in the backend's JSON form, with a password that must never be printed."""
    host = f"check-{token_hex(4)}.example.invalid"
    return json.dumps({"conn_type": "http", "host": host, "login": "check", "password": token_urlsafe(24)})


@receipts.kind("secret")
class Created(NamedTuple):
    """An entry that we created in AWS.

    Attributes:
        name: its name.
        region: where.
        profile: the profile asked for then; empty: as the AWS CLI resolved it.
        endpoint_url: the endpoint for everything then, from the settings, the environment or the profile; or empty.
        backend: the backend's name.
        sha256: of its value (hex). That is a random one of ours, so this tells nothing but whether somebody has put
            another one in since. None: version 0.1.0 did not write it down.
        asked: the URL that was asked for it. Empty: an earlier version did not write it down.
    """

    name: str
    region: str
    profile: str
    endpoint_url: str
    backend: str = "secrets-manager"
    sha256: str | None = None
    asked: str = ""


def _change(site: Site, backend: Backend, name: str, value: str) -> Change:
    found = _described(site, backend, name)
    if found and found.pending_deletion:
        raise backend.scheduled(site.account, name)
    if found and TAG not in found.tags:
        raise TaskError(
            f"{backend.ENTRY} {name} exists and was not made by these tasks",
            hint=f"{under(READ, 'setup')}\n{under(check_values.OTHER, 'setup')}",
        )
    if found and found.rewritten:
        check_values.value(
            site, backend, "connection" if name == backend.connection_name(site.settings) else "variable"
        )
    if found and found.tags[TAG]:
        _agree(site, backend, found)
    elif not found:
        limits.check(backend.NAME, site.settings, backend.ENTRY, name, value)
    wanted = tagged(site.settings.tags)
    if found and not wanted.items() <= found.tags.items() and found.tags[TAG] == states.project_id(site.state):
        return _tagging(site, backend, found, wanted)
    there, known, service = "exists\n", site.account.credentials, backend.read(name).service
    everything, asked = known.endpoints.get(EVERYTHING, ""), site.account.client(service).meta.endpoint_url
    return Change(
        target=f"{backend.ENTRY} {name}",
        action="create",
        before=there if found else None,
        after=there,
        apply=lambda: _create(site, backend, name, value),
        receipt=Created(name, known.region, site.settings.profile, everything, backend.NAME, digest(value), str(asked)),
    )


def _described(site: Site, backend: Backend, name: str) -> Entry | None:
    """An entry; where describing is not allowed, whether it can be read says whether it is there.

    Whose it is our receipts tell then: what none of them has is nobody's of ours.
    """
    try:
        return backend.describe(site.account, name)
    except Denied:
        value = backend.get(site.account, name)
        if value is None:
            return None
        known = {digest(value)} & {kept.record.sha256 for kept in receipts.of(site.receipts, Created)}
        return Entry(name, name, {TAG: ""} if known else {})


def _create(site: Site, backend: Backend, name: str, value: str) -> None:
    backend.create(site.account, name, value, {TAG: states.project_id(site.state)})


def _agree(site: Site, backend: Backend, found: Entry) -> None:
    """Raise TaskError where an entry has another key or tier than the settings say."""
    setting = created.differing(site.account, found)
    if setting:
        error = created.conflict(site.account, backend.ENTRY, found, setting)
        wanted = getattr(site.settings, setting)
        again = under({setting: wanted}, "secrets")
        anew = f"{ENVIRONMENT_PREFIX}BACKEND=none {command('secrets')} && {again}"
        raise TaskError(error.message, hint=f"{error.hint}   # or have it made anew:\n{anew}")


def _tagging(site: Site, backend: Backend, found: Entry, wanted: Mapping[str, str]) -> Change:
    """The person's tags, on an entry of ours: it goes with them."""
    return Change(
        target=f"{backend.ENTRY} {found.name}",
        action="tag",
        before="".join(f"{key}={found.tags[key]}\n" for key in wanted if key in found.tags),
        after="".join(f"{key}={text}\n" for key, text in wanted.items()),
        apply=lambda: backend.tag(site.account, found.id, wanted),
        reason="its tags differ",
    )


def _of_another_backend(site: Site) -> tuple[list[Change], list[str]]:
    """What we created where Airflow no longer looks goes; what cannot, now, is said, and `undo` tries again."""
    changes: list[Change] = []
    warnings: list[str] = []
    for place, target in _created(site):
        if place.backend == site.settings.backend:
            continue
        try:
            planned = target.plan()
        except TaskError as error:
            warnings.append(f"{target.name} stays until `{command('undo')}`: {error.message}")
            continue
        changes += [
            change._replace(apply=partial(_gone, site, change, target), reason="Airflow looks there no more")
            for change in planned.changes
        ]
        warnings += planned.warnings
    return changes, warnings


def _gone(site: Site, change: Change, target: Target) -> None:
    change.apply()
    receipts.forget(site.state, target.receipts)


def undo(site: Site) -> list[Target]:
    """What we created in AWS is deleted, wherever: a name may be there in several regions, accounts or endpoints."""
    return [target for _, target in _created(site)]


def _created(site: Site) -> list[tuple[Created, Target]]:
    groups: dict[Created, list[Kept[Created]]] = {}
    for kept in receipts.of(site.receipts, Created):
        groups.setdefault(kept.record._replace(sha256=None), []).append(kept)
    names = [place.name for place in groups]
    return [
        (place, _deleted(site, place, group, several=names.count(place.name) > 1)) for place, group in groups.items()
    ]


def _deleted(site: Site, place: Created, group: Sequence[Kept[Created]], *, several: bool) -> Target:
    """Only what both the receipt and the tag claim is deleted, with no recovery window; not a value of the person's."""
    backend = backends.ALL[place.backend]
    name = f"{backend.ENTRY} {place.name}" + (f" ({place.region}, {place.profile or 'default'})" if several else "")

    def plan() -> Plan:
        where = site.settings._replace(profile=place.profile, region=place.region, endpoint_url=place.endpoint_url)
        at = {backend.read(place.name).service: place.asked} if place.asked else {}
        account = aws.connect(where, at=at)
        found = backend.describe(account, place.name)
        if not found or found.tags.get(TAG) != states.project_id(site.state) or found.pending_deletion:
            return Plan(target=name)
        if not _is_as_created(backend.get, account, found, [kept.record.sha256 for kept in group]):
            return Plan(target=name, warnings=(f"{name} has been given another value since, and stays",))
        change = Change(name, "delete", "exists\n", None, lambda: backend.delete(account, found.id))
        return Plan((change,), target=name)

    return Target(name, plan, tuple(kept.number for kept in group))


def _is_as_created(
    get: Callable[[Account, str], str | None], account: Account, found: Entry, known: Sequence[str | None]
) -> bool:
    """Whether the value is one that we gave it; version 0.1.0 did not write down which, and then it is."""
    if None in known:
        return True
    value = get(account, found.name)
    return value is not None and digest(value) in known
