"""What the settings say of entries that we create: their key, their tier and their tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_airflow_tasks.backends.protocol import Entry
from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.settings import ENVIRONMENT_PREFIX, tagged
from aws_airflow_tasks.world.aws import Account


def same(account: Account, one: str, other: str) -> bool:
    """Whether two names (an id, an alias, an ARN of either) are of one key; where one is an alias, AWS is asked."""
    short, other_short = _short(one), _short(other)
    if short == other_short:
        return one == other or not (one.startswith("arn:") and other.startswith("arn:"))
    if not (short.startswith("alias/") or other_short.startswith("alias/")):
        return False
    return _id(account, one) == _id(account, other)


def tags(account: Account, ours: Mapping[str, str]) -> dict[str, str]:
    """The person's tags and ours, of which theirs cannot take the place."""
    return tagged(account.settings.tags) | dict(ours)


def differing(account: Account, found: Entry, *, rewritten: bool = False) -> str:
    """The setting, ``kms_key`` or ``tier``, that an entry is not as; empty: none.

    Args:
        account: access to AWS.
        found: the entry.
        rewritten: whether it is to get another value: then a standard one may become an advanced one.
    """
    key, tier, either = account.settings.kms_key, account.settings.tier, {"standard", "advanced"}
    if key and not same(account, key, found.key):
        return "kms_key"
    return "tier" if {tier, found.tier} == either and not (rewritten and tier == "advanced") else ""


def conflict(account: Account, what: str, found: Entry, setting: str) -> TaskError:
    """The error of an entry that is not as ``setting`` says, with the command that agrees with it."""
    has, wanted = {"kms_key": found.key, "tier": found.tier}[setting], getattr(account.settings, setting)
    agree = sh(f"{ENVIRONMENT_PREFIX}{setting.upper()}={{}}", has)
    return TaskError(f"{what} {found.name} has the {setting} {has}, wanted {wanted}", hint=f"export {agree}")


def _short(name: str) -> str:
    return name.rpartition(":")[2].removeprefix("key/")


def _id(account: Account, name: str) -> str:
    client: Any = account.client("kms")
    owner, known = account.identity.account if account.identity else "*", "alias/" not in name
    form = f"arn:{account.partition}:kms:{account.credentials.region}:{owner}:key/{_short(name) if known else '*'}"
    with account.explained(name if known and name.startswith("arn:") else form):
        return str(client.describe_key(KeyId=name)["KeyMetadata"]["KeyId"])
