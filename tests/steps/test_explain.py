"""A log or a traceback is explained by one table: layer, cause and command, the earliest cause first, no secret."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.steps import explain, symptoms
from aws_airflow_tasks.steps.layers import LAYERS
from aws_airflow_tasks.world import docker_engine
from aws_airflow_tasks.world.causes import CAUSES
from tests.project import Done, run, tree

__all__ = ["run"]

Run = Callable[..., Done]
CANARY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ANSWER = "botocore.exceptions.ClientError: An error occurred ({}) when calling the GetSecretValue operation: {}"
DENIED = (
    "User: arn:aws:iam::123456789012:user/u is not authorized to perform: secretsmanager:GetSecretValue on resource:"
    " arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"
)
#: a line of a log -> the layer, words of the cause, words of the command
TABLE = {
    "botocore.exceptions.NoCredentialsError: Unable to locate credentials": ("files-readable", "not there", "verify"),
    "botocore.exceptions.PartialCredentialsError: Partial credentials found in shared-credentials-file, missing:"
    " aws_secret_access_key": ("files-readable", "aws_secret_access_key is missing", "aws configure"),
    "botocore.exceptions.ConfigParseError: Unable to parse config file: /home/astro/.aws/config": (
        "files-readable",
        "/home/astro/.aws/config is no valid",
        "EDITOR",
    ),
    ANSWER.format("ExpiredTokenException", "The security token included in the request is expired"): (
        "identity-in-service",
        "have expired",
        "refresh",
    ),
    ANSWER.format("UnrecognizedClientException", "The security token included in the request is invalid."): (
        "identity-in-service",
        "does not know the access key",
        "refresh",
    ),
    ANSWER.format("AccessDeniedException", DENIED): (
        "raw-secret",
        "not allowed: secretsmanager:GetSecretValue",
        '"Resource": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"',
    ),
    "An error occurred (AccessDenied) when calling the AssumeRole operation: User: arn:aws:iam::1:user/u is not"
    " authorized to perform: sts:AssumeRole": ("identity-in-service", "not allowed: sts:AssumeRole", "administrator"),
    ANSWER.format("ResourceNotFoundException", "Secrets Manager can't find the specified secret."): (
        "raw-secret",
        "is not there",
        "secrets.list",
    ),
    ANSWER.format("ThrottlingException", "Rate exceeded"): ("identity-in-service", "fewer calls", "in a minute"),
    "botocore.exceptions.ProfileNotFound: The config profile (dev) could not be found": (
        "environment",
        "there is no profile dev",
        "aws configure --profile dev",
    ),
    "botocore.exceptions.NoRegionError: You must specify a region.": (
        "environment",
        "no region",
        "configure set region",
    ),
    'botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: "https://x.test/"': (
        "identity-in-service",
        "no answer from https://x.test/",
        "type the same command again",
    ),
    "botocore.exceptions.SSOTokenLoadError: Error loading SSO Token": ("identity-in-service", "SSO session", "refresh"),
    "Your session has expired or credentials have changed. Please reauthenticate using 'aws login'.": (
        "identity-in-service",
        "(aws login) is not there or has ended",
        "refresh",
    ),
    "botocore.exceptions.LoginInsufficientPermissions: Unable to create or refresh login credentials": (
        "identity-in-service",
        "signin:CreateOAuth2Token",
        "# ask an administrator",
    ),
    "botocore.exceptions.TokenRetrievalError: Error when"
    " retrieving token from sso: Token has expired and refresh failed": (
        "identity-in-service",
        "SSO session",
        "refresh",
    ),
    "\x1b[31mbotocore.exceptions.UnauthorizedSSOTokenError\x1b[0m: The SSO session has expired": (
        "identity-in-service",
        "SSO session",
        "refresh",
    ),
    "OSError: [Errno 30] Read-only file system: '/home/astro/.aws/sso/cache/tmp1'": (
        "files-readable",
        "read-only mount",
        "CREDENTIALS=export",
    ),
    "PermissionError: [Errno 13] Permission denied: '/home/astro/.aws/credentials'": (
        "files-readable",
        "may not read",
        "verify",
    ),
    'airflow.exceptions.AirflowConfigException: The object could not be loaded. Please check "backend" key in "secrets"'
    " section. Current value": ("provider", "providers-amazon", "provider"),
    "ModuleNotFoundError: No module named 'airflow.providers.amazon'": ("provider", "not installed", "provider"),
    "WARNING - Failed to parse [secrets] backend_kwargs as JSON, defaulting to no kwargs.": (
        "environment",
        "no JSON object",
        "--override",
    ),
    "KeyError: 'Variable X does not exist'": ("dag-run", "found a variable neither", "secrets.lint"),
    "airflow.sdk.exceptions.AirflowRuntimeError: VARIABLE_NOT_FOUND: {'message': 'x'}": ("dag-run", "variable", "lint"),
    "airflow.exceptions.AirflowNotFoundException: The conn_id `X` isn't defined": ("dag-run", "connection", "lint"),
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?": (
        "runtime-healthy",
        "no Docker engine",
        "docker info",
    ),
    "Error: Bind for 127.0.0.1:8080 failed: port is already allocated": (
        "runtime-healthy",
        "port 8080",
        "lsof -i :8080",
    ),
    "failed to connect to the docker API at unix:///var/run/docker.sock; check if the path is correct and if the daemon"
    " is running: dial unix /var/run/docker.sock: connect: no such file or directory": (
        "runtime-healthy",
        "no Docker engine",
        "docker info",
    ),
    "permission denied while trying to connect to the docker API at unix:///var/run/docker.sock": (
        "runtime-healthy",
        "no permission on the Docker engine's socket",
        "usermod",
    ),
    "Error response from daemon: client version 1.43 is too old. Minimum supported API version is 1.44, please upgrade"
    " your client to a newer version": ("runtime-healthy", "too old for it", "export DOCKER_API_VERSION=1.44"),
    "Error response from daemon: client version 1.51 is too new. Maximum supported API version is 1.41": (
        "runtime-healthy",
        "engine is too old",
        "export DOCKER_API_VERSION=1.41",
    ),
    "Error response from daemon: client is newer than server (client API version: 1.44, server API version: 1.41)": (
        "runtime-healthy",
        "engine is too old",
        "export DOCKER_API_VERSION=1.41",
    ),
    "file: '/usr/local/airflow/airflow.cfg', line: 1": (
        "runtime-healthy",
        "cannot read airflow.cfg",
        " airflow.cfg.new",
    ),
    "failed to bind host port for 0.0.0.0:8080:172.18.0.3:8080/tcp: address already in use": (
        "runtime-healthy",
        "port 8080",
        "lsof -i :8080",
    ),
    "failed to bind host port 127.0.0.1:5432/tcp: address already in use": (
        "runtime-healthy",
        "port 5432",
        "lsof -i :5432",
    ),
    "failed to bind host port for [::]:8081:[fd00::3]:8080/tcp: address already in use": (
        "runtime-healthy",
        "port 8081",
        "lsof -i :8081",
    ),
    "FATAL:  remaining connection slots are reserved": ("runtime-healthy", "no further connection", "stop"),
    "sqlite3.OperationalError: database is locked": ("runtime-healthy", "locked", "stop"),
    "sqlite3.DatabaseError: database disk image is malformed": ("runtime-healthy", "corrupt", "start"),
    ANSWER.format(
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
    ): ("raw-secret", "scheduled for deletion", "secrets.lint"),
    ANSWER.format(
        "InvalidRequestException",
        f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/{'Long9' * 9}-AbCdEf was marked for deletion.",
    ): (
        "raw-secret",
        "scheduled for deletion",
        "aws secretsmanager restore-secret --secret-id"
        f" arn:aws:secretsmanager:eu-west-1:123456789012:secret:a/{'Long9' * 9}-AbCdEf",
    ),
    ANSWER.format("InvalidRequestException", "You can't do that."): (
        "identity-in-service",
        "AWS refuses GetSecretValue",
        "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html",
    ),
    "botocore.exceptions.SSLError: SSL validation failed for https://secretsmanager.eu-west-1.amazonaws.com/ [SSL:"
    " CERTIFICATE_VERIFY_FAILED] certificate verify failed": ("identity-in-service", "not trusted here", "CA_BUNDLE"),
    "Error when retrieving token from sso: Token has expired and refresh failed": (
        "identity-in-service",
        "SSO session",
        "refresh",
    ),
    "The SSO session associated with this profile has expired or is otherwise invalid. To refresh this SSO session run"
    " aws sso login with the corresponding profile.": ("identity-in-service", "SSO session", "refresh"),
    'Unable to locate credentials. You can configure credentials by running "aws configure".': (
        "files-readable",
        "not there",
        "verify",
    ),
    "aws: [ERROR]: The config profile (dev) could not be found": (
        "environment",
        "there is no profile dev",
        "aws configure --profile dev",
    ),
    'Could not connect to the endpoint URL: "https://x.test/"': (
        "identity-in-service",
        "no answer from https://x.test/",
        "type the same command again",
    ),
    "You must specify a region. You can also configure your region by running": ("environment", "no region", "region"),
    "ValueError: Unsupported host 'example.com'.  Can only retrieve metadata from a loopback address or one of these"
    " hosts: 169.254.170.2": (
        "identity-in-service",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host",
        "unset AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    "OSError: [Errno 28] No space left on device": ("runtime-healthy", "disk is full", "df -h"),
}


@pytest.mark.parametrize(("line", "said"), TABLE.items(), ids=[str(number) for number in range(len(TABLE))])
def test_a_known_line_is_told_with_its_layer_its_cause_and_a_command_and_no_secret_beside_it(
    line: str, said: tuple[str, str, str], tmp_path: Path, run: Run
) -> None:
    log = tmp_path / "task.log"
    log.write_text(f"[2026-01-01] INFO - started\naws_secret_access_key={CANARY}\n{line}\nAWS_SESSION_TOKEN={CANARY}\n")
    done = run("explain", str(log), "--json")
    (check,) = done.document["checks"]
    assert (done.code, check["check"]) == (0, said[0])
    assert said[1] in check["detail"]
    assert said[2] in check["hint"]
    assert "…" not in check["detail"] + check["hint"]
    assert CANARY not in done.out + done.err


@pytest.mark.parametrize("symptom", symptoms.table(), ids=lambda symptom: symptom.says)
def test_a_symptom_is_seen_in_the_line_that_the_page_shows_of_it(symptom: symptoms.Symptom) -> None:
    (found,) = symptoms.found(f"INFO - started\nERROR - {symptom.says}\n", "default")
    known = symptom.of(symptom.says)
    assert known
    assert (found.check, found.detail, found.hint) == (known.layer, known.cause, known.hint)
    assert not re.search(r"{\w+}", known.cause + known.hint)


def test_what_a_line_names_is_quoted_in_the_command_and_cleaned() -> None:
    line = "error fetching constraints from https://me:hunter2@pip.example/$(touch${IFS}x)"
    (found,) = symptoms.found(line, "default")
    assert found.hint == "curl -sSI 'https://***@pip.example/$(touch${IFS}x)'"
    assert "hunter2" not in found.detail


def test_the_whole_table_has_every_symptom_with_a_cause_and_a_command_layer_by_layer() -> None:
    rows = symptoms.rows()
    assert [row.layer for row in rows] == sorted((row.layer for row in rows), key=LAYERS.index)
    names = {name for row in rows for name in row.symptom.split(", ")}
    assert names >= set(CAUSES) | {each.says for each in (*symptoms.table(), *docker_engine.CAUSES)}
    assert not [row for row in rows if not (row.cause and row.command) or re.search(r"[{}]|…\.\.", row.cause)]


def test_of_several_causes_the_earliest_in_the_chain_comes_first_and_each_once(tmp_path: Path, run: Run) -> None:
    lines = [each for each in TABLE if TABLE[each][0] in {"dag-run", "raw-secret", "provider", "files-readable"}]
    (tmp_path / "log").write_text("\n".join([*lines, *lines]))
    found = [check["check"] for check in run("explain", str(tmp_path / "log"), "--json").document["checks"]]
    assert found == sorted(found, key=LAYERS.index)
    assert found[0] == "provider"
    assert found.count("dag-run") == 2


def test_a_structured_log_of_airflow_3_is_read_as_a_plain_one(tmp_path: Path, run: Run) -> None:
    event = {"event": "Task failed", "error_detail": [{"exc_type": "ClientError", "exc_value": next(reversed(TABLE))}]}
    endpoint = 'EndpointConnectionError: Could not connect to the endpoint URL: "https://u:secret@x.test/"'
    (tmp_path / "log").write_text(f"{json.dumps(event)}\n{json.dumps({'exc_value': endpoint})}\n")
    details = [each["detail"] for each in run("explain", str(tmp_path / "log"), "--json").document["checks"]]
    assert details == ["the disk is full", "AWS cannot be reached: no answer from https://***@x.test/"]


def test_what_is_not_known_is_said_with_the_last_error_redacted(tmp_path: Path, run: Run) -> None:
    (tmp_path / "log").write_text(f"fine\nFooError: MY_PLAIN_WORD=hunter2 {CANARY} broke\nbye\n")
    done = run("explain", str(tmp_path / "log"))
    assert done.code == 1
    assert "nothing in it is known to us; its last error: FooError: MY_PLAIN_WORD=*** *** broke" in done.out


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"fine\nall is well\n", "its last line: all is well"),
        (b"ELF\0\0 x", "it is no text"),
    ],
)
def test_what_is_no_error_is_not_called_one(data: bytes, said: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / "log").write_bytes(data)
    done = run("explain", str(tmp_path / "log"))
    assert f"nothing in it is known to us; {said}\n" in done.out


def test_a_directory_is_answered_with_what_lists_its_files(tmp_path: Path, run: Run) -> None:
    done = run("explain", str(tmp_path))
    assert (done.code, done.out) == (2, f"error: '{tmp_path}' is no file\n-> ls {tmp_path}\n")


@pytest.mark.parametrize(
    "line",
    [
        *("ValueError: no", "OSError: x", "RuntimeError: y", "requests.exceptions.SSLError: x"),
        *("except botocore.exceptions.SSLError:", "all is well", ""),
    ],
)
def test_what_says_nothing_of_aws_is_no_cause(line: str, tmp_path: Path, run: Run) -> None:
    (tmp_path / "log").write_text(line)
    assert run("explain", str(tmp_path / "log")).code == 1


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\nNoCredentialsError: \xfe\n")))
    assert run("explain", "-").code == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("more", [0, 10_001], ids=["whole", "its end"])
def test_a_log_is_read_by_its_byte_order_mark_from_a_file_and_from_standard_input(
    encoding: str, more: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr(explain, "MOST", 10_000)
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    data = f"{mark}{'.' * more}\r\nConfigParseError: Unable to parse config file: /ä\r\n".encode(encoding)
    (tmp_path / "log").write_bytes(data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    for name in (str(tmp_path / "log"), "-"):
        (check,) = run("explain", name, "--json").document["checks"]
        assert check["detail"] == "/ä is no valid AWS configuration"


@pytest.mark.parametrize("name", ["missing.log", ".", "nu\nll", "x" * 300])
def test_a_file_that_cannot_be_read_is_bad_usage(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("explain", name)
    assert done.code == 2
    assert "error:" in done.out
    assert "-> " in done.out


@pytest.mark.parametrize("broken", ["aws_airflow: [", "aws_airflow: {regoin: x}", "aws_airflow: {profile: other}"])
def test_it_works_where_the_settings_cannot_be_read_and_leaves_everything_as_it_is(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    (tmp_path / ".astro").mkdir()
    (tmp_path / ".astro" / "config.yaml").write_text("project: {name: mine}\n")
    (tmp_path / "invoke.yaml").write_text(broken)
    (tmp_path / "log").write_text("NoCredentialsError: Unable to locate credentials")
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path, Path.home())
    assert run("explain", "log").code == 0
    assert tree(tmp_path, Path.home()) == before
