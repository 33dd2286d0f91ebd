"""Errors of AWS and botocore: each a cause and the command to type, none with anything secret in it."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world.causes import Ended, LoginNeeded, Subject, Unreachable, explain, explained

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
        (refused("ThrottlingException"), "fewer calls at a time", "try again in a minute"),
        (refused("Teapot", "I am one. And more."), "AWS refuses GetCallerIdentity (Teapot): I am one.", "aws sts"),
        (
            exceptions.PartialCredentialsError(provider="x", cred_var="aws_secret_access_key"),
            "has only half of its credentials: aws_secret_access_key is missing",
            "aws configure",
        ),
        (exceptions.ConfigParseError(path="/h/.aws/config", error="x"), "/h/.aws/config is no valid AWS", "mend that"),
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
        (ValueError("Invalid endpoint: x"), "a setting of profile default has an impossible value", "aws configure"),
        (BotoCoreError(), "BotoCoreError: An unspecified error occurred", "aws sts get-caller-identity"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_is_a_cause_and_a_command(error: Exception, message: str, hint: str) -> None:
    explained_error = explain(error, KEYS)
    assert type(explained_error) in (TaskError, Ended)
    assert message in explained_error.message
    assert explained_error.hint.startswith(hint)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.UnauthorizedSSOTokenError(),
        exceptions.SSOTokenLoadError(error_msg="x"),
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
        "not allowed: secretsmanager:CreateSecret on airflow/variables/x (no identity-based policy allows it)"
    )
    assert explained_error.hint.splitlines()[1] == (
        '{"Effect": "Allow", "Action": "secretsmanager:CreateSecret", "Resource": "airflow/variables/x"}'
    )


def test_a_denial_by_an_explicit_deny_says_where_it_is() -> None:
    said = (
        "User: arn:aws:iam::1:user/me is not authorized to perform: secretsmanager:GetSecretValue on resource: x "
        "with an explicit deny in a service control policy"
    )
    explained_error = explain(refused("AccessDeniedException", said, "GetSecretValue"), KEYS)
    assert explained_error.message.endswith("on x (an explicit deny in a service control policy)")


def test_a_denied_call_that_aws_does_not_explain_still_names_action_and_resource() -> None:
    subject = Subject("default", resource="arn:aws:secretsmanager:eu-west-1:*:secret:x-*")
    explained_error = explain(refused("AccessDenied", "Access denied", "GetSecretValue"), subject)
    assert '"Action": "secretsmanager:GetSecretValue", "Resource": "arn:aws:secretsmanager' in explained_error.hint
    parameter = Subject("default", resource="arn:aws:ssm:eu-west-1:*:parameter/x")
    assert "not allowed: ssm:PutParameter on" in explain(refused("AccessDenied", "", "PutParameter"), parameter).message
    assert "not allowed: sts:AssumeRole on" in explain(refused("AccessDenied", "", "AssumeRole"), subject).message


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException", "SomethingNew"])
def test_what_aws_quotes_of_the_request_is_never_repeated(code: str) -> None:
    token = "FwoGZXIvYXdzE" + "x" * 60
    said = f"It does not match AKIAIOSFODNN7EXAMPLE {token}. The Canonical String was\n'x-amz-security-token:{token}'"
    explained_error = explain(refused(code, said), KEYS)
    assert token not in explained_error.message + explained_error.hint
    assert "AKIA" not in explained_error.message + explained_error.hint


def test_an_explained_error_carries_no_trace_of_the_one_it_came_from() -> None:
    with pytest.raises(TaskError) as caught, explained(KEYS):
        raise refused("ExpiredToken", "token S3CRET")
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("error", [KeyError("bug"), TypeError("bug")])
def test_a_bug_is_not_explained_away(error: Any) -> None:
    with pytest.raises(type(error)), explained(KEYS):
        raise error
