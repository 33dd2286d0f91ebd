"""Runs in Airflow's virtual environment: what the real backend makes of arguments, each a text of standard input."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

ENTRY = "aws_airflow_check"
CONNECTION = {"conn_type": "http", "host": "the-host", "login": "check", "password": "p"}


class Asked:
    """Stands where AWS's client would: notes the names that are asked for, and has them all."""

    class exceptions:  # noqa: N801
        ResourceNotFoundException = InvalidParameterException = InvalidRequestException = LookupError
        DecryptionFailure = InternalServiceError = LookupError

    def __init__(self) -> None:
        self.names: list[str] = []

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803
        self.names.append(SecretId)
        return {"SecretString": json.dumps(CONNECTION)}

    def get_parameter(self, Name: str, WithDecryption: bool) -> dict[str, dict[str, str]]:  # noqa: N803
        assert WithDecryption
        self.names.append(Name)
        return {"Parameter": {"Value": json.dumps(CONNECTION)}}


def outcome(text: str) -> list[Any]:
    """Region, endpoint, access key, the names that are asked for, the connection's host; or the error."""
    from airflow.configuration import get_custom_secret_backend

    os.environ["AIRFLOW__SECRETS__BACKEND_KWARGS"] = text
    try:
        backend = get_custom_secret_backend()
        client = backend.client
        found = [client.meta.region_name, client.meta.endpoint_url, client._request_signer._credentials.access_key]
        backend.__dict__["client"] = asked = Asked()
        connection = backend.get_connection(ENTRY)
        backend.get_variable(ENTRY)
    except Exception as error:  # every library error is an answer here
        return [type(error).__name__]
    return [*found, *asked.names, connection and connection.host]


if __name__ == "__main__":
    print(json.dumps([outcome(text) for text in json.load(sys.stdin)]))
