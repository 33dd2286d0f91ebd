"""The last answer of STS, remembered in the state directory: who we are costs no call, and no boto3, while it holds.

It holds for ``identity_ttl`` seconds while nothing that it depends on has changed. The file has no secret in it.
"""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aws_airflow_tasks.core import TaskError, digest, expanded, sh
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import profile_settings
from aws_airflow_tasks.world import state as states
from aws_airflow_tasks.world.aws import Account, Identity, caller_identity
from aws_airflow_tasks.world.files import opened
from aws_airflow_tasks.world.profiles import Credentials

NAME = "identity.json"
#: how the environment variables begin that say who we are and whom we ask
VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION", "AWS_PROFILE", "AWS_DEFAULT_", "AWS_REGION", "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE", "AWS_ENDPOINT_URL", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ROLE_",
    "AWS_WEB_IDENTITY_", "AWS_CONTAINER_", *profile_settings.VARIABLES,
)  # fmt: skip


class Known(NamedTuple):
    """Who we are, what the configuration says of it, and when STS said so (seconds since the epoch)."""

    credentials: Credentials
    identity: Identity
    checked: float

    @property
    def used(self) -> "Used":
        """Whose permissions these are, as far as a person tells them apart."""
        return Used(self.credentials.profile, self.identity.account)


class Used(NamedTuple):
    """The profile that a project is used with, and the number of its account."""

    profile: str
    account: str

    def __str__(self) -> str:
        """For a person."""
        return f"profile {self.profile} of account {self.account}"


def known(settings: Settings, found: Known | None, account: Callable[[], Account]) -> Known:
    """The remembered identity while it holds, else STS's answer, which is remembered unless in check mode.

    Args:
        settings: of the command line.
        found: from :func:`remembered`.
        account: gives access to AWS, where it has to be asked.

    Raises:
        TaskError: AWS refuses, or does not answer (:class:`~.causes.Unreachable`), or nobody is logged in
            (:class:`~.causes.LoginNeeded`).
    """
    if found and not settings.fresh and _holds(found, settings.identity_ttl):
        return found
    print_now = fingerprint(settings, os.environ)  # before asking: a change meanwhile makes the answer void
    asked = account()
    answer = Known(asked.credentials, caller_identity(asked), time.time())
    if not settings.check:
        _remember(states.make(settings.project) / NAME, print_now, answer)
    return answer


def used(state: Path) -> Used | None:
    """What the project was used with last; None: it never was. Version 0.1.0 wrote down the last answer only."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        stored = from_json((state / NAME).read_text(encoding="utf-8"))
        if "used" in stored:
            return Used(*stored["used"])
        return Used(stored["credentials"]["profile"], stored["identity"]["account"])
    return None


def use(state: Path, now: Used) -> None:
    """Note what the project is used with from now on; there is a remembered answer."""
    stored = from_json((state / NAME).read_text(encoding="utf-8"))
    _write(state / NAME, stored | {"used": now})


def remembered(settings: Settings, state: Path) -> Known | None:
    """The last answer, however old, if nothing that it depends on has changed since; None: there is none."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        stored = from_json((state / NAME).read_text(encoding="utf-8"))
        if stored["fingerprint"] == fingerprint(settings, os.environ):
            return Known(_credentials(stored["credentials"]), Identity(**stored["identity"]), float(stored["checked"]))
    return None


def _holds(found: Known, seconds: int) -> bool:
    now = time.time()
    return 0 <= now - found.checked < seconds and now < (found.identity.expiry or now + 1)


def _credentials(stored: dict[str, Any]) -> Credentials:
    paths = {name: Path(stored[name]) for name in ("config_file", "credentials_file")}
    return Credentials(**stored | paths | {name: tuple(stored[name]) for name in ("chain", "places")})


def fingerprint(settings: Settings, environ: Mapping[str, str]) -> str:
    """A hash of all that an answer of STS depends on: the definition, and the logins that the command line keeps."""
    logins = (Path.home() / ".aws" / kind / "cache" for kind in ("sso", "login"))
    return _hash([definition(settings, environ), *(_stat(path) for path in logins)])


def definition(settings: Settings, environ: Mapping[str, str], copied: Iterable[str] = ()) -> str:
    """A hash of what says where credentials come from: settings, environment variables, and the files' stat.

    Args:
        settings: of the command line.
        environ: the environment.
        copied: further files that are copied along.
    """
    files = (
        environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
        environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    )
    return _hash(
        [
            [settings.profile, settings.region, settings.endpoint_url, str(Path.home())],
            *([settings.account] if settings.account else []),
            *([settings.profiles] if settings.profiles else []),
            sorted((name, value) for name, value in environ.items() if name.startswith(VARIABLES)),
            sorted(profile_settings.CARRIED),  # an earlier version of this tool may have left some behind
            [_stat(expanded(name)) for name in files],
            [_stat(Path(name)) for name in copied],
        ]
    )


def _hash(parts: object) -> str:
    return digest(json.dumps(parts))


def _stat(path: Path) -> list[int]:
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode]


def _remember(path: Path, print_now: str, answer: Known) -> None:
    found = {"credentials": answer.credentials._asdict(), "identity": answer.identity._asdict()}
    before = used(path.parent) or answer.used  # a switch is for the step to say, and then to note
    _write(path, {"fingerprint": print_now, **found, "checked": answer.checked, "used": before})


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write it in place: a reader that meets half of it takes it for none."""
    text = json.dumps(content, default=str)
    try:
        with os.fdopen(opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "O_NOFOLLOW"), "w") as file:
            file.write(text)
    except OSError as error:
        raise TaskError(f"cannot write {path}: {error.strerror}", hint=sh("ls -ld {}", path)) from None


def age(seconds: float) -> str:
    """Such as ``2 min ago``; empty: just now."""
    return "" if seconds < 60 else f"{int(seconds // 60)} min ago"
