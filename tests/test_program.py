"""The console script: the same tasks without a `tasks.py`, and a `tasks.py` for those who like one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.program import Configuration, program
from aws_airflow_tasks.settings import nearest_project
from tests.project import Done, run

__all__ = ["run"]

Run = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_lists_the_same_tasks_and_one_more(run: Run) -> None:
    out = run("--list").out
    assert all(name in out for name in ("creds", "verify", "sandbox", "init-tasks"))


def test_it_says_its_version(run: Run) -> None:
    assert run("--version").out.startswith("aws-airflow ")


def test_init_tasks_writes_two_files_that_invoke_takes(here: Path, run: Run) -> None:
    assert run("init-tasks").code == 0
    assert sorted(path.name for path in here.iterdir()) == ["invoke.yaml", "tasks.py"]
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "status", "--project", str(here)], cwd=here, capture_output=True, text=True
    )
    assert "executor_class" not in done.stdout + done.stderr
    assert "recap:" in done.stdout
    assert run("init-tasks", "--json").document["recap"]["ok"] == 1


FOREIGN = {
    "a tasks.py": ("tasks.py", "# mine\n"),
    "tasks of theirs": ("invoke.yaml", "tasks: {auto_dash_names: false}\n"),
    "another executor": ("invoke.yaml", "tasks:\n  executor_class: mine.Executor\n"),
    "a flow mapping": ("invoke.yaml", "{aws_airflow: {wait: 7}}\n"),
    "a document that has ended": ("invoke.yaml", "aws_airflow: {wait: 7}\n...\n"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_init_tasks_leaves_existing_files_alone_and_prints_the_lines_to_add(here: Path, run: Run, case: str) -> None:
    name, text = FOREIGN[case]
    (here / name).write_text(text)
    done = run("init-tasks")
    assert done.code == 1
    assert "ns.add_collection(aws_airflow_tasks.ns" in done.out
    assert "executor_class: aws_airflow_tasks.executor.Executor" in done.out
    assert [(path.name, path.read_text()) for path in here.iterdir()] == [(name, text)]


LINES = "tasks:\n  executor_class: aws_airflow_tasks.executor.Executor\n"
SETTINGS = ["# mine\n", "aws_airflow:\n  wait: 7  # slow\n", "aws_airflow: {wait: 7}", "run:\n  echo: true\n\n"]


@pytest.mark.parametrize("text", SETTINGS)
def test_init_tasks_adds_its_lines_to_settings_and_undo_gives_their_bytes_back(here: Path, run: Run, text: str) -> None:
    (here / "invoke.yaml").write_text(text)
    assert run("init-tasks").code == 0
    assert (here / "invoke.yaml").read_text() == text + ("" if text.endswith("\n") else "\n") + LINES
    assert run("init-tasks", "--json").document["recap"]["ok"] == 1
    assert run("undo").code == 0
    assert [(path.name, path.read_text()) for path in here.iterdir()] == [("invoke.yaml", text)]


def test_undo_removes_what_init_tasks_wrote(here: Path, run: Run) -> None:
    run("init-tasks")
    assert run("undo").code == 0
    assert list(here.iterdir()) == []


def test_hints_name_the_command_that_was_typed(here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/aws-airflow"])
    out = run("dag").out
    assert "invoke " not in out


def test_our_tasks_added_to_somebodys_own_collection(here: Path) -> None:
    (here / "tasks.py").write_text(
        "from invoke import Collection, task\nimport aws_airflow_tasks\n\n\n"
        "@task\ndef mine(c):\n    print('mine ran')\n\n\n"
        "ns = Collection(mine)\nns.add_collection(aws_airflow_tasks.ns, name='aws-airflow')\n"
    )
    (here / "invoke.yaml").write_text("tasks:\n  executor_class: aws_airflow_tasks.executor.Executor\n")
    command = [sys.executable, "-m", "invoke", "mine", "aws-airflow.dag", "--check"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True)
    assert "mine ran" in done.stdout
    assert "recap:" in done.stdout


COMMANDS = (
    ["--help"],
    ["--list"],
    ["--help", "status"],
    ["status"],
    ["setup", "--check"],
    ["creds", "--check", "--json"],
)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An Astro project as somebody else published it."""
    clone = tmp_path / "clone"
    (clone / ".astro").mkdir(parents=True)
    (clone / ".astro" / "config.yaml").write_text("project: {name: x}\n")
    monkeypatch.chdir(clone)
    return clone


