"""The words of this room: what a file wants, and what is wrong with it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

Kind = Literal["variable", "connection"]


class Wanted(NamedTuple):
    """An entry that is to be; it never shows its text.

    Attributes:
        kind: ``variable`` or ``connection``.
        key: the variable's key, or the connection's id.
        text: the value as it is to be stored.
        place: the file and line that it stands in.
        lossy: whether the file may have made another text of the value, equal as JSON (``airflow variables export``).
    """

    kind: Kind
    key: str
    text: str
    place: str
    lossy: bool = False

    def __repr__(self) -> str:
        """Without the text."""
        return f"Wanted({self.kind} {self.key!r}, {self.place})"


class Fault(NamedTuple):
    """What keeps a file, or an entry of it, from being used: a place and a clause, without values."""

    place: str
    words: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.place}: {self.words}"


class Source(NamedTuple):
    """What a file has.

    Attributes:
        wanted: the entries, in its order.
        faults: what cannot be used; then nothing of it should be.
        notes: what Airflow would make of it otherwise than it stands there, by how many entries that is so.
    """

    wanted: tuple[Wanted, ...] = ()
    faults: tuple[Fault, ...] = ()
    notes: Mapping[str, int] = MappingProxyType({})
