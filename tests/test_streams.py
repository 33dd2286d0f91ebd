"""Whoever reads, or does not: the console script in a process of its own, with streams as shells may give them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.screen import Screen
from aws_airflow_tasks.world import state
from aws_airflow_tasks.world.lock import locked
from tests import schema

SCRIPT = Path(sys.executable).with_name("aws-airflow")
INVOKE = Path(sys.executable).with_name("invoke")
#: two steps that need neither AWS nor Airflow; each is a line, and the second comes after the reader has gone
TASKS = ("dag", "init-tasks")
MADE = {"dags/example_secrets_dag.py", "tasks.py", "invoke.yaml"}
TROUBLE = ("Traceback", "Exception ignored", "BrokenPipe", "unexpected error")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / ".astro").mkdir(parents=True)
    (made / ".astro" / "config.yaml").write_text("project: {name: mine}\n")
    (made / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    return made


def shell(line: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell, in which ``$A`` is the console script; never waits for ever."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        ["bash", "-c", line],
        cwd=cwd,
        env=environment | {"A": str(SCRIPT), "I": str(INVOKE)} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=120,
    )


def made_in(project: Path) -> set[str]:
    found = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    return found - {".astro/config.yaml", "Dockerfile"}


NOBODY_READS = {
    "the reader has gone": ("{ $A %s; echo $? >&3; } 3>&2 | true", "0"),
    "the reader goes after a line": ("{ $A %s --diff; echo $? >&3; } 3>&2 | head -1 >/dev/null", "0"),
    "stderr's reader has gone": ("{ { $A %s --json 2>&1 >&4 | true; } 4>/dev/null; echo ${PIPESTATUS[0]} >&2; }", "0"),
    "stdout is closed": ("$A %s >&-; echo $? >&2", "0"),
    "all three are closed": ("exec 3>&2; $A %s <&- >&- 2>&-; echo $? >&3", "0"),
    "the disk is full": ("$A %s >/dev/full; echo $? >&2", "error: cannot write to stdout: No space left on device\n0"),
    "no terminal's letters": ("PYTHONIOENCODING=ascii $A %s >/dev/null; echo $? >&2", "0"),
}


@pytest.mark.parametrize("case", NOBODY_READS)
def test_the_work_is_done_to_its_end_whoever_reads(project: Path, case: str) -> None:
    line, said = NOBODY_READS[case]
    done = shell(line % " ".join(TASKS), project)
    assert done.stderr.strip() == said
    assert made_in(project) == MADE


def test_the_json_document_comes_where_stderr_is_closed(project: Path) -> None:
    done = shell(f"$A {' '.join(TASKS)} --json 2>&-", project)
    document = schema.held(done.stdout)
    assert (done.returncode, document["recap"]["changed"], made_in(project)) == (0, 2, MADE)


@pytest.mark.parametrize("words", ["--list", "--help", "--help setup", "--version", "--print-completion-script bash"])
@pytest.mark.parametrize("stream", ["| true; exit ${PIPESTATUS[0]}", ">&-", ">&- 2>&- <&-"])
def test_invokes_own_lists_end_quietly_where_nobody_reads_them(tmp_path: Path, words: str, stream: str) -> None:
    done = shell(f"$A {words} {stream}", tmp_path)
    assert done.returncode in (0, 141)
    assert done.stdout + done.stderr == ""


def test_under_invoke_too_the_run_goes_on_when_the_reader_goes(project: Path) -> None:
    shell("$A init-tasks", project)
    done = shell("{ $I dag; echo $? >&3; } 3>&2 | true", project)
    assert done.stderr.strip() == "0"
    assert made_in(project) == MADE
    done = shell("$I undo --json 2>&-", project)
    assert schema.held(done.stdout)["exit_code"] == 0
    assert made_in(project) == set()


@pytest.mark.parametrize("name", ["Łódź 🚀", os.fsdecode(b"caf\xe9 \xff")], ids=["beyond ASCII", "no UTF-8"])
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_names_that_a_terminal_cannot_show_are_escaped(project: Path, name: str, encoding: str) -> None:
    named = project.rename(project.with_name(name))
    (named / "taken").write_text("")
    for line in ("$A dag status", "$A dag status --json", "$A undo --diff", '$A dag --project "$PWD/taken" --json'):
        done = shell(line, named, PYTHONIOENCODING=encoding, INVOKE_AWS_AIRFLOW_RUNTIME="embedded")
        assert done.returncode in (0, 1, 2), done
        assert not [word for word in TROUBLE if word in done.stdout + done.stderr], done
        assert "--json" not in line or schema.held(done.stdout)
    assert "undo" in shell("$A undo", named, PYTHONIOENCODING=encoding).stdout


def test_every_line_can_be_read_as_soon_as_it_is_printed(project: Path) -> None:
    """The first line is read while the second step waits for the lock, which is given back only then."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = {"args": [SCRIPT, "dag"], "cwd": project, "env": variables | {"INVOKE_AWS_AIRFLOW_WAIT": "20"}}
    with locked(state.locate(project), wait=0, doing="a test"):
        process = subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert process.stdout
        first = process.stdout.readline()
    with process:
        assert first.split()[:2] == ["ok", "init"]
        assert "changed  dag" in process.stdout.read()