def leaves_a_mark(path: Path) -> Path:
    """Python at ``path`` that says, in the file returned, that it was run."""
    mark = path.with_suffix(".ran")
    path.write_text(f"open({str(mark)!r}, 'a').write('code ran')\n")
    return mark


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("below", ["", "dags/deep"], ids=["here", "upwards"])
def test_no_code_of_a_directory_is_run(argv: list[str], below: str, clone: Path, run: Run) -> None:
    (clone / below).mkdir(parents=True, exist_ok=True)
    os.chdir(clone / below)
    marks = [leaves_a_mark(clone / name) for name in ("invoke.py", "tasks.py", "sitecustomize.py")]
    run(*argv)
    assert [mark for mark in marks if mark.exists()] == []


def test_the_installed_script_runs_no_code_of_a_directory(clone: Path) -> None:
    marks = [leaves_a_mark(clone / name) for name in ("invoke.py", "tasks.py", "this_is_ours.py")]
    (clone / "invoke.yaml").write_text("tasks: {executor_class: this_is_ours.x}\n")
    script = Path(sys.executable).with_name("aws-airflow")
    for argv in COMMANDS:
        done = subprocess.run([script, *argv], cwd=clone, capture_output=True, text=True)
        assert "Traceback" not in done.stdout + done.stderr
    assert [mark for mark in marks if mark.exists()] == []


@pytest.mark.parametrize("level", ["project", "user"])
def test_another_executor_that_a_file_names_is_never_imported(
    level: str, clone: Path, closed_world: Path, run: Run
) -> None:
    sys.modules.pop("this", None)
    file = clone / "invoke.yaml" if level == "project" else closed_world / ".invoke.yaml"
    file.write_text("tasks: {executor_class: this.x}\n")
    assert "recap:" in run("status").out
    assert "this" not in sys.modules


def test_of_a_projects_file_only_our_section_is_taken(clone: Path) -> None:
    (clone / "invoke.yaml").write_text(
        "run: {shell: ./evil, env: {PATH: .}, echo: true}\nrunners: {local: this.x}\nsudo: {password: x}\n"
        "tasks: {executor_class: this.x, collection_name: evil, search_root: ., dedupe: false}\n"
        "timeouts: {command: 1}\naws_airflow: {wait: 7}\n"
    )
    made = Configuration()
    before = Configuration().global_defaults()
    made.set_project_location(str(clone))
    made.load_project()
    assert {key: made[key] for key in before} == before
    assert made["aws_airflow"] == {"wait": 7}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("invoke.yaml", "aws_airflow:\n  wait: soon\n"),
        ("invoke.yml", "aws_airflow:\n  wait: soon\n"),
        ("invoke.json", json.dumps({"aws_airflow": {"wait": "soon"}})),
    ],
)
def test_a_projects_settings_are_read_as_data_from_anywhere_below_it(
    name: str, text: str, clone: Path, run: Run
) -> None:
    (clone / name).write_text(text)
    (clone / "dags").mkdir()
    os.chdir(clone / "dags")
    done = run("status")
    assert done.code == 2
    assert f"bad value for wait: 'soon' (from {clone / name})" in done.out


@pytest.mark.parametrize("text", ["a: [", "- a\n", "aws_airflow: 7\n"])
def test_a_projects_file_that_is_no_mapping_is_said_and_help_needs_none(text: str, clone: Path, run: Run) -> None:
    (clone / "invoke.yaml").write_text(text)
    done = run("status")
    assert done.code == 2
    assert str(clone / "invoke.yaml") in done.out + done.err
    assert run("--help").code == run("--list").code == 0


def test_the_persons_own_python_settings_count_as_under_invoke(clone: Path, closed_world: Path, run: Run) -> None:
    (closed_world / ".invoke.py").write_text("aws_airflow = {'wait': 'soon'}\n")
    assert "bad value for wait: 'soon'" in run("status").out
    (closed_world / ".invoke.py").unlink()
    (clone / "mine.py").write_text("aws_airflow = {'wait': 'later'}\n")
    assert "bad value for wait: 'later'" in run("-f", "mine.py", "status").out


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a path another user's: really where we are root, else as far as `lstat` says."""

    def given_away(path: Path) -> None:
        if os.getuid() == 0:
            os.chown(path, 65534, 65534, follow_symlinks=False)
        else:
            monkeypatch.setattr(Path, "lstat", owned_by_another(path, Path.lstat))

    return given_away


