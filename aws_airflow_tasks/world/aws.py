"""AWS itself, through boto3: who we are, and the secrets of the backend. Errors become :class:`TaskError` here."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import profiles, sessions
from aws_airflow_tasks.world.causes import Unreachable, explained, profile_option
from aws_airflow_tasks.world.profiles import Credentials

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_secretsmanager import SecretsManagerClient

#: asked for the identity where no region is set: STS answers the same everywhere
ANY_REGION = "us-east-1"


class Identity(NamedTuple):
    """Who AWS says we are.

    Attributes:
        account: the account's number.
        arn: the user's or assumed role's ARN.
        user_id: its unique id.
        expiry: seconds since the epoch at which the credentials used end; None: they do not.
    """

    account: str
    arn: str
    user_id: str
    expiry: float | None = None


class Secret(NamedTuple):
    """An entry of Secrets Manager, without its value.

    Attributes:
        arn: its ARN.
        name: its name.
        tags: its tags.
        pending_deletion: whether it is scheduled for deletion, and so looks absent to the backend.
    """

    arn: str
    name: str
    tags: Mapping[str, str]
    pending_deletion: bool


class Account:
    """A profile's access to AWS: one session, and what the configuration says of it. No call is made by making one.

    Attributes:
        credentials: what the configuration says.
        settings: those it was made from.
    """

    def __init__(self, settings: Settings) -> None:
        made = sessions.session(settings)
        self.settings = settings
        self.credentials: Credentials = profiles.read(made, settings, os.environ)
        self._core = made

    @functools.cached_property
    def session(self) -> boto3.Session:
        """The boto3 session, in the credentials' region."""
        import boto3

        return boto3.Session(botocore_session=self._core, region_name=self.credentials.region or None)

    @functools.cached_property
    def secrets(self) -> SecretsManagerClient:
        """The Secrets Manager client."""
        with self.explained():
            return self.session.client("secretsmanager")

    @contextmanager
    def explained(self, name: str = "") -> Iterator[None]:
        """Turn the errors of a call, about the secret ``name``, into :class:`TaskError`."""
        resource = f"arn:aws:secretsmanager:{self.credentials.region}:*:secret:{name}-*" if name else "*"
        with explained(profiles.subject(self.credentials, self.settings, resource)):
            yield


def connect(settings: Settings) -> Account:
    """Access to AWS with the profile, region and endpoint of ``settings``; nothing is asked yet.

    Raises:
        TaskError: the configuration is broken or has no such profile.
    """
    return Account(settings)


def caller_identity(account: Account) -> Identity:
    """Ask STS who we are (one call).

    Raises:
        Unreachable: AWS does not answer.
        LoginNeeded: there are no credentials, or a session is over.
        TaskError: AWS refuses them.
    """
    region = account.credentials.region or ANY_REGION
    try:
        with account.explained(), _parsed():
            answer = account.session.client("sts", region_name=region).get_caller_identity()
            expires = getattr(account.session.get_credentials(), "_expiry_time", None)
    except Unreachable:
        if account.settings.endpoint_url or _is_region(account, region):
            raise
        hint = f"aws configure set region eu-west-1{profile_option(account.credentials.profile)}"
        raise TaskError(f"AWS has no region {region} (from {account.credentials.region_origin})", hint=hint) from None
    return Identity(answer["Account"], answer["Arn"], answer["UserId"], expires.timestamp() if expires else None)


def _is_region(account: Account, region: str) -> bool:
    """Whether botocore knows the region; only asked after silence, as a region may be newer than botocore."""
    session = account.session
    return any(region in session.get_available_regions("ec2", each) for each in session.get_available_partitions())


def describe_secret(account: Account, name: str) -> Secret | None:
    """An entry without its value, pending deletion included; None when there is none.

    Raises:
        TaskError: AWS refuses or does not answer (:class:`Unreachable`).
    """
    with account.explained(name), _absent_as_none():
        found = account.secrets.describe_secret(SecretId=name)
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
        return Secret(found["ARN"], found["Name"], tags, "DeletedDate" in found)
    return None


def get_secret(account: Account, name: str) -> str | None:
    """An entry's value; None when there is none or it is binary: the backend sees neither.

    Raises:
        TaskError: AWS refuses or does not answer, or the entry is scheduled for deletion.
    """
    with account.explained(name), _absent_as_none(), _scheduled(name):
        return account.secrets.get_secret_value(SecretId=name).get("SecretString")
    return None


def create_secret(account: Account, name: str, value: str, tags: Mapping[str, str]) -> str:
    """Create an entry and return its ARN.

    Raises:
        TaskError: AWS refuses or does not answer, there is one, or one of this name is scheduled for deletion.
    """
    with account.explained(name), _scheduled(name):
        try:
            made = account.secrets.create_secret(
                Name=name, SecretString=value, Tags=[{"Key": key, "Value": text} for key, text in tags.items()]
            )
        except account.secrets.exceptions.ResourceExistsException:
            found = describe_secret(account, name)
            raise _pending(name) if found and found.pending_deletion else _made_meanwhile(name) from None
        return made["ARN"]


def put_secret(account: Account, arn: str, value: str) -> None:
    """Give an entry a new value.

    Raises:
        TaskError: AWS refuses or does not answer.
    """
    with account.explained(arn), _scheduled(arn):
        account.secrets.put_secret_value(SecretId=arn, SecretString=value)


def delete_secret(account: Account, arn: str) -> None:
    """Delete an entry for good, with no recovery window; one that is gone already is fine.

    Raises:
        TaskError: AWS refuses or does not answer.
    """
    with account.explained(arn), _absent_as_none():
        account.secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


@contextmanager
def _absent_as_none() -> Iterator[None]:
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if _code(error) != "ResourceNotFoundException":
            raise


@contextmanager
def _scheduled(name: str) -> Iterator[None]:
    """AWS says "marked for deletion" in the words of an invalid request."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if _code(error) != "InvalidRequestException" or "delet" not in str(error):
            raise
        raise _pending(name) from None


def _pending(name: str) -> TaskError:
    hint = f"aws secretsmanager restore-secret --secret-id '{name}'"
    return TaskError(f"secret {name} is scheduled for deletion", hint=hint)


def _made_meanwhile(name: str) -> TaskError:
    return TaskError(f"secret {name} has just been created by someone else", hint="invoke secrets")


@contextmanager
def _parsed() -> Iterator[None]:
    """An answer of 200 that is no answer of STS makes botocore's parser stumble over a missing key."""
    from botocore.parsers import ResponseParserError

    try:
        yield
    except KeyError as error:
        raise ResponseParserError(str(error)) from None


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
