"""The menu: every task, in the tutorial's order, with the tasks it depends on. No logic in here.

What a task does is loaded when it runs: listing the tasks loads none of it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from invoke.collection import Collection

from aws_airflow_tasks.tasks import task

if TYPE_CHECKING:
    from aws_airflow_tasks.play import Play


@task(sso="Where there are no credentials at all: set up IAM Identity Center, not access keys.")
def creds(play: Play, sso: bool = False) -> None:
    """Check that your AWS profile works on this host.

    Asks STS who you are, logs in through the aws CLI when it must, and stages what Airflow needs of it.
    """
    from aws_airflow_tasks.steps.creds import plan

    play.converge("creds", partial(plan, sso=sso))


@task()
def init(play: Play) -> None:
    """Make this an Astro project, if it is none yet.

    Runs `astro dev init`; a directory that is not empty, or not there, is asked about first.
    """
    from aws_airflow_tasks.steps.init import plan

    play.converge("init", plan)


@task(creds, init)
def mount(play: Play) -> None:
    """Mount your AWS credentials, read-only, in Airflow.

    Keeps one volume a service in docker-compose.override.yml, and every other byte of it.
    """
    from aws_airflow_tasks.steps.mount import plan

    play.converge("mount", plan)


@task(mount)
def env(play: Play) -> None:
    """Point .env at your profile and the backend.

    Keeps the lines of .env.example in .env, consistent with the mount, and every other byte of it.
    """
    from aws_airflow_tasks.steps.env import plan

    play.converge("env", plan)


@task(creds)
def secrets(play: Play) -> None:
    """Create the check variable and connection in AWS.

    Two tagged entries of Secrets Manager, if they are not there; edits no file.
    """
    from aws_airflow_tasks.steps.secrets import plan

    play.release()  # what it asks needs keys, and a credential helper may take its time
    play.converge("secrets", plan)


@task(init)
def provider(play: Play) -> None:
    """Ask for the provider that the backend is part of.

    Keeps one line in requirements.txt, where Airflow's image has no amazon provider.
    """
    from aws_airflow_tasks.steps.provider import plan

    play.converge("provider", plan)


@task(init)
def dag(play: Play) -> None:
    """Add an example DAG that prints what it reads.

    dags/example_secrets_dag.py prints the variable and the connection's host, never its password.
    """
    from aws_airflow_tasks.steps.dag import plan

    play.converge("dag", plan)


@task(mount, env, provider, dag)
def start(play: Play) -> None:
    """Start Airflow, or restart it where it differs.

    Waits until Airflow is healthy, with exactly this mount and this environment; else it does nothing.
    """
    from aws_airflow_tasks.steps.start import plan

    play.converge("start", plan)


@task(start, secrets)
def verify(play: Play) -> None:
    """Prove it, layer by layer, up to a real DAG run.

    From your identity on this host to a DAG run that prints the value from the backend.
    """
    from aws_airflow_tasks.steps.verify import checks

    play.verify(checks)


@task(creds, init, mount, env, secrets, provider, dag, start)
def setup(play: Play) -> None:
    """Do every step but the proof: the daily command.

    A second run changes nothing.
    """
    play.note("next: invoke verify")


@task(heeds="nothing")
def init_tasks(play: Play) -> None:
    """Write a tasks.py and invoke.yaml for people who like `invoke` (this script needs neither)."""
    from aws_airflow_tasks.steps.init_tasks import plan

    play.converge("init-tasks", plan)


@task(changes=False, heeds="looks")
def status(play: Play) -> None:
    """Show what each step would do now; change nothing."""
    play.preview(setup)


@task(
    creds,
    force="Export them afresh, whatever is left of them.",
    watch="Stay in the foreground and keep them fresh until stopped.",
    install="Have a timer of systemd or launchd renew them, in the keeper's place.",
    uninstall="Remove that timer.",
)
def refresh(
    play: Play, force: bool = False, watch: bool = False, install: bool = False, uninstall: bool = False
) -> None:
    """Renew the credentials that Airflow has a copy of.

    Running containers pick them up without a restart.
    """
    from aws_airflow_tasks.steps import refresh, timer

    planned = timer.planner(install=install, uninstall=uninstall)
    play.converge("refresh", refresh.planner(force=force))
    if planned and not play.failed:
        play.converge("timer", planned)
    play.watch(refresh.watch, watch)


@task(heeds="answers")
def stop(play: Play) -> None:
    """Stop Airflow."""
    from aws_airflow_tasks.steps.start import stop

    play.converge("stop", stop)


@task(heeds="answers")
def undo(play: Play) -> None:
    """Take it all back: every file to its bytes before.

    Stops what we started, restores the files, deletes what we created in AWS, and touches nothing else. What cannot be
    taken back is named and keeps nothing else from it.
    """
    from aws_airflow_tasks import undo

    play.converge_each("undo", undo.plans, undo.rest)


@task(
    heeds="nothing",
    list="List what you have agreed to, of every project.",
    revoke="Take back what you have agreed to for this project.",
)
def trust(play: Play, list: bool = False, revoke: bool = False) -> None:
    """Agree to what the project's files ask for.

    Settings that reach beyond the project's directory count once you have agreed to them, and until they change.
    """
    from aws_airflow_tasks import consent

    consent.run(play, listed=list, revoked=revoke)


@task(default=True, heeds="nothing", airflow="Airflow's major version: 3 or 2.")
def up(play: Play, airflow: str = "3") -> None:
    """See it all work without Docker, Astro or AWS.

    Runs setup and verify in .sandbox/, on real Airflow from PyPI and an embedded AWS.
    """
    from aws_airflow_tasks.sandbox import run

    run(play, airflow, setup, verify)


@task(heeds="nothing")
def down(play: Play) -> None:
    """Stop the sandbox's Airflow and AWS."""
    from aws_airflow_tasks.sandbox import stop

    stop(play)


@task(heeds="nothing")
def clean(play: Play) -> None:
    """Stop the sandbox and remove .sandbox/ whole."""
    from aws_airflow_tasks.sandbox import clean

    clean(play)


ns = Collection(creds, init, mount, env, secrets, provider, dag, start, verify, setup)
for one in (status, trust, refresh, stop, undo):
    ns.add_task(one)
sandbox = Collection("sandbox", up, clean)
sandbox.add_task(down, name="stop")
ns.add_collection(sandbox)
