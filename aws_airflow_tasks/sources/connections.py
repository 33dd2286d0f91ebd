"""A connection as Airflow reads it: from fields, from a URI, from what is stored; and the JSON that is stored.

Airflow's own rules, looked up in its ``Connection`` (3.3 and 2.11) and in the amazon provider's backends (9.39): the
type is normalised, ``extra`` must be a JSON object, an empty password or extra is none, a port is a whole number, and
Secrets Manager's backend passes on seven fields and no description.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from aws_airflow_tasks.text.from_json import from_json

#: the fields that are stored, in this order
FIELDS = ("conn_type", "host", "login", "password", "schema", "port", "extra")
#: what Airflow's ``connections import`` knows besides
KNOWN = (*FIELDS, "conn_id", "description", "extra_dejson")
#: the words that Secrets Manager's backend takes for a field
WORDS = {
    "conn_type": ("conn_type", "conn_id", "connection_type", "engine"),
    "host": ("host", "remote_host", "server"),
    "login": ("login", "user", "username", "user_name"),
    "password": ("password", "pass", "key"),
    "schema": ("database", "schema"),
    "port": ("port",),
    "extra": ("extra",),
}
#: notes: what Airflow makes of a connection otherwise than it stands there
DESCRIPTION = "descriptions are not kept: Airflow's backend passes none on"
EMPTY = "an empty password or extra is stored as none, as Airflow reads it so"
TYPE = "a conn_type is stored as Airflow reads it: - as _, postgresql as postgres"
ENCODED = (
    "a part with / ? # [ ] @ : or % in it is to be percent-encoded there: / is %2F, ? %3F, # %23, @ %40, : %3A, % %25"
)
REPAIRED = "Airflow could not read its URI: what stands before the only @ is stored as login and password"


class Unfit(ValueError):  # noqa: N818
    """Airflow could not read it, or not as it is meant; the message is a clause without values."""


class Unread(Unfit):
    """A URI at which Airflow would raise, so that it means nothing to it as it stands there."""


def stored(fields: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    """The text that Airflow's backends read as the connection with these fields, and the notes about it.

    Args:
        fields: as ``Connection(**fields)`` and ``airflow connections import`` take them.

    Raises:
        Unfit: Airflow would not read them.
    """
    if unknown := sorted(str(name) for name in fields.keys() - set(KNOWN)):
        raise Unfit(f"a connection has no field {', '.join(unknown)}; it has {', '.join(KNOWN)}")
    extra = fields.get("extra")
    if fields.get("extra_dejson") is not None:
        if extra is not None:
            raise Unfit("it has both extra and extra_dejson")
        extra = json.dumps(fields["extra_dejson"])
    given = {**fields, "extra": extra}
    found = normalised(given)
    notes = {
        DESCRIPTION: bool(fields.get("description")),
        EMPTY: "" in (given.get("password"), extra),
        TYPE: found["conn_type"] != fields.get("conn_type"),
    }
    return json.dumps(found), frozenset(note for note, holds in notes.items() if holds)


def normalised(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as Airflow has them in the end; those that are none are left out.

    Raises:
        Unfit: Airflow would not read them.
    """
    found: dict[str, Any] = {}
    for name in FIELDS:
        value = fields.get(name)
        if value is None or (value == "" and name in ("password", "extra", "port")):
            continue
        if name == "port":
            value = _port(value)
        elif name == "extra":
            value = _extra(value)
        elif not isinstance(value, str):
            raise Unfit(f"{name} is no text")
        if value not in (None, 0):
            found[name] = value
    if not found.get("conn_type"):
        raise Unfit("it has no conn_type")
    kind = found["conn_type"]
    return found | {"conn_type": "postgres" if kind == "postgresql" else kind.replace("-", "_")}


def _port(value: Any) -> int:
    try:
        if isinstance(value, bool | float):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise Unfit("port is no whole number") from None


def _extra(value: Any) -> str | None:
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        parsed = from_json(text)
    except ValueError:
        raise Unfit("extra is no JSON") from None
    if not isinstance(parsed, dict):
        raise Unfit("extra is no JSON object")
    return text if value else None


