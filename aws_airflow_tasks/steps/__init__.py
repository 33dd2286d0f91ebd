"""One section of the tutorial each: a function from settings to a plan. A step never calls another step."""

from aws_airflow_tasks.steps import creds, dag, env, init, mount, refresh, secrets, start, verify

__all__ = ["creds", "dag", "env", "init", "mount", "refresh", "secrets", "start", "verify"]
