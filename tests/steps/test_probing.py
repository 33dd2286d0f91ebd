"""The probe as a service would run it: real botocore against moto, and answers that can be no as well as yes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoRegionError

from aws_airflow_tasks.core import Check, TaskError, digest
from aws_airflow_tasks.runtimes.precedence import Ours
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import probing
from aws_airflow_tasks.steps.probing import Expected, backend_check, beaten, service_checks
from aws_airflow_tasks.world.aws import Identity
from aws_airflow_tasks.world.cli import Completed
from tests import facts
from tests.steps.raised import data
from tests.world.server import Embedded, embedded

__all__ = ["embedded"]

INSIDE = ("files-readable", "environment", "identity-in-service", "raw-secret")
SECRET = "airflow/variables/aws_airflow_check"


class Service:
    """Runs the probe in a process of its own with an environment that the test chooses."""

    name, mounts, reads = "docker", True, "compose"

    def running(self) -> tuple[()]:
        return ()

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Completed:
        command = [sys.executable, *argv[1:]]
        base = {name: os.environ[name] for name in ("PATH", "HOME")}
        done = subprocess.run(command, input=stdin, env=base | self.environment, capture_output=True, text=True)
        return Completed(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def environment(embedded: Embedded) -> dict[str, str]:
    """What `.env` says, and so what a service that is as it should be has."""
    return {
        "AWS_CONFIG_FILE": str(embedded.home / ".aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(embedded.home / ".aws" / "credentials"),
        "AWS_PROFILE": "default",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": embedded.url,
    }


@pytest.fixture
def expected(embedded: Embedded, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_CONFIG_FILE", environment["AWS_CONFIG_FILE"])
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", environment["AWS_SHARED_CREDENTIALS_FILE"])
    client = boto3.Session().client("secretsmanager", endpoint_url=embedded.url)
    arn = client.create_secret(Name=SECRET, SecretString="nonce")["ARN"]
    who = boto3.Session().client("sts", endpoint_url=embedded.url).get_caller_identity()
    yield Expected(Identity(who["Account"], who["Arn"], who["UserId"]), environment, "nonce", "host")
    client.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def site(runtime: Service, **settings: Any) -> Site:
    """A project whose Airflow is ``runtime``."""
    return facts.site(Settings(**settings), runtime=runtime)


def found(environment: Mapping[str, str], expected: Expected, url: str) -> dict[str, Check]:
    checks = service_checks(site(Service(environment), endpoint_url=url), "scheduler", expected)
    return {check.check: check for check in checks}


def statuses(checks: Mapping[str, Check]) -> dict[str, str]:
    return {name: check.status for name, check in checks.items()}


def test_a_service_that_is_as_it_should_be_passes_every_layer(
    environment: dict[str, str], expected: Expected, embedded: Embedded
) -> None:
    assert statuses(found(environment, expected, embedded.url)) == dict.fromkeys(INSIDE, "ok")


def test_no_value_is_asked_for_where_this_host_has_none_to_compare(
    environment: dict[str, str], expected: Expected, embedded: Embedded
) -> None:
    checks = found(environment, expected._replace(variable=None), embedded.url)
    assert statuses(checks) == dict.fromkeys(INSIDE[:-1], "ok")


def test_other_keys_are_another_identity(
    environment: dict[str, str], expected: Expected, embedded: Embedded, tmp_path: Path
) -> None:
    iam = boto3.Session().client("iam", endpoint_url=embedded.url)
    iam.create_user(UserName="somebody-else")
    key = iam.create_access_key(UserName="somebody-else")["AccessKey"]
    other = tmp_path / "credentials"
    other.write_text(
        f"[default]\naws_access_key_id={key['AccessKeyId']}\naws_secret_access_key={key['SecretAccessKey']}\n"
    )
    checks = found(environment | {"AWS_SHARED_CREDENTIALS_FILE": str(other)}, expected, embedded.url)
    assert checks["identity-in-service"].status == "failed"
    assert "user/somebody-else, but this host is" in checks["identity-in-service"].detail
    assert checks["environment"].status == "failed"


def test_another_value_of_the_same_name_is_not_ours(
    environment: dict[str, str], expected: Expected, embedded: Embedded
) -> None:
    stale = Expected(expected.identity, expected.environment, "another nonce", "host")
    checks = found(environment, stale, embedded.url)
    assert checks["raw-secret"].status == "failed"
    assert "nonce" not in checks["raw-secret"].detail


def test_no_credentials_and_no_secret_are_told_apart(
    environment: dict[str, str], expected: Expected, embedded: Embedded, tmp_path: Path
) -> None:
    none = environment | {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    checks = found(none, expected, embedded.url)
    assert "profile default has no credentials (in Airflow" in checks["identity-in-service"].detail
    assert checks["identity-in-service"].hint == "invoke refresh --force"
    elsewhere = site(Service(environment), endpoint_url=embedded.url, check_variable="absent")
    absent = service_checks(elsewhere, "scheduler", expected)
    assert "absent is not there any more" in {check.check: check for check in absent}["raw-secret"].detail


def test_one_file_that_is_a_symlink_to_nowhere_fails_though_the_other_can_be_read(
    environment: dict[str, str], expected: Expected, embedded: Embedded, tmp_path: Path
) -> None:
    (tmp_path / "config").symlink_to("/home/me/dotfiles/config")
    wanted = environment | {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    live = site(Service(wanted), endpoint_url=embedded.url, credentials="live")
    check = next(service_checks(live, "scheduler", expected._replace(environment=wanted)))
    assert (check.status, check.detail) == ("failed", f"{tmp_path}/config: a symlink that leads nowhere there")
    assert check.hint.startswith("export INVOKE_AWS_AIRFLOW_CREDENTIALS=export && invoke setup   # ")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_file_that_the_services_user_cannot_read_is_named_with_mode_and_uid(
    environment: dict[str, str], expected: Expected, embedded: Embedded, tmp_path: Path
) -> None:
    class AnotherUser(Service):
        def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Completed:
            question = json.loads(argv[2])
            code = (
                "import hashlib, json, os, sys; os.setgroups([]); os.setgid(50000); os.setuid(50000);"
                "sys.argv = ['-', sys.argv[1]]; exec(sys.stdin.read(), {'__name__': 'probe'})"
            )
            command = [sys.executable, "-B", "-c", code, json.dumps(question | {"files": [str(secret), str(secret)]})]
            done = subprocess.run(command, input=stdin, env=self.environment, capture_output=True, text=True)
            return Completed(done.returncode, done.stdout, done.stderr)

    secret = Path("/tmp") / f"aws-airflow-test-{os.getpid()}"
    secret.write_text("x")
    secret.chmod(0o600)
    try:
        checks = service_checks(site(AnotherUser(environment), endpoint_url=embedded.url), "scheduler", expected)
        first = next(iter(checks))
    finally:
        secret.unlink()
    assert first.status == "failed"
    assert "(mode 0600, uid 0) cannot be read by uid 50000" in first.detail


class Answering(Service):
    """Answers the backend's probe with what the test chose."""

    def __init__(self, stdout: str, stderr: str = "") -> None:
        super().__init__({})
        self.outcome = Completed(0, stdout, stderr)
        self.limits: list[int] = []

    def exec(self, *_: Any, timeout: int, **__: Any) -> Completed:
        self.limits.append(timeout)
        return self.outcome


