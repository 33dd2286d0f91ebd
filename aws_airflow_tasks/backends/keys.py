"""Whether two names of a KMS key are names of the same one."""

from __future__ import annotations

from typing import Any

from aws_airflow_tasks.world.aws import Account


def same(account: Account, one: str, other: str) -> bool:
    """Whether two names (an id, an alias, an ARN of either) are of one key; where one is an alias, AWS is asked."""
    short, other_short = _short(one), _short(other)
    if short == other_short:
        return one == other or not (one.startswith("arn:") and other.startswith("arn:"))
    if not (short.startswith("alias/") or other_short.startswith("alias/")):
        return False
    return _id(account, one) == _id(account, other)


def _short(name: str) -> str:
    return name.rpartition(":")[2].removeprefix("key/")


def _id(account: Account, name: str) -> str:
    client: Any = account.client("kms")
    with account.explained(name if name.startswith("arn:") else "*"):
        return str(client.describe_key(KeyId=name)["KeyMetadata"]["KeyId"])
