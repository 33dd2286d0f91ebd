"""Pictures of real runs, as a newcomer meets them. Usage: python -m benchmarks.pictures [FOLDER]

Into docs/pictures: the sandbox's run, dark and light, and its DAG run as Airflow shows it (by Chromium, which sees
nothing but this machine). Into FOLDER: help, sandbox, `setup --check --diff`, secrets.sync, doctor and a failed verify,
at 80 and 200 columns, dark and light. Exit code 1 where a screen breaks a line or shows a path of this machine.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from benchmarks.sandbox import ROOT, clean, readme, stop_below
from benchmarks.terminal import THEMES, faults, on, shown, svg

PICTURES = ROOT / "docs" / "pictures"
HOME = Path("/home/you")
WIDTHS = (80, 200)
DAG = "example_secrets_dag"
#: an Astro project with two entries for the backend
FILES = {
    ".astro/config.yaml": "project:\n  name: my-astro-project\n",
    ".env": "",
    ".gitignore": ".env\n",
    "Dockerfile": "FROM astrocrpublic.azurecr.io/runtime:3.1-12\n",
    "airflow_settings.yaml": (
        "airflow:\n  variables:\n    - variable_name: bucket\n      variable_value: reports-{}\n  connections:\n"
        "    - conn_id: warehouse\n      conn_type: postgres\n      conn_host: db.example.com\n      conn_login: me\n"
        "      conn_password: not-{}\n"
    ),
    "dags/.airflowignore": "",
    "requirements.txt": "",
}
#: starts the embedded AWS and prints where it is
EMBEDDED = """
import sys
from pathlib import Path
from aws_airflow_tasks.world import moto
print(moto.ensure(*map(Path, sys.argv[1:])))
"""


class Camera:
    """Runs command lines on a terminal and keeps what they leave there.

    Args:
        folder: where pictures go.
        widths: the columns of the terminals.
        hidden: what no screen may show but a diff, whole as it is: the path of HOME.
    """

    def __init__(self, folder: Path, widths: tuple[int, ...], hidden: str) -> None:
        self.folder, self.widths, self.hidden = folder, widths, hidden
        self.faults: list[str] = []

    def take(self, name: str, command: str, width: int, cwd: Path, env: Mapping[str, str]) -> None:
        """One screen, dark and light."""
        text, code = shown(command.split(), width, cwd=cwd, env=env)
        print(f"{name} at {width} columns: exit code {code}", flush=True)
        self.faults += [f"{name} at {width} columns: {each}" for each in faults(text, width, self.hidden)]
        for theme, colours in THEMES.items():
            picture = svg(f"\x1b[1m$ {command}\x1b[0m\n{on(theme, text)}", width, colours, command)
            (self.folder / f"{name}-{width}-{theme}.svg").write_text(picture)


@contextmanager
def a_home() -> Iterator[Path]:
    """A new HOME where people have theirs, as programs that we do not write show its path; else a temporary one."""
    try:
        HOME.mkdir()
    except OSError:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        yield HOME
    finally:
        shutil.rmtree(HOME, ignore_errors=True)


@contextmanager
def newcomer() -> Iterator[tuple[Path, dict[str, str]]]:
    """A fresh clone in a HOME of its own, with the README's environment on PATH; what was started there is stopped."""
    with a_home() as home:
        clone = home / "aws-airflow-tasks"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        env = clean(home) | {"PATH": f"{clone / '.venv' / 'bin'}:{os.environ['PATH']}"}
        install, _, _ = readme("sandbox").rpartition(" && ")
        try:
            subprocess.run(["bash", "-euo", "pipefail", "-c", install], cwd=clone, env=env, check=True)
            yield clone, env
        finally:
            stop_below(f"{home}/")


def in_the_sandbox(camera: Camera, clone: Path, env: Mapping[str, str]) -> None:
    """The README's first command, from nothing; after it Airflow's own page of that DAG run."""
    for width in camera.widths:
        subprocess.run(["invoke", "sandbox.clean"], cwd=clone, env=env, check=True, capture_output=True)
        camera.take("sandbox", "invoke sandbox", width, clone, env)
        if width == WIDTHS[0]:
            page(camera.folder / "airflow.png", clone, env)


