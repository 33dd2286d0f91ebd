"""Taking back what a receipt says we did to a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aws_airflow_tasks.core import Edit, Trace, digest
from aws_airflow_tasks.patch import Patch, dotenv, splice
from aws_airflow_tasks.patch.dotenv.readers import READERS, view
from aws_airflow_tasks.patch.reverse import reverse


def traces(after: bytes, edits: tuple[Edit, ...], *, keep: bool = True) -> tuple[Trace, ...]:
    """What a receipt keeps of edits; ``keep``: the text that we put there, too."""
    found, shift = [], 0
    for edit in edits:
        start, end = edit.start + shift, edit.start + shift + len(edit.new)
        shift += len(edit.new) - len(edit.old)
        first, last = after.rfind(b"\n", 0, start) + 1, after.find(b"\n", end)
        line = digest(after[first : len(after) if last < 0 else last]) or ""
        new = edit.new if keep else None
        found.append(Trace(start, len(edit.new), digest(edit.new) or "", new, edit.old, line, start - first))
    return tuple(found)


class Done:
    """A change that was made: everything that its receipt knows."""

    def __init__(self, before: bytes | None, edits: tuple[Edit, ...], keys: Mapping[str, Any] | None = None) -> None:
        self.before = before
        self.after = splice(before or b"", edits)
        self.traces = traces(self.after, edits, keep=keys is None)
        self.keys = keys

    def back(self, now: bytes | None, **more: Any) -> Patch:
        before, after = digest(self.before), digest(self.after)
        return reverse(now, self.traces, before=before, after=after, keys=self.keys, **more)


def inserted(before: bytes | None, new: bytes, at: int | None = None) -> Done:
    return Done(before, (Edit(len(before or b"") if at is None else at, b"", new),))


def set_in(before: bytes | None, want: dict[str, str | None], **more: Any) -> Done:
    patch = dotenv.plan(before, want, override=True, **more)
    assert patch.outcome == "edits"
    return Done(before, patch.edits, dotenv.written(patch, want))


THREE = b"services:\n  a:\n    volumes:\n      - x\n  b:\n    volumes:\n      - y\n"
MOUNT = b"      - ~/.aws:/home/astro/.aws:ro\n"
MOUNTED = Done(THREE, (Edit(38, b"", MOUNT), Edit(len(THREE), b"", MOUNT)))


def test_as_we_left_it() -> None:
    """A file with the hash that we left goes back to its exact bytes."""
    patch = MOUNTED.back(MOUNTED.after)
    assert (patch.outcome, patch.after) == ("edits", THREE)
    assert splice(MOUNTED.after, patch.edits) == THREE


def test_a_file_that_we_created_is_deleted() -> None:
    """What was not there before is not there afterwards."""
    assert inserted(None, b"new\n").back(b"new\n").after is None


def test_a_file_that_we_deleted_comes_back() -> None:
    """The text that gave way is put back; but not over one that was written anew."""
    old = Trace(0, 0, digest(b"") or "", b"", b"old\n", digest(b"") or "", 0)
    assert reverse(None, [old], before=digest(b"old\n"), after=None).after == b"old\n"
    assert reverse(b"x", [old], before=digest(b"old\n"), after=None).outcome == "refusal"


@pytest.mark.parametrize("now", [THREE, None])
def test_twice_changes_nothing(now: bytes | None) -> None:
    """A file that is as before, or gone, needs nothing."""
    assert MOUNTED.back(now).outcome == "satisfied"


def test_a_damaged_receipt_is_refused() -> None:
    """Bytes that do not have the hash from before are never written."""
    patch = reverse(MOUNTED.after, MOUNTED.traces[:1], before=digest(THREE), after=digest(MOUNTED.after))
    assert (patch.outcome, patch.after) == ("refusal", MOUNTED.after)


@pytest.mark.parametrize(
    ("edit", "rest"),
    [
        (lambda now: b"# note\n" + now + b"  c: {}\n", b"# note\n" + THREE + b"  c: {}\n"),
        (lambda now: now.replace(b"- x", b"- z"), THREE.replace(b"- x", b"- z")),
        (
            lambda now: now.replace(MOUNT, MOUNT + b"      - w\n"),
            THREE.replace(b"- x\n", b"- x\n      - w\n") + b"      - w\n",
        ),
        (lambda now: now.replace(MOUNT, b"", 1) + b"# c\n", THREE + b"# c\n"),
    ],
)
def test_edited_elsewhere(edit: Any, rest: bytes) -> None:
    """Our lines are taken out of a file that was edited around them, and every edit stays."""
    now = edit(MOUNTED.after)
    patch = MOUNTED.back(now)
    assert (patch.outcome, patch.after) == ("edits", rest)
    assert splice(now, patch.edits) == rest


@pytest.mark.parametrize(
    ("now", "cause"),
    [
        (MOUNTED.after + MOUNT, "our lines are in it more often than we wrote them"),
        (MOUNTED.after.replace(MOUNT, MOUNT[:-1] + b" # mine\n"), "our lines were changed"),
        (MOUNTED.after.replace(MOUNT, MOUNT[:-1] + b" # mine\n", 1), "our lines were changed"),
        (MOUNTED.after[:-1], "our lines were changed"),
    ],
)
def test_what_cannot_be_told_is_refused(now: bytes, cause: str) -> None:
    """Our lines more often than we wrote them, or changed, are all listed with their numbers."""
    patch = MOUNTED.back(now)
    assert (patch.outcome, patch.after) == ("refusal", now)
    assert patch.reason == f"it was edited since, and {cause}"
    lines = [f"{n}: {line}" for n, line in enumerate(now.decode().splitlines(), 1) if "~/.aws:" in line]
    assert patch.by_hand.splitlines()[1:] == lines
    assert patch.by_hand.startswith("take these lines out:" if b"# mine" not in now else "take what we wrote out of ")


def test_a_line_that_became_the_persons_own_stays() -> None:
    """Where the person made something else of our line it stays; the others go."""
    now = MOUNTED.after.replace(b":ro\n  b", b":rw\n  b")
    assert MOUNTED.back(now).after == now.replace(MOUNT, b"")


def test_short_lines_alone_do_not_count_as_ours() -> None:
    """Without our telling line, a `volumes:` that is left may well be the person's."""
    done = inserted(b"services:\n", b"  a:\n    volumes:\n" + MOUNT)
    assert done.back(b"services:\n  a:\n    volumes:\n      - x\n").outcome == "satisfied"


