"""`secrets.lint`: what Airflow would make of what stands in the backend, and of what the DAGs name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from aws_airflow_tasks.steps import lint
from tests.project import airflow, astro_project, embedded, run
from tests.steps.test_sync import CANARY, C, Run, V, aws, project, proxy
from tests.typed import hold
from tests.world.proxy import Proxy, denying
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "aws", "embedded", "project", "proxy", "run"]


@pytest.fixture
def ssm(embedded: Embedded, astro_project: Path) -> Iterator[Any]:
    client = boto3.Session().client("ssm", endpoint_url=embedded.url)
    yield client
    for page in list(client.get_paginator("describe_parameters").paginate()):
        for each in page["Parameters"]:
            client.delete_parameter(Name=each["Name"])


def found(run: Run, *flags: str) -> dict[str, tuple[str, str]]:
    done = run("secrets.lint", "--json", *flags)
    assert CANARY not in done.out + done.err
    return {each["check"]: (each["status"], each["detail"]) for each in done.document["checks"]}


def test_entries_that_airflow_reads_are_fine(project: Path, aws: Any, run: Run) -> None:
    aws.create_secret(Name=f"{V}a", SecretString=CANARY)
    aws.create_secret(Name=f"{C}uri", SecretString=f"http://u:{CANARY}@h")
    aws.create_secret(Name=f"{C}alias", SecretString='{"engine": "postgres", "user": "u", "server": "h"}')
    (project / "dags" / "a.py").write_text('Variable.get("a")\nHook(http_conn_id="uri")\nHook(pg_conn_id="alias")\n')
    assert run("secrets.lint").code == 0
    assert {status for status, _ in found(run).values()} == {"ok"}
    assert found(run)["readable"] == ("ok", "3 entries are as Airflow reads them")


def test_what_the_tasks_themselves_have_made_is_nothing_to_be_warned_of(project: Path, aws: Any, run: Run) -> None:
    assert run("secrets", "dag").code == 0
    assert {status for status, _ in found(run).values()} == {"ok"}
    assert run("undo", "--yes").code == 0


def test_what_airflow_cannot_read_is_a_failed_check_that_names_the_cause(project: Path, aws: Any, run: Run) -> None:
    aws.create_secret(Name=f"{V}binary", SecretBinary=b"x")
    for name, value in {
        "json": f'{{"password": "{CANARY}"',
        "typeless": f'{{"host": "h", "password": "{CANARY}"}}',
        "extra": '{"conn_type": "http", "extra": "[1]"}',
        "raw": f"http://u:{CANARY}/x@h",
        "text": CANARY,
    }.items():
        aws.create_secret(Name=f"{C}{name}", SecretString=value)
    done = run("secrets.lint", "--json")
    assert done.code == 4
    status, detail = found(run)["readable"]
    assert status == "failed"
    for words in (
        "variable binary: it is binary",
        "connection json: it is no JSON",
        "connection typeless: it has no conn_type",
        "connection extra: extra is no JSON object",
        "connection raw: its host and port cannot be told apart",
        "connection text: it is no URI",
    ):
        assert words in detail
    (hint,) = (each["hint"] for each in done.document["checks"] if each["check"] == "readable")
    assert "invoke secrets.put text --connection" in hint
    hold(hint)
    assert {each["status"] for each in done.document["entries"]} == {"failed"}


def test_names_that_airflow_does_not_ask_for_are_found(project: Path, aws: Any, run: Run) -> None:
    aws.create_secret(Name=f"/{V}slash", SecretString="x")
    aws.create_secret(Name=f"{V}/double", SecretString="x")
    aws.create_secret(Name=f"{V}a--b", SecretString="x")
    aws.create_secret(Name=f"{V}gone", SecretString="x")
    aws.delete_secret(SecretId=f"{V}gone")
    done = run("secrets.lint", "--json")
    hints = {each["check"]: each["hint"] for each in done.document["checks"]}
    restore = f"aws secretsmanager restore-secret --secret-id {V}gone --region eu-west-1 --endpoint-url http"
    assert hints["pending"].startswith(restore)
    checks = found(run)
    assert checks["slashes"][0] == "failed"
    assert "variable /double; /airflow/variables/slash: with a slash" in checks["slashes"][1]
    assert checks["names"] == (
        "warning",
        "variable a--b: with --, which Airflow refuses to look for in multi-team mode",
    )
    assert checks["pending"][0] == "warning"
    assert "variable gone" in checks["pending"][1]


def test_nothing_is_found_about_the_example_dag_and_the_check_entries(project: Path, aws: Any, run: Run) -> None:
    assert run("secrets", "dag", "--only", "secrets,dag").code == 0
    assert {status for status, _ in found(run).values()} == {"ok"}
    assert run("undo", "--yes").code == 0


def test_what_env_has_too_and_what_dags_name_and_nobody_has_are_warnings(project: Path, aws: Any, run: Run) -> None:
    for name in ("both", "idle", "used"):
        aws.create_secret(Name=f"{V}{name}", SecretString="x")
    (project / ".env").write_text(f"A=1\nAIRFLOW_VAR_BOTH={CANARY}\nAIRFLOW_CONN_LOCAL=http://h\n")
    (project / "dags" / "sub").mkdir()
    (project / "dags" / "sub" / "a.py").write_text(
        '\ufeffVariable.get("used")\nVariable.get("absent")\nVariable.get("opt", 1)\n'
        'Hook(conn_id="local")\nx = "{{ conn.no.host }}"'
    )
    (project / "dags" / "bad.py").write_text("def\n")
    done = run("secrets.lint")
    assert done.code == 0
    checks = found(run)
    assert checks["dotenv"][0] == "warning"
    assert checks["dotenv"][1].startswith("variable both (.env line 2): ")
    assert checks["missing"] == (
        "warning",
        "variable absent (dags/sub/a.py line 2); connection no (dags/sub/a.py line 5): named by DAGs and not in the"
        " backend: Airflow's database must have them",
    )
    assert checks["unused"][1].startswith("variable both; variable idle: ")
    assert checks["dags"] == ("warning", "dags/bad.py line 1: not readable as Python: what they name is not known")


def test_what_may_not_be_read_is_said_with_the_policy(project: Path, aws: Any, proxy: Proxy, run: Run) -> None:
    aws.create_secret(Name=f"{V}a", SecretString="x")
    proxy.rules.append(denying("BatchGetSecretValue", "GetSecretValue"))
    done = run("secrets.lint")
    assert done.code == 4
    assert '"Action": "secretsmanager:GetSecretValue"' in done.out


def test_what_the_other_backend_has_too_or_alone_is_a_warning_that_says_what_airflow_reads(
    project: Path, aws: Any, ssm: Any, proxy: Proxy, run: Run
) -> None:
    for name in ("both", "here"):
        aws.create_secret(Name=f"{V}{name}", SecretString="x")
    for name in (f"/{V}both", f"/{V}there", f"/{C}both", "/others/airflow/variables/here"):
        ssm.put_parameter(Name=name, Value=CANARY, Type="SecureString")
    done = run("secrets.lint", "--json")
    assert done.code == 0
    checks = found(run)
    assert checks["twice"] == (
        "warning",
        "variable both: in parameter-store too, where Airflow does not look: it reads what secrets-manager has",
    )
    assert checks["elsewhere"][0] == "warning"
    assert checks["elsewhere"][1].startswith("connection both; variable there: in parameter-store alone, ")
    hints = {each["check"]: each["hint"] for each in done.document["checks"]}
    assert hints["twice"].startswith("INVOKE_AWS_AIRFLOW_BACKEND=parameter-store invoke secrets.list")
    assert hints["elsewhere"].startswith("export INVOKE_AWS_AIRFLOW_BACKEND=parameter-store && invoke setup")
    for hint in (hints["twice"], hints["elsewhere"]):
        hold(hint)
    assert {operation for operation in proxy.calls if "Parameter" in operation} == {"DescribeParameters"}


def test_after_a_switch_to_parameter_store_what_secrets_manager_has_is_named_but_for_what_is_being_deleted(
    project: Path, aws: Any, ssm: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "parameter-store")
    ssm.put_parameter(Name=f"/{V}both", Value="x", Type="SecureString")
    for name in ("both", "left", "gone"):
        aws.create_secret(Name=f"{V}{name}", SecretString="x")
    aws.delete_secret(SecretId=f"{V}gone")
    checks = found(run)
    assert checks["twice"][1].startswith("variable both: in secrets-manager too, ")
    assert checks["elsewhere"][1].startswith("variable left: in secrets-manager alone, ")


def test_what_the_other_backend_has_is_asked_with_few_calls_and_may_be_denied(
    project: Path, ssm: Any, proxy: Proxy, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lint, "MOST_ELSEWHERE", 20)
    for number in range(60):
        ssm.put_parameter(Name=f"/{V}k{number:02}", Value="x", Type="String")
    assert "; and 10 more: " in found(run)["elsewhere"][1]
    assert proxy.calls["DescribeParameters"] <= 3  # two pages of ten, as moto has them, and one of no connections
    proxy.rules.append(denying("DescribeParameters", service="ssm"))
    assert run("secrets.lint").code == 0
    for check in ("twice", "elsewhere"):
        status, detail = found(run)[check]
        assert status == "skipped"
        assert "what parameter-store has is not known: " in detail
        assert "ssm:DescribeParameters" in detail


def test_an_endpoint_of_one_service_alone_is_not_taken_for_an_aws_with_the_other_backend(
    project: Path, aws: Any, proxy: Proxy, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", proxy.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", proxy.url)
    aws.create_secret(Name=f"{V}a", SecretString="x")
    assert found(run)["elsewhere"] == ("ok", "none")