def page(picture: Path, clone: Path, env: Mapping[str, str]) -> None:
    """The log of the first DAG run, which printed the value, as Airflow's own pages have it."""
    done = subprocess.run(
        ["invoke", "sandbox", "--json"], cwd=clone, env=env, check=True, capture_output=True, text=True
    )
    where = json.loads(done.stdout)["airflow"]
    words = json.loads(Path(where["password_file"]).expanduser().read_text())
    login = {"username": where["user"], "password": words[where["user"]]}
    token = requests.post(f"{where['url']}/auth/token", json=login, timeout=30).json()["access_token"]
    asked = requests.get(
        f"{where['url']}/api/v2/dags/{DAG}/dagRuns?order_by=run_after",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    run = quote(asked.json()["dag_runs"][0]["dag_run_id"], safe="")
    with logging_in(token, f"{where['url']}/dags/{DAG}/runs/{run}/tasks/print_secrets") as start:
        photograph(start, picture, Path(env["HOME"]))


@contextmanager
def logging_in(token: str, then: str) -> Iterator[str]:
    """An address that hands a browser a login of Airflow's and sends it on: cookies know no ports (RFC 6265, 8.5)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Set-Cookie", f"_token={token}; Path=/")
            self.send_header("Location", then)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with http.server.HTTPServer((str(urlsplit(then).hostname), 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{urlsplit(then).hostname}:{server.server_port}/"
        server.shutdown()


def photograph(address: str, picture: Path, home: Path) -> None:
    """A page as Chromium shows it, with no way out of this machine."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    words = [
        "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-US", "--window-size=1280,800",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={home / 'chromium'}",
        "--virtual-time-budget=30000", "--timeout=60000", f"--screenshot={picture}", address,
    ]  # fmt: skip
    subprocess.run([browser, *words], check=True, capture_output=True, timeout=180)


def in_a_project(camera: Camera, clone: Path, env: Mapping[str, str]) -> None:
    """A person's own project, with the embedded AWS for AWS and Airflow from PyPI for theirs."""
    home = Path(env["HOME"])
    project = home / "my-astro-project"
    subprocess.run(["invoke", "sandbox.stop"], cwd=clone, env=env, check=True, capture_output=True)
    words = ["python", "-c", EMBEDDED, str(home / "aws"), str(home)]
    endpoint = subprocess.run(words, cwd=home, env=env, check=True, capture_output=True, text=True).stdout.strip()
    env = {**env, "INVOKE_AWS_AIRFLOW_RUNTIME": "embedded", "INVOKE_AWS_AIRFLOW_ENDPOINT_URL": endpoint}
    for name, text in FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    for width in camera.widths:
        camera.take("help", "aws-airflow", width, project, env)
        camera.take("check", "aws-airflow setup --check --diff", width, project, env)
    subprocess.run(["aws-airflow", "setup"], cwd=project, env=env, check=True, stdout=subprocess.DEVNULL)
    for width in camera.widths:
        (project / "airflow_settings.yaml").write_text(FILES["airflow_settings.yaml"].format(width, width))
        camera.take("sync", "aws-airflow secrets.sync airflow_settings.yaml", width, project, env)
        camera.take("doctor", "aws-airflow doctor", width, project, env)
    dag = project / "dags" / f"{DAG}.py"
    dag.write_text(dag.read_text().replace('VARIABLE = "', 'VARIABLE = "another_'))
    for width in camera.widths:
        camera.take("verify", "aws-airflow verify", width, project, env)
    subprocess.run(["aws-airflow", "stop"], cwd=project, env=env, stdout=subprocess.DEVNULL)


def main() -> None:
    """Take what was asked for; exit code 1 where a screen has a fault."""
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    with newcomer() as (clone, env):
        camera = Camera(folder, WIDTHS if folder != PICTURES else WIDTHS[:1], env["HOME"])
        in_the_sandbox(camera, clone, env)
        if folder != PICTURES:
            in_a_project(camera, clone, env)
    raise SystemExit("\n".join(camera.faults) or 0)


if __name__ == "__main__":
    main()
