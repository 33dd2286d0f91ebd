"""A copy of one profile for Airflow: the only credentials it sees, readable whatever its user id is.

The project's state directory keeps other people of this host out (0700); the directory in it that is mounted is open
(0755, files 0644), since in a container another user id reads it. Its files are never written by Airflow and always
replaced whole: a process that has read one reads it again when its keys end, so fresh ones reach what is running. The
directory itself stays where it is: what mounts it would hold on to one that is gone.
"""

import contextlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from aws_airflow_tasks.core import TaskError, digest, sh
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import aws, files, private, profiles, sessions, sso
from aws_airflow_tasks.world.profile_settings import ALONE, Along
from aws_airflow_tasks.world.profiles import Credentials
from aws_airflow_tasks.world.staged_text import Copied, Keys, lasting, own

#: in the state directory: what is mounted, and what we know of it
FOLDER, RECORD = "aws", "staged.json"
#: seconds before their end at which keys are renewed; botocore itself begins to ask for fresh ones then
MARGIN = 15 * 60
#: of these kinds the keys are at hand: no network, no command line
AT_HAND = ("static", "session", "environment")


class Staged(NamedTuple):
    """What is staged, without secrets.

    Attributes:
        definition: the fingerprint of where the keys came from.
        seen_at: where Airflow sees the directory.
        exported: when they were exported, in seconds since the epoch.
        expiry: when they end; None where they do not say.
        whose: the fingerprint of the profile, its region and whom its keys are of; see :func:`whose`.
        stale: the services that ran when another's were staged, by their ``identity``: they keep what they have read.
        copied: files of this host that were copied along, by their name in the directory.
        files: what was staged, by name.
    """

    definition: str
    seen_at: str
    exported: float
    expiry: float | None
    whose: str = ""
    stale: Sequence[str] = ()
    copied: Mapping[str, str] = MappingProxyType({})
    files: Sequence[str] = ()

    @property
    def due(self) -> float | None:
        """When to renew them: a margin before their end, but never sooner than half of their life."""
        if self.expiry is None:
            return None
        life = self.expiry - self.exported
        return self.expiry - (min(MARGIN, life / 2) if life > 0 else MARGIN)  # below: by a clock that was put back


def folder(state: Path) -> Path:
    """The directory that is mounted."""
    return state / FOLDER


def staged(state: Path) -> Staged | None:
    """What is staged now; None when nothing is, or not all of it."""
    found = last(state)
    with contextlib.suppress(OSError, TypeError):
        return found if found and _intact(folder(state), found) else None
    return None


def last(state: Path) -> Staged | None:
    """What was staged last in the directory that is there, even if it was emptied since; None: nothing was."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        found = Staged(**from_json((state / RECORD).read_text(encoding="utf-8")))
        return found if folder(state).is_dir() else None
    return None


def holds(state: Path) -> bool:
    """Whether there is anything to be emptied, or something else in the directory's place."""
    inner = folder(state)
    with contextlib.suppress(OSError):
        return inner.is_symlink() or next(inner.iterdir(), None) is not None
    return os.path.lexists(inner)


def _intact(inner: Path, found: Staged) -> bool:
    """Whether the files are there and another user id can read them; their contents differ at every export.

    Version 0.1.0 staged no ``[default]``, which is looked for by containers that are told no name.
    """
    names = found.files or ("made by an earlier version",)
    modes = [stat.S_IMODE(path.lstat().st_mode) for path in (inner, *(inner / name for name in names))]
    config = (inner / "config").read_text(encoding="utf-8", errors="surrogateescape")
    return modes == [0o755, *(0o644 for _ in names)] and "[default]" in config.splitlines()


def missing(found: Staged | None, definition: str, seen_at: str) -> str:
    """Why to export (again), in a clause; empty when what is staged will do."""
    if found is None:
        return "nothing was staged before"
    if found.definition != definition:
        return "the profile has changed"
    if found.seen_at != seen_at:
        return f"Airflow sees them at {seen_at} now"
    return "" if found.due is None or time.time() < found.due else "the staged credentials end soon"


def at_hand(account: aws.Account) -> Keys | None:
    """The profile's keys where they are at hand, so that nobody is asked for them."""
    return _from_botocore(account) if account.credentials.kind in AT_HAND else None


def whose(
    credentials: Credentials,
    keys: Keys | None,
    arn: Callable[[], str],
    along: Along = ALONE,
    further: Sequence[Copied] = (),
) -> str:
    """What a process that has read other keys is to be restarted for, as a fingerprint.

    Args:
        credentials: what the configuration says.
        keys: what is staged; None: they are not at hand. A user's own are kept for good, so that any other key counts;
            all others are asked for again before long.
        arn: says whom they are of; empty where that is not known.
        along: what comes along with the keys: it is kept for good as well.
        further: the further profiles.
    """
    whom = keys.access_key if keys and lasting(credentials, keys) else aws.principal(arn())
    besides = {**along.settings, **own(credentials)}
    others = [
        [each.credentials.profile, each.credentials.region, {**each.along.settings, **own(each.credentials)}]
        + [each.keys.access_key for _ in range(lasting(each.credentials, each.keys))]
        for each in further
    ]
    rest = [each for each in (besides, others) if each]
    return digest(json.dumps([credentials.profile, credentials.region, whom, *rest]))


