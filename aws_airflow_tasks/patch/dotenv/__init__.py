"""``.env``: its values as each of its readers sees them, set, removed and shown without secrets."""

from aws_airflow_tasks.patch.dotenv.planning import difference, instead, plan, written
from aws_airflow_tasks.patch.dotenv.readers import json_value, line, portable, read, statements
from aws_airflow_tasks.patch.dotenv.redact import redactor

__all__ = [
    "difference",
    "instead",
    "json_value",
    "line",
    "plan",
    "portable",
    "read",
    "redactor",
    "statements",
    "written",
]
