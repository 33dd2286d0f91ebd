"""The line for the amazon provider in requirements.txt: where it is added, where not and why, and how it goes again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aws_airflow_tasks.core import Pending, Plan, TaskError
from aws_airflow_tasks.runtimes.docker import Docker
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import provider, verify
from aws_airflow_tasks.world import receipts
from aws_airflow_tasks.world import state as states
from tests.project import Done, airflow, astro_project, embedded, run

__all__ = ["airflow", "astro_project", "embedded", "run"]

Run = Callable[..., Done]
LINE = "apache-airflow-providers-amazon"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    project = tmp_path / "project"
    (project / ".astro").mkdir(parents=True)
    (project / ".astro" / "config.yaml").write_text("project:\n  name: mine\n")
    image(project, "astrocrpublic.azurecr.io/runtime:3.1-12")
    return Settings(project=project, runtime="docker")


def image(project: Path, name: str, *more: str) -> None:
    (project / "Dockerfile").write_text("\n".join([f"FROM {name}", *more, ""]))


def requirements(settings: Settings) -> Path:
    return settings.project / "requirements.txt"


def planned(settings: Settings) -> Plan:
    return provider.plan(Site(settings))


def applied(settings: Settings) -> str:
    state = states.make(settings.project)
    for change in planned(settings).needed:
        assert change.receipt
        receipts.record(state, change.receipt)
        change.apply()
    assert not planned(settings).needed
    return requirements(settings).read_text()


@pytest.mark.parametrize("runtime", ["docker", "standalone", "auto"])
def test_the_line_is_added_below_what_astro_dev_init_wrote(settings: Settings, runtime: str) -> None:
    requirements(settings).write_text("# Astro Runtime includes …\n")
    assert applied(settings._replace(runtime=runtime)) == f"# Astro Runtime includes …\n{LINE}\n"


@pytest.mark.parametrize(
    ("name", "labelled", "needed"),
    [
        ("registry.example/astro-runtime", 3, True),
        ("registry.example/astro-runtime", 2, False),
        ("registry.example/astro-runtime", None, False),
        ("registry.example/runtime", 2, False),
        ("registry.example/runtime", None, True),
        ("registry.example/runtime:3.1-12", 2, True),
    ],
)
def test_an_image_without_a_version_has_the_provider_where_its_labels_say_so_and_else_where_its_name_does(
    name: str, labelled: int | None, needed: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    image(settings.project, name)
    monkeypatch.setattr(Docker, "_labelled", lambda self, image: labelled)
    assert bool(planned(settings).needed) is needed


def test_where_no_engine_tells_an_images_labels_its_name_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(self: Docker, image: str) -> int:
        raise TaskError("no engine answers")

    image(settings.project, "registry.example/astro-runtime")
    monkeypatch.setattr(Docker, "_labelled", silent)
    assert not planned(settings).needed


def test_a_file_that_is_not_there_is_made(settings: Settings) -> None:
    assert planned(settings).needed[0].action == "create"
    assert applied(settings) == f"{LINE}\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"backend": "none"}, "no backend is set"), ({"runtime": "embedded"}, "the embedded runtime brings the provider")],
)
def test_where_nothing_is_to_install_it_is_skipped_with_the_reason(
    settings: Settings, change: dict[str, str], reason: str
) -> None:
    found = planned(settings._replace(**change))  # type: ignore[arg-type]
    assert (found.skipped, found.changes) == (True, ())
    assert reason in found.reason


def test_before_there_is_a_project_it_waits_for_init(settings: Settings) -> None:
    (settings.project / "Dockerfile").unlink()
    with pytest.raises(Pending, match="known after init"):
        planned(settings)


def test_an_old_image_without_the_provider_gets_a_line_that_cannot_move_its_airflow(settings: Settings) -> None:
    image(settings.project, "quay.io/astronomer/astro-runtime-slim:9.1.0")
    assert applied(settings) == "apache-airflow[amazon]~=2.7.0\n"
    image(settings.project, "astrocrpublic.azurecr.io/runtime:3.1-12")
    assert applied(settings) == f"{LINE}\n"


def test_an_image_that_has_the_provider_needs_none_in_docker_but_in_standalone_nothing_of_the_image_is_there(
    settings: Settings,
) -> None:
    image(settings.project, "quay.io/astronomer/astro-runtime:13.2.0")
    assert planned(settings).reason == "the Dockerfile's base image has the amazon provider"
    assert planned(settings._replace(runtime="standalone")).needed
    image(settings.project, "astrocrpublic.azurecr.io/runtime:3.1-12", f"RUN pip install '{LINE}>=9'")
    assert planned(settings).reason == f"the Dockerfile installs {LINE}"
    assert planned(settings._replace(runtime="standalone")).needed


def test_a_file_that_the_dockerfile_installs_from_is_read(settings: Settings) -> None:
    image(settings.project, "own/image:1", "COPY more.txt .", "RUN uv pip install --system -r more.txt")
    assert planned(settings).needed
    (settings.project / "more.txt").write_text(f"{LINE}\n")
    assert not planned(settings).needed


def test_markers_are_those_of_the_images_linux_and_python_and_in_standalone_of_this_machine(settings: Settings) -> None:
    image(settings.project, "astrocrpublic.azurecr.io/runtime:3.1-12-python-3.11")
    requirements(settings).write_text(f"{LINE}; python_version == '3.11' and sys_platform == 'linux'\n")
    assert not planned(settings).needed
    image(settings.project, "astrocrpublic.azurecr.io/runtime:3.1-12")
    assert planned(settings).needed
    requirements(settings).write_text(f"{LINE}; python_version == '3.12' and sys_platform != 'x'\n")
    assert not planned(settings._replace(runtime="standalone")).needed


def test_followed_files_are_read_in_the_project_only_whatever_they_are(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text(f"{LINE}\n")
    (settings.project / "link.txt").symlink_to(tmp_path / "outside.txt")
    (settings.project / "ring.txt").symlink_to("ring.txt")
    (settings.project / "folder.txt").mkdir()
    names = ("link.txt", "ring.txt", "folder.txt", "missing.txt", "../outside.txt", str(tmp_path / "outside.txt"))
    requirements(settings).write_text("".join(f"-r {name}\n" for name in names))
    assert planned(settings).needed
    (settings.project / "inside.txt").write_text(f"{LINE}\n")
    requirements(settings).write_text("-r inside.txt\n")
    assert not planned(settings).needed


def test_an_image_that_does_not_install_the_file_by_itself_is_said(settings: Settings) -> None:
    assert not planned(settings).warnings
    image(settings.project, "astrocrpublic.azurecr.io/runtime:3.1-12-base")
    assert "RUN pip install -r requirements.txt" in planned(settings).warnings[0]
    image(settings.project, "astrocrpublic.azurecr.io/runtime:3.1-12-base", "RUN pip install -r requirements.txt")
    assert not planned(settings).warnings


def test_an_image_that_the_cli_does_not_run_without_a_label_is_said(settings: Settings) -> None:
    image(settings.project, "apache/airflow:3.1.0")
    assert "LABEL io.astronomer.docker.runtime.version=" in planned(settings).warnings[0]
    image(settings.project, "apache/airflow:3.1.0", "LABEL io.astronomer.docker.runtime.version=3.1-1")
    assert not planned(settings).warnings


def test_a_file_that_cannot_be_patched_is_an_error_with_the_line_to_add_and_stays(settings: Settings) -> None:
    requirements(settings).write_bytes(b"\xff\xfea\0")
    with pytest.raises(TaskError, match="it is no UTF-8 text") as caught:
        planned(settings)
    assert caught.value.hint == LINE
    assert requirements(settings).read_bytes() == b"\xff\xfea\0"


def test_verify_has_a_check_of_its_own_for_it(settings: Settings) -> None:
    def check(settings: Settings) -> tuple[str, str, str]:
        found = verify._file("provider", provider.plan, Site(settings), "invoke x")
        assert found.check == "provider"
        return found.status, found.detail, found.hint

    missing = ("failed", f"requirements.txt differs: {LINE} added", "invoke x")
    assert check(settings) == missing
    applied(settings)
    assert check(settings) == ("ok", f"requirements.txt: asks for {LINE}", "")
    assert check(settings._replace(backend="none")) == (
        "skipped",
        "requirements.txt: not needed here: no backend is set",
        "",
    )


@pytest.fixture
def project(astro_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Command lines in a project of docker mode; no step that they run asks an engine."""
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_RUNTIME", "docker")
    return astro_project


