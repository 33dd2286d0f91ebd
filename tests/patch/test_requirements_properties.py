"""What holds for every requirements file whatever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.patch import splice
from aws_airflow_tasks.patch.requirements import PACKAGE, Target, plan, wanted
from tests.patch import reversed_edits
from tests.patch.test_requirements import ASKS, DOES_NOT, FILES, LINUX

BOM = b"\xef\xbb\xbf"
LINES = st.one_of(
    st.sampled_from([*ASKS.values(), *DOES_NOT.values(), "", "\\", "a \\", "# a \\", "requests==2", "--pre", "-i x"]),
    st.text(st.sampled_from("ab-r#;@[]=<>'\"\\ \t\x0b\x0c\x1c\x85\u2028é/.:"), max_size=12),
)
ENDINGS = st.sampled_from(["\n", "\r\n", "\r"])
AIRFLOWS = st.sampled_from([None, (2, 7), (2, 11), (3, 1)])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A requirements file as people write them, and worse."""
    whole = "".join(line + draw(ENDINGS) for line in draw(st.lists(LINES, max_size=6)))
    if draw(st.booleans()):
        whole = whole.rstrip("\r\n")
    return draw(st.sampled_from([b"", b"", BOM])) + whole.encode()


@given(st.one_of(st.none(), files(), st.binary(max_size=60)), AIRFLOWS, st.sets(st.sampled_from([PACKAGE, "a"])))
def test_any_bytes_are_satisfied_after_the_edits_and_come_back_byte_for_byte(
    data: bytes | None, airflow: tuple[int, int] | None, ours: set[str]
) -> None:
    target = Target(airflow, LINUX)
    patch = plan(data, target, FILES.get, ours=ours)
    assert patch.outcome in ("satisfied", "edits", "refusal")
    if patch.outcome != "edits":
        assert patch.after == data
        assert not patch.edits
        return
    assert patch.after is not None
    assert splice(data or b"", patch.edits) == patch.after
    assert splice(patch.after, reversed_edits(patch.edits)) == (data or b"")
    assert plan(patch.after, target, FILES.get, ours=ours).outcome == "satisfied"
    if all(not edit.old for edit in patch.edits):
        (edit,) = patch.edits
        assert (edit.start, edit.new.strip()) == (len(data or b""), wanted(airflow).encode())


@given(st.text(max_size=40), st.binary(max_size=40))
def test_a_followed_file_may_hold_anything(name: str, content: bytes) -> None:
    patch = plan(f"-r {name}\n".encode(errors="replace"), Target((3, 1), LINUX), lambda path: content)
    assert patch.outcome in ("satisfied", "edits", "refusal")
