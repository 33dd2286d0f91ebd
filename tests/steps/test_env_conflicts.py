"""A line of the person's that says otherwise is a conflict: why, that line alone, and every way out that works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks.settings import ENVIRONMENT_PREFIX
from tests.project import airflow, astro_project, embedded, run
from tests.test_setup import Run, project, secrets

__all__ = ["airflow", "astro_project", "embedded", "project", "run", "secrets"]
KWARGS = "AIRFLOW__SECRETS__BACKEND_KWARGS"
pytestmark = pytest.mark.usefixtures("airflow")


def arguments(project: Path, run: Run, **others: Any) -> str:
    """``.env`` with ``others`` in our line of the backend's arguments, of which nothing else is there; the line."""
    assert run("env").code == 0
    line = next(line for line in (project / ".env").read_text().splitlines() if line.startswith(KWARGS))
    line = f"{KWARGS}={json.dumps(json.loads(line.partition('=')[2]) | others)}"
    assert run("undo", "--yes").code == 0
    (project / ".env").write_text(line + "\n")
    return line


def conflict(run: Run) -> tuple[str, list[str]]:
    """The words of a conflict, and the lines of its hint."""
    done = run("env", "--json")
    assert done.code == 1
    error = next(step["error"] for step in done.document["steps"] if step["step"] == "env")
    return error["message"], error["hint"].splitlines()


def test_a_role_among_the_arguments_is_told_and_only_that_line_is_shown(project: Path, run: Run) -> None:
    arguments(project, run, role_arn="arn:aws:iam::1:role/x")
    message, hint = conflict(run)
    assert message == f".env: line 1: {KWARGS}: role_arn: Airflow would assume it"
    assert len(hint) == 2, "no setting of ours agrees with a role"
    assert hint[0].startswith("invoke env --override ")
    assert hint[1].startswith(f"{KWARGS}={{")


def test_what_replaces_arguments_keeps_those_of_the_persons_that_keep_nothing_of_ours_from_being_so(
    project: Path, run: Run
) -> None:
    theirs = {"config_prefix": "team/config", "connections_lookup_pattern": "^(?!aws_default$).*$", "extra": [1]}
    line = arguments(project, run, role_arn="arn:aws:iam::1:role/x", profile_name="other", **theirs)
    _, hint = conflict(run)
    shown = json.loads(hint[-1].partition("=")[2])
    assert run("env", "--override").code == 0
    written = next(each for each in (project / ".env").read_text().splitlines() if each.startswith(KWARGS))
    kept = json.loads(written.partition("=")[2])
    assert {key: kept.get(key) for key in theirs} == theirs
    assert not kept.keys() & {"role_arn", "profile_name"}
    assert shown == kept
    assert "recap: ok=3 changed=0" in run("env").out
    assert run("undo", "--yes").code == 0
    assert (project / ".env").read_text() == line + "\n"


def test_arguments_that_are_no_json_are_told_as_what_airflow_makes_of_them(project: Path, run: Run) -> None:
    (project / ".env").write_text(f"{KWARGS}={{'connections_prefix': 'airflow/connections'}}\n")
    assert conflict(run)[0] == f".env: line 1: {KWARGS}: not JSON: Airflow would ignore it"


@pytest.mark.parametrize(
    ("others", "command"),
    [
        ({"region_name": "us-east-2"}, "invoke env --region us-east-2"),
        ({"variables_prefix": "team/vars"}, "export INVOKE_AWS_AIRFLOW_VARIABLES_PREFIX=team/vars && invoke env"),
        ({"connections_prefix": ""}, "export INVOKE_AWS_AIRFLOW_CONNECTIONS_PREFIX='' && invoke env"),
        (
            {"variables_lookup_pattern": "^prod_", "region_name": "us-east-2"},
            "export INVOKE_AWS_AIRFLOW_CHECK_VARIABLE=prod_aws_airflow_check && invoke env --region us-east-2",
        ),
    ],
)
def test_the_command_that_agrees_with_the_arguments_keeps_their_line(
    others: dict[str, Any], command: str, project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = arguments(project, run, **others)
    typed, _, comment = conflict(run)[1][1].partition("   # ")
    assert (typed, comment.endswith("agrees with it; or by hand:")) == (command, True)
    words = [word for word in shlex.split(command) if word not in {"export", "&&"}]
    while words[0].startswith(ENVIRONMENT_PREFIX):
        monkeypatch.setenv(*words.pop(0).split("=", 1))
    assert run(*words[1:]).code == 0
    assert (project / ".env").read_text().startswith(line + "\n")


@pytest.mark.parametrize(
    ("lines", "command"),
    [
        ("AWS_DEFAULT_REGION=us-east-2\n", "invoke env --region us-east-2"),
        ("AWS_PROFILE=work\nAWS_DEFAULT_REGION=us-east-2\n", "invoke env --profile work --region us-east-2"),
        ("AIRFLOW__SECRETS__BACKEND=their.Backend\n", "export INVOKE_AWS_AIRFLOW_BACKEND=none && invoke env"),
        (
            "AWS_ENDPOINT_URL=http://127.0.0.1:1\n",
            "export INVOKE_AWS_AIRFLOW_ENDPOINT_URL=http://127.0.0.1:1 && invoke env",
        ),
        ("AWS_EC2_METADATA_DISABLED=false\n", ""),
        ("AWS_PROFILE=work\nAWS_EC2_METADATA_DISABLED=false\n", ""),
        ("AWS_ENDPOINT_URL=http://me:canary@127.0.0.1:1\n", ""),
    ],
)
def test_the_flags_that_agree_with_lines_are_one_command_and_only_where_they_settle_all_of_it(
    lines: str, command: str, project: Path, run: Run
) -> None:
    (project / ".env").write_text(lines)
    message, hint = conflict(run)
    said = [line for line in hint if re.search("[#;] agrees with it", line)]
    assert [line.partition("   #")[0] for line in said] == [command] * bool(command)
    shown = [line.partition("=")[0] for line in hint if re.match("[A-Z_0-9]+=[^ ]*$", line)]
    assert shown == [line.partition("=")[0] for line in lines.splitlines()], "what is missing besides is not shown"
    assert "canary" not in message + "".join(hint)


def test_two_entries_of_one_name_are_refused_before_either_is_made(
    project: Path, run: Run, secrets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("VARIABLES", "CONNECTIONS"):
        monkeypatch.setenv(f"INVOKE_AWS_AIRFLOW_{kind}_PREFIX", "")
    done = run("secrets")
    assert (done.code, "would both be secret aws_airflow_check" in done.out) == (1, True)
    assert secrets.list_secrets()["SecretList"] == []
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CHECK_VARIABLE", "another_name")
    assert run("secrets").code == 0
    assert {secret["Name"] for secret in secrets.list_secrets()["SecretList"]} == {"another_name", "aws_airflow_check"}
