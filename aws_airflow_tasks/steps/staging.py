"""The copy of the profile that Airflow is given: made, renewed, and emptied where Airflow reads the person's files."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from aws_airflow_tasks.core import Change, Pending, Plan, Target, TaskError
from aws_airflow_tasks.settings import listed
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.text.calling import under
from aws_airflow_tasks.world import aws, history, identity, malformed, profile_settings, sso, staged_text, staging
from aws_airflow_tasks.world.aws import Account
from aws_airflow_tasks.world.delivery import source
from aws_airflow_tasks.world.history import Handed
from aws_airflow_tasks.world.profile_settings import Along
from aws_airflow_tasks.world.staged_text import UNKNOWN, Copied
from aws_airflow_tasks.world.staging import Staged


def changes(site: Site, *, renew_before: float = 0) -> tuple[Change, ...]:
    """What brings the staged copy to what the way needs; empty when it is so.

    Args:
        site: the project.
        renew_before: keys exported before this time (seconds since the epoch) are renewed whatever is left of them.
    """
    if _target(site) in site.planned and not renew_before:
        return ()
    if site.way.name == "live":
        return emptied(site, site.way.reason)
    found, seen_at = site.staged, site.runtime.credentials(staging.folder(site.state))
    why = staging.missing(found, defined(site), seen_at)
    if not why and found and found.exported < renew_before:
        why = "asked to"
    return (_staging(site, found, seen_at, why),) if why else ()


def _staging(site: Site, found: Staged | None, seen_at: str, why: str) -> Change:
    _along(site)  # a refusal comes before anything is done
    for account in (site.account, *_further(site)):
        staging.refuse_missing(account)
        if account.credentials.source == "process" and not site.settings.check:
            with account.explained():  # before the project's lock is taken: a helper may ask, and take its time
                account.session.get_credentials()
    return Change(
        target=_target(site),
        action="refresh" if found else "create",
        before=_described(found) if found else None,
        after="fresh credentials of the profile alone\n",
        apply=lambda: _stage(site, seen_at, why),
        reason=f"{site.way.reason}; {why}",
    )


def _further(site: Site) -> list[Account]:
    """Access to AWS with each further profile; the set account is the first one's alone.

    Raises:
        TaskError: one is not there, or would be Airflow's own default profile.
    """
    asked, first = listed(site.settings.profiles), site.credentials
    names = [name for name in asked if name != first.profile or first.kind == "environment"]
    for name in names:
        _check_further(site, name, [each for each in asked if each != name])
    return [aws.connect(site.settings._replace(profile=name, profiles="", account="", region="")) for name in names]


def _check_further(site: Site, name: str, others: Sequence[str]) -> None:
    first, there = site.credentials, site.account

    def instead(*names: str) -> str:
        return under({"profiles": ",".join([*others, *names])}, "creds")

    if name == "default":
        whose = "the environment's keys" if first.kind == "environment" else f"profile {first.profile}"
        said = f"profiles names default, which to Airflow is {whose}: processes that are told no name use it"
        raise TaskError(said, hint=instead())
    if name not in there.profiles:
        misnamed = malformed.misnamed(name, first.config_file, first.credentials_file)
        known = {each: kind for each, kind in there.listed.items() if each not in (first.profile, *others)}
        raise misnamed or malformed.unknown(name, known, {}, instead)


def _along(site: Site, account: Account | None = None) -> Along:
    account = account or site.account
    profile = account.credentials.profile
    return profile_settings.along(profile, account.profiles.get(profile, {}), mounts=site.runtime.mounts)


def emptied(site: Site, reason: str = "") -> tuple[Change, ...]:
    """What takes the keys away, and leaves the directory to whatever mounts it; empty when there are none."""
    before = "credentials that were staged earlier\n"
    change = Change(_target(site), "delete", before, None, lambda: staging.empty(site.state), reason=reason)
    planned = site.planned.get(_target(site))
    there = staging.holds(site.state) if planned is None else planned.after is not None
    return (change,) if there else ()


def lasting(site: Site) -> str:
    """Until when Airflow's keys last, as clauses that begin with ``; ``; empty: they do not end.

    `status` and `verify` say it of the SSO session too: to name that takes botocore.
    """
    found, said = site.staged if site.way.name == "export" else None, list[str]()
    if found and found.expiry:
        said.append(f"keys until {_clock(found.expiry)}")
    if site.credentials.source == "sso" and (site.settings.check or site.settings.fresh):
        token = sso.token(sso.name(site.account.profiles.get(site.credentials.chain[-1], {})))
        if token:
            kind = "token" if token.refreshable else "session"
            said.append(f"SSO {kind} until {_clock(token.ends)}{', renewed by itself' if token.refreshable else ''}")
    return "".join(f"; {each}" for each in said)


def _clock(when: float) -> str:
    """A time of today, or another day's with its date."""
    then, today = time.localtime(when), time.localtime(time.time())
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)


