"""Whatever lies where invoke looks for configuration: our settings, or one error that names the file; never a hang."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project import Done, run
from tests.test_streams import project, shell

__all__ = ["project", "run"]

Run = Callable[..., Done]

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(f'*{before}' for _ in range(9))}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {k: v}\n" + "".join(
    f"{name}: &{name}\n  <<: [{', '.join(f'*{before}' for _ in range(9))}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def written(content: bytes | str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


#: what lies there, and what is said of it
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "no YAML": (written("a: [\n"), "line 2: expected"),
    "no YAML beside a password": (written("sudo: {password: hunter2, x: [}\n"), "line 1: expected"),
    "a tab": (written("a:\n\t- b\n"), "found character"),
    "no text": (written(b"\xff\xfe\0\0"), "decode"),
    "a list": (written("- a\n"), "not a mapping"),
    "a word": (written("hello\n"), "not a mapping"),
    "a section of invoke's that is no mapping": (written("run: 5\n"), "no mapping in it"),
    "two documents": (written("a: 1\n---\nb: 2\n"), "document"),
    "an object of Python's": (written("a: !!python/object/apply:os.system ['exit 9']\n"), "python"),
    "aliases that multiply": (written(BOMB), "aliases"),
    "merge keys that multiply": (written(MERGES), "aliases"),
    "an alias of what it is part of": (written("a: &a [*a]\n"), "part of"),
    "too deep": (written("a: " + "[" * 5000), "recursion"),
    "too large": (written("# x\n" * 100_000), "larger than"),
    "a FIFO": (lambda path: os.mkfifo(path), "not a regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "a directory": (lambda path: path.mkdir(), "is a directory"),
    "a link to itself": (lambda path: path.symlink_to(path), "symbolic links"),
}


@pytest.mark.parametrize("level", ["user", "project", "-f"])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_a_cause_a_hint_and_exit_2(project: Path, closed_world: Path, level: str, case: str) -> None:
    make, said = BAD[case]
    place = {"user": closed_world / ".invoke.yaml", "project": project / "invoke.yaml", "-f": project / "my file.yaml"}
    make(place[level])
    flag = "-f 'my file.yaml'" if level == "-f" else ""
    done = shell(f"ulimit -v 4000000; $A {flag} dag --json", project)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done
    document = json.loads(done.stdout)
    assert place[level].name in document["error"]["message"], document
    assert said in document["error"]["message"].lower(), document
    assert "hunter2" not in done.stdout + done.stderr
    assert not (project / "dags").exists()


@pytest.mark.parametrize("name", [".invoke.json", ".invoke.py"])
def test_the_other_endings_are_read_with_the_same_bounds(project: Path, closed_world: Path, name: str) -> None:
    file = closed_world / name
    for content in ("{", "[1]" if name.endswith("json") else "raise ValueError('no')"):
        file.write_text(content)
        done = shell("$A dag", project)
        assert (done.returncode, name in done.stdout, "Traceback" in done.stderr) == (2, True, False), done
    file.write_text('{"aws_airflow": {"wait": 9}}' if name.endswith("json") else "aws_airflow = {'wait': '9'}\n")
    assert shell("$A dag", project).returncode == 0


def test_a_file_of_an_unknown_ending_and_one_that_is_not_there_are_refused(project: Path) -> None:
    (project / "c.toml").write_text("")
    for name in ("c.toml", "nosuch.yaml"):
        done = shell(f"$A -f {name} dag", project)
        assert (done.returncode, name in done.stdout, done.stderr) == (2, True, ""), done
    assert not (project / "dags").exists()


def test_under_invoke_a_named_file_that_is_not_there_is_refused_too(project: Path) -> None:
    shell("$A init-tasks", project)
    done = shell("$I -f nosuch.yaml dag", project)
    assert (done.returncode, "there is no nosuch.yaml" in done.stdout, done.stderr) == (2, True, ""), done


def test_ordinary_files_of_every_level_count_aliases_and_merge_keys_too(project: Path, closed_world: Path) -> None:
    (closed_world / ".invoke.yaml").write_text(
        "﻿x: &x {wait: 11}\naws_airflow:\n  <<: *x\n  region: eu-west-1\nrun: {echo: true}\n"
    )
    (project / "invoke.yaml").write_text("")
    (project / "mine.yaml").write_text("aws_airflow: {runtime: nosuch}\n")
    done = shell("$A -f mine.yaml dag", project)
    assert (done.returncode, "'nosuch' (from mine.yaml)" in done.stdout) == (2, True), done
    assert shell("$A dag", project).returncode == 0


@pytest.mark.parametrize(
    "name",
    ["aws-airflow", "awsairflow", "AWS_AIRFLOW", "aws airflow", "aws_airfow", "aws_ariflow", "aws_airflow_tasks"],
)
@pytest.mark.parametrize("level", ["user", "project", "-f"])
def test_a_misspelt_section_is_named_and_nothing_is_done(
    project: Path, closed_world: Path, level: str, name: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    places = {"user": closed_world / ".invoke.yaml", "project": project / "invoke.yaml", "-f": project / "mine.yaml"}
    places[level].write_text(f"{name}: {{region: eu-west-1}}\n")
    monkeypatch.chdir(project)
    done = run(*(["-f", "mine.yaml"] if level == "-f" else []), "dag")
    assert done.code == 2
    assert f"nobody reads the section {name} (from {places[level] if level != '-f' else 'mine.yaml'})" in done.out
    assert "-> its name is: aws_airflow" in done.out
    assert not (project / "dags").exists()


@pytest.mark.parametrize("name", ["airflow", "aws", "tasks", "aws_flow", "airflow_aws", "run"])
def test_sections_of_others_are_left_to_them(
    project: Path, closed_world: Path, name: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    for path in (closed_world / ".invoke.yaml", project / "invoke.yaml"):
        path.write_text(f"{name}: {{}}\n")
    monkeypatch.chdir(project)
    assert run("dag").code == 0
