"""The texts of the staged files: profiles as botocore will read them where Airflow sees the directory."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aws_airflow_tasks.core import digest
from aws_airflow_tasks.world import endpoints
from aws_airflow_tasks.world.profile_settings import ALONE, Along
from aws_airflow_tasks.world.profiles import Credentials

#: the name of the staged ``services`` section
SERVICES = "airflow"
#: what prints the keys
SCRIPT = "creds.sh"
#: The command behind ``credential_process``; its argument says which of several profiles' keys. Those that do not say
#: when they end are given out for 20 minutes: botocore asks again 15 minutes before an end, so that new ones reach a
#: process within 5, and old ones are good until AWS refuses them. With a shorter time it would ask before every
#: request. A shell's own words and `date` are all it has in any container: GNU's and busybox's take ``-d @SECONDS``,
#: and that of macOS ``-r SECONDS``.
PRINT_KEYS = """\
read -r keys < "${0%/*}/creds${1:+-$1}.json" || { echo 'no keys are staged here now: aws-airflow refresh' >&2; exit 1; }
case $keys in
*'"Expiration"'*) ;;
*)
    end=$(($(date +%s) + 1200))
    end=$(date -u -d "@$end" +%Y-%m-%dT%H:%M:%SZ 2> /dev/null || date -u -r "$end" +%Y-%m-%dT%H:%M:%SZ) || exit
    keys="${keys%\\}}, \\"Expiration\\": \\"$end\\"}"
    ;;
esac
printf '%s\\n' "$keys"
"""


class Keys(NamedTuple):
    """Credentials themselves; ``expiry`` in seconds since the epoch, None where they do not say.

    ``account`` is the number of their account where they say it: some endpoints have it in their names.
    """

    access_key: str
    secret_key: str
    token: str
    expiry: float | None
    account: str = ""

    def __repr__(self) -> str:
        """Without the keys."""
        return f"Keys(expiry={self.expiry!r})"


#: keys that nobody has asked for yet
UNKNOWN = Keys("", "", "", None)


def lasting(credentials: Credentials, keys: Keys) -> bool:
    """Whether keys are a user's own, which stay until somebody replaces them: they need no command."""
    return credentials.kind == "static" and keys.expiry is None


class Copied(NamedTuple):
    """What is staged of one profile: what the configuration says, its keys, and what comes along."""

    credentials: Credentials
    keys: Keys
    along: Along = ALONE


def contents(first: Copied, seen_at: str, further: Sequence[Copied] = ()) -> dict[str, str]:
    """The staged files' texts by name: profiles, and their keys as botocore will read them at ``seen_at``.

    The first is there as ``[default]``, for processes that are told no name, and under its own, for code that has one:
    but for keys of the environment, which are no profile's. The further ones are under theirs. Keys that end, whether
    they say so or not, are given out by a ``credential_process``, which botocore runs again before their end. Endpoints
    that a profile names are staged; of the others Airflow is told in ``.env``, as they come before a profile's.
    """
    found: dict[str, str] = {}
    for each in (first, *further):
        for name, text in _texts(
            each, _names(each, default=each is first), seen_at, "" if each is first else tag(each)
        ).items():
            found[name] = found.get(name, "") + text if name in ("config", "credentials") else text
    return {**{name: text for name, text in found.items() if name != "config"}, "config": found["config"]}


def _names(copied: Copied, *, default: bool) -> tuple[str, ...]:
    profile, kind = copied.credentials.profile, copied.credentials.kind
    if not default:
        return (profile,)
    return ("default",) if kind == "environment" else tuple(dict.fromkeys(("default", profile)))


def tag(copied: Copied) -> str:
    """What tells the files of a further profile from the first one's, whatever its name has in it."""
    return digest(copied.credentials.profile)[:12]


def _texts(copied: Copied, names: Sequence[str], seen_at: str, tag: str) -> dict[str, str]:
    """The texts of one profile, whose sections have ``names``."""
    credentials, keys, along = copied
    lasts, named = lasting(credentials, keys), own(credentials)
    suffix = f"-{tag}" if tag else ""
    services = SERVICES + suffix
    command = f"sh {shlex.quote(f'{seen_at}/{SCRIPT}')} {tag}".rstrip()
    values = {
        "region": credentials.region,
        "output": credentials.output,
        "credential_process": "" if lasts else command,
        **along.settings,
        **{file.removesuffix(".pem"): f"{seen_at}/{_tagged(file, suffix)}" for file in along.copied},
        "endpoint_url": named.pop(endpoints.EVERYTHING, ""),
        "services": services if named else "",
    }
    config = "".join(_section(name if name == "default" else f"profile {shlex.quote(name)}", values) for name in names)
    if named:
        urls = {endpoints.service(name): {"endpoint_url": url} for name, url in named.items()}
        config += _section(f"services {services}", urls)
    texts = {_tagged(file, suffix): text for file, text in along.texts.items()}
    if lasts:
        pairs = {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}
        pairs |= {"aws_account_id": keys.account}
        return {**texts, "credentials": "".join(_section(name, pairs) for name in names), "config": config}
    return {**texts, f"creds{suffix}.json": json.dumps(_answer(keys)) + "\n", SCRIPT: PRINT_KEYS, "config": config}


def _tagged(file: str, suffix: str) -> str:
    return f"{file.removesuffix('.pem')}{suffix}.pem"


def _answer(keys: Keys) -> dict[str, Any]:
    """What a credential helper would print; without an end where the source stated none."""
    optional = {
        "SessionToken": keys.token,
        "AccountId": keys.account,
        "Expiration": "" if keys.expiry is None else datetime.fromtimestamp(keys.expiry, UTC).isoformat(),
    }
    found = {"Version": 1, "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key}
    return found | {name: value for name, value in optional.items() if value}


def own(credentials: Credentials) -> dict[str, str]:
    """The endpoints that the profile names itself, by variable."""
    return {name: url for name, url in credentials.endpoints.items() if name not in credentials.outside}


def _section(name: str, values: Mapping[str, Any]) -> str:
    lines = [
        f"{key} ={_nested(value) if isinstance(value, Mapping) else _value(value)}\n"
        for key, value in values.items()
        if value
    ]
    return f"[{name}]\n{''.join(lines)}"


def _nested(values: Mapping[str, Any]) -> str:
    return "".join(f"\n  {key} ={_value(value)}" for key, value in values.items())


def _value(text: Any) -> str:
    """One that has several lines, however they end, stays one value."""
    return " " + re.sub(r"\r\n?|\n", "\n  ", str(text).strip())
