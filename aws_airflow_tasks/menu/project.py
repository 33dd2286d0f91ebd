"""The tasks of a project: the tutorial's steps, in its order, and what goes with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from invoke.collection import Collection

from aws_airflow_tasks.tasks import task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_airflow_tasks.play import Play


@task(
    sso="Where there are no credentials at all: set up IAM Identity Center, not access keys.",
    log="Only tell which identity Airflow was handed in this project, when and why.",
)
def creds(play: Play, sso: bool = False, log: bool = False) -> None:
    """Check that your AWS profile works on this host.

    Asks STS who you are, logs in through the aws CLI when it must, and stages what Airflow needs of it.
    """
    if log:
        from aws_airflow_tasks.steps import handed

        for each in handed.plans(play.state):
            play.converge("creds", each)
    else:
        from aws_airflow_tasks.steps import creds

        play.converge("creds", partial(creds.plan, sso=sso, ask=play.screen.ask_line))


@task(flags="check diff only skip")
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


@task(creds, default=True)
def secrets(play: Play) -> None:
    """Create the check variable and connection in AWS.

    Two tagged entries of the backend, if they are not there; edits no file.
    """
    from aws_airflow_tasks.steps.secrets import plan

    play.release()  # what it asks needs keys, and a credential helper may take its time
    play.converge("secrets", plan)


@task(init, flags="runtime")
def provider(play: Play) -> None:
    """Ask for the provider that the backend is part of.

    Keeps one line in requirements.txt, where Airflow's image has no amazon provider.
    """
    from aws_airflow_tasks.steps.provider import plan

    play.converge("provider", plan)


@task(init, flags="runtime override")
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
    from aws_airflow_tasks.steps import address
    from aws_airflow_tasks.steps.start import plan

    play.converge("start", plan)
    play.tell(address.told)


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
    from aws_airflow_tasks.report import next_note
    from aws_airflow_tasks.text.calling import command, flag

    left_out = ",".join(task.name for task in play.turns.skip)
    play.note(next_note(command("verify", flag("skip", left_out) if left_out else "")))


@task(flags="check diff", heeds="nothing")
def init_tasks(play: Play) -> None:
    """Write a tasks.py, for people who like `invoke`.

    With the invoke.yaml that it needs; `aws-airflow` itself needs neither.
    """
    from aws_airflow_tasks.steps.init_tasks import plan

    play.converge("init-tasks", plan)


@task(setup)
def idempotence(play: Play) -> None:
    """Do `setup` twice; fail if the second run changes.

    The step that changed again is named. For a gate on drift there is `setup --check`: exit code 3.
    """
    play.repeat(setup)


@task(changes=False, flags="runtime", heeds="answers", called="open")
def open_(play: Play) -> None:
    """Show Airflow's own pages in your browser.

    Without a terminal it only says where they are, and how to log in.
    """
    from aws_airflow_tasks.steps import address

    plan, found = address.opener()
    play.converge("open", plan)
    play.extra |= found


@task(
    changes=False,
    flags="runtime",
    heeds="answers",
    service="One service alone, such as scheduler; may be given several times.",
    follow="Go on with what comes, until Ctrl-C.",
)
def logs(play: Play, service: Sequence[str] | None = None, follow: bool = False) -> None:
    """Show what Airflow's services write.

    Over every way to run Airflow, with secrets hidden. With invoke a service is named by --service.
    """
    from aws_airflow_tasks.core import Interrupted
    from aws_airflow_tasks.steps import logs

    logs.refuse_unknown(play.site, service or ())
    shown = logs.Logs(service or (), play.screen.quote, follow=follow)
    play.converge("logs", shown.plan)
    if shown.interrupted:
        raise Interrupted


@task(changes=False, flags="profile region runtime fresh diff", heeds="looks")
def status(play: Play) -> None:
    """Show what each step would do now; change nothing.

    Exit code 0 whatever would change (1 where a step fails); the gate on drift is `setup --check`, with exit code 3.
    """
    from aws_airflow_tasks.steps import address

    play.preview(setup)
    play.tell(address.told)


@task(
    changes=False,
    flags="profile region runtime",
    heeds="looks",
    anyway=True,
    redact="Hide account numbers too: for a paste.",
    checks="Only list what is looked at.",
)
def doctor(play: Play, redact: bool = False, checks: bool = False) -> None:
    """Look at prerequisites and pitfalls; change nothing.

    Works where nothing else does: without AWS, Docker or a project. Exit code 4 where a check fails.
    """
    from aws_airflow_tasks.steps import doctor

    if checks:
        play.extra["available"] = doctor.listed()
        for name, about in doctor.listed().items():
            play.screen.tell(f"  {name:<12} ", about)
        return
    play.verify(lambda _: doctor.checks(play.settings, play.trouble, redact=redact), "doctor")


@task(changes=False, flags="profile", heeds="nothing", anyway=True, file="A log or traceback; - is standard input.")
def explain(play: Play, file: str) -> None:
    """Say what a log or a traceback means.

    The layer, the cause and the command to type, from a table, offline; the earliest cause first. A file of - is
    standard input. Exit code 1 where nothing in it is known.
    """
    from aws_airflow_tasks.steps import explain

    text = explain.read(file)
    play.verify(lambda _: explain.checks(text, play.settings), "explain")


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


@task(flags="check diff runtime", heeds="answers")
def stop(play: Play) -> None:
    """Stop Airflow.

    The keys that were staged for it are gone until the next `start`.
    """
    from aws_airflow_tasks.steps.start import stop

    play.converge("stop", stop)


@task(flags="check diff runtime", heeds="answers")
def undo(play: Play) -> None:
    """Take it all back: every file to its bytes before.

    Stops what we started, restores the files, deletes what we created in AWS, and touches nothing else. What cannot be
    taken back is named and keeps nothing else from it.
    """
    from aws_airflow_tasks import undo

    play.converge_each("undo", undo.plans, undo.rest)


@task(
    flags="check diff",
    heeds="nothing",
    agreed="List what you have agreed to, of every project.",
    revoke="Take back what you have agreed to for this project.",
)
def trust(play: Play, agreed: bool = False, revoke: bool = False) -> None:
    """Agree to what the project's files ask for.

    Settings that reach beyond the project's directory count once you have agreed to them, and until they change.
    """
    from aws_airflow_tasks import consent

    consent.run(play, listed=agreed, revoked=revoke)


ns = Collection(creds, init, mount, env, provider, dag, start, verify, setup)
for one in (idempotence, status, open_, logs, doctor, explain, trust, refresh, stop, undo):
    ns.add_task(one)
