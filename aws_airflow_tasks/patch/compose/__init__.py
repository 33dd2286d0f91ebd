"""``docker-compose.override.yml``: that services carry a mount, or no longer do."""

from aws_airflow_tasks.patch.compose.environment import env_files
from aws_airflow_tasks.patch.compose.mounts import Host, Mount, Ours
from aws_airflow_tasks.patch.compose.patcher import HEADER, ensure, misplaced, survey, take_out

__all__ = ["HEADER", "Host", "Mount", "Ours", "ensure", "env_files", "misplaced", "survey", "take_out"]
