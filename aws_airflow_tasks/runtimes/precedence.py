"""What beats a line of ours: variables that botocore or Airflow takes before it. Data, and a function that finds them.

Each row was tried with real processes: botocore 1.44, Airflow 2.11.2 and 3.3.2 with the amazon provider 9.39.0. What
was tried likewise and changes nothing is in :data:`WITHOUT_EFFECT`, and is never a conflict.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from aws_airflow_tasks.text.from_json import from_json

BACKEND = "AIRFLOW__SECRETS__BACKEND"
KWARGS = "AIRFLOW__SECRETS__BACKEND_KWARGS"
WORKERS = "AIRFLOW__WORKERS__SECRETS_BACKEND"
SESSION_FACTORY = "AIRFLOW__AWS__SESSION_FACTORY"
ENDPOINT = "AWS_ENDPOINT_URL"

#: where a variable can stand; an option of ``airflow.cfg`` is the variable of its name, but for those of other rows
Place = Literal[".env", "environment:", "env_file:", "ENV", "airflow.cfg", "process"]
ENVIRONMENT: tuple[Place, ...] = (".env", "environment:", "env_file:", "ENV", "process")
Weight = Literal["conflict", "warning"]
Variables = Mapping[str, str]


class Ours(NamedTuple):
    """What Airflow is to resolve.

    Attributes:
        lines: the lines that we keep in ``.env``.
        accepts: takes the backend's arguments as JSON; whether they do what ours do.
        profiles: the names of the profile whose credentials Airflow has.
        endpoints: where it is to ask AWS, by the variables that would say so: our lines' and the profile's own.
        airflow: the version of Airflow as far as it is known: ``(3, 1)``, ``(3,)``, or nothing at all.
        metadata: whether its credentials come from the metadata service of the machine that it runs on.
        assumes: whether its profile assumes a role from another one, which botocore does before anything but keys.
    """

    lines: Variables
    accepts: Callable[[str], bool]
    profiles: frozenset[str]
    endpoints: Variables = MappingProxyType({})
    airflow: tuple[int, ...] = ()
    metadata: bool = False
    assumes: bool = False


class Row(NamedTuple):
    """A variable that beats one of our lines, or leads around it.

    Attributes:
        name: a pattern of its whole name.
        means: what it does, in a clause.
        beats: takes a name that fits, all variables and what is ours; whether it does so in this company.
        weight: a ``conflict`` has to go; a ``warning`` may be meant.
        since: the version of Airflow that has it first.
        places: where it can stand.
    """

    name: str
    means: str
    beats: Callable[[str, Variables, Ours], bool]
    weight: Weight = "conflict"
    since: tuple[int, ...] = ()
    places: tuple[Place, ...] = ENVIRONMENT


class Finding(NamedTuple):
    """A variable that beats a line of ours where it was looked for."""

    name: str
    means: str
    weight: Weight

    @property
    def said(self) -> str:
        """What is said of it; never its value."""
        return f"{self.name}: {self.means}"


def find(there: Variables, ours: Ours, rows: Iterable[Row] | None = None) -> list[Finding]:
    """The variables of ``there``, a process's or a file's, that beat a line of ours; by the first row that says so."""
    found: dict[str, Finding] = {}
    for row in ROWS if rows is None else rows:
        if row.since[: len(ours.airflow)] > ours.airflow:
            continue
        for name in there:
            if name not in found and _fits(name, row) and row.beats(name, there, ours):
                found[name] = Finding(name, row.means, row.weight)
    return list(found.values())


def _fits(name: str, row: Row) -> bool:
    return name == row.name if row.name.isidentifier() else bool(re.fullmatch(row.name, name))


def neutral(name: str, ours: Ours) -> str | None:
    """A value that a variable which beats ours may have without doing so; None: there is none, it has to go."""
    if argument := re.fullmatch(f"{BACKEND}_KWARG__(.+)", name):
        value = {"role_arn": "", **_mapping(ours.lines.get(KWARGS, ""))}.get(argument[1].lower())
        return None if value is None else str(value)
    if name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        return ours.lines.get("AWS_PROFILE", "default")
    return "false" if name in (_IGNORE, "AWS_EC2_METADATA_DISABLED") else ""


def _set(name: str, there: Variables, ours: Ours) -> bool:
    return bool(there[name])


def _first_in_chain(name: str, there: Variables, ours: Ours) -> bool:
    return bool(there[name]) and not ours.assumes


def _before_metadata(name: str, there: Variables, ours: Ours) -> bool:
    return bool(there[name]) and ours.metadata


def _no_metadata(name: str, there: Variables, ours: Ours) -> bool:
    return there[name].lower() == "true" and ours.metadata


def _another_profile(name: str, there: Variables, ours: Ours) -> bool:
    return there[name] not in ours.profiles


def _no_such_profile(name: str, there: Variables, ours: Ours) -> bool:
    """Whether what needs no name of a profile has one; a line of ours would be judged as such."""
    return name not in ours.lines and _another_profile(name, there, ours)


def _another_endpoint(name: str, there: Variables, ours: Ours) -> bool:
    """Whether requests go elsewhere; one for everything comes before a profile's own of a service, too."""
    url, wanted = there[name], {ENDPOINT: "", **ours.endpoints}
    ignored = not ours.endpoints and there.get(_IGNORE, "").lower() == "true"
    if not url or ignored or name in ours.lines:  # a line of ours, then, and judged as such
        return False
    here = wanted.values() if name == ENDPOINT else (wanted.get(name) or wanted[ENDPOINT],)
    return any(each.rstrip("/") != url.rstrip("/") for each in here)


