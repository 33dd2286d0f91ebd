"""Setting and removing keys of a .env file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aws_airflow_tasks.core import digest
from aws_airflow_tasks.patch import dotenv, splice
from aws_airflow_tasks.patch.dotenv import json_value, plan, portable, written
from tests.patch import reversed_edits

WANT = {"AWS_PROFILE": "dev", "AWS_REGION": "eu-west-1"}
LINES = b"AWS_PROFILE=dev\nAWS_REGION=eu-west-1\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, LINES),
        (b"", LINES),
        (b"A=1\n", b"A=1\n" + LINES),
        (b"A=1", b"A=1\n" + LINES[:-1]),
        (b"A=1\r\n", b"A=1\r\n" + LINES.replace(b"\n", b"\r\n")),
        (b"A=1\r\nB=2", b"A=1\r\nB=2\r\n" + LINES.replace(b"\n", b"\r\n")[:-2]),
        (b"A=1\nB=2\r\nC=3\n", b"A=1\nB=2\r\nC=3\n" + LINES),
        (b"\xef\xbb\xbfA=1\n", b"\xef\xbb\xbfA=1\n" + LINES),
        (b"\xef\xbb\xbf", b"\xef\xbb\xbf\n" + LINES),
        (b"# note\n\n\n", b"# note\n\n\n" + LINES),
        (b"# note", b"# note\n" + LINES[:-1]),
        (b"A=1\nKEYVALUE", b"A=1\n" + LINES + b"KEYVALUE"),
        (b"AWS_PROFILE=dev\n", LINES),
        (b"export AWS_PROFILE='dev' # mine\n", b"export AWS_PROFILE='dev' # mine\n" + LINES[16:]),
        (b"AWS_PROFILE=old\nAWS_PROFILE=dev\n", b"AWS_PROFILE=old\nAWS_PROFILE=dev\n" + LINES[16:]),
        (b'A="multi\nAWS_PROFILE=no\nline"\n', b'A="multi\nAWS_PROFILE=no\nline"\n' + LINES),
        (b"#AWS_PROFILE=no\n", b"#AWS_PROFILE=no\n" + LINES),
        (b"A=\xc2\x85\x0b \x0c\n", b"A=\xc2\x85\x0b \x0c\n" + LINES),
    ],
)
def test_missing_keys_are_appended(before: bytes | None, after: bytes) -> None:
    """What is missing goes to the end as one block in the file's own line ending; its end stays as it was."""
    patch = plan(before, WANT)
    assert (patch.outcome, patch.after) == ("edits", after)
    assert plan(after, WANT).outcome == "satisfied"
    assert splice(after, reversed_edits(patch.edits)) == (before or b"")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"K=old\n", b"K=new\n"),
        (b"K='old'\n", b"K=new\n"),
        (b"export K=old # note\n", b"export K=new # note\n"),
        (b"K = old\r\nA=1\r\n", b"K = new\r\nA=1\r\n"),
        (b"K: old\n", b"K: new\n"),
        (b"K='old'# note\n", b"K='new'# note\n"),
        (b"K='old' A=1\n", b"K='new' A=1\n"),
        (b'K="{"a": "b"}"\n', b"K=new\n"),
        (b"K='never closed\n", b"K=new\n"),
        (b"K\nA=1\n", b"K=new\nA=1\n"),
        (b'K="o\nl\nd"\nA=1\n', b"K=new\nA=1\n"),
        (b"K=first\nA=1\nK=old", b"K=first\nA=1\nK=new"),
        (b"\xef\xbb\xbfK=old\n", b"\xef\xbb\xbfK=new\n"),
        (b"\xef\xbb\xbfexport K\n", b"\xef\xbb\xbfexport K=new\n"),
        (b"K=old\nA=x$K\nB='$K'\n", b"K=new\nA=x$K\nB='$K'\n"),
    ],
)
def test_someone_elses_value_is_replaced_only_on_demand(before: bytes, after: bytes) -> None:
    """Another value is a conflict that changes nothing; with override the value alone changes, bare where it can be."""
    conflict = plan(before, {"K": "new"})
    assert (conflict.outcome, conflict.after, conflict.by_hand) == ("conflict", before, "K=new")
    patch = plan(before, {"K": "new"}, override=True)
    assert (patch.outcome, patch.after) == ("edits", after)
    assert dotenv.read(after, "compose")["K"] == "new"
    assert splice(after, reversed_edits(patch.edits)) == before


