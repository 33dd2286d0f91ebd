"""What a diff is: empty only where nothing differs, and what `git apply` takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.core import Change, unified_diff

texts = st.none() | st.text(alphabet="ab \r\n\x0b\x85\u2028é", max_size=30)


@given(before=texts, after=texts)
def test_a_diff_is_empty_only_when_nothing_differs(before: str | None, after: str | None) -> None:
    assert bool(unified_diff("f", before, after)) == (before != after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "a\nb\n"),
        ("a\n", "a\nb\n"),
        ("a", "a\nb"),
        ("a\r\nb\r\n", "a\r\nx\r\nb\r\n"),
        ("a\n", None),
        ("one\x0btwo\u2028\n", "one\x0btwo\u2028\nthree\n"),
        (None, ""),
    ],
)
def test_git_applies_the_diff(tmp_path: Path, before: str | None, after: str | None) -> None:
    file = tmp_path / "some file.yml"
    if before is not None:
        file.write_bytes(before.encode())
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    diff = unified_diff(file.name, before, after).encode()
    subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], cwd=tmp_path, input=diff, check=True)
    assert (file.read_bytes().decode() if file.exists() else None) == after


def test_a_diff_says_that_a_file_is_new_or_deleted_and_only_then() -> None:
    made = unified_diff("f", None, "a\n").splitlines()
    assert made[1:4] == ["new file mode 100644", "--- /dev/null", "+++ b/f"]
    gone = unified_diff("f", "a\n", None).splitlines()
    assert gone[1:4] == ["deleted file mode 100644", "--- a/f", "+++ /dev/null"]
    assert unified_diff("f", "", "a\n").splitlines()[1:3] == ["--- a/f", "+++ b/f"]


def change(before: str | None, after: str | None, *, file: bool = False) -> Change:
    return Change(
        "t", "patch", before, after, lambda: None, shown=lambda text: text.replace("secret", "***"), file=file
    )


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("a\nb\n", None, "  t: a, b -> absent\n"),
        (None, "my secret\n", "  t: absent -> my ***\n"),
        ("a", "a", ""),
        (None, "x: up\ny: down\nz: up\n", "  t: absent -> x, z: up, y: down\n"),
    ],
)
def test_what_differs_in_what_is_no_file_is_one_line_that_holds_no_secret(
    before: str | None, after: str | None, said: str
) -> None:
    assert change(before, after).diff() == said


def test_a_diff_of_a_file_holds_no_secret_either() -> None:
    diff = change("secret\n", "secret\nmore\n", file=True).diff()
    assert diff == "diff --git a/t b/t\n--- a/t\n+++ b/t\n@@ -1 +1,2 @@\n ***\n+more\n"
    assert change("secret", "***", file=True).diff() == "  t: only redacted values differ\n"
    assert change("secret", "secret", file=True).diff() == ""
