"""What the container tests clear away is theirs alone. No engine is asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from tests.docker.engine import remove_left

OURS = "my-project-0a1b2c3d"
THEIRS = ("my-project", "my-project-2", "my-project-0a1b2c3e")


def engine_with(*projects: str) -> Mock:
    """An engine that has an image and a volume of each, named as the Astro CLI names them."""
    client = Mock()
    images = [SimpleNamespace(tags=[f"{name}_4d5e6f/airflow:latest"]) for name in projects]
    client.images.list.return_value = images
    volumes = [Mock() for _ in projects]
    for volume, name in zip(volumes, projects, strict=True):
        volume.name = f"{name}_4d5e6f_postgres_data"
    client.volumes.list.return_value = volumes
    return client


def removed(client: Mock) -> list[str]:
    volumes = [volume.name for volume in client.volumes.list() if volume.remove.called]
    return [call.args[0] for call in client.images.remove.call_args_list] + volumes


def test_the_image_and_volumes_of_this_directory_go_and_a_namesakes_stay() -> None:
    client = engine_with(OURS, *THEIRS)
    remove_left(client, Path("/tmp", OURS))
    assert removed(client) == [f"{OURS}_4d5e6f/airflow:latest", f"{OURS}_4d5e6f_postgres_data"]


@pytest.mark.parametrize("name", ["my-project", "my-project-2"])
def test_a_name_that_a_person_may_have_given_is_refused_before_anything_is_removed(name: str) -> None:
    client = engine_with(name)
    with pytest.raises(AssertionError, match="may be the name of a project of the person's"):
        remove_left(client, Path("/tmp", name))
    assert removed(client) == []