@pytest.mark.parametrize("before", [b"K=\r\nG=\r\nA=1\r\n", b"A=1\nG=\nK=  \t\n", b"A=1\nK=''\nG=''"])
def test_an_empty_value_is_a_placeholder_that_is_filled_or_taken_out(before: bytes) -> None:
    """It is nobody's choice: no conflict where a value, or no line at all, is wanted."""

    def unlike(key: str, current: str, wanted: str | None) -> str:
        return "" if current == wanted else " is another"

    patch = plan(before, {"K": "new", "G": None}, objection=unlike)
    assert patch.outcome == "edits"
    assert dotenv.read(patch.after or b"", "compose") == {"A": "1", "K": "new"}


def test_a_variable_that_has_no_value_here_is_no_placeholder() -> None:
    """Somebody meant another value, which another shell may have."""
    for before in (b"K=$UNSET_HERE\n", b'K="${UNSET_HERE}"\n', b"K=${UNSET_HERE:-}\n"):
        assert plan(before, {"K": "new"}).outcome == "conflict"


def test_someones_own_line_that_will_not_do_goes_only_on_demand_and_every_one_of_it() -> None:
    """What is wanted is no such line, or one that will do: nothing that is hidden comes to light by it."""

    def unfit(key: str, current: str, wanted: str | None) -> str:
        return "" if current == "dev" else dotenv.instead(key, current, wanted)

    before = b"K=prod\nK=dev\nK=test\n"
    conflict = plan(before, {"K": None}, objection=unfit)
    assert (conflict.outcome, conflict.after, conflict.by_hand) == ("conflict", before, "(remove the line K=...)")
    assert conflict.reason == "line 1: K is ***, wanted no such line; line 3: K is ***, wanted no such line"
    assert plan(before, {"K": None}, objection=unfit, override=True).after == b"K=dev\n"
    assert plan(b"K=dev\n", {"K": None}, objection=unfit).reason == "K (line 1) is not ours and stays"
    assert plan(b"K\n", {"K": None}, objection=unfit).outcome == "conflict"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"K=mine\n", b""),
        (b"A=1\nK=mine\nB=2\n", b"A=1\nB=2\n"),
        (b"A=1\nK=mine", b"A=1"),
        (b"A=1\r\nK=mine", b"A=1"),
        (b"A=1\nexport K='mine' # ours, once\n", b"A=1\n"),
        (b"K=theirs\nK=mine\n", b"K=theirs\n"),
        (b"A=1\nK=mine\nK=mine", b"A=1"),
    ],
)
def test_our_line_goes(before: bytes, after: bytes) -> None:
    """A key wanted gone loses the lines that hold a value of ours."""
    patch = plan(before, {"K": None}, ours={"K": {digest("mine")}})
    assert (patch.outcome, patch.after) == ("edits", after)
    assert splice(after, reversed_edits(patch.edits)) == before


@pytest.mark.parametrize("override", [False, True])
def test_someone_elses_line_stays(override: bool) -> None:
    """A key wanted gone stays where the value is not ours, and the reason names it."""
    patch = plan(b"A=1\nK=theirs\n", {"K": None}, ours={"K": {digest("mine")}}, override=override)
    assert (patch.outcome, patch.reason) == ("satisfied", "K (line 2) is not ours and stays")


def test_our_value_changes_freely() -> None:
    """A value that we wrote earlier, whichever one, gives way without a conflict."""
    ours = {"K": {digest("one"), digest("two")}}
    assert plan(b"K=one\n", {"K": "three"}, ours=ours).after == b"K=three\n"
    assert plan(b"K=two\n", {"K": "three"}, ours=ours).after == b"K=three\n"
    assert plan(b"K=four\n", {"K": "three"}, ours=ours).outcome == "conflict"


def test_removing_and_appending_in_one_plan() -> None:
    """Lines that go and lines that come meet at the end of a file without a final newline."""
    patch = plan(b"A=1\nK=mine", {"K": None, "N": "new"}, ours={"K": {digest("mine")}})
    assert patch.after == b"A=1\nN=new"
    assert splice(patch.after, reversed_edits(patch.edits)) == b"A=1\nK=mine"


