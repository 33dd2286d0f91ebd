"""Parameter Store as the backend, and the way from one backend to another, against moto's server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import boto3
import pytest

from aws_airflow_tasks.backends import MANY, created, limits, parameter_store, secrets_manager
from aws_airflow_tasks.backends.protocol import Backend, Entry
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import aws
from tests.project import Done, StandInAirflow, airflow, astro_project, embedded, run
from tests.world.server import Embedded, our_keys

__all__ = ["airflow", "astro_project", "embedded", "our_keys", "run"]

Run = Callable[..., Done]
VARIABLE, CONNECTION = "/airflow/variables/aws_airflow_check", "/airflow/connections/aws_airflow_check"
BACKENDS: list[Backend] = [parameter_store, secrets_manager]
#: what tests give entries, as a person's own settings
KEY = "alias/ours"


@pytest.fixture
def account(our_keys: Embedded) -> aws.Account:
    return aws.connect(Settings())


@pytest.fixture
def ssm(embedded: Embedded, closed_world: Path) -> Iterator[Any]:
    """Parameter Store itself, empty before and after; Secrets Manager too."""
    keyed = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "eu-west-1"}
    client = boto3.Session(**keyed).client("ssm", endpoint_url=embedded.url)
    secrets = boto3.Session(**keyed).client("secretsmanager", endpoint_url=embedded.url)
    client.secrets = lambda: {entry["Name"] for entry in secrets.list_secrets()["SecretList"]}
    yield client
    for found in parameters(client):
        client.delete_parameter(Name=found)
    for entry in secrets.list_secrets()["SecretList"]:
        secrets.delete_secret(SecretId=entry["ARN"], ForceDeleteWithoutRecovery=True)


@pytest.fixture
def project(astro_project: Path, airflow: StandInAirflow, ssm: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "parameter-store")
    return astro_project


def parameters(ssm: Any) -> set[str]:
    return {each["Name"] for page in ssm.get_paginator("describe_parameters").paginate() for each in page["Parameters"]}


def tags(ssm: Any, name: str) -> dict[str, str]:
    found = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    return {tag["Key"]: tag["Value"] for tag in found}


def new_key(url: str) -> str:
    kms = boto3.Session().client("kms", endpoint_url=url)
    made: str = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=KEY, TargetKeyId=made)
    return made


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda each: each.NAME)
def test_an_entry_is_created_found_read_tagged_and_gone_at_once(account: aws.Account, backend: Backend) -> None:
    name = backend.name("airflow/variables", "one")
    assert backend.describe(account, name) is None
    assert backend.get(account, name) is None
    made = backend.create(account, name, "one", {"owner": "me"})
    backend.tag(account, made, {"team": "data"})
    found = backend.describe(account, name)
    assert found == Entry(made, name, {"owner": "me", "team": "data"}, key=found.key, tier=found.tier)
    assert found.key.startswith("alias/aws/")
    how = backend.read(name)
    answer: Any = getattr(account.client(how.service), how.operation)(**how.arguments)
    for key in how.answer:
        answer = answer[key]
    assert answer == backend.get(account, name) == "one"
    backend.delete(account, made)
    backend.delete(account, made)
    assert backend.describe(account, name) is None


def test_a_parameter_that_somebody_has_made_meanwhile_is_not_replaced(account: aws.Account, ssm: Any) -> None:
    ssm.put_parameter(Name=VARIABLE, Value="theirs", Type="String")
    with pytest.raises(TaskError, match="has just been created by someone else"):
        parameter_store.create(account, VARIABLE, "ours", {})
    assert ssm.get_parameter(Name=VARIABLE)["Parameter"]["Value"] == "theirs"


def test_an_entry_is_encrypted_with_the_key_in_the_tier_and_with_the_tags_that_are_set(
    project: Path, embedded: Embedded, ssm: Any, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    key = new_key(embedded.url)
    for name, value in {"KMS_KEY": KEY, "TIER": "advanced", "TAGS": "team=data, env=dev"}.items():
        monkeypatch.setenv(f"INVOKE_AWS_AIRFLOW_{name}", value)
    assert run("secrets").code == 0
    found = ssm.describe_parameters()["Parameters"]
    assert {(each["Type"], each["KeyId"], each["Tier"]) for each in found} == {("SecureString", KEY, "Advanced")}
    assert tags(ssm, VARIABLE).items() >= {"team": "data", "env": "dev"}.items()
    assert "aws-airflow-tasks" in tags(ssm, VARIABLE)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_KMS_KEY", key)
    assert run("secrets", "--json").document["recap"]["changed"] == 0, "an alias of the same key"


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda each: each.NAME)
def test_one_of_many_has_the_key_and_the_tags_that_are_set_and_none_in_the_place_of_ours(
    our_keys: Embedded, backend: Backend
) -> None:
    name, account = backend.name("many", "x"), aws.connect(Settings(kms_key="alias/any", tags="owner=me,team=data"))
    MANY[backend.NAME].make(account, name, "one", {"owner": "team"}, token_hex(16))
    found = backend.describe(account, name)
    assert found
    assert (found.key, found.tags) == ("alias/any", {"owner": "team", "team": "data"})
    backend.delete(account, found.id)


@pytest.mark.parametrize("name", ["parameter-store", "secrets-manager"])
def test_another_key_is_a_conflict_with_a_command_that_makes_the_entries_anew(
    project: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch, run: Run, name: str
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", name)
    assert run("secrets").code == 0
    key = boto3.Session().client("kms", endpoint_url=embedded.url).create_key()["KeyMetadata"]["Arn"]
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_KMS_KEY", key)
    done = run("secrets", "--json")
    (failed,) = [step["error"] for step in done.document["steps"] if step["error"]]
    assert f"has the kms_key alias/aws/{ {'parameter-store': 'ssm'}.get(name, 'secretsmanager') }" in failed["message"]
    assert "INVOKE_AWS_AIRFLOW_BACKEND=none invoke secrets && export INVOKE_AWS_AIRFLOW_KMS_KEY=" in failed["hint"]
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "none")
    assert run("secrets").code == 0
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", name)
    assert run("secrets").code == 0
    assert run("secrets", "--check").code == 0


def test_a_tier_that_differs_is_a_conflict(project: Path, ssm: Any, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    assert run("secrets").code == 0
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_TIER", "advanced")
    done = run("secrets")
    assert (done.code, f"parameter {VARIABLE} has the tier standard, wanted advanced" in done.out) == (1, True)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_TIER", "intelligent-tiering")
    assert run("secrets", "--check").code == 0


@pytest.mark.parametrize("name", ["parameter-store", "secrets-manager"])
def test_tags_that_are_set_later_are_added_and_others_stay(
    project: Path, ssm: Any, monkeypatch: pytest.MonkeyPatch, run: Run, name: str
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", name)
    assert run("secrets").code == 0
    for chosen in ("team=data", "env=dev"):
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_TAGS", chosen)
        assert run("secrets", "--check").code == 3
        assert run("secrets").code == 0
        assert run("secrets", "--check").code == 0
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_TAGS", "env=dev, team=data")
    assert run("secrets", "--check").code == 0
    assert run("undo").code == 0
    assert parameters(ssm) == ssm.secrets() == set()


def lines(project: Path) -> dict[str, str]:
    found = dotenv.read((project / ".env").read_bytes(), "standalone")
    return {name: value for name, value in found.items() if name.startswith("AIRFLOW__SECRETS")}


def test_setup_on_parameter_store_converges_and_is_undone_to_nothing(
    project: Path, embedded: Embedded, ssm: Any, run: Run
) -> None:
    assert run("setup").code == 0
    assert parameters(ssm) == {VARIABLE, CONNECTION}
    assert lines(project) == {
        "AIRFLOW__SECRETS__BACKEND": parameter_store.CLASS,
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(
            {
                "connections_prefix": "/airflow/connections",
                "variables_prefix": "/airflow/variables",
                "region_name": "eu-west-1",
                "endpoint_url": embedded.url,
            }
        ),
    }
    assert run("setup", "--json").document["recap"]["changed"] == 0
    assert run("undo").code == 0
    assert (parameters(ssm), (project / ".env").read_bytes()) == (set(), b"")


def test_from_one_backend_to_another_and_to_none_the_others_lines_and_entries_go(
    project: Path, ssm: Any, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    there = {
        "secrets-manager": (set(), {VARIABLE[1:], CONNECTION[1:]}),
        "parameter-store": ({VARIABLE, CONNECTION}, set()),
        "none": (set(), set()),
    }
    for name in ("secrets-manager", "parameter-store", "none", "secrets-manager"):
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", name)
        assert run("setup").code == 0
        assert (parameters(ssm), ssm.secrets()) == there[name]
        (wanted,) = {each.CLASS for each in BACKENDS if name == each.NAME} or {None}
        assert lines(project).get("AIRFLOW__SECRETS__BACKEND") == wanted
        assert run("setup", "--check").code == 0
    assert run("undo").code == 0


def test_an_entry_of_the_other_backend_that_was_given_another_value_stays_and_is_named(
    project: Path, ssm: Any, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    assert run("setup").code == 0
    ssm.put_parameter(Name=VARIABLE, Value="a person's", Overwrite=True)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "secrets-manager")
    done = run("setup")
    assert (done.code, f"parameter {VARIABLE} has been given another value since, and stays" in done.out) == (0, True)
    assert parameters(ssm) == {VARIABLE}


def test_what_cannot_be_taken_back_from_the_other_backend_keeps_nothing_from_its_end(
    project: Path, ssm: Any, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    assert run("setup").code == 0

    def denied(*_: object) -> None:
        raise TaskError("not allowed: ssm:GetParameterHistory")

    with monkeypatch.context() as patch:
        patch.setattr(parameter_store, "describe", denied)
        patch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "secrets-manager")
        done = run("setup")
        assert (done.code, "stays until `invoke undo`: not allowed: ssm:GetParameterHistory" in done.out) == (0, True)
    assert (len(parameters(ssm)), len(ssm.secrets())) == (2, 2)
    assert run("undo").code == 0
    assert (parameters(ssm), ssm.secrets()) == (set(), set())


def test_a_name_that_aws_would_refuse_is_refused_before_anything_is_written(
    project: Path, ssm: Any, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_VARIABLES_PREFIX", "team@work/vars")
    done = run("secrets")
    assert (done.code, "has other characters than A-Z, a-z, 0-9 and /_.-" in done.out) == (1, True)
    assert "INVOKE_AWS_AIRFLOW_VARIABLES_PREFIX=airflow/variables" in done.out
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_VARIABLES_PREFIX", "")
    assert "parameter /aws_airflow_check: its name begins with aws or ssm" in run("secrets").out
    assert parameters(ssm) == set()


def test_a_key_is_known_by_every_name_that_aws_has_for_it(account: aws.Account, embedded: Embedded) -> None:
    arn = "arn:aws:kms:eu-west-1:123456789012:key/"
    assert created.same(account, "k-1", f"{arn}k-1")
    assert created.same(account, "alias/a", "arn:aws:kms:eu-west-1:123456789012:alias/a")
    assert not created.same(account, f"{arn}k-1", "arn:aws:kms:us-east-2:123456789012:key/k-1")
    assert not created.same(account, "k-1", "k-2")


@pytest.mark.parametrize(
    ("backend", "tier", "value", "words"),
    [
        ("secrets-manager", "", "", "is empty"),
        ("secrets-manager", "", "ä" * 32_769, "is larger than 65,536 bytes"),
        ("parameter-store", "", "", "is empty"),
        ("parameter-store", "", "a {{ ds }}\nb", "has {{…}}"),
        ("parameter-store", "", "{{\n}}", "has {{…}}"),
        ("parameter-store", "", "ä" * 2_049, "is larger than 4,096 bytes, which an advanced parameter may be"),
        ("parameter-store", "standard", "x" * 4_097, "is larger than 4,096 bytes"),
        ("parameter-store", "advanced", "x" * 8_193, "is larger than 8,192 bytes"),
    ],
)
def test_a_value_that_aws_would_refuse_is_refused_without_a_word_of_it(
    backend: str, tier: str, value: str, words: str
) -> None:
    with pytest.raises(TaskError, match="AWS would refuse entry /airflow/variables/x: its value") as caught:
        limits.check(backend, Settings(tier=tier), "entry", "/airflow/variables/x", value)
    assert words in caught.value.message
    assert not value or value not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("backend", "tier", "value"),
    [
        ("secrets-manager", "", "{{ ds }}"),
        ("secrets-manager", "", "x" * 65_536),
        ("parameter-store", "", "{{ } }" + "x" * 4_090),
        ("parameter-store", "advanced", "x" * 8_192),
        ("parameter-store", "intelligent-tiering", "x" * 8_192),
    ],
)
def test_a_value_that_aws_takes_is_no_trouble(backend: str, tier: str, value: str) -> None:
    assert limits.refusal(backend, Settings(tier=tier), "/airflow/variables/x", value) is None
