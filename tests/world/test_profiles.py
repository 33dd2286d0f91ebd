"""What the AWS configuration says of a profile, as botocore reads it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from botocore.credentials import create_credential_resolver

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.calling import under
from aws_airflow_tasks.world import profiles, sessions
from aws_airflow_tasks.world.causes import LoginNeeded
from aws_airflow_tasks.world.profiles import Credentials

ROLE = "role_arn = arn:aws:iam::1:role/r\n"
STATIC = "aws_access_key_id = AKIA\naws_secret_access_key = s\n"
SSO = "sso_account_id = 1\nsso_role_name = r\n"

#: config, credentials, environment, kind, source, chain
KINDS = {
    "nothing at all": ("", "", {}, "missing", "missing", ("default",)),
    "a region alone": ("[default]\nregion = eu-west-1\n", "", {}, "missing", "missing", ("default",)),
    "keys": ("", f"[default]\n{STATIC}", {}, "static", "static", ("default",)),
    "keys in the configuration file": (f"[default]\n{STATIC}", "", {}, "static", "static", ("default",)),
    "keys with a token": ("", f"[default]\n{STATIC}aws_session_token = t\n", {}, "session", "session", ("default",)),
    "an SSO session": (
        f"[default]\nsso_session = s\n{SSO}[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://x\n",
        "",
        {},
        "sso",
        "sso",
        ("default",),
    ),
    "SSO as it was before sessions": (
        f"[default]\nsso_region = eu-west-1\nsso_start_url = https://x\n{SSO}",
        "",
        {},
        "sso",
        "sso",
        ("default",),
    ),
    "a role with another profile's keys": (
        f"[default]\n{ROLE}source_profile = base\n",
        f"[base]\n{STATIC}",
        {},
        "assume-role",
        "static",
        ("default", "base"),
    ),
    "a role upon a role": (
        f"[default]\n{ROLE}source_profile = a\n[profile a]\n{ROLE}source_profile = b\n[profile b]\n{STATIC}",
        "",
        {},
        "assume-role",
        "static",
        ("default", "a", "b"),
    ),
    "a role with its own profile's keys": (
        f"[default]\n{ROLE}source_profile = default\n",
        f"[default]\n{STATIC}",
        {},
        "assume-role",
        "static",
        ("default",),
    ),
    "keys end a chain though a role follows": (
        f"[default]\n{ROLE}source_profile = a\n[profile a]\n{STATIC}{ROLE}source_profile = b\n[profile b]\n{SSO}",
        "",
        {},
        "assume-role",
        "static",
        ("default", "a"),
    ),
    "a role with an SSO login": (
        f"[default]\n{ROLE}source_profile = a\n[profile a]\nsso_region = x\nsso_start_url = https://x\n{SSO}",
        "",
        {},
        "assume-role",
        "sso",
        ("default", "a"),
    ),
    "a role with an MFA device": (
        f"[default]\n{ROLE}mfa_serial = arn:aws:iam::1:mfa/me\nsource_profile = base\n",
        f"[base]\n{STATIC}",
        {},
        "mfa",
        "static",
        ("default", "base"),
    ),
    "an MFA device further down": (
        f"[default]\n{ROLE}source_profile = a\n[profile a]\n{ROLE}mfa_serial = m\nsource_profile = b\n"
        f"[profile b]\n{STATIC}",
        "",
        {},
        "mfa",
        "static",
        ("default", "a", "b"),
    ),
    "a role with the machine's own": (
        f"[default]\n{ROLE}credential_source = Ec2InstanceMetadata\n",
        "",
        {},
        "assume-role",
        "metadata",
        ("default",),
    ),
    "a role with the environment's keys": (
        f"[default]\n{ROLE}credential_source = Environment\n",
        "",
        {},
        "assume-role",
        "environment",
        ("default",),
    ),
    "a web identity": (
        f"[default]\n{ROLE}web_identity_token_file = /token\n",
        "",
        {},
        "web-identity",
        "web-identity",
        ("default",),
    ),
    "a web identity of the environment": (
        "",
        "",
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"},
        "web-identity",
        "web-identity",
        ("default",),
    ),
    "a helper": ("[default]\ncredential_process = helper\n", "", {}, "process", "process", ("default",)),
    "keys come before a helper": (
        "[default]\ncredential_process = helper\n",
        f"[default]\n{STATIC}",
        {},
        "static",
        "static",
        ("default",),
    ),
    "a helper comes before keys in the configuration file": (
        f"[default]\ncredential_process = helper\n{STATIC}",
        "",
        {},
        "process",
        "process",
        ("default",),
    ),
    "aws login": (
        "[default]\nlogin_session = arn:aws:iam::1:user/me\n",
        "",
        {},
        "login",
        "login",
        ("default",),
    ),
    "keys of the environment come first": (
        f"[default]\n{ROLE}source_profile = base\n",
        f"[base]\n{STATIC}",
        {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"},
        "environment",
        "environment",
        ("default",),
    ),
    "also before a profile that the environment names": (
        "[profile dev]\nregion = eu-west-1\n",
        f"[dev]\n{STATIC}",
        {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_PROFILE": "dev"},
        "environment",
        "environment",
        ("dev",),
    ),
    "a container's credentials": (
        "",
        "",
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/x"},
        "metadata",
        "metadata",
        ("default",),
    ),
}
#: what botocore itself calls the way that it takes
METHODS = {
    "static": {"shared-credentials-file", "config-file"},
    "session": {"shared-credentials-file"},
    "sso": {"sso"},
    "assume-role": {"assume-role"},
    "mfa": {"assume-role"},
    "web-identity": {"assume-role-with-web-identity"},
    "environment": {"env"},
}


def write(home: Path, config: str, credentials: str = "") -> None:
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / "config").write_text(config)
    (home / ".aws" / "credentials").write_text(credentials)


def read(settings: Settings | None = None) -> Credentials:
    settings = settings or Settings()
    return profiles.read(sessions.session(settings), settings, os.environ)


@pytest.mark.parametrize("case", KINDS.values(), ids=KINDS)
def test_the_kind_is_found_by_walking_the_chain(
    case: tuple[str, str, dict[str, str], str, str, tuple[str, ...]],
    closed_world: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, credentials, environment, kind, source, chain = case
    write(closed_world, config, credentials)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = read()
    assert (found.kind, found.source, found.chain) == (kind, source, chain)


#: cases whose way botocore takes without asking anybody
OFFLINE = {name: case for name, case in KINDS.items() if case[3] in METHODS and "credential_source" not in case[0]}


@pytest.mark.parametrize("case", OFFLINE.values(), ids=OFFLINE)
def test_botocore_takes_the_way_that_the_kind_says(
    case: tuple[str, str, dict[str, str], str, str, tuple[str, ...]],
    closed_world: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, credentials, environment, kind, _, _ = case
    write(closed_world, config, credentials)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = create_credential_resolver(sessions.session(Settings())).load_credentials()
    assert found.method in METHODS[kind]


def test_a_profile_that_was_asked_for_comes_before_the_environments_keys(
    closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(closed_world, "", f"[dev]\n{STATIC}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    found = read(Settings(profile="dev"))
    assert (found.profile, found.kind) == ("dev", "static")


@pytest.mark.parametrize(
    ("asked", "config", "environment", "region", "origin"),
    [
        ("us-east-1", "region = eu-west-1\n", {"AWS_REGION": "x"}, "us-east-1", "the settings"),
        ("", "region = eu-west-1\n", {"AWS_DEFAULT_REGION": "x"}, "eu-west-1", "the profile"),
        ("", "", {"AWS_DEFAULT_REGION": "a", "AWS_REGION": "b"}, "a", "AWS_DEFAULT_REGION"),
        ("", "", {"AWS_REGION": "b"}, "b", "AWS_REGION"),
        ("", "", {}, "", ""),
    ],
)
def test_the_region_is_the_first_that_anything_names(
    asked: str,
    config: str,
    environment: dict[str, str],
    region: str,
    origin: str,
    closed_world: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(closed_world, f"[default]\n{config}")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = read(Settings(region=asked))
    assert (found.region, found.region_origin) == (region, origin)


def test_a_region_in_the_shared_credentials_file_counts(closed_world: Path) -> None:
    write(closed_world, "", "[default]\nregion = eu-north-1\n")
    assert read().region == "eu-north-1"


def test_the_files_are_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDER", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", "$FOLDER/my config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "my keys"))
    found = read()
    assert (found.config_file, found.credentials_file) == (tmp_path / "my config", tmp_path / "my keys")
    assert found.directory == tmp_path


def test_by_default_the_files_are_in_the_home_directory(closed_world: Path) -> None:
    found = read()
    assert found.directory == closed_world / ".aws"
    assert (found.config_file.name, found.credentials_file.name) == ("config", "credentials")


def test_the_directory_is_that_of_the_file_that_is_there(
    tmp_path: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text(f"[default]\n{STATIC}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    assert read().directory == tmp_path


def test_files_in_two_directories_cannot_be_mounted_as_one(
    tmp_path: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(closed_world, "[default]\nregion = eu-west-1\n")
    (tmp_path / "keys").write_text(f"[default]\n{STATIC}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    with pytest.raises(TaskError, match="name two directories") as caught:
        _ = read().directory
    assert caught.value.hint == under({"credentials": "export"}, "setup")


@pytest.mark.parametrize(
    ("environment", "asked", "options"),
    [
        ({}, {}, " --region eu-west-1"),
        ({"AWS_DEFAULT_REGION": "us-east-1"}, {}, " --region eu-west-1"),
        ({"AWS_ENDPOINT_URL": "http://x:1"}, {}, " --region eu-west-1 --endpoint-url http://x:1"),
        ({"AWS_ENDPOINT_URL_SSM": "http://x:1"}, {}, " --region eu-west-1"),
        ({"AWS_PROFILE": "my dev"}, {}, " --profile 'my dev' --region us-west-2"),
        ({"AWS_PROFILE": "my dev"}, {"profile": "default"}, " --profile default --region eu-west-1"),
        ({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_PROFILE": "my dev"}, {}, " --region us-west-2"),
        ({"AWS_ACCESS_KEY_ID": "AKIA"}, {"profile": "my dev"}, " --profile 'my dev' --region us-west-2"),
        ({}, {"region": "cn-north-1", "endpoint_url": "http://y"}, " --region cn-north-1 --endpoint-url http://y"),
    ],
)
def test_a_command_line_of_aws_asks_as_we_do_in_whatever_shell_it_is_typed(
    environment: dict[str, str],
    asked: dict[str, str],
    options: str,
    closed_world: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It puts ``AWS_DEFAULT_REGION`` before the profile's region, and older ones know no ``AWS_ENDPOINT_URL``."""
    config = f"[default]\nregion = eu-west-1\n{STATIC}[profile 'my dev']\nregion = us-west-2\n{STATIC}"
    write(closed_world, config, "")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert profiles.options(read(Settings(**asked)), Settings(**asked), "secretsmanager") == options


