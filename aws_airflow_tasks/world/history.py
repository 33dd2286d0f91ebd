"""Which identity Airflow was handed, when and why: a line for every copy of keys that was made, without the keys.

It lies in the project's state directory and goes with it. What AWS itself writes down of calls is CloudTrail's.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import files, private

NAME = "history.jsonl"
#: bytes of the file from which on its older half goes: some thousand lines
LARGEST = 1024 * 1024


class Handed(NamedTuple):
    """A copy of keys that Airflow was given.

    Attributes:
        at: when, in seconds since the epoch.
        profile: the profile's name.
        arn: whose keys they are, as AWS says; empty: AWS could not be asked.
        expiry: when they end, in seconds since the epoch; None: they do not say.
        why: why they were copied, in a clause.
    """

    at: float
    profile: str
    arn: str
    expiry: float | None
    why: str


def write(state: Path, handed: Handed) -> None:
    """Add a line; call it with the project's lock held.

    Raises:
        UsageError: others can enter the state directory, or exchange it.
        TaskError: it cannot be written.
    """
    path = state / NAME
    with files.explained("read", state):
        private.check(state)
    line = json.dumps(handed._asdict()).encode() + b"\n"
    try:
        with os.fdopen(files.opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, "O_NOFOLLOW"), "rb+") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                kept = file.read()[-LARGEST // 2 :].partition(b"\n")[2]
                file.truncate(0)
                file.write(kept)
            file.write(line)
    except OSError as error:
        raise TaskError(f"cannot write {path}: {error.strerror}", hint=sh("ls -ld {}", path)) from None


def read(state: Path) -> list[Handed]:
    """Every copy that is known of, the oldest first; a line that a killed run left half is none."""
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for line in (state / NAME).read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError, TypeError):
                found.append(Handed(**from_json(line)))
    return found
