"""`python -m tests.faults.run`: provoke every fault of the table, and print what is said of each and what mends it."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import USER_CACHE
from tests.faults import bed as beds
from tests.faults import table
from tests.faults.bed import CANARY, Bed
from tests.faults.table import Fault
from tests.faults.typing_hints import is_note, type_in

#: a mended fault may show a second one that was behind it
TIMES = 2


class Seen(NamedTuple):
    """What came of a fault."""

    name: str
    fault: Fault
    code: int
    layer: str
    cause: str
    command: str
    mended: str
    leaked: bool
    seconds: float
    told: Mapping[str, Any]

    @property
    def right(self) -> tuple[bool, bool, bool]:
        """Whether layer, cause and command are right: the command mends, or says who can."""
        command = self.fault.command in self.command
        return (
            self.layer == self.fault.layer,
            self.fault.cause in self.cause,
            self.mended == ("who" if self.fault.who else "yes") and command,
        )


def provoked(bed: Bed, name: str, fault: Fault, *, look: bool = False) -> Seen:
    """Put a fault in, look, type what is said, look again, and take it back; ``look``: type nothing."""
    begun, bed.said = time.monotonic(), []
    running = bed.started()
    try:
        fault.put(bed)
        code, document = bed.verify(skip=fault.skip)
        told = bed.recorded()
        layer, cause, command = first(document)
        mended = "not tried" if look and not is_note(command) else _mended(bed, command, code)
        leaked = CANARY in "".join(bed.said)
    finally:
        touched = fault.restarts or bed.started() != running
        bed.restore()
        if touched:
            bed.settle()
    return Seen(name, fault, code, layer, cause, command, mended, leaked, time.monotonic() - begun, told)


def _mended(bed: Bed, command: str, code: int) -> str:
    if not code or not command:
        return "no"
    if is_note(command):
        return "who"
    for _ in range(TIMES):
        if not type_in(bed, command, bed.answers):
            return "no"
        code, document = bed.verify()
        if not code:
            return "yes"
        layer, cause, again = first(document)
        if again == command or is_note(again):
            return f"no: {layer}: {cause[:150]} -> {again[:100]}"
        command = again
    return f"no: {layer}: {cause[:150]} -> {again[:100]}"


def first(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """What failed first: its layer, cause and command."""
    for check in document.get("checks", ()):
        if check["status"] == "failed":
            return check["check"], check["detail"], check.get("hint") or ""
    for step in document.get("steps", ()):
        if step.get("error"):
            return step["step"], step["error"]["message"], step["error"].get("hint") or ""
    error = document.get("error") or {}
    return "", error.get("message", ""), error.get("hint", "")


def all_of(bed: Bed, names: Sequence[str] = (), *, look: bool = False) -> Iterator[Seen]:
    """Every fault, or those whose names have one of ``names`` in them, one after the other."""
    known = {name: fault for name, fault in (table.LIVE | table.IN_THE_COPY).items() if fault.since <= bed.major}
    chosen = [name for name in known if not names or any(each in name for each in names)]
    for name in [name for name in chosen if name in table.LIVE]:
        yield provoked(bed, name, table.LIVE[name], look=look)
    copies = [name for name in chosen if name in table.IN_THE_COPY]
    if copies:
        bed.base = bed.base | {"INVOKE_AWS_AIRFLOW_CREDENTIALS": "export"}
        bed.variables = dict(bed.base)
        done = bed.run(["aws-airflow", "setup", "--override"])
        assert done.code == 0, done.out + done.err
        bed.remember()
        for name in copies:
            yield provoked(bed, name, table.IN_THE_COPY[name], look=look)


def line(seen: Seen) -> str:
    marks = "".join("+" if right else "-" for right in seen.right)
    command = seen.command.replace("\n", " ; ")
    leak = "  LEAKED" if seen.leaked else ""
    return (
        f"{marks} {seen.name}: exit {seen.code}, {seen.layer}: {seen.cause[:200]}\n"
        f"      -> {command[:200]}\n      mended: {seen.mended} ({seen.seconds:.0f} s){leak}"
    )


def summary(found: Sequence[Seen]) -> str:
    count = len(found) or 1
    layers, causes, mends = (sum(each.right[at] for each in found) for at in range(3))
    leaks = sum(each.leaked for each in found)
    return (
        f"{len(found)} faults: layer right {100 * layers / count:.0f} %, cause right {100 * causes / count:.0f} %, "
        f"mends or says who can {100 * mends / count:.0f} %, secrets shown {leaks}"
    )


#: what of a proof's record tells the cause, by the layer that fails
TELLS = {
    "host-identity": ("host",),
    "files-readable": ("probe",),
    "environment": ("probe",),
    "identity-in-service": ("probe",),
    "raw-secret": ("host", "probe"),
    "backend": ("probe", "backend"),
    "hook-identity": ("probe", "backend", "hook", "log"),
    "dag-run": ("probe", "backend", "hook", "state", "log", "imports"),
}


def write(file: Path, major: int, seen: Seen) -> None:
    """Put down what a proof was told of a fault, a line each; nothing of one that no error, run or answer tells."""
    known = json.loads(file.read_text()) if file.exists() else {}
    told = {kind: seen.told[kind] for kind in TELLS.get(seen.fault.layer, ()) if kind in seen.told}
    if seen.fault.layer == "raw-secret" and '"error": {' not in json.dumps(told) and "host" not in told:
        told = {}
    known[f"{seen.name} ({major})"] = told
    lines = [f"{json.dumps(name)}: {json.dumps(data)}" for name, data in sorted(known.items()) if data]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.run", description=__doc__)
    parser.add_argument("--airflow", type=int, choices=(2, 3), default=3)
    parser.add_argument("--keep", type=Path, help="a directory for the sandbox, which is left running there")
    parser.add_argument("--look", action="store_true", help="type nothing of what is said")
    parser.add_argument("--record", type=Path, help="a file for what the proofs were told, for test_recorded.py")
    parser.add_argument("names", nargs="*", help="parts of the names of faults; none: all")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = (asked.keep or Path(scratch)).resolve()
        found = []
        with beds.bed(root, asked.airflow, USER_CACHE, keep=bool(asked.keep)) as bed:
            for seen in all_of(bed, asked.names, look=asked.look):
                found.append(seen)
                print(line(seen), flush=True)
                if asked.record:
                    write(asked.record, asked.airflow, seen)
        print(summary(found))
    raise SystemExit(0 if found and all(all(each.right) and not each.leaked for each in found) else 1)


if __name__ == "__main__":
    main()
