"""Faults that are provoked in a real process, of real botocore, and what is said of each: layer, cause and command.

What is expected stands in the table; a fault is one layer that fails, and all that depends on it is skipped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from aws_airflow_tasks.core import Check
from aws_airflow_tasks.runtimes import protocol
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import probing
from aws_airflow_tasks.steps.layers import LAYERS, NEEDS, ended
from aws_airflow_tasks.steps.probing import Expected
from tests import facts, typed
from tests.steps.test_probing import SECRET, Service, environment, expected
from tests.world.front import Asked, Front, Refusal, front
from tests.world.server import Embedded, embedded

__all__ = ["embedded", "environment", "expected"]

RENEW = "invoke refresh --force"
KEYS = "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
CANARY = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLECANARY"


@dataclass
class There:
    """What a fault may change of a service: its files, its variables, and the AWS that it asks."""

    config: Path
    credentials: Path
    aws: Front
    endpoint: str
    variables: dict[str, str] = field(default_factory=dict)

    def refuse(self, operation: str, code: str, said: str = "", status: int = 400) -> None:
        """Have AWS refuse an operation from now on, ``*`` any."""

        def refused(asked: Asked) -> Refusal | None:
            if operation not in ("*", asked.operation):
                return before(asked)
            if asked.service == "sts":
                body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>"
                return Refusal(status, body, "text/xml")
            return Refusal(status, json.dumps({"__type": code, "message": said}))

        before, self.aws.refuse = self.aws.refuse, refused


class Fault(NamedTuple):
    """A fault, and what is to be said of it."""

    put: Callable[[There], Any]
    layer: str
    cause: str
    command: str


def profile(*lines: str) -> Callable[[There], Any]:
    """The profile's section of the configuration is these lines, and there are no keys."""

    def put(there: There) -> None:
        there.config.write_text("\n".join(("[default]", "region = eu-west-1", *lines)))
        there.credentials.write_text("")

    return put


def asks(operation: str, code: str, said: str = "", status: int = 400) -> Callable[[There], Any]:
    return lambda there: there.refuse(operation, code, said, status)


def html(there: There) -> None:
    there.aws.refuse = lambda asked: Refusal(200, "<html><body>Please log in</body></html>", "text/html")


def somebody_else(there: There) -> None:
    result = "<Arn>arn:aws:iam::123456789012:user/else</Arn><UserId>E</UserId><Account>123456789012</Account>"
    kind = "GetCallerIdentity"
    body = f"<{kind}Response><{kind}Result>{result}</{kind}Result></{kind}Response>"
    there.aws.refuse = lambda asked: Refusal(200, body, "text/xml") if asked.service == "sts" else None


def nobody(there: There) -> None:
    there.endpoint = DEAD


def variable(**variables: str) -> Callable[[There], Any]:
    return lambda there: there.variables.update(variables)


