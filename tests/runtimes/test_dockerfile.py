"""Airflow's major version from a Dockerfile's text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.runtimes.dockerfile import (
    declared_major,
    has_triggerer,
    instructions,
    major,
    read,
    runtime_major,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM quay.io/astronomer/astro-runtime:12.7.1\n", 2),
        ("FROM quay.io/astronomer/astro-runtime:13.2.0-python-3.11-base", 2),
        ("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n", 3),
        ("FROM --platform=linux/amd64 astrocrpublic.azurecr.io/runtime:3.0-4-python-3.12-base AS x\n", 3),
        ("from astrocrpublic.azurecr.io/runtime@sha256:abc\n", 3),
        ("ARG TAG=3.1-2\nFROM astrocrpublic.azurecr.io/runtime:${TAG}\n", 3),
        ('ARG IMAGE="quay.io/astronomer/astro-runtime:11.3.0"\nFROM $IMAGE\n', 2),
        ("FROM ${IMAGE:-astrocrpublic.azurecr.io/runtime:3.1-2}\n", 3),
        ("FROM python:3.12 AS build\nFROM quay.io/astronomer/astro-runtime:12.0.0\nCOPY --from=build / /\n", 2),
        ("FROM astrocrpublic.azurecr.io/runtime:3.1-2 AS base\nFROM base\n", 3),
        ("FROM apache/airflow:2.10.4\n", 2),
        ("FROM apache/airflow:slim-3.0.1-python3.12\n", 3),
        ("# FROM quay.io/astronomer/astro-runtime:12\nFROM registry.example/team/our-image:7\n", None),
        ("", None),
        ("FROM quay.io/astronomer/astro-runtime:3.1-12\n", 3),
        ("FROM quay.io/astronomer/astro-runtime:3.0.4\n", 2),
        ("FROM mirror.example:5000/a/runtime:13.4.0-slim-python-3.12\n", 2),
        ("FROM mirror.example:5000/a/runtime:3.1@sha256:abc\n", 3),
        ("FROM quay.io/astronomer/astro-runtime:12\n", 2),
        ("FROM quay.io/astronomer/ap-airflow:2.4.3-onbuild\n", 2),
        ("ARG TAG=12.0.0\nARG TAG=3.1-2\nFROM astrocrpublic.azurecr.io/runtime:${TAG}\n", 3),
        ("FROM x AS y\nARG TAG=3.1-2\nFROM astrocrpublic.azurecr.io/runtime:${TAG:-12.1.0}\n", 2),
        ("FROM \\\n  # a comment\n  --platform=linux/arm64 \\\n  astrocrpublic.azurecr.io/runtime:3.1-2\n", 3),
        ("# RUN apt-get update && \\\n#     apt-get install -y gcc\nFROM quay.io/astronomer/astro-runtime:12.1.0\n", 2),
        ("# a path such as C:\\\nFROM quay.io/astronomer/astro-runtime:12.1.0\n", 2),
        ("FROM python AS b\n# COPY . \\\nFROM quay.io/astronomer/astro-runtime:12.1.0\n", 2),
        ("FROM registry.example/team/our-image:7\nLABEL io.astronomer.docker.runtime.version=13.2.0\n", 2),
        ("FROM a AS b\nLABEL io.astronomer.docker.runtime.version=13.2.0\nFROM registry.example/c:1\n", None),
        ("FROM astrocrpublic.azurecr.io/runtime:3.1-2\r\n", 3),
        ("FROM astrocrpublic.azurecr.io/runtime:4.0-1\n", None),
        ("ARG AIRFLOW=3.1\nARG TAG=${AIRFLOW}-12\nFROM astrocrpublic.azurecr.io/runtime:${TAG}\n", 3),
        ("ARG SLIM=1\nFROM quay.io/astronomer/astro-runtime${SLIM:+-slim}:13.2.0\n", 2),
        ("ARG TAG\nFROM astrocrpublic.azurecr.io/runtime:${TAG}\n", None),
        ("FROM astrocrpublic.azurecr.io/runtime-slim:3.2-1-python-3.11-base\n", 3),
        ("FROM quay.io/astronomer/astro-runtime-slim:13.2.0-base\n", 2),
        ("FROM quay.io/astronomer/astro-runtime-dev:10.0.0-alpha9\n", 2),
        ("FROM apache/airflow:latest\n", None),
        ("FROM apache/airflow@sha256:abc\n", None),
        ("FROM quay.io/astronomer/astro-runtime:12.7.1\nRUN psql <<SQL\nSELECT 1\nFROM ours:3.1-1\nSQL\n", 2),
        (
            "FROM quay.io/astronomer/astro-runtime:12.7.1\nRUN cat <<< word\nFROM own.example/runtime:3.1-1\n",
            3,
        ),
    ],
)
def test_the_last_stages_base_image_tells_the_major_version(text: str, expected: int | None) -> None:
    assert major(text) == expected


@pytest.mark.parametrize(
    ("version", "expected"), [("3.1-12", True), ("13.2.0", True), ("4.0.0", True), ("3.0.4", False), ("", True)]
)
def test_runtimes_before_4_have_no_triggerer(version: str, expected: bool) -> None:
    assert has_triggerer(version) is expected


def test_the_version_of_the_runtime_is_told_without_its_suffixes() -> None:
    found = read("FROM astrocrpublic.azurecr.io/runtime:3.1-12-python-3.11-base AS x\n")
    assert (found.runtime, runtime_major(found.runtime)) == ("3.1-12", 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("astrocrpublic.azurecr.io/runtime@sha256:abc", True),
        ("quay.io/astronomer/astro-runtime", True),
        ("quay.io/astronomer/astro-runtime:latest", True),
        ("astrocrpublic.azurecr.io/runtime:3.1@sha256:abc", False),
        ("quay.io/astronomer/astro-runtime:12", False),
        ("quay.io/astronomer/astro-runtime:12.7.1@sha256:abc", False),
    ],
)
def test_a_name_without_a_version_is_a_guess(name: str, expected: bool) -> None:
    assert read(f"FROM {name}\n").guessed is expected


def test_a_build_argument_without_a_default_is_named_where_the_image_needs_it() -> None:
    text = "ARG REGISTRY=x.example\nARG TAG\nFROM --platform=$BUILDPLATFORM $REGISTRY/runtime:${TAG}\n"
    assert read(text).unset == ("TAG",)
    assert read(text.replace("${TAG}", "${TAG:-3.1-12}")).unset == ()
    assert read(f"{text}FROM astrocrpublic.azurecr.io/runtime:3.1-12\n").unset == ()


def test_a_commented_instruction_that_goes_on_takes_nothing_of_what_follows() -> None:
    lines = "FROM x\n# RUN pip install a \\\nENV AWS_PROFILE=dev\nRUN a \\\n  # why\n\n  && b\nENV C=d \\"
    assert [(word, rest.split()) for word, rest, _ in instructions(lines)] == [
        ("FROM", ["x"]),
        ("ENV", ["AWS_PROFILE=dev"]),
        ("RUN", ["a", "&&", "b"]),
        ("ENV", ["C=d"]),
    ]


def test_a_byte_order_mark_of_a_windows_editor_is_no_part_of_the_first_instruction(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"\xef\xbb\xbfFROM quay.io/astronomer/astro-runtime:12.1.0\r\n")
    assert declared_major(tmp_path) == 2


@given(st.text())
def test_any_text_gives_an_answer(text: str) -> None:
    assert major("FROM " + text) in (2, 3, None)