def from_uri(uri: str) -> dict[str, Any]:
    """The fields that Airflow reads from a connection's URI.

    Raises:
        Unfit: it would read something else than is meant, as a part of it is not percent-encoded.
        Unread: it would raise, for the same reason.
    """
    scheme, parts = _split(uri)
    try:
        port = parts.port
    except ValueError:
        raise Unread(f"its host and port cannot be told apart; {ENCODED}") from None
    names = [part.partition("=")[0] for part in parts.query.split("&")]
    cut = "@" not in parts.netloc and ("@" in parts.path or any("@" in name for name in names))
    if parts.fragment or uri.endswith("#") or cut:
        raise Unfit(f"Airflow would cut it off in the middle; {ENCODED}")
    host = _host(parts)
    fields = {
        "conn_type": scheme,
        "host": f"{parts.scheme}://{host}" if parts.scheme and host else host,
        "schema": unquote(parts.path[1:]),
        "login": unquote(parts.username) if parts.username else parts.username,
        "password": unquote(parts.password) if parts.password else parts.password,
        "port": port,
    }
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if query:
        fields["extra"] = query["__extra__"] if "__extra__" in query else json.dumps(query)
    return fields


def repaired(uri: str) -> str:
    """A URI at which Airflow would raise, with login and password percent-encoded; empty: it may be meant otherwise.

    All before its only ``@`` is theirs, but for a query's value in which that may stand. What has a ``%`` may have been
    encoded in part, and what Airflow does read is not guessed at.
    """
    kind, _, rest = uri.partition("://")
    before, at, after = rest.partition("@")
    if not at or "@" in after or "://" in rest or "%" in before or "=" in before.partition("?")[2]:
        return ""
    login, colon, password = before.partition(":")
    return f"{kind}://{quote(login, safe='')}{colon}{quote(password, safe='')}@{after}"


def _split(uri: str) -> tuple[str, SplitResult]:
    """The type, and the rest of a URI in its parts; the host may have a protocol of its own, which is its scheme."""
    scheme, marks, rest = uri.partition("://")
    count = uri.count("://")
    inner = rest.partition("://")[0] if count > 1 else ""
    if not marks or not re.fullmatch("[a-z][a-z0-9+.-]*", scheme):
        raise Unfit("it is no URI that begins with conn_type://, in small letters and without _")
    if count > 2 or (count == 2 and inner in ("", scheme)) or "@" in inner or ":" in inner:
        raise Unfit(f"it has :// more than once; {ENCODED}")
    try:
        return scheme, urlsplit(rest if inner else f"//{rest}")
    except ValueError:
        raise Unread(f"it is no URI; {ENCODED}") from None


def _host(parts: SplitResult) -> str:
    """In lower letters, but for a path in the host's place, such as a socket's."""
    host = unquote(parts.hostname or "")
    if "/" in host:
        host = unquote(parts.netloc.rpartition("@")[2].partition(":")[0])
    return host


def parsed(text: str, *, words: bool) -> dict[str, Any]:
    """The fields of a connection as a backend reads what is stored.

    Args:
        text: the value.
        words: whether the backend knows further words for fields (Secrets Manager).

    Raises:
        Unfit: Airflow could not read it.
    """
    if not text.strip().startswith("{"):
        return normalised(from_uri(text))
    try:
        fields = from_json(text)
    except ValueError:
        raise Unfit("it is no JSON") from None
    if words:
        fields = {field: next((v for k, v in fields.items() if k in known), None) for field, known in WORDS.items()}
    elif unknown := sorted(fields.keys() - set(KNOWN)):
        raise Unfit(f"a connection has no field {', '.join(unknown)}")
    return normalised(fields)


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two connections of :func:`normalised` are the same to a hook, to which an empty text is none."""
    return _comparable(one) == _comparable(other)


def _comparable(fields: Mapping[str, Any]) -> str:
    extra = from_json(fields["extra"]) if fields.get("extra") else {}
    return json.dumps({name: value for name, value in {**fields, "extra": extra}.items() if value}, sort_keys=True)
