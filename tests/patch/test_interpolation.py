"""Variables put in as compose-go does, for compose files and ``.env`` alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.patch.interpolation import interpolate

VALUES = {"A": "a", "EMPTY": ""}
PIECES = ("$", "{", "}", "$$", "${", "A", "EMPTY", "NONE", ":-", "-", ":+", "+", ":?", "?", ":", "/", " ", "x", "\n")
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("${A b}:/x", "!:/x"),
        ("${}:/x", "!:/x"),
        ("/${NONE:?why}/x", "/!/x"),
        ("${NONE:-${NONE?}/y}:/x", "!/y:/x"),
        ("${A:+${NONE?}}", "!"),
        ("${A:-${NONE?}}", "a"),
        ("${A b", "!"),
        ("${NONE:-{x} y", "{x y"),
        ("${NONE:-" * 20 + "x" + "}" * 20, "x"),
        ("${NONE:-" * 60 + "x" + "}" * 60, "!"),
        ("${NONE:-" * 5_000, "!"),
    ],
)
def test_what_compose_rejects_is_marked_and_the_rest_still_read(text: str, marked: str) -> None:
    assert interpolate(text, VALUES.get, lambda cause: "!") == marked


@given(TEXTS)
def test_marking_tells_the_same_as_raising_wherever_nothing_is_rejected(text: str) -> None:
    causes: list[str] = []
    marked = interpolate(text, VALUES.get, lambda cause: causes.append(cause) or "!")
    if causes:
        with pytest.raises(ValueError, match=r"^[^!]+$") as caught:
            interpolate(text, VALUES.get)
        assert str(caught.value) == causes[0]
    else:
        assert interpolate(text, VALUES.get) == marked


@given(TEXTS.filter(lambda text: "$" not in text))
def test_a_text_without_a_dollar_is_itself(text: str) -> None:
    assert interpolate(text, VALUES.get) == text


def test_a_value_that_grows_beyond_measure_is_rejected() -> None:
    with pytest.raises(ValueError, match="grows too long"):
        interpolate("$LONG" * 3, {"LONG": "x" * 500_000}.get)
    assert interpolate("$LONG" * 3, {"LONG": "x" * 500_000}.get, lambda cause: "!") == "!"
