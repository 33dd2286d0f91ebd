"""Many entries taken back: each to what stood there before us, and only where what stands there now is still ours."""

import logging
from collections.abc import Iterator, Sequence
from secrets import token_hex
from typing import Literal, NamedTuple

from aws_airflow_tasks import backends
from aws_airflow_tasks.backends.many import Overtaken, Value
from aws_airflow_tasks.core import Change, Plan, Target, TaskError, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps.entries import OWNER, Entries
from aws_airflow_tasks.steps.syncing import Synced, estimate, paced
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import aws, journal, pace, profiles, receipts
from aws_airflow_tasks.world.aws import Account
from aws_airflow_tasks.world.journal import Journal, Line
from aws_airflow_tasks.world.receipts import Kept

log = logging.getLogger("aws_airflow_tasks")


class Back(NamedTuple):
    """What takes an entry back.

    Attributes:
        action: ``erase`` what we created, ``write`` an older version over ours, ``restore`` what we deleted (and write
            an older version over it, where that was ours), ``make`` it again where AWS cannot restore, in the place
            of ours if there is one.
        name: its whole name.
        version: the one to give back; empty: none, or the one that is restored.
        over: the version that stands there, or stood there when it was deleted.
        line: the newest line about it; to ``make`` it again, that of its deletion.
    """

    action: Literal["erase", "write", "restore", "make"]
    name: str
    version: str
    over: str
    line: Line


class Changed(NamedTuple):
    """An entry that somebody has changed since, and that stays so.

    Attributes:
        name: its whole name.
        gone: whether it is there no more, or is to be deleted.
    """

    name: str
    gone: bool


def undo(site: Site) -> list[Target]:
    """A target a place: account, region, endpoint and backend. It is asked as it was the last time."""
    groups: dict[tuple[str, ...], list[Kept[Synced]]] = {}
    for kept in receipts.of(site.receipts, Synced):
        groups.setdefault(kept.record.place, []).append(kept)
    return [_taken_back(site, group[-1].record, group) for group in groups.values()]


def _taken_back(site: Site, place: Synced, group: Sequence[Kept[Synced]]) -> Target:
    target = f"entries in {place.backend} ({place.region}, {place.profile or 'default'})"
    books = [Journal(site.state, kept.record.run) for kept in group]

    def plan() -> Plan:
        lines = journal.by_name(books)
        look = command("secrets.list")
        gone = filter(None, (book.lost() for book in books))
        lost = tuple(f"{path} is not there, so what it says is not undone; see: {look}" for path in gone)
        if not lines:
            return Plan(target=target, warnings=lost)
        entries = _entries(site, place)
        backs = list(_backs(entries, lines))
        todo = [back for back in backs if isinstance(back, Back)]
        warnings = (*lost, *_left([back for back in backs if not isinstance(back, Back)]))
        if not todo:
            return Plan(target=target, warnings=warnings)
        before = "".join(f"{back.action} {back.name}\n" for back in todo)
        change = Change(target, "restore", before, None, lambda: _apply(entries, todo, books))
        return Plan((change,), target=target, warnings=warnings)

    return Target(target, plan, tuple(kept.number for kept in group), (journal.FOLDER,))


def _entries(site: Site, place: Synced) -> Entries:
    where = site.settings._replace(
        profile=place.profile,
        region=place.region,
        endpoint_url=place.endpoint_url,
        backend=place.backend,
    )
    service = backends.ALL[place.backend].read("x").service
    account = aws.connect(where, at={service: place.asked})
    if place.account:  # what another one has of the same name may look as if it were ours
        _refuse_another(account, place)
    return Entries(Site(where, site.planned), account)


def _refuse_another(account: Account, place: Synced) -> None:
    """Raise TaskError where the keys are not of the account that the entries are in."""
    found, known = aws.caller_identity(account).account, account.credentials
    if found == place.account:
        return
    hint = f"aws configure list-profiles   # which of them is of account {place.account}?"
    if known.source == "environment":
        hint = profiles.subject(known, account.settings).renew or hint
    elif not place.profile and (others := profiles.of_account(account.profiles, place.account)):
        hint = sh("AWS_PROFILE={} ", others[0]) + command("undo")
    said = f"they are in account {place.account}, and the keys of profile {known.profile} are of {found}"
    raise TaskError(said, hint=hint)


def _left(others: Sequence[Changed]) -> Iterator[str]:
    """What is said of entries that stay as somebody else has left them."""
    for gone, words in ((False, "given another value since stay"), (True, "deleted since stay so")):
        names = [each.name for each in others if each.gone == gone]
        if names:
            yield f"{len(names)} {words}: {', '.join(names[:10])}"


