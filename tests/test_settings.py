"""Settings are validated once; every complaint names the key, the value, its origin and what is allowed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.core import UsageError
from aws_airflow_tasks.settings import KEYS, Layer, environment_layer, load, project, tagged


def loaded(tmp_path: Path, **values: object):
    return load([Layer("invoke.yaml", values)], cwd=tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("wait", "soon", "whole number of seconds"),
        ("wait", -1, "whole number"),
        ("wait", True, "whole number"),
        ("identity_ttl", 1.5, "whole number"),
        ("region", "Ireland", "eu-west-1"),
        ("runtime", "podman", "auto, docker"),
        ("account", "12345678901", "12 digits, in quotes"),
        ("account", 0o12345670123, "12 digits, in quotes"),
        ("backend", "vault", "secrets-manager, parameter-store"),
        ("kms_key", "ours", "alias/NAME"),
        ("kms_key", "alias/a b", "alias/NAME"),
        ("tier", "Advanced", "standard, advanced"),
        ("tags", "team", "team=data"),
        ("tags", {"team": "data"}, "team=data"),
        ("tags", "team=data,", "team=data"),
        ("tags", "team=data, team=ops", "team=data"),
        ("tags", "aws:team=data", "begins with aws:"),
        ("tags", "aws-airflow-tasks=mine", "our own"),
        ("tags", "team=a;b", "team=data"),
        ("tags", ",".join(f"t{number}=x" for number in range(49)), "up to 48"),
        ("mount_path", "home/astro", "absolute path"),
        ("mount_path", "/a b", "absolute path"),
        ("mount_path", "/", "absolute path"),
        ("endpoint_url", "localhost:5000", "a URL"),
        ("endpoint_url", "http://x y", "a URL"),
        ("endpoint_url", "http://[bad", "a URL"),
        ("profile", "a'b", "profile name"),
        ("profile", ["dev"], "profile name"),
        ("profile", True, "in quotes"),
        ("profile", 1.1, "in quotes"),
        ("region", False, "eu-west-1"),
        ("project", True, "a directory, in quotes"),
        ("check_variable", False, "variable name, in quotes"),
        ("connections_prefix", 2.5, "in quotes"),
        ("endpoint_url", False, "a URL"),
        ("keep_fresh", False, "one of auto, off, in quotes"),
        ("check_variable", "a/b", "variable name"),
        ("check_variable", "", "variable name"),
        ("connections_prefix", "a b", "prefix"),
    ],
)
def test_a_bad_value_names_key_value_origin_and_what_is_allowed(
    tmp_path: Path, key: str, value: object, allowed: str
) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, **{key: value})
    assert key in caught.value.message
    assert "invoke.yaml" in caught.value.message
    assert allowed in caught.value.hint


def test_an_unknown_setting_names_its_origin_and_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown setting 'profil' \(from invoke\.yaml\)") as caught:
        loaded(tmp_path, profil="dev")
    assert "profile" in caught.value.hint


def test_an_unknown_setting_in_the_environment_is_named() -> None:
    with pytest.raises(UsageError, match="INVOKE_AWS_AIRFLOW_PROFIL"):
        environment_layer({"INVOKE_AWS_AIRFLOW_PROFIL": "dev"})


def test_an_account_may_be_a_number_of_yamls(tmp_path: Path) -> None:
    assert loaded(tmp_path, account=123456789012).account == loaded(tmp_path, account="123456789012").account


@pytest.mark.parametrize(
    "key",
    [
        "",
        "alias/aws/ssm",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234abcd12ab34cd56ef1234567890ab",
        "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        "arn:aws:kms:eu-west-1:123456789012:alias/ours",
    ],
)
def test_a_kms_key_has_every_name_that_aws_has_for_it(tmp_path: Path, key: str) -> None:
    assert loaded(tmp_path, kms_key=key).kms_key == key


def test_tags_are_pairs_of_which_spaces_around_are_no_part(tmp_path: Path) -> None:
    assert tagged(loaded(tmp_path, tags="team = data , cost centre=7=b,empty=").tags) == {
        "team": "data",
        "cost centre": "7=b",
        "empty": "",
    }
    assert tagged(loaded(tmp_path, tags=" ").tags) == {}


def test_settings_are_read_from_the_environment(tmp_path: Path) -> None:
    layer = environment_layer({"INVOKE_AWS_AIRFLOW_WAIT": "7", "HOME": "/x", "INVOKE_RUN_ECHO": "1"})
    assert load([layer], cwd=tmp_path).wait == 7


named = st.fixed_dictionaries({}, optional={"project": st.sampled_from([None, "", ".", "a", "/b"])})


@given(st.lists(named.map(lambda values: Layer("x", values)), max_size=4))
def test_the_project_whose_file_is_read_is_the_one_that_is_worked_on(layers: list[Layer]) -> None:
    assert project(layers, cwd=Path("/p")) == load(layers, cwd=Path("/p")).project


def test_a_later_layer_wins(tmp_path: Path) -> None:
    layers = [Layer("user", {"profile": "a", "wait": 1}), Layer("project", {"profile": "b"})]
    assert (load(layers, cwd=tmp_path).profile, load(layers, cwd=tmp_path).wait) == ("b", 1)


def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, endpoint_url="http://me:hunter2@host:1")
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_the_project_is_the_nearest_astro_project_upwards(tmp_path: Path) -> None:
    (tmp_path / ".astro").mkdir()
    (tmp_path / ".astro" / "config.yaml").touch()
    inside = tmp_path / "dags" / "deep"
    inside.mkdir(parents=True)
    assert load([], cwd=inside).project == tmp_path


def test_the_search_for_a_project_ends_where_another_file_system_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".astro").mkdir()
    (tmp_path / ".astro" / "config.yaml").touch()
    mounted = tmp_path / "mounted"
    (mounted / "deep").mkdir(parents=True)
    lstat = Path.lstat

    def on_another_device(self: Path) -> os.stat_result:
        found = lstat(self)
        return os.stat_result([*found[:2], -2, *found[3:]]) if self.is_relative_to(mounted) else found

    assert load([], cwd=mounted / "deep").project == tmp_path
    monkeypatch.setattr(Path, "lstat", on_another_device)
    assert load([], cwd=mounted / "deep").project == mounted / "deep"


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can give a directory away")
def test_the_search_for_a_project_ends_at_a_directory_of_another_user(tmp_path: Path) -> None:
    (tmp_path / ".astro").mkdir()
    (tmp_path / ".astro" / "config.yaml").touch()
    theirs = tmp_path / "theirs"
    (theirs / "mine").mkdir(parents=True)
    assert load([], cwd=theirs / "mine").project == tmp_path
    os.chown(theirs, 65534, 65534)
    assert load([], cwd=theirs / "mine").project == theirs / "mine"
    assert load([], cwd=theirs).project == theirs


def test_without_an_astro_project_the_project_is_where_one_stands(tmp_path: Path) -> None:
    assert load([], cwd=tmp_path).project == tmp_path


def test_a_relative_project_starts_where_one_stands(tmp_path: Path) -> None:
    assert load([Layer("flag", {"project": "a/../b"})], cwd=tmp_path).project == tmp_path / "b"


@given(key=st.sampled_from(KEYS), value=st.text() | st.integers() | st.booleans() | st.none() | st.lists(st.text()))
def test_any_value_is_taken_or_refused_with_words(key: str, value: object) -> None:
    try:
        load([Layer("x", {key: value})], cwd=Path("/p"))
    except UsageError as error:
        assert key in error.message
        assert error.hint


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [True, False, 1.5])
def test_a_boolean_or_a_fraction_is_no_value_of_any_setting(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"bad value for {key}: '{value}' \(from invoke\.yaml\)"):
        loaded(tmp_path, **{key: value})


@pytest.mark.parametrize("key", KEYS)
def test_a_key_with_nothing_behind_it_is_unset_and_leaves_what_a_weaker_layer_says(tmp_path: Path, key: str) -> None:
    assert loaded(tmp_path, **{key: None})._replace(layers=()) == load([], cwd=tmp_path)
    weaker = {"project": "p", "profile": "dev", "region": "eu-west-1", "wait": 7}
    layers = [Layer("user", weaker), Layer("invoke.yaml", {key: None})]
    assert load(layers, cwd=tmp_path)._replace(layers=()) == load(layers[:1], cwd=tmp_path)._replace(layers=())


@pytest.mark.parametrize("key", KEYS)
def test_what_holds_many_values_is_none_for_any_setting_however_large_it_is(tmp_path: Path, key: str) -> None:
    many: list[object] = ["x"]
    for _ in range(60):
        many = [many] * 9
    for value in (many, {"a": many}):
        with pytest.raises(UsageError, match=f"bad value for {key}: 'a (list|dict)'") as caught:
            loaded(tmp_path, **{key: value})
        assert len(caught.value.message) + len(caught.value.hint) < 300


@pytest.mark.parametrize(
    ("values", "meant"),
    [
        ({"regoin": "eu-west-1"}, "; did you mean region?"),
        ({"runtime": "dokcer"}, "; did you mean docker?"),
        ({"backend": "parameterstore"}, "; did you mean parameter-store?"),
        ({"zzz": "1"}, ""),
        ({"runtime": "podman-in-a-vm"}, ""),
    ],
)
def test_a_misspelt_setting_or_value_is_told_with_the_one_that_was_meant(values: dict[str, str], meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        load([Layer("invoke.yaml", values)], cwd=Path.cwd())
    assert caught.value.message.partition("(from invoke.yaml)")[2] == meant


def test_a_misspelt_variable_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(UsageError, match=r"INVOKE_AWS_AIRFLOW_BOGUS$"):  # of which only the beginning is like ours
        environment_layer({"INVOKE_AWS_AIRFLOW_BOGUS": "x"})
    with pytest.raises(UsageError, match=r"INVOKE_AWS_AIRFLOW_PROFIL; did you mean INVOKE_AWS_AIRFLOW_PROFILE\?$"):
        environment_layer({"INVOKE_AWS_AIRFLOW_PROFIL": "x"})
