"""The journal of what was applied."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aws_airflow_tasks.core import Edit, TaskError
from aws_airflow_tasks.world import receipts
from aws_airflow_tasks.world.receipts import (
    FileRecord,
    Kept,
    file_record,
    load,
    of_file,
    record,
    traces,
    way_back,
    written_values,
)

SECRET = b"hunter2"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    return folder


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def patched(path: str = ".env", **more: Any) -> FileRecord:
    """The receipt of a value of the person's that gave way, and of a line that was added."""
    before, after = b"K=hunter2\nA=1\n", b"K=new\nA=1\nB=2\n"
    return file_record(path, before, after, (Edit(2, SECRET, b"new"), Edit(14, b"", b"B=2\n")), **more)


def test_nothing_yet(state: Path) -> None:
    """Before the first change the journal is empty, with or without a state directory."""
    assert load(state) == []
    assert load(state / "absent") == []


@receipts.kind("a test's")
class Noted(NamedTuple):
    name: str
    deep: dict[str, Any]
    later: str = "not known then"


def only(state: Path) -> Kept[FileRecord]:
    (kept,) = receipts.of(load(state), FileRecord)
    return kept


def test_any_kind_in_order(state: Path) -> None:
    """What steps wrote down comes back as they wrote it, the oldest first, beyond the ninth, too."""
    for number in range(12):
        record(state, Noted(f"s{number}", {"a": [1, None, True]}))
    record(state, patched())
    found = receipts.of(load(state), Noted)
    assert [kept.record for kept in found] == [Noted(f"s{number}", {"a": [1, None, True]}) for number in range(12)]
    assert [kept.number for kept in found] == [*range(1, 13)]


def test_a_receipt_of_an_earlier_version_is_read_and_one_of_a_later_is_refused(state: Path) -> None:
    """What was not written down then has its default; what we do not know is never guessed."""
    record(state, Noted("x", {}))
    path = state / "receipts" / "0001.json"
    path.write_text('{"kind": "a test\'s", "name": "x", "deep": {}}')
    assert receipts.of(load(state), Noted)[0].record == Noted("x", {}, "not known then")
    path.write_text('{"kind": "a test\'s", "format": 3, "name": "x", "deep": {}}')
    with pytest.raises(TaskError, match="written by a later version"):
        load(state)


def test_a_receipt_that_lacks_what_it_must_have_is_an_error(state: Path) -> None:
    record(state, Noted("x", {}))
    (state / "receipts" / "0001.json").write_text('{"kind": "a test\'s", "name": "x"}')
    with pytest.raises(TaskError, match="receipt 1 is damaged"):
        receipts.of(load(state), Noted)


def test_a_file_record(state: Path) -> None:
    """Hashes of before and after, and each splice with its place, its text and the text that it replaced."""
    record(state, patched("docker-compose.override.yml", source="/staged"))
    kept = only(state)
    assert kept.record.path == "docker-compose.override.yml"
    assert kept.record.before == digest(b"K=hunter2\nA=1\n")
    assert kept.record.after == digest(b"K=new\nA=1\nB=2\n")
    assert (kept.record.source, kept.record.theirs) == ("/staged", None)
    first, second = traces(state, kept)
    assert (first.start, first.length, first.new, first.old) == (2, 3, b"new", SECRET)
    assert (first.line, first.column, first.sha256) == (digest(b"K=new"), 2, digest(b"new"))
    assert (second.start, second.length, second.new, second.old) == (10, 4, b"B=2\n", b"")


def test_files_that_come_and_go(state: Path) -> None:
    """A created and a deleted file have no hash before or after."""
    record(state, file_record("a", None, b"x", (Edit(0, b"", b"x"),)))
    record(state, file_record("a", b"x", None, (Edit(0, b"x", b""),)))
    created, deleted = receipts.of(load(state), FileRecord)
    assert (created.record.before, deleted.record.after) == (None, None)
    assert traces(state, deleted)[0].old == b"x"


def test_any_bytes_survive(state: Path) -> None:
    """Text that is no UTF-8 comes back as it was."""
    record(state, file_record("a", b"\xff", b"\xfe\0", (Edit(0, b"\xff", b"\xfe\0"),)))
    (trace,) = traces(state, only(state))
    assert (trace.new, trace.old) == (b"\xfe\0", b"\xff")


def test_receipts_hold_no_secret(state: Path) -> None:
    """What gave way lies apart, for the person's eyes only; of a .env file's values there are only hashes."""
    record(state, patched(keys={"K": {"offset": 2, "sha256": digest(b"new")}}))
    text = (state / "receipts" / "0001.json").read_bytes()
    assert SECRET not in text
    assert b"new" not in text.replace(b'"new"', b"")
    (kept,) = (state / "replaced").iterdir()
    assert kept.read_bytes() == SECRET
    assert {stat.S_IMODE(path.stat().st_mode) for path in (kept, state / "receipts" / "0001.json")} == {0o600}
    assert {stat.S_IMODE((state / name).stat().st_mode) for name in ("receipts", "replaced")} == {0o700}
    assert traces(state, only(state))[0].new is None


