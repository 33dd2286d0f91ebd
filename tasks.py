"""The menu: type `invoke --list`."""

from aws_airflow_tasks import ns

__all__ = ["ns"]
