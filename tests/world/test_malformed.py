"""Configuration files of AWS that no SDK can read, profiles that none can find: the file, the line, what to type."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.hints import no_region
from aws_airflow_tasks.world import aws, malformed
from aws_airflow_tasks.world.aws import caller_identity
from aws_airflow_tasks.world.causes import LoginNeeded

GOOD = "[default]\nregion = eu-west-1\n"
EDIT = "${EDITOR:-vi} "

MALFORMED = {
    "UTF-16": (
        GOOD.encode("utf-16"),
        "{path} is UTF-16",
        "(umask 077 && iconv -f UTF-16 -t UTF-8 {path} > {path}.new) && cat ",
    ),
    "a byte order mark": (
        b"\xef\xbb\xbf" + GOOD.encode(),
        "{path} begins with a byte order mark",
        "(umask 077 && tail -c +4 {path} > ",
    ),
    "another encoding": (GOOD.encode() + b"# caf\xe9\n", "line 3 of {path} is not UTF-8", EDIT + "+3 {path}"),
    "a section twice": (
        f"{GOOD}[profile a]\n{GOOD}".encode(),
        "line 4 of {path} begins [default] a second time",
        EDIT + "+4 {path}",
    ),
    "a name twice": (f"{GOOD}region = x\n".encode(), "line 3 of {path} has region a second time", EDIT + "+3 {path}"),
    "no section": (b"\nregion = x\n", "line 2 of {path} stands before the first [section]", EDIT + "+2 {path}"),
    "an open section": (b"[default\nregion = x\n", "line 1 of {path} stands before the first", EDIT + "+1 {path}"),
    "a bare word": (
        f"{GOOD}canary-secret\n".encode(),
        "line 3 of {path} is neither a [section] nor NAME = VALUE",
        EDIT + "+3 {path}",
    ),
    "a bare indented word": (
        f"{GOOD}s3 =\n  a = b\n  canary-secret\n".encode(),
        "line 5 of {path} is indented, so that it belongs to the name above",
        EDIT + "+5 {path}",
    ),
}


@pytest.fixture
def folder(closed_world: Path) -> Path:
    (closed_world / ".aws").mkdir()
    return closed_world / ".aws"


def said(settings: Settings | None = None) -> tuple[str, str]:
    with pytest.raises(TaskError) as caught:
        aws.connect(settings or Settings())
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"
    return caught.value.message, caught.value.hint


@pytest.mark.parametrize("name", ["config", "credentials"])
@pytest.mark.parametrize(("data", "words", "typed"), MALFORMED.values(), ids=MALFORMED)
def test_a_file_that_cannot_be_parsed_is_named_with_the_line_the_reason_and_what_to_type(
    data: bytes, words: str, typed: str, name: str, folder: Path
) -> None:
    path = folder / name
    path.write_bytes(data)
    message, hint = said()
    assert message.startswith(words.format(path=path))
    assert hint.startswith(typed.replace("{path}", str(path)))


@pytest.mark.parametrize("case", ["UTF-16", "a byte order mark"])
def test_what_is_to_be_typed_mends_the_encoding(case: str, folder: Path) -> None:
    (folder / "config").write_bytes(MALFORMED[case][0])
    (folder / "config").chmod(0o600)
    (folder / "config").rename(folder.parent / "dotfile")
    (folder / "config").symlink_to("../dotfile")
    assert os.system(said()[1]) == 0  # as a person types it
    assert aws.connect(Settings()).credentials.region == "eu-west-1"
    assert [path.name for path in folder.iterdir()] == ["config"]
    assert (folder / "config").is_symlink()
    assert (folder.parent / "dotfile").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_a_directory_or_may_not_be_read_is_said_to_be_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "credentials").mkdir()
    assert said()[0] == f"{folder / 'credentials'}: a directory stands where a file is to be"
    assert said()[1].startswith(f"rmdir {folder / 'credentials'} ")
    (folder / "credentials").rmdir()
    (folder / "credentials").write_text("")
    (folder / "credentials").chmod(0)
    monkeypatch.setattr(os, "access", lambda path, right: right != os.R_OK)  # root may read it
    uid = os.getuid()
    assert said() == (
        f"{folder / 'credentials'} (mode 0000, uid {uid}) cannot be read by uid {uid}",
        f"chmod u+r {folder / 'credentials'}",
    )


@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_variable_that_names_the_directory_of_the_files_is_unset_and_nothing_removed(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config").write_text("[default]\n")
    monkeypatch.setenv(name, "~/.aws")
    message, hint = said()
    assert message == f"{name} is {folder}, which is a directory"
    assert hint.startswith(f"unset {name} ")
    monkeypatch.delenv(name)
    aws.connect(Settings())


@pytest.mark.parametrize("value", ["", os.devnull, "~nobodyhere/config"])
@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_variable_that_says_that_there_is_no_file_is_taken_as_every_sdk_takes_it(
    name: str, value: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"AWS_CONFIG_FILE": "credentials", "AWS_SHARED_CREDENTIALS_FILE": "config"}[name]
    (folder / other).write_text("[default]\naws_access_key_id = AKIA\naws_secret_access_key = x\n")
    monkeypatch.setenv(name, value)
    account = aws.connect(Settings())
    assert account.session.get_credentials().access_key == "AKIA"
    assert account.credentials.directory == folder


@pytest.mark.parametrize(
    ("variables", "told", "typed"),
    [
        ({"AWS_CA_BUNDLE": ""}, "AWS_CA_BUNDLE is set, and empty", "unset AWS_CA_BUNDLE"),
        ({"REQUESTS_CA_BUNDLE": " "}, "REQUESTS_CA_BUNDLE is set, and empty", "unset REQUESTS_CA_BUNDLE"),
        ({"AWS_CREDENTIAL_EXPIRATION": "tomorrow"}, "AWS_CREDENTIAL_EXPIRATION is no time", "unset AWS_CREDENTIAL_"),
        ({"AWS_CREDENTIAL_EXPIRATION": "2036-01-01 00:00:00"}, "no time with its zone", "unset AWS_CREDENTIAL_"),
    ],
)
def test_a_variable_with_an_impossible_value_is_named_before_anybody_stumbles_over_it(
    variables: dict[str, str], told: str, typed: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (variables | {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "x"}).items():
        monkeypatch.setenv(name, value)
    message, hint = said()
    assert told in message
    assert hint.startswith(typed)


@pytest.mark.parametrize(
    ("environ", "profile"),
    [
        ({}, ""),
        ({"AWS_PROFILE": "a"}, "a"),
        ({"AWS_PROFILE": "a", "AWS_DEFAULT_PROFILE": "b"}, "b"),
        ({"AWS_PROFILE": "a", "AWS_DEFAULT_PROFILE": ""}, "a"),
    ],
)
def test_of_the_two_variables_that_name_a_profile_botocores_first_one_counts(
    environ: dict[str, str], profile: str
) -> None:
    assert malformed.named(environ) == profile


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_CA_BUNDLE": "/x", "REQUESTS_CA_BUNDLE": ""},
        {"AWS_CREDENTIAL_EXPIRATION": "2036-01-01T00:00:00Z", "AWS_ACCESS_KEY_ID": "AKIA"},
        {"AWS_CREDENTIAL_EXPIRATION": "tomorrow"},
    ],
)
def test_a_variable_that_nothing_stumbles_over_is_not_named(
    variables: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    aws.connect(Settings())


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("config", "[dev]", "[profile dev]"),
        ("credentials", "[profile dev]", "[dev]"),
        ("config", "[profile my dev]", "[profile 'my dev']"),
        ("config", "[my dev]", "[profile 'my dev']"),
        ("credentials", "[profile 'my dev']", "[my dev]"),
        ("config", "[Profile dev]", "[profile dev]"),
        ("credentials", "[Profile dev]", "[dev]"),
    ],
)
@pytest.mark.parametrize("behind", ["", " # mine", " ; mine"])
def test_a_section_in_the_other_files_form_is_named(
    name: str, wrong: str, right: str, behind: str, folder: Path
) -> None:
    (folder / name).write_text(f"# mine\n{wrong}{behind}\nregion = eu-west-1\n")
    message, hint = said(Settings(profile="my dev" if "my" in wrong else "dev"))
    assert message == f"line 2 of {folder / name} has {wrong}, where it has to be {right}"
    assert hint == f"{EDIT}+2 {folder / name}"


SEVERAL = (
    "[profile dev]\nsso_account_id = 1\n[profile prod]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = dev\n"
    "[profile empty]\nregion = eu-west-1\n"
)


def test_a_typo_is_answered_with_the_nearest_name(folder: Path) -> None:
    (folder / "config").write_text(SEVERAL)
    assert said(Settings(profile="dve")) == (
        "there is no profile dve (there are: dev (SSO), prod (role)); did you mean dev?",
        "invoke creds --profile dev",
    )


def test_a_name_that_is_near_none_is_answered_with_all(folder: Path) -> None:
    (folder / "config").write_text(SEVERAL)
    assert said(Settings(profile="elsewhere")) == (
        "there is no profile elsewhere (there are: dev (SSO), prod (role))",
        "invoke creds --profile dev\ninvoke creds --profile prod",
    )


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_variable_that_names_an_unknown_profile_is_set_to_another_as_it_would_name_it_for_the_next_command_too(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config").write_text(SEVERAL)
    monkeypatch.setenv(name, "dve")
    assert said(Settings())[1] == f"export {name}=dev"
    assert said(Settings(profile="dve"))[1] == "invoke creds --profile dev"


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
@pytest.mark.parametrize("value", ["", " "])
def test_a_variable_that_names_no_profile_is_said_to_be_empty(
    name: str, value: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every SDK would look for a profile of that name."""
    (folder / "config").write_text(GOOD + SEVERAL)
    monkeypatch.setenv(name, value)
    assert said() == (f"{name} is set, and empty: it names no profile", f"unset {name}")
    assert aws.connect(Settings(profile="dev")).credentials.profile == "dev"