def test_nothing_of_ours_left() -> None:
    """A file from which the person took our lines needs nothing."""
    assert MOUNTED.back(THREE + b"# mine\n").outcome == "satisfied"


def test_an_objection_is_heard_only_after_edits() -> None:
    """The caller may refuse what a file would become, but not the exact way back."""
    assert MOUNTED.back(MOUNTED.after, objection=lambda now, rest: "no").outcome == "edits"
    patch = MOUNTED.back(MOUNTED.after + b"#\n", objection=lambda now, rest: "it would not be YAML")
    assert (patch.outcome, patch.reason) == ("refusal", "it was edited since, and it would not be YAML")


def test_a_created_file_with_something_added_stays() -> None:
    """Of a file that we created what others added stays; blank lines are nothing."""
    done = inserted(None, b"ours:\n  a: 1\n")
    assert done.back(done.after + b"theirs: 2\n").after == b"theirs: 2\n"
    assert done.back(b"\n" + done.after + b"  \n").after is None
    assert done.back(b"").after is None


def test_lines_after_a_file_without_final_newline() -> None:
    """Lines that we put behind a last line without line feed go with the line feed before them."""
    done = inserted(b"a: 1", b"\nb: 2\nc: 3")
    assert done.back(b"a: 0\nb: 2\nc: 3").after == b"a: 0"
    assert done.back(b"a: 0\nb: 2\nc: 3\nd: 4\n").after == b"a: 0\nd: 4\n"


REPLACED = Done(b"a: 1\nv: [x, y] # c\nz: 2\n", (Edit(8, b"[x, y]", b"[x, y, o]"),))


def test_replaced_text_is_put_back() -> None:
    """What gave way comes back where the whole line still is as we left it."""
    now = REPLACED.after.replace(b"a: 1", b"a: 0")
    assert REPLACED.back(now).after == b"a: 0\nv: [x, y] # c\nz: 2\n"


def test_replaced_text_in_a_changed_line_is_refused() -> None:
    """In a line that was edited since, nothing is put back."""
    patch = REPLACED.back(REPLACED.after.replace(b"# c", b"# d"))
    assert (patch.outcome, patch.by_hand) == ("refusal", "take what we wrote out of these lines:\n2: v: [x, y, o] # d")


ENV = b"A=1\nAWS_PROFILE='prod' # mine\n"
WANT: dict[str, str | None] = {"AWS_PROFILE": "dev", "AWS_REGION": "eu-west-1", "N": "7"}


