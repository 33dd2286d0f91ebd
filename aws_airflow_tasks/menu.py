"""The menu: every task, in the tutorial's order, with the tasks it depends on. No logic in here."""

from __future__ import annotations

from invoke.collection import Collection

from aws_airflow_tasks import sandbox as sandboxes
from aws_airflow_tasks import steps
from aws_airflow_tasks import undo as undoing
from aws_airflow_tasks.executor import task
from aws_airflow_tasks.play import Play


@task()
def creds(play: Play) -> None:
    """Check that your AWS profile gives a working identity on this host; log in when it must."""
    play.converge("creds", steps.creds.plan)


@task()
def init(play: Play) -> None:
    """Make the directory an Astro project (astro dev init), if it is none yet."""
    play.converge("init", steps.init.plan)


@task(creds, init)
def mount(play: Play) -> None:
    """Mount your AWS credentials directory, read-only, into Airflow's services (docker-compose.override.yml)."""
    play.converge("mount", steps.mount.plan)


@task(mount)
def env(play: Play) -> None:
    """Keep the lines in .env that point Airflow at your profile and at the secrets backend."""
    play.converge("env", steps.env.plan)


@task(creds)
def secrets(play: Play) -> None:
    """Create the check variable and connection in AWS, if they are not there."""
    play.converge("secrets", steps.secrets.plan)


@task(init)
def dag(play: Play) -> None:
    """Add the example DAG that prints a variable and a connection's host from the backend."""
    play.converge("dag", steps.dag.plan)


@task(mount, env, dag)
def start(play: Play) -> None:
    """Start Airflow, or restart it when its mount or environment differs; wait until it is healthy."""
    play.converge("start", steps.start.plan)


@task(start, secrets)
def verify(play: Play) -> None:
    """Prove it, layer by layer, up to a real DAG run that prints the value from the backend."""
    play.verify(steps.verify.checks)


@task(creds, init, mount, env, secrets, dag, start)
def setup(play: Play) -> None:
    """Do everything above but the proof. The quick daily command."""
    play.note("next: invoke verify")


@task(changes=False)
def status(play: Play) -> None:
    """Show what each step would do now, one line a step, and change nothing."""
    play.preview(setup)


@task()
def stop(play: Play) -> None:
    """Stop Airflow."""
    play.converge("stop", steps.start.stop)


@task()
def undo(play: Play) -> None:
    """Give every file its bytes from before back, and remove everything that we created."""
    play.converge("undo", undoing.plan)


@task(default=True, airflow="Airflow's major version, 2 or 3 (default: 3).")
def sandbox(play: Play, airflow: str = "3") -> None:
    """See it all at work without Docker, Astro or AWS: setup and verify in .sandbox/ (real Airflow, embedded AWS)."""
    sandboxes.enter(play, airflow)
    play.go(setup, verify)


@task()
def sandbox_stop(play: Play) -> None:
    """Stop the sandbox's Airflow and AWS."""
    sandboxes.stop(play)


@task()
def sandbox_clean(play: Play) -> None:
    """Stop the sandbox and remove .sandbox/ with everything in it."""
    sandboxes.clean(play)


ns = Collection(creds, init, mount, env, secrets, dag, start, verify, setup, status, stop, undo)
ns.add_collection(Collection("sandbox", sandbox, stop=sandbox_stop, clean=sandbox_clean))
