"""`env`, by whole command lines: a line that beats one of ours has to go, and comes back when all is undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from aws_airflow_tasks.patch import dotenv
from tests.project import StandInAirflow, airflow, astro_project, embedded, run
from tests.test_setup import Run, aws_itself, in_docker, project, secrets

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "in_docker", "project", "run", "secrets"]

#: last week's, and what else beats a line of ours; the name comes first, and its line
BEATING = {
    "keys": ("AWS_ACCESS_KEY_ID=AKIALASTWEEK\nAWS_SECRET_ACCESS_KEY=hunter2\n", "botocore takes keys"),
    "another profile": ("AWS_DEFAULT_PROFILE=staging\n", "before AWS_PROFILE"),
    "a token": ("AWS_WEB_IDENTITY_TOKEN_FILE=/t\nAWS_ROLE_ARN=arn:aws:iam::1:role/r\n", "assumes AWS_ROLE_ARN"),
    "another endpoint for one service": ("AWS_ENDPOINT_URL_SECRETS_MANAGER=http://x\n", "another endpoint"),
    "no endpoint": ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true\n", "ignores the endpoint"),
    "an argument": ("AIRFLOW__SECRETS__BACKEND_KWARG__ROLE_ARN=arn:aws:iam::1:role/r\n", "takes this argument"),
    "another backend for tasks": ("AIRFLOW__WORKERS__SECRETS_BACKEND=a.B\n", "tasks ask this backend"),
    "a connection": ("AIRFLOW_CONN_AWS_DEFAULT=aws://AKIACONN:hunter2@\n", "hooks take the keys"),
}


@pytest.mark.parametrize(("lines", "said"), BEATING.values(), ids=BEATING.keys())
def test_what_beats_a_line_of_ours_is_a_conflict_and_override_takes_it_out_until_undone(
    lines: str, said: str, astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    name = lines.partition("=")[0]
    env, before = astro_project / ".env", f"# mine\n{lines}OTHER=1\n"
    env.write_text(before)
    done = run("env")
    assert (done.code, env.read_text()) == (1, before)
    assert f".env: line 2: {name}: " in done.out
    assert said in done.out
    assert "invoke env --override" in done.out or "aws-airflow env --override" in done.out
    done = run("env", "--override", "--diff")
    assert done.code == 0, done.out
    assert "hunter2" not in done.out + done.err
    assert name not in dotenv.read(env.read_bytes(), "compose")
    assert dotenv.read(env.read_bytes(), "compose")["OTHER"] == "1"
    assert run("env").code == 0
    assert run("undo").code == 0
    assert env.read_text() == before


def test_what_was_taken_out_comes_back_at_the_end_of_a_file_that_was_edited_since(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    env = astro_project / ".env"
    env.write_text("AWS_ACCESS_KEY_ID=AKIALASTWEEK  # old\nAWS_DEFAULT_PROFILE=staging\nA=1\n")
    assert run("env", "--override").code == 0
    env.write_text("# edited\n" + env.read_text())
    assert run("undo").code == 0
    assert env.read_text() == "# edited\nA=1\nAWS_ACCESS_KEY_ID=AKIALASTWEEK  # old\nAWS_DEFAULT_PROFILE=staging\n"


def test_what_was_taken_out_and_set_anew_stays_as_the_person_has_it_now(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    env = astro_project / ".env"
    env.write_text("AWS_DEFAULT_PROFILE=staging\n")
    assert run("env", "--override").code == 0
    env.write_text(env.read_text() + "AWS_DEFAULT_PROFILE=another\n")
    assert run("undo").code == 0
    assert env.read_text() == "AWS_DEFAULT_PROFILE=another\n"


def test_another_service_s_endpoint_may_be_meant_and_is_only_said(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    (astro_project / ".env").write_text("AWS_ENDPOINT_URL_S3=http://minio:9000\n")
    done = run("env", "--json")
    assert done.code == 0
    assert ".env: AWS_ENDPOINT_URL_S3: requests to that service go to another endpoint" in done.out + done.err
    assert "AWS_ENDPOINT_URL_S3=http://minio:9000" in (astro_project / ".env").read_text()


def test_what_changes_nothing_stays_unsaid(astro_project: Path, airflow: StandInAirflow, run: Run) -> None:
    mine = "AWS_REGION=us-east-2\nAWS_SESSION_TOKEN=t\nAWS_ACCESS_KEY_ID=\nAIRFLOW__SECRETS__BACKEND_CMD=x\n"
    (astro_project / ".env").write_text(mine)
    done = run("env")
    assert (done.code, "AWS_REGION" in done.out, "warning" in done.out) == (0, False, False), done.out
    assert (astro_project / ".env").read_text().startswith(mine)


BENEATH = {
    "the image": ("Dockerfile", 'ENV A=b \\\n    AWS_ACCESS_KEY_ID="AKIALASTWEEK"\n', 3, "AWS_ACCESS_KEY_ID", ""),
    "the image, in the older form": (
        "Dockerfile",
        "ENV AWS_DEFAULT_PROFILE staging\n",
        2,
        "AWS_DEFAULT_PROFILE",
        "default",
    ),
    "a profile that the copy has not": ("Dockerfile", "ENV AWS_PROFILE=staging\n", 2, "AWS_PROFILE", "default"),
    "airflow.cfg": (
        "airflow.cfg",
        "[workers]\n# mine\nsecrets_backend = a.B\n",
        3,
        "AIRFLOW__WORKERS__SECRETS_BACKEND",
        "",
    ),
    "airflow.cfg with a byte order mark": (
        "airflow.cfg",
        "\ufeff[workers]\nsecrets_backend = a.B\n",
        2,
        "AIRFLOW__WORKERS__SECRETS_BACKEND",
        "",
    ),
}


@pytest.mark.parametrize(("file", "text", "line", "name", "neutral"), BENEATH.values(), ids=BENEATH.keys())
def test_what_beats_ours_from_beneath_is_a_conflict_and_override_puts_a_line_over_it_until_undone(
    file: str, text: str, line: int, name: str, neutral: str, in_docker: Path, run: Run
) -> None:
    path, env = in_docker / file, in_docker / ".env"
    path.write_text((path.read_text() if path.exists() else "") + text)
    before = path.read_text()
    done = run("env")
    assert (done.code, env.read_text()) == (1, "")
    assert f"{file} line {line}: {name}: " in done.out
    assert run("env", "--override").code == 0
    assert dotenv.read(env.read_bytes(), "compose")[name] == neutral
    assert run("env", "--json").statuses()["env"] == "ok"
    assert path.read_text() == before
    assert run("undo").code == 0
    assert env.read_text() == ""


def test_what_no_line_of_ours_can_win_over_has_to_go_by_hand(in_docker: Path, run: Run) -> None:
    with (in_docker / "Dockerfile").open("a") as file:
        file.write("ENV AIRFLOW__SECRETS__BACKEND_KWARG__PROFILE_NAME=staging\n")
    for flags in ((), ("--override",)):
        done = run("env", *flags)
        assert done.code == 1
        assert "(remove AIRFLOW__SECRETS__BACKEND_KWARG__PROFILE_NAME, Dockerfile line 2)" in done.out


def test_what_an_image_sets_and_env_wins_over_is_no_conflict(in_docker: Path, run: Run) -> None:
    with (in_docker / "Dockerfile").open("a") as file:
        file.write("ENV AWS_DEFAULT_REGION=us-east-2 AWS_DEFAULT_PROFILE=staging AWS_REGION=us-east-2\n")
    (in_docker / ".env").write_text("AWS_DEFAULT_PROFILE=default\n")
    assert run("env").code == 0


def test_a_line_that_names_the_profile_itself_does_as_well_over_another_one_of_the_image(
    in_docker: Path, run: Run
) -> None:
    with (in_docker / "Dockerfile").open("a") as file:
        file.write("ENV AWS_PROFILE=staging\n")
    (in_docker / ".env").write_text("AWS_PROFILE=default\n")
    assert run("env").code == 0
    assert "AWS_PROFILE=default\n" in (in_docker / ".env").read_text()


def test_an_airflow_on_this_host_has_nothing_of_the_image(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    with (astro_project / "Dockerfile").open("a") as file:
        file.write("ENV AWS_ACCESS_KEY_ID=AKIA\n")
    assert run("env").code == 0
