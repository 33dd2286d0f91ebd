"""`secrets.lint`: what Airflow would make of what stands in the backend, and of what the DAGs name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.project import airflow, astro_project, embedded, run
from tests.steps.test_sync import CANARY, C, Run, V, aws, project, proxy
from tests.typed import hold
from tests.world.proxy import Proxy, denying

__all__ = ["airflow", "astro_project", "aws", "embedded", "project", "proxy", "run"]


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


def test_what_env_has_too_and_what_dags_name_and_nobody_has_are_warnings(project: Path, aws: Any, run: Run) -> None:
    for name in ("both", "idle", "used"):
        aws.create_secret(Name=f"{V}{name}", SecretString="x")
    (project / ".env").write_text(f"A=1\nAIRFLOW_VAR_BOTH={CANARY}\nAIRFLOW_CONN_LOCAL=http://h\n")
    (project / "dags" / "sub").mkdir()
    (project / "dags" / "sub" / "a.py").write_text(
        'Variable.get("used")\nVariable.get("absent")\nVariable.get("opt", 1)\n'
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
