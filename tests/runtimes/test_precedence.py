"""Whatever the table says beats a line of ours, or changes nothing, a real process agrees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from aws_airflow_tasks.backends import secrets_manager
from aws_airflow_tasks.backends.arguments import objections
from aws_airflow_tasks.runtimes import precedence, venv
from aws_airflow_tasks.runtimes.precedence import ENDPOINT, KWARGS, ROWS, WITHOUT_EFFECT, WORKERS, Ours, find, neutral
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import probing
from tests.conftest import USER_CACHE

CLASS = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
OTHER_CLASS = "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend"
ARGUMENTS = {
    "connections_prefix": "airflow/connections",
    "variables_prefix": "airflow/variables",
    "region_name": "eu-west-1",
}
NOWHERE, ELSEWHERE = "http://127.0.0.1:9", "http://127.0.0.1:8"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAOLD", "AWS_SECRET_ACCESS_KEY": "s"}
CONNECTION, ARGUMENT = "AIRFLOW_CONN_AWS_DEFAULT", "AIRFLOW__SECRETS__BACKEND_KWARG__"

#: what botocore resolves in each of several environments, one after the other: a session reads it when it is made
BOTOCORE = """
import json, os, sys
import botocore.loaders, botocore.session

loader = botocore.loaders.create_loader()  # the services' descriptions, read once

def said(function):
    try:
        return function()
    except Exception as error:
        return type(error).__name__

def resolved(variables):
    os.environ.clear()
    os.environ.update(variables)
    session = botocore.session.get_session()
    session.register_component("data_loader", loader)
    clients = {name: session.create_client(name) for name in ("secretsmanager", "sts", "s3", "ssm")}
    keys = session.get_credentials()
    return [keys and keys.access_key, *(client.meta.endpoint_url for client in clients.values())]

print(json.dumps([said(lambda: resolved(variables)) for variables in json.load(sys.stdin)]))
"""


def asked(python: str, script: str, environments: list[dict[str, str]], **first: str) -> list[Any]:
    """What one fresh process, which began with the variables ``first``, resolves in each of these environments."""
    bare = {"PATH": os.environ["PATH"], **{key: environments[0][key] for key in ("HOME", "AIRFLOW_HOME")}, **first}
    done = subprocess.run(
        [python, "-c", script], env=bare, input=json.dumps(environments), capture_output=True, text=True, timeout=600
    )
    assert not done.returncode, done.stderr[-2000:]
    return list(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def ours(tmp_path: Path) -> Ours:
    """The lines of a project whose profile is ``dev``, and the files that they name."""
    (tmp_path / "config").write_text("[default]\nregion = eu-west-1\n[profile dev]\nregion = eu-west-1\n")
    keys = "[{}]\naws_access_key_id = AKIA{}\naws_secret_access_key = s\n"
    (tmp_path / "credentials").write_text(keys.format("default", "DEFAULT") + keys.format("dev", "DEV"))
    (tmp_path / "token").write_text("no token")
    lines = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_PROFILE": "dev",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AIRFLOW__SECRETS__BACKEND": CLASS,
        KWARGS: json.dumps(ARGUMENTS),
    }

    def accepts(text: str) -> bool:
        return not objections(secrets_manager, Settings(), ("dev",), text, lines[KWARGS])

    return Ours(lines, accepts, frozenset({"dev"}), airflow=(3, 3))


def with_endpoint(ours: Ours) -> Ours:
    return ours._replace(lines={**ours.lines, ENDPOINT: NOWHERE}, endpoints={ENDPOINT: NOWHERE})


def with_endpoints_of_the_profile(ours: Ours) -> Ours:
    config = Path(ours.lines["AWS_CONFIG_FILE"])
    services = f"services = local\n[services local]\ns3 =\n  endpoint_url = {NOWHERE}/s3\n"
    config.write_text(config.read_text() + f"endpoint_url = {NOWHERE}\n" + services)
    return ours._replace(endpoints={ENDPOINT: NOWHERE, f"{ENDPOINT}_S3": f"{NOWHERE}/s3"})


def without_profile(ours: Ours) -> Ours:
    lines = {name: value for name, value in ours.lines.items() if name != "AWS_PROFILE"}
    return ours._replace(lines=lines, profiles=frozenset({"default"}))


def environment(ours: Ours, variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The whole of it: whatever would go to AWS ends at a proxy that is not there."""
    where = {"HOME": str(folder), "AIRFLOW_HOME": str(folder), "AWS_MAX_ATTEMPTS": "1", "HTTPS_PROXY": NOWHERE}
    return {**where, **ours.lines, **variables}


