"""IAM Identity Center's sessions: until when their tokens last, and one refresh at a time.

A refresh makes the refresh token before it void, so that of two that refresh at once one has to log in again. The file
in which the AWS command line keeps a token is that of botocore's ``SSOTokenLoader``.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from aws_airflow_tasks.core import digest
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import state
from aws_airflow_tasks.world.lock import locked

#: seconds for which another process that refreshes is waited for
PATIENCE = 60


class Token(NamedTuple):
    """A token in the cache: when it ends, in seconds since the epoch, and whether it is refreshed without a login."""

    ends: float
    refreshable: bool


def name(values: Mapping[str, Any]) -> str:
    """What a profile's values call its session: by name, or by where it starts; empty: it has none."""
    return str(values.get("sso_session") or values.get("sso_start_url") or "")


def token(session: str) -> Token | None:
    """The token that the AWS command line has of a session; None: nobody is logged in."""
    key = hashlib.sha1(session.encode(), usedforsecurity=False).hexdigest()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found = from_json((Path.home() / ".aws" / "sso" / "cache" / f"{key}.json").read_text(encoding="utf-8"))
        return Token(datetime.fromisoformat(found["expiresAt"]).timestamp(), bool(found.get("refreshToken")))
    return None


class Whole:
    """The tokens that botocore's own cache holds whole; a damaged one counts as none, since a login makes it anew.

    botocore passes on whatever it stumbles over in one.

    Args:
        cache: botocore's, by key.
        moment: reads a time as botocore does.
    """

    def __init__(self, cache: Any, moment: Callable[[Any], datetime]) -> None:
        self._cache, self._moment = cache, moment

    def __contains__(self, key: str) -> bool:
        """Whether there is one, and it says when it ends."""
        with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):
            return self._moment(self._cache[key]["expiresAt"]).tzinfo is not None
        return False

    def __getitem__(self, key: str) -> Any:
        """The token."""
        return self._cache[key]


@contextlib.contextmanager
def alone(session: str) -> Iterator[None]:
    """Nobody else of ours refreshes the token of a login meanwhile; an empty name is that of none.

    Raises:
        TaskError: another process still does so after :data:`PATIENCE` seconds.
    """
    if not session:
        yield
        return
    with locked(state.root() / f"sso-{digest(session)[:16]}", wait=PATIENCE, doing=f"refreshing {session}"):
        yield
