"""Writes of many entries: paced, several at a time, each with a line in a journal before it, each by itself."""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from secrets import token_hex
from typing import Any, Literal, NamedTuple

from aws_airflow_tasks.backends.many import Overtaken, Replaced, Value
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.sources.wanted import Kind
from aws_airflow_tasks.steps.entries import OWNER, Entries
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.world import pace, receipts
from aws_airflow_tasks.world.causes import Ended, Unreachable
from aws_airflow_tasks.world.endpoints import EVERYTHING
from aws_airflow_tasks.world.journal import Action, Journal, Line, by_name, chain

log = logging.getLogger("aws_airflow_tasks")
#: seconds of writes that are no news
SHORT = 5.0


class Write(NamedTuple):
    """One write that is to be made; it never shows its text.

    Attributes:
        action: ``create``, ``replace`` or ``delete``.
        kind: of the entry.
        key: of the entry.
        name: its whole name.
        text: the value to write; None where it is deleted.
        over: the version that stands there; empty: none.
        before: the fingerprint of the value that stands there.
        after: likewise of ``text``.
    """

    action: Literal["create", "replace", "delete"]
    kind: Kind
    key: str
    name: str
    text: str | None
    over: str
    before: str
    after: str

    def __repr__(self) -> str:
        """Without the text."""
        return f"Write({self.said})"

    @property
    def said(self) -> str:
        """For the diff."""
        return f"{self.kind} {self.key}: {self.before or 'absent'} -> {self.after or 'absent'}"


@receipts.kind("sync")
class Synced(NamedTuple):
    """Many entries that were written at one place; each is a line of a journal.

    Attributes:
        run: the journal's name.
        region: where.
        profile: the profile asked for then; empty: as the AWS CLI resolved it.
        endpoint_url: the endpoint for everything then; or empty.
        backend: the backend's name.
        asked: the URL that was asked.
        account: its number; empty: it was not known.
    """

    run: str
    region: str
    profile: str
    endpoint_url: str
    backend: str
    asked: str
    account: str = ""

    @property
    def place(self) -> tuple[str, ...]:
        """Where it was: of an account that is known it does not matter by which profile it was reached."""
        by = () if self.account else (self.profile, self.endpoint_url)
        return self.account, self.region, self.backend, self.asked, *by


def receipt(entries: Entries) -> tuple[str, Synced]:
    """The name of a new journal, and the receipt that leads to it."""
    known, run = entries.account.credentials, token_hex(8)
    service = entries.single.read("x").service
    asked = str(entries.account.client(service).meta.endpoint_url)
    everything, who = known.endpoints.get(EVERYTHING, ""), entries.account.identity
    account = who.account if who else ""
    return run, Synced(run, known.region, entries.settings.profile, everything, entries.backend.NAME, asked, account)


def apply(
    entries: Entries,
    writes: Sequence[Write],
    run: str,
    rate: float,
    done: Callable[[Write, TaskError | None], None],
) -> dict[str, TaskError]:
    """Make every write, whatever becomes of the others.

    Args:
        entries: where.
        writes: what.
        run: the journal's name.
        rate: writes a second.
        done: is told of each.

    Returns:
        By name why those that failed did.

    Raises:
        TaskError: AWS cannot be reached, or the credentials have ended: what was not begun is left.
    """
    book, turn, failed = Journal(entries.site.state, run), paced(entries, rate), dict[str, TaskError]()
    known = _known(entries) if not entries.backend.RESTORES else {}
    book.open()

    def make(write: Write) -> tuple[Write, TaskError | None]:
        try:
            _made(entries, book, turn, write, known.get(write.name, ()))
        except (Ended, Unreachable):
            raise
        except Overtaken as error:
            there = not isinstance(error, Replaced) and _is_there(entries, write)
            return write, None if there else error
        except TaskError as error:
            return write, error
        return write, None

    def said() -> str:
        return "written" + (f", {len(failed)} failed" if failed else "")

    if long := estimate(len(writes), rate):
        log.info("%s to write, %s", len(writes), long)
    for write, error in pace.counted(pace.gathered(make, writes), len(writes), said):
        done(write, error)
        if error:
            failed[write.name] = error
    return failed


