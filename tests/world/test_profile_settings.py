"""What a profile says besides keys, region and endpoints: Airflow's copy says the same, or it is refused in words."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.configloader import raw_config_parse
from botocore.configprovider import (
    BOTOCORE_DEFAUT_SESSION_VARIABLES,
    DEFAULT_PROXIES_CONFIG_VARS,
    DEFAULT_S3_CONFIG_VARS,
)
from botocore.exceptions import BotoCoreError
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import aws, identity, profile_settings, staged_text, staging
from aws_airflow_tasks.world.profile_settings import CARRIED, FILES, LEFT, REFUSED, Along
from aws_airflow_tasks.world.staged_text import Copied

KEYS = staging.Keys("AKIAEXAMPLE", "canary-secret", "", None)
#: what each carried setting is set to, unlike its default
OTHER = dict.fromkeys(CARRIED, "true") | {
    "sts_regional_endpoints": "legacy",
    "account_id_endpoint_mode": "disabled",
    "s3_us_east_1_regional_endpoint": "regional",
    "auth_scheme_preference": "sigv4a",
    "sigv4a_signing_region_set": "*",
    "retry_mode": "adaptive",
    "max_attempts": "7",
    "defaults_mode": "standard",
    "sdk_ua_app_id": "mine",
    "request_min_compression_size_bytes": "1",
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


def along_with(account: aws.Account, *, mounts: bool) -> Along:
    profile = account.credentials.profile
    return profile_settings.along(profile, account.profiles.get(profile, {}), mounts=mounts)


def rows(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """By the name in a profile, or botocore's own where no profile can say it, the variable that comes first."""
    for logical, (keys, variable, *_) in table.items():
        for key in keys if isinstance(keys, list) else [keys]:
            name = logical if key is None else ".".join(key) if isinstance(key, tuple) else key
            yield name, variable or ""


def test_everything_that_botocore_reads_of_a_profile_has_a_row_that_names_its_variable() -> None:
    known = CARRIED | FILES | {name: variable for name, (variable, _) in REFUSED.items()}
    for name, variable in (*rows(BOTOCORE_DEFAUT_SESSION_VARIABLES), *rows(DEFAULT_PROXIES_CONFIG_VARS)):
        assert name in {*known, *LEFT, "api_versions"}, name
        assert name not in known or known[name] == variable, name
    for name, variable in rows(DEFAULT_S3_CONFIG_VARS):  # in the section itself no variable comes first, but for one
        assert known.get(name, variable) == variable, name
    assert known.keys().isdisjoint(LEFT)


