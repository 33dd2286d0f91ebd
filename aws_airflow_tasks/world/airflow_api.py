"""Airflow's REST API, of both majors: v2 with a token in Airflow 3, v1 with basic authentication in Airflow 2."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

HEALTH = {2: "/health", 3: "/api/v2/monitor/health"}


def health(url: str, major: int) -> Mapping[str, Any]:
    """What Airflow's health endpoint says; empty while it does not answer."""
    import requests

    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(url + HEALTH[major], timeout=5)
            found = answer.json() if answer.ok else {}
        except (requests.RequestException, ValueError):
            return {}
    return found if isinstance(found, dict) else {}


def is_healthy(found: Mapping[str, Any], service: str, *, since: float = 0) -> bool:
    """Whether ``found``, from :func:`health`, says that a service is well.

    Args:
        found: the health endpoint's answer.
        service: its name; the web services are well when they answer at all.
        since: seconds since the epoch; a heartbeat from before is one of an earlier process.
    """
    if service in ("api-server", "webserver"):
        return bool(found)
    name = service.replace("-", "_")
    part = found.get(name) or {}
    beat = part.get(f"latest_{name}_heartbeat")
    return part.get("status") == "healthy" and bool(beat) and datetime.fromisoformat(beat).timestamp() >= since
