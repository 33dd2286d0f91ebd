"""The keys of `aws login`, which the AWS command line that made the login gives out; botocore would need awscrt for it.

https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sign-in.html
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.text.hints import note, profile_option
from aws_airflow_tasks.world import cli, helpers
from aws_airflow_tasks.world.causes import LoginNeeded, Unreachable

#: the first version of the AWS command line that knows `aws login`
SINCE = (2, 32, 0)
_OFFLINE = r"(?i)could not connect|connect timeout|connection was closed|name resolution"


class Provider:
    """A provider of credentials in the place of botocore's own.

    Args:
        profile: the profile's name.
        values: gives the profile's values.
        export: runs words of `aws`.
        moment: reads a time as botocore does.
        made: makes botocore's credentials of what was given, and of what asks again.
    """

    METHOD = CANONICAL_NAME = "login"

    def __init__(
        self,
        profile: str,
        values: Callable[[], Mapping[str, Any]],
        export: Callable[..., cli.Completed],
        moment: Callable[[str], datetime],
        made: Callable[[dict[str, Any], Callable[[], dict[str, Any]]], Any],
    ) -> None:
        self._profile, self._values, self._export, self._moment, self._made = profile, values, export, moment, made

    def load(self) -> Any:
        """The credentials; None where the profile has no login.

        Raises:
            LoginNeeded: the login has ended.
            TaskError: the command line is not there, too old or fails.
        """
        return self._made(self._ask(), self._ask) if "login_session" in self._values() else None

    def _ask(self) -> dict[str, Any]:
        words = ("configure", "export-credentials", "--format", "process", "--profile", self._profile)
        helper = helpers.Helper(self._profile, ("aws", *words), f"{shlex.join(('aws', *words))} > /dev/null")
        return helpers.credentials(helper, self._moment, run=lambda _: self._said(words))

    def _said(self, words: tuple[str, ...]) -> bytes:
        whose = f"the keys of profile {self._profile} are of `aws login`, which"
        try:
            done = self._export(*words)
        except TaskError as error:
            if error.hint != cli.install("aws"):
                raise
            message = f"{whose} only the AWS command line that made the login gives out: it is not on PATH here"
            raise TaskError(message, hint=error.hint) from None
        if done.code == 0:
            return done.stdout.encode()
        version = cli.aws_version()
        if version < SINCE:
            needed, found = (".".join(map(str, each)) for each in (SINCE, version))
            message = f"{whose} needs version {needed} of the AWS command line: the one on PATH is {found}"
            raise TaskError(message, hint=cli.install("aws"))
        if re.search(_OFFLINE, done.stderr):
            message = f"AWS cannot be reached to renew the login of profile {self._profile}"
            hint = note("once this machine reaches AWS (network, VPN, proxy), type the same command again")
            raise Unreachable(message, hint=hint)
        argv = ("aws", "login", *shlex.split(profile_option(self._profile)))
        raise LoginNeeded(f"the login session of profile {self._profile} has ended", argv)
