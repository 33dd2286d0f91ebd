"""The process that renews a project's staged keys while Airflow runs: started, found and stopped.

It has a session and a log of its own, and none of our descriptors. What it is to do it finds in its environment, by
which it is also known where the run that started it was killed before it had written down whom.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from aws_airflow_tasks.core import VERSION, digest
from aws_airflow_tasks.settings import FLAGS, KEYS, Layer, Settings
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import cli, identity, processes
from aws_airflow_tasks.world.processes import Process

#: in the state directory: which process it is, and what it says
RECORD, LOG = "keeper.json", "keeper.log"
#: the module that it runs
MODULE = "aws_airflow_tasks.steps.keeping"
#: in its environment: whose it is, what it was started from, and its settings
MARK, MADE_FROM, SETTINGS = "AWS_AIRFLOW_KEEPER", "AWS_AIRFLOW_KEEPER_MADE_FROM", "AWS_AIRFLOW_KEEPER_SETTINGS"
#: settings that make no difference to it
APART = ("wait", "identity_ttl")


def made_from(settings: Settings, environ: Mapping[str, str]) -> str:
    """A fingerprint of what a keeper goes by: this tool as it was installed, the settings, and AWS's variables."""
    chosen = [str(getattr(settings, key)) for key in KEYS if key not in APART]
    variables = sorted((name, value) for name, value in environ.items() if name.startswith(identity.VARIABLES))
    tool = [VERSION, __file__, Path(__file__).stat().st_mtime_ns]
    return digest(json.dumps([tool, str(Path.home()), chosen, variables]))


def running(state: Path) -> Process | None:
    """The project's keeper while it lives."""
    return processes.running(state / RECORD)


def recorded(state: Path) -> Process | None:
    """The keeper that was left last, whether it lives or not; None: none was, or it was ended."""
    return processes.recorded(state / RECORD)


def was_killed(state: Path) -> bool:
    """Whether there was a keeper that no :func:`stop` has ended: it was killed, or Airflow ended before it."""
    return (state / RECORD).exists() and running(state) is None


def is_current(found: Process | None, settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether a keeper lives, is of this version, and goes by these settings and variables."""
    return found is not None and processes.environ(found).get(MADE_FROM) == made_from(settings, environ)


def start(settings: Settings, state: Path) -> None:
    """Leave a keeper in the place of any other of this project.

    Raises:
        TaskError: it cannot be started.
    """
    stop(state)
    (state / LOG).unlink(missing_ok=True)
    told = {MARK: str(state), MADE_FROM: made_from(settings, os.environ), SETTINGS: written(settings)}
    processes.start(
        [sys.executable, "-P", "-m", MODULE],
        env={**os.environ, **told},
        cwd=Path.cwd(),
        log=state / LOG,
        record=state / RECORD,
    )
    (state / LOG).chmod(0o600)
    deadline = time.monotonic() + 10
    while not is_current(running(state), settings, os.environ) and processes.wait_until(deadline, 0.01):
        pass  # the kernel tells a process's environment a moment after it lets its parent go on


def stop(state: Path) -> None:
    """Stop the project's keeper with what it runs, and forget it; none is fine."""
    processes.stop_all([state / RECORD], mark=(MARK, str(state)))


def written(settings: Settings) -> str:
    """Settings as JSON, without the flags of a command line; there is no secret in them."""
    return json.dumps(settings._asdict() | dict.fromkeys(FLAGS, False), default=str)


def read(text: str) -> Settings:
    """The settings of :func:`written`."""
    found = from_json(text)
    layers = tuple(Layer(*each) for each in found["layers"])
    return Settings(**found | {name: Path(found[name]) for name in ("project", "cache")} | {"layers": layers})


def notice(title: str, text: str) -> None:
    """Say something on the person's desktop, where there is one.

    Raises:
        TaskError: nothing is there to say it with.
    """
    if sys.platform == "darwin":
        script = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")
        words = ["osascript", *(word for line in script for word in ("-e", line)), title, text]
    else:
        words = ["notify-send", "--app-name=aws-airflow", title, text]
    cli.run(words, timeout=10)
