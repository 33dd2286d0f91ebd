"""The tasks of the backend's entries: what a person looks at, puts and deletes there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoke.collection import Collection

from aws_airflow_tasks.menu.project import creds, secrets
from aws_airflow_tasks.tasks import task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_airflow_tasks.play import Play


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

    What it could not read or find, what .env or the other backend has too, and what DAGs name and nobody has.
    """
    from aws_airflow_tasks.steps.lint import Lint

    lint = Lint()
    play.verify(lint.checks, "secrets.lint")
    play.extra["entries"] = lint.entries


ns = Collection("secrets")
ns.add_task(secrets, name="check")
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
    ns.add_task(one, name=one.name.rpartition(".")[2])
