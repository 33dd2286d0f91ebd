"""Desired state: what a person's files want of the backend, entry by entry, and nothing of anybody else's."""

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from aws_airflow_tasks.backends import limits
from aws_airflow_tasks.core import Change, Plan, TaskError, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.sources import connections
from aws_airflow_tasks.sources.merging import merged
from aws_airflow_tasks.sources.reading import read
from aws_airflow_tasks.sources.wanted import Fault, Source, Wanted
from aws_airflow_tasks.steps import syncing
from aws_airflow_tasks.steps.entries import KINDS, OWNER, Entries, Shown
from aws_airflow_tasks.steps.syncing import Write
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.doing import counted
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.world import files, git_index, journal, pace

log = logging.getLogger("aws_airflow_tasks")

Status = Literal["ok", "create", "differs", "pending", "failed"]
#: how many problems, or failed entries, a message names
MOST = 10
#: so many writes of one secret in an hour leave few of the versions that AWS keeps (100 a day)
OFTEN = 20
#: asks for a part of a URI, hidden, and prints it as it is to stand there
ENCODE = (
    sh(
        "{} -c {}",
        sys.executable,
        "print(__import__('urllib.parse').parse.quote(__import__('getpass').getpass(), safe=''))",
    )
    + "   # encodes a part of a URI"
)


class Found(NamedTuple):
    """What holds of an entry that is wanted: without its value."""

    wanted: Wanted
    name: str
    status: Status
    version: str = ""
    print: str = ""
    error: TaskError | None = None


