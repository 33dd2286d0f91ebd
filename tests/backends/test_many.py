"""A person's own entries in Secrets Manager, through a proxy that is as strict as AWS is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from aws_airflow_tasks.backends import secrets_manager as backend
from aws_airflow_tasks.backends.many import Overtaken, Replaced, Value
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import aws
from tests.world.proxy import Body, Proxy, Refusal, before, denying
from tests.world.server import Embedded, embedded

__all__ = ["embedded"]


@pytest.fixture
def proxy(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setenv("HOME", str(embedded.home))
    with before(embedded.url) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


@pytest.fixture
def account(proxy: Proxy) -> aws.Account:
    return aws.connect(Settings())


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"airflow/variables/{re.sub('[^a-zA-Z_]', '-', request.node.name)}/"


def filled(account: aws.Account, prefix: str, count: int) -> list[str]:
    names = [f"{prefix}{number}" for number in range(count)]
    for name in names:
        backend.make(account, name, f"value of {name}", {}, token_hex(16))
    return names


def texts(found: dict[str, Value | TaskError]) -> dict[str, str | None]:
    return {name: value.text for name, value in found.items() if isinstance(value, Value)}


def test_twenty_entries_are_read_with_one_call(account: aws.Account, proxy: Proxy, prefix: str) -> None:
    names = filled(account, prefix, backend.BATCH)
    proxy.forget()
    assert texts(backend.values(account, names)) == {name: f"value of {name}" for name in names}
    assert dict(proxy.calls) == {"BatchGetSecretValue": 1}


def test_an_entry_that_is_not_there_is_left_out(account: aws.Account, proxy: Proxy, prefix: str) -> None:
    names = filled(account, prefix, 2)
    assert texts(backend.values(account, [*names, f"{prefix}none"])).keys() == set(names)
    assert proxy.calls["GetSecretValue"] == 0


def test_an_entry_that_is_to_be_deleted_is_told_from_one_that_is_not_there(account: aws.Account, prefix: str) -> None:
    (name,) = filled(account, prefix, 1)
    (listed,) = backend.listed(account, prefix)
    (version,) = backend.versions(account, name)
    backend.take(account, name, version.id)
    assert listed.name == name
    assert not listed.pending_deletion
    assert backend.values(account, [name]) == {name: Value("", None, pending_deletion=True)}
    assert [each.pending_deletion for each in backend.listed(account, prefix)] == [True]
    backend.restore(account, name)
    assert texts(backend.values(account, [name])) == {name: f"value of {name}"}


def test_a_binary_entry_has_no_text(account: aws.Account, prefix: str) -> None:
    account.client("secretsmanager").create_secret(Name=f"{prefix}b", SecretBinary=b"x")
    assert texts(backend.values(account, [f"{prefix}b"])) == {f"{prefix}b": None}


def test_without_the_permission_for_a_batch_each_is_read_by_itself(
    account: aws.Account, proxy: Proxy, prefix: str
) -> None:
    names = filled(account, prefix, 3)
    proxy.rules.append(denying("BatchGetSecretValue"))
    assert texts(backend.values(account, [*names, f"{prefix}none"])) == {name: f"value of {name}" for name in names}
    assert proxy.calls["GetSecretValue"] == 4


def test_what_may_not_be_read_is_an_error_of_its_own_and_keeps_no_other_from_being_read(
    account: aws.Account, proxy: Proxy, prefix: str
) -> None:
    names = filled(account, prefix, 3)

    def partial(operation: str, body: Body, answer: Body) -> Body:
        if operation == "BatchGetSecretValue":
            answer["SecretValues"] = [each for each in answer["SecretValues"] if each["Name"] != names[1]]
            answer["Errors"] = [{"SecretId": names[1], "ErrorCode": "AccessDeniedException", "Message": "no"}]
        return answer

    proxy.edits.append(partial)
    proxy.rules.append(denying("GetSecretValue"))
    found = backend.values(account, names)
    assert texts(found).keys() == {names[0], names[2]}
    error = found[names[1]]
    assert isinstance(error, TaskError)
    assert error.message.startswith("not allowed: secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:*")
    assert '"Action": "secretsmanager:GetSecretValue"' in error.hint


@pytest.mark.parametrize("operation", ["RestoreSecret", "ListSecretVersionIds", "TagResource", "ListSecrets"])
def test_a_denial_of_any_action_names_it_and_prints_the_policy(
    account: aws.Account, proxy: Proxy, prefix: str, operation: str
) -> None:
    (name,) = filled(account, prefix, 1)
    calls = {
        "RestoreSecret": lambda: backend.restore(account, name),
        "ListSecretVersionIds": lambda: backend.versions(account, name),
        "TagResource": lambda: backend.make(account, f"{name}x", "one", {"team": "x"}, token_hex(16)),
        "ListSecrets": lambda: list(backend.listed(account, prefix)),
    }

    def denied(called: str, body: Body) -> Refusal | None:
        within = called == "CreateSecret" and operation == "TagResource"  # AWS names what is denied of a call
        return denying(operation)(operation if within else called, body)

    proxy.rules.append(denied)
    with pytest.raises(TaskError, match=f"not allowed: secretsmanager:{operation} on ") as raised:
        calls[operation]()
    assert f'"Action": "secretsmanager:{operation}"' in raised.value.hint


def test_a_batch_that_aws_splits_is_read_to_its_end(account: aws.Account, proxy: Proxy, prefix: str) -> None:
    names = filled(account, prefix, 5)

    def split(operation: str, body: Body, answer: Body) -> Body:
        if operation == "BatchGetSecretValue":
            first = int(body.get("NextToken") or 0)
            values = answer["SecretValues"]
            answer["SecretValues"] = values[first : first + 2]
            answer["NextToken"] = str(first + 2) if first + 2 < len(values) else None
        return answer

    def untold(operation: str, body: Body) -> None:
        body.pop("NextToken", None)

    proxy.edits.append(split)
    proxy.rules.append(untold)
    assert texts(backend.values(account, names)).keys() == set(names)
    assert proxy.calls["GetSecretValue"] == 0


def test_another_error_of_a_batch_is_raised(account: aws.Account, proxy: Proxy) -> None:
    proxy.rules.append(lambda operation, body: (400, "UnrecognizedClientException", "The security token is invalid."))
    with pytest.raises(TaskError, match="AWS does not know the access key"):
        backend.values(account, ["a"])


def test_a_list_has_what_begins_so_and_nothing_else(account: aws.Account, prefix: str) -> None:
    names = filled(account, prefix, 3)
    filled(account, f"airflow/other/{prefix}", 2)
    assert sorted(each.name for each in backend.listed(account, prefix)) == sorted(names)


def test_a_list_longer_than_a_page_is_read_to_its_end(account: aws.Account, proxy: Proxy, prefix: str) -> None:
    names = filled(account, prefix, 101)
    proxy.forget()
    assert {each.name for each in backend.listed(account, prefix)} == set(names)
    assert dict(proxy.calls) == {"ListSecrets": 2}


def test_a_value_is_replaced_and_the_one_before_can_still_be_read(account: aws.Account, prefix: str) -> None:
    name, first, second = f"{prefix}x", token_hex(16), token_hex(16)
    assert backend.make(account, name, "one", {}, first) == first
    assert backend.replace(account, name, "two", first, second) == second
    assert [version.id for version in backend.versions(account, name)] == [second, first]
    assert (backend.value_of(account, name, first), backend.value_of(account, name, second)) == ("one", "two")
    assert backend.value_of(account, name, token_hex(16)) is None


def test_a_value_that_was_changed_since_the_plan_stays(account: aws.Account, proxy: Proxy, prefix: str) -> None:
    name, first = f"{prefix}x", token_hex(16)
    backend.make(account, name, "one", {}, first)
    backend.replace(account, name, "theirs", first, token_hex(16))
    proxy.forget()
    for attempt in (
        lambda: backend.replace(account, name, "ours", first, token_hex(16)),
        lambda: backend.take(account, name, first),
    ):
        with pytest.raises(Overtaken, match="has been changed meanwhile"):
            attempt()
    assert proxy.calls.keys() == {"DescribeSecret"}
    assert texts(backend.values(account, [name])) == {name: "theirs"}


def test_a_value_written_between_look_and_write_is_named_and_can_be_given_back(
    account: aws.Account, proxy: Proxy, prefix: str, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, first, theirs, ours = f"{prefix}x", token_hex(16), token_hex(16), token_hex(16)
    backend.make(account, name, "one", {}, first)
    monkeypatch.setenv("AWS_ENDPOINT_URL", embedded.url)
    other: Any = aws.connect(Settings()).client("secretsmanager")

    def meanwhile(operation: str, body: Body) -> None:
        if operation == "PutSecretValue":
            other.put_secret_value(SecretId=name, SecretString="theirs", ClientRequestToken=theirs)

    proxy.rules.append(meanwhile)
    with pytest.raises(Overtaken) as raised:
        backend.replace(account, name, "ours", first, ours)
    assert theirs in raised.value.message
    assert ours in raised.value.message
    assert f"--move-to-version-id {theirs} --remove-from-version-id {ours}" in raised.value.hint
    assert backend.value_of(account, name, theirs) == "theirs"


def test_where_nobody_says_which_version_was_replaced_no_other_is_named(
    account: aws.Account, proxy: Proxy, prefix: str
) -> None:
    first = backend.make(account, f"{prefix}x", "one", {}, token_hex(16))

    def unlabelled(operation: str, body: Body, answer: Body) -> Body:
        stages = answer.get("VersionIdsToStages", {})
        return answer | {"VersionIdsToStages": {id: each for id, each in stages.items() if "AWSPREVIOUS" not in each}}

    proxy.edits.append(unlabelled)
    with pytest.raises(Replaced, match="nobody says which version ours, ") as raised:
        backend.replace(account, f"{prefix}x", "ours", first, token_hex(16))
    assert raised.value.hint.startswith("aws secretsmanager list-secret-version-ids --include-deprecated --secret-id ")


def test_an_entry_that_somebody_made_meanwhile_stays(account: aws.Account, prefix: str) -> None:
    backend.make(account, f"{prefix}x", "theirs", {}, token_hex(16))
    with pytest.raises(Overtaken, match="has just been created by someone else"):
        backend.make(account, f"{prefix}x", "ours", {}, token_hex(16))
    assert texts(backend.values(account, [f"{prefix}x"])) == {f"{prefix}x": "theirs"}


def test_an_entry_whose_first_answer_was_lost_counts_as_made(account: aws.Account, proxy: Proxy, prefix: str) -> None:
    lost: list[str] = []

    def lose(operation: str, body: Body, answer: Body) -> Body:
        if operation == "CreateSecret" and not lost:
            lost.append(operation)
            raise ConnectionError
        return answer

    proxy.edits.append(lose)
    assert backend.make(account, f"{prefix}x", "one", {"owner": "team"}, token := token_hex(16)) == token
    assert proxy.calls["CreateSecret"] == 2
    assert [each.tags for each in backend.listed(account, prefix)] == [{"owner": "team"}]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("airflow/variables/x y", "v", "other characters than A-Z"),
        ("a" * 513, "v", "longer than 512"),
        ("aws/x", "v", "begins with aws/"),
        ("x", "", "empty"),
        ("x", "ä" * 32_769, "larger than 65,536 bytes"),
        ("x/_+=.@-Y9", "ä" * 32_768, ""),
    ],
)
def test_what_aws_would_not_take_is_known_without_asking_it(name: str, text: str, words: str) -> None:
    found = backend.refusal(Settings(), name, text)
    assert (words in found) if words else found == ""


def test_a_value_never_shows_its_text(tmp_path: Path) -> None:
    assert "S3CRET" not in f"{Value('1', 'S3CRET')} {Value('1', 'S3CRET')!r}"