@pytest.mark.parametrize("before", [None, b"", b"A=1", b"A=1\r\nB=2", ENV, b"\xef\xbb\xbf", b"AWS_PROFILE", b"N=\n"])
def test_dotenv_as_we_left_it(before: bytes | None) -> None:
    """A .env file goes back to its exact bytes although its receipt holds none of our text."""
    done = set_in(before, WANT)
    assert all(trace.new is None for trace in done.traces)
    assert done.back(done.after).after == before


def test_dotenv_edited_elsewhere() -> None:
    """By key, our lines go and the person's value comes back, whatever else was added, moved or changed."""
    done = set_in(ENV, WANT)
    now = b"N=7\n" + done.after.replace(b"N=7\n", b"Z=26\n").replace(b"A=1", b"A=2")
    patch = done.back(now)
    assert patch.after == b"A=2\nAWS_PROFILE='prod' # mine\nZ=26\n"
    assert splice(now, patch.edits) == patch.after


def test_dotenv_without_final_newline() -> None:
    """The last line that is left has no line feed if the last one had none."""
    done = set_in(b"A=1", {"X": "1", "Y": "2"})
    assert done.after == b"A=1\nX=1\nY=2"
    assert done.back(b"A=2\nX=1\nY=2").after == b"A=2"


def test_dotenv_value_changed_since_stays() -> None:
    """A key of ours to which the person gave another value stays, and is named; the others go."""
    patch = set_in(b"A=1\n", WANT).back(b"A=1\nAWS_PROFILE=own\nAWS_REGION=eu-west-1\n")
    assert patch.after == b"A=1\nAWS_PROFILE=own\n"
    assert patch.warnings == ("AWS_PROFILE (line 2) was changed since and stays",)


def test_dotenv_lines_doubled_since_all_go_at_once() -> None:
    """Every line of ours goes the way of the first one, whoever doubled it."""
    done = set_in(ENV, WANT)
    patch = done.back(done.after + done.after)
    assert patch.after == ENV + ENV
    assert set_in(b"A=1\n", {"N": "7"}).back(b"A=2\nN=7\nN=7\n").after == b"A=2\n"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_dotenv_comment_behind_a_line_of_ours_stays(end: str) -> None:
    """What the person wrote behind our line becomes a line of its own."""
    done = set_in(b"A=1\n", {"N": "7", "P": "dev"})
    now = done.after.replace(b"N=7\n", b"N=7  # ask ops\r\n").replace(b"P=dev\n", b"P=dev # me" + end.encode())
    assert done.back(now).after == b"A=1\n# ask ops\r\n# me" + end.encode()


@pytest.mark.parametrize("now", [b"A=1\n\0", "A=1\n".encode("utf-16")], ids=["NUL", "UTF-16"])
def test_dotenv_that_nobody_can_read_is_done_where_nothing_of_ours_is_in_it(now: bytes) -> None:
    """There is nothing to take out; with one of our lines in it, that one is named without its value."""
    done = set_in(b"A=1\n", {"N": "7"})
    assert done.back(now).outcome == "satisfied"
    patch = done.back(b"A=1\nN=7\n\0")
    assert (patch.outcome, patch.by_hand) == ("refusal", "take these lines out:\n2: N=…")
    assert done.back(b"A=1\n\0").outcome == "satisfied"


@pytest.mark.parametrize("end", [b"\r\n", b"\n\n", b""])
def test_a_created_file_of_which_only_line_ends_changed_is_deleted(end: bytes) -> None:
    """Such as by git's autocrlf, or an editor that drops the last newline."""
    done = inserted(None, b"a: 1\nb: 2\n")
    now = b"a: 1\r\nb: 2" + end
    assert done.back(now).after is None


def test_dotenv_created_and_added_to() -> None:
    """Of a .env file that we created only what others added stays."""
    done = set_in(None, WANT)
    assert done.back(done.after + b"Z=26\n").after == b"Z=26\n"
    assert done.back(b"\n" + done.after).after is None


def test_dotenv_that_became_unreadable_is_refused() -> None:
    """A file that is no text any more is left alone."""
    assert set_in(b"A=1\n", {"N": "7"}).back(b"N=7\n\0").outcome == "refusal"


def test_dotenv_bare_key_and_empty_value_come_back() -> None:
    """What stood there before a value of ours is put back, even if that was nothing."""
    done = set_in(b"K\nL=\nM=1\n", {"K": "k", "L": "l"})
    assert done.after == b"K=k\nL=l\nM=1\n"
    assert done.back(done.after + b"Z=26\n").after == b"K\nL=\nM=1\nZ=26\n"


