"""Airflow is the judge: what is stored of a connection, its own backends read as the connection that was meant."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.sources import connections
from aws_airflow_tasks.sources.connections import Unfit
from aws_airflow_tasks.world import cli
from tests.conftest import USER_CACHE
from tests.sources.test_reading import FIELDS
from tests.world.server import REAL_SPAWN

pytestmark = pytest.mark.e2e

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", params=[3, 2])
def ask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    home = tmp_path_factory.mktemp("airflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "spawn", REAL_SPAWN)
        python = venv.ensure(request.param, USER_CACHE / "aws-airflow-tasks") / "bin" / "python"
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home / "airflow")}
    argv = [str(python), str(Path(__file__).with_name("real_connections.py"))]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout

        def question(**asked: Any) -> dict[str, Any]:
            process.stdin.write(json.dumps(asked) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            line = next(line for line in process.stdout or () if line.startswith("=>"))
            return dict(json.loads(line[2:]))

        yield question
        process.stdin.close()


def comparable(found: Any) -> Any:
    """An empty extra is none; so is an empty text, to a hook."""
    return {name: value or None for name, value in found.items()} if isinstance(found, dict) else found


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(fields=FIELDS)
def test_both_backends_read_the_connection_that_was_meant(ask: Ask, fields: dict[str, Any]) -> None:
    stored, _ = connections.stored(fields)
    found = ask(fields=fields, stored=stored)
    assert [comparable(read) for read in found["read"]] == [comparable(found["meant"])] * 2


TYPES = st.sampled_from(["http", "postgres", "postgresql", "google-cloud-platform", "aws", "HTTP", "a_b"])
PIECES = st.text(alphabet="aB1%2F@:/?#[]&=+ ü.-_", max_size=8)
URIS = st.builds(
    lambda kind, login, password, *rest: (
        f"{kind}://{login}{':' if password else ''}{password}{'@' if login or password else ''}{''.join(rest)}"
    ),
    TYPES,
    PIECES,
    PIECES,
    st.sampled_from(["", "h", "Host.example", "https://h", "%2Fsocket%2Fx", "[::1]"]),
    st.sampled_from(["", ":1", ":5432", ":x"]),
    st.sampled_from(["", "/", "/s", "/a%2Fb"]),
    st.sampled_from(["", "?a=1&b=%20", "?__extra__=%7B%22a%22%3A+1%7D", "?e=a@b", "?x"]),
)


@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(uri=URIS)
def test_a_uri_is_read_as_airflow_reads_it_or_refused(ask: Ask, uri: str) -> None:
    try:
        stored, _ = connections.stored(connections.from_uri(uri))
    except Unfit:
        return
    found = ask(uri=uri, stored=stored)
    meant = found["meant"]
    if isinstance(meant, dict):  # Airflow 3's own model makes numbers of a query's words, its SDK does not
        meant["extra"] = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in meant["extra"].items()
        }
        for read in found["read"]:
            read["extra"] = {name: str(value) for name, value in read["extra"].items()}
    assert [comparable(read) for read in found["read"]] == [comparable(meant)] * 2


RAW = st.text(alphabet="aB1/:?#[]&+ ü.-_", max_size=8)


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    login=RAW.filter(lambda text: ":" not in text),
    password=RAW,
    rest=st.sampled_from(["h", "h:8/s?a=b", "/s", "[::1]"]),
)
def test_a_uri_is_repaired_only_where_airflow_raises_and_to_what_airflow_reads_of_the_encoded_one(
    ask: Ask, login: str, password: str, rest: str
) -> None:
    raw = f"http://{login}:{password}@{rest}"
    encoded = f"http://{quote(login, safe='')}:{quote(password, safe='')}@{rest}"
    if not (repaired := _repaired(raw)):
        return
    assert isinstance(ask(uri=raw)["meant"], str)
    stored, _ = connections.stored(connections.from_uri(repaired))
    found = ask(uri=encoded, stored=stored)
    assert [comparable(read) for read in found["read"]] == [comparable(found["meant"])] * 2


def _repaired(raw: str) -> str:
    try:
        connections.from_uri(raw)
    except connections.Unread:
        return connections.repaired(raw)
    except Unfit:
        pass
    return ""
