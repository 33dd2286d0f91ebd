"""``docker-compose.override.yml``: that services carry a mount, or no longer do."""

from aws_airflow_tasks.patch.compose.mounts import Host, Mount
from aws_airflow_tasks.patch.compose.patcher import HEADER, ensure, remove

__all__ = ["HEADER", "Host", "Mount", "ensure", "remove"]
