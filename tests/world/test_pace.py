"""Many calls at a time, and not faster than AWS allows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.world.pace import SHARE, Pace, about, counted, gathered


class Clock:
    """Time that passes only where somebody sleeps, or is late.

    Args:
        late: by how much whoever sleeps is woken late, each time.
    """

    def __init__(self, late: Iterable[float] = ()) -> None:
        self.now = 100.0
        self.late = iter(late)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds + next(self.late, 0)


@given(st.integers(1, 100), st.lists(st.tuples(st.floats(0, 3) | st.just(0), st.floats(0, 1)), min_size=2, max_size=60))
def test_no_second_has_more_turns_than_the_rate_whatever_comes_between_and_however_late_one_is_woken(
    rate: int, work: list[tuple[float, float]]
) -> None:
    clock = Clock(late for _, late in work)
    pace, turns = Pace(rate, lambda: clock.now, clock.sleep), []
    for seconds, _ in work:
        pace.wait()
        turns.append(clock.now)
        clock.now += seconds
    assert all(later - earlier >= 1 / rate - 1e-9 for earlier, later in pairwise(turns))
    for turn in turns:
        assert sum(turn <= other < turn + 1 - 1e-6 for other in turns) <= rate


def test_who_is_not_late_gets_nearly_the_rate() -> None:
    clock = Clock()
    pace = Pace(45, lambda: clock.now, clock.sleep)
    for _ in range(451):
        pace.wait()
    assert 450 / (clock.now - 100) == pytest.approx(45 * SHARE)


def test_all_results_come_and_items_are_taken_only_a_few_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = gathered(lambda number: number * 2, items(), workers=2)
    first = next(results)
    assert len(taken) <= 6
    assert sorted([first, *results]) == [number * 2 for number in range(100)]


def test_an_error_ends_the_work_and_what_was_not_begun_is_left() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError
        return number

    with pytest.raises(ValueError):  # noqa: PT011
        list(gathered(work, range(1000), workers=2))
    assert len(begun) < 20


def test_several_are_at_work_at_once() -> None:
    both = threading.Barrier(2, timeout=60)
    assert list(gathered(lambda _: both.wait() >= 0, range(4), workers=2)) == [True] * 4


def coming(total: int, clock: Clock) -> Iterator[int]:
    for number in range(total):
        clock.sleep(0.5)
        yield number


@pytest.mark.parametrize(
    ("total", "first", "lines"),
    [
        (6, [], 0),
        (100, ["6 of 100 done, about 47 s left", "8 of 100 done, about 46 s left"], 48),
        (140, ["6 of 140 done", "8 of 140 done, about 66 s left"], 68),
    ],
)
def test_what_lasts_is_counted_aloud_every_second_with_what_is_left_and_what_is_over_soon_is_not(
    caplog: pytest.LogCaptureFixture, total: int, first: list[str], lines: int
) -> None:
    caplog.set_level(logging.INFO, logger="aws_airflow_tasks")
    clock = Clock()
    found = counted(coming(total, clock), total, lambda: "done", lambda: clock.now)
    assert list(found) == list(range(total))
    assert caplog.messages[:2] == first
    assert caplog.messages[2:][-1:] == ([f"all {total} done"] if lines else [])
    assert len(caplog.messages) == lines


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "about 1 s"), (89, "about 89 s"), (95, "about 2 min"), (3583, "about 60 min")]
)
def test_a_duration_is_said_as_a_person_would(seconds: float, said: str) -> None:
    assert about(seconds) == said
