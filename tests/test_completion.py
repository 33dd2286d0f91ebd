"""Completion: what may stand at the cursor, as the program says it and as it is typed in real shells."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.project import Done, run

__all__ = ["run"]

SCRIPTS = Path(sys.executable).parent
CONFIG = """\
[default]
region = eu-west-1
[profile prod-read]
region = us-east-2
[profile my own]
credential_process = touch asked
[sso-session work]
sso_region = eu-west-1
[services local]
"""


@pytest.fixture
def project(tmp_path: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "project"
    (made / ".astro").mkdir(parents=True)
    (made / ".astro" / "config.yaml").write_text("project: {name: mine}\n")
    (made / "Dockerfile").write_text("FROM quay.io/astronomer/astro-runtime:12.1.0\n")
    (made / "traceback.txt").write_text("")
    (made / "with a space.txt").write_text("")
    (closed_world / ".aws").mkdir()
    (closed_world / ".aws" / "config").write_text(CONFIG)
    (closed_world / ".aws" / "credentials").write_text("[prod-read]\naws_access_key_id = x\n[ops]\n")
    monkeypatch.chdir(made)
    return made


LINES = {
    ("ver",): {"verify"},
    ("setup", "sandbox.s"): {"sandbox.stop"},
    ("--ech",): {"--echo"},
    ("setup", "--ove"): {"--override"},
    ("setup", "--json", "stat"): {"status"},
    ("doctor", "--o"): set(),
    ("--help", "stat"): {"status"},
    ("setup", "--runtime", ""): {"auto", "docker", "standalone", "embedded"},
    ("setup", "--runtime=e"): {"--runtime=embedded"},
    ("setup", "--runtime", "=", "e"): {"embedded"},
    ("setup", "--runtime", "="): {"auto", "docker", "standalone", "embedded"},
    ("setup", "--profile", ""): {"default", "prod-read", "my own", "ops"},
    ("setup", "--region", ""): {"eu-west-1", "us-east-2"},
    ("env", "--only", ""): {"creds", "init", "mount", "env"},
    ("env", "dag", "--skip", "creds,d"): {"creds,dag"},
    ("env", "--skip", "creds,c"): set(),
    ("logs", "--service", ""): {"scheduler", "webserver", "triggerer"},
    ("logs", "sch"): {"scheduler"},
    ("logs", "scheduler", "web"): {"webserver"},
    ("sandbox", "--airflow", ""): {"3", "2"},
    ("sandbox", "--backend", "p"): {"parameter-store"},
    ("explain", "tr"): set(),
    ("explain", "setup", "ver"): {"verify"},
    ("secrets.sync", "a.yaml", "tr"): set(),
    ("setup", "--project", ""): set(),
}


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_what_may_stand_for_the_last_word_is_said_from_files_and_memory(
    words: tuple[str, ...], project: Path, run: Callable[..., Done]
) -> None:
    done = run("--complete", "--", "aws-airflow", *words)
    assert (done.code, set(done.out.splitlines()), done.err) == (0, LINES[words], "")
    assert not (project / "asked").exists()


def test_of_invoke_only_values_are_said_whatever_its_tasks_are_called(project: Path, run: Callable[..., Done]) -> None:
    for words, found in (
        (["aws.setup", "--runtime", "e"], "embedded\n"),
        (["aws.setup", "--only", "mou"], "mount\n"),
        (["ver"], ""),
        (["setup", "--ove"], ""),
    ):
        assert run("--complete", "--", "/a b/.venv/bin/invoke", *words).out == found


def test_files_that_are_not_there_or_cannot_be_read_give_nothing_and_no_error(
    project: Path, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(project))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "~nobody-of-that-name/credentials")
    (project / "Dockerfile").unlink()
    for words, found in ((["setup", "--profile", ""], ""), (["logs", "--service", "api"], "api-server\n")):
        done = run("--complete", "--", "aws-airflow", *words)
        assert (done.code, done.out, done.err) == (0, found, "")


def test_a_shell_that_there_is_no_completion_for_is_refused(run: Callable[..., Done]) -> None:
    done = run("--print-completion-script", "tcsh")
    assert (done.code, "there is no completion for 'tcsh'" in done.out) == (2, True)


def test_nothing_heavy_is_loaded_for_a_completion(project: Path) -> None:
    code = (
        "import sys\n"
        "from aws_airflow_tasks.program import program\n"
        "try:\n    program().run(['aws-airflow', '--complete', '--', 'aws-airflow', 'setup', '--profile', ''])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print([name for name in ('boto3', 'botocore', 'docker', 'ruamel.yaml', 'requests') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["default", "prod-read", "my own", "ops", "[]"]


ASKED = {
    "bash": "source {script}; _aws_airflow_candidates aws-airflow setup --runtime emb",
    "zsh": "compdef() {{ }}; source {script}; _aws_airflow_candidates aws-airflow setup --runtime emb",
    "fish": "source {script}; complete --do-complete 'aws-airflow setup --runtime emb'",
}


@pytest.mark.parametrize("shell", ASKED)
def test_an_error_is_nothing_to_complete_with(
    shell: str, project: Path, tmp_path: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    monkeypatch.setenv("PATH", f"{SCRIPTS}:{os.environ['PATH']}")
    script = tmp_path / "script"
    with script.open("w") as file:
        subprocess.run([SCRIPTS / "aws-airflow", "--print-completion-script", shell], stdout=file, check=True)
    for text, found in (("", "embedded\n"), ("a: [\n", "")):
        (closed_world / ".invoke.yaml").write_text(text)
        done = subprocess.run([shell, "-c", ASKED[shell].format(script=script)], capture_output=True, text=True)
        assert (done.stdout.lstrip("\n"), done.stderr) == (found, "")


SHELLS = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "--interactive"]}
#: what is typed before a tab, and the command line that runs then
TYPED = {
    "aws-airflow ver": "[aws-airflow][verify]",
    "aws-airflow setup --ove": "[aws-airflow][setup][--override]",
    "aws-airflow setup --runtime emb": "[aws-airflow][setup][--runtime][embedded]",
    "aws-airflow setup --runtime=emb": "[aws-airflow][setup][--runtime=embedded]",
    "aws-airflow setup --profile my": "[aws-airflow][setup][--profile][my own]",
    "aws-airflow setup --only creds,mou": "[aws-airflow][setup][--only][creds,mount]",
    "aws-airflow logs sched": "[aws-airflow][logs][scheduler]",
    "aws-airflow explain trace": "[aws-airflow][explain][traceback.txt]",
    "aws-airflow explain ": "[aws-airflow][explain]",
    "aws-airflow secrets.sync ": "[aws-airflow][secrets.sync]",
    "aws-airflow secrets.put --file ": "[aws-airflow][secrets.put][--file]",
    "aws-airflow secrets.put --file trace": "[aws-airflow][secrets.put][--file][traceback.txt]",
    "aws-airflow setup --skip creds,": "[aws-airflow][setup][--skip][creds,]",
    "aws-airflow setup --skip creds,\tini": "[aws-airflow][setup][--skip][creds,init]",
    "aws-airflow setup --profile my\\ o": "[aws-airflow][setup][--profile][my own]",
    'aws-airflow setup --profile "my o': "[aws-airflow][setup][--profile][my own]",
    "aws-airflow setup --profile=my\\ o": "[aws-airflow][setup][--profile=my own]",
    "aws-airflow explain with\\ a": "[aws-airflow][explain][with a space.txt]",
    "invoke ver": "[invoke][verify]",
    "invoke own": "[invoke][own-thing]",
    "invoke setup --ove": "[invoke][setup][--override]",
    "invoke setup --profile prod": "[invoke][setup][--profile][prod-read]",
    "invoke setup --skip prov": "[invoke][setup][--skip][provider]",
}


@pytest.fixture
def programs(tmp_path: Path, project: Path) -> tuple[Path, Path]:
    """Where the two programs lie, which complete as ever and else note what they were called with; and that note."""
    noted = tmp_path / "noted"
    noted.touch()
    (tmp_path / "bin").mkdir()
    for name in ("aws-airflow", "invoke"):
        (tmp_path / "bin" / name).write_text(
            f'#!/bin/sh\ncase "$1" in --complete) exec "{SCRIPTS / name}" "$@" ;; esac\n'
            f"printf '[%s]' {name} \"$@\" >> '{noted}'; echo >> '{noted}'\n"
        )
        (tmp_path / "bin" / name).chmod(0o755)
    (project / "tasks.py").write_text(
        "from aws_airflow_tasks import ns\nfrom invoke import task\n\n\n@task\ndef own_thing(c):\n    pass\n\n\n"
        "ns.add_task(own_thing)\n"
    )
    return tmp_path / "bin", noted


@contextlib.contextmanager
def terminal(argv: list[str], **variables: str) -> Iterator[tuple[int, list[bytes]]]:
    """A shell at a terminal of its own: where to type, and what it has shown so far."""
    master, slave = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", **variables}
    child = subprocess.Popen(["setsid", "--ctty", *argv], stdin=slave, stdout=slave, stderr=slave, env=environ)
    os.close(slave)
    shown: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):
            while some := os.read(master, 4096):
                shown.append(some)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield master, shown
    finally:
        child.kill()
        child.wait()
        reader.join()
        os.close(master)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tab_completes_tasks_flags_and_values_in_the_shell_itself(
    shell: str, programs: tuple[Path, Path], tmp_path: Path
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    folder, noted = programs
    script = tmp_path / f"completion.{shell}"
    with script.open("w") as file:
        subprocess.run([SCRIPTS / "aws-airflow", "--print-completion-script", shell], stdout=file, check=True)
    path = f"{folder}:{SCRIPTS}:{os.environ['PATH']}"
    with terminal([shell, *SHELLS[shell]], PATH=path) as (keyboard, shown):
        for number, line in enumerate([f"source {script}; invoke ready", *(f"{each}\t" for each in TYPED)]):
            os.write(keyboard, f"{line}\n".encode())
            deadline = time.monotonic() + 120
            while len(found := noted.read_text().splitlines()) <= number and time.monotonic() < deadline:
                time.sleep(0.05)
            assert len(found) > number, (line, b"".join(shown).decode(errors="replace"))
    assert dict(zip(TYPED, found[1:], strict=True)) == TYPED
