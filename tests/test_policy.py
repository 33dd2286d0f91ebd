"""`secrets.policy` and read-only developers, judged as moto judges: what it allows is enough, and none of it idle."""

from __future__ import annotations

import hmac
import json
import re
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import policy
from aws_airflow_tasks.world import receipts, state
from aws_airflow_tasks.world.aws import Identity
from tests.facts import site
from tests.project import Done, airflow, astro_project, embedded, heeded, run
from tests.test_setup import CONNECTION, VARIABLE, Run, project, secrets
from tests.world.front import Asked, Front, Refusal, front
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "embedded", "project", "run", "secrets"]

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"
#: allowed with another action, and asked by no request of its own
WITHIN = {"secretsmanager:TagResource": "secretsmanager:CreateSecret"}


@pytest.fixture
def aws(project: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """AWS, behind whoever judges what is asked."""
    with front(embedded.url) as made:
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", made.url)
        yield made


def resource(asked: Asked) -> str:
    """What AWS judges a request by: the ARN of an entry that is there, or of the name of one that is to be made."""
    body = json.loads(asked.text.rpartition("\n")[2])
    name = str(body.get("SecretId") or body["Name"])
    return name if name.startswith("arn:") else f"{ARN}{name}" + ("" if "Name" in body else "-AbCdEf")


def judged(policy: Mapping[str, Any]) -> Any:
    """A judge who goes by one policy, as moto's does."""
    judge = IAMPolicy({"policy_document": json.dumps(policy).replace("??????", "*")})  # moto's knows no question mark

    def refuse(asked: Asked) -> Refusal | None:
        if asked.service == "sts":
            return None
        action = f"{asked.service}:{asked.operation}"
        needed = [action, *(extra for extra, of in WITHIN.items() if of == action)]
        if all(judge.is_action_permitted(each, resource(asked)) == PermissionResult.PERMITTED for each in needed):
            return None
        said = f"User: me is not authorized to perform: {action} on resource: {resource(asked)}"
        return Refusal(400, json.dumps({"__type": "AccessDeniedException", "Message": said}))

    return refuse


def printed(run: Run, *words: str) -> dict[str, Any]:
    done = run("secrets.policy", *words)
    assert done.code == 0
    return dict(json.loads(done.out[done.out.index("{\n") : done.out.rindex("}") + 1]))


def life(run: Run) -> list[Done]:
    return [run(name, *heeded(name, "--fresh")) for name in ("setup", "status", "setup", "undo")]


def test_a_project_lives_on_the_printed_policy_alone(aws: Front, run: Run) -> None:
    aws.refuse = judged(printed(run))
    assert [done.code for done in life(run)] == [0, 0, 0, 0]


def without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    statements = [
        each | {"Action": [other for other in each["Action"] if other != action]} for each in policy["Statement"]
    ]
    return policy | {"Statement": [each for each in statements if each["Action"]]}


@pytest.mark.parametrize("action", ["CreateSecret", "TagResource", "GetSecretValue", "DeleteSecret"])
def test_without_any_action_of_it_a_project_does_not(action: str, aws: Front, run: Run) -> None:
    aws.refuse = judged(without(printed(run), f"secretsmanager:{action}"))
    assert [done.code for done in life(run)] != [0, 0, 0, 0]


def test_it_names_this_account_region_and_prefix_and_the_connection_of_airflows_own_hooks(
    aws: Front, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CONNECTIONS_PREFIX", "team/connections")
    statements = printed(run)["Statement"]
    assert statements[-1] == {
        "Effect": "Allow",
        "Action": ["secretsmanager:GetSecretValue"],
        "Resource": [f"{ARN}team/connections/aws_default", f"{ARN}team/connections/aws_default-??????"],
    }
    assert f"{ARN}airflow/variables/aws_airflow_check-??????" in statements[0]["Resource"]
    named = {arn for each in statements for arn in each["Resource"]}
    assert [arn for arn in named if "*" in arn] == []


def test_of_parameters_it_names_their_paths() -> None:
    credentials = types.SimpleNamespace(region="eu-west-1")
    who = types.SimpleNamespace(
        identity=Identity("123456789012", "arn:aws:iam::1:user/me", "A"), credentials=credentials
    )
    look = policy.of_settings()
    look.plan(site(Settings(backend="parameter-store", check_entries="read"), identity=who))
    (statement,) = json.loads(look.value)["Statement"]
    assert statement["Action"] == ["ssm:GetParameter"]
    parameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/airflow"
    check = [f"{parameter}/variables/aws_airflow_check", f"{parameter}/connections/aws_airflow_check"]
    assert statement["Resource"] == [*check, f"{parameter}/connections/aws_default"]


# -- who may only read --------------------------------------------------------------------------------------


@pytest.fixture
def theirs(aws: Front, secrets: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Entries of the team's, for somebody who may read them and nothing else."""
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CHECK_ENTRIES", "read")
    made = [
        secrets.create_secret(Name=VARIABLE, SecretString="canary-of-the-team")["ARN"],
        secrets.create_secret(Name=CONNECTION, SecretString="postgres://u:canary-p@canary-host/db")["ARN"],
    ]
    yield
    for arn in made:
        secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


@pytest.mark.usefixtures("theirs")
def test_who_may_only_read_uses_what_is_there_and_nothing_of_it_is_written_printed_or_undone(
    aws: Front, project: Path, run: Run
) -> None:
    policy = printed(run)
    assert [each["Action"] for each in policy["Statement"]] == [["secretsmanager:GetSecretValue"]]
    aws.refuse = judged(policy)
    done = run("setup", "--diff", "--fresh")
    assert (done.code, "read, and never written" in done.out) == (0, True)
    assert [receipt.kind for receipt in receipts.load(state.locate(project)) if receipt.kind == "secret"] == []
    assert run("setup", "--json").document["recap"]["changed"] == 0
    assert run("undo").code == 0
    seen = done.out + done.err + (project / "dags").name
    assert "canary" not in seen
    assert {call for call in aws.calls if call.startswith("secretsmanager")} == {"secretsmanager:GetSecretValue"}


def test_an_entry_that_is_not_there_is_named_where_nothing_may_be_made(
    aws: Front, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CHECK_ENTRIES", "read")
    done = run("secrets")
    assert (done.code, f"there is no secret {VARIABLE} with a text value" in done.out) == (1, True)


def test_where_describing_is_denied_entries_are_read_and_what_is_not_ours_is_refused_with_the_way_on(
    aws: Front, secrets: Any, run: Run
) -> None:
    aws.refuse = judged(without(printed(run), "secretsmanager:DescribeSecret"))
    assert run("secrets", "--json").statuses()["secrets"] == "changed"
    assert run("secrets", "--json").statuses()["secrets"] == "ok"
    secrets.put_secret_value(SecretId=VARIABLE, SecretString="somebody else's")
    done = run("secrets")
    assert (done.code, "INVOKE_AWS_AIRFLOW_CHECK_ENTRIES=read" in done.out) == (1, True)
    aws.refuse = lambda asked: None
    for name in (VARIABLE, CONNECTION):
        secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def test_the_dag_prints_what_tells_a_value_to_who_has_the_runs_key_and_no_value(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CHECK_ENTRIES", "read")
    assert run("dag").code == 0
    text = (project / "dags" / "example_secrets_dag.py").read_text()
    connection = types.SimpleNamespace(host="canary-host")
    found = {
        "airflow.sdk": {"DAG": lambda **_: __import__("contextlib").nullcontext(), "Variable": _Variable},
        "airflow.sdk.bases.hook": {"BaseHook": types.SimpleNamespace(get_connection=lambda _: connection)},
        "airflow.providers.standard.operators.python": {"PythonOperator": lambda **_: None},
        "pendulum": {"datetime": lambda *_, **__: None},
    }
    packages = {each.rsplit(".", count)[0] for each in found for count in range(1, each.count(".") + 1)}
    for name in {*packages, *found}:
        module = types.ModuleType(name)
        module.__path__ = []
        module.__dict__.update(found.get(name, {}))
        monkeypatch.setitem(sys.modules, name, module)
    code: dict[str, Any] = {}
    exec(compile(text, "dag", "exec"), code)
    monkeypatch.setitem(code, "print_identity", lambda: None)
    capsys.readouterr()
    code["print_secrets"](types.SimpleNamespace(conf={"key": "of-this-run"}))
    said = capsys.readouterr().out
    assert "canary" not in said
    marks = [hmac.new(b"of-this-run", value, "sha256").hexdigest() for value in (b"canary-value", b"canary-host")]
    assert re.findall(r"HMAC = (\w+)", said) == marks
    code["print_secrets"](types.SimpleNamespace(conf=None))
    assert re.findall(r"HMAC = (.*)", capsys.readouterr().out) == ["none, without a key"] * 2


class _Variable:
    @staticmethod
    def get(_: str) -> str:
        return "canary-value"