class Sync:
    """One wish, brought about: a step that plans, applies and plans again.

    Args:
        wish: reads what is wanted.
        again: the command line that does this again.
        prune: whether what is ours and not wanted is deleted.

    Attributes:
        entries: what became of each entry, for the JSON document.
    """

    def __init__(self, wish: Callable[[Site], Source], again: str, *, prune: bool = False) -> None:
        self._wish, self._again, self._prune = wish, again, prune
        self._outcome: dict[str, Shown] = {}
        self._planned = False

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Those that failed first."""
        shown = sorted(self._outcome.values(), key=lambda each: (each.status != "failed", each.kind, each.name))
        return [each.document for each in shown]

    def plan(self, site: Site) -> Plan:
        """Compare what is wanted with what holds.

        Raises:
            TaskError: a file cannot be used, an entry would not be taken by AWS, or AWS refuses: nothing is written.
                Also where nothing is to be written, and entries are somebody else's or cannot be read.
        """
        source = self._wish(site)
        entries = Entries(site, many=self._prune or len(source.wanted) > 1)
        names = _named(entries, source, self._again)
        if self._prune and not names:
            raise TaskError("nothing is wanted: with --prune all that is ours would go", hint=command("secrets.list"))
        found = list(_judged(entries, names))
        writes, failed = _decided(entries, found, self._again)
        self._told(found, failed)
        gone = list(self._pruned(entries, names, failed)) if self._prune else []
        writes += gone
        warnings = [f"{note} ({count})" if count > 1 else note for note, count in source.notes.items()]
        warnings += _often(site, writes)
        if site.settings.check and writes and failed:  # else it is raised
            warnings.append(_failure(failed, entries, self._again).message)
        if not writes:
            if failed:
                raise _failure(failed, entries, self._again)
            return Plan(target=counted(len(names), entries.backend.ENTRY), reason="as wanted", warnings=tuple(warnings))
        kept = sum(each.status == "ok" for each in found)
        return Plan((self._change(entries, writes, failed, kept),), warnings=tuple(warnings))

    def _change(self, entries: Entries, writes: Sequence[Write], failed: Mapping[str, TaskError], kept: int) -> Change:
        counts = Counter[str](write.action for write in writes)
        words = {"create": "created", "replace": "updated", "delete": "deleted"}
        if entries.settings.check:
            words = {"create": "to create", "replace": "to update", "delete": "to delete"}
        parts = [f"{counts[action]} {word}" for action, word in words.items() if counts[action]]
        parts += [f"{kept} as wanted"] if kept else []
        parts += [f"{len(failed)} not possible ({_some(failed)})"] if failed else []
        rate, deleted = entries.backend.writes(entries.settings), counts["delete"]
        long = syncing.estimate(len(writes), rate) if entries.settings.check else ""  # else it is said first

        def apply() -> None:
            errors = {**failed, **syncing.apply(entries, writes, run, rate, self._done)}
            if errors:
                raise _failure(errors, entries, self._again, done=", ".join(self._counted(words)))

        run, receipt = syncing.receipt(entries)
        return Listing(
            target=f"{entries.backend.ENTRY}s",  # the reason has their number
            action="sync",
            before="",
            after="".join(f"  {write.said}\n" for write in writes),
            apply=apply,
            receipt=receipt,
            reason=", ".join(parts) + (f" ({long})" if long else ""),
            ask=f"Delete {counted(deleted, entries.backend.ENTRY)}, ours and not wanted?" if deleted else "",
        )

    def _counted(self, words: Mapping[str, str]) -> list[str]:
        counts = Counter(each.status for each in self._outcome.values())
        return [f"{counts[word]} {word}" for word in ("created", "updated", "deleted") if counts[word]]

    def _told(self, found: Iterable[Found], failed: Mapping[str, TaskError]) -> None:
        """What holds of each; what a plan before this one has made of an entry is not forgotten."""
        for each in found:
            status = "failed" if each.name in failed else {"ok": "ok", "create": "create"}.get(each.status, "update")
            before = self._outcome.get(each.name)
            if status == "ok" and before and before.status in ("created", "updated"):
                continue
            more = {"reason": failed[each.name].message} if each.name in failed else {}
            self._outcome[each.name] = Shown(each.wanted.key, each.wanted.kind, status, more)

    def _done(self, write: Write, error: TaskError | None) -> None:
        status = {"create": "created", "replace": "updated", "delete": "deleted"}[write.action]
        shown = Shown(write.key, write.kind, status)
        if error:
            shown = Shown(write.key, write.kind, "failed", {"reason": error.message})
        self._outcome[write.name] = shown

    def _pruned(self, entries: Entries, names: Mapping[str, Wanted], failed: dict[str, TaskError]) -> Iterator[Write]:
        """What a list has of ours and nobody wants, if AWS says the same of each by itself: a list may be late.

        What cannot be read is ``failed``.
        """
        tag, gone = (OWNER, entries.owner), dict[str, tuple[Any, str]]()
        log.info("listing what is ours")
        for kind in KINDS:
            prefix = entries.prefix(kind)
            for each in entries.listed(kind, tag):
                if each.name not in names and not each.pending_deletion:
                    gone.setdefault(each.name, (kind, each.name.removeprefix(prefix)))
        for name, value in entries.values(gone):
            kind, key = gone[name]
            if isinstance(value, TaskError):
                failed[name] = value
                self._outcome[name] = Shown(key, kind, "failed", {"reason": value.message})
            elif value and not value.pending_deletion and entries.is_ours(name):
                print = entries.fingerprints.of(name, value.text)
                self._outcome[name] = Shown(key, kind, "delete")
                yield Write("delete", kind, key, name, None, value.version, print, "")


class Listing(Change):
    """A change of many entries, of which each is a line of its diff."""

    __slots__ = ()

    def diff(self) -> str:
        """A line an entry."""
        return self.after or ""


def of_files(paths: Sequence[str], *, prune: bool) -> Sync:
    """The wish of files, and of nothing else where ``prune``."""
    first, *more = dict.fromkeys(paths)
    arguments = sh("{}", first) + "".join(sh(" --also {}", path) for path in more)
    again = command("secrets.sync", arguments + (" --prune" if prune else ""))
    return Sync(partial(from_files, paths), again, prune=prune)


def from_files(paths: Sequence[str], site: Site) -> Source:
    """What files want, together.

    Raises:
        TaskError: one cannot be read, or git tracks it, so that its secrets are everybody's already.
    """
    sources = []
    for name in dict.fromkeys(paths):
        path = Path(name)
        with files.explained("read", path):
            data = path.read_bytes()
        if not site.settings.yes and _tracked(path):
            raise TaskError(
                f"git tracks {name}: whoever has the repository has its secrets",
                hint=sh("git rm --cached {}   # and change those secrets; or, if none of it is one: --yes", name),
            )
        sources.append(read(name, data))
    return merged(sources)


def _tracked(path: Path) -> bool:
    """Whether git has a file, by its own index: no git is run where a repository could have it run something."""
    place = Path(os.path.realpath(path.parent)) / path.name
    top = git_index.top(place)
    return top is not None and git_index.tracks(place, top)


def _named(entries: Entries, source: Source, again: str) -> dict[str, Wanted]:
    """By whole name what is wanted; nothing that AWS, or Airflow, would not take."""
    names, faults = dict[str, Wanted](), list(source.faults)
    for each in source.wanted:
        name = entries.name(each.kind, each.key)
        if not each.key:
            faults.append(Fault(each.place, f"a {each.kind} has no name"))
        if why := entries.backend.refusal(entries.settings, name, each.text):
            faults.append(Fault(each.place, f"{each.kind} {each.key}: {why}"))
        if names.setdefault(name, each) is not each:
            other = names[name]
            faults.append(
                Fault(each.place, f"{each.kind} {each.key} and {other.kind} {other.key} would both be {name}")
            )
    if why := limits.too_many(entries.backend.NAME, entries.settings, len(names)):
        raise TaskError(why, hint=f"{note('fewer of them, then:')}\n{again}")
    if faults:
        more = f"; and {len(faults) - MOST} more" if len(faults) > MOST else ""
        encode = [ENCODE] if any(connections.ENCODED in fault.words for fault in faults) else []
        hint = "\n".join([note("mend what is named, then:"), *encode, again])
        raise TaskError("; ".join(map(str, faults[:MOST])) + more, hint=hint)
    return names


def _judged(entries: Entries, names: Mapping[str, Wanted]) -> Iterator[Found]:
    for name, value in pace.counted(entries.values(names), len(names), lambda: "read"):
        wanted = names[name]
        if value is None:
            yield Found(wanted, name, "create")
        elif isinstance(value, TaskError):
            yield Found(wanted, name, "failed", error=value)
        elif value.pending_deletion:
            yield Found(wanted, name, "pending")
        elif value.text is not None and entries.is_as_wanted(wanted, value.text):
            yield Found(wanted, name, "ok", value.version)
        else:
            yield Found(wanted, name, "differs", value.version, entries.fingerprints.of(name, value.text))


def _decided(entries: Entries, found: Sequence[Found], again: str) -> tuple[list[Write], dict[str, TaskError]]:
    """What is to be written, and by name what cannot be: tags are asked for of what differs, and of nothing else."""
    failed = {each.name: each.error for each in found if each.error}
    writes = [_write(entries, each) for each in found if each.status == "create"]
    unlike = [each for each in found if each.status in ("differs", "pending")]

    def ours(each: Found) -> tuple[Found, bool | TaskError]:
        try:
            return each, entries.is_ours(each.name, rewritten=True)
        except TaskError as error:
            return each, error

    for each, answer in pace.counted(pace.gathered(ours, unlike), len(unlike), lambda: "looked at"):
        if isinstance(answer, TaskError):
            failed[each.name] = answer
        elif answer or (entries.settings.override and each.status == "differs"):
            writes.append(_write(entries, each))
        else:
            failed[each.name] = _conflict(entries, each, again)
    return writes, failed


def _write(entries: Entries, found: Found) -> Write:
    action: Literal["create", "replace"] = "create" if found.status == "create" else "replace"
    wanted, after = found.wanted, entries.fingerprints.of(found.name, found.wanted.text)
    return Write(action, wanted.kind, wanted.key, found.name, wanted.text, found.version, found.print, after)


def _conflict(entries: Entries, found: Found, again: str) -> TaskError:
    if found.status == "pending":
        return entries.single.scheduled(entries.account, found.name)
    why = f"has another value and no tag {OWNER} of {entries.owner}: it is somebody else's and stays"
    return TaskError(f"{entries.backend.ENTRY} {found.name} {why}", hint=f"{again} --override   # undo gives it back")


def _failure(failed: Mapping[str, TaskError], entries: Entries, again: str, done: str = "") -> TaskError:
    causes: dict[str, list[str]] = {}
    for name, error in failed.items():
        causes.setdefault(error.message.replace(name, "it"), []).append(name)
    said = [f"{_some(names)}: {cause}" for cause, names in causes.items()]
    hints = dict.fromkeys(error.hint for error in list(failed.values())[:MOST] if error.hint)
    message = f"{len(failed)} failed: {'; '.join(said[:MOST])}" + (f"; {done}" if done else "")
    return TaskError(message, hint="\n".join([*hints, again]))


def _some(names: Iterable[str]) -> str:
    """The first few of many names."""
    known = list(names)
    more = f" and {len(known) - MOST} more" if len(known) > MOST else ""
    return ", ".join(known[:MOST]) + more


def _often(site: Site, writes: Sequence[Write]) -> list[str]:
    """A warning where an entry is written again and again."""
    recent = syncing.recent(journal.runs(site.state)) if writes else Counter[str]()
    known = [write.name for write in writes if recent[write.name] >= OFTEN]
    return [f"written more than {OFTEN} times within an hour: {_some(known)}"] if known else []
