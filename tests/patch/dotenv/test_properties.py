"""What holds for every .env file whatever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.core import digest
from aws_airflow_tasks.patch import Patch, splice
from aws_airflow_tasks.patch.dotenv import plan, portable, read
from aws_airflow_tasks.patch.dotenv.readers import READERS
from tests.patch import reversed_edits

BOM = b"\xef\xbb\xbf"
OURS = ["AWS_PROFILE", "AWS_CONFIG_FILE", "AIRFLOW__SECRETS__BACKEND_KWARGS", "GONE"]
KEYS = st.sampled_from([*OURS, "A", "B", "DB_PASSWORD", "x.y", "é"])
TEXT = st.text(st.sampled_from("ab1 =:#'\"\\${}-?+é\t\x85.,/@"), max_size=12)
VALUES = st.one_of(
    TEXT,
    st.sampled_from(["dev", "'dev'", '"dev"', "dev # c", "$A", "${AWS_PROFILE:-x}", '{"a": "b"}', "'{\"a\": 1}'", ""]),
    st.builds("'{}'".format, TEXT),
    st.builds('"{}"'.format, TEXT),
)
LINES = st.one_of(
    st.builds(
        "{}{}{}{}".format, st.sampled_from(["", "export ", " ", "# "]), KEYS, st.sampled_from(["=", " = "]), VALUES
    ),
    st.sampled_from(["", "# note", "  # note: x", "BARE", 'M="one', 'two"', "\x0c", "# it's"]),
    TEXT,
)
REAL = b"""\
# Airflow
export AIRFLOW_CONN_DB='postgres://me:pa$$word@host/db?x=1' # it's "quoted"
AIRFLOW__CORE__FERNET_KEY="abc=="

