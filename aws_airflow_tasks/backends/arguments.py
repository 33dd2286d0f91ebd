"""What a person's own keyword arguments would make of a backend, where ours are wanted.

Airflow makes the class with them (``BACKEND_KWARGS``, JSON); what they do is in the amazon provider's
``secrets/secrets_manager.py``, ``secrets/systems_manager.py``, ``hooks/base_aws.py``, ``utils/connection_wrapper.py``
(9.39). What is left out or ``null`` there falls back to the provider's default, or to what botocore finds in the
environment.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from aws_airflow_tasks.backends.protocol import Backend
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.cleaning import HIDDEN
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.text.redaction import SUSPECT

#: the provider's default prefixes
PREFIXES = {"variable": "airflow/variables", "connection": "airflow/connections"}
#: arguments that bring keys of their own; those of the second line, which 9.39 knows no more, did so before
KEYS = (
    *("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "session_kwargs"),
    *("s3_config_file", "aws_iam_role"),
)
#: arguments of which some classes know nothing: they make nothing of them
SOME = {"sep", "extra_conn_words"}
#: the parts of a connection for which ``extra_conn_words`` may name further words
PARTS = {"login", "user", "password", "host", "port", "schema", "conn_type", "extra"}


class Objection(NamedTuple):
    """Why arguments will not do.

    Attributes:
        words: a clause, without secrets.
        setting: of ours, the one that would agree with them; empty: none does.
        value: the setting's value then.
    """

    words: str
    setting: str = ""
    value: str = ""


def objections(
    backend: Backend, settings: Settings, profiles: Collection[str], current: str, wanted: str
) -> tuple[Objection, ...]:
    """What keeps ``current`` from being as good as ``wanted``.

    Args:
        backend: whose class is made.
        settings: its check entries must be found under the names that we give them.
        profiles: the names of the AWS profile that Airflow is to have.
        current: the text that stands there.
        wanted: ours, the JSON of ``backend.kwargs``.
    """
    if current == wanted:
        return ()
    try:
        have = from_json(current) if current else None
    except ValueError:
        return (Objection("not JSON: Airflow would ignore it"),)
    if have and not isinstance(have, dict):
        return (Objection("no JSON object: Airflow would ignore it"),)
    have = {key: value for key, value in (have or {}).items() if key not in SOME or key in backend.ARGUMENTS}
    want = from_json(wanted)
    checked = {"variable": settings.check_variable, "connection": settings.check_connection}
    hidden = (found for kind, entry in checked.items() for found in _entry(backend, kind, entry, have, want))
    return (*hidden, *_words(have), *_place(have, want), *_identity(have, profiles))


def joined(
    backend: Backend, settings: Settings, profiles: Collection[str], current: str, wanted: str
) -> dict[str, Any]:
    """Our arguments, and those of the person's that keep nothing of ours from being so; see :func:`objections`."""
    want: dict[str, Any] = from_json(wanted)
    try:
        have = from_json(current) if current else {}
    except ValueError:
        return want

    def fits(found: Mapping[str, Any]) -> bool:
        return not objections(backend, settings, profiles, json.dumps({**found, **want}), wanted)

    fine = {key: value for key, value in have.items() if fits({key: value})} if isinstance(have, dict) else {}
    return {**fine, **want} if fits(fine) else want


def _entry(
    backend: Backend, kind: str, entry: str, have: Mapping[str, Any], want: Mapping[str, Any]
) -> Iterator[Objection]:
    """Whether an entry is looked for, and under our name for it."""
    key, pattern_key = f"{kind}s_prefix", f"{kind}s_lookup_pattern"
    prefix, sep, pattern = have.get(key, PREFIXES[kind]), have.get("sep", "/"), have.get(pattern_key)
    if prefix is None:
        yield Objection(f"{key} is null: Airflow would look for no {kind} there")
        return
    if not isinstance(prefix, str) or not isinstance(sep, str):
        yield Objection(f"{key if isinstance(sep, str) else 'sep'} is no text: Airflow would find nothing with it")
        return
    asked, ours = backend.name(prefix, entry, sep), backend.name(want[key], entry)
    if asked != ours and backend.name(prefix, entry) == ours:
        yield Objection(f"sep is {_shown(sep)}: Airflow would look for {_shown(asked)}, not {_shown(ours)}")
    elif asked != ours:
        agrees = (key, prefix) if backend.name(prefix, entry) == asked else ("", "")
        yield Objection(f"{key} is {_shown(prefix)}, wanted {_shown(want[key])}", *agrees)
    if pattern:
        yield from _pattern(pattern_key, pattern, f"check_{kind}", entry)


def _pattern(key: str, pattern: Any, setting: str, entry: str) -> Iterator[Objection]:
    """A lookup pattern asks AWS only for what it matches from the beginning, whatever the case."""
    try:
        if re.match(pattern, entry, re.IGNORECASE):
            return
        start = re.match(r"\^?([\w-]*)", pattern)
        other = f"{start[1] if start else ''}{entry}"
        fits = re.match(pattern, other, re.IGNORECASE)
    except (re.error, TypeError, RecursionError):
        yield Objection(f"{key} is no pattern: Airflow would fail at it")
        return
    words = f"{key} is {_shown(pattern)}: Airflow would not look for {entry}"
    yield Objection(words, setting, other) if fits else Objection(words)


def _words(have: Mapping[str, Any]) -> Iterator[Objection]:
    words = have.get("extra_conn_words") or {}
    fine = (
        isinstance(words, dict)
        and words.keys() <= PARTS
        and all(isinstance(more, list | str) for more in words.values())
    )
    if not fine:
        yield Objection("extra_conn_words has no words for parts of a connection: Airflow would fail at it")


def _place(have: Mapping[str, Any], want: Mapping[str, Any]) -> Iterator[Objection]:
    """Whether AWS is asked where we ask it; the region, where none is given, is that of ``.env``."""
    region, endpoint = have.get("region_name"), have.get("endpoint_url")
    if region is not None and region != want["region_name"]:
        words = f"region_name is {_shown(region)}, wanted {_shown(want['region_name'])}"
        yield Objection(words, "region" if region else "", str(region))
    if endpoint != want.get("endpoint_url"):
        wanted = _shown(want["endpoint_url"]) if "endpoint_url" in want else "none"
        if endpoint is None:
            yield Objection(f"endpoint_url is not there, wanted {wanted}")
        else:
            words = f"endpoint_url is {_shown(endpoint)}, wanted {wanted}"
            yield Objection(words, "endpoint_url" if endpoint else "", str(endpoint))


def _identity(have: Mapping[str, Any], profiles: Collection[str]) -> Iterator[Objection]:
    """Whether Airflow asks as the person."""
    other = have.get("profile_name")
    if other is not None and not (isinstance(other, str) and other in profiles):
        words = f"profile_name: Airflow would use the profile {_shown(other)}"
        yield Objection(words, "profile" if other else "", str(other))
    if have.get("role_arn"):
        yield Objection("role_arn: Airflow would assume it")
    if keys := [key for key in KEYS if have.get(key)]:
        yield Objection(f"{', '.join(keys)}: Airflow would use other keys than yours")


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return HIDDEN if re.search(SUSPECT, text) else text