def export(settings: Settings) -> tuple[Credentials, Keys]:
    """The profile's keys, resolved on this host: by the AWS command line where it can, else by botocore.

    Raises:
        TaskError: there are none, they have ended, AWS refuses, or they are of another account than the set one.
    """
    account = aws.connect(settings)
    keys = (_from_command_line(account) if _suits_command_line(account) else None) or _from_botocore(account)
    if keys.expiry is not None and keys.expiry <= time.time():
        subject = profiles.subject(account.credentials, settings)
        raise TaskError(f"the credentials of profile {subject.profile} have expired", hint=subject.renew)
    if settings.account:
        aws.caller_identity(
            account,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            aws_session_token=keys.token,
        )
    return account.credentials, keys


def _suits_command_line(account: aws.Account) -> bool:
    """Whether to ask `aws`.

    Not where another endpoint is named: before 2.13 it knows none, and since then it sends logins to one for everything
    too (:mod:`.endpoints`). Nor for an MFA code, for which it would prompt, nor for a credential helper, which it lets
    run for as long as it likes. For `aws login` the session itself asks it.
    """
    credentials = account.credentials
    asks = credentials.kind == "mfa" or credentials.source in ("process", "login")
    return credentials.kind not in AT_HAND and not asks and not account.elsewhere


def _from_command_line(account: aws.Account) -> Keys | None:
    """`aws configure export-credentials`; None when it is not there, too old, or fails: botocore says why then."""
    profile = ["--profile", account.settings.profile] if account.settings.profile else []
    quiet = {} if account.credentials.source == "metadata" else {"AWS_EC2_METADATA_DISABLED": "true"}
    session = sso.name(account.profiles.get(account.credentials.chain[-1], {}))
    errors = (TaskError, ValueError, KeyError, TypeError, AttributeError)
    with contextlib.suppress(*errors), sso.alone(session):
        words = ("configure", "export-credentials", "--format", "process", *profile)
        done = sessions.command_line(*words, env=os.environ | quiet)
        return _parsed(from_json(done.stdout)) if done.code == 0 else None
    return None


def _parsed(answer: Mapping[str, Any]) -> Keys:
    expiry = answer.get("Expiration")
    return Keys(
        answer["AccessKeyId"],
        answer["SecretAccessKey"],
        answer.get("SessionToken") or "",
        datetime.fromisoformat(expiry).timestamp() if expiry else None,
        answer.get("AccountId") or "",
    )


def refuse_missing(account: aws.Account) -> None:
    """Raise TaskError where nothing gives credentials to a profile, which can be told before any are asked for."""
    if account.credentials.source == "missing":
        with account.explained():
            raise sessions.no_credentials()


def _from_botocore(account: aws.Account) -> Keys:
    with account.explained():
        found = account.session.get_credentials()
        if found is None:
            raise sessions.no_credentials()
        frozen, expires = found.get_frozen_credentials(), getattr(found, "_expiry_time", None)
    account_id = getattr(frozen, "account_id", None)  # botocore before 1.36 knew none
    return Keys(
        str(frozen.access_key),
        str(frozen.secret_key),
        frozen.token or "",
        expires.timestamp() if expires else None,
        account_id or "",
    )


def stage(state: Path, texts: Mapping[str, str], record: Staged) -> None:
    """Replace what is staged; call it with the project's lock held.

    Args:
        state: the project's state directory.
        texts: the files by name, from :func:`.staged_text.contents`.
        record: what they are.

    Raises:
        UsageError: others can enter the state directory, or exchange it.
        TaskError: something stands in their way, or they cannot be written.
    """
    inner = folder(state)
    with files.explained("read", state):
        private.check(state)
    _make(inner)
    for name, text in texts.items():
        _put(inner / name, text, 0o644)
    for path in inner.iterdir():
        if path.name not in texts:
            files.replace(path, files.read(path), None)
    _put(state / RECORD, json.dumps(record._asdict() | {"copied": dict(record.copied)}), 0o600)


def _make(inner: Path) -> None:
    try:
        inner.mkdir(mode=0o755, exist_ok=True)
        found = inner.lstat()
        if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
            raise TaskError(
                f"{inner} is not a directory of yours but something planted there", hint=sh("ls -ld {}", inner)
            )
        inner.chmod(0o755)
    except OSError as error:
        raise TaskError(f"cannot write {inner}: {error.strerror}", hint=sh("ls -ld {}", inner)) from None


def _put(path: Path, text: str, mode: int) -> None:
    if path.is_symlink():
        raise TaskError(f"{path} is a symlink that somebody planted there", hint=sh("rm {}", path))
    files.replace(path, files.read(path), text.encode(errors="surrogateescape"), mode=mode)
    path.chmod(mode)


def empty(state: Path) -> None:
    """Remove what is staged, but for the directory itself: something may mount it. Nothing there is fine.

    Raises:
        TaskError: it cannot be removed.
    """
    inner = folder(state)
    if inner.is_symlink():
        raise TaskError(f"{inner} is a symlink that somebody planted there", hint=sh("rm {}", inner))
    try:
        for path in inner.iterdir() if inner.exists() else ():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    except OSError as error:
        raise TaskError(f"cannot empty {inner}: {error.strerror}", hint=sh("ls -ld {}", inner)) from None
