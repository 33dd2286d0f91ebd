"""Runs in Airflow's virtual environment: reads entries through the backend that Airflow's configuration names."""

from __future__ import annotations

import json
import sys

if __name__ == "__main__":
    from airflow.configuration import get_custom_secret_backend

    asked, backend = json.load(sys.stdin), get_custom_secret_backend()
    variables = {key: backend.get_variable(key) for key in asked["variables"]}
    connections = {}
    for key in asked["connections"]:
        found = backend.get_connection(key)
        names = ("conn_type", "host", "login", "password", "schema", "port")
        connections[key] = found and {**{name: getattr(found, name) for name in names}, "extra": found.extra_dejson}
    print("=>" + json.dumps({"variables": variables, "connections": connections}))
