"""The credentials step: a working identity, or a login where somebody is there; `~/.aws` is not ours to write."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.convergence import converge
from aws_airflow_tasks.core import Result, TaskError
from aws_airflow_tasks.settings import Layer, Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import creds, staging
from aws_airflow_tasks.world import cli, identity, state
from aws_airflow_tasks.world.causes import LoginNeeded
from tests.world.server import REAL_SPAWN, Embedded, embedded

__all__ = ["embedded"]

ORIGINS = "profile default, as nothing names one"
USER = "arn:aws:iam::123456789012:user/airflow-sandbox"


@pytest.fixture
def settings(tmp_path: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty HOME, and Airflow on this host: nothing has to be staged."""
    project = tmp_path / "dwh"
    project.mkdir()
    return Settings(project=project, endpoint_url=embedded.url, runtime="embedded")


@pytest.fixture
def keys(embedded: Embedded, closed_world: Path) -> Path:
    """The keys of the embedded AWS's user in HOME; its ``.aws``."""
    return written(closed_world, embedded)


def written(home: Path, embedded: Embedded) -> Path:
    (home / ".aws").mkdir(exist_ok=True)
    for name in ("config", "credentials"):
        (home / ".aws" / name).write_text((embedded.home / ".aws" / name).read_text())
    return home / ".aws"


def run(settings: Settings, **flags: bool) -> Result:
    return converge(
        "creds",
        lambda: creds.plan(Site(settings), **flags),
        check=settings.check,
        hold=lambda: state.make(settings.project) and None,
        apply=lambda change: change.apply(),
    )


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "terminal", lambda: True)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, ...]]]:
    """What is handed the terminal is written down, and does ``effect`` instead."""

    def prepared(effect: Callable[[], object], code: int = 0) -> list[tuple[str, ...]]:
        seen: list[tuple[str, ...]] = []

        def interactive(argv: tuple[str, ...], **_: object) -> int:
            seen.append(argv)
            effect()
            return code

        monkeypatch.setattr(cli, "interactive", interactive)
        return seen

    return prepared


def test_a_working_profile_is_named_with_its_identity_and_region(settings: Settings, keys: Path) -> None:
    result = run(settings)
    assert (result.status, result.target, result.warnings) == ("ok", "profile default", ())
    assert result.reason == f"{USER} in eu-west-1; live: Airflow runs on this host"


def test_an_answer_that_is_remembered_is_told_with_its_age_and_the_way_only_where_it_is_asked_for(
    settings: Settings, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(settings)
    now = time.time() + 130
    monkeypatch.setattr(time, "time", lambda: now)
    assert run(settings).reason == f"{USER} in eu-west-1; identity checked 2 min ago"
    asked = run(settings._replace(check=True)).reason
    assert asked == f"{USER} in eu-west-1; identity checked 2 min ago; live: Airflow runs on this host"


def test_nothing_is_written_to_the_persons_files(settings: Settings, keys: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in keys.iterdir()}
    run(settings._replace(runtime="docker"))
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in keys.iterdir()} == before


def test_a_missing_region_is_warned_of_with_the_command(settings: Settings, keys: Path) -> None:
    (keys / "config").unlink()
    (warning,) = run(settings).warnings
    assert warning.startswith("no region is set for profile default; type: aws configure set region eu-west-1 ")


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("flag", ["json", "yes"])
def test_nobody_is_asked_to_log_in_when_the_flags_forbid_it(flag: str, settings: Settings) -> None:
    with pytest.raises(TaskError, match="profile default has no credentials") as caught:
        run(settings._replace(**{flag: True}))  # type: ignore[arg-type]
    assert caught.value.hint == "aws configure"


def test_without_a_terminal_what_installs_the_command_comes_before_it_where_it_is_missing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(program: str) -> str:
        raise TaskError(f"`{program}` is not installed", hint="brew install awscli")

    monkeypatch.setattr(cli, "find", missing)
    with pytest.raises(LoginNeeded, match="profile default has no credentials") as caught:
        creds.plan(Site(settings))
    assert caught.value.hint == "brew install awscli\naws configure"


