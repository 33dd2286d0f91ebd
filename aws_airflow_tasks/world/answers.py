"""What an answer of AWS's must hold: one that lacks it comes from something else there, such as a portal.

botocore takes a page of HTML for an answer in which everything is left out, and stumbles over what is no object at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

#: by botocore's name of an answer what is read of it and AWS always sends: the way to it, ``[]`` of each in a list
NEEDED: Mapping[str, tuple[str, ...]] = {
    "GetCallerIdentityResponse": ("Account", "Arn", "UserId"),
    "AssumeRoleResponse": ("Credentials.AccessKeyId", "Credentials.SecretAccessKey", "Credentials.Expiration"),
    "AssumeRoleWithWebIdentityResponse": ("Credentials.AccessKeyId", "Credentials.SecretAccessKey"),
    "GetRoleCredentialsResponse": ("roleCredentials.accessKeyId", "roleCredentials.secretAccessKey"),
    "DescribeSecretResponse": ("ARN", "Name"),
    "GetSecretValueResponse": ("Name", "VersionId"),
    "BatchGetSecretValueResponse": ("SecretValues[].Name", "SecretValues[].VersionId"),
    "ListSecretsResponse": ("SecretList[].ARN", "SecretList[].Name"),
    "ListSecretVersionIdsResponse": ("Versions[].VersionId",),
    "CreateSecretResponse": ("ARN", "VersionId"),
    "PutSecretValueResponse": ("VersionId",),
    "GetParameterResult": ("Parameter.Version", "Parameter.Value"),
    "GetParametersResult": ("Parameters[].Name", "Parameters[].Version", "Parameters[].Value"),
    "GetParameterHistoryResult": ("Parameters[].Name", "Parameters[].Version", "Parameters[].LastModifiedDate"),
    "DescribeParametersResult": ("Parameters[].Name", "Parameters[].LastModifiedDate"),
    "ListTagsForResourceResult": ("TagList[].Key", "TagList[].Value"),
    "PutParameterResult": ("Version",),
}

#: how a page begins, such as a network's login: it would pass for an answer with nothing in it
_PAGE = rb"(?i)\s*<(!doctype\s+html|html)\b"


def strict(parser: Any, no_answer: type[Exception]) -> Any:
    """A parser of botocore's that raises ``no_answer`` at what is none of AWS's."""
    parse = parser.parse

    def parsed(response: Mapping[str, Any], shape: Any) -> Any:
        try:
            found = parse(response, shape)
        except no_answer:
            raise
        except Exception as error:  # whatever a parser stumbles over; its text may be the body
            raise no_answer(type(error).__name__) from None
        if response["status_code"] < 300 and re.match(_PAGE, response["body"]):
            raise no_answer("a page of HTML")
        if response["status_code"] < 300 and (lacks := lacking(shape.name if shape else "", found)):
            raise no_answer(f"it has no {lacks}")
        return found

    parser.parse = parsed
    return parser


def lacking(name: str, answer: Mapping[str, Any]) -> str:
    """What an answer must hold and does not; empty: nothing.

    Args:
        name: botocore's for this kind of answer.
        answer: as botocore has parsed it.
    """
    return next((way for way in NEEDED.get(name, ()) if not _holds(answer, way)), "")


def _holds(found: Any, way: str) -> bool:
    key, _, rest = way.partition(".")
    value = found.get(key.removesuffix("[]")) if isinstance(found, Mapping) else None
    if key.endswith("[]"):
        return isinstance(value, list) and all(_holds(each, rest) for each in value)
    return value is not None and (not rest or _holds(value, rest))
