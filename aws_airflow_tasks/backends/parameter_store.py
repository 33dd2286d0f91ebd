"""AWS's Parameter Store, as Airflow's ``SystemsManagerParameterStoreBackend`` reads it (the amazon provider's).

A parameter is known by its name alone: what is deleted is gone at once, and a new one of the name begins at version 1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from aws_airflow_tasks.backends.protocol import Entry, Read, pairs
from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import endpoints, profiles
from aws_airflow_tasks.world.aws import Account
from aws_airflow_tasks.world.profiles import Credentials

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

NAME = "parameter-store"
ENTRY = "parameter"
CLASS = "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend"
ARGUMENTS: frozenset[str] = frozenset()
ACTIONS = {
    "describe": ("ssm:GetParameterHistory", "ssm:ListTagsForResource"),
    "get": ("ssm:GetParameter",),
    "create": ("ssm:PutParameter", "ssm:AddTagsToResource"),
    "delete": ("ssm:DeleteParameter",),
    "batch": ("ssm:GetParameters",),
    "list": ("ssm:DescribeParameters",),
    "history": ("ssm:GetParameterHistory",),
    "replace": ("ssm:PutParameter",),
    "restore": (),
}
#: what the API calls the tiers
TIERS = {"standard": "Standard", "advanced": "Advanced", "intelligent-tiering": "Intelligent-Tiering"}


def kwargs(settings: Settings, known: Credentials) -> dict[str, str]:
    """Prefixes with the slash that every name begins with, and region; the endpoint too, for botocore before 1.31."""
    found = {
        "connections_prefix": _rooted(settings.connections_prefix),
        "variables_prefix": _rooted(settings.variables_prefix),
        "region_name": known.region,
    }
    endpoint = endpoints.of(known.endpoints, "ssm")
    return found | ({"endpoint_url": endpoint} if endpoint else {})


def _rooted(path: str) -> str:
    return f"/{path}" if path and not path.startswith("/") else path


def name(prefix: str, entry: str, sep: str = "/") -> str:
    """The name that the backend asks for; its separator is always a slash, and so is what its names begin with."""
    prefix = prefix.rstrip("/")
    return _rooted(f"{prefix}/{entry}" if prefix else entry)


def variable_name(settings: Settings) -> str:
    """The check variable's name."""
    return name(settings.variables_prefix, settings.check_variable)


def connection_name(settings: Settings) -> str:
    """The check connection's name."""
    return name(settings.connections_prefix, settings.check_connection)


def look(name: str, account: Account) -> str:
    """The command that shows what an entry is, without its value."""
    command = sh("aws ssm describe-parameters --parameter-filters {}", f"Key=Name,Values={name}")
    return command + profiles.options(account.credentials, account.settings)


def read(name: str) -> Read:
    """One call; ``WithDecryption`` makes no difference to what is not encrypted."""
    return Read("ssm", "get_parameter", {"Name": name, "WithDecryption": True}, ("Parameter", "Value"))


def describe(account: Account, name: str) -> Entry | None:
    """An entry without its value (two calls); None when there is none.

    Its history has its key and its tier, and asks for it alone: ``DescribeParameters`` lags, and asks for all of them.
    """
    client = _client(account)
    with _explained(account, name):
        try:
            pages = client.get_paginator("get_parameter_history").paginate(Name=name, WithDecryption=False)
            newest = [each for page in pages for each in page["Parameters"]][-1]
            tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        except (client.exceptions.ParameterNotFound, client.exceptions.InvalidResourceId):
            return None
    tier = newest.get("Tier", "Standard").lower()
    return Entry(name, name, {tag["Key"]: tag["Value"] for tag in tags}, key=newest.get("KeyId", ""), tier=tier)


def get(account: Account, name: str) -> str | None:
    """An entry's value; None when there is none."""
    client = _client(account)
    with _explained(account, name):
        try:
            return client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        except client.exceptions.ParameterNotFound:
            return None


def create(account: Account, name: str, value: str, tags: Mapping[str, str]) -> str:
    """Create an encrypted entry and return its name. Raises TaskError when there is one."""
    client, settings = _client(account), account.settings
    chosen: Any = {"KeyId": settings.kms_key} if settings.kms_key else {}
    chosen |= {"Tier": TIERS[settings.tier]} if settings.tier else {}
    with _explained(account, name):
        try:
            client.put_parameter(Name=name, Value=value, Type="SecureString", Tags=pairs(tags), **chosen)
        except client.exceptions.ParameterAlreadyExists:
            said = f"parameter {name} has just been created by someone else"
            raise TaskError(said, hint="invoke secrets") from None
    return name


def tag(account: Account, entry_id: str, tags: Mapping[str, str]) -> None:
    """Give an entry these tags, whatever others it has."""
    with _explained(account, entry_id):
        _client(account).add_tags_to_resource(ResourceType="Parameter", ResourceId=entry_id, Tags=pairs(tags))


def delete(account: Account, entry_id: str) -> None:
    """Delete an entry, by its name: nothing restores it; one that is gone already is fine."""
    client = _client(account)
    with _explained(account, entry_id), contextlib.suppress(client.exceptions.ParameterNotFound):
        client.delete_parameter(Name=entry_id)


def scheduled(account: Account, name: str) -> TaskError:
    """Nothing is ever scheduled for deletion here."""
    return TaskError(f"there is no parameter {name} any more", hint=look(name, account))


def _client(account: Account) -> SSMClient:
    client: SSMClient = account.client("ssm")
    return client


def _explained(account: Account, name: str) -> AbstractContextManager[None]:
    return account.explained(f"arn:{account.partition}:ssm:{account.credentials.region}:*:parameter{name}")