def test_written_values(state: Path) -> None:
    """All values that we ever wrote to that file count as ours, by key; those of other files do not."""
    record(state, patched(keys={"K": {"offset": 2, "sha256": "one"}, "L": {"offset": 9, "sha256": "l"}}))
    record(state, patched(keys={"K": {"offset": 2, "sha256": "two"}, "L": None, "M": None}))
    record(state, patched("other.env", keys={"K": {"offset": 2, "sha256": "three"}}))
    record(state, Noted(".env", {}))
    assert written_values(load(state), ".env") == {"K": {"one", "two"}, "L": {"l"}, "M": set()}


def test_is_as_written(state: Path) -> None:
    """Whether a file has the bytes that one of our changes gave it."""
    record(state, patched())
    journal = load(state)
    assert receipts.is_as_written(journal, ".env", b"K=new\nA=1\nB=2\n")
    assert not receipts.is_as_written(journal, ".env", b"K=new\n")
    assert not receipts.is_as_written(journal, "other", b"K=new\nA=1\nB=2\n")
    assert not receipts.is_as_written(journal, ".env", None)


def step(before: bytes | None, after: bytes) -> FileRecord:
    return file_record("f", before, after, (Edit(0, before or b"", after),))


def test_receipts_of_a_file_newest_first(state: Path) -> None:
    """A receipt that was written and whose change never was is left out; so is another file's."""
    for receipt in (step(None, b"1"), step(b"1", b"2"), step(b"1", b"3"), patched("g"), step(b"3", b"4")):
        record(state, receipt)
    kept = of_file(load(state), "f")
    assert [each.number for each in way_back(kept, b"edited")] == [5, 3, 1]
    assert [each.number for each in way_back(kept, b"3")] == [3, 1]


def test_forgetting(state: Path) -> None:
    """A receipt goes with the text that was kept for it; the others stay; twice is once."""
    for _ in range(2):
        record(state, patched())
    receipts.forget(state, [2, 2])
    assert only(state).number == 1
    assert [path.name for path in (state / "replaced").iterdir()] == ["0001-0"]
    assert traces(state, only(state))[0].old == SECRET


def test_an_orphan_of_a_crash_is_overwritten(state: Path) -> None:
    """Text kept for a receipt that was never written gives way to that of the next one."""
    record(state, patched())
    (state / "receipts" / "0001.json").unlink()
    record(state, file_record("a", b"x", b"y", (Edit(0, b"x", b"y"),)))
    assert traces(state, only(state))[0].old == b"x"


def test_damaged_text_is_an_error(state: Path) -> None:
    """Replaced text that is gone or was changed is never put back."""
    record(state, patched())
    kept = state / "replaced" / "0001-0"
    kept.write_bytes(b"hunter3")
    with pytest.raises(TaskError, match="is gone or damaged"):
        traces(state, only(state))
    kept.unlink()
    with pytest.raises(TaskError, match="is gone or damaged"):
        traces(state, only(state))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_damaged_receipt_is_an_error(state: Path, text: bytes) -> None:
    """A file that is no receipt is named."""
    record(state, patched())
    path = state / "receipts" / "0001.json"
    path.write_bytes(text)
    with pytest.raises(TaskError, match="is damaged") as caught:
        load(state)
    assert str(path) in caught.value.message


def test_strangers_in_the_journal_are_ignored(state: Path) -> None:
    """Only numbered files are receipts."""
    record(state, patched())
    (state / "receipts" / "notes.json").write_text("{}")
    (state / "receipts" / ".aws-airflow-x.tmp").write_text("")
    assert len(load(state)) == 1


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701])
@pytest.mark.parametrize("where", [".", "receipts", "replaced"])
def test_open_to_others_is_an_error(state: Path, mode: int, where: str) -> None:
    """A state directory that others can enter is neither read nor written."""
    record(state, patched())
    (state / where).chmod(mode)
    with pytest.raises(TaskError, match="is open to others"):
        record(state, patched())
    if where != "replaced":
        with pytest.raises(TaskError, match="is open to others"):
            load(state)


@pytest.mark.parametrize("where", ["receipts", "replaced", "state"])
def test_a_planted_symlink_is_an_error(state: Path, where: str) -> None:
    """A symlink in the place of one of our directories is not followed."""
    elsewhere = state.with_name("elsewhere")
    elsewhere.mkdir(mode=0o700)
    planted = state if where == "state" else state / where
    if where == "state":
        state.rmdir()
        (elsewhere / "receipts").mkdir(mode=0o700)
    planted.symlink_to(elsewhere)
    with pytest.raises(TaskError, match="planted"):
        record(state, patched())
    if where != "replaced":
        with pytest.raises(TaskError, match="planted"):
            load(state)
    assert [path.name for path in elsewhere.rglob("*") if path.is_file()] == []


def test_receipts_are_json(state: Path) -> None:
    """A person can read them."""
    record(state, patched())
    assert json.loads((state / "receipts" / "0001.json").read_text())["path"] == ".env"
