"""No profile is named and there is no default: the person chooses at a terminal, and reads the names elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aws_airflow_tasks.convergence import converge
from aws_airflow_tasks.core import Result, TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import choosing, creds
from aws_airflow_tasks.world import cli, state
from tests.world.server import Embedded, embedded

__all__ = ["embedded"]

LIST = "  1 dev (keys)\n  2 prod (role)"


@pytest.fixture
def settings(tmp_path: Path, closed_world: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A person with two profiles, of which none is the default, at a terminal."""
    (closed_world / ".aws").mkdir()
    keys = (embedded.home / ".aws" / "credentials").read_text().partition("\n")[2]
    (closed_world / ".aws" / "credentials").write_text(f"[dev]\n{keys}")
    role = "[profile prod]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = dev\n"
    (closed_world / ".aws" / "config").write_text(f"[profile dev]\nregion = eu-west-1\n{role}")
    monkeypatch.setattr(cli, "terminal", lambda: True)
    monkeypatch.setenv("AWS_PROFILE", "")
    monkeypatch.delenv("AWS_PROFILE")
    (tmp_path / "dwh").mkdir()
    return Settings(project=tmp_path / "dwh", endpoint_url=embedded.url, runtime="embedded")


def run(settings: Settings, *answers: str) -> tuple[Result, list[str]]:
    asked: list[str] = []
    given: Iterator[str] = iter(answers)

    def ask(question: str) -> str:
        asked.append(question)
        return next(given)

    result = converge(
        "creds",
        lambda: creds.plan(Site(settings), ask=ask),
        check=settings.check,
        hold=lambda: state.make(settings.project) and None,
        apply=lambda change: change.apply(),
    )
    return result, asked


@pytest.mark.parametrize("answer", ["1", "dev"])
def test_at_a_terminal_one_is_chosen_by_number_or_name_from_a_list_with_kinds(answer: str, settings: Settings) -> None:
    result, asked = run(settings, answer)
    assert result.status == "changed"
    first = "Nothing names a profile, and there is no default. Which one? To keep it: export AWS_PROFILE=NAME"
    assert asked == [f"{first}\n{LIST}"]
    assert os.environ["AWS_PROFILE"] == "dev"
    assert Site(settings).identity.credentials.profile == "dev"


def test_who_the_chosen_one_is_is_said(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "aws_airflow_tasks"):
        run(settings, "dev")
    assert f"{Site(settings).identity.identity.arn}; profile dev from AWS_PROFILE" in caplog.messages


def test_an_answer_that_is_none_of_them_is_asked_for_again(settings: Settings) -> None:
    _, asked = run(settings, "0", "3", "dev")
    assert [question.splitlines()[0] for question in asked[1:]] == [
        "0 is none of them. A number or a name:",
        "3 is none of them. A number or a name:",
    ]


def test_who_chooses_none_reads_the_names(settings: Settings) -> None:
    with pytest.raises(TaskError, match=r"there are: dev \(keys\), prod \(role\)") as caught:
        run(settings, "", "", "")
    assert caught.value.hint == "invoke creds --profile dev\ninvoke creds --profile prod"
    assert "AWS_PROFILE" not in os.environ


@pytest.mark.parametrize("quiet", ["json", "yes", "no terminal"])
def test_where_nobody_is_asked_the_profiles_are_named_and_no_keys_are_asked_for(
    quiet: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if quiet == "no terminal":
        monkeypatch.setattr(cli, "terminal", lambda: False)
    else:
        settings = settings._replace(**{quiet: True})  # type: ignore[arg-type]
    with pytest.raises(TaskError) as caught:
        run(settings)
    assert caught.value.message == (
        "nothing names a profile, and there is no default; there are: dev (keys), prod (role)"
    )
    assert caught.value.hint == "invoke creds --profile dev\ninvoke creds --profile prod"


@pytest.mark.parametrize(("vendor", "named"), [("Amazon EC2\n", True), ("LENOVO\n", False), ("", False)])
def test_on_an_ec2_instance_it_is_said_what_has_its_role_used(
    vendor: str, named: bool, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "VENDOR", tmp_path / "vendor")
    if vendor:
        choosing.VENDOR.write_text(vendor)
    for path in (Path.home() / ".aws").iterdir():
        path.unlink()
    monkeypatch.setattr(cli, "terminal", lambda: False)
    with pytest.raises(TaskError, match="profile default has no credentials") as caught:
        run(settings)
    assert caught.value.message.endswith("has credential_source = Ec2InstanceMetadata") == named
    assert caught.value.hint == "aws configure"


def test_in_check_mode_nobody_is_asked_and_the_choice_is_foreseen(settings: Settings) -> None:
    result, asked = run(settings._replace(check=True))
    assert (result.status, asked) == ("changed", [])
    assert result.reason == "nothing names one, and there is no default; to choose from: dev, prod"


def test_a_profile_that_is_named_and_has_no_credentials_is_no_question(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (Path.home() / ".aws" / "config").open("a") as file:
        file.write("[profile bare]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_PROFILE", "bare")
    plan = creds.plan(Site(settings))
    assert plan.needed[0].reason.startswith("profile bare has no credentials: aws configure --profile bare")