def backend(answer: Mapping[str, Any], expected: Expected) -> Check:
    return backend_check(site(Answering("a warning\n" + json.dumps(answer))), expected)


def test_the_backend_must_find_this_very_variable_and_host(expected: Expected) -> None:
    import hashlib

    good = {
        "backend": "SecretsManagerBackend",
        "variable": {"value": hashlib.sha256(b"nonce").hexdigest()},
        "connection": {"value": "host"},
    }
    assert backend(good, expected).status == "ok"
    assert backend(good | {"variable": {"value": None}}, expected).status == "failed"
    assert backend(good | {"variable": {"value": "stale"}}, expected).status == "failed"
    broken = {"error": data(AttributeError("x"))}
    assert "no backend" in backend(good | {"backend": None, "variable": broken}, expected).detail
    assert "AttributeError: x" in backend(good | {"connection": broken}, expected).detail
    assert "no region is set" in backend(good | {"connection": {"error": data(NoRegionError())}}, expected).detail


def test_another_backend_for_tasks_is_named_with_its_place_and_one_that_finds_others_too(expected: Expected) -> None:
    found = {"variable": {"value": digest("nonce")}, "connection": {"value": "host"}}
    good = {"backend": "SecretsManagerBackend", **found}

    def backend(**for_tasks: Any) -> Check:
        answer = {**good, "for_tasks": {**good, "place": "/usr/local/airflow/airflow.cfg", **for_tasks}}
        return backend_check(site(Answering(json.dumps(answer))), expected)

    assert backend().status == "ok"
    other = backend(backend="MyBackend")
    assert (other.status, other.hint) == ("failed", "less /usr/local/airflow/airflow.cfg")
    assert other.detail == (
        "AIRFLOW__WORKERS__SECRETS_BACKEND (/usr/local/airflow/airflow.cfg): "
        "tasks ask this backend instead of AIRFLOW__SECRETS__BACKEND: MyBackend"
    )
    assert backend(variable={"value": None}).detail.startswith("in a task, SecretsManagerBackend on variable")


