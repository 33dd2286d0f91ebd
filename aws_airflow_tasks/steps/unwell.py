"""Why Airflow itself is not well: the line of its services' logs that tells, and what mends that here.

A metadata database that is corrupt, locked or full, a full disk, too little memory: Airflow's API says no more of them
than that an internal error happened, and a service that waits for its database says nothing at all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.runtimes.protocol import Ailing
from aws_airflow_tasks.runtimes.said import CORRUPT, FATAL, FULL, LOCKED, Symptom, table
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import symptoms
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import cli

#: lines at the end of each log that are looked at: what was long ago is no cause of now
LAST = 200
#: seconds that a log may take to be shown
LIMIT = 20


def told(site: Site, error: TaskError, services: Sequence[str] = ()) -> TaskError:
    """What ``error`` comes of, as far as the services' logs tell; else ``error`` itself.

    Args:
        site: the project.
        error: what is known: that something does not answer, or is not healthy.
        services: whose logs are asked, in that order; none: all of them.
    """
    if (known := by_its_words(site, error)) is not error:
        return known
    ailing = _ailing(site)
    by_itself = all(each.by_itself for each in ailing)
    rows = _rows()
    for name in (services or site.runtime.services()) if by_itself else ():
        for line in reversed(_log(site, name)):
            if row := _of(rows, line):
                said = symptoms.hidden(line.strip())[-300:]
                return TaskError(f"{error.message}: {row.cause} ({name}: {said})", hint=_mending(site, row))
    if not ailing:
        return error
    return TaskError(f"{error.message}; {'; '.join(f'{each.name}: {each.how}' for each in ailing)}", hint=error.hint)


def _ailing(site: Site) -> Sequence[Ailing]:
    """What the runtime itself tells; nothing where it is not to be asked."""
    with contextlib.suppress(TaskError):
        return site.runtime.ailing()
    return ()


def by_its_words(site: Site, error: TaskError) -> TaskError:
    """What ``error`` comes of, as far as its own message tells; else ``error`` itself."""
    row = _of(_rows(), error.message)
    if row is None:
        return error
    message = error.message if row.cause in error.message else f"{row.cause}: {error.message}"
    return TaskError(message, hint=_mending(site, row))


def _rows() -> list[Symptom]:
    return [row for row in table() if row.layer in FATAL]


def _of(rows: Sequence[Symptom], said: str) -> Symptom | None:
    return next((known for row in rows if (known := row if row.cause in said else row.of(said))), None)


def _log(site: Site, service: str) -> list[str]:
    """The last lines that a service wrote; none where nothing shows them."""
    with contextlib.suppress(TaskError):
        done = cli.run(site.runtime.logs([service], follow=False), cwd=site.project, timeout=LIMIT)
        return f"{done.stdout}\n{done.stderr}".splitlines()[-LAST:]
    return []


def _mending(site: Site, row: Symptom) -> str:
    """The row's command; where Airflow's database is a file of this host, and its disk this host's, by those."""
    file = site.runtime.database()
    if file is None:
        return row.hint
    if row.cause == CORRUPT:
        return sh(f"{command('stop')} && rm {{}} && {command('start')}   # what is in it is lost", file)
    if row.cause == LOCKED:  # by an Airflow that the restart ends, or by what no command of ours may end
        return sh(f"{row.hint}\nfuser {{}}   # if it is so again: who has it open; end that program", file)
    return sh("df -h {}   # make room there", file.parent) if row.cause == FULL else row.hint
