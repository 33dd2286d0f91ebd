"""What check mode says of every step is what the run then does, wherever a project stands and whatever is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Pending
from aws_airflow_tasks.world import cli, state
from tests.project import Done, StandInAirflow, airflow, astro_project, aws_itself, embedded, run, tree
from tests.test_any_order import BEFORE, DAG, ENV, FEW, OVERRIDE, Edit, begin, edit, edits
from tests.test_setup import Run, in_docker, project, secrets
from tests.world.server import REAL_SPAWN, Embedded

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "in_docker", "project", "run", "secrets"]

TASKS = ("setup", "mount", "env", "secrets", "provider", "dag", "start", "stop", "undo", "refresh", "creds")
#: as the Astro CLI does, what is there is left alone
ASTRO = """#!/bin/sh
mkdir -p .astro dags && echo "project: {name: mine}" >.astro/config.yaml && echo "FROM x" >Dockerfile
[ -e .env ] || : >.env
"""
#: what undo finds, or leaves, may be in the way of what comes then
UNDONE = {"undo"}
#: files that stand in the way of a step
CONFLICTS = {
    ENV: [b"AWS_PROFILE=work\n", b"AWS_ACCESS_KEY_ID=AKIAOLD\nAWS_SECRET_ACCESS_KEY=old\nA=1\n"],
    OVERRIDE: [
        b"services: {scheduler: {volumes: ['/x:/home/astro/.aws']}}\n",
        b"services:\n  scheduler:\n    environment:\n      AWS_ACCESS_KEY_ID: AKIAOLD\n",
    ],
    DAG: [b"# something else\n"],
}


@dataclass
class Started(StandInAirflow):
    """A stand-in that knows no more than Docker does: what is mounted it finds in the override when it starts."""

    project: Path = Path()

    def services(self) -> tuple[str, ...]:
        if not (self.project / "Dockerfile").exists():
            raise Pending("init")
        return super().services()

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int, **more: Any) -> None:
        super().start(environment, restart=restart, wait=wait, **more)
        text = (self.project / OVERRIDE).read_text() if self.mounts else ""
        self.source = str(Path.home() / ".aws" if "~/.aws:" in text else state.locate(self.project) / "aws")


Airflows = Mapping[str, Started]


@pytest.fixture
def airflows(in_docker: Path, monkeypatch: pytest.MonkeyPatch) -> Airflows:
    """Both kinds of Airflow, an `astro`, and a second profile; both profiles have the same keys."""
    made = {name: Started(mounts=name == "docker", name=name, project=in_docker) for name in ("docker", "embedded")}
    monkeypatch.setattr(runtimes, "choose", lambda settings, state: made[settings.runtime])
    program = in_docker.parent / "bin" / "astro"
    program.parent.mkdir()
    program.write_text(ASTRO)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    for name, section in (("config", "[profile dev]"), ("credentials", "[dev]")):
        file = Path.home() / ".aws" / name
        file.write_text(file.read_text() + file.read_text().replace("[default]", section))
    return made


class Line(NamedTuple):
    """A command line: tasks, flags, and what is set in the environment."""

    tasks: Sequence[str]
    flags: Sequence[str]
    settings: Mapping[str, str]

    def __call__(self, run: Run, *more: str) -> Done:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings.items():
                patch.setenv(f"INVOKE_AWS_AIRFLOW_{name.upper()}", value)
            done = run(*self.tasks[:1], *self.flags, *self.tasks[1:], "--json", *more)
        note(f"{self} {more}: {[(step['step'], step['status'], step['reason']) for step in done.document['steps']]}")
        return done


def one_of(**choices: Sequence[str]) -> st.SearchStrategy[dict[str, str]]:
    """Settings, each of them left out as often as not."""
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in choices.items()})


flags = st.tuples(
    st.sampled_from([(), ("--region=us-east-2",)]),
    st.sampled_from([(), ("--profile=dev",)]),
    st.sampled_from([("--runtime=docker",), ("--runtime=embedded",)]),
    st.sampled_from([(), ("--override",)]),
    st.sampled_from([(), ("--yes",)]),
).map(lambda chosen: [flag for each in chosen for flag in each])
settings = one_of(
    credentials=("live", "export"),
    backend=("none",),
    check_variable=("another",),
    account=("123456789012", "210987654321"),
)
lines = st.builds(Line, st.lists(st.sampled_from(TASKS), min_size=1, max_size=2, unique=True), flags, settings)
setups = st.builds(Line, st.just(("setup",)), flags, settings)
files_before = st.fixed_dictionaries(
    {name: st.sampled_from([None, data]) for name, data in BEFORE.items()}
    | {name: st.sampled_from([None, BEFORE.get(name), *data]) for name, data in CONFLICTS.items()}
)


def fresh(project: Path, airflows: Airflows, secrets: Any, before: Mapping[str, bytes | None], astro: bool) -> None:
    """A project as nobody of ours has seen it; one that is none yet has nothing in its way."""
    begin(project, {name: data for name, data in before.items() if astro or data not in CONFLICTS.get(name, [])})
    if not astro:
        (project / "Dockerfile").unlink()
    for each in airflows.values():
        each.environment = None
    for entry in secrets.list_secrets()["SecretList"]:
        secrets.delete_secret(SecretId=entry["ARN"], ForceDeleteWithoutRecovery=True)


def rows(done: Done) -> list[dict[str, Any]]:
    """The steps, without the row that says that `setup` itself was not reached."""
    return [step for step in done.document["steps"] if step["step"] != "setup"]


def assert_foreseen(check: Done, done: Done) -> None:
    said, did = rows(check), rows(done)
    assert [step["step"] for step in said] == [step["step"] for step in did]
    for foreseen, step in zip(said, did, strict=True):
        if foreseen["reason"].startswith("known after "):
            assert foreseen["status"] == "changed"
            assert step["status"] != "failed" or UNDONE & {step["step"], *foreseen["reason"].split()}, step
        else:
            assert foreseen["status"] == step["status"], (foreseen, step)


# an example takes seconds: a long search for a shorter one is not worth it
@hypothesis_settings(max_examples=FEW, phases=[Phase.reuse, Phase.generate], suppress_health_check=[*HealthCheck])
@given(
    before=files_before,
    astro=st.booleans(),
    earlier=st.lists(setups | lines | edits, max_size=3),
    line=setups | lines,
)
def test_the_steps_that_check_mode_calls_changed_are_those_that_the_run_changes(
    before: Mapping[str, bytes | None],
    astro: bool,
    earlier: Sequence[Line | Edit],
    line: Line,
    in_docker: Path,
    closed_world: Path,
    airflows: Airflows,
    secrets: Any,
    run: Run,
) -> None:
    fresh(in_docker, airflows, secrets, before, astro)
    for each in earlier:
        edit(in_docker / each.name, each, {}) if isinstance(each, Edit) else each(run)
    was = tree(in_docker, closed_world)
    check = line(run, "--check")
    assert tree(in_docker, closed_world) == was
    assert_foreseen(check, line(run))


def step(done: Done, name: str) -> tuple[str, str]:
    return next((step["status"], step["reason"]) for step in done.document["steps"] if step["step"] == name)


def test_a_stop_takes_away_what_a_step_before_it_would_stage(in_docker: Path, airflows: Airflows, run: Run) -> None:
    foreseen = run("mount", "stop", "--runtime", "docker", "--check", "--json")
    assert step(foreseen, "stop")[0] == "changed"
    assert_foreseen(foreseen, run("mount", "stop", "--runtime", "docker", "--json"))


@pytest.mark.parametrize("task", ["setup --check", "status", "start --check", "verify --check"])
def test_a_restart_that_a_planned_line_leads_to_is_foreseen_with_its_reason(
    task: str, project: Path, airflow: StandInAirflow, run: Run
) -> None:
    assert run("setup").code == 0
    foreseen = run(*task.split(), "--region", "us-east-2", "--json")
    assert airflow.started == ["start"]
    done = run("setup", "--region", "us-east-2", "--json")
    assert airflow.started == ["start", "restart"]
    assert step(foreseen, "start") == step(done, "start")
    assert "AWS_DEFAULT_REGION not as in .env" in step(done, "start")[1]


def test_a_start_is_foreseen_where_there_is_no_env_file_yet(project: Path, airflow: StandInAirflow, run: Run) -> None:
    (project / ".env").unlink()
    assert step(run("setup", "--check", "--json"), "start") == ("changed", "not running")


@pytest.mark.parametrize(
    ("running", "tasks", "expected"),
    [
        (True, ("stop", "start"), {"stop": "changed", "start": "changed"}),
        (True, ("start", "stop"), {"start": "ok", "stop": "changed"}),
        (False, ("start", "stop"), {"start": "changed", "stop": "changed"}),
        (False, ("stop", "start"), {"stop": "ok", "start": "changed"}),
    ],
)
def test_what_a_planned_start_or_stop_leaves_running_counts(
    running: bool, tasks: tuple[str, ...], expected: dict[str, str], project: Path, airflow: StandInAirflow, run: Run
) -> None:
    assert run("setup").code == 0
    if not running:
        assert run("stop").code == 0
    check, done = run(*tasks, "--check", "--json"), run(*tasks, "--json")
    assert check.statuses() | expected == check.statuses()
    assert done.statuses() == check.statuses()


def test_what_would_be_staged_needs_no_refresh(in_docker: Path, airflow: StandInAirflow, run: Run) -> None:
    check = run("refresh", "--check", "--json")
    assert check.statuses() == {"creds": "changed", "refresh": "ok"} == run("refresh", "--json").statuses()
    assert run("refresh", "--force", "--check", "--json").statuses()["refresh"] == "changed"


def test_undo_of_what_is_only_planned_and_what_comes_after_undo_are_known_then(project: Path, run: Run) -> None:
    check = run("dag", "undo", "--check", "--json")
    assert step(check, "undo") == ("changed", "known after dag")
    assert run("dag").code == 0
    check = run("undo", "secrets", "verify", "--check", "--json")
    assert step(check, "undo")[0] == "changed"
    assert step(check, "secrets") == ("changed", "known after undo")
    assert step(check, "verify")[0] == "skipped"
    assert step(run("undo", "--check", "--json"), "undo")[0] == "changed"


def test_a_preview_beside_a_run_is_of_the_project_as_the_run_leaves_it(project: Path, run: Run) -> None:
    done = run("setup", "status", "--json")
    assert [step["status"] for step in done.document["steps"] if step["step"] == "start"] == ["changed", "ok"]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_login_is_foreseen_where_somebody_could_make_it_and_what_is_known_after_it(
    terminal: bool, project: Path, closed_world: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    keys = {path: path.read_bytes() for path in (closed_world / ".aws").iterdir()}
    for path in keys:
        path.unlink()
    monkeypatch.setattr(cli, "terminal", lambda: terminal)
    monkeypatch.setattr(cli, "interactive", lambda *_, **__: pytest.fail("somebody was asked to log in"))
    check = run("setup", "--check")
    if not terminal:
        assert (check.code, "failed   creds" in check.out, "skipped  secrets  creds failed" in check.out) == (1, 1, 1)
        return
    assert check.code == 3
    assert (
        "changed  creds    profile default: would log in: profile default has no credentials: aws configure"
        in check.out
    )
    assert all(f"changed  {name:<8} known after creds" in check.out for name in ("env", "secrets"))
    assert "changed  dag" in check.out
    monkeypatch.setattr(cli, "interactive", lambda *_, **__: [path.write_bytes(keys[path]) for path in keys] and 0)
    assert "recap: ok=1 changed=5 skipped=2 failed=0" in run("setup").out
