"""A person's own entries in Parameter Store, through a proxy that is as strict as AWS is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from aws_airflow_tasks.backends import MANY
from aws_airflow_tasks.backends import parameter_store as backend
from aws_airflow_tasks.backends.many import Many, Overtaken, Value
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import aws
from tests.backends.test_many import account, proxy
from tests.world.proxy import Body, Proxy, denying
from tests.world.server import Embedded, embedded

__all__ = ["account", "embedded", "proxy"]

MANY_OF_IT: Many = backend


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"/airflow/variables/{request.node.originalname}/"


def put(account: aws.Account, name: str, text: str, **more: Any) -> None:
    """As somebody else would."""
    account.client("ssm").put_parameter(Name=name, Value=text, **({"Overwrite": True} | more))


def filled(account: aws.Account, prefix: str, count: int) -> list[str]:
    names = [f"{prefix}{number}" for number in range(count)]
    for name in names:
        backend.make(account, name, f"value of {name}", {"owner": "team"}, token_hex(16))
    return names


def texts(found: dict[str, Value | TaskError]) -> dict[str, str | None]:
    return {name: value.text for name, value in found.items() if isinstance(value, Value)}


def test_ten_entries_are_read_with_one_call_and_one_that_is_not_there_is_left_out(
    account: aws.Account, proxy: Proxy, prefix: str
) -> None:
    names = filled(account, prefix, 9)
    proxy.forget()
    assert texts(backend.values(account, [*names, f"{prefix}none"])) == {name: f"value of {name}" for name in names}
    assert dict(proxy.calls) == {"GetParameters": 1}
    assert len(names) + 1 == backend.BATCH


def test_where_one_may_not_be_read_with_the_others_each_is_read_by_itself(
    account: aws.Account, proxy: Proxy, prefix: str
) -> None:
    names = filled(account, prefix, 3)

    def not_the_first(operation: str, body: Body) -> Any:
        hidden = operation == "GetParameter" and body["Name"] == names[0]
        return denying("GetParameters", *(["GetParameter"] if hidden else []), service="ssm")(operation, body)

    proxy.rules.append(not_the_first)
    found = backend.values(account, [*names, f"{prefix}none"])
    assert texts(found) == {name: f"value of {name}" for name in names[1:]}
    error = found[names[0]]
    assert isinstance(error, TaskError)
    resource = f"arn:aws:ssm:eu-west-1:*:parameter{names[0]}"
    assert error.message.startswith(f"not allowed: ssm:GetParameter on {resource}")
    assert f'"Action": "ssm:GetParameter", "Resource": "{resource}"' in error.hint


@pytest.mark.parametrize(
    "operation",
    [
        "DescribeParameters",
        "GetParameterHistory",
        "ListTagsForResource",
        "AddTagsToResource",
        "PutParameter",
        "DeleteParameter",
    ],
)
def test_a_denial_of_any_action_names_it_and_what_a_policy_can_name(
    account: aws.Account, proxy: Proxy, prefix: str, operation: str
) -> None:
    (name,) = filled(account, prefix, 1)
    calls = {
        "DescribeParameters": lambda: list(backend.listed(account, prefix)),
        "GetParameterHistory": lambda: backend.versions(account, name),
        "ListTagsForResource": lambda: backend.describe(account, name),
        "AddTagsToResource": lambda: backend.tag(account, name, {"team": "x"}),
        "PutParameter": lambda: backend.replace(account, name, "two", "1", token_hex(16)),
        "DeleteParameter": lambda: backend.take(account, name, "1"),
    }
    proxy.rules.append(denying(operation, service="ssm"))
    resource = "*" if operation == "DescribeParameters" else f"parameter{name}"
    denied = re.escape(f"not allowed: ssm:{operation} on arn:aws:ssm:eu-west-1:*:{resource}")
    with pytest.raises(TaskError, match=denied) as raised:
        calls[operation]()
    assert f'"Action": "ssm:{operation}"' in raised.value.hint


def test_a_list_goes_by_names_and_by_a_tag_however_many_pages_it_has(
    account: aws.Account, proxy: Proxy, prefix: str
) -> None:
    names = filled(account, prefix, 12)
    put(account, f"{prefix}theirs", "x", Type="String")
    proxy.forget()
    assert sorted(each.name for each in backend.listed(account, prefix)) == sorted([*names, f"{prefix}theirs"])
    ours = list(backend.listed(account, prefix, ("owner", "team")))
    assert sorted(each.name for each in ours) == sorted(names)
    assert {tuple(each.tags.items()) for each in ours} == {(("owner", "team"),)}
    assert all(each.changed for each in ours)
    assert {body["MaxResults"] for operation, body in proxy.asked if operation == "DescribeParameters"} == {50}


def test_the_history_has_every_version_by_its_number_the_newest_first_and_each_can_be_read(
    account: aws.Account, prefix: str
) -> None:
    (name,) = filled(account, prefix, 1)
    for number in range(2, 5):
        assert backend.replace(account, name, f"value {number}", str(number - 1), token_hex(16)) == str(number)
    found = backend.versions(account, name)
    assert [each.id for each in found] == ["4", "3", "2", "1"]
    assert all(each.changed and each.by for each in found)
    assert backend.value_of(account, name, "3") == "value 3"
    assert backend.value_of(account, name, "9") is None
    assert backend.value_of(account, f"{name}-none", "1") is None
    assert backend.versions(account, f"{name}-none") == []


def test_another_value_keeps_the_key_the_tier_the_kind_and_the_tags(account: aws.Account, prefix: str) -> None:
    name = f"{prefix}x"
    put(account, name, "one", Overwrite=False, Type="SecureString", KeyId="alias/theirs", Tier="Advanced")
    backend.tag(account, name, {"owner": "team"})
    backend.replace(account, name, "two", "1", token_hex(16))
    found = backend.describe(account, name)
    assert (found.key, found.tier, found.tags) == ("alias/theirs", "advanced", {"owner": "team"})
    put(account, f"{prefix}y", "one", Overwrite=False, Type="String")
    backend.replace(account, f"{prefix}y", "two", "1", token_hex(16))
    assert account.client("ssm").get_parameter(Name=f"{prefix}y")["Parameter"]["Type"] == "String"


def test_a_standard_entry_becomes_an_advanced_one_where_that_is_set_and_never_the_other_way(
    account: aws.Account, prefix: str
) -> None:
    name = f"{prefix}x"
    backend.make(account, name, "one", {}, token_hex(16))
    larger = aws.connect(Settings(tier="advanced"))
    assert backend.replace(larger, name, "x" * 8192, "1", token_hex(16)) == "2"
    smaller = aws.connect(Settings(tier="standard"))
    with pytest.raises(TaskError, match="has the tier advanced, wanted standard"):
        backend.replace(smaller, name, "three", "2", token_hex(16))


def test_a_value_that_changed_before_the_check_stays_and_nothing_is_written(
    account: aws.Account, proxy: Proxy, prefix: str
) -> None:
    (name,) = filled(account, prefix, 1)
    put(account, name, "theirs")
    proxy.forget()
    with pytest.raises(Overtaken, match="version 2 is there, not 1; it stays"):
        backend.replace(account, name, "ours", "1", token_hex(16))
    with pytest.raises(Overtaken, match="version 2 is there, not 1; it stays"):
        backend.take(account, name, "1")
    with pytest.raises(Overtaken, match="version none is there, not 1"):
        backend.replace(account, f"{name}-none", "ours", "1", token_hex(16))
    assert proxy.calls.keys() == {"GetParameterHistory"}
    assert texts(backend.values(account, [name])) == {name: "theirs"}


def test_a_value_that_changed_between_check_and_write_is_named_with_the_command_that_gives_it_back(
    account: aws.Account, proxy: Proxy, embedded: Embedded, prefix: str
) -> None:
    (name,) = filled(account, prefix, 1)
    there = aws.connect(Settings(endpoint_url=embedded.url))

    def between(operation: str, body: Body) -> None:
        if operation == "PutParameter":
            put(there, name, "th€irs\n")

    proxy.rules.append(between)
    with pytest.raises(Overtaken, match="wrote version 2 just before ours, 3, which has replaced it") as caught:
        backend.replace(account, name, "ours", "1", token_hex(16))
    proxy.rules.remove(between)
    assert "th€irs" not in caught.value.message + caught.value.hint
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "AWS_PAGER": ""}
    done = subprocess.run(["/bin/sh", "-c", caught.value.hint], env=environment, capture_output=True, text=True)
    assert (done.returncode, "irs" in done.stdout + done.stderr) == (0, False), done.stderr
    assert backend.values(account, [name]) == {name: Value("4", "th€irs\n")}


def test_a_write_whose_first_answer_was_lost_counts_as_made(account: aws.Account, proxy: Proxy, prefix: str) -> None:
    lost: list[str] = []

    def lose(operation: str, body: Body, answer: Body) -> Body:
        if operation == "PutParameter" and body["Value"] not in lost:
            lost.append(body["Value"])
            raise ConnectionError
        return answer

    proxy.edits.append(lose)
    name = f"{prefix}x"
    assert backend.make(account, name, "one", {"owner": "team"}, token_hex(16)) == "1"
    assert backend.replace(account, name, "two", "1", token_hex(16)) == "3"
    assert texts(backend.values(account, [name])) == {name: "two"}


def test_an_entry_that_somebody_made_meanwhile_stays(account: aws.Account, prefix: str) -> None:
    (name,) = filled(account, prefix, 1)
    for text, tags in (("theirs", {"owner": "team"}), (f"value of {name}", {"owner": "others"})):
        with pytest.raises(Overtaken, match="just been created by someone else"):
            backend.make(account, name, text, tags, token_hex(16))
    assert texts(backend.values(account, [name])) == {name: f"value of {name}"}


def test_what_is_taken_is_gone_and_cannot_be_restored(account: aws.Account, prefix: str) -> None:
    (name,) = filled(account, prefix, 1)
    backend.take(account, name, "1")
    backend.take(account, name, "1")
    backend.erase(account, name)
    assert backend.values(account, [name]) == {}
    assert not backend.RESTORES
    with pytest.raises(TaskError):
        backend.restore(account, name)


def test_writes_are_three_a_second_or_ten_where_the_account_has_the_higher_throughput() -> None:
    assert [backend.writes(Settings(throughput=of)) for of in ("standard", "higher")] == [3.0, 10.0]
    assert MANY["parameter-store"] is MANY_OF_IT


def test_a_value_that_aws_repeats_in_an_error_is_not_shown(account: aws.Account, proxy: Proxy, prefix: str) -> None:
    canary = "it's the. S3CRET at 'home\nof it"

    def strict(operation: str, body: Body) -> Any:
        said = f"1 validation error detected: Value '{canary}' at 'value' failed to satisfy constraint: Member"
        return (400, "ValidationException", said) if operation == "PutParameter" else None

    proxy.rules.append(strict)
    with pytest.raises(TaskError) as caught:
        backend.make(account, f"{prefix}x", canary, {}, token_hex(16))
    assert "S3CRET" not in json.dumps([caught.value.message, caught.value.hint])
    assert "failed to satisfy constraint" in caught.value.message