def test_a_variable_of_the_process_that_beats_a_line_of_ours_is_said_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AWS_DEFAULT_PROFILE=staging\n")
    ours = Ours({"AWS_PROFILE": "dev"}, lambda _: True, frozenset({"dev"}), airflow=(3, 3))
    here = facts.site(Settings(project=tmp_path), runtime=Service({}))

    def said(check: Check, **variables: str) -> Check:
        return beaten(here, check, variables, ours)

    fine, bad = Check("environment", "ok", "as in .env"), Check("environment", "failed", "not as in .env: A")
    assert said(fine, AWS_REGION="x") == fine
    found = said(fine, AWS_DEFAULT_PROFILE="staging")
    assert (found.status, found.hint) == ("failed", "invoke env --override && invoke start")
    assert found.detail == "AWS_DEFAULT_PROFILE: botocore takes this profile before AWS_PROFILE"
    assert said(bad, AWS_DEFAULT_PROFILE="staging").detail == f"not as in .env: A; {found.detail}"
    assert said(fine, AWS_ACCESS_KEY_ID="AKIA").hint == "invoke start", "no file has it: what runs is of before"
    assert said(fine, AWS_ENDPOINT_URL_S3="http://minio").status == "warning"
    assert said(bad, AWS_ENDPOINT_URL_S3="http://minio").status == "failed"
    (tmp_path / "docker-compose.override.yml").write_text("# AWS_ACCESS_KEY_ID\n")
    assert said(fine, AWS_ACCESS_KEY_ID="AKIA").hint.startswith("grep -noE AWS_ACCESS_KEY_ID docker-compose.override")


@pytest.mark.parametrize(
    ("multi_team", "said"), [(True, "in multi-team mode Airflow looks for no variable"), (False, "")]
)
def test_a_name_that_multi_team_mode_refuses_is_told_as_the_reason(
    multi_team: bool, said: str, expected: Expected
) -> None:
    none = {"value": None}
    answer = {"backend": "SecretsManagerBackend", "variable": none, "connection": none, "multi_team": multi_team}
    found = backend_check(site(Answering(json.dumps(answer)), check_variable="ours--check"), expected)
    assert found.status == "failed"
    assert found.detail.startswith(said or "SecretsManagerBackend on variable ours--check: it found none")
    assert ("CHECK_VARIABLE=another_name" in found.hint) == multi_team
    assert multi_team or found.hint == "invoke env start --override", "`env secrets` has just found nothing to do"


def test_a_probe_that_cannot_run_is_an_error_with_its_last_line(expected: Expected) -> None:
    broken = site(Answering("", "Traceback\nAirflowConfigException: the backend key"))
    with pytest.raises(TaskError, match="AirflowConfigException: the backend key"):
        backend_check(broken, expected)


def test_a_probe_that_cannot_run_for_a_known_reason_has_its_cause_and_its_command(expected: Expected) -> None:
    said = 'AirflowConfigException: The object could not be loaded. Please check "backend" key in "secrets" section.'
    with pytest.raises(TaskError, match="apache-airflow-providers-amazon is not installed") as caught:
        backend_check(site(Answering("", f"Traceback\n{said}")), expected)
    assert caught.value.hint == "invoke provider start"


@pytest.mark.parametrize(("wait", "limit"), [(300, 300), (1800, 1800), (5, 120)])
def test_every_probe_has_as_long_as_airflow_itself_and_never_less_than_two_minutes(
    wait: int, limit: int, expected: Expected
) -> None:
    asked = Answering("")
    here = site(asked, wait=wait)
    with pytest.raises(TaskError):
        backend_check(here, expected)
    with pytest.raises(TaskError):
        list(service_checks(here, "scheduler", expected))
    assert asked.limits == [limit, limit]


@pytest.mark.parametrize("sees", [True, False])
def test_a_mount_with_nothing_in_it_is_told_by_what_the_engine_sees_and_with_a_command_that_gets_out(
    sees: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain `start` finds nothing to do: the mount is named as it should be."""

    def check(directory: Path) -> None:
        assert directory == Path("/staged")
        if not sees:
            raise TaskError("the engine is another machine", hint="unset DOCKER_HOST")

    monkeypatch.setattr(probing.seeing, "check", check)
    staged = SimpleNamespace(staged=True, directory=Path("/staged"))
    here = facts.site(Settings(), runtime=SimpleNamespace(mounts=True), delivered=staged)
    process = {"groups": [0], "label": "", "uid_map": "", "kernel": ""}
    file = {"path": "/home/astro/.aws/config", "kind": "absent", "error": "No such file or directory"}
    found = probing._files_readable(here, "scheduler", {"files": [file], "uid": 50000, "process": process})
    wanted = {
        True: ("there is no /home/astro/.aws/config", "invoke stop && invoke start"),
        False: ("the engine is another machine", "unset DOCKER_HOST"),
    }
    assert (found.detail, found.hint) == wanted[sees]