def owned_by_another(path: Path, lstat: Callable[[Path], os.stat_result]) -> Callable[[Path], os.stat_result]:
    def other(self: Path) -> os.stat_result:
        found = lstat(self)
        return os.stat_result([*found[:4], 65534, *found[5:]]) if self == path else found

    return other


@pytest.mark.parametrize("theirs", [".", "invoke.yaml"])
@pytest.mark.parametrize("flag", [False, True], ids=["here", "--project"])
def test_settings_of_another_user_are_refused_with_words(
    theirs: str, flag: bool, clone: Path, run: Run, monkeypatch: pytest.MonkeyPatch, strangers: Callable[[Path], None]
) -> None:
    (clone / "invoke.yaml").write_text("aws_airflow: {wait: soon}\n")
    strangers(clone / theirs)
    monkeypatch.chdir(clone.parent if flag else clone)
    done = run("status", *(["--project", "clone"] if flag else []))
    assert done.code == 2
    assert f"{clone / theirs} belongs to another user, so the settings in invoke.yaml are not taken" in done.out
    assert f'-> sudo chown -R "$USER" {clone / theirs}' in done.out
    assert run("--help").code == 0


@pytest.mark.parametrize("theirs", [".", ".astro", ".astro/config.yaml"])
def test_a_project_of_another_user_above_is_neither_read_nor_worked_on(
    theirs: str, clone: Path, run: Run, strangers: Callable[[Path], None]
) -> None:
    (clone / "invoke.yaml").write_text("aws_airflow: {wait: soon}\n")
    (clone / "mine").mkdir()
    os.chdir(clone / "mine")
    strangers(clone / theirs)
    assert "soon" not in run("status").out
    assert nearest_project(clone / "mine") == clone / "mine"


