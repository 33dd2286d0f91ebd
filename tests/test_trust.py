"""What a project's files ask for beyond its directory counts once the person has agreed to it, and until it changes."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.patch.requirements import NAME
from aws_airflow_tasks.screen import Screen
from aws_airflow_tasks.settings import KEYS, Layer
from aws_airflow_tasks.steps.dag import DAG
from aws_airflow_tasks.steps.env import ENV
from aws_airflow_tasks.steps.places import OVERRIDE
from aws_airflow_tasks.world import state, trust
from aws_airflow_tasks.world.trust import Asked
from tests.conftest import HOSTS
from tests.project import Done, StandInAirflow, airflow, astro_project, aws_itself, embedded, run, tree
from tests.world.server import Embedded
from tests.world.test_endpoints import Listener, listener

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "listener", "run"]

Run = Callable[..., Done]
#: a setting that moves trust, and what is said of it
ASKED = "aws_airflow:\n  profile: prod\n"
SAID = "the project asks for what you have not agreed to: profile: 'prod' (invoke.yaml)"


@pytest.fixture
def project(astro_project: Path, airflow: StandInAirflow, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of somebody else's, whose file names a profile that there is."""
    (astro_project / "invoke.yaml").write_text(ASKED)
    with_profile("prod")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_REGION", "us-east-1")
    return astro_project