def test_colours_are_for_a_terminal_and_a_terminal_that_hangs_up_stops_nothing(project: Path) -> None:
    ours, theirs = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")}
    variables["TERM"] = "xterm-256color"
    with subprocess.Popen(
        [SCRIPT, *TASKS], cwd=project, stdin=theirs, stdout=theirs, stderr=theirs, env=variables
    ) as one:
        os.close(theirs)
        said = os.read(ours, 1)
        os.close(ours)
        assert one.wait(120) == 0
    assert said
    assert made_in(project) == MADE


NO_PLACE: dict[str, tuple[str, str]] = {
    "a working directory that was deleted": ('mkdir gone; cd gone; rmdir "$PWD"; $A dag', "-> cd"),
    "HOME that is a file": ("HOME=$PWD/Dockerfile $A dag", "Dockerfile is not a directory"),
    "HOME that is /dev/null": ("HOME=/dev/null $A dag", "/dev/null is not a directory"),
    "HOME that is relative": ("HOME=here $A dag", "home directory"),
    "a project of nobody": ("$A dag --project '~nosuchuser/x'", "'~nosuchuser/x' (from the command line)"),
    "a setting of nobody's project": ("INVOKE_AWS_AIRFLOW_PROJECT='~nosuchuser/x' $A dag", "(from the environment)"),
    "a file's project of nobody": (
        "echo 'aws_airflow: {project: ~nosuchuser/x}' > invoke.yaml; $A dag",
        "invoke.yaml)",
    ),
    "a profile that is a list": ("echo 'aws_airflow: {profile: [a]}' > invoke.yaml; $A dag", "a list"),
}


@pytest.mark.parametrize("case", NO_PLACE)
def test_a_place_that_cannot_be_is_a_cause_and_a_hint_and_exit_2(project: Path, case: str) -> None:
    line, said = NO_PLACE[case]
    done = shell(line, project)
    assert (done.returncode, said in done.stdout, "-> " in done.stdout) == (2, True, True), done
    assert "Traceback" not in done.stderr
    assert not (project / "dags").exists()
    document = schema.held(shell(f"{line} --json", project).stdout)
    assert (document["exit_code"], bool(document["error"]["hint"])) == (2, True)


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root may become a user that is not there")
def test_a_user_without_home_and_without_an_entry_is_told_so(project: Path) -> None:
    project.parent.chmod(0o755)
    code = (
        "import os, sys; from aws_airflow_tasks.program import main\n"
        "os.environ.pop('HOME'); os.setgroups([]); os.setgid(54321); os.setuid(54321)\n"
        "main(['aws-airflow', *sys.argv[1:]])"
    )
    done = subprocess.run([sys.executable, "-c", code, "dag"], cwd="/", capture_output=True, text=True, timeout=120)
    assert (done.returncode, "export HOME=" in done.stdout, done.stderr) == (2, True, ""), done


