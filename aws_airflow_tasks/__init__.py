"""Let Airflow on your own machine use your own AWS permissions.

``from aws_airflow_tasks import ns`` in a ``tasks.py`` gives the tasks to ``invoke``; ``aws-airflow`` needs none.
"""

from __future__ import annotations

import atexit
import gc
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_airflow_tasks.menu import ns

__all__ = ["ns"]


def __getattr__(name: str) -> Any:
    """The namespace, loaded when it is asked for: a part of the package does not need the whole menu."""
    if name == "ns":
        # invoke turns bytecode off for the sake of the person's tasks.py; our own modules would be compiled every time
        sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
        # a command lives shortly: looking for garbage, often or once more at the end, costs more than it frees
        gc.set_threshold(50_000)
        atexit.register(gc.freeze)
        from aws_airflow_tasks.menu import ns

        return ns
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