def test_every_conflict_is_named_with_its_line() -> None:
    """Several conflicts are all named: the key, the line, and both values where they may be shown."""
    before = b"AWS_PROFILE=prod\n\nTOKEN=hunter2\nAWS_REGION\nAWS_CONFIG_FILE='x\n"
    want = {"AWS_PROFILE": "dev", "TOKEN": "t", "AWS_REGION": "r", "AWS_CONFIG_FILE": "c"}
    patch = plan(before, want)
    assert patch.outcome == "conflict"
    assert patch.reason.split("; ") == [
        "line 5: AWS_CONFIG_FILE cannot be read (a quote that is never closed), wanted 'c'",
        "line 1: AWS_PROFILE is 'prod', wanted 'dev'",
        "line 3: TOKEN is ***, wanted ***",
        "line 4: AWS_REGION is taken from the shell, wanted 'r'",
    ]


def test_only_the_lines_that_conflict_are_shown_to_be_changed_by_hand() -> None:
    """What is missing besides is nobody's, and no part of the question."""
    patch = plan(b"AWS_PROFILE=prod\nOURS=one\n", {**WANT, "OURS": "two"}, ours={"OURS": {digest("one")}})
    assert (patch.outcome, patch.by_hand, patch.keys) == ("conflict", "AWS_PROFILE=dev", ("AWS_PROFILE",))


def test_secret_members_of_our_json_are_not_shown_in_a_conflict() -> None:
    """A conflict about the backend's kwargs shows them without what sounds secret."""
    key = "AIRFLOW__SECRETS__BACKEND_KWARGS"
    patch = plan(f'{key}={{"role_arn": "r", "aws_secret_access_key": "hunter2"}}\n'.encode(), {key: "{}"})
    assert "hunter2" not in patch.reason
    assert '"role_arn": "r"' in patch.reason


def test_a_line_that_refers_to_ours_is_a_conflict() -> None:
    """A change that would change a line of the person's along, even through another one, is not made silently."""
    before, ours = b"K=one\nA=${K}\nB=$A\nC='$K'\n", {"K": {digest("one")}}
    patch = plan(before, {"K": "two"}, ours=ours)
    assert patch.outcome == "conflict"
    assert patch.reason == "line 2: A refers to what would change; line 3: B refers to what would change"
    assert plan(before, {"K": "two"}, ours=ours, override=True).after == before.replace(b"one", b"two")


def test_satisfied_may_accept_an_equivalent_value() -> None:
    """The caller decides what is as good as the wanted value."""

    def same_json(key: str, current: str, wanted: str | None) -> str:
        return "" if json.loads(current) == json.loads(wanted or "null") else " says something else"

    assert plan(b'K={"b":2,"a":1}\n', {"K": '{"a": 1, "b": 2}'}, objection=same_json).outcome == "satisfied"
    assert (
        plan(b'K={"b":2,"a":0}\n', {"K": '{"a": 1, "b": 2}'}, objection=same_json).reason
        == "line 1: K says something else"
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("A=1\n".encode("utf-16"), "it is UTF-16; save it as UTF-8"),
        (b"\xfe\xff\x00A", "it is UTF-16; save it as UTF-8"),
        (b"A=1\nB=\0\n", "line 2 holds a NUL byte; save it as UTF-8 text"),
        (b"A=1\n\nB=caf\xe9\n", "line 3 is not UTF-8; save it as UTF-8"),
        (b"A=1\rB=2\r", "its lines end in CR alone; save it with LF"),
    ],
)
def test_files_that_are_not_touched(data: bytes, reason: str) -> None:
    """What no reader takes for text is refused, with the lines to add once it is mended."""
    patch = plan(data, WANT)
    assert (patch.outcome, patch.after, patch.reason) == ("refusal", data, reason)
    assert patch.by_hand == "AWS_PROFILE=dev\nAWS_REGION=eu-west-1"


@pytest.mark.parametrize(
    ("want", "reason"),
    [
        ({"K": "a\nb"}, "K: a value with '\\n' is not read alike by every reader of .env"),
        ({"K": "pa$word"}, "K: a value with '$' is not read alike by every reader of .env"),
        ({"A B": "1"}, "'A B' is no name of an environment variable"),
    ],
)
def test_what_cannot_be_written_is_refused(want: dict[str, str], reason: str) -> None:
    """A value outside of the subset that every reader agrees on is never written."""
    patch = plan(b"A=1\n", want)
    assert (patch.outcome, patch.reason) == ("refusal", reason)


