"""The tasks of the sandbox: all of it without Docker, Astro or AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection

from aws_airflow_tasks.menu.project import setup, verify
from aws_airflow_tasks.tasks import task

if TYPE_CHECKING:
    from aws_airflow_tasks.play import Play


@task(
    default=True,
    flags="check diff fresh override",
    heeds="nothing",
    airflow="Airflow's major version: 3 or 2 (default: what the Dockerfile of --from says, else 3).",
    backend="Where its variables and connections are: secrets-manager or parameter-store.",
    from_="A project whose DAGs are tried in a copy: its dags, plugins, include and requirements.txt.",
)
def up(play: Play, airflow: str = "", backend: str = "secrets-manager", from_: str = "") -> None:
    """See it all work without Docker, Astro or AWS.

    Runs setup and verify in .sandbox/, on real Airflow from PyPI and an embedded AWS. With --from a copy of your own
    project runs there: every DAG is parsed, import errors are named, and nothing of the project itself is written.
    """
    from aws_airflow_tasks.sandbox import run

    run(play, airflow, backend, from_, setup, verify)


@task(flags="check diff", heeds="nothing", called="sandbox.stop")
def down(play: Play) -> None:
    """Stop the sandbox's Airflow and AWS."""
    from aws_airflow_tasks.sandbox import stop

    stop(play)


@task(flags="check diff", heeds="nothing", called="sandbox.clean")
def clean(play: Play) -> None:
    """Stop the sandbox and remove .sandbox/ whole."""
    from aws_airflow_tasks.sandbox import clean

    clean(play)


ns = Collection("sandbox", up)
ns.add_task(clean, name="clean")
ns.add_task(down, name="stop")
