"""An error that a service met is told by the table that tells this host's: its cause, and what mends it there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore import exceptions

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes.protocol import Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import diagnosis, inside
from aws_airflow_tasks.world.causes import CAUSES
from tests import facts
from tests.steps.raised import data, refused

CANARY = "FwoGZXIvYXdzEBYaDHqa0AP1kAAAAcanaryCANARYcanary0123456789"
ENDPOINT = "https://sts.eu-west-1.amazonaws.com/"
ENTRY = "airflow/variables/aws_airflow_check"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A site whose Airflow has a staged copy, or not, and such variables."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")

    def made(*, copied: bool = True, contained: bool = True, **variables: str) -> Site:
        runtime: Any = SimpleNamespace(mounts=contained)
        way: Any = SimpleNamespace(name="export" if copied else "live")
        running = (Service("scheduler", True, variables), Service("triggerer", True, {}))
        return facts.site(Settings(), runtime=runtime, way=way, running=running)

    return made


def met(site: Site, error: BaseException, entry: str = "", *, plain: bool = True) -> TaskError:
    return diagnosis.met(site, "scheduler", data(error), entry=entry, plain=plain)


RENEW = "invoke refresh --force"
KEYS = {
    "have expired": refused("ExpiredToken", "The security token included in the request is expired"),
    "have expired ": refused("ExpiredTokenException", operation="GetSecretValue"),
    "does not know the access key": refused("InvalidClientTokenId"),
    "does not know the access key ": refused("UnrecognizedClientException", operation="GetSecretValue"),
    "does not fit its access key": refused("SignatureDoesNotMatch", f"no\nx-amz-security-token:{CANARY}"),
    "does not fit its access key ": refused("InvalidSignatureException", operation="GetSecretValue"),
    "has no credentials": exceptions.NoCredentialsError(),
    "only half of its credentials: aws_secret_access_key": exceptions.PartialCredentialsError(
        provider="shared-credentials-file", cred_var="aws_secret_access_key"
    ),
    "/home/astro/.aws/config is no valid": exceptions.ConfigParseError(path="/home/astro/.aws/config", error=CANARY),
    "there is no profile": exceptions.ProfileNotFound(profile="dev"),
    "SSO session": exceptions.SSOTokenLoadError(error_msg=CANARY),
    "SSO session ": exceptions.UnauthorizedSSOTokenError(),
    "SSO session  ": exceptions.TokenRetrievalError(provider="sso", error_msg="refresh failed"),
    "gives no keys": exceptions.CredentialRetrievalError(provider="custom-process", error_msg=CANARY),
    "cannot be read": FileNotFoundError(2, "No such file or directory", "/token"),
    "have expired  ": RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired."),
}


@pytest.mark.parametrize("said", KEYS)
def test_keys_that_fail_in_airflow_alone_are_renewed_there(said: str, here: Any) -> None:
    told = met(here(), KEYS[said])
    assert said.strip() in told.message
    assert told.message.endswith("(in Airflow, and not on this host)")
    assert told.hint == RENEW
    assert CANARY not in told.message + told.hint
    assert met(here(copied=False), KEYS[said]).hint == "invoke stop && invoke start", "there is no copy to renew"


NETWORK = {
    "no answer from https://sts": exceptions.EndpointConnectionError(endpoint_url=ENDPOINT),
    "no answer from https://sts ": exceptions.ConnectTimeoutError(endpoint_url=ENDPOINT),
    "no answer from https://sts  ": exceptions.ReadTimeoutError(endpoint_url=ENDPOINT),
    "the proxy does not answer": exceptions.ProxyConnectionError(proxy_url="http://proxy.test"),
    "certificate is not trusted": exceptions.SSLError(endpoint_url=ENDPOINT, error="verify failed"),
}


@pytest.mark.parametrize("said", NETWORK)
def test_a_way_to_aws_that_only_airflow_lacks_is_looked_for_in_what_the_service_has(said: str, here: Any) -> None:
    told = met(here(HTTPS_PROXY=f"http://u:{CANARY}@proxy.test"), NETWORK[said])
    assert said.strip() in told.message
    assert told.message.endswith("(from Airflow, and not from this host)")
    files = ".env docker-compose.override.yml Dockerfile"
    assert told.hint == f"grep -noE HTTPS_PROXY {files}   # correct the line, then: invoke stop && invoke start"
    assert CANARY not in told.message
    assert met(here(), NETWORK[said]).hint.startswith("# ask who runs your network"), "no line leads elsewhere"
    assert met(here(contained=False), NETWORK[said]).hint.startswith("grep -noE 'HTTPS_PROXY|")


DENIED = (
    "User: arn:aws:iam::123456789012:user/u is not authorized to perform: secretsmanager:GetSecretValue on resource:"
    f" {ENTRY} because no identity-based policy allows the secretsmanager:GetSecretValue action"
)


def test_what_is_denied_is_denied_to_whom_one_is_and_names_what_a_policy_can_name(here: Any) -> None:
    told = met(here(), refused("AccessDeniedException", DENIED, "GetSecretValue"), ENTRY)
    assert "secretsmanager:GetSecretValue" in told.message
    assert f":secret:{ENTRY}" in told.hint
    assert "in Airflow" not in told.message, "it is no matter of the place"


def test_an_entry_that_airflow_does_not_find_though_this_host_did_is_named_and_made_again(here: Any) -> None:
    for code in ("ResourceNotFoundException", "ParameterNotFound"):
        told = met(here(), refused(code, operation="GetSecretValue"), ENTRY)
        assert told.message == f"{ENTRY} is not there any more"
        assert told.hint == "invoke secrets"


def test_the_cause_is_botocores_where_airflow_raised_something_of_its_own_over_it(here: Any) -> None:
    class AirflowError(Exception):
        pass

    try:
        try:
            raise refused("ExpiredTokenException", operation="GetSecretValue")
        except Exception as first:
            raise AirflowError("Unable to retrieve variable") from first
    except AirflowError as error:
        told = met(here(), error, plain=False)
    assert ("have expired" in told.message, told.hint) == (True, RENEW)


@pytest.mark.parametrize(
    ("error", "cause", "hint"),
    [
        (
            Exception('The object could not be loaded. Please check "backend" key in "secrets" section.'),
            "Airflow cannot load the secrets backend",
            "invoke provider start",
        ),
        (ModuleNotFoundError("No module named 'airflow.providers.amazon'"), "not installed", "invoke provider start"),
        (
            OSError(28, "No space left on device"),
            "the disk is full",
            "df -h && docker system df   # make room where it is full",
        ),
    ],
)
def test_what_airflow_itself_says_is_told_by_the_lines_of_the_same_table(
    error: Exception, cause: str, hint: str, here: Any
) -> None:
    told = met(here(), error, plain=False)
    assert cause in told.message
    assert told.hint == hint


@pytest.mark.parametrize("error", [ValueError("no host"), KeyError("host"), RuntimeError("x"), OSError("y")])
def test_an_error_of_pythons_own_is_no_matter_of_aws_where_airflow_ran_too(error: Exception, here: Any) -> None:
    told = met(here(), error, plain=False)
    assert told.message == f"{type(error).__name__}: {error}"
    assert told.hint == ""


def test_nothing_secret_of_what_aws_repeats_leaves_the_service() -> None:
    error = refused("SignatureDoesNotMatch", f"The request signature does not match.\nx-amz-security-token:{CANARY}")
    assert CANARY not in str(data(error))


def test_every_error_that_has_a_row_of_its_own_in_a_service_has_one_in_the_table_of_causes() -> None:
    named = [name for row in inside.ROWS for name in row.names]
    assert set(named) <= set(CAUSES)
    assert len(named) == len(set(named))


def test_the_clock_of_another_machine_is_not_this_ones(here: Any) -> None:
    error = refused("SignatureDoesNotMatch", "Signature expired: 20261124T0100Z is now earlier than 20261124T0200Z")
    told = met(here(), error)
    assert "clock" in told.message
    assert "timedatectl" not in told.hint
