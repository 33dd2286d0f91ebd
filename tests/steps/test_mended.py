"""Faults of what Airflow alone has: `verify` names the layer, what it prints is typed as it stands, and mends it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_airflow_tasks.core import Check, digest
from aws_airflow_tasks.steps import verify
from aws_airflow_tasks.world import state
from aws_airflow_tasks.world.cli import Completed
from tests.project import StandInAirflow, airflow, astro_project, embedded, run
from tests.test_setup import CONNECTION, VARIABLE, Run, project, secrets
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "embedded", "project", "run", "secrets"]


@pytest.fixture
def staged(project: Path, airflow: StandInAirflow, secrets: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The credentials that Airflow has a copy of; whatever is asked of its processes is asked of real ones."""

    def exec(service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Completed:
        if "get_custom_secret_backend" in stdin:
            return Completed(0, json.dumps(found()), "")
        given = {"PATH": os.environ["PATH"]} | (airflow.environment or {})
        done = subprocess.run([sys.executable, *argv[1:]], input=stdin, env=given, capture_output=True, text=True)
        return Completed(done.returncode, done.stdout, done.stderr)

    def found() -> dict[str, Any]:
        value = secrets.get_secret_value(SecretId=VARIABLE)["SecretString"]
        host = json.loads(secrets.get_secret_value(SecretId=CONNECTION)["SecretString"])["host"]
        return {"backend": "SecretsManagerBackend", "variable": {"value": digest(value)}, "connection": {"value": host}}

    monkeypatch.setattr(airflow, "exec", exec)
    monkeypatch.setattr(verify, "_proof", lambda *_: [Check("hook-identity", "ok"), Check("dag-run", "ok")])
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", "export")
    assert run("setup").code == 0
    assert run("verify").code == 0
    return state.locate(project) / "aws" / "credentials"


def somebody_else(staged: Path, url: str) -> None:
    iam = boto3.Session().client("iam", endpoint_url=url)
    iam.create_user(UserName="somebody-else")
    key = iam.create_access_key(UserName="somebody-else")["AccessKey"]
    lines = (
        "[default]",
        f"aws_access_key_id = {key['AccessKeyId']}",
        f"aws_secret_access_key = {key['SecretAccessKey']}",
    )
    staged.write_text("\n".join(lines))


FAULTS: dict[str, Callable[[Path, str], Any]] = {
    "only half of its credentials": lambda staged, _: staged.write_text("[default]\naws_access_key_id = AKIA\n"),
    "has no credentials": lambda staged, _: staged.write_text("[another]\n"),
    "user/somebody-else, but this host is": somebody_else,
}


@pytest.mark.parametrize("cause", FAULTS)
def test_what_verify_prints_is_typed_as_it_stands_and_mends_it(
    cause: str, staged: Path, embedded: Embedded, run: Run
) -> None:
    FAULTS[cause](staged, embedded.url)
    done = run("verify", "--json")
    failed = [check for check in done.document["checks"] if check["status"] == "failed"]
    assert (done.code, {check["check"] for check in failed}) == (4, {"identity-in-service"})
    assert cause in failed[0]["detail"]
    (hint,) = {check["hint"] for check in failed}
    program, *words = shlex.split(hint)
    assert program == "invoke"
    assert run(*words).code == 0
    assert run("verify").code == 0
