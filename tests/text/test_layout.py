"""How prose lies on a terminal of any width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.text.layout import LEAST, MARGIN, Layout, brief, cells, laid, wrapped

WORDS = st.lists(st.text(st.sampled_from("abcxyzé漢́/:"), min_size=1, max_size=12), max_size=30)
HEAD = "changed  env      "
ROLE = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/me@example.com"


@given(WORDS, st.integers(1, 200), st.sampled_from(["", "ok       ", HEAD, f"{'x' * 40} "]))
def test_no_word_is_broken_none_is_lost_and_what_fits_stays_within_the_width(
    words: list[str], width: int, head: str
) -> None:
    lines = laid(head, " ".join(words), Layout(width=width))
    assert " ".join(lines).split() == [*head.split(), *words]
    for line in lines[1:]:
        assert cells(line) <= width or len(line.split()) == 1


@given(WORDS.filter(bool), st.integers(len(HEAD) + LEAST, 200))
def test_what_follows_stands_under_the_column_in_which_it_began(words: list[str], width: int) -> None:
    first, *rest = laid(HEAD, " ".join(words), Layout(width=width))
    assert first.startswith(HEAD)
    assert all(line.startswith(" " * len(HEAD)) and line[len(HEAD)] != " " for line in rest)


@pytest.mark.parametrize("width", [20, 40])
def test_where_its_column_leaves_too_little_a_text_goes_on_at_the_margin(width: int) -> None:
    _, second, *_ = laid(HEAD, "one two three four five six seven eight", Layout(width=width))
    assert second[:4].strip() == second[3]


def test_elsewhere_than_on_a_terminal_every_line_paths_and_arns_stay_whole() -> None:
    text = f"{ROLE} in /home/me/.aws " * 9
    assert laid(HEAD, text, Layout(home="/home/me")) == [f"{HEAD}{text}".rstrip()]


def test_lines_that_were_quoted_stand_under_their_first() -> None:
    assert laid("ok  ", "one\ntwo\n", Layout(width=80)) == ["ok  one", "    two", ""]


HOMES = {
    "/home/me/.aws is mode 0600": "~/.aws is mode 0600",
    "in /home/me, /home/me: /home/me": "in ~, ~: ~",
    "/home/me2/x /srv/home/me/x /home/me-too": "/home/me2/x /srv/home/me/x /home/me-too",
    "`cat '/home/me/a b'`": "`cat '/home/me/a b'`",
    "`cat /home/me/a`": "`cat ~/a`",
}


@pytest.mark.parametrize("text", HOMES)
def test_the_home_directory_is_a_tilde_where_a_shell_takes_one_for_it(text: str) -> None:
    assert laid("", text, Layout(width=200, home="/home/me")) == [HOMES[text]]


def test_an_arn_is_shortened_in_the_middle_and_only_where_there_is_no_room() -> None:
    (narrow, *_), wide = laid(HEAD, f"{ROLE} eu-west-1", Layout(width=80)), laid(HEAD, ROLE, Layout(width=200))
    assert wide == [HEAD + ROLE]
    shown = narrow.removeprefix(HEAD)
    assert len(shown) == 80 - len(HEAD)
    assert shown.startswith("arn:aws:sts::123456789012:")
    assert shown.endswith("me@example.com")
    assert "..." in shown


@given(
    st.lists(st.text(st.sampled_from("abc漢/:"), min_size=1, max_size=90), max_size=8),
    st.integers(30, 120),
    st.sampled_from(["", "ok       ", HEAD, f"{'x' * 40} "]),
)
def test_a_terminal_breaks_no_word_that_has_room_on_another_line(words: list[str], width: int, head: str) -> None:
    lines = laid(head, " ".join(words), Layout(width=width))
    assert " ".join(lines).split() == [*head.split(), *words]
    for line in lines:
        said = line.removeprefix(head.rstrip() if line is lines[0] else "").split()
        assert cells(line) <= width or not said or cells(said[0]) > width - MARGIN, line


PIECES = st.sampled_from(["a", "bcd", "(4 services)", "(at most 30 s)", "(a longer aside, which is prose)", "(", ")"])


@given(st.lists(PIECES, max_size=30), st.integers(LEAST, 90))
def test_a_short_parenthesis_is_not_broken_and_no_word_is_lost(pieces: list[str], width: int) -> None:
    text = " ".join(pieces)
    lines = wrapped(text, width, width)
    assert " ".join(lines) == text
    assert sum(line.count("(4 services)") for line in lines) == text.count("(4 services)")
    assert sum(line.count("(at most 30 s)") for line in lines) == text.count("(at most 30 s)")
    assert all(cells(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        (f"profile dev: {ROLE} in eu-west-1", 80, "profile dev: 123456789012:ass.../me@example.com in eu-west-1"),
        ("arn:aws:iam::123456789012:user/sandbox (4 services)", 60, "123456789012:user/sandbox (4 services)"),
        ("arn:aws:iam::123456789012:user/sandbox", 80, "arn:aws:iam::123456789012:user/sandbox"),
        (f"{ROLE} in eu-west-1", 200, f"{ROLE} in eu-west-1"),
        (f"{ROLE} in eu-west-1", None, f"{ROLE} in eu-west-1"),
        (f"of arn:aws:s3:::{'b' * 60}", 60, f"of arn:aws:s3:::{'b' * 60}"),
    ],
)
def test_of_an_identity_the_account_and_the_name_are_shown_where_the_line_has_no_room(
    text: str, width: int | None, shown: str
) -> None:
    assert brief(HEAD, text, Layout(width=width)) == shown


def test_a_long_path_stands_whole_on_a_line_of_its_own_at_the_margin() -> None:
    path = f"/srv/{'p' * 60}"
    assert laid(HEAD, f"{path} is not a directory", Layout(width=80)) == [
        HEAD.rstrip(),
        f"   {path}",
        f"{' ' * len(HEAD)}is not a directory",
    ]