def with_profile(name: str) -> None:
    path = Path.home() / ".aws" / "credentials"
    path.write_text(path.read_text() + path.read_text().replace("[default]", f"[{name}]"))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Somebody sits at the terminal, and types this."""

    def prepared(text: str) -> None:
        monkeypatch.setattr(Screen, "answers", True)
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return prepared


@pytest.mark.parametrize(
    "words", [["status"], ["setup", "--check"], ["creds"], ["dag", "--yes"], ["creds", "trust"], ["trust", "status"]]
)
def test_until_then_nothing_is_done_asked_of_aws_or_written_and_the_line_to_type_is_said(
    words: list[str], project: Path, closed_world: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aws_airflow_tasks.world.sessions.load", lambda: pytest.fail("botocore was loaded"))
    before = tree(project, closed_world)
    for prefix in ([], ["--json"]):
        done = run(*words, *prefix)
        assert (done.code, SAID in done.out, "trust --yes" in done.out) == (2, True, True), done
    assert tree(project, closed_world) == before


def test_agreed_to_once_it_counts_for_every_command_line_after(project: Path, run: Run) -> None:
    first = run("trust", "--yes")
    assert (first.code, "profile: 'prod' (invoke.yaml)" in first.out) == (0, True), first
    assert (run("trust").code, run("trust", "--json").document["recap"]["ok"]) == (0, 1)
    done = run("creds", "--json")
    assert (done.code, done.statuses()) == (0, {"creds": "ok"})
    assert "profile prod" in done.out
    assert run("status").code in (0, 3)


def test_when_it_changes_the_difference_is_shown_and_what_was_agreed_to_before_needs_no_answer_again(
    project: Path, run: Run
) -> None:
    run("trust", "--yes")
    (project / "invoke.yaml").write_text("# as before\naws_airflow: {wait: 9, profile: prod, region: eu-west-1}\n")
    assert run("creds").code == 0
    (project / "invoke.yaml").write_text(ASKED.replace("prod", "admin") + "  account: '123456789012'\n")
    assert run("creds").code == 2
    shown = run("trust", "--check")
    assert shown.code == 3
    for line in ("- profile: 'prod'", "+ profile: 'admin'", "+ account: '123456789012'"):
        assert line in shown.out
    assert run("creds").code == 2  # a look is no answer
    assert run("trust", "--yes").code == 0
    (project / "invoke.yaml").write_text(ASKED)
    assert run("creds").code == 0


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("", 2)])
@pytest.mark.parametrize("words", [["creds"], ["dag", "--yes"], ["creds", "--json"], ["trust"]])
def test_at_a_terminal_the_person_is_asked_once(
    words: list[str], answer: str, code: int, project: Path, run: Run, typed: Callable[[str], None]
) -> None:
    typed(answer)
    done = run(*words)
    question = "asks for more than you have agreed to:\n  profile: 'prod' (invoke.yaml)\n"
    assert question in done.out + done.err
    assert done.code == (1 if words == ["trust"] and code else code)
    typed("")
    again = run("creds")
    assert (again.code, question in again.out) == (code, bool(code))


@pytest.mark.parametrize("words", [["status"], ["setup", "--check"], ["creds", "--check"]])
def test_who_only_looks_is_asked_nothing_at_a_terminal_either(
    words: list[str], project: Path, run: Run, typed: Callable[[str], None]
) -> None:
    typed("y\n")
    done = run(*words)
    assert (done.code, "[y/N]" in done.out) == (2, False)
    assert done.out.splitlines()[-1].endswith(" trust")
    assert not state.locate(project).exists()


def test_what_the_person_says_needs_no_answer(
    astro_project: Path, airflow: StandInAirflow, closed_world: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_profile("mine")
    assert run("creds", "--profile", "mine", "--runtime", "embedded").code == 0
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_PROFILE", "mine")
    assert run("creds").code == 0
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_PROFILE")
    (closed_world / ".invoke.yaml").write_text("aws_airflow: {profile: mine, credentials: live}\n")
    assert run("creds").code == 0
    (astro_project / "named.yaml").write_text("aws_airflow: {profile: mine}\n")
    assert run("-f", "named.yaml", "creds").code == 0


def asks(**values: object) -> bool:
    return any(trust.asked(Path("/p"), [Layer("/p/invoke.yaml", values, brought=True)]))


@given(key=st.sampled_from([*KEYS, "added_later"]), value=st.text(min_size=1) | st.integers())
def test_every_setting_is_asked_about_but_those_that_are_said_to_be_free(key: str, value: str | int) -> None:
    free = {"region", "wait", "identity_ttl", "backend"}
    certain = {"runtime": ("auto", "docker"), "credentials": ("auto", "export")}
    if key != "endpoint_url":
        assert asks(**{key: value}) == (key not in free and value not in certain.get(key, ()))


def test_a_setting_with_nothing_behind_it_asks_for_nothing() -> None:
    assert not any(asks(**{key: None}) for key in KEYS)
    assert not asks(runtime="docker", credentials="export")
    assert asks(runtime="standalone")
    assert asks(credentials="live")


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "127.9.8.7", "localhost:1", "[::1]:5000", "LOCALHOST"])
def test_an_endpoint_on_this_machine_is_free(host: str) -> None:
    assert not asks(endpoint_url=f"http://{host}")


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0", "2130706433", "127.1", "0x7f.1", "10.0.0.1", "169.254.169.254", "localhost.evil.example",
        "127.0.0.1.evil.example", "localhost.localstack.cloud", "x.localhost", "[::ffff:10.0.0.1]",
    ],
)  # fmt: skip
def test_an_endpoint_anywhere_else_or_of_which_it_is_not_certain_is_asked_about(host: str) -> None:
    assert asks(endpoint_url=f"http://{host}:5000")


def test_an_endpoint_elsewhere_hears_nothing_until_it_is_agreed_to(
    project: Path, listener: Listener, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
    monkeypatch.setitem(HOSTS, "collector.example", int(listener.url.rpartition(":")[2]))
    (project / "invoke.yaml").write_text("aws_airflow: {endpoint_url: 'http://collector.example'}\n")
    for words in (["status"], ["creds"], ["setup", "--check"], ["secrets", "--yes"], ["undo"], ["stop"], ["trust"]):
        run(*words)
    assert listener.heard == []
    assert run("trust", "--yes").code == run("creds").code == 0
    assert len(listener.heard) == 1


def test_undo_stop_help_and_lists_need_no_answer(project: Path, run: Run) -> None:
    for words in (["undo"], ["stop"], ["undo", "--check"], ["--help"], ["--list"], ["trust", "--agreed"]):
        done = run(*words)
        assert (done.code, "trust --yes" in done.out) == (0, False), done
    assert "left out, as you have not agreed to it: profile: 'prod'" in run("stop").out


def test_undo_acts_as_was_agreed_to_last_and_takes_the_answer_with_it(project: Path, run: Run) -> None:
    run("trust", "--yes")
    assert run("setup").code == 0
    (project / "invoke.yaml").write_text("aws_airflow: {profile: nosuch}\n")
    assert run("setup").code == 2
    done = run("undo")
    assert (done.code, state.locate(project).exists()) == (0, False), done
    (project / "invoke.yaml").write_text(ASKED)
    assert run("creds").code == 2


def test_while_undo_has_something_left_the_answer_that_it_acts_by_stays(project: Path, run: Run) -> None:
    run("trust", "--yes")
    assert run("dag").code == 0
    path = project / "dags" / "example_secrets_dag.py"
    path.write_text(path.read_text().replace("\n", "\n# mine\n"))
    assert run("undo").code == 1
    assert run("creds").code == 0
    path.unlink()
    assert run("undo").code == 0
    assert run("creds").code == 2


def test_an_answer_is_listed_and_taken_back(project: Path, run: Run) -> None:
    assert "you have agreed to nothing" in run("trust", "--agreed").out
    run("trust", "--yes")
    listed = run("trust", "--agreed").out
    assert (str(project) in listed, "profile: 'prod' (invoke.yaml)" in listed) == (True, True)
    assert "--list" not in run("--list").out
    assert run("trust", "--revoke").code == 0
    assert run("creds").code == 2
    assert "you have agreed to nothing" in run("trust", "--revoke").out


def test_an_answer_is_kept_privately_by_the_hash_of_what_was_agreed_to(project: Path, run: Run) -> None:
    run("trust", "--yes")
    path = state.locate(project) / state.ANSWERS
    (stored,) = json.loads(path.read_text())
    assert stored["sha256"] == Asked({"invoke.yaml": {"profile": "prod"}}).sha256
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content",
    ["", "[", "{}", "[1]", '[{"asked": {}}]', '[{"sha256": "0", "asked": {"settings": {}}, "at": 1}]', "null"],
)
def test_an_answer_that_cannot_be_read_is_none_and_gives_way_to_the_next(content: str, project: Path, run: Run) -> None:
    run("trust", "--yes")
    path = state.locate(project) / state.ANSWERS
    path.write_text(content)
    assert run("creds").code == 2
    assert run("trust", "--yes").code == run("creds").code == 0


@pytest.mark.skipif(os.name != "posix", reason="modes are Unix's")
@pytest.mark.parametrize("words", [["creds"], ["status"], ["trust"], ["undo"]])
def test_an_answer_that_others_could_have_written_is_none(words: list[str], project: Path, run: Run) -> None:
    run("trust", "--yes")
    state.locate(project).chmod(0o770)
    done = run(*words)
    assert (done.code, "(mode 0770)" in done.out) == (2, True), done


def test_another_project_with_the_same_lines_is_asked_about_by_itself(
    project: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("trust", "--yes")
    other = tmp_path / "elsewhere" / project.name
    other.mkdir(parents=True)
    (other / "invoke.yaml").write_text(ASKED)
    assert run("creds", "--project", str(other)).code == 2
    monkeypatch.chdir(other)
    assert run("creds").code == 2
    assert run("creds", "--project", str(project)).code == 0


def test_the_line_to_type_names_a_project_that_is_not_here(project: Path, run: Run, closed_world: Path) -> None:
    os.chdir(closed_world)
    done = run("status", "--project", str(project))
    assert f"trust --project '{project}' --yes" in done.out
    assert run("trust", "--project", str(project), "--yes").code == 0
    assert run("creds", "--project", str(project)).code == 0


def test_what_a_value_holds_reaches_no_terminal_as_it_is(project: Path, run: Run) -> None:
    (project / "invoke.yaml").write_text('aws_airflow: {profile: "a\\ecowned"}\n')
    done = run("trust", "--yes")
    assert (done.code, "owned" in done.out, "\x1b" in done.out + run("trust", "--agreed").out) == (0, True, False), done


def test_under_invoke_it_is_the_same_for_the_file_beside_tasks_py_too(project: Path, tmp_path: Path) -> None:
    executor = "tasks: {executor_class: aws_airflow_tasks.executor.Executor}\n"
    (tmp_path / "tasks.py").write_text("from aws_airflow_tasks import ns\n\n__all__ = ['ns']\n")
    (tmp_path / "invoke.yaml").write_text(f"{executor}aws_airflow: {{project: {project.name!r}, mount_path: /x}}\n")

    def invoke(*words: str) -> subprocess.CompletedProcess[str]:
        script = Path(sys.executable).with_name("invoke")
        return subprocess.run([script, *words], cwd=tmp_path, capture_output=True, text=True, check=False)

    for words in (["creds"], ["status"], ["creds", "--yes"], ["trust"]):
        done = invoke(*words)
        assert (done.returncode, done.stderr) == (2, "")
        assert (
            "mount_path: '/x' (../invoke.yaml); project: 'my project' (../invoke.yaml); profile: 'prod'" in done.stdout
        )
        assert done.stdout.endswith(" --yes\n")
    assert invoke("trust", "--yes").returncode == 0
    assert "agreed to" in invoke("trust").stdout
    assert "profile prod:" in invoke("creds").stdout
    assert str(project) in invoke("trust", "--agreed").stdout
    assert invoke("trust", "--revoke", "--json").returncode == 0
    assert invoke("status").returncode == 2


# -- symlinks that the repository brings -------------------------------------------------------------------------------

LINKS = {
    ".env": "a file",
    "docker-compose.override.yml": "a file",
    "requirements.txt": "a file",
    "dags": "a directory",
    "dags/example_secrets_dag.py": "a file",
    ".astro": "a directory",
}


@pytest.fixture
def mine(
    astro_project: Path,
    airflow: StandInAirflow,
    aws_itself: Embedded,
    closed_world: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """What a person has in the home directory, for symlinks of an Astro project, whose Airflow is in containers."""
    airflow.name, airflow.mounts = "docker", True
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_RUNTIME", "docker")
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
    made = closed_world / "mine"
    made.mkdir()
    (made / "a directory").mkdir()
    (made / "a directory" / "config.yaml").write_text("project: {name: mine}\n")
    (made / "a file").write_text("")
    return made


def link(path: Path, target: Path | str) -> None:
    """What git makes of a symlink that a repository has."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


