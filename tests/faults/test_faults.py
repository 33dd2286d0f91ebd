"""Faults that are provoked in a real Airflow: what `verify` says of each, and what comes of typing that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import USER_CACHE
from tests.faults import bed as beds
from tests.faults import run, table
from tests.faults.bed import Bed
from tests.world.front import front
from tests.world.server import StandIn, stand_in

__all__ = ["stand_in"]


@pytest.fixture(scope="module", params=[3, 2])
def airflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with beds.bed(tmp_path_factory.mktemp("faults"), request.param, USER_CACHE) as made:
        yield made


@pytest.mark.faults
@pytest.mark.xdist_group("airflow")
def test_of_each_fault_the_layer_and_the_cause_are_named_and_what_is_typed_mends_it_or_says_who_can(
    airflow: Bed,
) -> None:
    found = list(run.all_of(airflow))
    wrong = [run.line(seen) for seen in found if not all(seen.right) or seen.leaked]
    assert not wrong, "\n".join([*wrong, run.summary(found)])


def test_every_fault_of_the_table_names_a_layer_of_verify_and_no_two_have_a_name() -> None:
    from aws_airflow_tasks.steps.layers import LAYERS

    assert {fault.layer for fault in (table.LIVE | table.IN_THE_COPY).values()} <= set(LAYERS)
    assert len(table.LIVE) + len(table.IN_THE_COPY) == sum(map(len, table.PARTS))


def test_a_front_at_a_port_of_its_own_passes_on_what_no_fault_refuses(stand_in: StandIn) -> None:
    with front(stand_in.url) as first:
        port = int(first.url.rpartition(":")[2])
    with front(stand_in.url, port) as again:
        assert again.url == first.url


def test_a_hint_of_comments_alone_says_who_and_is_not_typed(tmp_path: Path) -> None:
    assert run.is_note("# ask an administrator")
    assert not run.is_note("# or take another:\naws-airflow creds")
