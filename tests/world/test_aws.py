"""AWS through boto3, against the embedded AWS: who we are, the backend's secrets, and what goes wrong."""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from aws_airflow_tasks.backends import parameter_store
from aws_airflow_tasks.backends import secrets_manager as backend
from aws_airflow_tasks.backends.protocol import Entry
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import aws, state
from aws_airflow_tasks.world.causes import LoginNeeded, Unreachable
from tests.world.server import Embedded, StandIn, embedded, our_keys, stand_in

__all__ = ["embedded", "our_keys", "stand_in"]


def configured(home: Path, config: str, credentials: str = "") -> None:
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / "config").write_text(config)
    if credentials:
        (home / ".aws" / "credentials").write_text(credentials)


KEYS = "[default]\naws_access_key_id = AKIAXXXXXXXXXXXXXXXX\naws_secret_access_key = S3CRETS3CRETS3CRET\n"


@pytest.fixture
def account(our_keys: Embedded) -> aws.Account:
    return aws.connect(Settings())


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"airflow/variables/{request.node.name}"


def test_the_identity_is_the_users(account: aws.Account) -> None:
    found = aws.caller_identity(account)
    assert (found.account, found.expiry) == ("123456789012", None)
    assert found.arn == "arn:aws:iam::123456789012:user/airflow-sandbox"


def test_the_identity_needs_no_region(embedded: Embedded, closed_world: Path) -> None:
    configured(closed_world, "", (embedded.home / ".aws" / "credentials").read_text())
    account = aws.connect(Settings(endpoint_url=embedded.url))
    assert account.credentials.region == ""
    assert aws.caller_identity(account).arn.endswith("user/airflow-sandbox")


