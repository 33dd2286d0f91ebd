"""What is to be typed next goes on under what was given, in the way in which this command line was called."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aws_airflow_tasks
from aws_airflow_tasks.menu import ns
from aws_airflow_tasks.text.calling import Calling, again, called, command, from_here


def test_the_next_command_repeats_the_flags_that_were_given_and_quotes_them() -> None:
    with called(Calling("aws-airflow", flags={"region": "us-east-2", "profile": "my own", "json": True})):
        assert command("verify") == "aws-airflow verify --region us-east-2 --profile 'my own' --json"


def test_what_a_command_says_itself_wins_over_what_was_given() -> None:
    with called(Calling(flags={"region": "us-east-2", "profile": "dve"})):
        assert command("creds", "--profile dev") == "invoke creds --profile dev --region us-east-2"


def test_a_task_is_given_only_what_it_takes() -> None:
    takes = {"trust": ["project"]}
    with called(Calling(flags={"region": "R", "project": "P"}, takes=takes.__getitem__)):
        assert command("trust") == "invoke trust --project P"


def test_our_tasks_are_named_as_the_namespace_has_them() -> None:
    with called(Calling(".venv/bin/invoke", within="aws.")):
        assert command("env start", "--override") == ".venv/bin/invoke aws.env aws.start --override"


def test_the_same_command_line_once_more_has_a_further_flag_once() -> None:
    with called(Calling("inv", line="setup --yes")):
        assert again("setup", "--yes") == "inv setup --yes"
        assert again("setup", before="--debug") == "inv --debug setup --yes"


@given(st.text(min_size=1))
def test_whatever_a_value_is_a_shell_gives_it_back_as_one(value: str) -> None:
    with called(Calling(flags={"profile": value})):
        words = shlex.split(command("verify"))
    assert words in (["invoke", "verify", "--profile", value], ["invoke", "verify", f"--profile={value}"])


#: a script that others run, whoever has called us
WRITTEN = ("staged_text",)
SOURCES = [path for path in Path(aws_airflow_tasks.__file__).parent.rglob("*.py") if path.stem not in WRITTEN]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_text_spells_a_command_of_ours_out(path: Path) -> None:
    tree = ast.parse(path.read_text())
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    spelled = rf"\b(invoke|aws-airflow) ({'|'.join(map(re.escape, ns.task_names))})\b"
    assert [each.value for each in texts if id(each) not in documented and re.search(spelled, each.value)] == []


@pytest.mark.parametrize(
    ("hint", "elsewhere"),
    [
        ("docker build .", "(cd 'my project' && docker build .)"),
        ("astro dev start --wait 9s", "(cd 'my project' && astro dev start --wait 9s)"),
        (
            "astro dev kill && aws-airflow start --project x   # it is lost",
            "(cd 'my project' && astro dev kill) && aws-airflow start --project x   # it is lost",
        ),
        ("mv dags/a.py dags/b.py   # or: x", "(cd 'my project' && mv dags/a.py dags/b.py)   # or: x"),
        ("grep -noE 'A|B' .env Dockerfile", "(cd 'my project' && grep -noE 'A|B' .env Dockerfile)"),
        ("less .env", "(cd 'my project' && less .env)"),
        (
            "(umask 077 && x airflow.cfg > airflow.cfg.new) && cat y",
            "(cd 'my project' && (umask 077 && x airflow.cfg > airflow.cfg.new) && cat y)",
        ),
        ("aws configure\nless .env", "aws configure\n(cd 'my project' && less .env)"),
        *(
            (same, same)
            for same in ("", "aws configure", "less /a/.env", "docker ps", "aws-airflow env", "# less .env")
        ),
        *((same, same) for same in ("    - .env", "docker ps   # less .env", "export A=b && aws-airflow setup")),
    ],
)
def test_what_is_typed_in_the_project_leads_there_from_another_directory(
    hint: str, elsewhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project = Path("my project")
    project.mkdir()
    (tmp_path / "link").symlink_to(project)
    with called(Calling("aws-airflow")):
        assert from_here(hint, project) == elsewhere
        monkeypatch.chdir(project)
        assert from_here(hint, tmp_path / "link") == hint
        assert from_here(hint, tmp_path / "gone") == hint
