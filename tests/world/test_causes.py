"""Errors of AWS and botocore: each a cause and the command to type, none with anything secret in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world.causes import CAUSES, Ended, LoginNeeded, Subject, Unreachable, explain, explained
from tests.typed import hold

DEV = Subject(
    "dev", "eu-west-1", renew="aws sso login --profile dev", login=("aws", "sso", "login", "--profile", "dev")
)
KEYS = Subject("default", "eu-west-1", renew="aws configure")


def refused(code: str, message: str = "", operation: str = "GetCallerIdentity") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (refused("InvalidClientTokenId"), "does not know the access key of profile default", "aws configure"),
        (refused("UnrecognizedClientException"), "does not know the access key", "aws configure"),
        (refused("SignatureDoesNotMatch"), "does not fit its access key", "aws configure"),
        (refused("RequestExpired"), "this machine's clock is wrong", "sudo timedatectl set-ntp true"),
        (
            refused("InvalidSignatureException", "Signature expired: 20261124T0100Z is now earlier than …"),
            "this machine's clock is wrong",
            "sudo timedatectl set-ntp true",
        ),
        (
            refused("SignatureDoesNotMatch", "Signature not yet current: 20261124T0100Z"),
            "this machine's clock is wrong",
            "sudo timedatectl set-ntp true",
        ),
        (refused("ExpiredToken"), "the credentials of profile default have expired", "aws configure"),
        (refused("ThrottlingException"), "fewer calls at a time", "# nothing is wrong here"),
        (refused("Teapot", "I am one. And more."), "AWS refuses GetCallerIdentity (Teapot): I am one.", "# what AWS"),
        (
            exceptions.PartialCredentialsError(provider="x", cred_var="aws_secret_access_key"),
            "has only half of its credentials: aws_secret_access_key is missing",
            "aws configure",
        ),
        (exceptions.ConfigParseError(path="/h/.aws/config", error="x"), "/h/.aws/config is no valid AWS", "${EDITOR"),
        (exceptions.NoRegionError(), "no region is set for profile default", "aws configure set region eu-west-1"),
        (
            exceptions.CredentialRetrievalError(provider="Environment", error_msg="S3CRET"),
            "Environment gives no keys to profile default",
            "aws configure",
        ),
        (
            FileNotFoundError(2, "No such file", "/token"),
            "what profile default needs cannot be read: [Errno 2] No such file: '/token'",
            "aws configure",
        ),
        (RuntimeError("Credentials were refreshed, but …"), "have expired", "aws configure"),
        (
            exceptions.PartialCredentialsError(provider="assume-role", cred_var="source_profile or credential_source"),
            "profile default has only half of its credentials: source_profile or credential_source is missing",
            "${EDITOR",
        ),
        (
            ValueError("Unsupported host 'example.com'.  Can only retrieve metadata from a loopback address"),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that no SDK asks for keys over plain http",
            "unset AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
        (ValueError("Invalid endpoint: x"), "a setting of profile default has an impossible value", "${EDITOR"),
        (
            exceptions.ParamValidationError(
                report="Invalid length for parameter SecretId, value: 0, valid min length: 1"
            ),
            "ParamValidationError: Invalid length for parameter SecretId, value: 0, valid min length: 1",
            "aws configure list",
        ),
        (BotoCoreError(), "BotoCoreError: An unspecified error occurred", "aws configure list"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_is_a_cause_and_a_command(error: Exception, message: str, hint: str) -> None:
    explained_error = explain(error, KEYS)
    assert type(explained_error) in (TaskError, Ended, Unreachable)
    assert message in explained_error.message
    assert explained_error.hint.startswith(hint)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.UnauthorizedSSOTokenError(),
        exceptions.LoginRefreshRequired(),
        exceptions.LoginTokenLoadError(error_msg="x"),
        exceptions.SSOTokenLoadError(error_msg="x"),
        ValueError("Unknown string format: soon"),  # of a token's file, in which nobody writes but the login
        exceptions.TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
        refused("UnauthorizedException", operation="GetRoleCredentials"),
        refused("ExpiredTokenException"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_session_that_is_over_names_the_login_that_brings_it_back(error: Exception) -> None:
    explained_error = explain(error, DEV)
    assert isinstance(explained_error, LoginNeeded)
    assert explained_error.command == ("aws", "sso", "login", "--profile", "dev")
    assert explained_error.hint == "aws sso login --profile dev"


def test_missing_credentials_name_aws_configure() -> None:
    explained_error = explain(exceptions.NoCredentialsError(), Subject("default", login=("aws", "configure")))
    assert isinstance(explained_error, LoginNeeded)
    assert explained_error.message == "profile default has no credentials"
    assert explained_error.hint == "aws configure"


@pytest.mark.parametrize(
    "error",
    [
        exceptions.EndpointConnectionError(endpoint_url="https://sts.nowhere-1.amazonaws.com/"),
        exceptions.ConnectTimeoutError(endpoint_url="https://x/"),
        exceptions.ReadTimeoutError(endpoint_url="https://x/"),
        exceptions.ConnectionClosedError(endpoint_url="https://x/"),
        exceptions.ProxyConnectionError(proxy_url="http://user:S3CRET@proxy/"),
        exceptions.SSLError(endpoint_url="https://x/", error="S3CRET"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_silence_is_an_error_of_its_own_kind(error: Exception) -> None:
    explained_error = explain(error, KEYS)
    assert isinstance(explained_error, Unreachable)
    assert explained_error.message.startswith("AWS cannot be reached")
    assert "S3CRET" not in explained_error.message + explained_error.hint


def test_a_denied_call_names_the_action_and_the_smallest_statement_that_allows_it() -> None:
    said = (
        "User: arn:aws:iam::123456789012:user/me is not authorized to perform: secretsmanager:CreateSecret on "
        "resource: airflow/variables/x because no identity-based policy allows the secretsmanager:CreateSecret action"
    )
    explained_error = explain(refused("AccessDeniedException", said, "CreateSecret"), KEYS)
    assert explained_error.message == (
        "not allowed: secretsmanager:CreateSecret on "
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/variables/x (no identity-based policy allows it)"
    )
    assert statement(explained_error) == {
        "Effect": "Allow",
        "Action": "secretsmanager:CreateSecret",
        "Resource": [
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/variables/x",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/variables/x-??????",
        ],
    }
    assert "an administrator of AWS account 123456789012" in explained_error.hint


def statement(error: TaskError) -> dict[str, Any]:
    """The IAM statement in a hint, which is a comment: nobody types it."""
    assert error.hint.startswith("# ")
    found: dict[str, Any] = json.loads(error.hint[error.hint.index("{") :])
    return found


def test_a_deletion_that_is_pending_is_taken_back_where_the_entry_is_known() -> None:
    error = refused("InvalidRequestException", "You can't do it: the secret was marked for deletion.", "GetSecretValue")
    found = explain(error, KEYS._replace(resources=("arn:aws:secretsmanager:eu-west-1:1:secret:a b", "…")))
    assert found.hint == "aws secretsmanager restore-secret --secret-id 'a b'"
    assert explain(error, KEYS).hint.endswith(" secrets.lint")
    assert "scheduled for deletion" in found.message


def denied(said: str, operation: str = "GetSecretValue", **about: Any) -> TaskError:
    return explain(refused("AccessDeniedException", said, operation), Subject("default", "eu-west-1", **about))


ASKED = (
    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: secretsmanager:GetSecretValue on "
    "resource: airflow/variables/x "
)
SECRET = ("arn:aws:secretsmanager:eu-west-1:1:secret:x", "arn:aws:secretsmanager:eu-west-1:1:secret:x-??????")


@pytest.mark.parametrize(
    ("said", "known", "resource"),
    [
        ("on resource: x because no", SECRET, list(SECRET)),
        ("on resource: arn:aws:secretsmanager:eu-west-1:1:secret:x-AbCdEf because no", SECRET, f"{SECRET[0]}-AbCdEf"),
        (
            "on resource: arn:aws-cn:ssm:cn-north-1:1:parameter/x because no",
            ("*",),
            "arn:aws-cn:ssm:cn-north-1:1:parameter/x",
        ),
    ],
    ids=["a bare name", "an ARN", "of nothing that is known"],
)
def test_a_statement_holds_arns_and_never_the_name_that_aws_repeats(
    said: str, known: tuple[str, ...], resource: object
) -> None:
    error = denied(
        f"User: arn:aws:iam::1:user/me is not authorized to perform: ssm:GetParameter {said} …", resources=known
    )
    assert statement(error)["Resource"] == resource


@pytest.mark.parametrize(
    ("kind", "whom"),
    [
        ("a service control policy", "organization"),
        ("a resource control policy", "organization"),
        ("a permissions boundary", "permissions boundary"),
        ("a session policy", "role or the permission set"),
        ("a VPC endpoint policy", "VPC endpoint"),
        ("a resource-based policy", "owner"),
        ("an identity-based policy", "account 123456789012"),
    ],
)
def test_an_explicit_deny_is_answered_with_who_keeps_it_and_never_with_an_allow(kind: str, whom: str) -> None:
    error = denied(f"{ASKED}with an explicit deny in {kind}: arn:aws:organizations::9:policy/o-1/p-2")
    assert error.message.endswith(f"(an explicit deny in {kind})")
    assert error.hint.startswith("# no Allow beats a deny: ask ")
    assert whom in error.hint
    assert "arn:aws:organizations::9:policy/o-1/p-2" in error.hint
    assert "{" not in error.hint


@pytest.mark.parametrize(
    ("kind", "place"),
    [("service control policy", "in the service control policy"), ("session policy", "in the session policy")],
)
def test_an_allow_that_is_missing_elsewhere_than_in_ones_own_policies_is_asked_for_there(kind: str, place: str) -> None:
    error = denied(f"{ASKED}because no {kind} allows the secretsmanager:GetSecretValue action")
    assert place in error.hint
    assert statement(error)["Action"] == "secretsmanager:GetSecretValue"


def test_the_owner_of_another_accounts_secret_is_told_whom_to_allow() -> None:
    error = denied(f"{ASKED}because no resource-based policy allows the secretsmanager:GetSecretValue action")
    assert statement(error)["Principal"] == {"AWS": "arn:aws:iam::123456789012:user/me"}


KEY = "arn:aws:kms:eu-west-1:1:key/0f-1"
OF_ALIAS = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/k"}}
BY_SERVICE = {"StringEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}}
ANY_KEY = "arn:aws:kms:eu-west-1:1:key/*"


@pytest.mark.parametrize(
    ("operation", "key", "action", "resource", "condition"),
    [
        ("GetSecretValue", KEY, "kms:Decrypt", KEY, None),
        ("GetSecretValue", "0f-1", "kms:Decrypt", KEY, None),
        ("CreateSecret", KEY, ["kms:GenerateDataKey", "kms:Decrypt"], KEY, None),
        ("GetSecretValue", "alias/k", "kms:Decrypt", ANY_KEY, OF_ALIAS),
        ("GetSecretValue", "", "kms:Decrypt", ANY_KEY, BY_SERVICE),
    ],
)  # fmt: skip
def test_a_denial_of_the_key_is_answered_with_what_is_to_be_done_with_that_key(
    operation: str, key: str, action: object, resource: str, condition: object
) -> None:
    error = denied("Access to KMS is not allowed", operation, resources=SECRET, key=lambda: key)
    found = statement(error)
    assert (found["Action"], found["Resource"], found.get("Condition")) == (action, resource, condition)
    assert "kms:Decrypt" in error.message


def test_a_denial_in_which_aws_names_the_key_takes_that() -> None:
    said = f"User: arn:aws:iam::1:user/me is not authorized to perform: kms:Decrypt on resource: {KEY} because no"
    error = denied(f"{said} identity-based policy allows the kms:Decrypt action", resources=SECRET)
    assert statement(error) == {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}


def test_a_denied_call_that_aws_does_not_explain_still_names_action_and_resource() -> None:
    error = denied("Access denied", resources=SECRET)
    assert statement(error) == {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": list(SECRET)}
    assert "not allowed: sts:AssumeRole on" in denied("", "AssumeRole", resources=SECRET).message
    parameter = ("arn:aws:ssm:eu-west-1:1:parameter/x",)
    assert "not allowed: ssm:PutParameter on" in denied("", "PutParameter", resources=parameter).message


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("code", ["InternalFailure", "InternalServiceError", "SomethingNew", None])
def test_trouble_of_awss_own_is_no_refusal_and_lets_what_needs_only_files_go_on(status: int, code: str | None) -> None:
    answer: Any = {
        "Error": {"Code": code or str(status), "Message": "Oops"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    found = explain(ClientError(answer, "GetCallerIdentity"), KEYS)
    assert isinstance(found, Unreachable)
    assert "trouble of its own" in found.message
    assert found.hint.startswith("# nothing is wrong here")


def test_an_answer_without_a_word_is_said_to_have_none_and_not_botocores_sentence_around_it() -> None:
    found = explain(refused("InternalFailure", operation="GetSecretValue"), KEYS)
    assert "(InternalFailure: it says no more)" in found.message


@pytest.mark.parametrize("code", ["ThrottlingException", "Throttling", "TooManyRequestsException", "429"])
def test_being_asked_for_fewer_calls_is_no_refusal_either(code: str) -> None:
    assert isinstance(explain(refused(code, "Rate exceeded"), KEYS), Unreachable)


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException", "SomethingNew"])
def test_what_aws_quotes_of_the_request_is_never_repeated(code: str) -> None:
    token = "FwoGZXIvYXdzE" + "x" * 60
    said = f"It does not match AKIAIOSFODNN7EXAMPLE {token}. The Canonical String was\n'x-amz-security-token:{token}'"
    explained_error = explain(refused(code, said), KEYS)
    assert token not in explained_error.message + explained_error.hint
    assert "AKIA" not in explained_error.message + explained_error.hint


SUBJECT = Subject(
    "my dev",
    "eu-west-1",
    renew="aws configure --profile 'my dev'",
    endpoint="http://127.0.0.1:5000",
    options=lambda service: f" --profile 'my dev' --region eu-west-1 --endpoint-url http://127.0.0.1:5000/{service}",
    resources=SECRET,
)


@pytest.mark.parametrize("name", CAUSES)
@pytest.mark.parametrize(
    "environ", [{}, {"HTTPS_PROXY": "http://p", "AWS_CA_BUNDLE": "/x y", "AWS_CONFIG_FILE": "/a b"}]
)
def test_every_line_of_every_hint_is_a_comment_or_can_be_typed_as_it_stands(
    name: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    told = type(name, (Exception,), {})("said")
    told.kwargs = {"path": "/home/my own/.aws/config", "endpoint_url": "https://sts.eu-west-1.amazonaws.com/"}
    for error in (told, refused(name, "said")):
        hold(explain(error, SUBJECT).hint)


@pytest.mark.parametrize("name", CAUSES)
def test_no_hint_only_looks_and_leaves_who_types_it_where_they_were(name: str) -> None:
    """`aws sts get-caller-identity` mends nothing: typed, it says the same again."""
    assert "get-caller-identity" not in CAUSES[name].hint + CAUSES[name].message


def test_an_explained_error_carries_no_trace_of_the_one_it_came_from() -> None:
    with pytest.raises(TaskError) as caught, explained(KEYS):
        raise refused("ExpiredToken", "token S3CRET")
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("error", [KeyError("bug"), TypeError("bug")])
def test_a_bug_is_not_explained_away(error: Any) -> None:
    with pytest.raises(type(error)), explained(KEYS):
        raise error