@pytest.mark.parametrize(
    ("endpoint", "environment", "before"),
    [
        ("", {}, ""),
        ("", {"AWS_ENDPOINT_URL": "http://x"}, "env -u AWS_ENDPOINT_URL "),
        ("endpoint_url = http://x\n", {}, "env AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true "),
    ],
)
def test_the_login_to_type_goes_to_no_endpoint_for_everything(
    endpoint: str, environment: dict[str, str], before: str, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(closed_world, f"[profile dev]\nsso_region = eu-west-1\nsso_start_url = https://x\n{SSO}{endpoint}", "")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    subject = profiles.subject(read(Settings(profile="dev")), Settings(profile="dev"))
    assert subject.renew == f"{before}aws sso login --profile dev"
    assert LoginNeeded("over", subject.login, subject.before).hint == subject.renew


@pytest.mark.parametrize(
    ("config", "credentials", "environment", "renew", "login"),
    [
        (f"[default]\n{SSO}sso_region = x\nsso_start_url = x\n", "", {}, "aws sso login", ("aws", "sso", "login")),
        (
            f"[default]\n{ROLE}source_profile = a\n[profile a]\n{SSO}",
            "",
            {},
            "aws sso login --profile a",
            ("aws", "sso", "login", "--profile", "a"),
        ),
        ("[default]\nlogin_session = x\n", "", {}, "aws login", ("aws", "login")),
        ("", "", {}, "aws configure", ("aws", "configure")),
        ("", f"[default]\n{STATIC}", {}, "aws configure", ()),
        ("", f"[default]\n{STATIC}aws_session_token = t\n", {}, "${EDITOR:-vi} ", ()),
        ("", "", {"AWS_ACCESS_KEY_ID": "AKIA"}, "unset AWS_ACCESS_KEY_ID", ()),
        (f"[default]\n{ROLE}credential_source = Environment\n", "", {}, "# set AWS_ACCESS_KEY_ID and", ()),
    ],
)
def test_what_brings_fresh_credentials_follows_the_beginning_of_the_chain(
    config: str,
    credentials: str,
    environment: dict[str, str],
    renew: str,
    login: tuple[str, ...],
    closed_world: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(closed_world, config, credentials)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    subject = profiles.subject(read(), Settings())
    assert subject.renew.startswith(renew)
    assert subject.login == login
