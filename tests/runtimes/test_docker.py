"""The docker runtime against a real engine: whose containers are found, what is read of them, how they are entered."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes import astro, dockerfile, watching
from aws_airflow_tasks.runtimes.docker import Docker
from aws_airflow_tasks.runtimes.watching import Watch
from aws_airflow_tasks.world import cli, containers, seeing
from tests.docker import images
from tests.docker.engine import GROUP, Start, container, engine, small
from tests.world.server import REAL_SPAWN

__all__ = ["container", "engine", "small"]
pytestmark = GROUP

RUNTIME_3 = {dockerfile.RUNTIME_LABEL: "3.1-12"}
MOUNT = "/home/astro/.aws"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "my project"
    (made / ".astro").mkdir(parents=True)
    (made / ".astro" / "config.yaml").write_text("project:\n  name: mine\n")
    (made / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    return made


@pytest.fixture
def runtime(project: Path, tmp_path: Path) -> Docker:
    (tmp_path / "state").mkdir()
    return Docker(project, MOUNT, tmp_path / "state")


def prepared(monkeypatch: pytest.MonkeyPatch, *answers: cli.Completed) -> list[list[str]]:
    """Every `astro` is answered in turn; what it was asked is returned."""
    asked: list[list[str]] = []
    left = list(answers)

    def run(argv: Sequence[str], **_: Any) -> cli.Completed:
        asked.append(list(argv))
        return left.pop(0)

    monkeypatch.setattr(cli, "run", run)
    astro.knows.cache_clear()
    return asked


def test_two_projects_of_the_same_name_do_not_see_each_other(
    runtime: Docker, project: Path, tmp_path: Path, container: Start
) -> None:
    other = tmp_path / "elsewhere" / project.name
    other.mkdir(parents=True)
    container(project, "scheduler")
    container(other, "triggerer")
    assert [service.name for service in runtime.running()] == ["scheduler"]


def test_a_project_is_found_whether_the_shell_named_it_through_a_symlink_or_not(
    runtime: Docker, project: Path, tmp_path: Path, container: Start
) -> None:
    (tmp_path / "link").symlink_to(project)
    container(tmp_path / "link", "scheduler")
    assert [service.name for service in runtime.running()] == ["scheduler"]


def test_what_compose_would_leave_as_it_is_does_not_run_and_is_unpaused_or_makes_room(
    runtime: Docker, project: Path, container: Start, small: DockerClient
) -> None:
    paused, alone, well = (container(project, name) for name in ("scheduler", "triggerer", "api-server"))
    paused.pause()
    small.networks.get("bridge").disconnect(alone)
    assert [service.name for service in runtime.running()] == ["api-server"]
    watching.unstick(containers.of_project(small, project), {})
    assert [service.name for service in runtime.running()] == ["scheduler", "api-server"]
    assert runtime.made() == {paused.name: "running", well.name: "running"}


def test_a_mount_is_read_with_its_source_and_whether_it_is_read_only(
    runtime: Docker, project: Path, tmp_path: Path, container: Start
) -> None:
    for name in ("ro", "rw"):
        (tmp_path / name).mkdir()
    container(project, "scheduler", volumes=[f"{tmp_path}/ro:{MOUNT}:ro"], environment={"AWS_PROFILE": "dev"})
    container(project, "triggerer", volumes=[f"{tmp_path}/rw:{MOUNT}"])
    scheduler, triggerer = runtime.running()
    assert scheduler.mounts[MOUNT] == (f"{tmp_path}/ro", True)
    assert triggerer.mounts[MOUNT] == (f"{tmp_path}/rw", False)
    assert scheduler.environment["AWS_PROFILE"] == "dev"


def test_services_of_the_persons_own_and_stopped_containers_are_not_airflow_that_runs(
    runtime: Docker, project: Path, container: Start
) -> None:
    container(project, "minio", labels={"io.astronomer.docker.component": ""})
    container(project, "scheduler").stop(timeout=0)
    assert runtime.running() == ()


def test_identity_changes_when_a_container_is_started_anew(runtime: Docker, project: Path, container: Start) -> None:
    made = container(project, "scheduler")
    first = runtime.running()[0].identity
    assert runtime.running()[0].identity == first
    made.restart(timeout=0)
    assert runtime.running()[0].identity != first


def test_a_program_in_a_container_gets_standard_input_and_nothing_of_it_shows_in_its_arguments(
    runtime: Docker, project: Path, container: Start
) -> None:
    container(project, "scheduler")
    script = "import sys, pathlib\nprint(sys.argv[1])\nprint(pathlib.Path('/proc/self/cmdline').read_text())\n"
    done = runtime.exec("scheduler", ["python3", "-", "ärg"], stdin=script + "# hunter2 " + "x" * 300_000)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("ärg\n")
    assert "hunter2" not in done.stdout


def test_output_streams_and_exit_code_of_a_program_are_told_apart(
    runtime: Docker, project: Path, container: Start
) -> None:
    container(project, "scheduler")
    done = runtime.exec("scheduler", ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_program_that_does_not_end_is_an_error(runtime: Docker, project: Path, container: Start) -> None:
    container(project, "scheduler")
    with pytest.raises(TaskError, match="`sleep` in scheduler did not end within 1 seconds"):
        runtime.exec("scheduler", ["sleep", "60"], timeout=1)


def test_entering_a_service_that_does_not_run_says_how_to_start_it(runtime: Docker, small: DockerClient) -> None:
    with pytest.raises(TaskError, match="no container of scheduler runs") as caught:
        runtime.exec("scheduler", ["true"])
    assert caught.value.hint == "invoke start"


def test_the_port_is_the_one_that_is_really_published(runtime: Docker, project: Path, container: Start) -> None:
    made = container(project, "api-server", ports={"8080/tcp": ("127.0.0.1", None)})
    made.reload()
    port = made.ports["8080/tcp"][0]["HostPort"]
    assert runtime.login().url == f"http://127.0.0.1:{port}"


def test_a_container_that_crashes_is_named_with_its_last_lines_and_without_the_secrets_of_env(
    runtime: Docker, project: Path, container: Start
) -> None:
    watch = Watch(project, {"DB_PASSWORD": "hunter2hunter2", "AWS_PROFILE": "default-profile"})
    made = container(project, "scheduler", "sh", "-c", "echo login hunter2hunter2 default-profile; exit 3")
    made.wait()
    with pytest.raises(TaskError, match="scheduler exited with code 3") as caught:
        watch.look()
    assert "login *** default-profile" in caught.value.message
    assert caught.value.hint == f"docker logs --tail 100 {made.name}"


def test_a_container_that_cannot_load_the_backend_names_that_and_the_command_that_mends_it(
    runtime: Docker, project: Path, container: Start
) -> None:
    watch = Watch(project, {})
    said = 'The object could not be loaded. Please check "backend" key in "secrets" section'
    container(project, "scheduler", "sh", "-c", f"echo '{said}'; exit 1").wait()
    with pytest.raises(TaskError, match="exited with code 1: Airflow cannot load the secrets backend") as caught:
        watch.look()
    assert caught.value.hint == "invoke provider start"


def test_what_had_ended_before_the_start_is_no_crash_of_it(project: Path, container: Start) -> None:
    container(project, "scheduler", "false").wait()
    Watch(project, {}).look()


def test_a_container_that_the_engine_starts_over_and_over_is_a_crash(project: Path, container: Start) -> None:
    watch = Watch(project, {})
    container(project, "scheduler", "false", restart_policy={"Name": "always"})
    with pytest.raises(TaskError, match=r"scheduler (was started \d+ times again|exited with code 1)"):
        for _ in range(600):
            watch.look()


def test_one_of_before_that_the_engine_started_again_meanwhile_is_no_crash_of_this_start(
    project: Path, container: Start
) -> None:
    made = container(project, "scheduler", "sh", "-c", "sleep 0.3; exit 1", restart_policy={"Name": "always"})
    watch = Watch(project, {})
    before = containers.identity(made)
    while containers.identity(made) == before:
        made.reload()
    made.stop(timeout=1)
    made.reload()
    assert containers.exit_code(made)
    watch.look()


def test_a_container_that_is_gone_says_nothing_any_more(project: Path, container: Start) -> None:
    made = container(project, "scheduler", "sh", "-c", "echo here; exit 1")
    made.wait()
    assert containers.log(made) == "here\n"
    made.remove()
    assert containers.log(made) == ""


def test_removing_leaves_the_other_projects_containers_and_networks(
    runtime: Docker, project: Path, tmp_path: Path, container: Start, small: DockerClient
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    kept = container(other, "scheduler")
    container(project, "scheduler")
    network = small.networks.create("n", labels={"com.docker.compose.project": f"{images.NAMES}-my-project"})
    runtime.remove()
    assert runtime.made() == {}
    assert small.networks.list(ids=[network.id]) == []
    kept.reload()
    assert kept.status == "running"


def test_what_runs_since_before_the_project_was_renamed_is_stopped_and_removed_with_its_database(
    runtime: Docker, tmp_path: Path, container: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged, before = tmp_path / "state" / "aws", tmp_path / "my former project"
    staged.mkdir()
    made = [container(before, "scheduler", volumes=[f"{staged}:{MOUNT}:ro"]), container(before, "postgres")]
    theirs = [
        container(tmp_path / "gone too", "scheduler", volumes=[f"{tmp_path}:{MOUNT}:ro"]),
        container(tmp_path, "triggerer", volumes=[f"{staged}:{MOUNT}:ro"]),  # a copy, which is there
    ]
    assert (runtime.running(), runtime.made()) == ((), {each.name: "running" for each in made})
    prepared(monkeypatch, cli.Completed(0, "", ""))
    runtime.discard()
    assert runtime.made() == {}
    for each in theirs:
        each.reload()
    assert [each.status for each in theirs] == ["running", "running"]


def test_nothing_that_runs_since_before_the_project_was_renamed_goes_on_beside_what_is_started(
    runtime: Docker, tmp_path: Path, container: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = tmp_path / "state" / "aws"
    staged.mkdir()
    before = container(tmp_path / "my former project", "scheduler", volumes=[f"{staged}:{MOUNT}:ro"])
    prepared(monkeypatch, cli.Completed(1, "", "no"))
    with pytest.raises(TaskError):
        runtime.start({}, restart=False, wait=1)
    before.reload()
    assert before.status == "exited"


def test_a_network_that_somebody_elses_container_is_in_stays_and_what_is_typed_takes_it_away(
    runtime: Docker, project: Path, tmp_path: Path, container: Start, small: DockerClient
) -> None:
    theirs = container(tmp_path / "other", "scheduler")
    container(project, "scheduler")
    network = small.networks.create("my n", labels={"com.docker.compose.project": f"{images.NAMES}-my-project"})
    network.connect(theirs)
    with pytest.raises(TaskError, match=f"the network my n stays, as {theirs.name} is in it") as caught:
        runtime.remove()
    assert runtime.made() == {}
    subprocess.run(["sh", "-c", caught.value.hint], check=True, capture_output=True)
    assert small.networks.list(ids=[network.id]) == []
    theirs.reload()
    assert theirs.status == "running"


def test_a_container_that_somebody_removes_meanwhile_is_stopped_and_removed_already(
    project: Path, container: Start, small: DockerClient
) -> None:
    container(project, "scheduler")
    found = containers.of_project(small, project)
    found[0].remove(force=True)
    containers.stop(found)
    containers.remove(small, found)
    assert containers.of_project(small, project) == []


def test_a_custom_image_tells_the_version_by_its_label(
    runtime: Docker, project: Path, small: DockerClient, tmp_path: Path
) -> None:
    (project / "Dockerfile").write_text("FROM aws-airflow-tasks-tests/custom:7\n")
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        f"FROM {images.NAMES}/debian:bookworm\nLABEL {dockerfile.RUNTIME_LABEL}=3.0.4\n"
    )
    small.images.build(path=str(context), tag="aws-airflow-tasks-tests/custom:7", rm=True)
    try:
        assert runtime.major() == 2
        assert runtime.services() == ("scheduler", "webserver", "triggerer")
    finally:
        small.images.remove("aws-airflow-tasks-tests/custom:7")


def test_an_image_that_nobody_knows_is_an_error_that_says_what_would_tell(
    runtime: Docker, project: Path, small: DockerClient
) -> None:
    (project / "Dockerfile").write_text("FROM registry.example/team/ours:7\n")
    with pytest.raises(TaskError, match=r"registry\.example/team/ours:7 does not tell") as caught:
        runtime.services()
    assert "docker pull registry.example/team/ours:7" in caught.value.hint


def test_what_really_ran_corrects_the_dockerfiles_text_until_that_changes(
    runtime: Docker, project: Path, container: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "Dockerfile").write_text("FROM mirror.example/runtime@sha256:0123\n")
    assert runtime.major() == 3
    container(project, "triggerer", labels=RUNTIME_3)

    def made_from_another_image(argv: Sequence[str], **_: Any) -> cli.Completed:
        container(project, "scheduler", labels={dockerfile.RUNTIME_LABEL: "13.2.0"})
        return FAILED

    monkeypatch.setattr(cli, "run", made_from_another_image)
    with pytest.raises(TaskError, match="whatever"):
        runtime.start({}, restart=False, wait=1)
    assert runtime.major() == 2
    monkeypatch.setattr(cli, "run", lambda argv, **_: FAILED)
    with pytest.raises(TaskError, match="whatever"):
        runtime.start({}, restart=False, wait=1)
    (project / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    assert runtime.major() == 3


NEW_CLI = "--no-browser --no-proxy --wait"
OLD_CLI = "--no-browser --wait"
FAILED = cli.Completed(1, "", "Error: whatever")


@pytest.mark.parametrize(
    ("running", "port", "help_text", "command"),
    [
        (False, 8080, NEW_CLI, "start --no-browser --wait 7s"),
        (True, 8080, NEW_CLI, "start --no-browser --no-proxy --wait 7s"),
        (True, 8080, OLD_CLI, "restart --wait 7s"),
        (True, 12345, NEW_CLI, "restart --wait 7s"),
        (True, None, NEW_CLI, "restart --wait 7s"),
    ],
)
def test_what_runs_is_disturbed_as_little_as_the_installed_cli_can(
    running: bool,
    port: int | None,
    help_text: str,
    command: str,
    runtime: Docker,
    project: Path,
    container: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`start` again moves a busy port unless it can be told not to; `restart` stops everything first.

    No port: all was stopped just now, and another project may have it.
    """
    made = container(project, "api-server")
    monkeypatch.setattr(containers, "published_port", lambda container, inner: port)
    asked = prepared(monkeypatch, FAILED)
    monkeypatch.setattr(astro, "knows", lambda command, flag: flag in help_text)
    with pytest.raises(TaskError, match="whatever"):
        runtime.start({}, restart=running, wait=7)
    assert asked[-1] == ["astro", "dev", *command.split()]
    made.reload()
    assert made.status == "running"


