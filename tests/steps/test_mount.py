"""The mount step: which services carry the credentials directory, and that those of another version do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import mount
from aws_airflow_tasks.world import files, receipts
from aws_airflow_tasks.world import state as states
from tests.facts import site

FOREIGN = """\
services:
  webserver:
    ports:
      - "9090:8080"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    project = tmp_path / "project"
    (project / ".astro").mkdir(parents=True)
    (project / ".astro" / "config.yaml").write_text("project:\n  name: mine\n")
    dockerfile(project, "quay.io/astronomer/astro-runtime:13.2.0")
    return Settings(project=project)


def here(settings: Settings, state: Path, delivered: object = None) -> Site:
    """The project as it is now, whose credentials are staged in one directory."""
    return site(settings, state=state, delivered=delivered or staged())


def staged() -> object:
    return type("Delivered", (), {"directory": states.root() / "project" / "aws", "staged": True})


def dockerfile(project: Path, image: str) -> None:
    (project / "Dockerfile").write_text(f"FROM {image}\n")


def applied(settings: Settings, tmp_path: Path) -> str:
    for change in mount.plan(here(settings, tmp_path)).needed:
        change.apply()
    return (files.read(settings.project / mount.OVERRIDE) or b"").decode()


def services(text: str) -> list[str]:
    return [line.strip(" :") for line in text.splitlines() if line.startswith("  ") and line[2] != " "]


def test_after_an_upgrade_our_lines_move_to_the_new_services_and_nothing_else_does(
    settings: Settings, tmp_path: Path
) -> None:
    override = settings.project / mount.OVERRIDE
    override.write_text("# mine\n" + FOREIGN)
    assert services(applied(settings, tmp_path)) == ["webserver", "scheduler", "triggerer"]
    dockerfile(settings.project, "astrocrpublic.azurecr.io/runtime:3.1-12")
    plan = mount.plan(here(settings, tmp_path))
    assert plan.needed[0].reason.startswith("webserver: taken out; api-server, dag-processor: added")
    text = applied(settings, tmp_path)
    assert text.startswith("# mine\n" + FOREIGN)
    assert sorted(services(text)) == ["api-server", "dag-processor", "scheduler", "triggerer", "webserver"]
    assert mount.plan(here(settings, tmp_path)).needed == ()


def test_a_mount_of_ours_gives_way_to_another_of_ours_and_one_of_the_persons_is_a_conflict(
    settings: Settings, tmp_path: Path
) -> None:
    live = type("Delivered", (), {"directory": Path.home() / ".aws", "staged": False})
    (tmp_path / "state").mkdir(mode=0o700)
    (change,) = mount.plan(here(settings, tmp_path / "state", live)).needed
    assert change.receipt
    receipts.record(tmp_path / "state", change.receipt)
    change.apply()
    with pytest.raises(TaskError, match=r"mounts ~/\.aws at /home/astro/\.aws"):
        mount.plan(here(settings, tmp_path / "another state"))
    (change,) = mount.plan(here(settings, tmp_path / "state")).needed
    change.apply()
    assert mount.plan(here(settings, tmp_path / "state")).needed == ()


def test_our_mounts_are_found_by_what_they_mount_where_the_text_around_them_was_edited(
    settings: Settings, tmp_path: Path
) -> None:
    state, override = tmp_path / "state", settings.project / mount.OVERRIDE
    state.mkdir(mode=0o700)
    theirs = "  db-migration:\n    environment:\n      A: b\n"
    for image, added in (
        ("quay.io/astronomer/astro-runtime:13.2.0", theirs),
        ("astrocrpublic.azurecr.io/runtime:3.1-12", ""),
    ):
        dockerfile(settings.project, image)
        (change,) = mount.plan(here(settings, state)).needed
        assert change.receipt
        receipts.record(state, change.receipt)
        change.apply()
        override.write_text(override.read_text() + added)
    kept = mount.withdrawn(here(settings, state), override.read_bytes())
    assert (kept.after or b"").decode() == "services:\n" + theirs
    assert mount.withdrawn(here(settings, state), override.read_bytes().replace(theirs.encode(), b"")).after is None


def test_an_upgrade_and_back_gives_the_same_services(settings: Settings, tmp_path: Path) -> None:
    first = applied(settings, tmp_path)
    dockerfile(settings.project, "astrocrpublic.azurecr.io/runtime:3.1-12")
    applied(settings, tmp_path)
    dockerfile(settings.project, "quay.io/astronomer/astro-runtime:13.2.0")
    assert sorted(services(applied(settings, tmp_path))) == sorted(services(first))


def test_a_runtime_without_a_triggerer_gets_none(settings: Settings, tmp_path: Path) -> None:
    """A service that the Astro CLI's own file does not have is fatal in the override."""
    dockerfile(settings.project, "quay.io/astronomer/astro-runtime:3.0.4")
    assert services(applied(settings, tmp_path)) == ["scheduler", "webserver"]


def test_in_standalone_mode_there_is_no_mount_and_the_reason_is_said(settings: Settings, tmp_path: Path) -> None:
    (settings.project / ".astro" / "config.yaml").write_text("dev:\n  mode: standalone\n")
    plan = mount.plan(here(settings, tmp_path))
    assert (plan.skipped, plan.reason) == (True, "the standalone runtime reads this host's files itself")
    assert not (settings.project / mount.OVERRIDE).exists()


@pytest.mark.parametrize("name", ["docker-compose.override.yaml", "compose.override.yml", "compose.override.yaml"])
def test_an_override_of_a_name_that_the_cli_does_not_read_is_said(
    name: str, settings: Settings, tmp_path: Path
) -> None:
    (settings.project / name).write_text("services: {}\n")
    warnings = mount.plan(here(settings, tmp_path)).warnings
    assert f"the Astro CLI does not read {name}: move what it says to docker-compose.override.yml" in warnings
    applied(settings, tmp_path)
    assert any(name in warning for warning in mount.plan(here(settings, tmp_path)).warnings)


def test_a_mount_that_docker_from_snap_cannot_see_is_said_with_a_place_that_it_sees(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(mount.shutil, "which", lambda name: f"/snap/bin/{name}")
    assert any('export XDG_STATE_HOME="$HOME/' in each for each in mount.plan(here(settings, tmp_path)).warnings)
    monkeypatch.setattr(mount.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert not any("snap" in each for each in mount.plan(here(settings, tmp_path)).warnings)
