"""What a terminal obeys is shown to it as text."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.text.printable import printable


def test_the_escape_that_sets_a_terminals_title_is_text() -> None:
    assert printable("\x1b]0;owned\x07 and \u202e") == "\\x1b]0;owned\\x07 and \\u202e"


@given(st.text())
def test_no_control_character_but_the_ends_of_lines_and_tabs_is_left_and_nothing_else_is_changed(text: str) -> None:
    shown = printable(text)
    left = {char for char in shown if unicodedata.category(char) == "Cc"}
    assert left <= {"\n", "\t", "\r"}
    assert shown.replace("\r\n", "").rstrip("\r").count("\r") == 0
    assert printable(shown) == shown
    assert [char for char in shown if char.isalpha() and not char.isascii()] == [
        char for char in text if char.isalpha() and not char.isascii()
    ]