VARIABLES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
#: where no file can be written
NOWHERE = {
    "/dev/null": lambda folder: os.devnull,
    "nothing": lambda folder: "",
    "a directory": lambda folder: str(folder),
    "a file in a file": lambda folder: str(folder / "file" / "config"),
    "a link that leads nowhere": lambda folder: str(folder / "link"),
    "a file that nobody may write": lambda folder: str(folder / "read-only"),
    "a file in a directory that nobody may write": lambda folder: str(folder / "shut" / "deeper" / "config"),
}


@pytest.fixture
def nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with what :data:`NOWHERE` names; its modes hold for root too."""
    shut = {folder / "read-only", folder / "shut"}
    (folder / "shut").mkdir()
    (folder / "file").touch()
    (folder / "read-only").touch()
    (folder / "link").symlink_to("gone")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: (path not in shut or mode != os.W_OK) and allowed(path, mode))
    return folder


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("place", NOWHERE.values(), ids=NOWHERE)
def test_a_variable_that_has_aws_configure_write_where_no_file_can_be_is_to_be_unset(
    place: Callable[[Path], str], variable: str, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, place(nowhere))
    with pytest.raises(TaskError) as caught:
        caller_identity(aws.connect(Settings()))
    assert caught.value.hint.startswith(f"unset {variable}   #")
    assert not isinstance(caught.value, LoginNeeded)
    with pytest.raises(TaskError) as caught:
        aws.connect(Settings(profile="dev"))
    assert caught.value.hint.startswith(f"unset {variable}   #")


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_aws_configure_can_write_in_a_directory_that_it_makes_is_no_reason_to_unset_a_variable(
    variable: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(folder / "new" / "deeper" / "file"))
    with pytest.raises(LoginNeeded) as caught:
        caller_identity(aws.connect(Settings()))
    assert caught.value.hint == "aws configure"


def test_a_variable_that_leads_elsewhere_is_not_blamed_for_a_directory_in_the_place_of_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    (folder / "credentials").mkdir()
    message, hint = said()
    assert "a directory stands where a file is to be" in message
    assert hint.startswith("rmdir ")


def test_a_region_is_not_to_be_written_where_no_file_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    assert no_region("default").startswith("unset AWS_CONFIG_FILE ")
