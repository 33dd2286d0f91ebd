"""A person's own entries in the backend: whose they are, what they are called there, what holds now."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from aws_airflow_tasks import backends
from aws_airflow_tasks.backends import created, limits
from aws_airflow_tasks.backends.many import Listed, Value
from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.sources import connections
from aws_airflow_tasks.sources.connections import Unfit
from aws_airflow_tasks.sources.wanted import Kind, Wanted
from aws_airflow_tasks.text.calling import command, under
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.text.hints import no_region, note
from aws_airflow_tasks.world import pace
from aws_airflow_tasks.world import state as states
from aws_airflow_tasks.world.aws import Account
from aws_airflow_tasks.world.journal import Fingerprints

#: the tag of an entry that a team keeps as its files say; its value is the team's name (setting ``owner``)
OWNER = "aws-airflow-owner"
KINDS: tuple[Kind, ...] = ("variable", "connection")


class Entries:
    """The entries of a project's backend; none of its calls changes anything.

    Args:
        site: the project.
        account: access to AWS; None: as the project has it.
        many: whether AWS's own trouble is waited out for minutes, as for thousands of calls; nobody waits so for one.

    Raises:
        TaskError: no backend is set, or no region.
    """

    def __init__(self, site: Site, account: Account | None = None, *, many: bool = True) -> None:
        self.site, self.settings = site, site.settings
        found, single = backends.MANY.get(self.settings.backend), site.backend
        if found is None or single is None:
            raise TaskError(
                f"the backend is {self.settings.backend}: there are no entries to keep in it",
                hint=under({"backend": "secrets-manager"}, "secrets.list"),
            )
        self.backend, self.single, self.account = found, single, account or site.account
        if not self.account.credentials.region:
            profile = self.account.credentials.profile
            raise TaskError(f"no region is set for profile {profile}", hint=no_region(profile))
        if many:
            self.account.be_patient()
        self.account.client(single.read("x").service)  # made once, before threads ask for it

    @property
    def owner(self) -> str:
        """The name in the tag of entries that are the team's."""
        return self.settings.owner or states.plain(self.site.project).name

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """Of values; in check mode they compare within one run only, unless there was another."""
        return Fingerprints(self.site.state, keep=not self.settings.check and self.site.state.is_dir())

    def prefix(self, kind: Kind) -> str:
        """What the names of a kind begin with."""
        chosen = {"variable": self.settings.variables_prefix, "connection": self.settings.connections_prefix}[kind]
        return self.single.name(chosen, "")

    def listed(self, kind: Kind, tag: tuple[str, str] | None = None) -> Iterator[Listed]:
        """The entries of a kind, as the backend's list has them."""
        prefixes = {each: self.prefix(each) for each in KINDS}
        for each in self.backend.listed(self.account, prefixes[kind], tag):
            if is_of(kind, each.name, prefixes):
                yield each

    def name(self, kind: Kind, key: str) -> str:
        """An entry's whole name."""
        return f"{self.prefix(kind)}{key}"

    def about(self, task: str, name: str) -> str:
        """The command line of a task about an entry, by its whole name."""
        prefixes = {kind: self.prefix(kind) for kind in KINDS if name.startswith(self.prefix(kind))}
        kind: Kind = next((kind for kind in prefixes if is_of(kind, name, prefixes)), "variable")
        key = sh("{}", name.removeprefix(self.prefix(kind)))
        return command(task, key + " --connection" * (kind == "connection"))

    def one(self, kind: Kind, key: str) -> str:
        """The whole name of one entry; raises TaskError where no entry can have it, and AWS need not be asked."""
        name = self.name(kind, key)
        limit = limits.refusal(self.backend.NAME, self.settings, name) if key else None
        if not key or limit:
            why = f"its name {limit.words}" if limit else "it has no name"
            raise TaskError(f"there can be no {kind} {key!r}: {why}", hint=command("secrets.list"))
        return name

    def values(self, names: Iterable[str]) -> Iterator[tuple[str, Value | TaskError | None]]:
        """What each holds, several calls at a time, as the answers come; None: there is none."""

        def read(batch: Sequence[str]) -> list[tuple[str, Value | TaskError | None]]:
            found = self.backend.values(self.account, batch)
            return [(name, found.get(name)) for name in batch]

        for batch in pace.gathered(read, _batches(names, self.backend.BATCH)):
            yield from batch

    def stays(self, name: str, version: str) -> None:
        """Raise TaskError where another version stands there by now: asked just before an entry goes for good."""
        value = self.backend.values(self.account, [name]).get(name)
        if isinstance(value, TaskError):
            raise value
        if value and value.version != version:
            message = f"{self.backend.ENTRY} {name} has been changed meanwhile: it stays"
            raise TaskError(message, hint=note("type the same command again: it plans anew"))

    def is_ours(self, name: str, *, rewritten: bool = False) -> bool:
        """Whether an entry has our team's tag, as AWS says now.

        Args:
            name: its whole name.
            rewritten: whether it would get another value.

        Raises:
            TaskError: it would, and it has another key or tier than the settings say.
        """
        found = self.single.describe(self.account, name)
        if rewritten and found and (setting := created.differing(self.account, found, rewritten=True)):
            raise created.conflict(self.account, self.backend.ENTRY, found, setting)
        return bool(found and found.tags.get(OWNER) == self.owner)

    def is_as_wanted(self, wanted: Wanted, text: str) -> bool:
        """Whether Airflow would get from ``text`` what is wanted."""
        if text == wanted.text:
            return True
        if wanted.kind == "connection":
            return self._same_connection(text, wanted.text)
        return wanted.lossy and _same_json(text, wanted.text)

    def _same_connection(self, one: str, other: str) -> bool:
        words = self.backend.NAME == "secrets-manager"
        try:
            return connections.alike(connections.parsed(one, words=words), connections.parsed(other, words=words))
        except Unfit:
            return False


class Shown(NamedTuple):
    """An entry as the JSON document has it: a key, a kind and a word; never a value that nobody asked for."""

    name: str
    kind: Kind
    status: str
    more: dict[str, Any] = {}  # noqa: RUF012

    @property
    def document(self) -> dict[str, Any]:
        """For ``entries``."""
        return {"name": self.name, "kind": self.kind, "status": self.status, **self.more}


def is_of(kind: Kind, name: str, prefixes: Mapping[Kind, str]) -> bool:
    """Whether a name with a kind's prefix is of that kind: the other's prefix may go on from there."""
    own = prefixes[kind]
    return not any(other != own and other.startswith(own) and name.startswith(other) for other in prefixes.values())


def _same_json(one: str, other: str) -> bool:
    try:
        first, second = (json.dumps(from_json(text), sort_keys=True) for text in (one, other))
    except ValueError:
        return False
    return first == second


def _batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(names)
    while batch := list(islice(rest, size)):
        yield batch