def test_dotenv_line_that_was_taken_out_comes_back() -> None:
    """Wherever the file was edited since; not beside another assignment of that key."""
    done = set_in(b"K=\r\nA=1", {"K": None}, objection=lambda *_: "no")
    assert done.after == b"A=1"
    assert done.back(done.after).after == b"K=\r\nA=1"
    assert done.back(b"A=2").after == b"A=2\nK="
    assert done.back(b"A=1\r\nB=2\r\n").after == b"A=1\r\nB=2\r\nK=\r\n"
    assert done.back(b"A=1\nK=mine\n").outcome == "satisfied"


ASSIGNED = st.lists(
    st.sampled_from(["A=1", "K=", "K=x # c", "export K='y'", 'K="z\n1"', "# K=no", "", "B=$K"]), max_size=6
)


@given(ASSIGNED, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.binary(max_size=0) | st.just(b"Z=1\n"))
def test_dotenv_lines_taken_out_all_come_back(lines: list[str], ending: str, closed: bool, added: bytes) -> None:
    """To the byte where nothing else changed; else with the value that they gave, and everything else as it is."""
    before = (ending.join(lines) + ending * (closed and bool(lines))).encode()
    patch = dotenv.plan(before, {"K": None}, override=True, objection=lambda *_: "no")
    assume(patch.outcome == "edits")
    done = Done(before, patch.edits, dotenv.written(patch, {"K": None}))
    assert "K" not in dotenv.read(done.after, "compose")
    assert done.back(done.after).after == before
    now = done.after + (b"" if done.after.endswith(b"\n") or not done.after else b"\n") + added
    back = done.back(now).after
    assert back is not None
    assert dotenv.read(back, "compose")["K"] == dotenv.read(before, "compose")["K"]
    assert set(dotenv.read(back, "compose")) == {*dotenv.read(before, "compose"), *(["Z"] if added else [])}


def test_a_chain_of_changes() -> None:
    """Receipts are reversed from the newest: values of ours that followed one another, and a line that we took out."""
    first = set_in(ENV, WANT)
    ours = {key: {digest(value or "")} for key, value in WANT.items()}
    second = set_in(first.after, {"AWS_PROFILE": "two", "AWS_REGION": None}, ours=ours)
    now = second.after + b"Z=26\n"
    middle = second.back(now).after
    assert first.back(middle).after == ENV + b"Z=26\n"
    assert first.back(second.back(second.after).after).after == ENV


LINE = st.text(st.sampled_from("abc=- :#"), max_size=6).map(lambda text: text.encode() + b"\n")
FILE = st.lists(LINE, max_size=5)
OURS = [b"ours: 1\n", b"ours: 2\n  deep: 3\n"]


@given(st.data(), FILE)
def test_edits_elsewhere_are_kept_and_ours_go(data: st.DataObject, lines: list[bytes]) -> None:
    """Lines put in anywhere but inside of our blocks are what is left over when ours are taken out."""
    places = sorted(data.draw(st.lists(st.integers(0, len(lines)), min_size=1, max_size=3, unique=True)))
    block = data.draw(st.sampled_from(OURS))
    edits = tuple(Edit(len(b"".join(lines[:place])), b"", block) for place in places)
    done = Done(b"".join(lines), edits)
    pieces = [b"".join(lines[a:b]) for a, b in zip([0, *places], [*places, len(lines)], strict=True)]
    added = [data.draw(st.tuples(FILE, FILE)) for _ in pieces]
    theirs = [b"".join(head) + piece + b"".join(tail) for (head, tail), piece in zip(added, pieces, strict=True)]
    now = block.join(theirs)
    assume(now != done.after)
    patch = done.back(now)
    assert patch.after == b"".join(theirs)


@given(st.binary(), st.binary(), st.binary(), st.integers(0, 9), st.booleans())
def test_any_bytes_give_an_answer(before: bytes, new: bytes, now: bytes, at: int, ours: bool) -> None:
    """Whatever the file has become, nothing raises."""
    done = inserted(before, new, min(at, len(before)))
    assert done.back(now + new + now if ours else now).outcome in ("satisfied", "edits", "refusal")


@given(st.one_of(st.binary(), st.text(st.sampled_from("AN=7\n'\" #$")).map(str.encode)))
def test_any_bytes_of_a_dotenv_give_an_answer(now: bytes) -> None:
    """Whatever the .env file has become, nothing raises, and what is written reads as before but for our keys."""
    patch = set_in(b"A=1\n", {"N": "7"}).back(now)
    assert patch.outcome in ("satisfied", "edits", "refusal")
    if patch.outcome == "edits" and patch.after is not None:
        for reader in READERS:
            assert {**view(patch.after, reader).values, "N": ""} == {**view(now, reader).values, "N": ""}
