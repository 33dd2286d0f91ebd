"""What a probe that runs in a service says of an error, by the very text that runs there."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from aws_airflow_tasks.steps import probing


def data(error: BaseException) -> dict[str, Any]:
    """The error as data, as the service prints it and this host reads it."""
    there: dict[str, Any] = {}
    exec(probing._script("told"), there)
    return dict(json.loads(json.dumps(there["told"](error))))


def refused(code: str, said: str = "", operation: str = "GetCallerIdentity", status: int = 400) -> ClientError:
    """An answer of AWS's."""
    answer: Any = {"Error": {"Code": code, "Message": said}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)
