"""The menu: every task, in the tutorial's order, with the tasks it depends on. No logic in here.

What a task does is loaded when it runs: listing the tasks loads none of it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from invoke.collection import Collection

from aws_airflow_tasks.tasks import task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from aws_airflow_tasks.play import Play


@task(
    sso="Where there are no credentials at all: set up IAM Identity Center, not access keys.",
    log="Only tell which identity Airflow was handed in this project, when and why.",
)
def creds(play: Play, sso: bool = False, log: bool = False) -> None:
    """Check that your AWS profile works on this host.

    Asks STS who you are, logs in through the aws CLI when it must, and stages what Airflow needs of it.
    """
    from aws_airflow_tasks.steps import creds, handed

    plan = partial(creds.plan, sso=sso, ask=play.screen.ask_line)
    for each in handed.plans(play.state) if log else [plan]:
        play.converge("creds", each)


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

    Exit code 0 whatever that is; the gate on drift is `setup --check`, with exit code 3.
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


@task(creds, changes=False, match="Only those with this in their keys.", called="secrets.list")
def secrets_list(play: Play, match: str = "") -> None:
    """List the backend's variables and connections.

    Names, when they were changed and last read, whose they are; no value is read.
    """
    from aws_airflow_tasks.steps import looking

    play.look("secrets.list", looking.everything(match))


@task(creds, changes=False, connection="A connection, by its id.", show="Print the value.", called="secrets.get")
def secrets_get(play: Play, key: str, connection: bool = False, show: bool = False) -> None:
    """Look at one entry: a fingerprint of its value.

    The fingerprint compares on this machine only; the value itself is printed with --show alone.
    """
    from aws_airflow_tasks.steps import looking

    play.look("secrets.get", looking.one(key, looking.kind_of(connection), show=show))


@task(creds, connection="A connection, by its id.", file="The file with the value.", called="secrets.put")
def secrets_put(play: Play, key: str, connection: bool = False, file: str = "") -> None:
    """Put one value into the backend, from a hidden prompt.

    Or from a file, or standard input; never from the command line, which everyone on this machine can read.
    """
    from aws_airflow_tasks.steps import looking, putting

    wish = putting.put(key, looking.kind_of(connection), file, play.screen.ask_hidden)
    play.converge("secrets.put", wish.plan)
    play.extra["entries"] = wish.entries


@task(
    creds, connection="A connection, by its id.", now="For good, with no time to restore it.", called="secrets.delete"
)
def secrets_delete(play: Play, key: str, connection: bool = False, now: bool = False) -> None:
    """Delete one entry; AWS keeps it for 30 days.

    With --now it is gone for good: at a terminal its name is typed, without one it takes --yes.
    """
    from aws_airflow_tasks.steps import looking, putting

    step = putting.Delete(key, looking.kind_of(connection), play.screen.ask_line, now=now)
    play.converge("secrets.delete", step.plan)
    play.extra["entries"] = step.entries


@task(creds, changes=False, connection="A connection, by its id.", called="secrets.history")
def secrets_history(play: Play, key: str, connection: bool = False) -> None:
    """List the versions of one entry; no value is read."""
    from aws_airflow_tasks.steps import looking

    play.look("secrets.history", looking.history(key, looking.kind_of(connection)))


@task(
    creds,
    also="A further file; may be given several times.",
    prune="Delete what is ours and in none of the files.",
    called="secrets.sync",
)
def secrets_sync(play: Play, file: str, also: Sequence[str] | None = None, prune: bool = False) -> None:
    """Bring the backend to what your files say.

    airflow_settings.yaml, exports of Airflow (json, yaml, env) and .env files; several are one wish.
    """
    from aws_airflow_tasks.steps import sync

    wish = sync.of_files([file, *(also or ())], prune=prune)
    play.converge("secrets.sync", wish.plan)
    play.extra["entries"] = wish.entries


@task(creds, changes=False, called="secrets.policy")
def secrets_policy(play: Play) -> None:
    """Print the smallest IAM policy that is needed.

    For this account, region, prefix and mode (check_entries), with the ARNs that Airflow and these tasks ask for.
    """
    from aws_airflow_tasks.steps import policy

    play.look("secrets.policy", policy.of_settings())


@task(creds, changes=False, called="secrets.lint")
def secrets_lint(play: Play) -> None:
    """Read all entries as Airflow would.

    What it could not read or would not find, what .env has too, and what your DAGs name and nobody has.
    """
    from aws_airflow_tasks.steps.lint import Lint

    lint = Lint()
    play.verify(lint.checks, "secrets.lint")
    play.extra["entries"] = lint.entries


def completion_script(shell: str) -> str:
    """What a shell sources to complete our command lines, and those of invoke; raises UsageError for others."""
    from aws_airflow_tasks import completion

    return completion.script(shell)


def candidates(words: Sequence[str], tasks: Mapping[str, Any], flags: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What may stand for the last of ``words`` on a command line with these tasks, and by task these flags."""
    from aws_airflow_tasks import completion

    return completion.candidates(words, completion.Line(tasks, flags))


ns = Collection(creds, init, mount, env, provider, dag, start, verify, setup)
for one in (idempotence, status, open_, logs, doctor, explain, trust, refresh, stop, undo):
    ns.add_task(one)
sandbox = Collection("sandbox", up)
sandbox.add_task(clean, name="clean")
sandbox.add_task(down, name="stop")
ns.add_collection(sandbox)
entries = Collection("secrets")
entries.add_task(secrets, name="check")
for one in (
    secrets_list,
    secrets_get,
    secrets_put,
    secrets_delete,
    secrets_history,
    secrets_sync,
    secrets_lint,
    secrets_policy,
):
    entries.add_task(one, name=one.name.rpartition(".")[2])
ns.add_collection(entries)