def stale(site: Site) -> Collection[str]:
    """The services that may use what was staged before, by their ``identity``: what no restart has made read anew.

    In check mode those too that would do so once the copy is made.
    """
    found = site.staged or staging.last(site.state)
    if found is None:
        return _running(site) if site.settings.check else ()
    if site.settings.check and (site.staged is None or found.definition != defined(site)):
        with contextlib.suppress(TaskError):
            keys, along = staging.at_hand(site.account), _along(site)
            further = [
                Copied(account.credentials, staging.at_hand(account) or UNKNOWN, _along(site, account))
                for account in _further(site)
            ]
            if staging.whose(site.account.credentials, keys, lambda: _arn(site), along, further) != found.whose:
                return _running(site)
    return found.stale


def _running(site: Site) -> list[str]:
    with contextlib.suppress(TaskError, Pending):  # no engine answers, or no project yet: then nothing runs in it
        return [service.identity for service in site.running]
    return []


def _arn(site: Site) -> str:
    """Who we are, where it can be told now."""
    with contextlib.suppress(TaskError):
        return site.identity.identity.arn
    return ""


def defined(site: Site) -> str:
    """The definition now of what is staged, to be compared with the one that it was made from."""
    copied = site.staged.copied.values() if site.staged else ()
    return identity.definition(site.settings, os.environ, copied)


def undo(site: Site) -> list[Target]:
    """The copy of the person's keys is gone; its directory goes with the whole state directory."""
    name = _target(site)

    def plan() -> Plan:
        return Plan(emptied(site), target=name)

    return [Target(name, plan, needs=(staging.RECORD,))] if staging.holds(site.state) else []


def _target(site: Site) -> str:
    return source(staging.folder(site.state), Path.home())


def _described(found: Staged) -> str:
    if found.expiry is None:
        return "credentials that do not say when they end\n"
    return f"credentials that end at {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(found.expiry))}\n"


def _stage(site: Site, seen_at: str, why: str) -> None:
    settings, found = site.settings, site.staged
    same_source = found and found.definition == defined(site)
    along, others = _along(site), [(account.settings, _along(site, account)) for account in _further(site)]
    # before the export: a change meanwhile makes it void
    definition = identity.definition(settings, os.environ, along.copied.values())
    credentials, keys = staging.export(settings)
    further = [Copied(*staging.export(each), its_own) for each, its_own in others]
    whose = (
        found.whose if found and same_source else staging.whose(credentials, keys, lambda: _arn(site), along, further)
    )
    ends = [each for each in (keys.expiry, *(copied.keys.expiry for copied in further)) if each is not None]
    last = staging.last(site.state)
    stale = last.stale if last and last.whose == whose else _running(site)
    texts = staged_text.contents(Copied(credentials, keys, along), seen_at, further)
    record = Staged(definition, seen_at, time.time(), min(ends, default=None), whose, stale, along.copied, tuple(texts))
    arn = _whose(site, same_source=bool(same_source))
    history.write(site.state, Handed(record.exported, credentials.profile, arn, keys.expiry, why))
    staging.stage(site.state, texts, record)


def _whose(site: Site, *, same_source: bool) -> str:
    """Whose keys are copied, without another call where that is known; empty: AWS cannot be asked."""
    known, before = identity.remembered(site.settings, site.state), history.read(site.state)
    if known:
        return known.identity.arn
    return before[-1].arn if same_source and before else _arn(site)
