"""A site with facts that the test chose; the others are asked as ever."""

from __future__ import annotations

from typing import Any

from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site


def site(settings: Settings, **facts: Any) -> Site:
    """The project of ``settings``, of which ``facts`` (names of Site's members) are known already."""
    made = Site(settings)
    vars(made).update(facts)
    return made
