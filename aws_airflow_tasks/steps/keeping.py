"""What the keeper's process does: renews what is staged, and ends with Airflow or when another takes its place."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable

from aws_airflow_tasks.core import Pending, TaskError, digest
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import refresh, staging
from aws_airflow_tasks.steps.keeper import TARGET
from aws_airflow_tasks.world import files, helpers, keeper, processes, state
from aws_airflow_tasks.world.causes import Unreachable
from aws_airflow_tasks.world.lock import locked
from aws_airflow_tasks.world.staging import Staged

#: looks at which Airflow may not run before it has ended: a restart by hand takes minutes
PATIENCE = 5
#: in the state directory: the hash of what was said on the desktop last
TOLD = "told"
#: seconds until whoever started a keeper has written it down
STARTING = 10


class Over(Exception):  # noqa: N818
    """The keeper has nothing to do any more."""


class Keeping:
    """One keeper's watch over a project.

    Args:
        settings: those of the command line that left it.
        say: is told what happened, a line at a time.
        runs: whether Airflow runs.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.settings = settings
        self.state = state.locate(settings.project)
        self.say = say
        self._seen: Staged | None = Site(settings).staged
        self._absent = 0

    def keep(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Renew until there is nothing to do any more, which is said."""
        deadline = time.monotonic() + STARTING
        while not self._is_ours() and processes.wait_until(deadline):
            pass  # who started us is about to write down that it has

        def rest(seconds: float) -> None:
            sleep(seconds)
            self._end_with_airflow()

        try:
            refresh.watch(self._look, self.say, rest, self._failed, doing=TARGET)
        except Over as over:
            self.say(f"ended: {over}")

    def _look(self) -> Site:
        """The project as it is now.

        Raises:
            Over: another command line has staged other keys since, or has taken our place.
        """
        site = Site(self.settings)
        found = site.staged
        if not self._is_ours():
            raise Over("another keeper took its place, or Airflow was stopped")
        since = found and (not self._seen or found.exported != self._seen.exported)
        if found and since and found.definition != staging.defined(site):
            raise Over("another command line has staged other keys")
        self._seen = found
        return site

    def _is_ours(self) -> bool:
        found = keeper.recorded(self.state)  # that it lives, nobody knows better
        return found is not None and found.pid == os.getpid()

    def _end_with_airflow(self) -> None:
        self._absent = 0 if _runs(self.settings) else self._absent + 1
        if self._absent < PATIENCE:
            return
        # while somebody works on the project they may be about to start Airflow
        with contextlib.suppress(TaskError), locked(self.state, wait=0, doing=TARGET):
            if not _runs(self.settings):
                raise Over("Airflow does not run any more")

    def _failed(self, error: TaskError | None) -> None:
        tell(self.settings, error)


def _runs(settings: Settings) -> bool:
    """Whether Airflow runs."""
    with contextlib.suppress(TaskError, Pending):  # no engine answers: then nothing runs in it
        return bool(Site(settings).running)
    return False


def tell(settings: Settings, error: TaskError | None) -> None:
    """Say on the desktop, once until it works again (None), what only the person can do.

    AWS that does not answer comes back by itself.
    """
    told = state.locate(settings.project) / TOLD
    if error is None:
        told.unlink(missing_ok=True)
    elif not isinstance(error, Unreachable):
        text, before = f"{error.message}\n{error.hint}", files.read(told)
        if before != digest(text).encode():
            with contextlib.suppress(TaskError):
                files.replace(told, before, digest(text).encode(), mode=0o600)
                keeper.notice(f"Airflow's AWS keys: {settings.project.name}", text)


def once(settings: Settings, say: Callable[[str], None]) -> int:
    """Renew what is due while Airflow runs, for a timer of the system; returns the exit code."""
    try:
        with helpers.asked_once():
            line = refresh.renew(lambda: Site(settings), "the refresh timer") if _runs(settings) else ""
    except TaskError as error:
        say(f"{error.message}\n-> {error.hint}")
        tell(settings, error)
        return 1
    if line:
        say(line)
        tell(settings, None)
    return 0


def main() -> None:
    """Keep the project whose settings are in our environment."""
    settings = keeper.read(os.environ.pop(keeper.SETTINGS))
    for name in (keeper.MARK, keeper.MADE_FROM):
        os.environ.pop(name, None)  # what a credential helper leaves behind is none of ours
    os.umask(0o077)
    try:
        if "--once" in sys.argv:
            sys.exit(once(settings, _say))
        Keeping(settings, _say).keep()
    except Exception as error:
        _say(f"ended: unexpected error: {type(error).__name__}")
        raise SystemExit(1) from None


def _say(line: str) -> None:
    said = re.sub(r"\A\d\d:\d\d:\d\d ", "", line)  # the time of a day is for who watches
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {said}", flush=True)  # noqa: T201  # into its log


if __name__ == "__main__":
    main()
