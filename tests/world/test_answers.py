"""What an answer of AWS's must hold, and that what is read of one is among it."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from aws_airflow_tasks.world import answers, sessions
from tests.world.front import Refusal, front

#: by botocore's name of an answer one that holds what it must
WHOLE: dict[str, dict[str, Any]] = {
    "GetCallerIdentityResponse": {"Account": "1", "Arn": "a", "UserId": "u"},
    "GetParameterResult": {"Parameter": {"Version": 0, "Value": ""}},
    "ListSecretsResponse": {"SecretList": [{"ARN": "a", "Name": "n"}, {"ARN": "b", "Name": "m"}]},
    "BatchGetSecretValueResponse": {"SecretValues": []},
}


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_that_holds_what_it_must_lacks_nothing_whatever_else_is_in_it(name: str) -> None:
    assert answers.lacking(name, WHOLE[name] | {"More": 1}) == ""
    assert answers.lacking("SomethingElseResponse", {}) == ""


@pytest.mark.parametrize(
    ("name", "answer", "lacks"),
    [
        ("GetCallerIdentityResponse", {}, "Account"),
        ("GetParameterResult", {"Parameter": {"Version": 1}}, "Parameter.Value"),
        ("ListSecretsResponse", {"SecretList": [{"ARN": "a", "Name": "n"}, {"ARN": "b"}]}, "SecretList[].Name"),
        ("BatchGetSecretValueResponse", {"SecretValues": None}, "SecretValues[].Name"),
    ],
)
def test_what_an_answer_lacks_is_named(name: str, answer: dict[str, Any], lacks: str) -> None:
    assert answers.lacking(name, answer) == lacks


def test_every_name_is_one_of_botocores_and_so_is_every_way_in_it() -> None:
    session = Session()
    shapes = {
        model.output_shape.name: model.output_shape
        for service in ("sts", "sso", "secretsmanager", "ssm")
        for each in (session.get_service_model(service),)
        for model in map(each.operation_model, each.operation_names)
        if model.output_shape
    }
    for name, ways in answers.NEEDED.items():
        for way in ways:
            shape = shapes[name]
            for key in way.split("."):
                shape = shape.members[key.removesuffix("[]")]
                shape = shape.member if key.endswith("[]") else shape


@pytest.mark.parametrize("body", ["<html/>", "[]", "null", "", "[" * 100_000])
def test_a_client_raises_one_error_at_what_is_no_answer_and_a_refusal_stays_one(body: str) -> None:
    made = Session()
    sessions._take_answers_alone(made)
    with front("http://127.0.0.1:9") as before:
        given = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "endpoint_url": before.url}
        client: Any = boto3.Session(botocore_session=made).client("secretsmanager", "eu-west-1", **given)
        before.refuse = lambda asked: Refusal(200, body)
        with pytest.raises(ResponseParserError) as caught:
            client.get_secret_value(SecretId="x")
        assert "[[" not in str(caught.value)
        before.refuse = lambda asked: Refusal(400, '{"__type": "ResourceNotFoundException"}')
        with pytest.raises(ClientError):
            client.get_secret_value(SecretId="x")
