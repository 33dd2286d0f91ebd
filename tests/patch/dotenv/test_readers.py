"""The three readers of a .env file. Expectations were measured by running compose-go 2.9.1's dotenv package, docker CLI
28.5's kvfile package and the Astro CLI 1.45's loader on the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks.patch.dotenv.readers import READERS, Reader, read, view

ROWS = json.loads((Path(__file__).parent / "cases" / "readers.json").read_text())["rows"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["line"])
def test_measured_rows(row: dict[str, Any], reader: Reader) -> None:
    """Each reader sees what was measured: a value, another key, or nothing since it rejects the file."""
    expected = row["docker_env_file" if reader == "docker" else reader]
    data = row["line"].encode() + b"\n"
    if expected is None:
        with pytest.raises(ValueError, match="line 1: "):
            read(data, reader)
    else:
        assert read(data, reader) == (expected if isinstance(expected, dict) else {"K": expected})


COMPOSE: list[tuple[str, dict[str, str]]] = [
    ("A=1\nA=2\n", {"A": "2"}),
    ("\ufeffA=1", {"A": "1"}),
    ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    ("A: 1\n", {"A": "1"}),
    ("A=\nB=\n", {"A": "", "B": ""}),
    ("A= # c\n", {"A": "# c"}),
    ("A=x#c\n", {"A": "x#c"}),
    ('A="x"#c\n', {"A": "x"}),
    ('A="x" B=2\n', {"A": "x", "B": "2"}),
    ('A="one\ntwo"\nB=2\n', {"A": "one\ntwo", "B": "2"}),
    (r'A="\n\t\"\\\a\012\0123\08"', {"A": '\n\t"\\\a\\12S\\8'}),
    (r"A='\n\''", {"A": r"\n'"}),
    (r'A="\$B"', {"A": "$B"}),
    ("BARE\nA=1\n", {"A": "1"}),
    ("A=1\nBARE", {"A": "1", "": "BARE"}),
    ("export\tA=1\n", {"A": "1"}),
    ("export=1\n", {"export": "1"}),
    ("B=b\nA=$B-${B}-$$B-$1-$\n", {"B": "b", "A": "b-b-$B-$1-$"}),
    ("A=${X:-d}${X-d}${X:+s}${X+s}\n", {"A": "dd"}),
    ("X=\nA=${X:-d}${X-d}|${X:+s}${X+s}\n", {"X": "", "A": "d|s"}),
    ("X=v\nA=${X:-d}${X:+s}${X:?m}\n", {"X": "v", "A": "vsv"}),
    ("A=${X:-${Y:-deep}}!\n", {"A": "deep!"}),
    ("A='$X'\n", {"A": "$X"}),
    ("[a.b-c]=1\n", {"[a.b-c]": "1"}),
    ("# A=1\n\n   # B=2\n", {}),
]


@pytest.mark.parametrize(("text", "expected"), COMPOSE)
def test_compose(text: str, expected: dict[str, str]) -> None:
    """Quotes, escapes, comments, references and odd names are read as compose-go reads them."""
    assert read(text.encode(), "compose") == expected


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("A B=1\n", "a space in the name"),
        ('OK=1\n"A"=1\n', "a character that no name may hold"),
        ("A='1\n", "a quote that is never closed"),
        ("A=${\n", "a ${ that is no reference"),
        ("A=${X:-d\n", "a ${ that is no reference"),
        ("A=${X?}\n", "a required variable without a value"),
        ("export ", "nothing after export"),
        ("A=" + "${X:-" * 60 + "}" * 60, "nested too deeply"),
        ("A=0123456789\n" + "A=$A$A\n" * 20, "grows too long"),
    ],
)
def test_compose_rejects(text: str, cause: str) -> None:
    """What compose-go rejects, or would take endless time or memory for, is an error that says why."""
    with pytest.raises(ValueError, match="line ") as caught:
        read(text.encode(), "compose")
    assert cause in str(caught.value)


def test_compose_looks_up_the_environment_first() -> None:
    """The shell's value beats the file's, and a bare name is taken from the shell."""
    assert read(b"A=file\nB=$A\nC\nD\n", "compose", {"A": "shell", "C": "c"}) == {"A": "file", "B": "shell", "C": "c"}


def test_standalone_keeps_everything_but_outer_quotes() -> None:
    """The Astro CLI's own loader knows no comments after values, no references, no export and no byte order mark."""
    text = "\ufeffA=1\nexport B=2\n C = 3 # c \nD='4'\nE=\"5'\n#F=6\nG\n=7\r\nH=\"\n"
    expected = {"\ufeffA": "1", "export B": "2", "C ": " 3 # c", "D": "4", "E": "\"5'", "": "7", "H": '"'}
    assert read(text.encode(), "standalone") == expected


def test_docker_takes_lines_as_they_are() -> None:
    """docker --env-file cuts leading blanks, and nothing else."""
    text = "\ufeffA=1 \n  B='2' # c\r\n#C=3\n  # D=4\nE\n\nG=$A=\n"
    assert read(text.encode(), "docker") == {"A": "1 ", "B": "'2' # c", "G": "$A="}
    assert read(b"E\nF\n", "docker", {"E": "e"}) == {"E": "e"}


@pytest.mark.parametrize("line", ["export A=1", "A =1", "=1", "A\tB", "A=" + "x" * 65_534, b"A=\xff"])
def test_docker_rejects(line: str | bytes) -> None:
    """A name with blanks, no name, 64 KiB in a line or bytes that are no UTF-8 end docker's reading."""
    with pytest.raises(ValueError, match="line 2: "):
        read(b"OK=1\n" + (line if isinstance(line, bytes) else line.encode()) + b"\n", "docker")


def test_docker_takes_a_line_just_short_of_the_limit() -> None:
    """65,535 bytes without the line feed are still read."""
    assert len(read(b"A=" + b"x" * 65_533 + b"\n", "docker")["A"]) == 65_533


def test_errors_never_hold_values() -> None:
    """The message of a rejected file names the line and the cause, not what stands there."""
    with pytest.raises(ValueError, match="line 1: ") as caught:
        read(b'PASSWORD="hunter2', "compose")
    assert "hunter2" not in str(caught.value)


def test_view_goes_on_after_what_is_rejected() -> None:
    """Lines after a rejected one are still seen, and the rejected one is named."""
    seen = view(b"A=1\nB C=2\nD=4\n", "compose")
    assert (seen.values, list(seen.errors)) == ({"A": "1", "D": "4"}, [2])
