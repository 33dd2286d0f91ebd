"""A login goes to AWS or to an endpoint of its own; an endpoint for everything gets signed requests only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.configprovider import ConfiguredEndpointProvider
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import creds
from aws_airflow_tasks.world import cli, endpoints, sessions, state
from aws_airflow_tasks.world.causes import LoginNeeded
from tests.project import Done, run
from tests.world.server import REAL_SPAWN, Embedded, embedded, serving
from tests.world.sso_server import START_URL, VARIABLES, Center, Handler, assumed, center, role

__all__ = ["center", "embedded", "run"]

TOKEN = "canary-web-identity-token"
WAYS = ("invoke.yaml", "INVOKE_AWS_AIRFLOW_ENDPOINT_URL", "AWS_ENDPOINT_URL", "endpoint_url")
#: those that come before the endpoint that the environment names for STS
OURS = WAYS[:2]


@dataclass
class Listener:
    """An endpoint for everything: the embedded AWS, and all that was sent to it."""

    url: str = ""
    heard: list[str] = field(default_factory=list)

    def logins(self) -> list[str]:
        """What only a login has, as far as it was heard here."""
        wanted = ("canary", "x-amz-sso_bearer_token", "WithWebIdentity", "/token", "/federation", "refresh")
        return [word for word in wanted if any(word in heard for heard in self.heard)]


@pytest.fixture
def listener(embedded: Embedded) -> Iterator[Listener]:
    made = Listener()

    class Heard(Handler):
        behind = embedded.url

        def do_POST(self) -> None:  # noqa: N802
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            made.heard.append(f"{self.path}\n{self.headers}\n{body.decode()}")
            self.pass_on(body)

        do_GET = do_POST  # noqa: N815

    with serving(Heard) as url:
        made.url = url
        yield made


@dataclass
class World:
    """A project to stand in, and a HOME to fill."""

    home: Path
    project: Path
    embedded: Embedded
    center: Center
    listener: Listener
    patch: pytest.MonkeyPatch

    def config(self, *sections: str) -> None:
        (self.home / ".aws").mkdir(exist_ok=True)
        (self.home / ".aws" / "config").write_text("".join(f"{text}\n" for text in sections))

    def identity(self) -> str:
        """What STS said of us."""
        return (state.locate(self.project) / "identity.json").read_text()

    def name_for_everything(self, way: str) -> None:
        """Have ``way`` name the listener as the endpoint for everything."""
        if way == "invoke.yaml":
            (self.project / "invoke.yaml").write_text(f"aws_airflow:\n  endpoint_url: {self.listener.url}\n")
        elif way.isupper():
            self.patch.setenv(way, self.listener.url)
        else:
            path = self.home / ".aws" / "config"
            named = f"]\nendpoint_url = {self.listener.url}\n"
            path.write_text(
                path.read_text().replace("default]\n", f"default{named}").replace("login]\n", f"login{named}")
            )


@pytest.fixture
def world(
    closed_world: Path,
    tmp_path: Path,
    embedded: Embedded,
    center: Center,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_RUNTIME", "embedded")
    monkeypatch.chdir(tmp_path)
    center.keys = assumed(embedded, role(embedded, "reader"))
    return World(closed_world, tmp_path, embedded, center, listener, monkeypatch)


SSO = f"""region = eu-west-1
sso_session = corp
sso_account_id = 123456789012
sso_role_name = reader
[sso-session corp]
sso_region = eu-west-1
sso_start_url = {START_URL}"""


def sso(world: World, header: str = "[default]", *others: str, minutes: float = 120) -> None:
    world.config(header, SSO, *others)
    world.center.cached(world.home, "corp", minutes=minutes)


def near_its_end(world: World) -> None:
    sso(world, minutes=5)


def web_identity(world: World, header: str = "[default]", *others: str) -> None:
    file = world.home / "token"
    file.write_text(TOKEN)
    arn = role(world.embedded, "web")
    world.config(header, "region = eu-west-1", f"role_arn = {arn}", f"web_identity_token_file = {file}", *others)


def upon(begin: Callable[..., None]) -> Callable[[World], None]:
    def role_upon(world: World) -> None:
        arn = role(world.embedded, "upon")
        begin(
            world, "[profile login]", "[default]", "region = eu-west-1", f"role_arn = {arn}", "source_profile = login"
        )

    return role_upon


LOGINS: dict[str, tuple[Callable[[World], None], str]] = {
    "sso": (sso, "reader"),
    "sso near its end": (near_its_end, "reader"),
    "web identity": (web_identity, "web"),
    "role upon sso": (upon(sso), "upon"),
    "role upon web identity": (upon(web_identity), "upon"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", LOGINS)
def test_no_login_reaches_an_endpoint_for_everything(
    kind: str, way: str, world: World, run: Callable[..., Done]
) -> None:
    set_up, name = LOGINS[kind]
    set_up(world)
    world.name_for_everything(way)
    assert run("creds").code == 0
    assert f"assumed-role/{name}/" in world.identity()
    assert world.listener.logins() == []
    assert world.center.asked
    assert ("/token" in world.center.asked) == (kind == "sso near its end")
    assert any("GetCallerIdentity" in heard for heard in world.listener.heard) == (way in OURS)


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("sso", "invoke.yaml"),
        ("sso", "AWS_ENDPOINT_URL"),
        ("sso near its end", "invoke.yaml"),
        ("role upon sso", "endpoint_url"),
        ("web identity", "invoke.yaml"),
        ("role upon web identity", "AWS_ENDPOINT_URL"),
    ],
)
def test_where_the_services_of_a_login_do_not_answer_nobody_else_hears_of_it(
    kind: str, way: str, world: World, run: Callable[..., Done]
) -> None:
    LOGINS[kind][0](world)
    world.name_for_everything(way)
    for name in VARIABLES:
        world.patch.setenv(name, "http://127.0.0.1:9")
    run("status")
    assert world.listener.heard == []


@pytest.mark.parametrize("way", WAYS)
def test_static_keys_still_reach_an_endpoint_for_everything(way: str, world: World, run: Callable[..., Done]) -> None:
    world.config("[default]", "region = eu-west-1")
    (world.home / ".aws" / "credentials").write_bytes((world.embedded.home / ".aws" / "credentials").read_bytes())
    world.name_for_everything(way)
    for name in VARIABLES:
        world.patch.delenv(name)
    done = run("creds")
    assert "user/airflow-sandbox" in done.out
    assert any("GetCallerIdentity" in heard for heard in world.listener.heard)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "endpoint_url"])
def test_a_services_section_names_the_endpoints_of_logins_too(way: str, world: World, run: Callable[..., Done]) -> None:
    world.patch.setenv("AWS_ENDPOINT_URL_STS", world.embedded.url)
    for name in VARIABLES[:3]:
        world.patch.delenv(name)
    near_its_end(world)
    sections = [f"{service} =\n  endpoint_url = {world.center.url}" for service in ("sso", "sso_oidc")]
    world.config("[default]", "services = mine", SSO, "[services mine]", *sections)
    world.name_for_everything(way)
    assert run("creds").code == 0
    assert "assumed-role/reader/" in world.identity()
    assert world.center.asked.count("/token") == 1
    assert world.listener.logins() == []


def where(made: Any, service: str, **how: Any) -> str:
    """Where a client would send its requests; none is sent."""
    return str(made.create_client(service, region_name="eu-west-1", **how).meta.endpoint_url)


@pytest.mark.parametrize("way", ["setting", "AWS_ENDPOINT_URL", "endpoint_url"])
def test_with_no_endpoint_of_its_own_a_login_goes_to_aws(way: str, world: World) -> None:
    world.config("[default]", "region = eu-west-1", "aws_access_key_id = AKIA", "aws_secret_access_key = x")
    for name in VARIABLES:
        world.patch.delenv(name)
    if way != "setting":
        world.name_for_everything(way)
    made = sessions.session(Settings(endpoint_url=world.listener.url if way == "setting" else ""))
    unsigned = Config(signature_version=UNSIGNED)
    assert where(made, "sso", config=unsigned) == "https://portal.sso.eu-west-1.amazonaws.com"
    assert where(made, "sso-oidc", config=unsigned) == "https://oidc.eu-west-1.amazonaws.com"
    assert where(made, "signin").endswith((".amazonaws.com", ".amazon.com"))
    assert where(made, "sts", config=unsigned) == "https://sts.eu-west-1.amazonaws.com"
    assert where(made, "sts") == where(made, "secretsmanager") == world.listener.url


def test_whoever_ignores_configured_endpoints_ignores_those_of_logins(world: World) -> None:
    world.config("[default]", "region = eu-west-1", "aws_access_key_id = AKIA", "aws_secret_access_key = x")
    world.patch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    assert where(sessions.session(Settings()), "sso").endswith(".amazonaws.com")


@pytest.fixture
def seen(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    """An `aws` on the PATH that writes down the endpoints in its environment; call it to read them."""
    program, file = world.project / "bin" / "aws", world.project / "seen"
    program.parent.mkdir()
    version = '[ "$1" = --version ] && echo aws-cli/2.33.0 && exit'
    program.write_text(f'#!/bin/sh\n{version}\n/usr/bin/env | grep ENDPOINT_URL >"{file}"\ntrue\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return lambda: dict(line.split("=", 1) for line in file.read_text().splitlines())


COMMANDS = [
    ("aws", "sso", "login"),
    ("aws", "sso", "login", "--profile", "login"),
    ("aws", "login", "--profile", "login"),
    ("aws", "configure", "sso", "--profile", "not-yet"),
    ("aws", "configure"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_login_by_the_aws_command_line_sees_the_services_own_endpoints_only(
    command: tuple[str, ...], world: World, seen: Callable[[], dict[str, str]]
) -> None:
    upon(sso)(world)
    world.name_for_everything("AWS_ENDPOINT_URL")
    creds._run(LoginNeeded("", command), Settings(endpoint_url=world.listener.url))
    assert seen() == dict.fromkeys(VARIABLES, world.center.url)


@pytest.mark.parametrize("set_up", [near_its_end, upon(near_its_end)], ids=["alone", "role"])
def test_a_refresh_by_the_aws_command_line_sees_the_services_own_endpoints_only(
    set_up: Callable[..., None], world: World, seen: Callable[[], dict[str, str]], run: Callable[..., Done]
) -> None:
    near_its_end(world) if set_up is near_its_end else upon(sso)(world)
    world.center.cached(world.home, "corp", minutes=5)
    world.name_for_everything("AWS_ENDPOINT_URL")
    world.name_for_everything("invoke.yaml")
    run("status")
    assert seen() == dict.fromkeys(VARIABLES, world.center.url)


IGNORED = {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}


@pytest.mark.parametrize(("own", "ignored"), [(VARIABLES, {}), (VARIABLES[:2], IGNORED), ((), IGNORED)])
def test_a_profiles_endpoint_for_everything_is_switched_off_unless_each_service_has_its_own(
    own: tuple[str, ...], ignored: dict[str, str], world: World, seen: Callable[[], dict[str, str]]
) -> None:
    sso(world)
    world.name_for_everything("endpoint_url")
    for name in VARIABLES:
        world.patch.delenv(name)
    for name in own:
        world.patch.setenv(name, world.center.url)
    creds._run(LoginNeeded("", ("aws", "sso", "login")), Settings())
    assert seen() == dict.fromkeys(own, world.center.url) | ignored


MFA = ("aws", "sts", "get-caller-identity", "--profile", "guarded")
GUARDED = ("[profile guarded]", "region = eu-west-1", "role_arn = arn:aws:iam::1:role/r", "mfa_serial = m")


def test_an_mfa_code_for_keys_at_hand_is_asked_for_by_sts_at_the_endpoint(
    world: World, seen: Callable[[], dict[str, str]]
) -> None:
    keys = ("aws_access_key_id = AKIA", "aws_secret_access_key = x")
    world.config(*GUARDED, "source_profile = login", "[profile login]", *keys)
    settings = Settings(profile="guarded", endpoint_url=world.listener.url)
    creds._run(LoginNeeded("", MFA), settings)
    assert seen() == dict.fromkeys(VARIABLES, world.center.url) | {"AWS_ENDPOINT_URL_STS": world.listener.url}
    world.name_for_everything("AWS_ENDPOINT_URL")
    creds._run(LoginNeeded("", MFA), Settings(profile="guarded"))
    assert seen()["AWS_ENDPOINT_URL"] == world.listener.url


@pytest.mark.parametrize("begin", [sso, web_identity], ids=["sso", "web identity"])
def test_an_mfa_code_for_a_login_is_asked_for_by_no_endpoint_for_everything(
    begin: Callable[..., None], world: World, seen: Callable[[], dict[str, str]]
) -> None:
    begin(world, "[profile login]", *GUARDED, "source_profile = login")
    world.name_for_everything("AWS_ENDPOINT_URL")
    creds._run(LoginNeeded("", MFA), Settings(profile="guarded", endpoint_url=world.listener.url))
    assert seen() == dict.fromkeys(VARIABLES, world.center.url)


def test_a_services_section_that_is_not_there_names_nothing(world: World) -> None:
    world.config("[default]", "region = eu-west-1", "services = gone")
    for name in VARIABLES:
        world.patch.delenv(name)
    made = sessions.session(Settings())
    assert endpoints.of_login(made, "sso") == ""
    with pytest.raises(TaskError):
        creds.plan(Site(Settings(project=world.project, runtime="embedded")))


HERE = (
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "localhost.localdomain", "ip6-localhost", "localhost6"),
    *("127.0.0.1", "127.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001"),
    *("0.0.0.0", "0", "0x0", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:0.0.0.0]"),
    *("localhost.localstack.cloud", "s3.localhost.localstack.cloud"),
)
ELSEWHERE = (
    *("172.17.0.1", "10.0.0.1", "2886795265", "128.0.0.1", "[fe80::1]", "[::ffff:10.0.0.1]", "host.docker.internal"),
    *("localstack", "mylocalhost", "localhost.example.com", "127.example.com", "vpce-1.secretsmanager.amazonaws.com"),
)


@pytest.mark.parametrize("host", HERE)
def test_every_spelling_of_this_host_is_loopback(host: str) -> None:
    assert endpoints.is_loopback(f"http://{host}:4566/")
    assert endpoints.is_loopback(f"https://{host}")


@pytest.mark.parametrize("host", ELSEWHERE)
def test_another_host_is_not_loopback(host: str) -> None:
    assert not endpoints.is_loopback(f"http://{host}:4566/")


@given(st.integers(0, 2**32 - 1), st.sampled_from([str, hex, lambda n: f"0{n:o}", lambda n: str(IPv4Address(n))]))
def test_an_address_is_loopback_in_every_number_form_or_in_none(number: int, form: Callable[[int], str]) -> None:
    address = IPv4Address(number)
    assert endpoints.is_loopback(f"http://{form(number)}:1") == (address.is_loopback or address.is_unspecified)


CLIENTS = {"sts": "STS", "secretsmanager": "SECRETS_MANAGER", "ssm": "SSM", "s3": "S3", "dynamodb": "DYNAMODB"}
URLS = st.sampled_from(["", "http://a", "http://b", "http://c", "http://d"])


@given(
    st.dictionaries(st.sampled_from(["endpoint_url", "services"]), URLS),
    st.dictionaries(st.sampled_from([name.lower() for name in CLIENTS.values()]), URLS, min_size=1),
    st.dictionaries(st.sampled_from(["AWS_ENDPOINT_URL", *(f"AWS_ENDPOINT_URL_{n}" for n in CLIENTS.values())]), URLS),
)
def test_the_endpoint_of_a_service_is_the_one_that_botocore_takes(
    values: dict[str, str], section: dict[str, str], environ: dict[str, str]
) -> None:
    sections = {"mine": {name: {"endpoint_url": url} for name, url in section.items()}}
    values |= {"services": "mine"} if "services" in values else {}
    found = endpoints.in_effect(values, sections, environ)
    for client in CLIENTS:
        taken = ConfiguredEndpointProvider({"services": sections}, values, client, environ).provide()
        assert endpoints.of(found, client) == (taken or "")
