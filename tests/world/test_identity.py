"""The remembered answer of STS: it costs nothing while it holds, and holds no longer than what it depends on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.world import aws, identity, state
from tests.world.server import StandIn, stand_in

__all__ = ["stand_in"]

ANSWER = """<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/me</Arn>
<UserId>AIDA</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


@pytest.fixture
def settings(stand_in: StandIn, closed_world: Path, tmp_path: Path) -> Settings:
    stand_in.status, stand_in.body = 200, ANSWER
    (closed_world / ".aws").mkdir()
    (closed_world / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n[profile dev]\nregion = eu-west-1\n")
    keys = "aws_access_key_id = AKIACANARY\naws_secret_access_key = canary-secret\n"
    (closed_world / ".aws" / "credentials").write_text(f"[default]\n{keys}[dev]\n{keys}")
    return Settings(project=tmp_path, endpoint_url=stand_in.url)


def ask(settings: Settings) -> identity.Known:
    found = identity.remembered(settings, state.locate(settings.project))
    return identity.known(settings, found, lambda: aws.connect(settings))


def test_one_call_then_none_while_the_answer_holds(settings: Settings, stand_in: StandIn) -> None:
    first = ask(settings)
    assert first.identity == aws.Identity("123456789012", "arn:aws:iam::123456789012:user/me", "AIDA")
    assert ask(settings) == first
    assert len(stand_in.asked) == 1


def test_the_remembered_answer_is_private_and_has_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "canary-token")
    ask(settings)
    path = state.locate(settings.project) / "identity.json"
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text()
    assert not [word for word in ("AKIACANARY", "canary-secret", "canary-token") if word in text]


def touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


@pytest.mark.parametrize(
    "change",
    [
        lambda home, patch: touch(home / ".aws" / "config"),
        lambda home, patch: touch(home / ".aws" / "credentials"),
        lambda home, patch: (home / ".aws" / "credentials").chmod(0o640),
        lambda home, patch: (home / ".aws" / "sso" / "cache").mkdir(parents=True),
        lambda home, patch: patch.setenv("AWS_PROFILE", "dev"),
        lambda home, patch: patch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER"),
        lambda home, patch: patch.setenv("AWS_DEFAULT_REGION", "us-east-1"),
        lambda home, patch: patch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9"),
    ],
    ids=["config", "credentials", "mode", "sso login", "profile", "keys", "region", "endpoint"],
)
def test_a_change_of_what_it_depends_on_makes_it_void(
    change: Callable[[Path, pytest.MonkeyPatch], None],
    settings: Settings,
    closed_world: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask(settings)
    change(closed_world, monkeypatch)
    assert identity.remembered(settings, state.locate(settings.project)) is None


@pytest.mark.parametrize("other", [{"profile": "dev"}, {"region": "us-east-1"}, {"endpoint_url": "http://127.0.0.1:9"}])
def test_it_is_of_no_use_to_other_settings(other: dict[str, str], settings: Settings) -> None:
    ask(settings)
    changed = settings._replace(**other)  # type: ignore[arg-type]
    assert identity.remembered(changed, state.locate(settings.project)) is None


def test_variables_that_say_nothing_of_who_we_are_leave_it_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(settings)
    monkeypatch.setenv("AWS_PAGER", "less")
    assert identity.remembered(settings, state.locate(settings.project)) is not None


@pytest.mark.parametrize("later", [299, 301, -10])
def test_it_holds_for_identity_ttl_seconds(
    later: int, settings: Settings, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = ask(settings).checked
    monkeypatch.setattr(time, "time", lambda: checked + later)
    ask(settings)
    assert len(stand_in.asked) == (1 if later == 299 else 2)


def test_no_seconds_or_fresh_always_ask(settings: Settings, stand_in: StandIn) -> None:
    ask(settings)
    ask(settings._replace(identity_ttl=0))
    ask(settings._replace(fresh=True))
    assert len(stand_in.asked) == 3


def test_it_ends_with_the_credentials(settings: Settings, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = time.time() + 100
    monkeypatch.setattr(identity, "caller_identity", lambda _: aws.Identity("1", "arn", "id", expiry=ends))
    first = ask(settings)
    assert ask(settings) == first
    monkeypatch.setattr(time, "time", lambda: ends + 1)
    assert ask(settings) != first


def test_check_mode_asks_and_writes_nothing(settings: Settings, closed_world: Path) -> None:
    before = sorted(closed_world.rglob("*"))
    assert ask(settings._replace(check=True)).identity.user_id == "AIDA"
    assert sorted(closed_world.rglob("*")) == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fingerprint": 1}', "\x00"])
def test_a_damaged_memory_is_none(text: str, settings: Settings, stand_in: StandIn) -> None:
    ask(settings)
    (state.locate(settings.project) / "identity.json").write_text(text)
    ask(settings)
    assert len(stand_in.asked) == 2


def test_a_symlink_in_its_place_is_not_written_through(settings: Settings, tmp_path: Path) -> None:
    folder = state.make(settings.project)
    (folder / "identity.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TaskError, match=r"cannot write .*identity\.json"):
        ask(settings)
    assert not (tmp_path / "elsewhere").exists()


def test_the_remembered_answer_is_read_without_botocore(settings: Settings) -> None:
    ask(settings)
    script = (
        "import sys; from pathlib import Path; from aws_airflow_tasks.settings import Settings\n"
        "from aws_airflow_tasks.site import Site\nfrom aws_airflow_tasks.steps import creds\n"
        f"s = Settings(project=Path({str(settings.project)!r}), endpoint_url={settings.endpoint_url!r},"
        " runtime='embedded')\n"
        "print(creds.plan(Site(s)).reason); print(Site(s).credentials.region)\n"
        "heavy = {'boto3', 'botocore', 'docker', 'ruamel', 'rich', 'moto', 'requests', 'filelock', 'psutil'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    reason, region, heavy = done.stdout.splitlines()
    assert reason.startswith("arn:aws:iam::123456789012:user/me in eu-west-1; live: ")
    assert (region, heavy) == ("eu-west-1", "[]")


@pytest.mark.parametrize(("seconds", "words"), [(0, ""), (59.9, ""), (60, "1 min ago"), (299, "4 min ago")])
def test_the_age_is_said_in_words(seconds: float, words: str) -> None:
    assert identity.age(seconds) == words


def test_what_one_plan_asks_of_the_remembered_answer_is_read_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(settings)
    read, real = [], identity.remembered
    monkeypatch.setattr(identity, "remembered", lambda *args: read.append(args) or real(*args))
    site = Site(settings)
    assert site.credentials == site.identity.credentials == site.account.credentials
    assert site.account.identity == site.identity.identity
    assert len(read) == 1
