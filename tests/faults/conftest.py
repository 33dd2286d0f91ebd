"""These tests take half an hour of a real Airflow: they run only where they are asked for, with ``-m faults``."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "faults" in config.getoption("markexpr"):
        return
    slow = [item for item in items if item.get_closest_marker("faults")]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)
