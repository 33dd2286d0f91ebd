"""Staged credentials: every kind of profile works in a process that has nothing but the staged files."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import creds
from aws_airflow_tasks.steps.staging import changes
from aws_airflow_tasks.world import cli, delivery, staged_text, staging, state
from aws_airflow_tasks.world.causes import LoginNeeded
from tests.project import aws_itself
from tests.world.server import REAL_SPAWN, Embedded, embedded
from tests.world.sso_server import START_URL, VARIABLES, Center, assumed, center, role

__all__ = ["aws_itself", "center", "embedded"]

#: what a process of Airflow does: botocore, nothing else
WHO_AM_I = """
import botocore.session
print(botocore.session.Session().create_client("sts", region_name="eu-west-1").get_caller_identity()["Arn"])
"""
USER = "arn:aws:iam::123456789012:user/airflow-sandbox"


@dataclass
class World:
    """A HOME to fill, an endpoint, the identity that is expected, and where Airflow sees the staged directory."""

    home: Path
    settings: Settings
    embedded: Embedded
    center: Center
    arn: str = USER
    secrets: tuple[str, ...] = ()
    closing: list[Callable[[], object]] = field(default_factory=list)

    def config(self, text: str) -> None:
        (self.home / ".aws" / "config").write_text(text)

    def credentials(self, text: str) -> None:
        (self.home / ".aws" / "credentials").write_text(text)

    def role(self, name: str) -> str:
        arn = role(self.embedded, name)
        self.arn = f"arn:aws:sts::123456789012:assumed-role/{name}/"
        return arn

    @property
    def keys(self) -> tuple[str, str]:
        """The keys of the embedded AWS's user."""
        words = (self.embedded.home / ".aws" / "credentials").read_text().split()
        return words[3], words[6]

    def pairs(self, access: str, secret: str, token: str = "") -> str:
        self.secrets += (secret, *([token] if token else []))
        text = f"aws_access_key_id = {access}\naws_secret_access_key = {secret}\n"
        return text + (f"aws_session_token = {token}\n" if token else "")

    @property
    def state(self) -> Path:
        return state.locate(self.settings.project)

    @property
    def staged(self) -> Path:
        return staging.folder(self.state)

    def converge(self) -> str:
        """Plan and apply what the credentials step wants; its reason."""
        plan = creds.plan(Site(self.settings))
        state.make(self.settings.project)
        for change in plan.needed:
            change.apply()
        return plan.needed[0].reason if plan.needed else plan.reason


@pytest.fixture
def world(
    closed_world: Path, tmp_path: Path, embedded: Embedded, center: Center, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    (closed_world / ".aws").mkdir()
    project = tmp_path / "dwh"
    project.mkdir()
    settings = Settings(project=project, endpoint_url=center.url, mount_path=str(tmp_path / "in it's container"))
    made = World(closed_world, settings, embedded, center)
    yield made
    while made.closing:
        made.closing.pop()()


def in_airflow(world: World, profile: str = "") -> dict[str, str]:
    """The environment of Airflow's processes: the staged directory's files, the endpoint, an empty HOME."""
    home = world.settings.project / "airflow home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_CONFIG_FILE": f"{world.settings.mount_path}/config",
        "AWS_SHARED_CREDENTIALS_FILE": f"{world.settings.mount_path}/credentials",
        "AWS_ENDPOINT_URL": world.center.url,
        "AWS_EC2_METADATA_DISABLED": "true",
    } | ({"AWS_PROFILE": profile} if profile else {})