OPENLINEAGE_URL=http://host:5000
JSON={"a": "b #c"}
MULTI="one
two=2
three"
PATH_LIKE=~/x:$HOME/y
AWS_PROFILE=prod
"""


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A .env file as people write them, and worse."""
    endings = draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n"]]))
    lines = draw(st.lists(st.tuples(LINES, st.sampled_from(endings)), max_size=8))
    whole = "".join(line + ending for line, ending in lines)
    if draw(st.booleans()):
        whole = whole.removesuffix("\n").removesuffix("\r")
    return draw(st.sampled_from([b"", b"", b"", BOM])) + whole.encode()


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A real-looking file with a few bytes cut out or put in."""
    data = REAL
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(st.binary(max_size=3)) + data[start + draw(st.integers(0, 5)) :]
    return data


WANT = st.dictionaries(
    st.sampled_from(OURS),
    st.one_of(st.none(), st.sampled_from(["dev", "/home/astro/.aws/config", '{"a": "b c", "d": 1}', ""])),
    min_size=1,
)
OWN = st.dictionaries(st.sampled_from(OURS), st.just({digest("dev"), digest("")}))
FILES = st.one_of(st.none(), texts(), mutations())


def seen(data: bytes | None, reader: str) -> dict[str, str] | None:
    try:
        return read(data or b"", reader)  # type: ignore[arg-type]
    except ValueError:
        return None


@given(st.one_of(st.binary(), FILES), WANT, OWN, st.booleans())
def test_any_bytes_give_one_of_the_four(
    data: bytes | None, want: dict[str, str | None], ours: dict[str, set[str]], override: bool
) -> None:
    """No bytes raise; nothing but edits changes anything; edits are exactly what leads from before to after."""
    patch = plan(data, want, ours=ours, override=override)
    assert patch.outcome in ("satisfied", "edits", "conflict", "refusal")
    assert patch.before == data
    if patch.outcome == "edits":
        assert splice(data or b"", patch.edits) == patch.after != data
    else:
        assert (patch.after, patch.edits) == (data, ())
    if override:
        assert patch.outcome != "conflict"


def made(data: bytes | None, want: dict[str, str | None], ours: dict[str, set[str]]) -> Patch | None:
    patch = plan(data, want, ours=ours, override=True)
    return patch if patch.outcome == "edits" else None


@given(FILES, WANT, OWN)
def test_planning_after_applying_is_satisfied(
    data: bytes | None, want: dict[str, str | None], ours: dict[str, set[str]]
) -> None:
    """The second plan finds nothing to do, without override and whether or not it knows what is ours by now."""
    if patch := made(data, want, ours):
        now = {key: ours.get(key, set()) | {digest(value)} for key, value in want.items() if value is not None}
        assert plan(patch.after, want, ours={**ours, **now}).outcome == "satisfied"
        assert plan(patch.after, want, ours=ours).outcome == "satisfied"


@given(FILES, WANT, OWN)
def test_undoing_gives_every_byte_back(
    data: bytes | None, want: dict[str, str | None], ours: dict[str, set[str]]
) -> None:
    """The reversed edits lead back to the bytes from before."""
    if patch := made(data, want, ours):
        assert splice(patch.after or b"", reversed_edits(patch.edits)) == (data or b"")


@given(FILES, WANT)
def test_deleting_the_inserted_spans_gives_the_original(data: bytes | None, want: dict[str, str | None]) -> None:
    """Without values of ours and without override, nothing that was there is touched but empty values."""
    patch = plan(data, want)
    if patch.outcome == "edits":
        rest, after = b"", patch.after or b""
        shift = 0
        for edit in patch.edits:
            assert edit.old.strip(b"'\" \t") == b""
            rest += after[len(rest) + shift : edit.start + shift] + edit.old
            shift += len(edit.new) - len(edit.old)
        assert rest + after[len(rest) + shift :] == (data or b"")


@given(FILES, WANT, OWN)
def test_mark_line_endings_and_final_newline_stay(
    data: bytes | None, want: dict[str, str | None], ours: dict[str, set[str]]
) -> None:
    """A byte order mark stays, no other kind of line ending comes in, and the file ends as it ended.

    Of a file in which nothing stays that was there, the lines are ours, and end as lines do.
    """
    patch = made(data, want, ours)
    if patch and data and patch.after:
        assert patch.after.startswith(BOM) == data.startswith(BOM)
        stays = len(data.removeprefix(BOM)) > sum(len(edit.old) for edit in patch.edits)
        if stays and patch.after != BOM:
            assert patch.after.endswith(b"\n") == data.endswith(b"\n")
        if b"\n" in data:
            crlf = data.count(b"\r\n"), patch.after.count(b"\r\n")
            lines = data.count(b"\n"), patch.after.count(b"\n")
            assert crlf[0] or not crlf[1]
            assert crlf[0] < lines[0] or crlf[1] == lines[1]


@given(FILES, WANT, OWN)
def test_every_old_key_keeps_its_value_for_every_reader(
    data: bytes | None, want: dict[str, str | None], ours: dict[str, set[str]]
) -> None:
    """Where nothing refers to what changes, each reader sees all of the person's values as before, and no new key."""
    patch = plan(data, want, ours=ours)
    if patch.outcome != "edits":
        return
    for reader in READERS:
        before, after = seen(data, reader), seen(patch.after, reader)
        if before is None:
            continue
        assert after is not None
        strangers = [key for key in {*before, *after} if not any(ours in key for ours in want)]
        assert {key: after.get(key) for key in strangers} == {key: before.get(key) for key in strangers}


@given(FILES, WANT, OWN)
def test_ours_have_their_values(data: bytes | None, want: dict[str, str | None], ours: dict[str, set[str]]) -> None:
    """docker compose sees every wanted value, and a reader that rejected nothing sees those that we appended."""
    patch = made(data, want, ours)
    if not patch:
        return
    values = {key: value for key, value in want.items() if value is not None}
    old = {reader: seen(data, reader) for reader in READERS}
    for reader in READERS:
        now = seen(patch.after, reader)
        if old[reader] is not None and now is not None:
            new = (
                values if reader == "compose" else {k: v for k, v in values.items() if k not in (data or b"").decode()}
            )
            assert now.items() >= new.items()


@given(st.one_of(st.text(), TEXT))
def test_what_is_portable_is_the_same_for_every_reader(value: str) -> None:
    """A value that may be written stands for itself in every reader, between any lines."""
    try:
        portable(value)
    except ValueError:
        return
    for reader in READERS:
        assert read(f"A='1'\nK={value}\nB=2\n".encode(), reader)["K"] == value
