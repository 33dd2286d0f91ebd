"""What AWS must allow for a call that it denied, and who can: the statement that mends it, or why none does.

AWS names the kind of policy that denied: a missing Allow is mended in that kind alone, and none beats an explicit deny
(https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from aws_airflow_tasks.text.hints import note

#: by the kind of policy, as AWS has it, who keeps that
_KEEPERS = {
    "service control policy": "the administrator of your AWS organization",
    "resource control policy": "the administrator of your AWS organization",
    "permissions boundary": "who set your permissions boundary",
    "session policy": "who made the role or the permission set that you log in with",
    "VPC endpoint policy": "who keeps the VPC endpoint",
    "resource-based policy": "the owner of that resource",
}
#: what AWS says where it is the key that is not allowed, and does not say what of it
_OF_KEY = r"Access to KMS is not allowed|[Cc]iphertext refers to|\bKMS key\b"
#: what an operation does with the key of an entry (Secrets Manager's and Parameter Store's manuals), else it decrypts
_WITH_KEY: dict[str, tuple[str, ...]] = {
    "CreateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
    "PutSecretValue": ("kms:GenerateDataKey", "kms:Decrypt"),
    "UpdateSecret": ("kms:GenerateDataKey", "kms:Decrypt"),
    "PutParameter": ("kms:Encrypt", "kms:GenerateDataKey"),
}


def words(operation: str, said: str, resources: Sequence[str], region: str, key: Callable[[], str]) -> dict[str, str]:
    """The fields of a denial's row: what was denied, on what and why, and what mends it.

    Args:
        operation: the API's name of the call; empty: not known.
        said: AWS's message.
        resources: the ARNs, or patterns of them, by which AWS judges what the call was about; ``*``: not known.
        region: the region asked, or empty.
        key: asks for the KMS key of what the call was about, in any of its names; empty: not known.
    """
    who = _found(r"User: (arn:\S+)", said)
    named = _found(r"not authorized to perform: ([\w-]+:\w+)", said)
    on = _found(r"on resource: (\S+?)[,.]?(?=\s|$)", said)
    actions: Sequence[str] = (named or f"{service(operation, resources)}:{operation or '*'}",)
    condition: dict[str, Any] = {}
    if not named and re.search(_OF_KEY, said):
        actions, (resources, condition) = _WITH_KEY.get(operation, ("kms:Decrypt",)), _of_key(key(), resources)
    elif on.startswith("arn:"):
        resources = (on,)
    elif on and not _are_arns(resources):  # AWS repeats a name as it was asked for, and that is no ARN
        resources = _arns(on, actions[0], region, who)
    lacking = _found(r"because no ([\w -]+?) allows", said)
    denying = _found(r"with an explicit deny in an? ([\w -]*\w)", said)
    statement = {"Effect": "Allow", "Action": _one(actions), "Resource": _one(resources)} | condition
    policy = _found(r"with an explicit deny in [^:]+: (arn:\S+)", said)
    return {
        "operation": operation,
        "action": " and ".join(actions),
        "resource": resources[0],
        "why": _why(lacking, denying),
        "cure": _except(denying, policy, who) if denying else _allow(lacking, statement, who),
    }


def _found(pattern: str, said: str) -> str:
    match = re.search(pattern, said)
    return match[1] if match else ""


def _why(lacking: str, denying: str) -> str:
    if denying:
        return f" (an explicit deny in {'an' if denying[0] in 'aei' else 'a'} {denying})"
    return f" (no {lacking} allows it)" if lacking else ""


def _except(kind: str, policy: str, who: str) -> str:
    which = f"that {kind}, {policy}," if policy else f"that {kind}"
    return note(f"no Allow beats a deny: ask {_keeper(kind, who)} to change {which} or to say when it does not apply")


def _allow(kind: str, statement: dict[str, Any], who: str) -> str:
    if kind == "resource-based policy" and who:
        statement = {"Effect": "Allow", "Principal": {"AWS": who}} | statement
    place = f"in the {kind}" if kind in _KEEPERS else f"to {who}" if who else "to you"
    return note(f"ask {_keeper(kind, who)} to allow it {place}: {json.dumps(statement)}")


def _keeper(kind: str, who: str) -> str:
    account = _parts(who)[4] if who else ""
    of_account = f"an administrator of AWS account {account}" if account else "an administrator of your AWS account"
    return _KEEPERS.get(kind, of_account)


def _parts(arn: str) -> list[str]:
    """An ARN's six parts; a star for each that it has not."""
    return [part or "*" for part in [*arn.split(":", 5), *[""] * 6][:6]]


def _arns(name: str, action: str, region: str, who: str) -> Sequence[str]:
    """The ARNs of an entry of that name, in the account and the part of AWS of who asked."""
    _, partition, _, _, account, _ = _parts(who or "arn:aws")
    where = region if re.fullmatch(r"[a-z]+(-[a-z]+)+-\d+", region) else "*"
    of, _, _ = action.partition(":")
    if of == "ssm":
        return (f"arn:{partition}:ssm:{where}:{account}:parameter/{name.lstrip('/')}",)
    if of == "secretsmanager":  # six more characters where it is there, none where it is not
        form = f"arn:{partition}:secretsmanager:{where}:{account}:secret:{name}"
        return (form, f"{form}-??????")
    return ("*",)


def _of_key(key: str, resources: Sequence[str]) -> tuple[Sequence[str], dict[str, Any]]:
    """The ARN of a key, and the condition that narrows a pattern of it: an alias is no resource of a policy."""
    if key.startswith("arn:") and ":alias/" not in key:
        return (key,), {}
    _, partition, of, region, account, _ = _parts(resources[0] if _are_arns(resources) else "arn:aws")
    form, name = f"arn:{partition}:kms:{region}:{account}:key/", key.rpartition(":")[2]
    if name and not name.startswith("alias/"):
        return (form + name,), {}
    if name:
        return (f"{form}*",), {"Condition": {"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}}}
    via = {"Condition": {"StringEquals": {"kms:ViaService": f"{of}.{region}.amazonaws.com"}}}
    return (f"{form}*",), via if "*" not in (of, region) else {}


def service(operation: str, resources: Sequence[str]) -> str:
    """The service that was asked, as ARNs have it."""
    asked = _parts(resources[0])[2] if _are_arns(resources) else "secretsmanager"
    return {"GetCallerIdentity": "sts", "AssumeRole": "sts", "DescribeKey": "kms"}.get(operation, asked)


def _are_arns(resources: Sequence[str]) -> bool:
    return resources[0].startswith("arn:")


def _one(names: Sequence[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)