STEPS = ("mount", "env", "provider", "dag")


@pytest.mark.parametrize("name", LINKS)
def test_a_symlink_out_of_the_project_is_named_with_where_it_leads_and_nothing_is_written_through_it(
    name: str, astro_project: Path, mine: Path, run: Run
) -> None:
    link(astro_project / name, mine / LINKS[name])
    before = tree(mine, astro_project)
    for words in (["status"], ["setup", "--check"], [*STEPS, "--yes"]):
        done = run(*words)
        assert (done.code, f"{name} is a symlink to '{mine / LINKS[name]}'" in done.out) == (2, True), done
    assert tree(mine, astro_project) == before


@pytest.mark.parametrize("name", [name for name in LINKS if name != ".astro"])
def test_a_symlink_that_was_agreed_to_is_written_through_undone_and_asked_about_again_where_it_leads_elsewhere(
    name: str, astro_project: Path, mine: Path, run: Run
) -> None:
    before = tree(mine)
    link(astro_project / name, mine / LINKS[name])
    assert run("trust", "--yes").code == 0
    done = run(*STEPS, "--override")  # an empty file is no DAG of ours
    assert (done.code, tree(mine) != before) == (0, True), done
    other = mine / "other"
    (shutil.copytree if LINKS[name] == "a directory" else shutil.copyfile)(mine / LINKS[name], other)
    link(astro_project / name, other)
    assert run("status").code == 2
    copied = tree(other) or other.read_bytes()
    done = run("undo")
    assert (done.code, "leads out of the project, to" in done.out) == (1, True), done
    assert (tree(other) or other.read_bytes()) == copied
    link(astro_project / name, mine / LINKS[name])
    assert run("undo").code == 0
    (shutil.rmtree if other.is_dir() else Path.unlink)(other)
    assert tree(mine) == before