def test_a_question_is_never_asked_on_the_stream_of_the_document(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Typed:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return answers.pop()

    answers = ["", "Y\n", "no\n"]
    monkeypatch.setattr(sys, "stdin", Typed())
    screen: Callable[[str], bool | None] = Screen(json=True).ask
    assert [screen("Really?") for _ in range(3)] == [False, True, False]
    assert capsys.readouterr() == ("", "Really? [y/N]\n" * 3)
    monkeypatch.setattr(sys, "stdin", None)
    assert screen("Really?") is None


WEAK = {
    "the state directory's parent": (".local", {}),
    "a place of the environment's": ("states", {"XDG_STATE_HOME": "states"}),
    "the cache": ("cache", {"XDG_CACHE_HOME": "cache"}),
}


@pytest.mark.parametrize("case", WEAK)
@pytest.mark.parametrize("task", ["dag", "dag --check", "status", "undo", "stop"])
def test_where_others_could_exchange_what_we_keep_nothing_is_done_and_the_chmod_is_named(
    case: str, task: str, project: Path, closed_world: Path
) -> None:
    name, variables = WEAK[case]
    (closed_world / name).mkdir()
    (closed_world / name).chmod(0o777)
    there = {variable: str(closed_world / value) for variable, value in variables.items()}
    done = shell(f"$A {task}", project, **there)
    assert (done.returncode, f"-> chmod go-w {closed_world / name}\n" in done.stdout) == (2, True), done
    assert (made_in(project), list((closed_world / name).iterdir())) == (set(), [])


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become somebody else")
def test_sudo_leaves_no_files_of_root_in_the_persons_home(project: Path, closed_world: Path) -> None:
    os.chown(closed_world, 65534, 65534)
    done = shell("$A dag", project, SUDO_UID="65534")
    assert (done.returncode, "aws-airflow dag   # without sudo" in done.stdout) == (2, True), done
    assert (made_in(project), list(closed_world.iterdir())) == (set(), [])
    done = shell("$A dag --json", project)
    assert (done.returncode, "warning  your home" in done.stderr) == (0, True), done
    assert schema.held(done.stdout)["exit_code"] == 0


def test_a_terminal_is_shown_what_it_would_obey_and_a_pipe_gets_a_diff_as_it_is(tmp_path: Path) -> None:
    """The names of a directory, a line of the Dockerfile, and a file whose lines are in a diff."""
    evil = "\x1b]0;owned\x07\u202e"
    project = tmp_path / f"here{evil}"
    (project / ".astro").mkdir(parents=True)
    (project / ".astro" / "config.yaml").write_text("project: {name: mine}\n")
    (project / "Dockerfile").write_text(f"FROM astro{evil}crpublic.azurecr.io/runtime:3.1-12\n")
    (project / "requirements.txt").write_text(f"# {evil}\r\nrequests\r\n")
    line = "$A provider init-tasks --check --diff --project /nowhere; $A dag provider setup status undo --check --diff"
    piped = shell(line, project)
    assert "owned" in piped.stdout
    told = "".join(line for line in piped.stdout.splitlines(keepends=True) if line[:1] not in "+- ")
    assert not set("\x1b\x07\u202e") & set(told)
    shown = shell(f"script -qec '{line}' /dev/null", project, TERM="dumb", SHELL="/bin/bash")  # no live line
    assert "\\x1b]0;owned\\x07\\u202e" in shown.stdout
    assert not set("\x1b\x07\u202e") & set(shown.stdout), shown.stdout


def test_a_state_directory_that_is_open_or_a_link_is_refused_before_anything_is_done(project: Path) -> None:
    ours = state.make(project)
    ours.chmod(0o755)
    done = shell("$A dag", project)
    assert (done.returncode, f"-> chmod 700 {ours}\n" in done.stdout, made_in(project)) == (2, True, set()), done
    ours.rename(f"{ours}.bak")
    ours.symlink_to(f"{ours.name}.bak")
    done = shell("$A status", project)
    assert (done.returncode, "something planted there" in done.stdout) == (2, True), done
