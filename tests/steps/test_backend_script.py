"""What runs beside Airflow's scheduler asks its backend, which takes some of AWS's refusals for "there is none"."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from aws_airflow_tasks.steps import probing

ASK = {"variable": "v", "connection": "c"}


class Backend:
    """As the amazon provider's: what AWS refuses it is not there."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        def answered(**_: Any) -> AWSResponse:
            raw: Any = SimpleNamespace(stream=lambda: iter([json.dumps(answer).encode()]), read=io.BytesIO().read)
            return AWSResponse("http://aws.test", status, {}, raw)

        session = boto3.Session(aws_access_key_id="AKIA", aws_secret_access_key="x", region_name="eu-west-1")
        self.client = session.client("secretsmanager")
        self.client.meta.events.register("before-send", answered)

    def get_variable(self, key: str) -> str | None:
        try:
            return str(self.client.get_secret_value(SecretId=key)["SecretString"])
        except ClientError:
            return None

    def get_connection(self, key: str) -> Any:
        text = self.get_variable(key)
        return text and SimpleNamespace(host=text)


def asked(backend: Any) -> dict[str, Any]:
    """What the script says of a backend, by the very text that runs there."""
    there: dict[str, Any] = {}
    exec(probing._script("told") + probing._script("backend").rpartition("\ndef main")[0], there)
    return dict(json.loads(json.dumps(there["asked"](backend, ASK))))


@pytest.mark.parametrize("code", ["DecryptionFailure", "InvalidRequestException", "ResourceNotFoundException"])
def test_what_aws_refuses_a_backend_that_says_no_more_than_that_there_is_none_is_told(code: str) -> None:
    found = asked(Backend(400, {"__type": code, "message": "why"}))
    for kind in ASK:
        error = found[kind]["error"]
        assert (error["code"], error["said"], error["operation"]) == (code, "why", "GetSecretValue")


def test_what_is_found_is_found_and_a_backend_without_a_client_says_what_it_says() -> None:
    found = asked(Backend(200, {"SecretString": "text"}))
    assert (found["connection"], set(found["variable"])) == ({"value": "text"}, {"value"})
    own = SimpleNamespace(get_variable=lambda key: None, get_connection=lambda key: None)
    assert [asked(own)[kind] for kind in ASK] == [{"value": None}] * 2
