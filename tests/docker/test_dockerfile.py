"""An image has of its Dockerfile's ``ENV`` what we read there."""

from __future__ import annotations

import io

import pytest
from docker import DockerClient

from aws_airflow_tasks.runtimes.dockerfile_env import variables
from tests.docker import images
from tests.docker.engine import GROUP, engine, small
from tests.runtimes.test_dockerfile_env import TEXTS

__all__ = ["engine", "small"]
pytestmark = GROUP

BASE = f"FROM {images.NAMES}/debian:bookworm"


@pytest.mark.parametrize("text", [text for text, _ in TEXTS.values()], ids=TEXTS)
def test_an_image_has_the_variables_that_are_read_in_its_dockerfile(small: DockerClient, text: str) -> None:
    text = text.replace("FROM a", BASE).replace("FROM b", BASE)
    image, _ = small.images.build(fileobj=io.BytesIO(text.encode()), rm=True)
    try:
        found = dict(line.split("=", 1) for line in image.attrs["Config"]["Env"] or ())
    finally:
        if not image.tags:
            small.images.remove(image.id)
    found.pop("PATH", None)
    assert found == variables(text)