def _backs(entries: Entries, lines: dict[str, list[Line]]) -> Iterator[Back | Changed]:
    """What takes each back, or that somebody has changed it since. Those that are as before us are left out."""
    for name, value in entries.values(lines):
        if isinstance(value, TaskError):
            raise value
        known = lines[name]
        newest = next((i for i in reversed(range(len(known))) if _is_now(entries, known[i], value)), None)
        if newest is None:
            as_before = value is None if known[0].action == "create" else value and value.version == known[0].over
            if not as_before and any(map(_made, known)):
                yield Changed(name, gone=value is None or value.pending_deletion)
        elif value and any(line.version for line in known[newest + 1 :]):
            yield Changed(name, gone=False)
        else:
            back = _back(known, newest, value.version if value else "", restores=entries.backend.RESTORES)
            if value and back.action == "make" and not back.line.kept:  # put there by hand, as nobody else has it
                yield Changed(name, gone=False)
            elif value or back.action != "erase":  # else it is as before us: made and deleted
                yield back


def _is_now(entries: Entries, line: Line, value: Value | None) -> bool:
    """Whether what stands there is what a line was to bring about."""
    if line.action == "delete":
        return value.pending_deletion if value else not entries.backend.RESTORES
    if value is None or value.pending_deletion:
        return False
    same = entries.fingerprints.of(line.name, value.text) == line.print
    if line.version:  # where versions are numbers, one that somebody made anew has the same
        return value.version == line.version and (same or entries.backend.RESTORES)
    return value.version == line.token or same


def _made(line: Line) -> bool:
    return bool(line.version) or line.action == "delete"


def _back(known: Sequence[Line], newest: int, now: str, *, restores: bool) -> Back:
    """Back along the writes of ours of which each replaced the one before, to what stood there then."""
    steps = journal.chain(known, newest, restores=restores)
    oldest, last, gone = steps[0], steps[-1], [line for line in steps if line.action == "delete"]
    if oldest.action == "create":
        return Back("erase", last.name, "", now, last)
    if gone and not restores:
        return Back("make", last.name, "", now, gone[0])
    if last.action == "delete":
        return Back("restore", last.name, "" if oldest is last else oldest.over, last.over, last)
    return Back("write", last.name, oldest.over, now, last)


def _apply(entries: Entries, todo: Sequence[Back], books: Sequence[Journal]) -> None:
    rate = entries.backend.writes(entries.settings)
    turn = paced(entries, rate)

    def work(back: Back) -> TaskError | None:
        try:
            turn.wait()
            _take_back(entries, back, books)
        except TaskError as error:
            return error
        return None

    if not entries.backend.RESTORES:
        books[-1].mend()  # what is made again has a line there first
    if long := estimate(len(todo), rate):
        log.info("%s to take back, %s", len(todo), long)
    answers = pace.counted(pace.gathered(work, todo), len(todo), lambda: "taken back")
    if errors := [error for error in answers if error]:
        more = f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise TaskError(f"{errors[0].message}{more}", hint=errors[0].hint)


def _take_back(entries: Entries, back: Back, books: Sequence[Journal]) -> None:
    backend, account = entries.backend, entries.account
    if back.action == "erase":
        found = entries.single.describe(account, back.name)
        if found and OWNER in found.tags:
            entries.stays(back.name, back.over)
            backend.erase(account, back.name)
        return
    if back.action == "make":
        _make_again(entries, back, books)
        return
    if back.action == "restore":
        backend.restore(account, back.name)
    if not back.version:
        return
    text = backend.value_of(account, back.name, back.version)
    if text is None:
        raise TaskError(
            f"{backend.ENTRY} {back.name}: AWS has its version {back.version} no more",
            hint=entries.about("secrets.history", back.name),
        )
    backend.replace(account, back.name, text, back.over, token_hex(16))


def _make_again(entries: Entries, back: Back, books: Sequence[Journal]) -> None:
    """As it was when it was deleted; ours goes first, with a line by which a kill loses nothing."""
    backend, account, line = entries.backend, entries.account, back.line
    kept = next((value for book in books if (value := book.value(line.token)) is not None), None)
    if kept is None:
        raise TaskError(
            f"{backend.ENTRY} {back.name} was deleted, and AWS has its value from before us no more",
            hint=entries.about("secrets.put", back.name) + "   # with that value",
        )
    if back.over:
        books[-1].begin(line._replace(over=back.over, token=token_hex(16), at=0.0, made=False), kept)
        backend.take(account, back.name, back.over)
    try:
        backend.make(account, back.name, kept, line.tags, line.token, line.form)
    except Overtaken as error:
        raise TaskError(error.message, hint=command("undo")) from None
