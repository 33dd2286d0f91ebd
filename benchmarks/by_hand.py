"""What a person would type to see the same without us: real Airflow 3, a moto server, one DAG run that prints a secret.

Usage: python -m benchmarks.by_hand FOLDER [keep]; it prints the seconds of each part. With ``keep`` Airflow goes on
running, and FOLDER/state.json says where: ``benchmarks.sandbox`` times a single DAG run and backend call on it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3

from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import dag
from aws_airflow_tasks.world import processes

#: the fastest way: its own components, no log servers
COMPONENTS = (
    ("api-server",),
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
    ("triggerer", "--skip-serve-logs"),
)
PASSWORD = "by-hand"


def ask(method: str, url: str, body: Any = None, token: str = "") -> Any:
    """One request to Airflow's API; None while it does not answer."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
            return json.loads(answer.read())
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return None


def until(question: Any, pause: float = 0.2) -> Any:
    """Ask until the answer is yes, for five minutes at most."""
    for _ in range(int(300 / pause)):
        if answer := question():
            return answer
        time.sleep(pause)
    raise SystemExit("it did not come up")


def install(folder: Path, uv: str) -> Path:
    """Airflow from our lock file, with a warm or cold cache as the machine has it."""
    made = folder / "venv"
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, made], check=True)
    python = made / "bin" / "python"
    subprocess.run([uv, "pip", "sync", "-q", "--require-hashes", "-p", python, venv.lock_file(3)], check=True)
    return python


def start_moto(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A moto server with the two secrets."""
    port = processes.free_port()
    with (folder / "moto.log").open("wb") as log:
        argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    until(lambda: ask("GET", f"{url}/moto-api/data.json") is not None)
    client = boto3.client(
        "secretsmanager", "eu-west-1", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.create_secret(Name="airflow/variables/aws_airflow_check", SecretString="a value")
    uri = json.dumps({"conn_type": "http", "host": "a-host"})
    client.create_secret(Name="airflow/connections/aws_airflow_check", SecretString=uri)
    return process, url


def environment(folder: Path, port: int, aws: str) -> dict[str, str]:
    """What Airflow needs to know, as field-tested as we could make it."""
    (folder / "passwords.json").write_text(json.dumps({"admin": PASSWORD}))
    prefixes = {"connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables"}
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(folder / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-of-at-least-thirty-two-bytes-length",
        "AIRFLOW__API__SECRET_KEY": "a-secret-of-at-least-thirty-two-bytes-length",
        "AIRFLOW__SECRETS__BACKEND": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
        "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(prefixes | {"region_name": "eu-west-1", "endpoint_url": aws}),
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": aws,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def start_airflow(folder: Path, python: Path, variables: Mapping[str, str]) -> list[subprocess.Popen[bytes]]:
    """The database and every component, until all are healthy."""
    airflow = str(python.with_name("airflow"))
    with (folder / "airflow.log").open("wb") as log:
        subprocess.run([airflow, "db", "migrate"], env=variables, stdout=log, stderr=log, check=True)
        components = [
            subprocess.Popen([airflow, *words], env=variables, stdout=log, stderr=log, start_new_session=True)
            for words in COMPONENTS
        ]
    url = variables["AIRFLOW__API__BASE_URL"]
    until(lambda: healthy(ask("GET", f"{url}/api/v2/monitor/health") or {}))
    return components


def healthy(found: Mapping[str, Any]) -> bool:
    """Whether all of Airflow says that it is well."""
    parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    return all((found.get(part) or {}).get("status") == "healthy" for part in parts)


def run_dag(url: str) -> str:
    """Trigger the example DAG, wait for it, and return its log."""
    token = ask("POST", f"{url}/auth/token", {"username": "admin", "password": PASSWORD})["access_token"]
    path = f"{url}/api/v2/dags/{dag.DAG_ID}"
    until(lambda: ask("GET", path, token=token))
    ask("PATCH", path, {"is_paused": False}, token)
    run = quote(ask("POST", f"{path}/dagRuns", {"logical_date": None}, token)["dag_run_id"], safe="")
    until(lambda: ask("GET", f"{path}/dagRuns/{run}", token=token)["state"] in ("success", "failed"))
    return str(ask("GET", f"{path}/dagRuns/{run}/taskInstances/{dag.TASK_ID}/logs/1?full_content=true", token=token))


def main() -> None:
    """Do it all once, and print what took how long."""
    folder, clock = Path(sys.argv[1]), time.perf_counter()

    def lap(name: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        print(f"  by hand: {name:<24} {now - clock:6.1f} s", flush=True)
        clock = now

    (folder / "dags").mkdir(parents=True)
    (folder / "dags" / "example_secrets_dag.py").write_text(dag.text(Site(Settings())))
    python = install(folder, shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv")
    lap("uv install from the lock")
    moto, aws = start_moto(folder)
    lap("moto server and secrets")
    variables = environment(folder, processes.free_port(), aws)
    components = start_airflow(folder, python, variables)
    lap("db migrate, to healthy")
    log = run_dag(variables["AIRFLOW__API__BASE_URL"])
    lap("one DAG run")
    if "a value" not in log:
        raise SystemExit("the DAG did not print the value")
    everything = [moto, *components]
    if "keep" in sys.argv:
        kept = {"python": str(python), "variables": variables, "pids": [each.pid for each in everything]}
        (folder / "state.json").write_text(json.dumps(kept))
        return
    for each in everything:
        os.killpg(each.pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
