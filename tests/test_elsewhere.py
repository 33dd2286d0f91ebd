"""Endpoints of profile and shell: Airflow asks where this host asks, or the run says why not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.patch import dotenv
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import env
from aws_airflow_tasks.world import aws, delivery, sessions, state
from tests.conftest import HOSTS
from tests.project import StandInAirflow, airflow, astro_project, aws_itself, embedded, run, tree
from tests.test_setup import CONNECTION, VARIABLE, Run, denying, in_docker, names, project, secrets
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "aws_itself", "embedded", "in_docker", "project", "run", "secrets"]

SERVICES = ("sts", "secretsmanager", "s3", "sqs")
#: what a process of Airflow does: botocore, nothing else; then where each client asks, and who STS says it is
IN_AIRFLOW = """
import botocore.session, json
made = botocore.session.Session()
clients = {name: made.create_client(name) for name in %r}
found = {name: client.meta.endpoint_url for name, client in clients.items()}
if found["sts"].startswith("http:"):
    found["arn"] = clients["sts"].get_caller_identity()["Arn"]
print(json.dumps(found))
"""
USER = "arn:aws:iam::123456789012:user/airflow-sandbox"


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose settings name no endpoint, its Airflow on this host with a copy of the one profile."""
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", "export")
    return project


def config(home: Path, text: str) -> None:
    (home / ".aws" / "config").write_text(text)


def lines(project: Path) -> dict[str, str]:
    return dotenv.read((project / ".env").read_bytes(), "compose")


def kwargs(project: Path) -> dict[str, Any]:
    return dict(json.loads(lines(project)["AIRFLOW__SECRETS__BACKEND_KWARGS"]))


def in_airflow(project: Path) -> dict[str, str]:
    """Where a fresh process asks that has the lines of ``.env``, the files these name, and nothing else."""
    nobody = project.parent / "nobody"
    nobody.mkdir(exist_ok=True)
    environ = {"PATH": os.environ["PATH"], "HOME": str(nobody)} | lines(project)
    argv = [sys.executable, "-c", IN_AIRFLOW % (SERVICES,)]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def on_this_host() -> dict[str, str]:
    made = sessions.session(Settings())
    return {name: made.create_client(name).meta.endpoint_url for name in SERVICES}


SECTION = "[services mine]\nsecrets_manager =\n  endpoint_url = {url}\nsts =\n  endpoint_url = {url}\n"
OTHER = "https://other.example:8443"
#: by name the configuration and the variables of the shell; ``{url}`` is the embedded AWS
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "endpoint_url of the profile": ("endpoint_url = {url}\n", {}),
    "a services section": ("services = mine\n" + SECTION, {}),
    "both": (f"endpoint_url = {OTHER}\nservices = mine\n{SECTION}", {}),
    "AWS_ENDPOINT_URL": ("", {"AWS_ENDPOINT_URL": "{url}"}),
    "AWS_ENDPOINT_URL over the profile": (f"endpoint_url = {OTHER}\n", {"AWS_ENDPOINT_URL": "{url}"}),
    "a service of the shell": ("", {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "{url}", "AWS_ENDPOINT_URL_S3": OTHER}),
    "a service of the shell over the profile": ("endpoint_url = {url}\n", {"AWS_ENDPOINT_URL_S3": OTHER}),
    "ignored by the profile": ("ignore_configured_endpoint_urls = true\nendpoint_url = {url}\n", {}),
    "ignored by the shell": ("endpoint_url = {url}\n", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}),
    "not ignored by the shell": (
        "ignore_configured_endpoint_urls = true\nendpoint_url = {url}\n",
        {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
    ),
    "FIPS of the profile": ("use_fips_endpoint = true\n", {}),
    "FIPS of the shell": ("", {"AWS_USE_FIPS_ENDPOINT": "true"}),
    "dual stack of the profile": ("use_dualstack_endpoint = true\n", {}),
}