def test_a_service_of_the_version_before_is_removed_and_then_start_brings_up_the_new_ones(
    runtime: Docker, project: Path, container: Start, monkeypatch: pytest.MonkeyPatch, small: DockerClient
) -> None:
    """`restart` and `stop` of the CLI fail then: they read the override for the new version with the old image."""
    old, kept = container(project, "webserver"), container(project, "scheduler")
    asked = prepared(monkeypatch, FAILED)
    with pytest.raises(TaskError, match="whatever"):
        runtime.start({}, restart=True, wait=7)
    assert asked == [["astro", "dev", "start", "--no-browser", "--wait", "7s"]]
    assert small.containers.list(all=True, filters={"id": old.id}) == []
    kept.reload()
    assert kept.status == "running"


def test_stop_stops_even_where_the_cli_cannot(
    runtime: Docker, project: Path, container: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = container(project, "scheduler")
    asked = prepared(monkeypatch, FAILED)
    runtime.stop()
    assert asked == [["astro", "dev", "stop"]]
    made.reload()
    assert made.status == "exited"


def test_stop_stops_what_is_paused_and_a_database_that_is_left_alone(
    runtime: Docker, project: Path, container: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused, database = container(project, "scheduler"), container(project, "postgres")
    paused.pause()
    assert runtime.running() == ()
    assert runtime.made() == {paused.name: "paused", database.name: "running"}
    asked = prepared(monkeypatch, FAILED)
    runtime.stop()
    assert asked == [["astro", "dev", "stop"]]
    assert runtime.made() == {paused.name: "", database.name: ""}
    runtime.stop()
    assert len(asked) == 1


def test_the_engine_sees_a_directory_of_this_host_and_none_that_is_not_there(
    small: DockerClient, tmp_path: Path
) -> None:
    (tmp_path / "nonce").write_text("here")
    assert seeing.look(small, tmp_path, "nonce") == b"here"
    assert seeing.look(small, tmp_path, "another") is None
    assert seeing.look(small, tmp_path / "nowhere", "nonce") is None
    assert small.containers.list(all=True, filters={"label": seeing.LABEL}) == []


def test_a_services_log_is_followed_as_it_comes_from_its_container(
    runtime: Docker, project: Path, container: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = Path(__file__).parents[1] / "bin" / "astro"
    (tmp_path / "astro").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stand_in}" "$@"\n')
    (tmp_path / "astro").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    ours = {"com.docker.compose.project": f"mine_{hashlib.md5(str(project).encode()).hexdigest()[:6]}"}
    for service in ("triggerer", "scheduler"):
        container(project, service, "sh", "-c", f"echo of {service}; sleep 1; echo more; exec sleep 600", labels=ours)
    told: list[str] = []

    def tell(line: str) -> bool:
        told.append(line)
        return "more" not in line

    assert cli.follow(runtime.logs(["scheduler"], follow=True), tell, cwd=project) == 0
    assert told == ["scheduler-1  | of scheduler", "scheduler-1  | more"]