def test_a_quote_that_is_never_closed_would_swallow_our_line_and_is_named_as_what_comes_first() -> None:
    before = b'A=1\nB="never closed\nC=2\n'
    patch = plan(before, {"K": '{"a": 1}'})
    assert (patch.outcome, patch.after) == ("refusal", before)
    assert patch.reason == "line 2: a quote that is never closed"
    assert patch.by_hand == '# correct that line first; then the same command adds these:\nK={"a": 1}'
    assert plan(before.replace(b"closed", b'closed"'), {"K": '{"a": 1}'}).outcome == "edits"


@pytest.mark.parametrize(
    ("before", "warnings"),
    [
        (b"A=1\n", []),
        (b"A='secret'\nB=2\n", ["docker --env-file", "sees another value of A (line 1) than docker compose"]),
        (b"A=1\nexport B=2\n", ["standalone", "B (line 2)", "docker --env-file", "rejects .env at line 2"]),
        (b'A="{"secret"}"\n', ["docker compose (astro dev start) rejects .env at line 1"]),
        (b"A=1\nBARE", ["misreads line 4 of .env"]),
        (b"".join(b"K%d=v # c\n" % n for n in range(9)), ["K4 (line 5) and 4 more than docker compose"]),
    ],
)
def test_what_readers_see_differently_is_warned_of(before: bytes, warnings: list[str]) -> None:
    """Keys that another reader sees differently, and files that it rejects, are named; values never are."""
    patch = plan(before, WANT)
    said = "\n".join(patch.warnings)
    assert all(warning in said for warning in warnings)
    assert bool(said) == bool(warnings)
    assert "secret" not in said
    assert plan(patch.after, WANT).warnings == patch.warnings


@pytest.mark.parametrize(
    "value", ["", "dev", "a b", "a#b", 'a"b"', "~/x", "C:\\x", "{'", "a'b"[:1], "http://127.0.0.1:5000", "é", "a=b"]
)
def test_portable_values(value: str) -> None:
    """What every reader takes as it is may be written."""
    if "'" in value:
        with pytest.raises(ValueError, match="not read alike"):
            portable(value)
    else:
        assert portable(value) == value


@pytest.mark.parametrize(
    "value", ["$", "a #b", "#a", "'a'", '"a"', " a", "a ", "a\r", "\x85", "a\u3000", "\t", "\0", "\ud800"]
)
def test_values_that_are_not_portable(value: str) -> None:
    """What a reader takes for syntax, trims or cannot hold may not be written, and the message does not show it."""
    with pytest.raises(ValueError, match="not read alike"):
        portable(value)


@pytest.mark.parametrize(
    "value",
    [
        {"prefix": "a #b", "quote": "it's", "money": "$HOME", "deep": ["é", "\n", "\x7f", '"', "\\", None, 1.5, True]},
        [],
        "",
    ],
)
def test_json_values_survive_every_reader(value: Any) -> None:
    """JSON written by us means the same to every reader and says what it said."""
    text = json_value({"v": value})
    assert text.isascii()
    for reader in ("compose", "standalone", "docker"):
        assert json.loads(dotenv.read(f"K={text}\n".encode(), reader)["K"]) == {"v": value}


def test_what_json_cannot_hold_is_an_error() -> None:
    """NaN is no JSON, though Python would write it."""
    with pytest.raises(ValueError, match="JSON compliant"):
        json_value({"v": float("nan")})


def test_written_names_offset_and_hash() -> None:
    """A receipt's part of a plan: where each of our values begins in the file, its hash, and which line went."""
    want = {"K": "new", "N": "2", "G": None, "S": "same"}
    ours = {"G": {digest("g")}}
    patch = plan(b"\xef\xbb\xbfK=old\nG=g\nS=same\n", want, ours=ours, override=True)
    assert patch.after == b"\xef\xbb\xbfK=new\nS=same\nN=2\n"
    assert written(patch, want) == {
        "K": {"offset": 5, "sha256": digest("new")},
        "N": {"offset": 18, "sha256": digest("2")},
        "G": None,
    }


def test_an_open_quote_at_the_end_gives_way_without_the_lines_ending() -> None:
    patch = plan(b'A=1\r\nGONE="\r\n', {"GONE": "dev"}, override=True)
    assert patch.after == b"A=1\r\nGONE=dev\r\n"
