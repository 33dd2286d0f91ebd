"""In whatever order the tasks are run and the files are edited, undo leaves a person's own bytes, or names the file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aws_airflow_tasks.world import state
from tests.project import DOCKERFILE, Done, StandInAirflow, airflow, astro_project, aws_itself, embedded, run
from tests.test_setup import Run, in_docker, names, project, secrets

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "in_docker", "project", "run", "secrets"]

ENV, OVERRIDE, REQUIREMENTS = ".env", "docker-compose.override.yml", "requirements.txt"
DAG = "dags/example_secrets_dag.py"
TASKS = ("mount", "env", "dag", "provider", "setup", "undo")
#: a line that the person adds, and what the file holds before
LINES = {ENV: b"MINE=1", OVERRIDE: b"# mine", REQUIREMENTS: b"pandas", DAG: b"# mine"}
BEFORE = {
    ENV: b"# theirs\nA=1\n",
    OVERRIDE: b"services:\n  scheduler:\n    environment:\n      A: b\n",
    REQUIREMENTS: b"numpy\n",
}


class Edit(NamedTuple):
    """What a person does to a file; to the one with our lines in it and to the one that undo is to leave."""

    name: str
    how: str

    def __call__(self, data: bytes | None) -> bytes | None:
        line = LINES[self.name]
        match self.how:
            case "append":
                return (data or b"") + line + b"\n"
            case "comment":
                return b"# mine too\n" + (data or b"")
            case _:
                return data and data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


edits = st.builds(Edit, st.sampled_from([*LINES]), st.sampled_from(["append", "comment", "CRLF"]))
files_before = st.fixed_dictionaries({name: st.sampled_from([None, data]) for name, data in BEFORE.items()})
actions = st.lists(st.sampled_from(TASKS) | edits, max_size=8)
FEW = max(8, hypothesis_settings().max_examples // 100)


def read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def write(path: Path, data: bytes | None) -> None:
    if data is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def begin(project: Path, before: Mapping[str, bytes | None]) -> None:
    """A project as nobody of ours has ever seen it."""
    shutil.rmtree(state.root(), ignore_errors=True)
    for path in project.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (project / ".astro").mkdir()
    (project / ".astro" / "config.yaml").write_text("project:\n  name: mine\n")
    (project / "Dockerfile").write_text(DOCKERFILE)
    for name, data in before.items():
        write(project / name, data)


def edit(path: Path, edit: Edit, theirs: dict[str, bytes | None]) -> None:
    """Edit a file, and what undo is to leave of it; a DAG only where ours is, since any other is a conflict."""
    now = read(path)
    if now is None and (edit.how == "CRLF" or edit.name == DAG):
        return
    write(path, edit(now))
    if edit.name in theirs:
        theirs[edit.name] = edit(theirs[edit.name])


def named(done: Done) -> list[str]:
    """The files that undo could not take back."""
    error = done.document["steps"][0]["error"]
    return [name for name in LINES if error and f"{name}: " in error["message"]]


# an example takes a second: a long search for a shorter one is not worth it
@hypothesis_settings(max_examples=FEW, phases=[Phase.reuse, Phase.generate], suppress_health_check=[*HealthCheck])
@given(before=files_before, actions=actions)
def test_any_order_of_tasks_and_edits_is_undone_to_what_the_person_wrote(
    before: dict[str, bytes | None],
    actions: list[str | Edit],
    in_docker: Path,
    airflow: StandInAirflow,
    secrets: Any,
    run: Run,
) -> None:
    begin(in_docker, before)
    theirs: dict[str, bytes | None] = {name: before.get(name) for name in LINES}
    for action in [*actions, "setup", "undo"]:
        if isinstance(action, Edit):
            edit(in_docker / action.name, action, theirs)
            continue
        was = {name: read(in_docker / name) for name in LINES}
        done = run(action, "--json")
        note(f"{action}: {done.out}")
        if action == "undo":
            refused = named(done)
            assert done.code == (1 if refused else 0)
            assert {name: read(in_docker / name) for name in refused} == {name: was[name] for name in refused}
            theirs = {name: data for name, data in theirs.items() if name not in refused}
            assert {name: read(in_docker / name) for name in theirs} == theirs
            assert names(secrets) == set()
            assert airflow.environment is None
        else:
            assert done.code == 0
            if action == "setup":
                assert run(action, "--json").document["recap"]["changed"] == 0
