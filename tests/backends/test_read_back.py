"""Every entry that we write is read back as it was by Airflow's own backend classes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from secrets import token_hex

import pytest

from aws_airflow_tasks.backends import ALL, MANY
from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import secrets
from aws_airflow_tasks.world import aws, cli
from tests.conftest import USER_CACHE
from tests.world.proxy import before
from tests.world.server import REAL_SPAWN, Embedded, embedded

__all__ = ["embedded"]

pytestmark = pytest.mark.e2e

VARIABLES = {
    "plain": "text",
    "spaces": "  in front and behind \n",
    "json": '{"a": [1, "é", null]}',
    "number": "7",
    "unicode.name-of_it": "𝄞\u2028\t\\ \"'",
    "largest": "x" * 4096,
    "braces": "{ { } } {% ds %}",
}
CONNECTIONS = {
    "web": {"conn_type": "http", "host": "h.example", "login": "me@x", "password": "p/@:%?#é", "port": 8443},
    "bare": {"conn_type": "fs"},
}
PARTS = ("conn_type", "host", "login", "password", "port")


@pytest.mark.parametrize("major", [3, 2])
@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("prefix", ["airflow", "/team/air.flow_2"])
def test_airflow_reads_what_we_wrote(
    name: str, major: int, prefix: str, embedded: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    monkeypatch.setenv("HOME", str(embedded.home))
    single, backend, of = (
        ALL[name],
        MANY[name],
        {"connections": f"{prefix}/c{major}", "variables": f"{prefix}/v{major}/"},
    )
    settings = Settings(
        project=tmp_path, backend=name, connections_prefix=of["connections"], variables_prefix=of["variables"]
    )
    texts = {single.name(of["variables"], key): text for key, text in VARIABLES.items()}
    texts |= {single.name(of["connections"], key): json.dumps(parts) for key, parts in CONNECTIONS.items()}
    with before(embedded.url) as proxy:
        account = aws.connect(Settings(endpoint_url=proxy.url))
        for entry, text in texts.items():
            assert backend.refusal(settings, entry, text) == ""
            backend.make(account, entry, text, {"owner": "team"}, token_hex(16))
        for entry, text in list(texts.items())[:2]:
            stands = backend.values(account, [entry])[entry]
            assert not isinstance(stands, Exception)
            backend.replace(account, entry, text, stands.version, token_hex(16))
        site = Site(settings._replace(endpoint_url=proxy.url))
        for change in secrets.plan(site).needed:
            change.apply()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(embedded.home),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__SECRETS__BACKEND": single.CLASS,
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(
            single.kwargs(settings, account.credentials) | {"endpoint_url": embedded.url}
        ),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    check = settings.check_variable
    asked = {"variables": [*VARIABLES, check, "absent"], "connections": [*CONNECTIONS, check, "absent"]}
    python = venv.ensure(major, USER_CACHE / "aws-airflow-tasks") / "bin" / "python"
    argv = [str(python), str(Path(__file__).with_name("real_reader.py"))]
    done = subprocess.run(argv, input=json.dumps(asked), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found, variables, connections = json.loads(done.stdout.splitlines()[-1])
    assert found == single.CLASS.rpartition(".")[2]
    assert variables.pop(check).startswith("read-with-your-own-permissions-")
    assert connections.pop(check)[0] == "http"
    assert (variables.pop("absent"), connections.pop("absent")) == (None, None)
    assert variables == VARIABLES
    assert connections == {key: [parts.get(part) for part in PARTS] for key, parts in CONNECTIONS.items()}
