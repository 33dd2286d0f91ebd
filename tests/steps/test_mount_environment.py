"""`mount`, by whole command lines: what the override sets before `.env`, under `environment:` and `env_file:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import airflow, astro_project, aws_itself, embedded, run
from tests.test_setup import Run, in_docker, project, secrets

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "in_docker", "project", "run", "secrets"]

OVERRIDE = "docker-compose.override.yml"
KEY, KEYS = "AWS_ACCESS_KEY_ID", "takes keys"
SCHEDULER = "services:\n  scheduler:\n    environment:\n"

#: the override, the line and the name of what cannot stay, and what is said of it
BEATING = {
    "keys in a list": (
        SCHEDULER + "      - A=b\n      - AWS_ACCESS_KEY_ID=AKIAOLD\n",
        5,
        KEY,
        KEYS,
    ),
    "keys in a map": (
        SCHEDULER + "      AWS_ACCESS_KEY_ID: AKIAOLD\n      A: b\n",
        4,
        KEY,
        KEYS,
    ),
    "keys alone": (SCHEDULER + "      AWS_ACCESS_KEY_ID: AKIAOLD\n", 4, KEY, KEYS),
    "the shell's keys": (SCHEDULER + "      - AWS_ACCESS_KEY_ID=${TEAM_KEY}\n", 4, KEY, KEYS),
    "the shell's by name": (
        SCHEDULER + "      - TEAM_KEY\n      - AWS_DEFAULT_PROFILE=x\n",
        5,
        "AWS_DEFAULT_PROFILE",
        "this",
    ),
    "flow style": (
        "services: {scheduler: {environment: {A: b, AWS_ACCESS_KEY_ID: AKIAOLD}}}\n",
        1,
        KEY,
        KEYS,
    ),
    "one of our own lines": (
        SCHEDULER + "      AWS_DEFAULT_REGION: us-east-2\n",
        4,
        "AWS_DEFAULT_REGION",
        "it wins over",
    ),
    "a backend for tasks": (
        SCHEDULER + "      AIRFLOW__WORKERS__SECRETS_BACKEND: a.B\n",
        4,
        "AIRFLOW__WORKERS__SECRETS_BACKEND",
        "tasks ask",
    ),
}


@pytest.mark.parametrize(("text", "line", "name", "said"), BEATING.values(), ids=BEATING.keys())
def test_what_wins_over_ours_in_the_override_is_a_conflict_and_taken_out_until_undone(
    text: str, line: int, name: str, said: str, in_docker: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_KEY", "AKIAOLD")
    path = in_docker / OVERRIDE
    path.write_text(text)
    done = run("mount")
    assert (done.code, path.read_text()) == (1, text)
    assert f"{OVERRIDE}: line {line}: scheduler: {name}: " in done.out
    assert said in done.out
    assert "AKIAOLD" not in done.out
    done = run("mount", "--override")
    assert done.code == 0, done.out
    assert name not in path.read_text()
    assert ("A: b" in path.read_text(), "A=b" in path.read_text()) == ("A: b" in text, "A=b" in text)
    assert run("mount", "--json").statuses()["mount"] == "ok"
    assert run("undo").code == 0
    assert path.read_text() == text


def test_what_changes_nothing_or_is_of_another_service_stays(in_docker: Path, run: Run) -> None:
    text = SCHEDULER + "      AWS_REGION: x\n      AWS_ACCESS_KEY_ID:\n      AWS_SESSION_TOKEN: ${NOT_SET}\n"
    text += "  mine:\n    environment: [AWS_ACCESS_KEY_ID=AKIA]\n"
    (in_docker / OVERRIDE).write_text(text)
    done = run("mount")
    assert done.code == 0, done.out
    assert "AWS_ACCESS_KEY_ID" in (in_docker / OVERRIDE).read_text()


def test_what_services_share_is_named_and_left_to_the_person(in_docker: Path, run: Run) -> None:
    text = "x-env: &env\n  AWS_ACCESS_KEY_ID: AKIAOLD\nservices:\n"
    text += "".join(f"  {name}:\n    environment: *env\n" for name in ("scheduler", "mine"))
    (in_docker / OVERRIDE).write_text(text)
    for flags in ((), ("--override",)):
        done = run("mount", *flags)
        assert (done.code, (in_docker / OVERRIDE).read_text()) == (1, text)
        assert "line 2" in done.out or "line 5" in done.out
        assert "AKIAOLD" not in done.out


def test_what_was_taken_out_is_asked_back_by_hand_where_the_file_was_edited_beyond_telling(
    in_docker: Path, run: Run
) -> None:
    path = in_docker / OVERRIDE
    path.write_text(SCHEDULER + "      - A=b\n      - AWS_ACCESS_KEY_ID=AKIAOLD\n")
    assert run("mount", "--override").code == 0
    edited = path.read_text().replace("A=b", "A=c").replace("scheduler:", "scheduler:  # mine")
    path.write_text(edited)
    done = run("undo")
    back = path.read_text()
    assert (done.code == 1 and back == edited) or (done.code == 0 and "AWS_ACCESS_KEY_ID=AKIAOLD" in back), done.out


def test_a_file_mounted_over_one_of_ours_is_taken_out_with_override_until_undone(in_docker: Path, run: Run) -> None:
    path = in_docker / OVERRIDE
    volumes = "    volumes:\n      - ~/.aws/credentials:/home/astro/.aws/credentials:ro\n      - ./x:/x\n"
    path.write_text(f"services:\n  scheduler:\n{volumes}  triggerer:\n{volumes}")
    before = path.read_text()
    assert "line 4 mounts ~/.aws/credentials at /home/astro/.aws/credentials, over what " in run("mount").out
    assert path.read_text() == before
    assert run("mount", "--override").code == 0
    assert "~/.aws/credentials" not in path.read_text()
    assert "recap: ok=3 changed=0" in run("mount").out
    assert run("undo").code == 0
    assert path.read_text() == before


SECRETS = (
    SCHEDULER + "      AWS_ACCESS_KEY_ID: canary-id\n      AWS_SECRET_ACCESS_KEY: canary-key\n"
    "  minio:\n    environment: [MINIO_ROOT_PASSWORD=canary-item]\n    image: minio\n"
)


def test_no_value_of_a_variable_is_shown_in_a_diff_in_json_or_by_undo(in_docker: Path, run: Run) -> None:
    path = in_docker / OVERRIDE
    path.write_text(SECRETS)
    said = [run("mount", "--override", *flags).out for flags in (["--check", "--diff"], ["--check", "--json"])]
    said.append(run("mount", "--override", "--diff").out)
    text = path.read_text()
    path.write_text(text.replace("    environment:\n", "    environment:\n      MINE: 1\n", 1).replace("- ", "-  "))
    undone = run("undo")
    assert "canary" not in "".join([*said, undone.out])
    assert "+++ b/docker-compose.override.yml" in said[0]
    assert "AWS_SECRET_ACCESS_KEY: ***" in said[0]
    assert undone.code == 1
    (whole,) = (line.partition("whole: ")[2] for line in undone.out.splitlines() if "whole: " in line)
    assert "canary-id" in Path(whole).read_text()
    assert Path(whole).stat().st_mode & 0o777 == 0o600


def test_a_file_of_env_file_that_beats_ours_is_named_with_its_line(in_docker: Path, run: Run) -> None:
    (in_docker / "team.env").write_text("A=1\nAWS_ACCESS_KEY_ID=AKIAOLD\n")
    for listed in ("team.env", "[.env, team.env]", "[{path: team.env, required: false}]"):
        text = f"services:\n  scheduler:\n    env_file: {listed}\n"
        (in_docker / OVERRIDE).write_text(text)
        done = run("mount")
        assert (done.code, (in_docker / OVERRIDE).read_text()) == (1, text)
        assert "team.env: line 2: AWS_ACCESS_KEY_ID: botocore takes keys" in done.out
        assert "(remove the line AWS_ACCESS_KEY_ID=...)" in done.out
        assert "AKIAOLD" not in done.out
    (in_docker / "team.env").write_text("A=1\n")
    assert run("mount").code == 0


def test_what_beats_ours_in_a_file_of_env_file_is_taken_out_with_override_until_undone(
    in_docker: Path, run: Run
) -> None:
    """Named by two services in two ways, it is one file."""
    team, before = in_docker / "team.env", b"A=1\r\nAWS_ACCESS_KEY_ID=AKIAOLD # hunter2\r\nB=hunter2\r\n"
    team.write_bytes(before)
    text = "services:\n  scheduler:\n    env_file: team.env\n  triggerer:\n    env_file: [.env, ./team.env]\n"
    (in_docker / OVERRIDE).write_text(text)
    done = run("mount", "--override", "--diff")
    assert done.code == 0, done.out
    assert team.read_bytes() == b"A=1\r\nB=hunter2\r\n"
    assert run("mount", "--json").statuses()["mount"] == "ok"
    back = run("undo", "--diff")
    assert (back.code, team.read_bytes(), (in_docker / OVERRIDE).read_text()) == (0, before, text), back.out
    for each in (done, back):
        assert "AKIAOLD" not in each.out
        assert "hunter2" not in each.out


def test_a_file_of_env_file_outside_the_project_is_left_to_the_person(in_docker: Path, run: Run) -> None:
    team = in_docker.parent / "team.env"
    team.write_text("AWS_ACCESS_KEY_ID=AKIAOLD\n")
    for named in ("../team.env", str(team)):
        (in_docker / OVERRIDE).write_text(f"services:\n  scheduler:\n    env_file: '{named}'\n")
        done = run("mount", "--override")
        assert done.code == 1
        assert "team.env: line 1: AWS_ACCESS_KEY_ID: botocore takes keys" in done.out
        assert team.read_text() == "AWS_ACCESS_KEY_ID=AKIAOLD\n"