#: variables to add to our lines
AWS: list[dict[str, str]] = [
    KEYS,
    {**KEYS, "AWS_SESSION_TOKEN": "t"},
    {"AWS_ACCESS_KEY_ID": "AKIAOLD"},
    {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
    {"AWS_DEFAULT_PROFILE": "nobody"},
    {"AWS_DEFAULT_PROFILE": "default"},
    {"AWS_DEFAULT_PROFILE": "dev"},
    {"AWS_DEFAULT_PROFILE": ""},
    {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"},
    {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"},
    {"AWS_WEB_IDENTITY_TOKEN_FILE": ""},
    {"AWS_EC2_METADATA_DISABLED": "true"},
    {ENDPOINT: ELSEWHERE},
    {ENDPOINT: ""},
    {ENDPOINT: ELSEWHERE, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE"},
    *({f"{ENDPOINT}_{name}": ELSEWHERE} for name in ("SECRETS_MANAGER", "STS", "S3", "SSM")),
    *({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": value} for value in ("true", "1", "false")),
    {f"{ENDPOINT}_STS": NOWHERE},
    {ENDPOINT: NOWHERE},
    *({name: NOWHERE} for name in WITHOUT_EFFECT if name.startswith(("AWS_", "BOTO_"))),
]


@pytest.mark.parametrize(
    "change",
    [Ours, with_endpoint, with_endpoints_of_the_profile, without_profile],
    ids=["plain", "endpoint", "the profile's endpoints", "no profile"],
)
def test_botocore_resolves_something_else_just_where_the_table_says_so(ours: Ours, change: Any, tmp_path: Path) -> None:
    """An endpoint of ours that is replaced is a line of ours that differs, and no matter of the table."""
    ours = change(*ours) if change is Ours else change(ours)
    added = [each for each in AWS if not (ENDPOINT in each and ENDPOINT in ours.lines)]
    environments = [environment(ours, each, tmp_path) for each in ({}, *added)]
    reference, *answers = asked(sys.executable, BOTOCORE, environments)
    assert reference[0] == ("AKIADEV" if "AWS_PROFILE" in ours.lines else "AKIADEFAULT")
    truth = [(each, answer != reference) for each, answer in zip(added, answers, strict=True)]
    if "AWS_PROFILE" not in ours.lines:  # another name of the same profile makes no difference either
        truth = [(each, differs) for each, differs in truth if each.get("AWS_DEFAULT_PROFILE") != "dev"]
    assert [(each, bool(find({**ours.lines, **each}, ours))) for each, _ in truth] == truth


def test_what_needs_no_name_of_a_profile_is_led_astray_by_one_that_is_not_there(ours: Ours, tmp_path: Path) -> None:
    ours = without_profile(ours)
    named = [{"AWS_PROFILE": name} for name in ("nobody", "", "default")]
    environments = [environment(ours, each, tmp_path) for each in ({}, *named)]
    reference, *answers = asked(sys.executable, BOTOCORE, environments)
    told = [[each.name for each in find({**ours.lines, **name}, ours)] for name in named]
    assert [bool(names) for names in told] == [answer != reference for answer in answers] == [True, True, False]
    assert neutral("AWS_PROFILE", ours) == "default"


def test_without_what_the_table_finds_or_with_a_neutral_value_botocore_resolves_what_is_ours(
    ours: Ours, tmp_path: Path
) -> None:
    environments = [environment(ours, {}, tmp_path)]
    for each in AWS:
        there = environment(ours, each, tmp_path)
        found = {finding.name for finding in find(there, ours)}
        environments.append({name: value for name, value in there.items() if name not in found})
        environments.append(there | {name: str(neutral(name, ours)) for name in found})
    reference, *answers = asked(sys.executable, BOTOCORE, environments)
    assert [answer for answer in answers if answer != reference] == []


class _Metadata(BaseHTTPRequestHandler):
    """A machine's metadata service, and beside it the endpoint that a container has for its keys."""

    def do_GET(self) -> None:
        keys = {"Code": "Success", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
        answers = {
            "/container": json.dumps({**keys, "AccessKeyId": "AKIACONTAINER"}),
            "/latest/meta-data/iam/security-credentials/": "role",
            "/latest/meta-data/iam/security-credentials/role": json.dumps({**keys, "AccessKeyId": "AKIAMACHINE"}),
        }
        self.send_response(200 if self.path in answers else 404)
        self.end_headers()
        self.wfile.write(answers.get(self.path, "").encode())

    def do_PUT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"token")

    def log_message(self, format: str, *arguments: Any) -> None: ...


@pytest.fixture
def metadata() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Metadata) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_only_keys_of_the_metadata_service_are_beaten_by_those_of_a_container(
    ours: Ours, metadata: str, tmp_path: Path
) -> None:
    there = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata, "AWS_DEFAULT_REGION": "eu-west-1"}
    ours = ours._replace(lines=there, metadata=True)
    added = [
        {},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{metadata}/container"},
        {"AWS_EC2_METADATA_DISABLED": "TRUE"},
        {"AWS_EC2_METADATA_DISABLED": "false"},
    ]
    found = [find({**there, **each}, ours) for each in added]
    answers = asked(sys.executable, BOTOCORE, [environment(ours, each, tmp_path) for each in added])
    assert [answer if isinstance(answer, str) else answer[0] for answer in answers] == [
        "AKIAMACHINE",
        "AKIACONTAINER",
        None,
        "AKIAMACHINE",
    ]
    assert [bool(each) for each in found] == [False, True, True, False]


#: what Airflow's own configuration gives: the backend that it asks itself, the one for tasks, a hook of `aws_default`
AIRFLOW = """
import contextlib, inspect, io, json, os, sys

with contextlib.redirect_stdout(sys.stderr):
    import botocore.loaders, botocore.session
    loader = botocore.loaders.create_loader()  # the services' descriptions, read once
    botocore.session.create_loader = lambda *_: loader
    from airflow.configuration import get_custom_secret_backend
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

known = inspect.signature(get_custom_secret_backend).parameters
modes = [{"worker_mode": mode} for mode in (False, True)] if "worker_mode" in known else [{}]

def said(function):
    try:
        return function()
    except Exception as error:
        return type(error).__name__

def backend(**mode):
    made = get_custom_secret_backend(**mode)
    keys = made.client._request_signer._credentials.access_key
    names = ("connections_prefix", "variables_prefix", "sep", "variables_lookup_pattern")
    return [type(made).__name__, made.client.meta.endpoint_url, keys, *(getattr(made, name, None) for name in names)]

def hook():
    if not {"AIRFLOW_CONN_AWS_DEFAULT", "REFERENCE"} & os.environ.keys():
        return None
    made = AwsBaseHook(aws_conn_id="aws_default", client_type="sts")
    return [made.get_credentials().access_key, made.conn.meta.endpoint_url]

def resolved(variables):
    os.environ.clear()
    os.environ.update(variables)
    return {"backends": [said(lambda: backend(**mode)) for mode in modes], "hook": said(hook)}

with contextlib.redirect_stdout(sys.stderr):
    answers = [resolved(variables) for variables in json.load(sys.stdin)]
print(json.dumps(answers))
sys.stdout.flush()
os._exit(0)
"""

AIRFLOWS: list[dict[str, str]] = [
    KEYS,
    {ARGUMENT + "REGION_NAME": "us-east-2"},
    {ARGUMENT + "region_name": "us-east-2"},
    {ARGUMENT + "REGION_NAME": "eu-west-1"},
    {ARGUMENT + "ROLE_ARN": "arn:aws:iam::123456789012:role/x"},
    {ARGUMENT + "VARIABLES_PREFIX": "other"},
    {ARGUMENT + "PROFILE_NAME": "default"},
    {ARGUMENT + "NOBODY_KNOWS": "x"},
    {ARGUMENT: "x"},
    {WORKERS: OTHER_CLASS},
    {WORKERS: CLASS},
    {WORKERS: ""},
    {WORKERS: CLASS, f"{WORKERS}_KWARGS": json.dumps(ARGUMENTS)},
    {WORKERS: CLASS, f"{WORKERS}_KWARGS": json.dumps({**ARGUMENTS, "region_name": "us-east-2"})},
    {WORKERS: CLASS, f"{WORKERS}_KWARG__REGION_NAME": "us-east-2"},
    {CONNECTION: "aws://AKIACONN:s@"},
    {CONNECTION: json.dumps({"conn_type": "aws", "login": "AKIACONN", "password": "s"})},
    {CONNECTION: json.dumps({"conn_type": "aws", "login": "AKIACONN"})},
    {CONNECTION: json.dumps({"conn_type": "aws", "extra": {"aws_access_key_id": "A", "aws_secret_access_key": "s"}})},
    {CONNECTION: json.dumps({"conn_type": "aws", "extra": json.dumps({"profile_name": "default"})})},
    {CONNECTION: "aws://?role_arn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fx"},
    {CONNECTION: "aws://?profile_name=dev"},
    {CONNECTION: "aws://?region_name=us-east-2"},
    {CONNECTION: "aws://?endpoint_url=http%3A%2F%2F127.0.0.1%3A8"},
    {CONNECTION: "aws://"},
    {CONNECTION: ""},
    {CONNECTION: "{"},
    {name: "echo {}" for name in WITHOUT_EFFECT if name.startswith("AIRFLOW_")},
]


def neutralised(ours: Ours) -> list[dict[str, str]]:
    """What beats ours, with neutral values where there are such; a warning's may be meant."""
    found = [{row.name: neutral(row.name, ours) for row in find({**ours.lines, **each}, ours)} for each in AIRFLOWS]
    return [{name: str(value) for name, value in each.items()} for each in found if each and None not in each.values()]


@pytest.mark.e2e
@pytest.mark.parametrize("major", [3, 2])
def test_airflow_resolves_something_else_just_where_the_table_says_so(
    ours: Ours, major: int, tmp_path: Path, airflows: dict[int, str]
) -> None:
    version = tuple(map(int, venv.version(major).split(".")[:2]))
    ours = ours._replace(airflow=version)
    environments = [environment(ours, each, tmp_path) for each in ({"REFERENCE": "1"}, *AIRFLOWS, *neutralised(ours))]
    reference, *answers = asked(airflows[major], AIRFLOW, environments)
    assert reference["backends"][0][0] == "SecretsManagerBackend"
    assert reference["hook"][0] == "AKIADEV"
    answers = [answer | ({} if answer["hook"] else {"hook": reference["hook"]}) for answer in answers]
    truth = [(each, answer != reference) for each, answer in zip(AIRFLOWS, answers[: len(AIRFLOWS)], strict=True)]
    assert [(each, bool(find({**ours.lines, **each}, ours))) for each, _ in truth] == truth
    assert [answer for answer in answers[len(AIRFLOWS) :] if answer != reference] == []


FACTORY = """
import boto3
from airflow.providers.amazon.aws.hooks.base_aws import BaseSessionFactory

class Factory(BaseSessionFactory):
    def create_session(self, *arguments, **more):
        return boto3.Session(aws_access_key_id="AKIAFACTORY", aws_secret_access_key="s", region_name="eu-west-1")
"""


@pytest.mark.e2e
def test_a_session_factory_decides_on_the_keys_of_hooks_and_backend(
    ours: Ours, tmp_path: Path, airflows: dict[int, str]
) -> None:
    (tmp_path / "factories.py").write_text(FACTORY)
    factory = {precedence.SESSION_FACTORY: "factories.Factory"}
    there = [environment(ours, factory | {CONNECTION: "aws://"}, tmp_path)]
    (answer,) = asked(airflows[3], AIRFLOW, there, PYTHONPATH=str(tmp_path), **factory)
    assert [answer["backends"][0][2], answer["hook"][0]] == ["AKIAFACTORY"] * 2
    assert [found.weight for found in find(there[0], ours)] == ["warning"]


def probed(python: str, variables: dict[str, str]) -> dict[str, Any]:
    """What `verify` asks the Airflow of a service."""
    argv = [python, "-", json.dumps({"variable": "v", "connection": "c"})]
    script = "".join(Path(probing.__file__).with_name(f"{name}.py.txt").read_text() for name in ("told", "backend"))
    done = subprocess.run(argv, env=variables, input=script, capture_output=True, text=True, timeout=600)
    return dict(json.loads(done.stdout.splitlines()[-1]))


CFG = f"[workers]\nsecrets_backend = {OTHER_CLASS}\n[secrets]\nbackend = {OTHER_CLASS}\nbackend_kwargs = {{}}\n"


@pytest.mark.e2e
def test_of_airflow_cfg_the_backend_for_tasks_counts_unless_the_environment_has_an_empty_one(
    ours: Ours, tmp_path: Path, airflows: dict[int, str]
) -> None:
    (tmp_path / "airflow.cfg").write_text(CFG)
    there = [environment(ours, each, tmp_path) for each in ({}, {WORKERS: str(neutral(WORKERS, ours))})]
    with_cfg, over_it = asked(airflows[3], AIRFLOW, there)
    assert [backend[0] for backend in with_cfg["backends"]] == [
        "SecretsManagerBackend",
        "SystemsManagerParameterStoreBackend",
    ]
    assert [backend[0] for backend in over_it["backends"]] == ["SecretsManagerBackend"] * 2
    for_tasks = probed(airflows[3], there[0])["for_tasks"]
    assert for_tasks["backend"] == "SystemsManagerParameterStoreBackend"
    assert for_tasks["place"] == str(tmp_path / "airflow.cfg")
    assert probed(airflows[3], there[1])["for_tasks"] is None
    assert probed(airflows[2], there[0])["for_tasks"] is None
    assert [found.name for found in find({**ours.lines, WORKERS: OTHER_CLASS}, ours)] == [WORKERS]


@pytest.fixture(scope="module")
def airflows() -> dict[int, str]:
    """By major version the Python of a real Airflow."""
    cache = USER_CACHE / "aws-airflow-tasks"
    return {major: str(venv.ensure(major, cache) / "bin" / "python") for major in (3, 2)}


def test_an_argument_counts_from_airflow_3_2_on_and_a_backend_for_tasks_from_3_0_on(ours: Ours) -> None:
    there = {**ours.lines, ARGUMENT + "ROLE_ARN": "arn", WORKERS: OTHER_CLASS}

    def found(*version: int) -> list[str]:
        return [each.name for each in find(there, ours._replace(airflow=version))]

    assert found(2, 11) == found(2) == []
    assert found(3, 1) == [WORKERS]
    assert found(3, 2) == found(3) == found() == [ARGUMENT + "ROLE_ARN", WORKERS]


def test_a_token_is_no_matter_where_the_profile_itself_assumes_a_role(ours: Ours, tmp_path: Path) -> None:
    """The role cannot be assumed here, with or without the token, for one and the same reason."""
    (tmp_path / "config").write_text("[profile dev]\nregion = eu-west-1\nrole_arn = arn\nsource_profile = nobody\n")
    (tmp_path / "credentials").write_text("")
    token = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}
    answers = asked(sys.executable, BOTOCORE, [environment(ours, each, tmp_path) for each in ({}, token)])
    assert answers == ["InvalidConfigError"] * 2
    assert find({**ours.lines, **token}, ours._replace(assumes=True)) == []


def test_every_row_is_tried(ours: Ours) -> None:
    tried = [find({**ours.lines, **each}, ours) for each in (*AWS, *AIRFLOWS)]
    tried += [find({**ours.lines, **each}, with_endpoint(ours)) for each in AWS]
    tried += [find({**ours.lines, "AWS_PROFILE": "nobody"}, without_profile(ours))]
    told = {(finding.means, finding.weight) for findings in tried for finding in findings}
    metadata = {row for row in ROWS if "metadata" in row.means}
    session_factory = {row for row in ROWS if row.name == precedence.SESSION_FACTORY}
    assert {(row.means, row.weight) for row in {*ROWS} - metadata - session_factory} == told


def test_what_has_no_effect_is_no_finding(ours: Ours) -> None:
    assert find({**ours.lines, **dict.fromkeys(WITHOUT_EFFECT, "x")}, ours) == []