DEAD = "http://127.0.0.1:9"
SIGNATURE = "The request signature we calculated does not match.\nx-amz-security-token:" + CANARY
NOT_ALLOWED = (
    "User: arn:aws:iam::123456789012:user/u is not authorized to perform: secretsmanager:GetSecretValue on resource: "
    f"{SECRET} because no identity-based policy allows the secretsmanager:GetSecretValue action"
)
FAULTS = {
    "expired": Fault(asks("GetCallerIdentity", "ExpiredToken"), "identity-in-service", "have expired", RENEW),
    "expired everywhere": Fault(asks("*", "ExpiredToken"), "identity-in-service", "have expired", RENEW),
    "unknown key": Fault(asks("*", "InvalidClientTokenId"), "identity-in-service", "not know the access key", RENEW),
    "wrong secret key": Fault(
        asks("*", "SignatureDoesNotMatch", SIGNATURE), "identity-in-service", "does not fit its access key", RENEW
    ),
    "clock": Fault(
        asks("*", "SignatureDoesNotMatch", "Signature expired: 20261124T010000Z is now earlier than 20261124T020000Z"),
        "identity-in-service",
        "clock is wrong",
        "docker desktop restart",
    ),
    "no keys": Fault(profile(), "identity-in-service", "profile default has no credentials", RENEW),
    "half a profile": Fault(
        lambda there: there.credentials.write_text(KEYS),
        "identity-in-service",
        "only half of its credentials: aws_secret_access_key",
        RENEW,
    ),
    "broken INI": Fault(
        lambda there: there.config.write_text("[default\nregion"), "identity-in-service", "no valid AWS", RENEW
    ),
    "another profile": Fault(variable(AWS_PROFILE="dev"), "identity-in-service", "there is no profile dev", RENEW),
    "an SSO session that is not there": Fault(
        profile(
            "sso_start_url = https://x.awsapps.com/start",
            "sso_region = eu-west-1",
            "sso_account_id = 123456789012",
            "sso_role_name = R",
        ),
        "identity-in-service",
        "SSO session",
        RENEW,
    ),
    "a helper that is not installed": Fault(
        profile("credential_process = /nowhere/helper"), "identity-in-service", "cannot be read", RENEW
    ),
    "a helper that fails": Fault(
        profile("credential_process = false"), "identity-in-service", "gives no keys to profile default", RENEW
    ),
    "a helper that speaks no JSON": Fault(
        profile("credential_process = echo no"), "identity-in-service", "does not answer in JSON", RENEW
    ),
    "a role that assumes itself": Fault(
        profile(
            "role_arn = arn:aws:iam::123456789012:role/r",
            "source_profile = other",
            "[profile other]",
            "role_arn = arn:aws:iam::123456789012:role/o",
            "source_profile = default",
        ),
        "identity-in-service",
        "leads back to itself",
        RENEW,
    ),
    "nothing answers": Fault(nobody, "identity-in-service", f"no answer from {DEAD}", "# ask who runs your network"),
    "a dead proxy": Fault(
        variable(HTTP_PROXY=f"http://u:{CANARY}@127.0.0.1:9"),
        "identity-in-service",
        "the proxy does not answer",
        "grep -noE HTTP_PROXY ",
    ),
    "a login page": Fault(html, "identity-in-service", "does not answer as AWS does", "# ask who runs your network"),
    "AWS is down": Fault(asks("*", "InternalFailure", status=500), "identity-in-service", "trouble of its own", "# "),
    "AWS is busy": Fault(asks("*", "Throttling", "Rate exceeded"), "identity-in-service", "fewer calls", "# "),
    "not allowed to read": Fault(
        asks("GetSecretValue", "AccessDeniedException", NOT_ALLOWED),
        "raw-secret",
        "not allowed: secretsmanager:GetSecretValue",
        "# ask an administrator",
    ),
    "the key is not allowed": Fault(
        asks("GetSecretValue", "AccessDeniedException", "Access to KMS is not allowed"),
        "raw-secret",
        "not allowed: kms:Decrypt",
        "kms:ViaService",
    ),
    "no such entry": Fault(
        asks("GetSecretValue", "ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
        "raw-secret",
        f"{SECRET} is not there any more",
        "invoke secrets",
    ),
    "the keys of somebody else": Fault(somebody_else, "identity-in-service", "user/else, but this host is", RENEW),
    "a variable that differs": Fault(
        variable(AWS_DEFAULT_REGION="us-east-1"), "environment", "not as in .env: AWS_DEFAULT_REGION", "invoke start"
    ),
}


class Running(Service):
    """A service that tells what it has."""

    def running(self) -> Any:
        return (protocol.Service("scheduler", True, self.environment),)


@pytest.fixture
def there(embedded: Embedded, environment: dict[str, str], expected: Expected, tmp_path: Path) -> Iterator[There]:
    """A service as it should be."""
    for name in ("config", "credentials"):
        (tmp_path / name).write_text((embedded.home / ".aws" / name).read_text())
    files = {"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"}
    with front(embedded.url) as aws:
        variables = environment | {name: str(tmp_path / file) for name, file in files.items()}
        yield There(tmp_path / "config", tmp_path / "credentials", aws, aws.url, variables)


def seen(there: There, expected: Expected, environment: dict[str, str] | None = None) -> list[Check]:
    """What is found in a service whose lines of `.env` are those, or what it has."""
    lines = {name: there.variables[name] for name in expected.environment} if environment is None else environment

    delivered: Any = SimpleNamespace(
        staged=True,
        profile="default",
        directory=there.config.parent,
        config_file=there.config,
        credentials_file=there.credentials,
    )
    site = facts.site(
        Settings(endpoint_url=there.endpoint),
        runtime=Running(there.variables),
        way=SimpleNamespace(name="export"),
        delivered=delivered,
    )
    return list(ended(probing.service_checks(site, "scheduler", expected._replace(environment=lines))))


def test_a_service_without_a_fault_passes_every_layer(there: There, expected: Expected) -> None:
    assert {check.status for check in seen(there, expected)} == {"ok"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_fails_its_layer_with_its_cause_and_what_mends_it_and_all_that_needs_it_is_skipped(
    name: str, there: There, expected: Expected
) -> None:
    fault, before = FAULTS[name], dict(there.variables)
    fault.put(there)
    lines = {key: before[key] for key in expected.environment}
    found = seen(there, expected, lines if fault.layer == "environment" else None)
    (failed,) = [check for check in found if check.status not in ("ok", "skipped")]
    assert (failed.check, failed.status) == (fault.layer, "failed")
    assert fault.cause in failed.detail
    assert fault.command in failed.hint
    typed.hold(failed.hint)
    after = LAYERS[LAYERS.index(fault.layer) + 1 :]
    assert [check for check in found if check.status == "skipped"] == [
        Check(layer, "skipped", f"{fault.layer} failed") for layer in after if needs(layer, fault.layer)
    ]
    assert CANARY not in str(found)


def needs(layer: str, other: str) -> bool:
    return other in NEEDS[layer] or any(needs(each, other) for each in NEEDS[layer])


def test_of_two_faults_the_first_is_named_and_after_its_mending_the_second(there: There, expected: Expected) -> None:
    there.refuse("GetSecretValue", "AccessDeniedException", NOT_ALLOWED)
    only = there.aws.refuse
    there.refuse("GetCallerIdentity", "ExpiredToken")
    assert [check.check for check in seen(there, expected) if check.status == "failed"] == ["identity-in-service"]
    there.aws.refuse = only
    assert [check.check for check in seen(there, expected) if check.status == "failed"] == ["raw-secret"]