@pytest.mark.parametrize("way", ["flag", "environment", "the person's file"])
def test_a_project_that_is_named_brings_its_own_settings_and_not_those_of_where_one_stands(
    way: str, clone: Path, here: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    (here / "invoke.yaml").write_text("aws_airflow: {wait: here}\n")
    (clone / "invoke.yaml").write_text("aws_airflow: {wait: there}\n")
    monkeypatch.chdir(here)
    if way == "environment":
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_PROJECT", "clone")
    elif way == "the person's file":
        (closed_world / ".invoke.yaml").write_text(f"aws_airflow: {{project: {clone}}}\n")
    done = run("status", *(["--project", "clone"] if way == "flag" else []))
    assert (done.code, f"bad value for wait: 'there' (from {clone / 'invoke.yaml'})" in done.out) == (2, True), done


@pytest.mark.parametrize("named", ["..", "{here}", "below"])
@pytest.mark.parametrize("flag", [False, True], ids=["here", "--project"])
def test_a_projects_own_file_may_not_name_another_project(
    named: str, flag: bool, clone: Path, here: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    (clone / "invoke.yaml").write_text(f"aws_airflow: {{project: {named.format(here=here)}}}\n")
    monkeypatch.chdir(here if flag else clone)
    done = run("dag", *(["--project", "clone"] if flag else []))
    there = clone / "below" if named == "below" else here
    assert done.code == 2
    assert f"{clone / 'invoke.yaml'} names another project, {there}," in done.out
    assert f"-> invoke status --project {there}" in done.out
    assert not (there / "dags").exists()


@pytest.mark.parametrize("named", [".", "../clone", "''"])
def test_a_projects_own_file_may_name_itself(
    named: str, clone: Path, here: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    (clone / "Dockerfile").write_text("FROM x\n")
    (clone / "invoke.yaml").write_text(f"aws_airflow: {{project: {named}}}\n")
    monkeypatch.chdir(here)
    assert run("dag", "--project", "clone").code == 0
    assert (clone / "dags" / "example_secrets_dag.py").exists()


def test_under_invoke_a_project_that_is_named_brings_its_own_settings_over_those_beside_tasks_py(
    clone: Path, here: Path
) -> None:
    (here / "tasks.py").write_text("from aws_airflow_tasks import ns\n\n__all__ = ['ns']\n")
    (here / "invoke.yaml").write_text(
        "tasks: {executor_class: aws_airflow_tasks.executor.Executor}\naws_airflow: {project: clone, wait: here}\n"
    )
    (clone / "invoke.yaml").write_text("aws_airflow: {wait: there}\n")
    mark = leaves_a_mark(clone / "invoke.py")
    script = Path(sys.executable).with_name("invoke")
    done = subprocess.run([script, "status"], cwd=here, capture_output=True, text=True)
    assert "bad value for wait: 'here'" in done.stdout
    (here / "invoke.yaml").write_text((here / "invoke.yaml").read_text().replace(", wait: here", ""))
    done = subprocess.run([script, "status"], cwd=here, capture_output=True, text=True)
    assert f"bad value for wait: 'there' (from {clone / 'invoke.yaml'})" in done.stdout
    assert not mark.exists()


def test_plain_invoke_runs_a_tasks_py_as_ever(here: Path) -> None:
    (here / "tasks.py").write_text("from invoke import task\n\n\n@task\ndef mine(c):\n    print('mine ran')\n")
    (here / "invoke.py").write_text("print('configured')\n")
    script = Path(sys.executable).with_name("invoke")
    done = subprocess.run([script, "mine"], cwd=here, capture_output=True, text=True)
    assert done.stdout == "configured\nmine ran\n"


def test_help_begins_with_what_to_start_with_then_the_steps_in_the_tutorials_order_and_without_invokes_options(
    run: Run,
) -> None:
    said = run("--help").out
    assert said == run().out
    names = [line.split()[0] for line in said.splitlines() if line.startswith("  ") and line[2] != " "]
    assert names[:4] == ["sandbox", "setup", "verify", "undo"]
    assert names[4:12] == ["creds", "init", "mount", "env", "secrets", "provider", "dag", "start"]
    assert said.index("Start here") < said.index("sandbox ") < said.index("tutorial") < said.index("creds ")
    assert not {"--pty", "--hide", "--write-pyc", "--prompt-for-sudo-password", "--warn-only"} & set(said.split())


def test_help_and_list_name_every_task_once(run: Run) -> None:
    tasks = {name.replace(".up", "").replace(".check", "") for name in program().namespace.task_names}
    for words in ("--help", "--list"):
        lines = [line for line in run(words).out.splitlines() if line.startswith("  ") and line[2] != " "]
        named = [line.split()[0] for line in lines]
        assert (set(named), len(named)) == (tasks, len(tasks))


def test_a_part_of_the_list_and_its_json_are_as_of_invoke(run: Run) -> None:
    assert ".stop" in run("--list", "sandbox").out
    assert {each["name"] for each in json.loads(run("--list", "--list-format=json").out)["tasks"]} > {"setup", "undo"}


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_help_of_a_task_is_as_wide_as_the_terminal(width: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("aws_airflow_tasks.program", "invoke.program"):
        monkeypatch.setattr(f"{module}.pty_size", lambda: (width, 24))
    said = run("--help", "secrets.put").out
    assert max(map(len, said.splitlines())) <= width
    assert said.startswith("Usage: aws-airflow secrets.put KEY [--flags]")
    assert "Docstring" not in said
    assert " ".join(said.split()).count("never from the command line, which everyone on this machine can read") == 1


@pytest.mark.parametrize("width", [1, 20, 24, 40])
@pytest.mark.parametrize("words", ["--help", "--list", "--help setup", "--list sandbox"])
def test_lists_and_helps_are_whole_on_a_terminal_of_any_width(
    words: str, width: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(*words.split())
    for module in ("aws_airflow_tasks.program", "invoke.program"):
        monkeypatch.setattr(f"{module}.pty_size", lambda: (width, 24))
    narrow = run(*words.split())
    assert (narrow.code, narrow.out.split()) == (0, whole.out.split())


def test_a_tasks_help_shows_of_every_flag_that_takes_a_value_that_it_does_and_says_what_each_is_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for task, taken in (("setup", ("only", "skip", "region")), ("secrets.get", ("only", "project"))):
        with pytest.raises(SystemExit):
            program().run(["aws-airflow", "--help", task])
        shown = capsys.readouterr().out.partition("Flags:")[2].splitlines()
        flags = [line.split() for line in shown if line.startswith("  -")]
        assert {f"--{name}=STRING" for name in taken} <= {words[0] for words in flags}
        assert [words for words in flags if len(words) < 2] == []
