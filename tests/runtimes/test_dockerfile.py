"""Airflow's major version from a Dockerfile's text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.runtimes.dockerfile import major


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
    ],
)
def test_the_last_stages_base_image_tells_the_major_version(text: str, expected: int | None) -> None:
    assert major(text) == expected


@given(st.text())
def test_any_text_gives_an_answer(text: str) -> None:
    assert major("FROM " + text) in (2, 3, None)
