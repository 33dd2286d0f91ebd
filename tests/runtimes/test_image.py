"""What an image's name tells of the versions in it and of the amazon provider."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.runtimes import dockerfile, image

ASTRO, NEW = "quay.io/astronomer/astro-runtime", "astrocrpublic.azurecr.io/runtime"


@pytest.mark.parametrize(
    ("name", "airflow", "python", "bundles"),
    [
        (f"{NEW}:3.1-12", (3, 1), "3.12", False),
        (f"{NEW}:3.3-2-python-3.13-base", (3, 3), "3.13", False),
        (f"{NEW}:3.1", (3, 1), "3.12", False),
        (f"{NEW}-slim:3.2-1", (3, 2), "3.12", False),
        (f"{NEW}@sha256:abc", None, "3.12", False),
        (f"{ASTRO}:13.2.0", (2, 11), "3.12", True),
        (f"{ASTRO}:13.2.0-slim", (2, 11), "3.12", False),
        (f"{ASTRO}:11.3.0-slim-python-3.10", (2, 9), "3.10", False),
        (f"{ASTRO}-slim:9.1.0", (2, 7), "3.11", False),
        (f"{ASTRO}-slim:13.2.0-python-3.11-base", (2, 11), "3.11", False),
        (f"{NEW}-slim:3.2-1-python-3.11@sha256:abc", (3, 2), "3.11", False),
        (f"{ASTRO}:3.1-12", (3, 1), "3.12", False),
        (f"{ASTRO}:8.8.0", (2, 6), "3.10", True),
        (f"{ASTRO}:4.2.5-base", (2, 2), "3.9", True),
        (f"{ASTRO}:12", (2, 10), "3.12", True),
        (ASTRO, None, "3.12", True),
        (f"{NEW}:13.4.0", (2, 11), "3.12", True),
        ("apache/airflow:2.7.3-python3.8", (2, 7), "3.8", True),
        ("docker.io/apache/airflow:slim-2.9.0", (2, 9), "3.11", False),
        ("apache/airflow:3.0.1", (3, 0), "3.12", True),
        ("registry.example/team/airflow:2.7.3", (2, 7), "3.11", False),
        ("registry.example/team/image:7", None, "3.12", False),
        ("", None, "3.12", False),
    ],
)
def test_a_name_tells(name: str, airflow: tuple[int, int] | None, python: str, bundles: bool) -> None:
    found = image.read(dockerfile.read(f"FROM {name}\n"))
    assert (found.airflow, found.python, found.bundles_amazon) == (airflow, python, bundles)


def test_the_label_tells_what_the_name_of_an_own_image_does_not() -> None:
    text = f"FROM registry.example/team/image:7\nLABEL {dockerfile.RUNTIME_LABEL}=9.1.0\n"
    assert image.read(dockerfile.read(text)).airflow == (2, 7)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((f"{NEW}:3.1-12", True), ("apache/airflow:3.0.1", False), ("own:1", True)),
        *((f"{NEW}:3.1-12-base", False), (f"{NEW}:3.1-12-base@sha256:abc", False), (f"{NEW}-slim:3.1-12-base", False)),
        *((f"{ASTRO}-slim:13.2.0-python-3.11-base", False), (f"{ASTRO}-slim:13.2.0", True)),
    ],
)
def test_images_without_onbuild_do_not_install_the_requirements(name: str, expected: bool) -> None:
    assert image.read(dockerfile.read(f"FROM {name}\n")).installs is expected


@given(st.text())
def test_any_name_gives_an_answer(name: str) -> None:
    assert image.read(dockerfile.read(f"FROM {name}")).python
