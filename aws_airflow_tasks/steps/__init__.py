"""One section of the tutorial each: a function from settings to a plan. A step never calls another step.

``steps.mount`` and the others are loaded when they are first asked for: a task pays for its own step only.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_airflow_tasks.steps import creds, dag, env, init, mount, provider, refresh, secrets, start, verify

__all__ = ["creds", "dag", "env", "init", "mount", "provider", "refresh", "secrets", "start", "verify"]


def __getattr__(name: str) -> ModuleType:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
