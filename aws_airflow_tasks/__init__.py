"""Let Airflow on your own machine use your own AWS permissions.

``from aws_airflow_tasks import ns`` in a ``tasks.py`` gives the tasks to ``invoke``; ``aws-airflow`` needs none.
"""

import logging

from aws_airflow_tasks import process

with process.keeping_bytecode():
    from aws_airflow_tasks.menu import ns

__all__ = ["ns"]


def _cleaned(record: logging.LogRecord) -> bool:
    from aws_airflow_tasks.text.cleaning import CLEANING

    return CLEANING.filter(record)


# under `invoke --debug` it says all that configuration files hold, before any executor of ours is there
logging.getLogger("invoke").addFilter(_cleaned)
