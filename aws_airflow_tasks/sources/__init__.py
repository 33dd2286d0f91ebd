"""A person's files with connections and variables, read: pure functions from text to what is wanted in the backend."""

from aws_airflow_tasks.sources.connections import Unfit
from aws_airflow_tasks.sources.merging import merged
from aws_airflow_tasks.sources.reading import read, single
from aws_airflow_tasks.sources.wanted import Fault, Source, Wanted

__all__ = ["Fault", "Source", "Unfit", "Wanted", "merged", "read", "single"]