def at(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What botocore takes for itself from a configuration file in ``path``."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path / "credentials"))
    made = botocore.session.Session()
    names = [name for name in BOTOCORE_DEFAUT_SESSION_VARIABLES if name not in {*LEFT, *FILES}]
    found = {name: made.get_config_variable(name) for name in (*names, "s3", "proxies_config")}
    return found | {"sqs": made.get_scoped_config().get("sqs")}


def staged(path: Path) -> Path:
    """The files that are staged for the profile in effect, in ``path``."""
    account = aws.connect(Settings())
    texts = staged_text.contents(Copied(account.credentials, KEYS, along_with(account, mounts=False)), str(path))
    path.mkdir()
    for name, text in texts.items():
        (path / name).write_text(text)
    return path


SECTIONS = """s3 =
  addressing_style = path
  payload_signing_enabled = true
  s3_disable_multiregion_access_points = true
sqs =
  signature_version = v4
api_versions =
  ec2 = 2015-03-01
"""


def test_airflow_resolves_every_carried_setting_of_a_profile_as_this_host_does(
    closed_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (closed_world / ".aws").mkdir()
    flat = "".join(f"{name} = {value}\n" for name, value in OTHER.items() if "." not in name)
    (closed_world / ".aws" / "config").write_text(f"[default]\n{flat}{SECTIONS}")
    before = at(closed_world / ".aws", monkeypatch)
    unset = botocore.session.Session(session_vars={"config_file": (None, None, os.devnull, None)})
    assert [name for name in before if name in OTHER and before[name] == unset.get_config_variable(name)] == []
    assert at(staged(tmp_path / "staged"), monkeypatch) == before


def test_airflow_resolves_every_carried_setting_of_the_shell_as_this_host_does(
    closed_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (closed_world / ".aws").mkdir()
    (closed_world / ".aws" / "config").write_text("[default]\nretry_mode = legacy\nuse_fips_endpoint = false\n")
    with monkeypatch.context() as shell:
        for name, variable in CARRIED.items():
            if variable:
                shell.setenv(variable, OTHER[name])
        before, copy = at(closed_world / ".aws", monkeypatch), staged(tmp_path / "staged")
    assert before["retry_mode"] == "adaptive"
    assert before["use_fips_endpoint"] is True
    assert at(copy, monkeypatch) == before


@given(st.dictionaries(st.sampled_from(sorted(CARRIED)), st.text("ab=[]#;%$: \t\r\n'\"\x0b\x0c\x85\u2028"), max_size=4))
def test_no_value_says_more_than_its_own_setting(values: dict[str, str]) -> None:
    named = {CARRIED[name]: value for name, value in values.items() if CARRIED[name]}
    found = profile_settings.in_effect({}, named)
    of = aws.profiles.Credentials("default", "static", "static", "eu-west-1", "", "", (), Path("c"), Path("s"))
    along = Along(found, {}, {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config"
        path.write_text(staged_text.contents(Copied(of, KEYS, along), "/seen")["config"], newline="")
        parsed = raw_config_parse(str(path), parse_subsections=False)
    flat = {name.partition(".")[0] for name in values}
    assert parsed.keys() == {"default"}
    assert parsed["default"].keys() <= {"region", *flat}


PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
PRIVATE = "-----BEGIN RSA PRIVATE KEY-----\ncanary-key\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize("way", ["profile", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_the_file_of_a_ca_bundle_comes_along_without_a_private_key(
    way: str, closed_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "my ca.pem"
    bundle.write_text(f"# mine\n{PEM}{PRIVATE}{PEM}")
    (closed_world / ".aws").mkdir()
    stronger = {"profile": bundle, "AWS_CA_BUNDLE": "/nowhere"}  # what requests goes by comes after a profile's word
    named = f"ca_bundle = {stronger[way]}\n" if way in stronger else ""
    (closed_world / ".aws" / "config").write_text(f"[default]\nregion = eu-west-1\n{named}")
    if way != "profile":
        monkeypatch.setenv(way, str(bundle))
    account = aws.connect(Settings())
    along = along_with(account, mounts=True)
    texts = staged_text.contents(Copied(account.credentials, KEYS, along), "/home/astro/.aws")
    assert texts["ca_bundle.pem"] == f"# mine\n{PEM}{PEM}"
    assert "ca_bundle = /home/astro/.aws/ca_bundle.pem\n" in texts["config"]
    assert along.copied == {"ca_bundle.pem": str(bundle)}


@pytest.mark.parametrize("value", ["/nowhere/ca.pem", "{home}", "ca.pem"])
def test_a_ca_bundle_that_cannot_be_read_is_named(value: str, closed_world: Path) -> None:
    (closed_world / ".aws").mkdir()
    (closed_world / ".aws" / "config").write_text(f"[default]\nca_bundle = {value.format(home=closed_world)}\n")
    with pytest.raises(TaskError, match=r"ca_bundle .* cannot be read") as caught:
        along_with(aws.connect(Settings()), mounts=True)
    assert caught.value.hint.startswith("ls -l ")


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_come_along_to_a_container_is_refused_there_and_comes_along_on_this_host(
    name: str, closed_world: Path
) -> None:
    (closed_world / ".aws").mkdir()
    (closed_world / ".aws" / "config").write_text(f"[profile dev]\n{name} = /a/place\n")
    account = aws.connect(Settings(profile="dev"))
    with pytest.raises(TaskError, match=f"{name} of profile dev cannot come along to Airflow's containers") as caught:
        along_with(account, mounts=True)
    assert caught.value.hint.startswith(f"aws configure set {name} '' --profile dev")
    assert along_with(account, mounts=False).settings[name] == "/a/place"


def test_what_only_a_variable_says_is_hinted_at_by_its_name(
    closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DATA_PATH", "/a/place")
    with pytest.raises(TaskError) as caught:
        along_with(aws.connect(Settings()), mounts=True)
    assert caught.value.hint == "unset AWS_DATA_PATH"


def test_whatever_comes_along_makes_what_is_staged_void_when_it_changes(
    closed_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(PEM)

    def definition() -> str:
        return identity.definition(Settings(), os.environ, [str(bundle)])

    for variable in filter(None, (CARRIED | FILES).values()):
        before = definition()
        monkeypatch.setenv(variable, "1")
        assert definition() != before, variable
    before = definition()
    bundle.write_text(PEM * 2)
    assert definition() != before


def test_the_number_of_the_account_comes_along_with_the_keys() -> None:
    of = aws.profiles.Credentials("default", "static", "static", "eu-west-1", "", "", (), Path("c"), Path("s"))
    static = staged_text.contents(Copied(of, KEYS._replace(account="123456789012")), "/seen")
    assert "aws_account_id = 123456789012\n" in static["credentials"]
    ending = staged_text.contents(Copied(of, KEYS._replace(account="123456789012", expiry=2e9)), "/seen")
    assert '"AccountId": "123456789012"' in ending["creds.json"]


def stumbles() -> bool:
    """Whether botocore itself makes no client, and thus none in Airflow either."""
    try:
        botocore.session.Session().create_client("sts", region_name="eu-west-1")
    except (BotoCoreError, ValueError):
        return True
    return False


TRIED = ("", "legacy", "Standard", "regional", "WHEN_required", "in-region", "0", "7", "x")


@pytest.mark.parametrize("value", TRIED)
@pytest.mark.parametrize("name", profile_settings.POSSIBLE)
def test_a_value_at_which_every_client_in_airflow_would_stumble_is_refused_with_what_mends_it(
    name: str, value: str, closed_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = closed_world / ".aws" / "config"
    config.parent.mkdir()
    config.write_text(f"[default]\n{name} = {value}\n")
    for told in (f"{name} of profile default", CARRIED[name]):
        if not stumbles():
            aws.connect(Settings())
        else:
            with pytest.raises(TaskError) as caught:
                aws.connect(Settings())
            assert caught.value.message.startswith(f"{told} is {value!r}; allowed: ")
            _mend(caught.value.hint, config, monkeypatch)
            assert not stumbles()
        config.write_text("[default]\n")
        monkeypatch.setenv(CARRIED[name], value)


def _mend(hint: str, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what a hint says, as a shell would."""
    first, *words = hint.split()
    if first == "unset":
        monkeypatch.delenv(words[0])
    else:
        assert [first, *words[:2]] == ["aws", "configure", "set"]
        config.write_text(f"[default]\n{words[2]} = {words[3]}\n")
