"""Faults of real containers: what `verify` says of each, and what comes of typing that."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker import DockerClient

from tests.docker.engine import GROUP, engine, without_provider
from tests.faults import containers, run
from tests.faults.boxes import boxes

__all__ = ["engine", "without_provider"]


@pytest.mark.faults
@GROUP
def test_of_each_fault_of_containers_the_layer_and_the_cause_are_named_and_what_is_typed_mends_it_or_says_who_can(
    without_provider: DockerClient, tmp_path: Path
) -> None:
    with boxes(tmp_path, without_provider) as bed:
        found = list(containers.all_of(bed))
    wrong = [run.line(seen) for seen in found if not all(seen.right) or seen.leaked]
    assert not wrong, "\n".join([*wrong, run.summary(found)])


def test_every_fault_of_containers_names_a_layer_of_verify() -> None:
    from aws_airflow_tasks.steps.layers import LAYERS

    assert {fault.layer for fault in containers.CONTAINERS.values()} <= set(LAYERS)
