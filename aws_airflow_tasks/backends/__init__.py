"""Where Airflow looks for variables and connections first: one module and one line each."""

from __future__ import annotations

from aws_airflow_tasks.backends import parameter_store, secrets_manager
from aws_airflow_tasks.backends.many import Many
from aws_airflow_tasks.backends.protocol import Backend, Entry

__all__ = ["ALL", "MANY", "Backend", "Entry", "Many", "choose"]

ALL: dict[str, Backend] = {backend.NAME: backend for backend in (secrets_manager, parameter_store)}

#: those that keep a person's own entries as well
MANY: dict[str, Many] = {backend.NAME: backend for backend in (secrets_manager, parameter_store)}


def choose(name: str) -> Backend | None:
    """The backend that the setting names; None for ``none``."""
    return ALL.get(name)
