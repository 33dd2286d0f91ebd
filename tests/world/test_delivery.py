"""The way that credentials take to Airflow: what is chosen, why, and how paths are written on every system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import delivery
from aws_airflow_tasks.world.delivery import Way
from aws_airflow_tasks.world.kinds import Kind
from aws_airflow_tasks.world.profiles import Credentials


def of(kind: Kind, home: Path = Path("/nowhere"), source: Kind | None = None) -> Credentials:
    return Credentials(
        "dev", kind, source or kind, "eu-west-1", "the profile", "", ("dev",), home / "config", home / "credentials"
    )


ONLY_DEV = "exported: Airflow is to see profile dev only"


@pytest.mark.parametrize(
    ("setting", "mounts", "kind", "source", "way"),
    [
        ("auto", True, "static", None, Way("export", ONLY_DEV)),
        ("auto", True, "assume-role", "static", Way("export", ONLY_DEV)),
        (
            "auto",
            True,
            "assume-role",
            "sso",
            Way("export", "exported: an SSO token cannot be refreshed on a read-only mount"),
        ),
        ("auto", True, "process", None, Way("export", "exported: the credential helper is not in Airflow's image")),
        ("auto", True, "mfa", "static", Way("export", "exported: Airflow cannot be asked for an MFA code")),
        ("auto", False, "static", None, Way("live", "live: Airflow runs on this host")),
        ("auto", False, "sso", None, Way("live", "live: Airflow runs on this host")),
        ("auto", False, "process", None, Way("live", "live: Airflow runs on this host")),
        ("auto", False, "mfa", "static", Way("export", "exported: Airflow cannot be asked for an MFA code")),
        ("auto", False, "login", None, Way("export", "exported: Airflow has no login session")),
        (
            "auto",
            False,
            "environment",
            None,
            Way("export", "exported: keys in environment variables are in no file"),
        ),
        ("live", True, "process", None, Way("live", "live, as set")),
        ("export", False, "static", None, Way("export", "exported, as set")),
    ],
)
def test_the_way_follows_setting_runtime_and_kind_and_says_why(
    setting: str, mounts: bool, kind: Kind, source: Kind | None, way: Way
) -> None:
    assert delivery.way(Settings(credentials=setting), of(kind, source=source), mounts=mounts) == way


@pytest.mark.parametrize(("source", "name"), [("sso", "export"), ("web-identity", "export"), ("static", "live")])
def test_an_airflow_on_this_host_would_send_a_login_to_an_endpoint_for_everything(source: Kind, name: str) -> None:
    settings = Settings(endpoint_url="http://127.0.0.1:9")
    for kind in (source, "assume-role"):
        assert delivery.way(settings, of(kind, source=source), mounts=False).name == name  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variable", "misled"),
    [
        ("AWS_ENDPOINT_URL", "Airflow would send the login itself to AWS_ENDPOINT_URL"),
        ("AWS_ENDPOINT_URL_S3", ""),
        ("AWS_ENDPOINT_URL_STS", ""),
    ],
)
def test_an_endpoint_of_one_service_gets_no_login_of_airflows_and_that_for_everything_is_named(
    variable: str, misled: str
) -> None:
    named = {variable: "http://127.0.0.1:9"}
    credentials = of("sso")._replace(endpoints=named, outside=named)
    assert delivery.misled(Settings(), credentials) == misled


@pytest.fixture
def mode_0600(tmp_path: Path) -> Credentials:
    tmp_path.chmod(0o755)
    for name in ("config", "credentials"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o600)
    return of("static", tmp_path)


@pytest.mark.parametrize(
    ("platform", "reason"),
    [
        ("linux", "config is mode 0600, which Airflow's user 50000 cannot read"),
        ("darwin", ""),
        ("win32", ""),
    ],
)
def test_files_that_airflows_user_cannot_read_hinder_on_linux_only(
    platform: str, reason: str, mode_0600: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert delivery.hindrance(Settings(), mode_0600, mounts=True) == reason
    assert delivery.hindrance(Settings(), mode_0600, mounts=False) == ""


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o604, 0o611, 0o000])
@pytest.mark.parametrize("owner", [(0, 0), (0, 7), (50000, 7), (7, 7)])
@pytest.mark.parametrize("folder_mode", [0o755, 0o710, 0o700])
def test_who_can_read_a_file_is_told_as_the_kernel_decides_it(
    mode: int, owner: tuple[int, int], folder_mode: int, tmp_path: Path
) -> None:
    path = tmp_path / "credentials"
    path.write_text("")
    tmp_path.chmod(folder_mode)
    os.chown(path, *owner)
    path.chmod(mode)
    asked = subprocess.run(
        ["cat", "credentials"], cwd=tmp_path, user=50000, group=0, extra_groups=[], capture_output=True
    )
    assert bool(delivery.unreadable([path])) == (asked.returncode != 0)


@pytest.mark.parametrize(
    ("directory", "home", "written"),
    [
        (PurePosixPath("/home/me/.aws"), PurePosixPath("/home/me"), "~/.aws"),
        (PurePosixPath("/home/me"), PurePosixPath("/home/me"), "~"),
        (PurePosixPath("/home/meanwhile/.aws"), PurePosixPath("/home/me"), "/home/meanwhile/.aws"),
        (PurePosixPath("/Users/me/Library/aws"), PurePosixPath("/Users/me"), "~/Library/aws"),
        (PurePosixPath("/opt/aws"), PurePosixPath("/home/me"), "/opt/aws"),
        (PurePosixPath("/mnt/c/Users/me/.aws"), PurePosixPath("/home/me"), "/mnt/c/Users/me/.aws"),
        (PureWindowsPath(r"C:\Users\Me\.aws"), PureWindowsPath(r"C:\Users\me"), "~/.aws"),
        (PureWindowsPath(r"D:\Keys\aws"), PureWindowsPath(r"C:\Users\me"), "/d/Keys/aws"),
        (PureWindowsPath(r"\\server\share\aws"), PureWindowsPath(r"C:\Users\me"), "//server/share/aws"),
    ],
)
def test_a_mounts_source_reads_alike_for_every_teammate(directory: PurePath, home: PurePath, written: str) -> None:
    assert delivery.source(directory, home) == written


@pytest.mark.parametrize(
    ("links", "said"),
    [
        ({}, ""),
        ({"config": "config.work"}, ""),
        ({"config": "deep/link", "deep/link": "../credentials"}, ""),
        ({"config": "../dotfiles/config"}, "config is a symlink to ../dotfiles/config, which leads nowhere"),
        ({"config": "deep/link", "deep/link": "../../x"}, "config is a symlink to ../../x, which leads nowhere"),
        ({"credentials": "{home}/.aws/config"}, "credentials is a symlink to {home}/.aws/config, which leads nowhere"),
        ({"config": "config"}, ""),
    ],
)
@pytest.mark.parametrize("linked", [False, True], ids=["a directory", "a link to one"])
def test_a_symlink_that_leads_nowhere_in_a_container_is_named_and_a_copy_is_made_instead(
    links: dict[str, str], said: str, linked: bool, tmp_path: Path
) -> None:
    """Dotfiles are often kept elsewhere and linked; the mount is the directory alone, at another path."""
    folder = tmp_path / "elsewhere" / "aws" if linked else tmp_path / ".aws"
    (folder / "deep").mkdir(parents=True)
    if linked:
        (tmp_path / ".aws").symlink_to(folder)
    for name in ("config", "credentials", "config.work"):
        (folder / name).write_text("")
    for name, target in links.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target.format(home=tmp_path))
    credentials = of("static", tmp_path / ".aws")
    paths = (credentials.config_file, credentials.credentials_file)
    found = delivery.dangling(paths)
    assert found.startswith(said.format(home=tmp_path)) if said else not found
    if said:
        assert found in delivery.way(Settings(), credentials, mounts=True).reason
        assert delivery.way(Settings(), credentials, mounts=False).name == "live"


@pytest.mark.parametrize(
    ("directory", "docker", "environ", "expected"),
    [
        ("/home/me/.local/state/aws-airflow/p/aws", "/snap/bin/docker", {}, True),
        ("/home/me/.aws", "/snap/bin/docker", {}, True),
        ("/var/lib/aws", "/snap/bin/docker", {}, True),
        ("/home/me/airflow-state/aws-airflow/p/aws", "/snap/bin/docker", {}, False),
        ("/home/me/.aws", "/usr/bin/docker", {}, False),
        ("/home/me/.aws", "", {}, False),
        ("/home/me/.aws", "/snap/bin/docker", {"DOCKER_HOST": "unix:///run/other.sock"}, False),
    ],
)
def test_docker_from_snap_sees_nothing_that_is_hidden_or_outside_of_the_home_directory(
    directory: str, docker: str, environ: dict[str, str], expected: bool
) -> None:
    home = PurePosixPath("/home/me")
    assert delivery.unseen_by_snap(PurePosixPath(directory), home, docker, environ) is expected