#: where Airflow reads the person's own files unless they say otherwise than the shell
OWN_FILES = ("both", "a service of the shell over the profile", "not ignored by the shell", "FIPS of the shell")


@pytest.mark.parametrize(
    ("credentials", "way"), [*(("export", way) for way in WAYS), *(("auto", way) for way in OWN_FILES)]
)
def test_a_process_of_airflow_asks_where_this_host_asks(
    credentials: str,
    way: str,
    here: Path,
    closed_world: Path,
    embedded: Embedded,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    text, variables = WAYS[way]
    config(closed_world, f"[default]\nregion = us-east-1\n{text.format(url=embedded.url)}")
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_CREDENTIALS", credentials)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(url=embedded.url))
    assert run("creds", "mount", "env").code == 0
    wanted, found = on_this_host(), in_airflow(here)
    assert found.pop("arn", USER) == USER
    assert found == wanted
    asked = wanted["secretsmanager"]
    assert ("amazonaws" in asked or ".aws" in asked) == ("endpoint_url" not in kwargs(here))
    assert kwargs(here).get("endpoint_url", asked) == asked
    assert run("creds", "mount", "env", "--check").code == 0


def test_keys_for_an_emulator_that_the_profile_names_never_go_to_aws(
    here: Path, closed_world: Path, embedded: Embedded, run: Run
) -> None:
    home = closed_world / ".aws"
    keys = (home / "credentials").read_text().replace("[default]", "[localstack]")
    (home / "credentials").write_text(keys)
    config(closed_world, f"[profile localstack]\nregion = us-east-1\nendpoint_url = {embedded.url}\n")
    assert run("creds", "mount", "env", "--profile", "localstack").code == 0
    assert in_airflow(here) == dict.fromkeys(SERVICES, embedded.url) | {"arn": USER}
    assert kwargs(here)["endpoint_url"] == embedded.url


LOOPBACK: dict[str, tuple[str, dict[str, str], str]] = {
    "the profile's": ("endpoint_url = http://127.1:9\n", {}, "endpoint_url of profile default"),
    "a services section's": (SECTION.format(url="http://[::1]:1"), {}, "the services section of profile default"),
    "the shell's": ("", {"AWS_ENDPOINT_URL": "http://2130706433:5000"}, "AWS_ENDPOINT_URL "),
    "a service's": ("", {"AWS_ENDPOINT_URL_S3": "http://localhost.localstack.cloud:4566"}, "AWS_ENDPOINT_URL_S3"),
}


@pytest.mark.parametrize("case", LOOPBACK)
def test_a_loopback_endpoint_is_refused_in_containers_whoever_names_it(
    case: str, in_docker: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    text, variables, named = LOOPBACK[case]
    config(closed_world, f"[default]\nregion = eu-west-1\n{'services = mine' if '[' in text else ''}\n{text}")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = run("env")
    assert done.code == 1
    assert f"{named}" in done.out
    assert "is this host's loopback" in done.out
    assert "host.docker.internal" in done.out
    assert (in_docker / ".env").read_bytes() == b""


EMULATOR = "http://emulator.test:4566"


@pytest.fixture
def emulator(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> str:
    """An endpoint that this host and containers reach: another name of the embedded AWS."""
    monkeypatch.setitem(HOSTS, "emulator.test", int(embedded.url.rpartition(":")[2]))
    return EMULATOR


@pytest.mark.parametrize("words", [("env",), ("creds",), ("status",), ("refresh",), ("secrets",)], ids="".join)
def test_a_shell_without_the_endpoint_of_the_last_one_is_a_named_difference(
    words: tuple[str, ...], in_docker: Path, emulator: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    with monkeypatch.context() as shell:
        shell.setenv("AWS_ENDPOINT_URL", emulator)
        assert run("creds", "mount", "env").code == 0
        assert lines(in_docker)["AWS_ENDPOINT_URL"] == kwargs(in_docker)["endpoint_url"] == emulator
        assert run("env", "--check").code == 0
    before = tree(in_docker, state.locate(in_docker))
    done = run(*words)
    assert done.code == 1
    assert f".env has AWS_ENDPOINT_URL={emulator} from a shell, and this shell has it not" in done.out
    assert f"export AWS_ENDPOINT_URL={emulator}" in done.out
    assert "--override" in done.out
    assert tree(in_docker, state.locate(in_docker)) == before
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    assert run("env").code == 0
    assert tree(in_docker) == {path: what for path, what in before.items() if Path(path).is_relative_to(in_docker)}


def test_override_lets_go_of_the_endpoint_of_a_shell_for_good(
    in_docker: Path, emulator: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    with monkeypatch.context() as shell:
        shell.setenv("AWS_ENDPOINT_URL", emulator)
        shell.setenv("AWS_ENDPOINT_URL_S3", OTHER)
        assert run("creds", "mount", "env").code == 0
    assert run("env", "--override").code == 0
    assert [name for name in lines(in_docker) if name.startswith("AWS_ENDPOINT_URL")] == []
    assert "endpoint_url" not in kwargs(in_docker)
    assert run("env").code == 0
    assert run("undo").code == 0
    assert (in_docker / ".env").read_bytes() == b""


def test_a_line_that_the_person_has_taken_out_is_not_missed_from_the_shell(
    in_docker: Path, emulator: str, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    with monkeypatch.context() as shell:
        shell.setenv("AWS_ENDPOINT_URL", emulator)
        assert run("creds", "mount", "env").code == 0
    text = (in_docker / ".env").read_text()
    (in_docker / ".env").write_text(text.replace(f"AWS_ENDPOINT_URL={emulator}\n", ""))
    assert run("env").code == 0
    assert "endpoint_url" not in kwargs(in_docker)


def test_what_was_made_at_an_endpoint_of_a_shell_is_undone_there_from_any_shell(
    in_docker: Path, emulator: str, secrets: Any, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setitem(HOSTS, "aws.test", 9)
    with monkeypatch.context() as shell:
        shell.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", emulator)
        shell.setenv("AWS_ENDPOINT_URL_STS", emulator)
        assert run("env", "secrets").code == 0
    assert names(secrets) == {VARIABLE, CONNECTION}
    assert run("undo").code == 0
    assert names(secrets) == set()


def test_what_was_made_at_aws_is_undone_there_from_a_shell_that_names_another_endpoint(
    in_docker: Path, secrets: Any, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    assert run("secrets").code == 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://nobody.test:4566")
    assert run("undo").code == 0
    assert names(secrets) == set()


@pytest.mark.parametrize("way", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "profile"])
def test_an_endpoint_that_is_no_url_or_has_a_password_is_refused_and_its_password_is_not_shown(
    way: str, here: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    for value in ("http://me:hunter2@host:1", "localhost:5000"):
        if way == "profile":
            config(closed_world, f"[default]\nregion = eu-west-1\nendpoint_url = {value}\n")
        else:
            monkeypatch.setenv(way, value)
        before = tree(here)
        done = run("env")
        assert done.code == 1
        assert "allowed: a URL" in done.out
        assert "hunter2" not in done.out + done.err
        assert tree(here) == before


def test_a_login_of_the_profile_is_never_left_to_an_airflow_that_would_send_it_to_the_profiles_endpoint(
    closed_world: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (closed_world / ".aws" / "credentials").unlink()
    config(
        closed_world,
        "[default]\nregion = eu-west-1\nsso_account_id = 1\nsso_role_name = r\nsso_region = eu-west-1\n"
        f"sso_start_url = https://x.awsapps.com/start\nendpoint_url = {OTHER}\n",
    )
    settings = Settings()
    way = delivery.way(settings, aws.connect(settings).credentials, mounts=False)
    assert way == ("export", "exported: Airflow would send the login itself to endpoint_url of profile default")
    config(closed_world, (closed_world / ".aws" / "config").read_text().replace("endpoint_url", "x"))
    assert delivery.way(settings, aws.connect(settings).credentials, mounts=False).name == "live"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSO_OIDC", OTHER)
    way = delivery.way(settings, aws.connect(settings).credentials, mounts=False)
    assert way == ("export", "exported: AWS_ENDPOINT_URL_SSO_OIDC is set in this shell only")


@pytest.mark.parametrize("way", ["AWS_ENDPOINT_URL", "setting"])
def test_no_line_of_env_leads_a_login_of_airflow_itself_away_even_where_live_is_set(
    way: str, here: Path, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (closed_world / ".aws" / "credentials").unlink()
    sso = "sso_account_id = 1\nsso_role_name = r\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.com/start\n"
    config(closed_world, f"[default]\nregion = eu-west-1\n{sso}")
    settings = Settings(project=here, credentials="live")
    env.plan(Site(settings))
    if way == "setting":
        settings = settings._replace(endpoint_url=OTHER)
    else:
        monkeypatch.setenv(way, OTHER)
    with pytest.raises(TaskError, match="not with credentials=live: Airflow would send the login itself to"):
        env.plan(Site(settings))


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "eu-west-1"])
def test_the_policy_of_a_denial_is_in_the_partition_of_the_identity(
    region: str, project: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    partition = {"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}.get(region, "aws")
    with denying(embedded.url, "CreateSecret") as proxy:
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", proxy)
        done = run("secrets", "--region", region)
    arn = f"arn:{partition}:secretsmanager:{region}:123456789012:secret:{VARIABLE}"
    assert f'"Resource": ["{arn}", "{arn}-??????"]' in " ".join(done.out.split())


def test_a_person_whose_arn_is_of_another_partition_than_the_regions_gets_the_arns(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = aws.Identity("1", "arn:aws-iso-f:iam::1:user/me", "AIDA")
    assert aws.connect(Settings(region="eu-west-1"), who).partition == "aws-iso-f"
    assert aws.connect(Settings(region="mars-north-1")).partition == "aws"


def test_a_ca_bundle_of_the_profile_is_read_by_airflow_where_it_is_mounted(
    in_docker: Path, closed_world: Path, run: Run
) -> None:
    bundle = closed_world / "corp.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    config(closed_world, f"[default]\nregion = eu-west-1\nca_bundle = {bundle}\n")
    assert run("creds").code == 0
    copy = state.locate(in_docker) / "aws" / "ca_bundle.pem"
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777) == (bundle.read_bytes(), 0o644)
    assert "ca_bundle = /home/astro/.aws/ca_bundle.pem\n" in (copy.parent / "config").read_text()
    assert run("creds", "--check").code == 0
    copy.unlink()
    assert run("creds", "--check").code == 3
    bundle.write_text(bundle.read_text() * 2)
    assert run("creds").code == 0
    assert copy.read_bytes() == bundle.read_bytes()
    bundle.unlink()
    before = tree(state.locate(in_docker))
    done = run("creds", "--check")
    assert (done.code, f"ca_bundle {bundle} cannot be read" in done.out) == (1, True)
    assert tree(state.locate(in_docker)) == before


def test_a_setting_that_cannot_come_along_to_a_container_is_refused_before_anything_is_done(
    in_docker: Path, airflow: StandInAirflow, closed_world: Path, run: Run
) -> None:
    config(closed_world, "[default]\nregion = eu-west-1\ndata_path = /my/models\n")
    before = tree(in_docker)
    done = run("setup")
    assert done.code == 1
    assert "data_path of profile default cannot come along" in done.out
    assert not (state.locate(in_docker) / "aws").exists()
    assert not (in_docker / "docker-compose.override.yml").exists()
    assert before.items() <= tree(in_docker).items()