def _ignores_ours(name: str, there: Variables, ours: Ours) -> bool:
    return there[name].lower() == "true" and bool(ours.endpoints)


def _argument(name: str, there: Variables, ours: Ours) -> bool:
    key = name.removeprefix(f"{BACKEND}_KWARG__").lower()
    return KWARGS in ours.lines and not ours.accepts(json.dumps(_mapping(ours.lines[KWARGS]) | {key: there[name]}))


def _for_tasks(name: str, there: Variables, ours: Ours) -> bool:
    """Whether tasks ask another backend, or ours with other arguments; where one is not set, the defaults count."""
    if not there[name] or BACKEND not in ours.lines:
        return False
    if there[name] != ours.lines[BACKEND]:
        return True
    own = _mapping(ours.lines[KWARGS])
    by_default = _PREFIXES | {key: own[key] for key in ("region_name", "endpoint_url") if key in own}
    one_by_one = {
        other.removeprefix(f"{WORKERS}_KWARG__").lower(): value
        for other, value in there.items()
        if other.startswith(f"{WORKERS}_KWARG__")
    }
    return not ours.accepts(json.dumps(by_default | _mapping(there.get(f"{WORKERS}_KWARGS", "")) | one_by_one))


def _other_keys(name: str, there: Variables, ours: Ours) -> bool:
    """Whether a connection gives hooks other keys; a login without a password gives none."""
    said = _connection(there[name])
    pairs = (("login", "password"), ("aws_access_key_id", "aws_secret_access_key"))
    keys = any(said.get(login) and said.get(password) for login, password in pairs)
    profile = said.get("profile_name")
    return bool(keys or said.get("role_arn") or (profile and profile not in ours.profiles))


def _elsewhere(name: str, there: Variables, ours: Ours) -> bool:
    said = _connection(there[name])
    wanted = {"region_name": ours.lines.get("AWS_DEFAULT_REGION"), "endpoint_url": ours.endpoints.get(ENDPOINT)}
    return any(said.get(key) not in (None, "", value) for key, value in wanted.items())


