"""Several files are one wish; what two places say differently of one entry is a fault that names both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from aws_airflow_tasks.sources.wanted import Fault, Kind, Source, Wanted


def merged(sources: Iterable[Source]) -> Source:
    """All of them together; an entry that is wanted alike in two places is wanted once."""
    wanted: dict[tuple[Kind, str], Wanted] = {}
    faults: list[Fault] = []
    notes: Counter[str] = Counter()
    for source in sources:
        faults += source.faults
        notes.update(source.notes)
        for each in source.wanted:
            first = wanted.setdefault((each.kind, each.key), each)
            if first.text != each.text:
                faults.append(Fault(each.place, f"{each.kind} {each.key} has another value at {first.place}"))
    return Source(tuple(wanted.values()), tuple(faults), notes)
