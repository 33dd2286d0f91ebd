"""AWS Secrets Manager, as Airflow's ``SecretsManagerBackend`` reads it (apache-airflow-providers-amazon)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from aws_airflow_tasks.backends.protocol import Entry, Read
from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import endpoints, profiles
from aws_airflow_tasks.world.aws import Account
from aws_airflow_tasks.world.profiles import Credentials

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

NAME = "secrets-manager"
ENTRY = "secret"
CLASS = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
ACTIONS = {
    "read": ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
    "create": ("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
    "delete": ("secretsmanager:DeleteSecret",),
}


def kwargs(settings: Settings, known: Credentials) -> dict[str, str]:
    """Prefixes and region; the endpoint too, as botocore before 1.31 ignores ``AWS_ENDPOINT_URL``."""
    found = {
        "connections_prefix": settings.connections_prefix,
        "variables_prefix": settings.variables_prefix,
        "region_name": known.region,
    }
    endpoint = endpoints.of(known.endpoints, "secretsmanager")
    return found | ({"endpoint_url": endpoint} if endpoint else {})


def name(prefix: str, entry: str, sep: str = "/") -> str:
    """The SecretId that the backend asks for (the provider's ``build_path``): without a prefix it is the key itself."""
    prefix = prefix.rstrip(sep) if sep else prefix
    return f"{prefix}{sep}{entry}" if prefix else entry


def variable_name(settings: Settings) -> str:
    """The check variable's SecretId."""
    return name(settings.variables_prefix, settings.check_variable)


def connection_name(settings: Settings) -> str:
    """The check connection's SecretId."""
    return name(settings.connections_prefix, settings.check_connection)


def look(name: str, account: Account) -> str:
    """The command that shows what an entry is, without its value."""
    return sh("aws secretsmanager describe-secret --secret-id {}", name) + profiles.options(
        account.credentials, account.settings
    )


def read(name: str) -> Read:
    """One call; a binary secret has no such key."""
    return Read("secretsmanager", "get_secret_value", {"SecretId": name}, ("SecretString",))


def describe(account: Account, name: str) -> Entry | None:
    """An entry without its value, pending deletion included; None when there is none."""
    client = _client(account)
    with _explained(account, name):
        try:
            found = client.describe_secret(SecretId=name)
        except client.exceptions.ResourceNotFoundException:
            return None
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    return Entry(found["ARN"], found["Name"], tags, "DeletedDate" in found)


def get(account: Account, name: str) -> str | None:
    """An entry's value; None when there is none or it is binary: Airflow sees neither."""
    client = _client(account)
    with _explained(account, name), _scheduled(account, name):
        try:
            return client.get_secret_value(SecretId=name).get("SecretString")
        except client.exceptions.ResourceNotFoundException:
            return None


def create(account: Account, name: str, value: str, tags: Mapping[str, str]) -> str:
    """Create an entry and return its ARN. Raises TaskError when there is one, or one is scheduled for deletion."""
    client = _client(account)
    with _explained(account, name), _scheduled(account, name):
        try:
            made = client.create_secret(
                Name=name, SecretString=value, Tags=[{"Key": key, "Value": text} for key, text in tags.items()]
            )
        except client.exceptions.ResourceExistsException:
            found = describe(account, name)
            raise scheduled(account, name) if found and found.pending_deletion else _made_meanwhile(name) from None
        return made["ARN"]


def delete(account: Account, entry_id: str) -> None:
    """Delete an entry, by its ARN, with no recovery window; one that is gone already is fine."""
    client = _client(account)
    with _explained(account, entry_id), contextlib.suppress(client.exceptions.ResourceNotFoundException):
        client.delete_secret(SecretId=entry_id, ForceDeleteWithoutRecovery=True)


def scheduled(account: Account, name: str) -> TaskError:
    """The error of an entry whose deletion is scheduled: it is there, and Airflow does not see it."""
    options = profiles.options(account.credentials, account.settings)
    hint = sh("aws secretsmanager restore-secret --secret-id {}", name) + options
    return TaskError(f"secret {name} is scheduled for deletion", hint=hint)


def _client(account: Account) -> SecretsManagerClient:
    client: SecretsManagerClient = account.client("secretsmanager")
    return client


def _explained(account: Account, name: str) -> AbstractContextManager[None]:
    return account.explained(f"arn:{account.partition}:secretsmanager:{account.credentials.region}:*:secret:{name}-*")


@contextlib.contextmanager
def _scheduled(account: Account, name: str) -> Iterator[None]:
    """AWS says "marked for deletion" in the words of an invalid request."""
    try:
        yield
    except _client(account).exceptions.InvalidRequestException as error:
        if "delet" not in str(error):
            raise
        raise scheduled(account, name) from None


def _made_meanwhile(name: str) -> TaskError:
    return TaskError(f"secret {name} has just been created by someone else", hint="invoke secrets")