@pytest.mark.parametrize(
    ("version", "before"),
    [("aws-cli/1.46.3 Python/3.11.7", "brew install awscli\n"), ("aws-cli/2.9.0 Python/3.11.7", ""), ("a wrapper", "")],
)
def test_without_a_terminal_what_installs_a_newer_command_comes_before_one_that_is_too_old_for_it(
    version: str, before: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "run", lambda *_, **__: cli.Completed(0, f"{version}\n", ""))
    monkeypatch.setattr(cli, "install", lambda _: "brew install awscli")
    monkeypatch.setattr(cli, "find", lambda program: f"/usr/bin/{program}")
    with pytest.raises(LoginNeeded) as caught:
        creds.plan(Site(settings), sso=True)
    assert caught.value.hint == f"{before}aws configure sso"


def test_without_a_terminal_the_exact_command_is_the_hint(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "terminal", lambda: False)
    monkeypatch.setattr(cli, "aws_version", lambda: (2, 9, 0))
    (Path.home() / ".aws").mkdir()
    (Path.home() / ".aws" / "config").write_text("[profile dev]\nregion = eu-west-1\n")
    with pytest.raises(LoginNeeded, match="profile dev has no credentials") as caught:
        run(settings._replace(profile="dev"))
    assert caught.value.hint == "aws configure --profile dev"
    with pytest.raises(LoginNeeded) as caught:
        run(settings._replace(profile="dev"), sso=True)
    assert caught.value.hint == "aws configure sso --profile dev"


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("runtime", ["embedded", "docker"])
def test_without_credentials_aws_configure_is_handed_the_terminal(
    runtime: str,
    settings: Settings,
    embedded: Embedded,
    closed_world: Path,
    typed: Callable[..., list[tuple[str, ...]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "aws_airflow_tasks")
    asked = typed(lambda: written(closed_world, embedded))
    result = run(settings._replace(runtime=runtime))
    assert f"logged in as {USER}; {ORIGINS}" in caplog.messages
    assert asked == [("aws", "configure")]
    said = "profile default has no credentials: aws configure"
    assert (result.status, result.reason) == ("changed", said)
    assert (state.locate(settings.project) / "aws").exists() == (runtime == "docker")
    assert run(settings._replace(runtime=runtime)).status == "ok"


@pytest.mark.usefixtures("terminal")
def test_a_login_that_fails_is_an_error_with_the_command_to_repeat(
    settings: Settings, typed: Callable[..., list[tuple[str, ...]]]
) -> None:
    typed(lambda: None, code=255)
    with pytest.raises(TaskError, match="`aws configure` ended with exit code 255") as caught:
        run(settings)
    assert caught.value.hint == "aws configure"


@pytest.mark.usefixtures("terminal")
def test_a_login_that_brings_nothing_is_an_error_and_is_not_repeated_for_ever(
    settings: Settings, typed: Callable[..., list[tuple[str, ...]]]
) -> None:
    asked = typed(lambda: None)
    with pytest.raises(TaskError, match="profile default has no credentials"):
        run(settings)
    assert len(asked) == 1


@pytest.mark.usefixtures("terminal")
def test_an_sso_login_needs_version_2_and_says_how_to_get_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, typed: Callable[..., list[tuple[str, ...]]]
) -> None:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)  # the `aws` of version 1 that is installed beside us
    monkeypatch.setattr(sys, "platform", "darwin")
    asked = typed(lambda: None)
    with pytest.raises(TaskError, match=r"`aws configure sso` needs version 2\.0\.0") as caught:
        run(settings, sso=True)
    assert caught.value.hint == "brew install awscli"
    assert asked == []


@pytest.mark.usefixtures("terminal")
def test_a_missing_aws_command_line_is_said_with_how_to_install_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli.shutil, "which", lambda *_, **__: None)
    with pytest.raises(TaskError, match="`aws` is not installed"):
        run(settings)


