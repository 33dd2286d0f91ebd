"""Runs in Airflow's virtual environment: what the configured backend finds for the names on standard input."""

from __future__ import annotations

import json
import sys
from typing import Any


def parts(connection: Any) -> list[Any] | None:
    if connection is None:
        return None
    return [connection.conn_type, connection.host, connection.login, connection.password, connection.port]


if __name__ == "__main__":
    from airflow.configuration import get_custom_secret_backend

    backend = get_custom_secret_backend()
    asked = json.load(sys.stdin)
    variables = {name: backend.get_variable(name) for name in asked["variables"]}
    connections = {name: parts(backend.get_connection(name)) for name in asked["connections"]}
    print(json.dumps([type(backend).__name__, variables, connections]))