@pytest.mark.parametrize("before", [None, b"", b"a==1", b"a==1\r\n", b"\xef\xbb\xbfa\n", b"a \\\n", b"a\rb\r"])
def test_undo_gives_back_every_byte(project: Path, run: Run, before: bytes | None) -> None:
    file = project / "requirements.txt"
    if before is not None:
        file.write_bytes(before)
    assert run("provider", "--json").statuses() == {"init": "ok", "provider": "changed"}
    assert run("provider", "--json").statuses() == {"init": "ok", "provider": "ok"}
    assert run("undo").code == 0
    assert (file.read_bytes() if file.exists() else None) == before


@pytest.mark.parametrize(
    ("edited", "left"),
    [
        (f"mine\n{LINE}\nmore\n", "mine\nmore\n"),
        (f"# Astro\n{LINE}==9.1.0\n", f"# Astro\n{LINE}==9.1.0\n"),
        (f"# Astro\n  {LINE}\t\nmore\n", "# Astro\nmore\n"),
        (f"# Astro\r\n{LINE}\r\n", "# Astro\r\n"),
        ("# Astro\nmore\n", "# Astro\nmore\n"),
        (f"{LINE}[s3fs]\n{LINE}\n", f"{LINE}[s3fs]\n"),
    ],
    ids=["more lines", "pinned", "indented", "other endings", "taken out by hand", "another beside it"],
)
def test_undo_takes_our_line_out_of_a_file_that_was_edited_since_and_leaves_what_became_the_persons(
    project: Path, run: Run, edited: str, left: str
) -> None:
    file = project / "requirements.txt"
    file.write_bytes(b"# Astro\n")
    run("provider")
    file.write_bytes(edited.encode())
    assert run("undo").code == 0
    assert file.read_bytes() == left.encode()


def test_undo_removes_a_file_that_we_made_once_nothing_but_our_line_was_in_it(project: Path, run: Run) -> None:
    run("provider")
    (project / "requirements.txt").write_bytes(f"  {LINE}\r\n\r\n".encode())
    assert run("undo").code == 0
    assert not (project / "requirements.txt").exists()


def test_undo_goes_back_over_a_line_that_was_brought_up_to_date(project: Path, run: Run) -> None:
    image(project, "quay.io/astronomer/astro-runtime-slim:9.1.0")
    (project / "requirements.txt").write_text("a\n")
    run("provider")
    image(project, "astrocrpublic.azurecr.io/runtime:3.1-12")
    assert run("provider", "--json").statuses()["provider"] == "changed"
    assert (project / "requirements.txt").read_text() == f"a\n{LINE}\n"
    assert run("undo").code == 0
    assert (project / "requirements.txt").read_text() == "a\n"
