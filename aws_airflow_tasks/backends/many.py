"""What is asked of a backend for a person's own entries, of which there may be ten thousand; a backend has it all.

Neither of AWS's interfaces writes only where nothing has changed. So whoever writes says which version is to be
replaced: it is asked for just before, and afterwards the one that was replaced must be that one.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world.aws import Account


class Value(NamedTuple):
    """What an entry holds now; it never shows its text.

    Attributes:
        version: by which AWS knows it; empty where that is not told (pending deletion).
        text: the value; None: Airflow would see none, as it is binary or its entry is to be deleted.
        pending_deletion: whether the entry is scheduled for deletion.
    """

    version: str
    text: str | None
    pending_deletion: bool = False

    def __repr__(self) -> str:
        """Without the text."""
        return f"Value(version={self.version!r}, pending_deletion={self.pending_deletion})"


class Listed(NamedTuple):
    """An entry as a list has it, which may be minutes behind.

    Attributes:
        id: by which AWS knows it for certain.
        name: its name.
        tags: its tags, where the list has them.
        changed: when its value was last changed, in seconds since the epoch; None: AWS does not say.
        accessed: likewise when it was last read (Secrets Manager: the day).
        pending_deletion: whether it is scheduled for deletion.
    """

    id: str
    name: str
    tags: Mapping[str, str]
    changed: float | None = None
    accessed: float | None = None
    pending_deletion: bool = False


class Version(NamedTuple):
    """A version of an entry's value.

    Attributes:
        id: by which AWS knows it.
        changed: when it was made, in seconds since the epoch; None: AWS does not say.
        labels: what AWS or a person calls it, such as ``AWSCURRENT``.
        by: the ARN of who made it, where AWS says so.
    """

    id: str
    changed: float | None = None
    labels: tuple[str, ...] = ()
    by: str = ""


class Overtaken(TaskError):  # noqa: N818
    """Somebody else has written an entry between our plan and our write, or between our look and our write."""


class Replaced(Overtaken):
    """Somebody's value, which nobody had planned to replace, has given way to ours; the hint gives it back."""


class Many(Protocol):
    """A backend, and what it does with a person's own entries.

    Each function makes the calls that it says and no other; how many run at a time, and how fast, is the caller's part.
    All raise TaskError when AWS refuses or does not answer. Names are whole ones, with prefix and slashes.
    """

    #: as the setting ``backend`` has it
    NAME: str
    #: what a person calls one entry
    ENTRY: str
    #: how many names one call of :meth:`values` may have
    BATCH: int
    #: whether AWS keeps what is deleted for a while, so that :meth:`restore` gives it back
    RESTORES: bool

    def writes(self, settings: Settings) -> float:
        """How many writes a second AWS allows."""

    def refusal(self, settings: Settings, name: str, text: str) -> str:
        """Why AWS would not take a value under a name, in a clause without the value; empty: it would."""

    def values(self, account: Account, names: Sequence[str]) -> dict[str, Value | TaskError]:
        """What up to ``BATCH`` entries hold (one call, and one more for each that the batch could not give).

        Returns:
            By name the value, or why that one could not be read; an entry that does not exist is left out.
        """

    def listed(self, account: Account, prefix: str, tag: tuple[str, str] | None = None) -> Iterator[Listed]:
        """The entries whose names begin with ``prefix``, pending deletion included (a call a page).

        Args:
            account: access to AWS.
            prefix: how their names begin.
            tag: a key and its value: only those that have it.
        """

    def versions(self, account: Account, name: str) -> list[Version]:
        """The versions that AWS still has of an entry, the newest first; empty: there is no such entry."""

    def value_of(self, account: Account, name: str, version: str) -> str | bytes | None:
        """The value that a version of an entry has, bytes where it is binary; None: AWS has it no more."""

    def form(self, account: Account, name: str) -> Mapping[str, str]:
        """What AWS is told beside value and tags to make an entry again as it is; only where not ``RESTORES``."""

    def make(
        self,
        account: Account,
        name: str,
        text: str,
        tags: Mapping[str, str],
        token: str,
        form: Mapping[str, str] = MappingProxyType({}),
    ) -> str:
        """Create an entry and return its version.

        Args:
            account: access to AWS.
            name: its name.
            text: its value.
            tags: its tags.
            token: 32 hexadecimal digits; where AWS takes one, a repeated call makes no second version, and the
                version is this.
            form: of one that was deleted, of :meth:`form`: it is made again with that and its tags, and nothing else.

        Raises:
            Overtaken: there is one meanwhile.
        """

    def replace(self, account: Account, name: str, text: str | bytes, over: str, token: str) -> str:
        """Give an entry another value and return its version.

        Args:
            account: access to AWS.
            name: its name.
            text: the value.
            over: the version that it is to replace, which is asked for before and after.
            token: as of :meth:`make`.

        Raises:
            Overtaken: another version stood there before: nothing was written.
            Replaced: another version was replaced: both are named, with what gives the other back.
        """

    def take(self, account: Account, name: str, over: str) -> None:
        """Delete an entry, with the longest time to restore it that AWS has; one that is gone already is fine.

        Raises:
            Overtaken: its version is not ``over``: nothing was deleted.
        """

    def restore(self, account: Account, name: str) -> None:
        """Take back a deletion that is scheduled; only where ``RESTORES``."""

    def erase(self, account: Account, name: str) -> None:
        """Delete an entry for good, at once; one that is gone already is fine."""
