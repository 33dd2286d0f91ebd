"""Runs in Airflow's virtual environment: what Airflow makes of a connection, a question and an answer a line.

A question is ``fields`` or ``uri``, and ``stored``: what stands in AWS. The answer has what Airflow makes of the first,
and what each of its two backends reads of the second; an error is its name.
"""

from __future__ import annotations

import json
import sys
from typing import Any

NAMES = ("conn_type", "host", "login", "password", "schema", "port")


def plain(connection: Any) -> dict[str, Any]:
    found = {name: getattr(connection, name) for name in NAMES}
    return {**found, "extra": connection.extra_dejson}


def attempted(make: Any) -> Any:
    try:
        return plain(make())
    except Exception as error:  # every error of Airflow is an answer
        return type(error).__name__


def backends(stored: str) -> list[Any]:
    from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend
    from airflow.providers.amazon.aws.secrets.systems_manager import SystemsManagerParameterStoreBackend

    manager, store = SecretsManagerBackend(), SystemsManagerParameterStoreBackend()
    manager._get_secret = store._get_secret = lambda *_, **__: stored  # type: ignore[method-assign]
    return [attempted(lambda: manager.get_connection("c")), attempted(lambda: store.get_connection("c"))]


def answer(question: dict[str, Any]) -> dict[str, Any]:
    from airflow.models.connection import Connection

    def fields() -> Any:
        given = dict(question["fields"])
        if given.get("conn_type"):
            given["conn_type"] = Connection._normalize_conn_type(given["conn_type"])
        return Connection(conn_id="c", **given)

    made = fields if "fields" in question else lambda: Connection(conn_id="c", uri=question["uri"])
    stored = question.get("stored")
    return {"meant": attempted(made), "read": backends(stored) if stored else []}


if __name__ == "__main__":
    for line in sys.stdin:
        print("=>" + json.dumps(answer(json.loads(line))), flush=True)
