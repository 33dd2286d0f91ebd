"""The menu: every task, in the tutorial's order, with the tasks it depends on. No logic in here."""

from __future__ import annotations

import time
from functools import partial

from invoke.collection import Collection

from aws_airflow_tasks import steps
from aws_airflow_tasks.executor import task
from aws_airflow_tasks.play import Play


@task(sso="Where there are no credentials at all: set up IAM Identity Center, not access keys.")
def creds(play: Play, sso: bool = False) -> None:
    """Check that your AWS profile works on this host.

    Asks STS who you are, logs in through the aws CLI when it must, and stages what Airflow needs of it.
    """
    play.converge("creds", partial(steps.creds.plan, sso=sso))


@task()
def init(play: Play) -> None:
    """Make this an Astro project, if it is none yet.

    Runs `astro dev init`; a directory that is not empty is asked about first.
    """
    play.converge("init", steps.init.plan)


@task(creds, init)
def mount(play: Play) -> None:
    """Mount your AWS credentials, read-only, in Airflow.

    Keeps one volume a service in docker-compose.override.yml, and every other byte of it.
    """
    play.converge("mount", steps.mount.plan)


@task(mount)
def env(play: Play) -> None:
    """Point .env at your profile and the backend.

    Keeps the lines of .env.example in .env, consistent with the mount, and every other byte of it.
    """
    play.converge("env", steps.env.plan)


@task(creds)
def secrets(play: Play) -> None:
    """Create the check variable and connection in AWS.

    Two tagged entries of Secrets Manager, if they are not there; edits no file.
    """
    play.converge("secrets", steps.secrets.plan)


@task(init)
def provider(play: Play) -> None:
    """Ask for the provider that the backend is part of.

    Keeps one line in requirements.txt, where Airflow's image has no amazon provider.
    """
    play.converge("provider", steps.provider.plan)


@task(init)
def dag(play: Play) -> None:
    """Add an example DAG that prints what it reads.

    dags/example_secrets_dag.py prints the variable and the connection's host, never its password.
    """
    play.converge("dag", steps.dag.plan)


@task(mount, env, provider, dag)
def start(play: Play) -> None:
    """Start Airflow, or restart it where it differs.

    Waits until Airflow is healthy, with exactly this mount and this environment; else it does nothing.
    """
    play.converge("start", steps.start.plan)


@task(start, secrets)
def verify(play: Play) -> None:
    """Prove it, layer by layer, up to a real DAG run.

    From your identity on this host to a DAG run that prints the value from the backend.
    """
    play.verify(steps.verify.checks)


@task(creds, init, mount, env, secrets, provider, dag, start)
def setup(play: Play) -> None:
    """Do every step but the proof: the daily command.

    A second run changes nothing.
    """
    play.note("next: invoke verify")


@task(changes=False)
def status(play: Play) -> None:
    """Show what each step would do now; change nothing."""
    play.preview(setup)


@task(
    creds,
    force="Export them afresh, whatever is left of them.",
    watch="Stay in the foreground and keep them fresh until stopped.",
)
def refresh(play: Play, force: bool = False, watch: bool = False) -> None:
    """Renew the credentials that Airflow has a copy of.

    Running containers pick them up without a restart.
    """
    play.converge("refresh", partial(steps.refresh.plan, renew_before=time.time() if force else 0))
    play.watch(steps.refresh.watch, watch)


@task()
def stop(play: Play) -> None:
    """Stop Airflow."""
    play.converge("stop", steps.start.stop)


@task()
def undo(play: Play) -> None:
    """Take it all back: every file to its bytes before.

    Stops what we started, restores the files, deletes what we created in AWS, and touches nothing else. What cannot be
    taken back is named and keeps nothing else from it.
    """
    from aws_airflow_tasks import undo

    play.converge_each("undo", undo.plans, undo.rest)


@task(default=True, airflow="Airflow's major version: 3 or 2.")
def up(play: Play, airflow: str = "3") -> None:
    """See it all work without Docker, Astro or AWS.

    Runs setup and verify in .sandbox/, on real Airflow from PyPI and an embedded AWS.
    """
    from aws_airflow_tasks import sandbox as in_sandbox

    in_sandbox.run(play, airflow, setup, verify)


@task()
def down(play: Play) -> None:
    """Stop the sandbox's Airflow and AWS."""
    from aws_airflow_tasks import sandbox as in_sandbox

    in_sandbox.stop(play)


@task()
def clean(play: Play) -> None:
    """Stop the sandbox and remove .sandbox/ whole."""
    from aws_airflow_tasks import sandbox as in_sandbox

    in_sandbox.clean(play)


ns = Collection(creds, init, mount, env, secrets, provider, dag, start, verify, setup, status, refresh, stop, undo)
sandbox = Collection("sandbox", up, clean)
sandbox.add_task(down, name="stop")
ns.add_collection(sandbox)
