"""What is allowed as a value: functions from a value to the words for what is allowed (None: the value is fine)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit


def directory(value: str) -> str | None:
    """A path, whose user is known where it begins with one."""
    try:
        Path(value).expanduser()
    except RuntimeError:
        return "a directory; ~NAME only of a user that there is"
    return None if "\0" not in value else "a directory"


def one_of(*allowed: str) -> Callable[[str], str | None]:
    """One of these words."""
    return lambda value: None if value in allowed else "one of " + ", ".join(allowed)


def matching(pattern: str, wanted: str) -> Callable[[str], str | None]:
    """What fits a pattern as a whole; ``wanted`` says so in words."""
    return lambda value: None if re.fullmatch(pattern, value) else wanted


def seconds(value: str) -> str | None:
    """A time that a person may wait or trust."""
    return None if re.fullmatch(r"[0-9]{1,6}", value) else "a whole number of seconds, such as 300"


def not_a_url(value: str) -> str | None:
    """An endpoint: a URL with nothing secret in it."""
    wanted = "a URL such as http://127.0.0.1:5000"
    try:
        parts = urlsplit(value)
        ok = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return wanted
    if not ok or re.search(r"[\s#$'\"\\]", value):
        return wanted
    if "?" in value:
        return "a URL without a query"
    return "a URL without a user name and password" if "@" in parts.netloc else None
