"""The examples: the workflow's commands are run as a runner runs them, the dev container is read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import FOREIGN, USER_CACHE
from tests.project import DOCKERFILE, tree

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
WORKFLOW = yaml.safe_load((EXAMPLES / "github-actions.yml").read_text())
(JOB,) = WORKFLOW["jobs"].values()
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in JOB["steps"] if "run" in step}
DAG = """from airflow.sdk import DAG
from include.names import NAME
import humanize

dag = DAG(dag_id=NAME, schedule=None)
"""
PROJECT = {
    ".astro/config.yaml": "project:\n  name: mine\n",
    ".gitignore": ".env\n",
    "Dockerfile": DOCKERFILE,
    "dags/.airflowignore": "",
    "dags/mine.py": DAG,
    "include/names.py": "NAME = 'my_own'\n",
    "requirements.txt": "humanize==4.10.0\n",
}


@dataclass
class Runner:
    """A machine of GitHub's, as far as the workflow can tell: a checkout, and files by which steps speak."""

    folder: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def summary(self) -> str:
        return (self.folder / "summary").read_text()

    def run(self, name: str, code: int = 0) -> str:
        """Run a step as a runner does; its output."""
        step, paths = STEPS[name], (self.folder / "path").read_text().split()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | {
            "HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": str(USER_CACHE),
            "CI": "true",
            "TASKS": str(ROOT),
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_PATH": str(self.folder / "path"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "PATH": os.pathsep.join([*reversed(paths), str(Path(sys.executable).parent), os.environ["PATH"]]),
        }
        shell = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"], "python": ["python", "-c"]}
        argv = [*shell[step.get("shell", "bash")], step["run"]]
        done = subprocess.run(argv, cwd=self.checkout, env=environment, capture_output=True, text=True)
        assert done.returncode == code, f"{name}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    made = Runner(tmp_path)
    for name, text in PROJECT.items():
        (made.checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (made.checkout / name).write_text(text)
    for name in ("path", "summary"):
        (tmp_path / name).touch()
    (tmp_path / "home").mkdir()
    return made


def test_the_workflow_may_read_and_no_more_and_holds_no_key() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "secrets." not in (EXAMPLES / "github-actions.yml").read_text()
    checkout = next(step for step in JOB["steps"] if "checkout" in step.get("uses", ""))
    assert checkout["with"]["persist-credentials"] is False


def test_the_drift_gate_holds_what_git_has_asks_nobody_and_changes_nothing(runner: Runner) -> None:
    before = tree(runner.checkout)
    runner.run("Agree to the project's settings")
    runner.run("Drift", code=3)
    assert tree(runner.checkout) == before
    runner.run("Summary")
    assert "### drift: exit code 3" in runner.summary
    assert re.search(r"\| changed \| provider \| .*amazon added \|", runner.summary)
    assert "+apache-airflow-providers-amazon" in runner.summary


def test_what_setup_has_made_and_git_has_is_no_drift(runner: Runner) -> None:
    words = ["setup", "--only", "init,provider,dag"]
    script = Path(sys.executable).with_name("aws-airflow")
    environment = {"HOME": str(runner.folder / "home"), "PATH": os.environ["PATH"]}
    subprocess.run([script, *words], cwd=runner.checkout, env=environment, check=True, capture_output=True)
    runner.run("Drift")


def test_settings_of_the_project_count_once_they_are_agreed_to(runner: Runner) -> None:
    (runner.checkout / "invoke.yaml").write_text("aws_airflow: {profile: of-the-team}\n")
    runner.run("Drift", code=2)
    runner.run("Agree to the project's settings")
    runner.run("Drift", code=3)


def test_the_summary_says_what_there_is_also_where_a_step_ended_before_it_said_a_thing(runner: Runner) -> None:
    (runner.folder / "drift.json").write_text("")
    found = {"check": "dags-parsed", "status": "failed", "detail": "a|b\n<c>"}
    document = {"exit_code": 4, "steps": [], "checks": [found]}
    (runner.folder / "dags.json").write_text(json.dumps(document))
    runner.run("Summary")
    assert "### drift: exit code none" in runner.summary
    assert "| failed | dags-parsed | a\\|b &lt;c> |" in runner.summary


@pytest.fixture
def cleaned(runner: Runner) -> Iterator[Runner]:
    yield runner
    tools = runner.folder / "tasks" / "bin" / "aws-airflow"
    subprocess.run([tools, "sandbox.clean"], cwd=runner.checkout, check=True, capture_output=True)


@pytest.mark.e2e
def test_the_whole_workflow_on_real_airflow_passes_and_fails_where_a_dag_cannot_be_imported(cleaned: Runner) -> None:
    """As in the workflow, the tasks are installed from this checkout, and nothing of ours is on the path."""
    cleaned.run("Install")
    before = tree(cleaned.checkout)
    cleaned.run("DAGs")
    left = {name: facts for name, facts in tree(cleaned.checkout).items() if "/.sandbox" not in name}
    assert left == before
    cleaned.run("Summary")
    assert "### dags: exit code 0" in cleaned.summary
    assert "| ok | dags-parsed | 1 DAG in 1 file: my_own |" in cleaned.summary
    assert "| ok | dag-run | printed: variable aws_airflow_check = " in cleaned.summary

    (cleaned.checkout / "include" / "names.py").write_text("import nosuchmodule\n")
    cleaned.run("DAGs", code=4)
    cleaned.run("Summary")
    assert "ModuleNotFoundError: No module named 'nosuchmodule' (in include/names.py, line 1)" in cleaned.summary


def test_the_dev_container_is_json_with_comments_and_has_an_engine_of_its_own() -> None:
    text = (EXAMPLES / "devcontainer" / "devcontainer.json").read_text()
    found = json.loads(re.sub(r"(?m)^\s*//.*$", "", text))
    assert any("docker-in-docker" in name for name in found["features"])
    assert "$TASKS" in found["postCreateCommand"]
    assert found["containerEnv"]["AWS_PROFILE"].endswith(":default}"), "an empty AWS_PROFILE is a profile of that name"
    assert not any(word in text.lower() for word in ("secret", "access_key"))
