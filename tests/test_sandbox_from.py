"""`sandbox --from DIR`: a copy of one's own project runs in the sandbox; the project itself is only read."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks import sandbox
from aws_airflow_tasks.core import Check, Plan, sh
from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.runtimes.venv import Further
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import copying, parsing
from aws_airflow_tasks.world.cli import Completed
from tests.project import DOCKERFILE, Done, StandInAirflow, airflow, astro_project, embedded, run, tree

__all__ = ["airflow", "astro_project", "embedded", "run"]

Run = Callable[..., Done]
FILES = {
    "dags/mine.py": "from airflow.sdk import DAG\n",
    "plugins/ours.py": "",
    "include/sql/all.sql": "select 1\n",
    "requirements.txt": "pandas==2.2.0\n",
    ".env": "AWS_SECRET_ACCESS_KEY=of-the-person\n",
    "docker-compose.override.yml": "services: {}\n",
    "data/large.csv": "1,2\n",
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A project of somebody's."""
    made = tmp_path / "my own dägs"
    for name, text in FILES.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    return made


@pytest.fixture
def seen(astro_project: Path, airflow: StandInAirflow, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A sandbox whose AWS and Airflow are there at once; what Airflow was to be installed with, and what was parsed."""
    found: list[Any] = []

    def installed(settings: Settings, major: int, built: object, further: Further) -> Plan:
        found.append((major, further))
        return Plan(target="airflow")

    def parsed(site: Site, source: Path) -> list[Check]:
        found.append((site.project, source))
        return [Check(parsing.NAME, "ok", "1 DAG")]

    monkeypatch.setattr(sandbox.venv, "is_ready", lambda folder: True)
    monkeypatch.setattr(sandbox, "_aws", lambda root: Plan(target="aws"))
    monkeypatch.setattr(sandbox, "_airflow", installed)
    monkeypatch.setattr(sandbox.moto, "running", lambda directory, home: "http://127.0.0.1:9")
    monkeypatch.setattr("aws_airflow_tasks.play.Play.go", lambda *_: None)
    monkeypatch.setattr(parsing, "checks", parsed)
    monkeypatch.setattr(sandbox, "_say_what_next", lambda *_: None)
    return found


def test_dags_plugins_include_and_requirements_run_in_a_copy_and_nothing_of_the_project_is_written(
    astro_project: Path, mine: Path, run: Run, seen: list[Any]
) -> None:
    before = tree(mine)
    done = run("sandbox", "--from", str(mine), "--json")
    assert done.code == 0, done
    assert tree(mine) == before
    (copy,) = (astro_project / ".sandbox").glob("airflow-3-my-own-d-gs-*")
    for name in ("dags/mine.py", "plugins/ours.py", "include/sql/all.sql", "requirements.txt"):
        assert (copy / name).read_bytes() == (mine / name).read_bytes()
    assert "of-the-person" not in (copy / ".env").read_text()
    assert not (copy / "data").exists()
    assert not (copy / "docker-compose.override.yml").exists()
    assert [(major, further.known) for major, further in seen[:1]] == [(3, b"pandas==2.2.0\n")]
    assert seen[1] == (copy, mine)
    (step,) = [step for step in done.document["steps"] if step["step"] == "copy"]
    assert "not used: docker-compose.override.yml, .env" in step["reason"]


def test_a_second_run_copies_nothing_and_one_after_an_edit_just_that(
    astro_project: Path, mine: Path, run: Run, seen: list[Any]
) -> None:
    words = ("sandbox", "--from", str(mine), "--json")
    assert run(*words).statuses()["copy"] == "changed"
    assert run(*words).statuses()["copy"] == "ok"
    (mine / "dags" / "mine.py").write_text("edited")
    assert run(*words, "--check").code == 3
    assert run(*words).statuses()["copy"] == "changed"
    (copy,) = (astro_project / ".sandbox").glob("airflow-3-*")
    assert (copy / "dags" / "mine.py").read_text() == "edited"


def test_the_project_that_one_stands_in_is_copied_into_its_own_sandbox_and_no_copy_holds_a_sandbox(
    astro_project: Path, run: Run, seen: list[Any]
) -> None:
    (astro_project / "dags" / "mine.py").write_text("x")
    before = tree(astro_project)
    for _ in range(2):
        assert run("sandbox", "--from", ".").code == 0
    left = {name: facts for name, facts in tree(astro_project).items() if "/.sandbox" not in name}
    assert left == {name: facts for name, facts in before.items() if name in left}
    assert before.keys() - left.keys() == set()
    assert [*(astro_project / ".sandbox").rglob(".sandbox")] == []


@pytest.mark.parametrize(
    ("dockerfile", "flags", "major"),
    [
        ("FROM quay.io/astronomer/astro-runtime:12.1.0\n", (), 2),
        (DOCKERFILE, (), 3),
        ("FROM debian\n", (), 3),
        (None, (), 3),
        (DOCKERFILE, ("--airflow", "2"), 2),
    ],
)
def test_airflow_is_of_the_version_that_was_asked_for_or_else_that_of_the_dockerfile(
    mine: Path, run: Run, seen: list[Any], dockerfile: str | None, flags: Sequence[str], major: int
) -> None:
    if dockerfile:
        (mine / "Dockerfile").write_text(dockerfile)
    assert run("sandbox", "--from", str(mine), *flags).code == 0
    assert seen[0][0] == major


def test_a_plugin_that_changed_has_airflow_started_again_and_a_dag_has_not(
    mine: Path, run: Run, seen: list[Any], airflow: StandInAirflow
) -> None:
    words = ("sandbox", "--from", str(mine))
    assert run(*words).code == 0
    airflow.environment = {}
    (mine / "dags" / "mine.py").write_text("edited")
    assert run(*words).code == 0
    assert airflow.environment == {}
    (mine / "plugins" / "ours.py").write_text("edited")
    assert run(*words).code == 0
    assert airflow.environment is None


def test_our_own_check_dag_is_not_taken_for_one_of_the_projects(mine: Path, run: Run, seen: list[Any]) -> None:
    (mine / "dags" / "example_secrets_dag.py").write_text("anything")
    done = run("sandbox", "--from", str(mine))
    assert done.code == 0
    assert "dags/example_secrets_dag.py" in done.out
    (mine / "dags" / "mine.py").unlink()
    assert "there is no DAG file in" in run("sandbox", "--from", str(mine)).out


#: by what is wrong, the words after --from, how it is made, and what is said
BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing": ("nowhere", lambda _: None, "there is no such directory"),
    "a file": ("x", lambda here: (here / "x").write_text(""), "is not a directory"),
    "no dags": ("x", lambda here: (here / "x").mkdir(), "there is no DAG in"),
    "dags is a file": ("x", lambda here: [(here / "x").mkdir(), (here / "x" / "dags").write_text("")], "no DAG in"),
    "only other files": (
        "x",
        lambda here: [(here / "x" / "dags").mkdir(parents=True), (here / "x" / "dags" / ".airflowignore").touch()],
        "there is no DAG file in",
    ),
    "dags that lie elsewhere": (
        "x",
        lambda here: [
            (here / "x").mkdir(),
            (here / "y").mkdir(),
            (here / "y" / "a.py").touch(),
            (here / "x" / "dags").symlink_to("../y"),
        ],
        "dags (a symlink that leads out of",
    ),
    "the sandbox": (".sandbox", lambda here: (here / ".sandbox").mkdir(), "the sandbox's own"),
    "in the sandbox": (
        ".sandbox/airflow-3",
        lambda here: (here / ".sandbox" / "airflow-3" / "dags").mkdir(parents=True),
        "the sandbox's own",
    ),
    "nobody's home": ("~nobody-of-this-name/x", lambda _: None, "there is no such directory"),
    "a NUL": ("a\0b", lambda _: None, "there is no such directory"),
    "a named pipe": ("x", lambda here: os.mkfifo(here / "x"), "is not a directory"),
}


@pytest.mark.parametrize(("words", "make", "said"), BAD.values(), ids=BAD.keys())
def test_a_directory_that_cannot_be_meant_ends_in_words_before_anything_is_made(
    astro_project: Path, run: Run, words: str, make: Callable[[Path], object], said: str
) -> None:
    make(astro_project)
    before = tree(astro_project)
    done = run("sandbox", f"--from={words}")
    assert (done.code, said in " ".join(done.out.split())) == (2, True), done
    assert "\n-> " in done.out
    assert tree(astro_project) == before
    assert json.loads(run("sandbox", f"--from={words}", "--json").out)["exit_code"] == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    there = Path("/tmp") / f"closed-{os.getpid()}"
    there.mkdir(mode=0o700)
    (there / "dags").mkdir()
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom aws_airflow_tasks.steps import copying\n"
        "from aws_airflow_tasks.core import TaskError\nos.setuid(65534)\n"
        f"try: copying.source({str(there)!r}, Path('/'), Path('/nowhere'))\n"
        "except TaskError as error: print(error.message)\n"
    )
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    finally:
        (there / "dags").rmdir()
        there.rmdir()
    assert f"cannot read {there / 'dags'}: Permission denied" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("text", "airflow", "installed", "other"),
    [
        ("# nothing\n\n", "3.3.2", "", []),
        ("pandas\n", "3.3.2", "pandas\n", []),
        ("apache-airflow[x]~=2.9.0\n", "2.11.2", "apache-airflow[x]==2.11.2 \n", ["apache-airflow[x]~=2.9.0"]),
        ("a\nApache_Airflow == 3.1 ; x\nb\n", "3.3.2", "a\nApache_Airflow ==3.3.2 ; x\nb\n", ["Apache_Airflow == 3.1"]),
        ("apache-airflow>=3.1,<4\n", "3.3.2", "apache-airflow>=3.1,<4\n", []),
        ("apache-airflow-providers-amazon==9.0.0\n", "3.3.2", "apache-airflow-providers-amazon==9.0.0\n", []),
        ("apache-airflow==what\n", "3.3.2", "apache-airflow==what\n", []),
    ],
)
def test_airflow_itself_stays_in_the_version_that_the_sandbox_has_and_this_is_said(
    text: str, airflow: str, installed: str, other: list[str]
) -> None:
    assert copying.installed(text, "apache-airflow", airflow) == (installed, other)


def test_files_that_the_requirements_name_come_along_and_count(mine: Path) -> None:
    (mine / "requirements.txt").write_text("-r requirements/base.txt\n-c https://example.com/c.txt\n-r ../out.txt\n")
    (mine / "requirements").mkdir()
    (mine / "requirements" / "base.txt").write_text("-c held.txt\npandas\n")
    (mine / "requirements" / "held.txt").write_text("pandas<3\n")
    found = copying.read(mine, 3)
    assert {"requirements/base.txt", "requirements/held.txt"} < found.found.files.keys()
    (mine / "requirements" / "held.txt").write_text("pandas<2\n")
    assert copying.read(mine, 3).asks != found.asks


PATHS = (
    "-e ./pkg",
    "-e pkg",
    "--editable=../pkg",
    "-e .",
    "./pkg",
    "../a.whl",
    "/srv/a.whl",
    "a @ file:///srv/a",
    "file:a",
)
OTHERS = (
    "pandas",
    "-e git+https://x.example/a.git",
    "--editable=git+git@x.example:a.git",
    "a @ https://x.example/a.whl",
)


@pytest.mark.parametrize("line", PATHS)
def test_a_requirement_that_is_a_path_is_refused_with_its_line_before_anything_is_made(
    line: str, astro_project: Path, mine: Path, run: Run, seen: list[Any]
) -> None:
    (mine / "requirements.txt").write_text("-r more.txt\n")
    (mine / "more.txt").write_text(f"# ours\n{line}\n")
    done = run("sandbox", "--from", str(mine))
    assert (done.code, seen, (astro_project / ".sandbox").exists()) == (2, [], False)
    assert f"more.txt, line 2 ({line}) asks for a path of this machine" in done.out
    assert sh("less +2 {}", mine / "more.txt") in done.out


@pytest.mark.parametrize("line", OTHERS)
def test_any_other_requirement_is_left_to_the_installer(line: str, mine: Path) -> None:
    (mine / "requirements.txt").write_text(f"{line}\n-r requirements/x.txt\n--index-url https://x.example/a\n")
    assert copying.read(mine, 3).asks.startswith(line)


def test_requirements_that_name_each_other_come_to_an_end(mine: Path) -> None:
    (mine / "requirements.txt").write_text("-r other.txt\n")
    (mine / "other.txt").write_text("-r requirements.txt\n-r other.txt\n")
    assert "other.txt" in copying.read(mine, 3).found.files


def test_requirements_that_name_more_and_more_files_come_to_an_end_too(mine: Path) -> None:
    (mine / "requirements.txt").write_text("-r a0.txt\n-r b0.txt\n")
    for number in range(3000):
        for side in "ab":
            (mine / f"{side}{number}.txt").write_text(f"-r a{number + 1}.txt\n-r b{number + 1}.txt\n")
    assert len(copying.read(mine, 3).found.files) < 200


def test_requirements_that_lead_out_of_the_project_are_neither_read_nor_installed(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("of-the-person\n")
    (mine / "requirements.txt").unlink()
    (mine / "requirements.txt").symlink_to(tmp_path / "keys")
    found = copying.read(mine, 3)
    assert "requirements.txt" not in found.found.files
    assert found.asks == ""
    assert any(each.startswith("requirements.txt (a symlink") for each in found.found.left)


def parse_site(copy: Path, answer: Completed, monkeypatch: pytest.MonkeyPatch) -> Site:
    (copy / "dags").mkdir(parents=True)
    (copy / ".env").write_text("TOKEN=of-the-person\n")
    monkeypatch.setattr(StandInAirflow, "exec", lambda *_, **__: answer)
    return Site(Settings(project=copy, runtime="embedded"))


@pytest.mark.parametrize("absolute", [True, False])
def test_a_file_that_cannot_be_imported_is_named_with_why_and_the_persons_own_line(
    tmp_path: Path, airflow: StandInAirflow, monkeypatch: pytest.MonkeyPatch, absolute: bool
) -> None:
    copy, mine = tmp_path / "copy", tmp_path / "mine"
    trace = (
        f'Traceback (most recent call last):\n  File "{copy}/dags/bad.py", line 3, in <module>\n    import x\n'
        f'  File "{copy}/include/x.py", line 7, in <module>\n    import y\n  File "/usr/lib/z.py", line 9, in z\n'
        "ModuleNotFoundError: No module named 'y' of-the-person\n"
    )
    file = f"{copy}/dags/bad.py" if absolute else "bad.py"
    answer = {"dags": {"a": "/a.py", "b": "/a.py", "example_secrets_dag": "/e.py"}, "errors": {file: trace}}
    done = Completed(0, f"a DAG prints this\n{json.dumps(answer)}\n", "")
    bad, good = parsing.checks(parse_site(copy, done, monkeypatch), mine)
    assert bad.status == "failed"
    assert bad.detail == "dags/bad.py: ModuleNotFoundError: No module named 'y' *** (in include/x.py, line 7)"
    assert shlex.split(bad.hint) == ["less", "+7", str(mine / "include" / "x.py")]
    assert (good.status, good.detail) == ("ok", "2 DAGs in 1 file: a, b")


@pytest.mark.parametrize(
    ("out", "err", "said"),
    [
        ('{"dags": {}, "errors": {}}', "", "has a DAG in it"),
        ('{"dags": {"example_secrets_dag": "/e.py"}, "errors": {}}', "", "has a DAG in it"),
        ("", "ModuleNotFoundError: No module named 'airflow'", "the DAGs were not parsed: ModuleNotFoundError"),
        ("[not json", "", "the DAGs were not parsed"),
    ],
)
def test_where_nothing_was_parsed_the_check_fails(
    tmp_path: Path, airflow: StandInAirflow, monkeypatch: pytest.MonkeyPatch, out: str, err: str, said: str
) -> None:
    (found,) = parsing.checks(parse_site(tmp_path / "copy", Completed(0, out, err), monkeypatch), tmp_path)
    assert (found.status, said in found.detail) == ("failed", True), found


def test_a_file_that_cannot_be_imported_is_exit_code_4_also_where_the_check_dag_ran(
    mine: Path, run: Run, seen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "checks", lambda *_: [Check(parsing.NAME, "failed", "dags/bad.py: no", "less")])
    done = run("sandbox", "--from", str(mine), "--json")
    assert (done.code, [check["check"] for check in done.document["checks"]]) == (4, [parsing.NAME])


def test_the_next_command_is_the_same_sandbox_again(tmp_path: Path) -> None:
    flags = sandbox._flags("", "secrets-manager", tmp_path / "a b")
    assert shlex.split(flags) == ["--from", str(tmp_path / "a b")]
    assert sandbox._flags("3", "secrets-manager", None) == ""
    assert shlex.split(sandbox._flags("3", "parameter-store", Path("/p"))) == [
        *("--from", "/p", "--airflow", "3", "--backend", "parameter-store")
    ]


assert venv.FURTHER not in FILES
