"""Let Airflow on your own machine use your own AWS permissions.

``from aws_airflow_tasks import ns`` in a ``tasks.py`` gives the tasks to ``invoke``; ``aws-airflow`` needs none.
"""

from aws_airflow_tasks import process

with process.keeping_bytecode():
    from aws_airflow_tasks.menu import ns

__all__ = ["ns"]