def who_airflow_is(world: World, profile: str = "") -> str:
    """The identity that a fresh process gets from a copy of the staged directory alone."""
    shutil.rmtree(world.settings.mount_path, ignore_errors=True)
    shutil.copytree(world.staged, world.settings.mount_path)
    done = subprocess.run(
        [sys.executable, "-c", WHO_AM_I], env=in_airflow(world, profile), capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr


def static(world: World) -> None:
    world.credentials(f"[default]\n{world.pairs(*world.keys)}")
    world.config("[default]\nregion = eu-west-1\noutput = json\n")


def with_token(world: World) -> None:
    keys = assumed(world.embedded, world.role("with-token"))
    world.credentials(f"[default]\n{world.pairs(keys['AccessKeyId'], keys['SecretAccessKey'], keys['SessionToken'])}")
    world.config("[default]\nregion = eu-west-1\n")


def sso(world: World) -> None:
    world.center.keys = assumed(world.embedded, world.role("reader"))
    world.secrets = (world.center.keys["SecretAccessKey"], "canary-sso-token")
    world.config(
        "[default]\nregion = eu-west-1\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n"
        f"[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = {START_URL}\n"
    )
    world.center.cached(world.home, "corp", minutes=60)


def sso_near_its_end(world: World) -> None:
    sso(world)
    world.center.cached(world.home, "corp", minutes=5)


def sso_legacy(world: World) -> None:
    sso(world)
    world.config(
        f"[default]\nregion = eu-west-1\nsso_start_url = {START_URL}\nsso_region = eu-west-1\n"
        "sso_account_id = 123456789012\nsso_role_name = reader\n"
    )
    world.center.cached(world.home, START_URL, minutes=60, refreshable=False)


def assume_role(world: World) -> None:
    world.credentials(f"[base]\n{world.pairs(*world.keys)}")
    world.config(f"[default]\nregion = eu-west-1\nrole_arn = {world.role('assumed')}\nsource_profile = base\n")


def assume_role_from_sso(world: World) -> None:
    sso(world)
    config = (world.home / ".aws" / "config").read_text().replace("[default]", "[profile login]")
    world.config(
        f"{config}[default]\nregion = eu-west-1\nrole_arn = {world.role('upon-sso')}\nsource_profile = login\n"
    )


def web_identity(world: World) -> None:
    token = world.home / "token"
    token.write_text("canary-web-identity-token")
    world.secrets = ("canary-web-identity-token",)
    world.config(f"[default]\nregion = eu-west-1\nrole_arn = {world.role('web')}\nweb_identity_token_file = {token}\n")


def helper(world: World) -> None:
    keys = assumed(world.embedded, world.role("helped"))
    answer = {"Version": 1, "AccessKeyId": keys["AccessKeyId"], "SecretAccessKey": keys["SecretAccessKey"]}
    answer |= {"SessionToken": keys["SessionToken"], "Expiration": keys["Expiration"].isoformat()}
    world.secrets = (keys["SecretAccessKey"], keys["SessionToken"])
    (world.home / "answer.json").write_text(json.dumps(answer))
    world.config(f"[default]\nregion = eu-west-1\ncredential_process = cat '{world.home / 'answer.json'}'\n")


def environment(world: World) -> None:
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = world.keys
    world.secrets = (world.keys[1],)
    world.config("[default]\nregion = eu-west-1\n")


def environment_that_ends(world: World) -> None:
    keys = assumed(world.embedded, world.role("environment"))
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = keys["AccessKeyId"], keys["SecretAccessKey"]
    os.environ["AWS_SESSION_TOKEN"] = keys["SessionToken"]
    os.environ["AWS_CREDENTIAL_EXPIRATION"] = keys["Expiration"].isoformat()
    world.secrets = (keys["SecretAccessKey"], keys["SessionToken"])
    world.config("[default]\nregion = eu-west-1\n")


def mfa(world: World) -> None:
    """A role with an MFA device, whose code the person has typed to the AWS command line already."""
    world.credentials(f"[default]\n{world.pairs(*world.keys)}")
    world.config(
        f"[default]\nregion = eu-west-1\nrole_arn = {world.role('guarded')}\nsource_profile = default\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/me\n"
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(world.home), "AWS_ENDPOINT_URL": world.center.url}
    asked = ["aws", "sts", "get-caller-identity"]
    done = subprocess.run(
        asked, env=environ, input="123456\n", text=True, capture_output=True, start_new_session=True, check=False
    )
    assert "assumed-role/guarded" in done.stdout, done.stderr


BEHIND_A_COMMAND = {"config", "creds.json", "creds.sh"}
#: set up, kind, why it is staged in docker, files that are staged
KINDS: dict[str, tuple[Callable[[World], None], str, str, set[str]]] = {
    "static": (static, "static", "exported: credentials is mode 0600", {"config", "credentials"}),
    "session": (with_token, "session", "exported: credentials is mode 0600", BEHIND_A_COMMAND),
    "sso": (sso, "sso", "exported: an SSO token cannot be refreshed", BEHIND_A_COMMAND),
    "sso near its end": (sso_near_its_end, "sso", "exported: an SSO token cannot", BEHIND_A_COMMAND),
    "sso legacy": (sso_legacy, "sso", "exported: an SSO token cannot be refreshed", BEHIND_A_COMMAND),
    "assume-role": (assume_role, "assume-role", "exported: credentials is mode 0600", BEHIND_A_COMMAND),
    "assume-role from sso": (assume_role_from_sso, "assume-role", "exported: an SSO token", BEHIND_A_COMMAND),
    "web-identity": (web_identity, "web-identity", "exported: the identity token's file", BEHIND_A_COMMAND),
    "process": (helper, "process", "exported: the credential helper is not in", BEHIND_A_COMMAND),
    "environment": (environment, "environment", "exported: keys in environment variables", BEHIND_A_COMMAND),
    "environment that ends": (
        environment_that_ends,
        "environment",
        "exported: keys in environment variables",
        BEHIND_A_COMMAND,
    ),
    "mfa": (mfa, "mfa", "exported: Airflow cannot be asked for an MFA code", BEHIND_A_COMMAND),
}


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that a case sets are gone after it."""
    keys = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "CREDENTIAL_EXPIRATION")
    others = ("ROLE_ARN", "WEB_IDENTITY_TOKEN_FILE", "CONTAINER_CREDENTIALS_FULL_URI", "CONTAINER_AUTHORIZATION_TOKEN")
    for name in (*keys, *others):
        monkeypatch.setenv(f"AWS_{name}", "")
        monkeypatch.delenv(f"AWS_{name}")


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize("case", KINDS.values(), ids=KINDS)
def test_every_kind_works_in_airflow_from_the_staged_files_alone(
    case: tuple[Callable[[World], None], str, str, set[str]],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_up, kind, reason, files = case
    monkeypatch.setattr(sys, "platform", "linux")
    set_up(world)
    (world.home / ".aws").chmod(0o755)
    for path in (world.home / ".aws").iterdir():
        path.chmod(0o700 if path.is_dir() else 0o600)
    (world.home / ".aws" / "config").chmod(0o644)
    caplog.set_level("DEBUG")
    assert Site(world.settings).credentials.kind == kind
    plan = creds.plan(Site(world.settings))
    said = world.converge()
    assert reason in said
    assert {path.name for path in world.staged.iterdir()} == files
    assert who_airflow_is(world).startswith(world.arn)
    again = creds.plan(Site(world.settings))
    assert again.needed == ()
    seen = capfd.readouterr()
    record = (world.state / "staged.json").read_text() + (world.state / "identity.json").read_text()
    everything = f"{plan}{plan.needed[0].diff()}{again}{said}{seen.out}{seen.err}{record}{caplog.text}"
    assert world.secrets
    assert [secret for secret in world.secrets if secret in everything] == []


def test_only_the_chosen_profile_is_staged_with_its_region_and_output(world: World) -> None:
    pairs = world.pairs(*world.keys)
    world.credentials(f"[my dev]\n{pairs}[prod]\naws_access_key_id = PROD\naws_secret_access_key = PROD\n")
    world.config("[profile 'my dev']\nregion = eu-north-1\noutput = yaml\n[profile prod]\nregion = eu-west-1\n")
    world.settings = world.settings._replace(profile="my dev")
    world.converge()
    values = "region = eu-north-1\noutput = yaml\n"
    assert (world.staged / "config").read_text() == f"[default]\n{values}[profile 'my dev']\n{values}"
    assert (world.staged / "credentials").read_text() == f"[default]\n{pairs}[my dev]\n{pairs}"
    assert who_airflow_is(world, "my dev") == who_airflow_is(world) == USER


def test_a_copy_without_a_default_section_is_made_anew(world: World) -> None:
    """Version 0.1.0 staged the profile under its own name alone."""
    world.credentials(f"[dev]\n{world.pairs(*world.keys)}")
    world.config("[profile dev]\nregion = eu-north-1\n")
    world.settings = world.settings._replace(profile="dev")
    world.converge()
    assert creds.plan(Site(world.settings)).needed == ()
    (world.staged / "config").write_text("[profile dev]\nregion = eu-north-1\n")
    world.converge()
    assert who_airflow_is(world) == USER


def test_without_a_login_nothing_is_staged_and_the_command_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "aws_version", lambda: (2, 9, 0))
    sso(world)
    world.center.cached(world.home, "corp", minutes=-5)
    world.center.revoked = True
    with pytest.raises(LoginNeeded, match="SSO session of profile default") as caught:
        creds.plan(Site(world.settings))
    assert caught.value.hint == "aws sso login"
    assert not world.staged.exists()


@pytest.mark.parametrize("set_up", [sso, assume_role_from_sso])
def test_a_token_near_its_end_is_refreshed_by_the_aws_command_line_and_never_written_by_us(
    set_up: Callable[[World], None], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(world)
    cached = world.center.cached(world.home, "corp", minutes=5)
    monkeypatch.setattr("botocore.utils.JSONFileCache.__setitem__", lambda *_: pytest.fail("we wrote ~/.aws"))
    world.converge()
    assert json.loads(cached.read_text())["accessToken"] == world.center.token == "canary-sso-token-2"
    assert world.center.asked.count("/token") == 1
    assert who_airflow_is(world).startswith(world.arn)


def test_without_an_aws_command_line_an_ended_token_stays_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sso(world)
    cached = world.center.cached(world.home, "corp", minutes=-5)
    before = cached.read_bytes()
    monkeypatch.setattr(cli.shutil, "which", lambda *_, **__: None)
    with pytest.raises(LoginNeeded):
        creds.plan(Site(world.settings))
    assert cached.read_bytes() == before
    assert "/token" not in world.center.asked


def test_an_mfa_code_is_never_prompted_for(world: World) -> None:
    mfa(world)
    shutil.rmtree(world.home / ".aws" / "cli")
    with pytest.raises(LoginNeeded, match="asks for an MFA code") as caught:
        creds.plan(Site(world.settings))
    asked = f"AWS_ENDPOINT_URL_STS={world.center.url} aws sts get-caller-identity --profile default"
    assert caught.value.hint == asked


@pytest.fixture
def fake_aws(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """An `aws` on the PATH that runs a shell script and writes down what it was asked."""

    def made(script: str) -> Path:
        program = tmp_path / "bin" / "aws"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return tmp_path / "asked"

    return made


@pytest.fixture
def at_aws(world: World, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """No endpoint is named anywhere; what these tests do asks nobody."""
    for name in VARIABLES:
        monkeypatch.delenv(name)
    return world.settings._replace(endpoint_url="")


def exported_by_aws(world: World) -> str:
    keys = assumed(world.embedded, world.role("logged-in"))
    answer = {"Version": 1, "AccessKeyId": keys["AccessKeyId"], "SecretAccessKey": keys["SecretAccessKey"]}
    answer |= {"SessionToken": keys["SessionToken"], "Expiration": keys["Expiration"].isoformat()}
    return json.dumps(answer)


def test_a_login_session_is_exported_by_the_aws_command_line(
    world: World, at_aws: Settings, fake_aws: Callable[[str], Path]
) -> None:
    asked = fake_aws(f"echo '{exported_by_aws(world)}'")
    world.config("[default]\n[profile me]\nregion = eu-west-1\nlogin_session = arn:aws:iam::123456789012:user/me\n")
    settings = at_aws._replace(profile="me")
    credentials, keys = staging.export(settings)
    assert credentials.kind == "login"
    assert delivery.way(settings, credentials, mounts=True).reason == "exported: Airflow has no login session"
    state.make(settings.project)
    copied = staged_text.Copied(credentials, keys)
    staging.stage(world.state, staged_text.contents(copied, world.settings.mount_path), a_record(keys.expiry))
    assert who_airflow_is(world, "me").startswith(world.arn)
    assert asked.read_text() == "configure export-credentials --format process --profile me\n"


@pytest.mark.parametrize("script", ["exit 2", "echo no json", "echo '{}'", "echo '[]'"])
@pytest.mark.usefixtures("aws_itself")
def test_an_aws_command_line_that_cannot_export_gives_way_to_botocore(
    script: str, world: World, at_aws: Settings, fake_aws: Callable[[str], Path]
) -> None:
    assume_role(world)
    asked = fake_aws(script)
    _, keys = staging.export(at_aws)
    assert asked.read_text().startswith("configure export-credentials")
    assert keys.token


@pytest.mark.usefixtures("aws_itself")
def test_the_real_aws_command_line_of_version_1_gives_way_to_botocore(world: World, at_aws: Settings) -> None:
    assume_role(world)
    _, keys = staging.export(at_aws)
    assert keys.token


def test_the_aws_command_line_is_not_asked_for_the_keys_of_a_helper(
    world: World, at_aws: Settings, fake_aws: Callable[[str], Path]
) -> None:
    """It would let the helper run for as long as that likes."""
    helper(world)
    asked = fake_aws("exit 2")
    _, keys = staging.export(at_aws)
    assert keys.secret_key == world.secrets[0]
    assert not asked.exists()


@pytest.mark.usefixtures("aws_itself")
@pytest.mark.parametrize("way", ["setting", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SSO", "endpoint_url", "services"])
def test_with_another_endpoint_the_aws_command_line_is_not_asked(
    way: str, world: World, at_aws: Settings, fake_aws: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fake_aws("exit 2")
    assume_role(world)
    if way.startswith("AWS_"):
        monkeypatch.setenv(way, world.center.url)
    elif way != "setting":
        config = (world.home / ".aws" / "config").read_text()
        value = (
            world.center.url
            if way == "endpoint_url"
            else f"own\n[services own]\ns3 =\n  endpoint_url = {world.center.url}"
        )
        world.config(f"{config}{way} = {value}\n")
    staging.export(world.settings if way == "setting" else at_aws)
    assert not asked.exists()


def test_keys_that_have_ended_already_are_not_staged(world: World) -> None:
    helper(world)
    answer = json.loads((world.home / "answer.json").read_text())
    answer["Expiration"] = "2020-01-01T00:00:00Z"
    (world.home / "answer.json").write_text(json.dumps(answer))
    with pytest.raises(TaskError, match="have expired"):
        staging.export(world.settings)


def a_record(expiry: float | None, *, exported: float | None = None) -> staging.Staged:
    exported = time.time() if exported is None else exported
    files = ("config", "credentials") if expiry is None else tuple(BEHIND_A_COMMAND)
    return staging.Staged("definition", "/seen", exported, expiry, files=files)


@pytest.mark.parametrize(
    ("life", "left", "due"),
    [(3600, 901, False), (3600, 899, True), (900, 451, False), (900, 449, True), (43200, 10000, False), (60, -5, True)],
)
def test_keys_are_renewed_a_quarter_of_an_hour_before_their_end_or_half_way(
    life: float, left: float, due: bool
) -> None:
    now = time.time()
    record = a_record(now + left, exported=now + left - life)
    assert staging.missing(record, "definition", "/seen") == ("the staged credentials end soon" if due else "")


@pytest.mark.parametrize(
    ("record", "definition", "seen_at", "why"),
    [
        (None, "definition", "/seen", "nothing was staged before"),
        (a_record(None), "definition", "/seen", ""),
        (a_record(None), "other", "/seen", "the profile has changed"),
        (a_record(None), "definition", "/elsewhere", "Airflow sees them at /elsewhere now"),
    ],
)
def test_what_is_staged_will_do_while_its_source_and_its_place_are_the_same(
    record: staging.Staged | None, definition: str, seen_at: str, why: str
) -> None:
    assert staging.missing(record, definition, seen_at) == why


TEXTS = {"credentials": "[default]\n", "config": "[default]\n"}


def modes(folder: Path) -> dict[str, str]:
    found = {folder: folder.name} | {path: path.name for path in folder.iterdir()}
    return {name: f"{stat.S_IMODE(path.stat().st_mode):04o}" for path, name in found.items()}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_modes_are_as_needed_whatever_the_umask(umask: int, tmp_path: Path) -> None:
    folder = state.make(tmp_path)
    before = os.umask(umask)
    try:
        staging.stage(folder, TEXTS, a_record(None))
    finally:
        os.umask(before)
    assert modes(folder / "aws") == {"aws": "0755", "config": "0644", "credentials": "0644"}
    assert modes(folder)["staged.json"] == "0600"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_mode_that_was_changed_is_mended(tmp_path: Path) -> None:
    folder = state.make(tmp_path)
    staging.stage(folder, TEXTS, a_record(None))
    (folder / "aws" / "config").chmod(0o600)
    assert staging.staged(folder) is None
    staging.stage(folder, TEXTS, a_record(None))
    assert staging.staged(folder) is not None


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_file_that_is_missing_counts_as_nothing_staged(name: str, tmp_path: Path) -> None:
    folder = state.make(tmp_path)
    staging.stage(folder, TEXTS, a_record(None))
    (folder / "aws" / name).unlink()
    assert staging.staged(folder) is None


def test_staging_replaces_whole_files_and_removes_what_no_longer_belongs(tmp_path: Path) -> None:
    folder = state.make(tmp_path)
    staging.stage(folder, TEXTS, a_record(None))
    with (folder / "aws" / "config").open() as open_before:
        staging.stage(folder, {"creds.json": "{}", "creds.sh": "", "config": "[profile new]\n"}, a_record(1.0))
        assert open_before.read() == "[default]\n"
    assert {path.name for path in (folder / "aws").iterdir()} == BEHIND_A_COMMAND


@pytest.mark.parametrize("name", ["aws", "aws/config", "staged.json"])
def test_a_symlink_that_was_planted_is_refused(name: str, tmp_path: Path) -> None:
    folder, elsewhere = state.make(tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(TaskError, match="planted there"):
        staging.stage(folder, TEXTS, a_record(None))
    assert list(elsewhere.iterdir()) == []


def test_emptying_leaves_the_directory_that_something_may_mount_and_nothing_to_empty_is_fine(tmp_path: Path) -> None:
    folder = state.make(tmp_path)
    staging.empty(folder)
    assert not staging.holds(folder)
    staging.stage(folder, TEXTS, a_record(None))
    mounted = (folder / "aws").stat().st_ino
    (folder / "aws" / "further").mkdir()
    assert staging.holds(folder)
    staging.empty(folder)
    assert (list((folder / "aws").iterdir()), (folder / "aws").stat().st_ino) == ([], mounted)
    assert (staging.holds(folder), staging.staged(folder)) == (False, None)
    assert staging.last(folder) is not None
    staging.stage(folder, TEXTS, a_record(None))
    assert staging.staged(folder) is not None
    assert (folder / "aws").stat().st_ino == mounted


def test_what_was_staged_in_a_directory_that_is_gone_is_not_what_was_staged_last(tmp_path: Path) -> None:
    folder = state.make(tmp_path)
    staging.stage(folder, TEXTS, a_record(None))
    shutil.rmtree(folder / "aws")
    assert staging.last(folder) is None


def test_emptying_never_follows_a_symlink(tmp_path: Path) -> None:
    folder, elsewhere = state.make(tmp_path), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "aws").symlink_to(elsewhere)
    with pytest.raises(TaskError, match="planted there"):
        staging.empty(folder)
    assert elsewhere.exists()


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become somebody else")
def test_airflows_user_reads_the_mounted_directory_and_nobody_else_gets_to_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        parent.chmod(parent.stat().st_mode | 0o055)
    folder = state.make(tmp_path / "project")
    folder.parent.chmod(0o755)
    staging.stage(folder, TEXTS, a_record(None))

    def read_as(uid: int, cwd: Path, path: str) -> int:
        return subprocess.run(
            ["cat", path], cwd=cwd, user=uid, group=0, extra_groups=[], capture_output=True
        ).returncode

    # a bind mount is entered from inside, as a working directory is: nobody asks for the way there
    assert read_as(50000, folder / "aws", "config") == 0
    assert read_as(50001, Path("/"), str(folder / "aws" / "config")) != 0


CLIENT = """
import sys
from datetime import timedelta
import botocore.session
session, shift = botocore.session.Session(), timedelta()
credentials = session.get_credentials()
real = credentials._time_fetcher
credentials._time_fetcher = lambda: real() + shift
client = session.create_client("sts", region_name="eu-west-1")
for line in sys.stdin:
    shift = timedelta(minutes=int(line))
    try:
        print(client.get_caller_identity()["Arn"], flush=True)
    except Exception as error:
        print(error, flush=True)
"""


def test_a_process_that_runs_keeps_working_after_its_keys_end_when_they_are_exported_afresh(world: World) -> None:
    helper(world)
    world.converge()
    Path(world.settings.mount_path).symlink_to(world.staged)
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT], env=in_airflow(world), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert client.stdin
    assert client.stdout

    def at(minutes: int) -> str:
        assert client.stdin
        assert client.stdout
        client.stdin.write(f"{minutes}\n")
        client.stdin.flush()
        return client.stdout.readline().strip()

    try:
        assert at(0).startswith(world.arn)
        assert "the refreshed credentials are still expired" in at(61)
        answer = json.loads((world.home / "answer.json").read_text())
        answer["Expiration"] = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
        (world.home / "answer.json").write_text(json.dumps(answer))
        (change,) = changes(Site(world.settings), renew_before=time.time())
        change.apply()
        assert at(61).startswith(world.arn)
    finally:
        client.stdin.close()
        client.wait(30)
        client.stdout.close()


def test_keys_never_show_themselves() -> None:
    keys = staging.Keys("canary-access", "canary-secret", "canary-token", 1.0)
    assert "canary" not in f"{keys} {keys!r} {[keys]}"
