"""What `creds --log` tells: which identity Airflow was handed, when and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from aws_airflow_tasks.core import Plan
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.world import history
from aws_airflow_tasks.world.history import Handed


def plans(state: Path) -> list[Callable[[Site], Plan]]:
    """A line for each copy, as plans of nothing to do; nothing is asked."""
    return [partial(_told, handed) for handed in history.read(state)] or [_nothing]


def _nothing(_: Site) -> Plan:
    return Plan(target="keys for Airflow", reason="none were ever copied in this project")


def _told(handed: Handed, _: Site) -> Plan:
    until = f" until {_moment(handed.expiry)}" if handed.expiry is not None else ""
    who = handed.arn or "an identity that AWS was not asked for"
    return Plan(target=_moment(handed.at), reason=f"profile {handed.profile}, {who}{until}: {handed.why}")


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
