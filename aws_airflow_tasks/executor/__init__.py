"""What ``invoke.yaml`` names. It imports and does nothing else, as Python keeps no bytecode of what invoke imports."""

from aws_airflow_tasks import process

with process.keeping_bytecode():
    from aws_airflow_tasks.executor.hook import Executor

__all__ = ["Executor"]