@pytest.mark.usefixtures("terminal")
def test_the_real_aws_configure_is_driven_through_a_terminal(
    settings: Settings, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`aws configure` reads its four answers itself; ours only hands it the stream."""
    words = (embedded.home / ".aws" / "credentials").read_text().split()
    read_end, write_end = os.pipe()
    os.write(write_end, f"{words[3]}\n{words[6]}\neu-west-1\njson\n".encode())
    os.close(write_end)

    def spawn(argv: list[str], **how: object) -> object:
        return REAL_SPAWN(argv, **{**how, "stdin": read_end, "stdout": -3})  # type: ignore[arg-type]

    monkeypatch.setattr(cli, "spawn", spawn)
    try:
        assert run(settings).status == "changed"
    finally:
        os.close(read_end)
    assert run(settings).reason.startswith(f"{USER} in eu-west-1")


def test_when_aws_cannot_be_reached_it_warns_and_the_file_steps_have_their_facts(
    settings: Settings, keys: Path
) -> None:
    silent = settings._replace(endpoint_url="http://127.0.0.1:9")
    result = run(silent)
    assert (result.status, result.target, result.reason) == ("ok", "profile default", "not checked")
    assert result.warnings == (
        "AWS cannot be reached: no answer from http://127.0.0.1:9/; steps that need only files go on",
    )
    facts = Site(silent).credentials
    assert (facts.region, facts.directory) == ("eu-west-1", keys)


def test_when_aws_cannot_be_reached_keys_at_hand_are_staged_all_the_same(settings: Settings, keys: Path) -> None:
    silent = settings._replace(endpoint_url="http://127.0.0.1:9", runtime="docker")
    assert run(silent).status == "changed"
    assert (state.locate(silent.project) / "aws" / "credentials").exists()


def test_a_definite_no_fails(settings: Settings, closed_world: Path) -> None:
    (closed_world / ".aws").mkdir()
    (closed_world / ".aws" / "credentials").write_text("[default]\naws_access_key_id = AKIA\n")
    with pytest.raises(TaskError, match="has only half of its credentials"):
        run(settings)


def test_switching_between_live_and_export_converges_and_leaves_nothing_behind(settings: Settings, keys: Path) -> None:
    folder = state.locate(settings.project)
    for way, exists in (("export", True), ("live", False), ("export", True)):
        chosen = settings._replace(credentials=way)
        result = run(chosen)
        assert result.status == ("ok" if way == "live" and not folder.exists() else "changed")
        assert any((folder / "aws").glob("*")) == exists
        assert run(chosen).status == "ok"
        delivered = Site(chosen).delivered
        assert delivered.directory == (folder / "aws" if exists else keys)
        assert delivered.staged == exists


def test_check_mode_says_what_would_be_staged_and_stages_nothing(settings: Settings, keys: Path) -> None:
    result = run(settings._replace(runtime="docker", check=True))
    assert result.status == "changed"
    assert result.target.endswith("/dwh/aws")
    assert not state.root().exists()


OTHER = "210987654321"


@pytest.mark.parametrize("runtime", ["embedded", "docker"])
@pytest.mark.parametrize("check", [False, True])
def test_keys_of_another_account_are_refused_and_nothing_is_staged(
    settings: Settings, keys: Path, runtime: str, check: bool
) -> None:
    settings = settings._replace(runtime=runtime, account=OTHER, check=check)
    with pytest.raises(TaskError) as caught:
        run(settings)
    assert caught.value.message == (
        f"the keys of profile default are of account 123456789012 ({USER}), but account is set to {OTHER}"
    )
    assert not state.locate(settings.project).exists()


def test_keys_of_the_account_that_is_set_are_staged(settings: Settings, keys: Path) -> None:
    chosen = settings._replace(runtime="docker", account="123456789012")
    assert run(chosen).status == "changed"
    assert run(chosen).status == "ok"


@pytest.mark.parametrize("runtime", ["embedded", "docker"])
def test_an_answer_of_before_the_account_was_set_does_not_count(settings: Settings, keys: Path, runtime: str) -> None:
    chosen = settings._replace(runtime=runtime)
    run(chosen)
    with pytest.raises(TaskError, match=f"but account is set to {OTHER}"):
        run(chosen._replace(account=OTHER))


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ("", f"aws configure list-profiles   # which of them is of account {OTHER}?"),
        (f"[profile 'my dev']\nsso_account_id = {OTHER}\n", "invoke creds --profile 'my dev'\n"),
        (
            f"[profile a]\nrole_arn = arn:aws:iam::{OTHER}:role/x\n"
            f"[profile b]\nrole_arn = arn:aws:iam::1:role/{OTHER}\n",
            "invoke creds --profile a\n",
        ),
    ],
    ids=["none says", "SSO", "a role"],
)
def test_the_profiles_that_are_of_the_account_are_named(settings: Settings, keys: Path, config: str, hint: str) -> None:
    (keys / "config").write_text((keys / "config").read_text() + config)
    with pytest.raises(TaskError, match="account is set") as caught:
        run(settings._replace(account=OTHER))
    assert caught.value.hint == hint


def test_keys_of_another_account_in_the_environment_are_unset(
    settings: Settings, keys: Path, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in (keys / "credentials").read_text().splitlines()[1:]:
        name, _, value = line.partition(" = ")
        monkeypatch.setenv(name.upper(), value)
    with pytest.raises(TaskError, match="account is set") as caught:
        run(settings._replace(account=OTHER))
    assert caught.value.hint.startswith("unset AWS_ACCESS_KEY_ID")


def test_where_nobody_says_whose_keys_they_are_none_are_staged_for_an_account(settings: Settings, keys: Path) -> None:
    silent = settings._replace(endpoint_url="http://127.0.0.1:9", runtime="docker", account="123456789012")
    result = run(silent)
    assert (result.status, "nothing is staged" in result.warnings[0]) == ("ok", True)
    assert not (state.locate(silent.project) / "aws").exists()


def test_keys_that_became_another_accounts_meanwhile_are_not_staged(settings: Settings, keys: Path) -> None:
    """What `refresh --watch` exports has not been asked for by anybody before."""
    chosen = settings._replace(runtime="docker", account=OTHER)
    (change,) = staging.changes(Site(chosen))
    with pytest.raises(TaskError, match=f"but account is set to {OTHER}"):
        change.apply()
    assert not (state.locate(chosen.project) / "aws").exists()


def test_a_switch_of_the_profile_since_last_time_is_said_once(settings: Settings, keys: Path) -> None:
    (keys / "config").write_text((keys / "config").read_text() + "[profile dev]\nregion = us-east-1\n")
    text = (keys / "credentials").read_text()
    (keys / "credentials").write_text(text + text.replace("[default]", "[dev]"))
    assert run(settings).status == "ok"
    for chosen, before in ((settings._replace(profile="dev"), "default"), (settings, "dev")):
        for _ in range(2):
            result = run(chosen._replace(check=True))
            assert (result.status, result.target) == ("changed", f"profile {chosen.profile or 'default'}")
            assert result.reason.startswith(f"{USER} in ")
            assert f"; last time it was profile {before} of account 123456789012; profile " in result.reason
        assert run(chosen).reason == result.reason
        assert run(chosen).status == run(chosen._replace(check=True)).status == "ok"


@pytest.mark.parametrize("runtime", ["embedded", "docker"])
def test_a_switch_of_the_account_under_the_same_profile_is_said_once(
    settings: Settings, keys: Path, runtime: str
) -> None:
    settings = settings._replace(runtime=runtime, identity_ttl=0)
    run(settings)
    identity.use(state.locate(settings.project), identity.Used("default", OTHER))
    result = run(settings)
    assert (result.status, f"last time it was profile default of account {OTHER}" in result.reason) == ("changed", True)
    assert run(settings).status == "ok"


def test_what_version_0_1_0_remembered_counts_as_last_time(settings: Settings, keys: Path) -> None:
    run(settings)
    path = state.locate(settings.project) / "identity.json"
    stored = json.loads(path.read_text())
    del stored["used"]
    path.write_text(json.dumps(stored | {"identity": stored["identity"] | {"account": OTHER}, "fingerprint": "x"}))
    assert run(settings).status == "changed"


@pytest.mark.usefixtures("terminal")
def test_a_switch_by_a_login_is_noted_with_it(
    settings: Settings, closed_world: Path, embedded: Embedded, typed: Callable[..., list[tuple[str, ...]]]
) -> None:
    written(closed_world, embedded)
    run(settings)
    identity.use(state.locate(settings.project), identity.Used("default", OTHER))
    (closed_world / ".aws" / "credentials").unlink()
    typed(lambda: written(closed_world, embedded))
    assert run(settings).status == "changed"
    assert identity.used(state.locate(settings.project)) == identity.Used("default", "123456789012")


def with_profiles(keys: Path, *names: str) -> None:
    """Profiles of these names as well, all with the same keys."""
    text = (keys / "credentials").read_text()
    (keys / "credentials").write_text(text + "".join(text.replace("[default]", f"[{name}]") for name in names))


#: by what the environment names, what is said of a profile that a file, or a flag, chose
CHOSEN = {
    "": "",
    "AWS_PROFILE=dev": "",
    "AWS_PROFILE=shell": ", not shell of AWS_PROFILE",
    "AWS_DEFAULT_PROFILE=shell AWS_PROFILE=dev": ", not shell of AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID=AKIA": ", not the keys of AWS_ACCESS_KEY_ID",
}


@pytest.mark.parametrize("variables", CHOSEN)
@pytest.mark.parametrize("runtime", ["embedded", "docker"])
def test_a_profile_that_was_chosen_wins_over_the_shells_and_both_are_said_with_where_each_came_from(
    variables: str, runtime: str, settings: Settings, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_profiles(keys, "dev", "shell")
    for name, value in (word.split("=") for word in variables.split()):
        monkeypatch.setenv(name, value)
    layers = (Layer("~/.invoke.yaml", {"profile": "other"}), Layer("/p/invoke.yaml", {"profile": "dev"}, True))
    result = run(settings._replace(profile="dev", region="eu-west-1", layers=layers, runtime=runtime))
    assert result.status == ("changed" if runtime == "docker" else "ok")
    assert result.reason.startswith(f"{USER} in eu-west-1")
    name = " dev" if result.changes else ""  # the line of an unchanged step names it already
    assert result.reason.endswith(f"; profile{name} from /p/invoke.yaml{CHOSEN[variables]}; region from the settings")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ("", "profile default: "),
        ("AWS_PROFILE=shell", "profile shell: profile from AWS_PROFILE"),
        ("AWS_DEFAULT_PROFILE=dev AWS_PROFILE=shell", "profile dev: profile from AWS_DEFAULT_PROFILE"),
    ],
)
def test_a_profile_that_no_setting_chose_is_said_with_the_variable_that_did(
    variables: str, said: str, settings: Settings, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_profiles(keys, "dev", "shell")
    for name, value in (word.split("=") for word in variables.split()):
        monkeypatch.setenv(name, value)
    result, (name, why) = run(settings), said.split(": ")
    assert result.target == name
    assert result.reason.partition("; live: Airflow runs on this host")[2] == (f"; {why}" if why else "")


def test_keys_of_the_shell_are_said_to_be_its_keys(
    settings: Settings, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in (keys / "credentials").read_text().splitlines()[1:]:
        name, _, value = line.partition(" = ")
        monkeypatch.setenv(name.upper(), value)
    assert run(settings).reason.endswith("from AWS_ACCESS_KEY_ID")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_PROFILE": "dev"}, "dev (AWS_PROFILE)"),
        ({"AWS_DEFAULT_PROFILE": "dev", "AWS_PROFILE": "shell"}, "dev (AWS_DEFAULT_PROFILE)"),
    ],
)
def test_keys_of_the_shell_are_said_to_win_over_the_profile_that_it_names(
    variables: dict[str, str], said: str, settings: Settings, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in (keys / "credentials").read_text().splitlines()[1:]:
        name, _, value = line.partition(" = ")
        monkeypatch.setenv(name.upper(), value)
    with_profiles(keys, "dev", "shell")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run(settings).reason.endswith(f"from AWS_ACCESS_KEY_ID, not the keys of {said}")


def test_where_airflow_runs_without_containers_by_the_projects_word_alone_that_is_said(
    settings: Settings, keys: Path
) -> None:
    (settings.project / ".astro").mkdir()
    (settings.project / ".astro" / "config.yaml").write_text("dev:\n  mode: standalone\n")
    said = "on this host, not in containers (dev.mode: standalone in .astro/config.yaml)"
    assert said in run(settings._replace(runtime="auto")).reason
    assert said not in run(settings).reason