def paced(entries: Entries, rate: float) -> pace.Pace:
    """The turns of an account's writes; a write that botocore tries again, such as a throttled one, takes one more.

    Tried again beside the others it would be one too many, be refused once more, and have others refused.
    """
    turn, service = pace.Pace(rate), entries.single.read("x").service
    events = entries.account.client(service).meta.events

    def again(request: Any, **_: object) -> None:
        if not re.search(r"attempt=1\b", str(request.headers.get("amz-sdk-request", "attempt=1"))):
            turn.wait()

    for word in ("create", "replace", "delete", "restore"):
        operation = entries.single.ACTIONS[word][0].partition(":")[2]
        events.register(f"before-send.*.{operation}", again, unique_id=f"{operation} again")
    return turn


def estimate(writes: int, rate: float) -> str:
    """How long the writes will take, at ``rate`` a second; empty: a moment."""
    seconds = writes / (pace.SHARE * rate)
    return f"{pace.about(seconds)} at AWS's {rate:.0f} writes a second" if seconds >= SHORT else ""


def _known(entries: Entries) -> dict[str, list[Line]]:
    """By name what was written of each entry at the same place before."""
    place, kept = receipt(entries)[1].place, [kept.record for kept in receipts.of(entries.site.receipts, Synced)]
    return by_name(Journal(entries.site.state, one.run) for one in kept if one.place == place)


def _made(entries: Entries, book: Journal, turn: pace.Pace, write: Write, known: Sequence[Line]) -> None:
    backend, account, token = entries.backend, entries.account, token_hex(16)
    action: Action = "update" if write.action == "replace" else write.action
    if write.action == "delete":
        line = Line(action, write.name, write.over, token)
        book.begin(*((line, None) if backend.RESTORES else _kept(entries, write, line, known)))
        turn.wait()
        backend.take(account, write.name, write.over)
        book.end(token, "")
        return
    assert write.text is not None
    over = write.over
    if write.action == "replace" and not over:
        over = _restored(entries, turn, write)
        if not over:
            return
    book.begin(Line(action, write.name, over, token, write.after))
    turn.wait()
    if write.action == "create":
        version = backend.make(account, write.name, write.text, {OWNER: entries.owner}, token)
    else:
        version = backend.replace(account, write.name, write.text, over, token)
    book.end(token, version)


def _is_there(entries: Entries, write: Write) -> bool:
    """Whether somebody else, such as a colleague's run at the same time, has written the very value."""
    value = entries.backend.values(entries.account, [write.name]).get(write.name)
    return isinstance(value, Value) and value.text is not None and value.text == write.text


def _restored(entries: Entries, turn: pace.Pace, write: Write) -> str:
    """Take back the deletion of an entry of ours; the version to replace, or empty if its value is the wanted one."""
    turn.wait()
    entries.backend.restore(entries.account, write.name)
    value = entries.backend.values(entries.account, [write.name]).get(write.name)
    if isinstance(value, TaskError):
        raise value
    if not isinstance(value, Value):
        raise TaskError(f"{write.name} was restored and is not there", hint=command("secrets.list"))
    return "" if value.text == write.text else value.version


def _kept(entries: Entries, write: Write, line: Line, known: Sequence[Line]) -> tuple[Line, str | None]:
    """What AWS will not give back: tags and form, and the value, or the one from before us that ours had replaced."""
    backend, account, name, text = entries.backend, entries.account, write.name, _value(entries, write)
    found = entries.single.describe(account, name)
    tags = {key: value for key, value in (found.tags if found else {}).items() if not key.startswith("aws:")}
    ours = [  # of a run that was killed nobody has said which version it made
        each._replace(version=write.over) if each.print == write.before and not each.version else each for each in known
    ]
    first, *rest = chain([*ours, line], len(ours), restores=False)
    line = line._replace(tags=tags, form=backend.form(account, name))
    if first.action != "update" or [each.action for each in rest].count("delete") > 1:
        return line, text
    before = backend.value_of(account, name, first.over)
    return line, before if isinstance(before, str) else None


def _value(entries: Entries, write: Write) -> str:
    """The value that AWS will not give back; it must still be the planned version's."""
    value = entries.backend.values(entries.account, [write.name]).get(write.name)
    if not isinstance(value, Value) or value.text is None or value.version != write.over:
        raise TaskError(
            f"{write.name} has been changed meanwhile: it stays",
            hint=note("type the same command again: it plans anew"),
        )
    return value.text


def recent(books: Iterable[Journal]) -> Counter[str]:
    """How often each entry was written within the last hour."""
    since = time.time() - 3600
    return Counter(line.name for book in books for line in book.lines() if line.at > since)
