"""What `secrets.sync` writes, Airflow's own backends read: both of them, on Airflow 3 and 2."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks.backends import ALL, parameter_store
from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.world import cli
from tests.conftest import USER_CACHE
from tests.project import airflow, astro_project, embedded, run
from tests.steps.test_sync import Run
from tests.world.server import REAL_SPAWN, Embedded

__all__ = ["airflow", "astro_project", "embedded", "run"]

pytestmark = pytest.mark.e2e

SETTINGS = """\
airflow:
  connections:
    - conn_id: db
      conn_type: postgresql
      conn_host: H
      conn_login: "ü@:/?#[]%"
      conn_password: 'p"\\@ '
      conn_port: 5432
    - {conn_id: cloud, conn_type: google-cloud-platform, conn_extra: {project: x, nested: {a: [1, null]}}}
    - {conn_id: uri, conn_uri: "http://u%40x:p%2Fw@host.example:80/s?__extra__=%7B%22a%22%3A+1%7D"}
  pools:
    - {pool_name: p, pool_slot: 1}
  variables:
    - {variable_name: text, variable_value: " two\\nlines and ü "}
    - {variable_name: quoted, variable_value: "\\"7\\""}
    - {variable_name: number, variable_value: 7}
    - {variable_name: object, variable_value: {a: [1, true, null]}}
"""


@pytest.mark.parametrize("backend", ["secrets-manager", "parameter-store"])
@pytest.mark.parametrize("major", [3, 2])
def test_every_entry_is_read_back_as_it_was_meant(
    embedded: Embedded,
    astro_project: Path,
    closed_world: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    major: int,
) -> None:
    monkeypatch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", backend)
    monkeypatch.setattr(parameter_store, "writes", lambda settings: 100.0)
    (astro_project / "airflow_settings.yaml").write_text(SETTINGS)
    done = run("secrets.sync", "airflow_settings.yaml", "--override", "--json")
    assert done.code == 0, done.out
    assert "pools are skipped, no backend has them: p" in done.out
    found = read(major, backend, embedded, closed_world, monkeypatch)
    assert found["variables"] == {
        "text": " two\nlines and ü ",
        "quoted": '"7"',
        "number": "7",
        "object": '{\n  "a": [\n    1,\n    true,\n    null\n  ]\n}',
        "missing": None,
    }
    none = dict.fromkeys(("host", "login", "password", "schema", "port"))
    assert found["connections"] == {
        "db": none
        | {"conn_type": "postgres", "host": "H", "login": "ü@:/?#[]%", "password": 'p"\\@ ', "port": 5432, "extra": {}},
        "cloud": none | {"conn_type": "google_cloud_platform", "extra": {"project": "x", "nested": {"a": [1, None]}}},
        "uri": {
            "conn_type": "http",
            "host": "host.example",
            "login": "u@x",
            "password": "p/w",
            "schema": "s",
            "port": 80,
            "extra": {"a": 1},
        },
        "missing": None,
    }


def read(major: int, backend: str, at: Embedded, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Airflow of that version reads, with the class and arguments that `.env` gets."""
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    python = venv.ensure(major, USER_CACHE / "aws-airflow-tasks") / "bin" / "python"
    slash = "/" if backend == "parameter-store" else ""
    arguments = {"variables_prefix": f"{slash}airflow/variables", "connections_prefix": f"{slash}airflow/connections"}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__SECRETS__BACKEND": ALL[backend].CLASS,
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(arguments | {"region_name": "eu-west-1"}),
        "AWS_ENDPOINT_URL": at.url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    asked = {
        "variables": ["text", "quoted", "number", "object", "missing"],
        "connections": ["db", "cloud", "uri", "missing"],
    }
    argv = [str(python), str(Path(__file__).with_name("real_read.py"))]
    done = subprocess.run(argv, input=json.dumps(asked), env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("=>"))
    return dict(json.loads(line[2:]))