def test_a_client_finds_its_service_without_a_look_into_the_folders_of_others(
    account: aws.Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.session._session.get_component("data_loader")._cache.clear()  # all tests' sessions have the same one
    looked, listdir = list[Path](), os.listdir
    monkeypatch.setattr(os, "listdir", lambda path=".": looked.append(Path(path)) or listdir(path))  # type: ignore[func-returns-value]
    assert account.client("ssm").meta.service_model.service_name == "ssm"
    assert {path.name for path in looked if path.parent.name == "data"} == {"ssm"}
    with pytest.raises(TaskError, match="Unknown service"):
        account.client("not-one-of-them")


def test_a_secret_is_created_found_read_and_gone_at_once(account: aws.Account, name: str) -> None:
    assert backend.describe(account, name) is None
    assert backend.get(account, name) is None
    arn = backend.create(account, name, "one", {"owner": "me"})
    assert backend.describe(account, name) == Entry(arn, name, {"owner": "me"}, key="alias/aws/secretsmanager")
    assert backend.get(account, name) == "one"
    backend.delete(account, arn)
    assert backend.describe(account, name) is None
    backend.delete(account, arn)


def test_a_binary_secret_has_no_value_for_the_backend(account: aws.Account, name: str) -> None:
    arn = account.client("secretsmanager").create_secret(Name=name, SecretBinary=b"x")["ARN"]
    assert backend.get(account, name) is None
    backend.delete(account, arn)


def test_a_secret_that_was_created_meanwhile_is_an_error(account: aws.Account, name: str) -> None:
    arn = backend.create(account, name, "one", {})
    with pytest.raises(TaskError, match="has just been created by someone else"):
        backend.create(account, name, "two", {})
    backend.delete(account, arn)


def test_a_secret_that_is_scheduled_for_deletion_says_how_to_restore_it(account: aws.Account, name: str) -> None:
    arn = backend.create(account, name, "one", {})
    account.client("secretsmanager").delete_secret(SecretId=arn)
    found = backend.describe(account, name)
    assert found is not None
    assert found.pending_deletion
    for call in (lambda: backend.get(account, name), lambda: backend.create(account, name, "two", {})):
        with pytest.raises(TaskError, match="is scheduled for deletion") as caught:
            call()
        where = f"--region eu-west-1 --endpoint-url {account.client('secretsmanager').meta.endpoint_url}"
        assert caught.value.hint == f"aws secretsmanager restore-secret --secret-id {name} {where}"
    backend.delete(account, arn)


@pytest.fixture
def guarded(our_keys: Embedded) -> Iterator[Embedded]:
    """The embedded AWS with IAM enforced: our user may do nothing."""
    authorise_after(our_keys.url, "0")
    yield our_keys
    authorise_after(our_keys.url, "inf")


def authorise_after(url: str, calls: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", "/moto-api/reset-auth", body=calls)
    assert connection.getresponse().status == 200
    connection.close()


def test_a_call_that_iam_denies_names_the_action(stand_in: StandIn, closed_world: Path) -> None:
    configured(closed_world, "[default]\nregion = eu-west-1\n", KEYS)
    stand_in.headers = {"x-amzn-errortype": "AccessDeniedException"}
    stand_in.body = json.dumps(
        {
            "__type": "AccessDeniedException",
            "Message": "User: arn:aws:iam::1:user/me is not "
            "authorized to perform: secretsmanager:CreateSecret on resource: x because no identity-based policy allows",
        }
    )
    account = aws.connect(Settings(endpoint_url=stand_in.url))
    with pytest.raises(TaskError, match="not allowed: secretsmanager:CreateSecret") as caught:
        backend.create(account, "x", "value-of-the-secret", {})
    assert '"Action": "secretsmanager:CreateSecret"' in caught.value.hint
    assert "value-of-the-secret" not in str(caught.value) + caught.value.hint


def test_keys_that_aws_does_not_know_are_a_definite_no(
    guarded: Embedded, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(closed_world))
    configured(closed_world, "[default]\nregion = eu-west-1\n", KEYS)
    account = aws.connect(Settings())
    with pytest.raises(TaskError, match="does not know the access key of profile default") as caught:
        aws.caller_identity(account)
    assert not isinstance(caught.value, Unreachable)


def test_a_secret_key_that_does_not_fit_is_a_definite_no(
    guarded: Embedded, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(closed_world))
    key = (guarded.home / ".aws" / "credentials").read_text().split("aws_access_key_id = ")[1].split()[0]
    configured(closed_world, "", f"[default]\naws_access_key_id = {key}\naws_secret_access_key = wrong\n")
    with pytest.raises(TaskError, match="does not fit its access key"):
        aws.caller_identity(aws.connect(Settings()))


def test_an_endpoint_where_nobody_listens_is_unreachable(closed_world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    configured(closed_world, "[default]\nregion = eu-west-1\n", KEYS)
    with pytest.raises(Unreachable, match=re.escape("no answer from http://127.0.0.1:9/")):
        aws.caller_identity(aws.connect(Settings()))


def test_a_region_that_aws_does_not_have_is_a_definite_no(closed_world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(closed_world, "[default]\nregion = eu-nowhere-1\n", KEYS)
    with pytest.raises(TaskError, match=r"AWS has no region eu-nowhere-1 \(from the profile\)") as caught:
        aws.caller_identity(aws.connect(Settings()))
    assert not isinstance(caught.value, Unreachable)
    assert caught.value.hint.startswith("aws configure set region eu-west-1 ")


@pytest.mark.parametrize(("status", "body"), [(200, "<html>hello</html>"), (404, "<html>not found</html>"), (200, "")])
def test_an_endpoint_that_is_not_aws_is_an_error_without_traceback(
    status: int, body: str, stand_in: StandIn, closed_world: Path
) -> None:
    configured(closed_world, "[default]\nregion = eu-west-1\n", KEYS)
    stand_in.status, stand_in.body = status, body
    with pytest.raises(Unreachable, match=f"what answers at {stand_in.url} does not answer as AWS does"):
        aws.caller_identity(aws.connect(Settings(endpoint_url=stand_in.url)))


ASKED: dict[str, Callable[[Any, aws.Account], object]] = {
    "describe": lambda asked, account: asked.describe(account, "/x"),
    "get": lambda asked, account: asked.get(account, "/x"),
    "create": lambda asked, account: asked.create(account, "/x", "value", {}),
    "list": lambda asked, account: list(asked.listed(account, "/x")),
    "values": lambda asked, account: asked.values(account, ["/x"]),
    "delete": lambda asked, account: asked.delete(account, "/x"),
}


@pytest.mark.parametrize("asked", [backend, parameter_store], ids=["secrets-manager", "parameter-store"])
@pytest.mark.parametrize("call", ASKED.values(), ids=ASKED)
def test_a_networks_login_page_is_no_answer_of_a_backend(
    asked: Any, call: Callable[[Any, aws.Account], object], stand_in: StandIn, closed_world: Path
) -> None:
    """It comes with 200; botocore takes it for an answer that has nothing in it, and what was written for done."""
    configured(closed_world, "[default]\nregion = eu-west-1\n", KEYS)
    stand_in.status, stand_in.body = 200, "<html>Log in to HotelNet</html>"
    stand_in.headers = {"Content-Type": "text/html; charset=utf-8"}
    account = aws.connect(Settings(endpoint_url=stand_in.url))
    with pytest.raises(Unreachable, match="does not answer as AWS does") as caught:
        call(asked, account)
    assert "login page" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (500, '{"__type": "InternalServiceError", "message": "Oops"}', "trouble of its own"),
        (503, "<html>Service Unavailable</html>", "trouble of its own"),
        (400, '{"__type": "ThrottlingException", "message": "Rate exceeded"}', "fewer calls"),
        (429, "", "fewer calls"),
    ],
)
def test_trouble_of_awss_own_is_asked_about_twice_and_is_no_refusal(
    status: int, body: str, told: str, stand_in: StandIn, closed_world: Path
) -> None:
    configured(closed_world, "[default]\nregion = eu-west-1\n", KEYS)
    stand_in.status, stand_in.body = status, body
    with pytest.raises(Unreachable, match=told):
        backend.get(aws.connect(Settings(endpoint_url=stand_in.url)), "x")
    assert len(stand_in.asked) == 2


def test_a_failing_service_is_asked_a_bounded_number_of_times(stand_in: StandIn, closed_world: Path) -> None:
    configured(closed_world, "[default]\nregion = eu-west-1\n", KEYS)
    stand_in.status = 503
    with pytest.raises(TaskError):
        aws.caller_identity(aws.connect(Settings(endpoint_url=stand_in.url)))
    assert len(stand_in.asked) == 2


def test_without_credentials_nobody_is_asked_not_even_the_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    with pytest.raises(LoginNeeded, match="profile default has no credentials") as caught:
        aws.caller_identity(aws.connect(Settings(region="eu-west-1")))
    assert caught.value.command == ("aws", "configure")


@pytest.mark.parametrize(
    ("config", "credentials", "message"),
    [
        ("[default]\nregion = eu-west-1\naws_access_key_id = AKIA\n", "", "aws_secret_access_key is missing"),
        ("", "[default]\naws_access_key_id = AKIA\n", "aws_secret_access_key is missing"),
        ("[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = b\n", "", 'The source_profile "b" referenced'),
        (
            "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = b\n"
            "[profile b]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\n",
            "",
            "leads back to itself",
        ),
        ("[default]\ncredential_process = /no/such/helper\n", "", "the credential helper"),
        ("[default]\ncredential_process = echo no json\n", "", "the credential helper"),
        ("[default]\ncredential_process = false\n", "", "the credential helper"),
        ("[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n", "", "cannot be used"),
    ],
)
def test_a_profile_that_cannot_work_is_explained(
    config: str, credentials: str, message: str, closed_world: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configured(closed_world, config, credentials)
    with pytest.raises(TaskError) as caught:
        aws.caller_identity(aws.connect(Settings(region="eu-west-1")))
    assert message in caught.value.message
    assert caught.value.hint
    assert capfd.readouterr().err == ""


ROLE = "[default]\nregion = eu-west-1\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = b\n"


@pytest.mark.parametrize(
    ("config", "parameter"),
    [
        (f"{ROLE}duration_seconds = 60\n", "DurationSeconds, value: 60, valid min value: 900"),
        (f"{ROLE}role_session_name = m\n", "RoleSessionName, value: 1, valid min length: 2"),
        (f"{ROLE}external_id =\n", "ExternalId, value: 0, valid min length: 2"),
        (ROLE.replace("arn:aws:iam::123456789012:role/", ""), "RoleArn, value: 1, valid min length: 20"),
    ],
)
def test_what_no_role_is_assumed_with_is_named_and_the_file_it_stands_in_opened(
    config: str, parameter: str, closed_world: Path
) -> None:
    configured(closed_world, config, KEYS.replace("default", "b"))
    with pytest.raises(
        TaskError, match=rf"profile default cannot be used: Invalid .* for parameter {parameter}"
    ) as caught:
        aws.caller_identity(aws.connect(Settings()))
    assert caught.value.hint == "${EDITOR:-vi} " + str(closed_world / ".aws" / "config")


def test_a_token_file_of_the_shell_that_no_role_goes_with_is_unset(
    our_keys: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")
    with pytest.raises(TaskError, match="no role ARN configured") as caught:
        aws.caller_identity(aws.connect(Settings()))
    assert caught.value.hint.startswith("unset AWS_WEB_IDENTITY_TOKEN_FILE ")
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
    assert aws.caller_identity(aws.connect(Settings())).arn


@pytest.mark.parametrize("named", [True, False])
def test_an_empty_web_identity_token_is_said_to_be_so_with_who_writes_it_anew(
    named: bool, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = closed_world / "token"
    token.write_text("")
    values = f"role_arn = arn:aws:iam::123456789012:role/r\nweb_identity_token_file = {token}\n"
    configured(closed_world, f"[default]\nregion = eu-west-1\n{values if named else ''}")
    if not named:
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    with pytest.raises(TaskError, match="token that profile default needs is empty, or cut off") as caught:
        aws.caller_identity(aws.connect(Settings()))
    where = "web_identity_token_file of profile default" if named else "AWS_WEB_IDENTITY_TOKEN_FILE"
    assert caught.value.hint.startswith(f"# have a fresh token written where {where} leads")


@pytest.mark.parametrize(
    ("config", "settings", "message", "hint"),
    [
        ("[default\nregion = x\n", Settings(), "config stands before the first [section]", "${EDITOR:-vi} +1 "),
        (
            "[default]\n[profile dev]\n",
            Settings(profile="prod"),
            "there is no profile prod (there are: none)",
            "aws configure --profile prod",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_is_explained_before_anybody_is_asked(
    config: str, settings: Settings, message: str, hint: str, closed_world: Path
) -> None:
    configured(closed_world, config)
    with pytest.raises(TaskError) as caught:
        aws.connect(settings)
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)


def test_what_takes_keys_of_the_shell_away_takes_their_end_too_which_is_not_that_of_fresh_ones(
    our_keys: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAXXXXXXXXXXXXXXXX", "AWS_SECRET_ACCESS_KEY": "S3CRET", "AWS_SESSION_TOKEN": "t"}
    for name, value in (keys | {"AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TaskError, match="the credentials of profile default have expired") as caught:
        aws.caller_identity(aws.connect(Settings()))
    first, *names = caught.value.hint.partition(" #")[0].split()
    assert first == "unset"
    for name in names:
        monkeypatch.delenv(name)
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    assert aws.caller_identity(aws.connect(Settings())).arn


SESSION = "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://x\n"
BEFORE_SESSIONS = "sso_region = eu-west-1\nsso_start_url = https://x\n"
WHOLE = '{"accessToken": "canary", "expiresAt": %s}'


@pytest.mark.parametrize("token", ["", '{"accessToken": "can', "[]", *(WHOLE % end for end in ("null", "7", '"2036"'))])
@pytest.mark.parametrize(
    ("start", "section", "name"),
    [("sso_session = s\n", SESSION, "s"), (BEFORE_SESSIONS, "", "https://x")],
    ids=["a session", "as before sessions"],
)
def test_a_damaged_token_of_sso_is_one_that_a_login_makes_anew(
    start: str, section: str, name: str, token: str, closed_world: Path
) -> None:
    configured(closed_world, f"[default]\n{start}sso_account_id = 1\nsso_role_name = r\n{section}")
    cache = closed_world / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    (cache / f"{hashlib.sha1(name.encode()).hexdigest()}.json").write_text(token)
    with pytest.raises(LoginNeeded, match="the SSO session of profile default is not there or has ended") as caught:
        aws.caller_identity(aws.connect(Settings()))
    assert caught.value.hint == "aws sso login"


def test_a_profile_that_the_environment_names_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(TaskError, match=r"there is no profile gone \(there are: none\)"):
        aws.connect(Settings())


@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
@pytest.mark.parametrize("folder", ["/home/of-airflow/.aws", "staged"])
def test_paths_of_an_env_file_that_the_shell_has_loaded_are_said_to_be_airflows(
    name: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`aws configure` would write to a container's path on this host, and a copy would be made from itself."""
    where = state.root() / "project" / "aws" if folder == "staged" else Path(folder)
    monkeypatch.setenv(name, f"{where}/config")
    with pytest.raises(TaskError, match=rf"{name} is .*your shell or editor has loaded the project's \.env") as caught:
        aws.connect(Settings(mount_path="/home/of-airflow/.aws"))
    assert caught.value.hint.startswith("unset AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE ")


def test_files_of_this_host_at_the_path_of_the_mount_are_the_persons_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert aws.connect(Settings(mount_path=str(tmp_path))).credentials.region == "eu-north-1"


def test_a_file_that_is_a_directory_is_said_not_taken_for_empty(closed_world: Path) -> None:
    (closed_world / ".aws" / "credentials").mkdir(parents=True)
    with pytest.raises(TaskError, match="credentials: a directory stands where a file is to be"):
        aws.connect(Settings())


def test_loggers_that_print_secrets_stay_at_warning_even_when_everything_is_logged(
    account: aws.Account, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    arn = backend.create(account, name, "canary-value", {})
    backend.get(account, name)
    backend.delete(account, arn)
    secret = (Path.home() / ".aws" / "credentials").read_text().split("aws_secret_access_key = ")[1].split()[0]
    assert "canary-value" not in caplog.text
    assert secret not in caplog.text