def test_a_symlink_beyond_one_that_leads_out_already_is_asked_about_where_it_leads_elsewhere(
    astro_project: Path, mine: Path, run: Run
) -> None:
    link(mine / "a directory" / "example_secrets_dag.py", mine / "other")
    (mine / "other").write_text("")
    link(astro_project / "dags", mine / "a directory")
    assert trust.links(astro_project) == {
        "dags": str(mine / "a directory"),
        "dags/example_secrets_dag.py": str(mine / "other"),
    }
    assert run("trust", "--yes").code == run("dag", "--override").code == 0
    link(mine / "a directory" / "example_secrets_dag.py", mine / "a directory" / "config.yaml")
    assert trust.links(astro_project) == {"dags": str(mine / "a directory")}


def test_a_symlink_that_stays_in_the_project_asks_for_nothing(astro_project: Path, mine: Path, run: Run) -> None:
    (astro_project / "shared").mkdir()
    (astro_project / "shared" / "env").write_text("")
    link(astro_project / ".env", "shared/env")
    link(astro_project / "dags", astro_project / "shared")
    assert run(*STEPS).code == 0
    assert "AIRFLOW__SECRETS__BACKEND" in (astro_project / "shared" / "env").read_text()


def test_a_project_that_is_reached_through_a_symlink_is_where_it_is(
    astro_project: Path, mine: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(mine / "link", astro_project)
    monkeypatch.chdir(mine / "link")
    assert run("dag", "--project", str(mine / "link")).code == 0


def test_of_settings_and_symlinks_each_is_shown_and_one_answer_is_for_both(project: Path, mine: Path, run: Run) -> None:
    run("trust", "--yes")
    link(project / ".env", mine / "a file")
    done = run("trust", "--check")
    assert (done.code, "+ .env is a symlink to" in done.out, "+ profile" in done.out) == (3, True, False), done
    assert run("trust", "--yes").code == 0
    assert run("env").code == 0


def test_a_symlink_that_comes_after_the_question_is_not_written_through(
    astro_project: Path, mine: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr(trust, "links", lambda project: {})
    link(astro_project / "dags", mine / "a directory")
    before = tree(mine)
    done = run("dag")
    assert (done.code, "dags/example_secrets_dag.py leads out of the project" in done.out) == (1, True), done
    assert tree(mine) == before


def test_where_astro_dev_init_would_write_a_symlink_out_is_asked_about_until_it_has(tmp_path: Path, mine: Path) -> None:
    names = {*stand_in_files(), ".astro/config.yaml", "Dockerfile", "dags/exampledag.py"}
    for name in names:
        for above in (name, *(str(folder) for folder in Path(name).parents[:-1])):
            made = tmp_path / "each" / above.replace("/", "_") / name.replace("/", "_")
            link(made / above, mine / "nothing yet")
            assert trust.links(made) == {above: str(mine / "nothing yet")}
            if above not in (*LINKS, "Dockerfile", ".astro/config.yaml"):
                for there in (".astro/config.yaml", "Dockerfile"):
                    (made / there).parent.mkdir(exist_ok=True)
                    (made / there).write_text("")
                assert trust.links(made) == {}


def stand_in_files() -> dict[str, str]:
    text = (Path(__file__).parent / "bin" / "astro").read_text()
    (found,) = (
        node.value
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FILES"
    )
    return dict(ast.literal_eval(found))


def test_what_is_written_in_a_project_is_what_symlinks_are_looked_for_at() -> None:
    assert {ENV, OVERRIDE, NAME, DAG} <= {*trust.WRITTEN}
