"""What AWS refuses of names, values and batches where moto does not, as AWS's own pages have it; no code of ours.

``CreateSecret``, ``BatchGetSecretValue`` (Secrets Manager's API reference); ``PutParameter``, ``GetParameters``,
``DescribeParameters`` (Systems Manager's).
"""

from __future__ import annotations

import re
import string
from typing import Any

#: an error: its HTTP status, code and message
Refusal = tuple[int, str, str]
ALNUM = set(string.ascii_letters + string.digits)


def limits(operation: str, body: dict[str, Any]) -> Refusal | None:
    """The error that AWS would answer with; None: it would take the call."""
    said = RULES[operation](body) if operation in RULES else ""
    return (400, "ValidationException", said) if said else None


def _batch(key: str, most: int) -> Any:
    def rule(body: dict[str, Any]) -> str:
        count = len(body.get(key, [0]))
        return "" if 1 <= count <= most else f"{key}: Member must have length between 1 and {most}"

    return rule


def _secret(body: dict[str, Any]) -> str:
    name, text = body.get("Name"), body.get("SecretString")
    if name is not None and (set(name) - ALNUM - set("/_+=.@-") or not 0 < len(name) <= 512):
        return (
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"
        )
    if name is not None and name[:4].lower() == "aws/":
        return "Invalid name: aws/ is reserved"
    if text is not None and not 0 < len(text.encode("utf-8", "surrogatepass")) <= 65_536:
        return "secretString: Member must have length between 1 and 65536"
    return ""


def _parameter(body: dict[str, Any]) -> str:
    name, value, tier = body["Name"], body["Value"], body.get("Tier", "Standard")
    *before, last = name.split("/")
    if "Tags" in body and body.get("Overwrite"):
        return "Invalid request: tags and overwrite can't be used together."
    if set(name) - ALNUM - set("/_.-") or not last or (before and (before[0] or not all(before[1:]))):
        return (
            "Parameter name must be a fully qualified name of a mix of letters, numbers and the following 3 symbols .-_"
        )
    if name.lower().lstrip("/").startswith(("aws", "ssm")):
        return 'Parameter name: can\'t be prefixed with "aws" or "ssm" (case-insensitive).'
    if len(before) > 15:
        return "A hierarchy can have a maximum of 15 levels."
    if len(f"arn:aws:ssm:eu-west-1:123456789012:parameter{name}") > 1011:
        return "Parameter name is too long"
    if not value:
        return f"1 validation error detected: Value '{value}' at 'value' failed to satisfy constraint: length >= 1"
    if "{{" in value and "}}" in value.split("{{", 1)[1]:
        return 'Parameter value can\'t nest another parameter. Do not use "{{}}" in the value.'
    if len(value.encode("utf-8", "surrogatepass")) > (4096 if tier == "Standard" else 8192):
        return f"{tier} tier parameters support a maximum parameter value of 4096 characters."
    if not re.fullmatch(r"[a-zA-Z0-9:/_-]{1,256}", body.get("KeyId", "x")):
        return "keyId: Member must satisfy regular expression pattern: ^([a-zA-Z0-9:/_-]+)$"
    return ""


def _page(body: dict[str, Any]) -> str:
    return "" if body.get("MaxResults", 10) <= 50 else "maxResults: Member must have value less than or equal to 50"


RULES = {
    "BatchGetSecretValue": _batch("SecretIdList", 20),
    "CreateSecret": _secret,
    "PutSecretValue": _secret,
    "GetParameters": _batch("Names", 10),
    "DeleteParameters": _batch("Names", 10),
    "PutParameter": _parameter,
    "DescribeParameters": _page,
}
