"""Whether the engine sees what is mounted, and the words where it does not; the engine itself is in test_docker.py."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import docker_engine, seeing


class Refused(Exception):  # noqa: N818
    """As the SDK's errors are."""

    def __init__(self, status_code: int, explanation: str) -> None:
        super().__init__(explanation)
        self.status_code, self.explanation = status_code, explanation


def packed(content: bytes) -> list[bytes]:
    """A tar archive of one file, in a piece."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("nonce")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return [out.getvalue()]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """An engine with one image that sees this host's directories."""
    made = Mock()
    made.api.images.return_value = [{"Id": "image"}]
    made.api.create_container.return_value = {"Id": "made"}
    made.api.create_host_config.side_effect = lambda mounts: mounts
    made.containers.list.return_value = []

    def archive(_: str, path: str) -> Any:
        (mount,) = made.api.create_container.call_args.kwargs["host_config"]
        return packed(Path(mount["Source"], Path(path).name).read_bytes()), {}

    made.api.get_archive.side_effect = archive

    @contextlib.contextmanager
    def engine() -> Iterator[Mock]:
        yield made

    monkeypatch.setattr(docker_engine, "client", engine)
    return made


def test_what_the_engine_sees_is_fine_and_nothing_is_left_of_the_look(client: Mock, tmp_path: Path) -> None:
    left = Mock()
    client.containers.list.return_value = [left]
    seeing.check(tmp_path)
    assert list(tmp_path.iterdir()) == []
    client.api.remove_container.assert_called_once_with("made", force=True)
    client.api.start.assert_not_called()
    left.remove.assert_called_once_with(force=True)


@pytest.mark.parametrize(
    "answer",
    [Refused(404, "no such file"), Refused(400, "bind source path does not exist: /x"), (packed(b"another's"), {})],
    ids=["an empty directory", "none", "another directory of the name"],
)
def test_what_it_does_not_see_is_an_error_before_anything_starts(client: Mock, tmp_path: Path, answer: Any) -> None:
    client.api.get_archive.side_effect = [answer]
    with pytest.raises(TaskError, match="is here, but not for the Docker engine"):
        seeing.check(tmp_path)
    client.api.remove_container.assert_called_once()
    assert list(tmp_path.iterdir()) == []


def test_no_engine_is_for_the_start_to_tell(tmp_path: Path) -> None:
    seeing.check(tmp_path)
    seeing.check(tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("images", [[], [{"Id": "image"}]], ids=["no image", "an engine that refuses"])
def test_what_cannot_be_told_stands_in_nobodys_way(client: Mock, tmp_path: Path, images: list[Any]) -> None:
    client.api.images.return_value = images
    client.api.create_container.side_effect = Refused(500, "no space left")
    seeing.check(tmp_path)
    assert list(tmp_path.iterdir()) == []


DIRECTORY = Path("/home/me/.local/state/aws-airflow/mine/aws")


@pytest.mark.parametrize(
    ("environ", "in_container", "says", "works"),
    [
        ({}, True, "this shell is in a container", "devcontainer.json: mounts, /home/me/.local/state/aws-airflow)"),
        ({"CODESPACES": "true"}, False, "this shell is in a container", "docker-in-docker"),
        ({"DOCKER_HOST": "ssh://me:canary@build.example"}, False, "engine at build.example is another", "unset DOCKER"),
        ({"DOCKER_HOST": "tcp://10.0.0.5:2376"}, False, "tcp://10.0.0.5:2376 is another machine", "unset DOCKER_HOST"),
        ({"DOCKER_HOST": "unix:///run/x.sock"}, False, "sees another directory there, or none", "docker context ls"),
    ],
)
def test_the_words_say_which_side_sees_what_and_what_works(
    environ: dict[str, str], in_container: bool, says: str, works: str
) -> None:
    error = seeing.unseen(DIRECTORY, environ, in_container=in_container)
    assert says in error.message
    assert works in error.hint
    assert error.hint.endswith(seeing.WITHOUT)
    assert "canary" not in error.message + error.hint
