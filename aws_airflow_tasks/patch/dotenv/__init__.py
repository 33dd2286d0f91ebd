"""``.env``: its values as each of its readers sees them, set, removed and shown without secrets."""

from aws_airflow_tasks.patch.dotenv.planning import equal, json_value, plan, portable, written
from aws_airflow_tasks.patch.dotenv.readers import read
from aws_airflow_tasks.patch.dotenv.redact import redactor

__all__ = ["equal", "json_value", "plan", "portable", "read", "redactor", "written"]
