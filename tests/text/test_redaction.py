"""What of a program's output may be shown."""

from __future__ import annotations

import pytest

from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.redaction import redact_output

MANUAL = "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Get.html"
KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def test_output_shows_no_value_of_env_but_the_harmless_ones_and_nothing_that_looks_like_a_secret() -> None:
    said = "canary-value canary-key dev AKIAIOSFODNN7EXAMPLE postgres://me:canary@host eyJhbGciOiJIUzI1NiIsInR5cCI6 abc"
    shown = redact_output(said, {"MINE": "canary-value", "AWS_PROFILE": "dev", "SHORT": "abc"}, "canary-key")
    assert shown == "*** *** dev *** postgres://***@host *** abc"
    assert redact_output("canary\x1b[1m-value", {"MINE": "canary-value"}) == "***"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no x-amz-security-token:IQoJb3+/= here", "no x-amz-security-token:*** here"),
        ('{"SecretAccessKey": "a, b", "AccountId": "1"}', '{"SecretAccessKey": ***, "AccountId": "1"}'),
        ("{'sudo': {'password': 'it is'}}", "{'sudo': {'password': ***}}"),
        ("<SessionToken>x</SessionToken>", "<SessionToken>***</SessionToken>"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=A/1, Signature=b\nnext", "Authorization: ***\nnext"),
        ("authorization: Bearer x.y", "authorization: Bearer ***"),
        ("at http://me:p@ss/w@host/p?token=x#y, or https://b/c?d", "at http://***@host/p?***, or https://b/c?***"),
        ("key AKIAIOSFODNN7EXAMPLE of wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "key *** of ***"),
        ("-----BEGIN KEY-----\nx\n-----END KEY-----\nafter", "***\nafter"),
        ("-----BEGIN KEY\nafter", "***\nafter"),
        (f"{MANUAL}?token=x", "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Get.html?***"),
        (f"{MANUAL}/{KEY}", "https://docs.aws.amazon.***_Get.***"),
        (f"https://docs.aws.amazon.com/ssm/latest/APIReference/{KEY}.html", "https://docs.aws.amazon.***.html"),
        (f"https://docs.aws.amazon.com/{KEY}/latest/x/a.html", "https://docs.aws.amazon.***.html"),
        ("https://docs.aws.amazon.com@evil/latest/x/a.html", "https://***@evil/latest/x/a.html"),
        ("key \x1b[31mAKIAIOSFODNN7EXAMPLE\x1b[0m, token\x1b[1m=\x1b[31mx\x1b[0m", "key ***, token=***"),
    ],
)
def test_what_is_named_as_a_secret_or_looks_like_one_is_hidden_and_the_text_around_it_stays(
    said: str, shown: str
) -> None:
    assert cleaned(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "The security token included in the request is invalid.",
        "Error loading SSO Token: Token for dev does not exist",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:airflow/variables/Team1/Warehouse/Of/The/North-AbCdEf",
        "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/me@example.com",
        "/home/Me/Projects/Company2/Airflow3/dags/include/some/where",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "no answer from https://sts.eu-west-1.amazonaws.com/",
        "see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html.",
        "(https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html)",
        "https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_iam-permissions.html",
    ],
)
def test_what_a_person_needs_to_read_stays(said: str) -> None:
    assert cleaned(said) == said
