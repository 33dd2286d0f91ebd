"""What AWS is asked by each task, as who stands before it sees, is what the table says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import pytest

from aws_airflow_tasks import backends, ns, runtimes
from aws_airflow_tasks.backends import Backend, permissions
from aws_airflow_tasks.backends.permissions import CHECKS, OWN
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import cli, sessions
from aws_airflow_tasks.world.airflow_api import Login
from aws_airflow_tasks.world.cli import Completed
from tests.project import StandInAirflow, airflow, astro_project, embedded, heeded, run
from tests.test_setup import Run, project, secrets
from tests.world import test_staging as sources
from tests.world.front import Asked, Front, Refusal, front
from tests.world.server import REAL_SPAWN, Embedded
from tests.world.sso_server import VARIABLES, Center, center
from tests.world.test_staging import World

__all__ = ["airflow", "astro_project", "center", "embedded", "project", "run", "secrets"]

#: allowed with another action, and asked by no request of its own
WITHIN = {"secretsmanager:TagResource", "ssm:AddTagsToResource"}
DENIED = Refusal(400, '{"__type": "AccessDeniedException", "message": "no"}')
EACH = pytest.mark.parametrize("backend", backends.ALL.values(), ids=backends.ALL)


class Probed(StandInAirflow):
    """The probe of `verify` is run for its services, with the environment that Airflow was started with."""

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Completed:
        if "def probe" not in stdin:
            return Completed(1, "", "no Airflow is here")
        variables = {name: os.environ[name] for name in ("PATH", "HOME")} | (self.environment or {})
        command = [sys.executable, *argv[1:]]
        done = subprocess.run(command, input=stdin, env=variables, capture_output=True, text=True)
        return Completed(done.returncode, done.stdout, done.stderr)

    def login(self) -> Login:
        return Login("http://127.0.0.1:9", "admin", "", 2)


@pytest.fixture
def aws(project: Path, embedded: Embedded, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """AWS, and who writes down what it is asked."""
    monkeypatch.setattr(runtimes, "choose", lambda settings, state: probed)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_WAIT", "0")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", backend.NAME)
    probed = Probed(mounts=False, name="embedded")
    with front(embedded.url) as made:
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", made.url)
        yield made


def with_those_before(name: str) -> set[str]:
    """A task and all that it runs first; `status` looks at the steps of `setup`."""
    before = {task.name for task in ns[name].pre} | ({"setup"} if name == "status" else set())
    return {ns[name].name}.union(*map(with_those_before, before))


def allowed(name: str, backend: Backend) -> set[str]:
    """What may be asked by a command line with a task."""
    tasks = with_those_before(name)
    rows = ({task: row for task, row in all_of_them.items() if task in tasks} for all_of_them in (CHECKS, OWN))
    found = {action for some in rows for action in permissions.actions(backend, some)}
    return {permissions.IDENTITY, *found} - WITHIN


def asked(aws: Front, run: Run, *words: str) -> set[str]:
    aws.asked.clear()
    assert run(*words, *heeded(words[0], "--fresh")).code != 2
    assert [each.agent for each in aws.asked if sessions.agent() not in each.agent.split()] == []
    return set(aws.calls)


@EACH
def test_a_whole_life_of_a_project_asks_what_the_table_says_and_nothing_else(
    aws: Front, backend: Backend, run: Run
) -> None:
    seen: set[str] = set()
    for words in ("status", "setup --check", "setup", "setup", "verify", "refresh --force", "status", "stop", "undo"):
        task = words.partition(" ")[0]
        found = asked(aws, run, *words.split())
        assert found <= allowed(task, backend), words
        if task == "verify":  # host and service ask, for two entries and for one
            (action,) = permissions.actions(backend, {task: CHECKS[task]})
            assert aws.calls.count(action) >= 3
        seen |= found
    assert seen - {permissions.IDENTITY} == {*permissions.actions(backend, CHECKS)} - WITHIN


@EACH
def test_after_another_backend_was_set_the_one_before_is_asked_what_the_table_says(
    aws: Front, backend: Backend, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (after,) = (each for each in backends.ALL.values() if each is not backend)
    asked(aws, run, "secrets")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", after.NAME)
    found = asked(aws, run, "secrets")
    of_before = found & {action for word in ("describe", "get", "delete") for action in backend.ACTIONS[word]}
    assert {action for word in ("get", "delete") for action in backend.ACTIONS[word]} <= of_before
    assert of_before <= allowed("secrets", backend)
    assert found - of_before <= allowed("secrets", after)
    asked(aws, run, "undo")


@EACH
def test_entries_of_the_persons_own_are_asked_for_as_the_table_says(
    aws: Front, backend: Backend, project: Path, run: Run
) -> None:
    lines = (
        ({"a": "1", "b": "1"}, "secrets.sync v.json"),
        ({"a": "2"}, "secrets.sync v.json --prune --yes"),
        ({"a": "2", "b": "3"}, "secrets.sync v.json"),
        ({}, "secrets.list"),
        ({}, "secrets.get a"),
        ({}, "secrets.history a"),
        ({}, "secrets.lint"),
        ("4", "secrets.put a --file v.json"),
        ("5", "secrets.put c --file v.json"),
        ({}, "secrets.delete c --yes"),
        ({}, "undo"),
    )
    seen: set[str] = set()
    for values, words in lines:
        (project / "v.json").write_text(json.dumps(values))
        found = asked(aws, run, *words.split())
        assert found <= allowed(words.partition(" ")[0], backend), words
        seen |= found
    aws.refuse = lambda call: DENIED if f"{call.service}:{call.operation}" in backend.ACTIONS["batch"] else None
    seen |= (found := asked(aws, run, "secrets.get", "a"))  # one by one
    assert found <= allowed("secrets.get", backend)
    assert seen - {permissions.IDENTITY} == {*permissions.actions(backend, OWN)} - WITHIN


# -- how keys are come by ------------------------------------------------------------------------------------

#: what carries no signature, which would name its service, by its path; of the others that is STS's alone
LOGINS = {"/federation/credentials": "sso:GetRoleCredentials", "/token": "sso-oidc:CreateToken"}
ROLE, SSO, TOKEN, WEB = "sts:AssumeRole", *LOGINS.values(), "sts:AssumeRoleWithWebIdentity"


class Way(NamedTuple):
    """How a profile is set up, what its keys are fetched by, and whose agent asks for them beside ours."""

    set_up: Callable[[World], None]
    by: set[str]
    beside: str = ""


WAYS = {
    "a role, live": Way(sources.assume_role, {ROLE}, "Botocore/"),  # Airflow's own
    "a token near its end": Way(sources.sso_near_its_end, {SSO, TOKEN}, "aws-cli/"),
    "a role upon IAM Identity Center": Way(sources.assume_role_from_sso, {SSO, ROLE}),
    "a web identity": Way(sources.web_identity, {WEB}),
}


def named(asked: Asked) -> str:
    """The action that a request asks for."""
    path = asked.operation.partition(" ")[2].partition("?")[0]
    return LOGINS.get(path, f"{asked.service or 'sts'}:{asked.operation}")


def about(asked: Asked) -> str:
    """Whose keys a request that fetches some asks for."""
    body = parse_qs(asked.text.rpartition("\n")[2]) | parse_qs(asked.operation.partition("?")[2])
    return body["RoleArn"][0] if "RoleArn" in body else "/".join(body["account_id"] + body["role_name"])


@pytest.fixture
def world(
    project: Path, closed_world: Path, embedded: Embedded, center: Center, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    return World(closed_world, Settings(project=project), embedded, center)


@pytest.mark.parametrize("backend", [backends.ALL["secrets-manager"]], ids=lambda backend: backend.NAME)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_keys_are_fetched_as_is_said_of_their_kind_of_profile_for_that_alone_and_nothing_more_is_asked(
    way: Way, aws: Front, backend: Backend, world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    way.set_up(world)
    config = (world.home / ".aws" / "config").read_text()
    wanted = {*re.findall("role_arn = (.*)", config)} | ({"123456789012/reader"} if SSO in way.by else set())
    with front(world.center.url) as logins:
        for name in VARIABLES:
            monkeypatch.setenv(name, logins.url)
        seen: set[str] = set()
        for words in ("setup --check", "setup", "verify", "refresh --force", "undo"):
            aws.asked.clear()
            logins.asked.clear()
            task = words.partition(" ")[0]
            assert run(*words.split(), *heeded(task, "--fresh")).code != 2, words
            every = [*aws.asked, *logins.asked]
            assert {named(each) for each in every} <= allowed(task, backend) | way.by, words
            fetched = [each for each in every if named(each) in way.by - {TOKEN}]
            assert {about(each) for each in fetched} <= wanted
            others = [each.agent for each in every if sessions.agent() not in each.agent.split()]
            assert [agent for agent in others if not (way.beside and agent.startswith(way.beside))] == []
            seen |= {named(each) for each in every}
    assert way.by <= seen
    assert {*permissions.actions(backend, CHECKS)} - WITHIN <= seen


def names() -> list[str]:
    """Every task that asks AWS itself, if it asks at all: the sandbox has an AWS of its own."""
    return sorted(name for name in ns.task_names if not name.startswith("sandbox"))


@pytest.mark.parametrize("backend", [backends.ALL["secrets-manager"]], ids=lambda backend: backend.NAME)
@pytest.mark.parametrize("name", names())
def test_no_task_asks_in_check_mode_what_it_has_no_row_for(name: str, aws: Front, backend: Backend, run: Run) -> None:
    done = run(name, *heeded(name, "--check", "--fresh"))
    assert done.code in (0, 1, 2, 3, 4)
    assert set(aws.calls) <= allowed(name, backend)


def test_a_row_names_a_task_and_what_every_backend_does_for_it() -> None:
    rows = [*CHECKS.items(), *OWN.items()]
    assert {task for task, _ in rows} <= {ns[name].name for name in ns.task_names}
    for backend in backends.ALL.values():
        assert {word for _, row in rows for word in row} - {permissions.ELSEWHERE} <= backend.ACTIONS.keys()
        services = {action.partition(":")[0] for actions in backend.ACTIONS.values() for action in actions}
        assert services <= permissions.RESOURCES.keys()


def test_a_policy_names_entries_where_aws_can_and_all_of_them_where_it_cannot() -> None:
    found = permissions.policy(
        ["secretsmanager:GetSecretValue", "secretsmanager:ListSecrets"],
        ["airflow/variables/x"],
        partition="aws-cn",
        region="cn-north-1",
        account="123456789012",
    )
    arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:airflow/variables/x"
    assert found == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [arn, f"{arn}-??????"]},
            {"Effect": "Allow", "Action": ["secretsmanager:ListSecrets"], "Resource": ["*"]},
        ],
    }