def _connection(text: str) -> dict[str, Any]:
    """What a connection, JSON or a URI, has of AWS's; empty for what Airflow cannot read either."""
    if text.lstrip().startswith("{"):
        said = _mapping(text)
        extra = said.get("extra")
        return said | (extra if isinstance(extra, dict) else _mapping(extra if isinstance(extra, str) else ""))
    try:
        parts = urlsplit(text)
    except ValueError:
        return {}
    said = dict(parse_qsl(parts.query))
    return {"login": parts.username, "password": parts.password, **said, **_mapping(said.get("__extra__", ""))}


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = from_json(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


_IGNORE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
#: the defaults of the amazon provider's backend
_PREFIXES = {"connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables"}

ROWS: tuple[Row, ...] = (
    Row("AWS_ACCESS_KEY_ID", "botocore takes keys in the environment before any profile", _set),
    Row("AWS_PROFILE", "botocore looks for this profile, which is not among those that Airflow has", _no_such_profile),
    Row("AWS_DEFAULT_PROFILE", "botocore takes this profile before AWS_PROFILE", _another_profile),
    Row(
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "botocore assumes AWS_ROLE_ARN with this token before it looks for a profile's keys",
        _first_in_chain,
    ),
    Row(
        "AWS_CONTAINER_CREDENTIALS_(FULL|RELATIVE)_URI",
        "botocore asks there for keys before it asks the machine's metadata service",
        _before_metadata,
    ),
    Row("AWS_EC2_METADATA_DISABLED", "botocore does not ask the metadata service, which has your keys", _no_metadata),
    Row(ENDPOINT, "every request to AWS goes to that endpoint", _another_endpoint),
    Row(
        f"{ENDPOINT}_(SECRETS_MANAGER|SSM|STS)",
        "requests to that service go to another endpoint",
        _another_endpoint,
    ),
    Row(f"{ENDPOINT}_[A-Z0-9_]+", "requests to that service go to another endpoint", _another_endpoint, "warning"),
    Row(_IGNORE, "botocore ignores the endpoint that it is to ask", _ignores_ours),
    Row(
        f"{BACKEND}_KWARG__.+",
        f"Airflow takes this argument of the backend before {KWARGS}",
        _argument,
        since=(3, 2),
    ),
    Row(
        WORKERS,
        f"tasks ask this backend instead of {BACKEND}",
        _for_tasks,
        since=(3, 0),
        places=(*ENVIRONMENT, "airflow.cfg"),
    ),
    Row("AIRFLOW_CONN_AWS_DEFAULT", "hooks take the keys of this connection, aws_default", _other_keys),
    Row("AIRFLOW_CONN_AWS_DEFAULT", "hooks ask AWS where this connection, aws_default, says", _elsewhere, "warning"),
    Row(
        SESSION_FACTORY,
        "hooks and the backend get their sessions from this class",
        _set,
        "warning",
        places=(*ENVIRONMENT, "airflow.cfg"),
    ),
)

#: what was tried and changes nothing of what we set, and why; none of it is ever a conflict
WITHOUT_EFFECT: Mapping[str, str] = {
    "AWS_SECRET_ACCESS_KEY": "without AWS_ACCESS_KEY_ID botocore does not look at it",
    "AWS_SESSION_TOKEN": "without AWS_ACCESS_KEY_ID botocore does not look at it",
    "AWS_SECURITY_TOKEN": "without AWS_ACCESS_KEY_ID botocore does not look at it",
    "AWS_CREDENTIAL_EXPIRATION": "without AWS_ACCESS_KEY_ID botocore does not look at it",
    "AWS_ROLE_ARN": "without AWS_WEB_IDENTITY_TOKEN_FILE botocore does not look at it",
    "AWS_ROLE_SESSION_NAME": "without AWS_WEB_IDENTITY_TOKEN_FILE botocore does not look at it",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "a profile's keys in files come first",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "a profile's keys in files come first",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "a profile's keys in files come first",
    "AWS_CREDENTIAL_FILE": "a profile's keys in files come first",
    "BOTO_CONFIG": "a profile's keys in files come first",
    "AWS_ACCESS_KEY": "no name that botocore knows",
    "AWS_REGION": "boto3 reads AWS_DEFAULT_REGION alone",
    f"{BACKEND}_CMD": "Airflow takes no command for it",
    f"{BACKEND}_SECRET": "Airflow takes no secret for it",
    f"{KWARGS}_CMD": "the line itself comes first",
    f"{KWARGS}_SECRET": "the line itself comes first",
    f"{WORKERS}_CMD": "Airflow takes no command for it",
    f"{WORKERS}_KWARGS": f"without {WORKERS} Airflow does not look at it",
    f"{WORKERS}_KWARG__REGION_NAME": f"without {WORKERS} Airflow does not look at it",
    "AIRFLOW__TEAM___SECRETS__BACKEND": "a team has no backend of its own",
}
