"""The sandbox against the same by hand, cold and warm. Usage: python -m benchmarks.sandbox [cold] [warm] [RUNS]

Cold: a fresh clone of this repository, a fresh virtual environment and an empty HOME for both (package downloads are
cached alike), installing this package counted on both sides. Warm: Airflow runs already.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
FOREIGN = ("AIRFLOW_", "AWS_", "INVOKE_", "XDG_")
BACKEND = (
    "from airflow.configuration import get_custom_secret_backend as b;"
    "assert b().get_variable('aws_airflow_check'); assert b().get_connection('aws_airflow_check')"
)
RUN = (
    "import json, sys; from pathlib import Path; from benchmarks.by_hand import run_dag;"
    "run_dag(json.loads(Path(sys.argv[1]).read_text())['variables']['AIRFLOW__API__BASE_URL'])"
)


def clean(home: Path) -> dict[str, str]:
    """An environment without the person's settings; downloads come from the person's own uv cache."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return kept | {"HOME": str(home), "UV_CACHE_DIR": str(Path.home() / ".cache" / "uv")}


def readme(name: str) -> str:
    """A command of the README, by the marker above it."""
    found = re.search(rf"<!-- {name} -->\n```bash\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    if not found:
        raise SystemExit(f"README.md has no command marked {name}")
    return found[1]


@contextlib.contextmanager
def fresh() -> Iterator[tuple[Path, dict[str, str]]]:
    """A fresh clone and an empty HOME; what was started in there is stopped."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        here, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "-q", ROOT, here], check=True)
        try:
            yield here, clean(home)
        finally:
            stop_below(folder)


def stop_below(folder: str) -> None:
    """Stop what was started with a path below ``folder`` in its words or environment, or noted in a ``state.json``."""
    for state in Path(folder).glob("*/*/state.json"):  # Airflow writes its title over its environment
        for pid in json.loads(state.read_text())["pids"]:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(folder in word for word in words):
                process.send_signal(signal.SIGKILL)


def timed(command: str, here: Path, environment: Mapping[str, str]) -> float:
    """Seconds that a shell command takes."""
    started = time.perf_counter()
    subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=here, env=dict(environment), check=True)
    return time.perf_counter() - started


def cold(runs: int) -> list[tuple[float, float]]:
    """README's first command, against installing the same and doing the rest by hand: the seconds of each pair."""
    install, _, _ = readme("sandbox").rpartition(" && ")
    pairs = []
    for _ in range(runs):
        with fresh() as (here, environment):
            ours = timed(readme("sandbox"), here, environment)
        with fresh() as (here, environment):
            hand = timed(f"{install} && .venv/bin/python -m benchmarks.by_hand '{here}/hand'", here, environment)
        print(f"cold: sandbox {ours:.1f} s, by hand {hand:.1f} s, ratio {ours / hand:.2f}", flush=True)
        pairs.append((ours, hand))
    print(f"cold: median ratio {statistics.median(ours / hand for ours, hand in pairs):.2f} (reach 0.85)")
    return pairs


def warm(runs: int) -> list[tuple[float, float]]:
    """A second `invoke sandbox`, against the slower of one DAG run and one backend call: the seconds of each pair."""
    with fresh() as (here, environment):
        timed(readme("sandbox"), here, environment)
        timed(f".venv/bin/python -m benchmarks.by_hand '{here}/hand' keep", here, environment)
        state = here / "hand" / "state.json"
        kept = json.loads(state.read_text())
        rows = []
        for _ in range(runs):
            ours = timed(".venv/bin/invoke sandbox >/dev/null", here, environment)
            run = timed(f".venv/bin/python -c \"{RUN}\" '{state}'", here, environment)
            call = timed(f'{kept["python"]} -c "{BACKEND}"', here, kept["variables"])
            rows.append((ours, run, call, ours / max(run, call)))
            print(
                "warm: sandbox {:.1f} s, one DAG run {:.1f} s, one backend call {:.1f} s, ratio {:.2f}".format(
                    *rows[-1]
                )
            )
        print(f"warm: median ratio {statistics.median(row[3] for row in rows):.2f} (reach 1.15)")
    return [(ours, max(run, call)) for ours, run, call, _ in rows]


def main() -> None:
    """Run what was asked for."""
    words = sys.argv[1:]
    runs = next((int(word) for word in words if word.isdecimal()), 3)
    if "warm" not in words or "cold" in words:
        cold(runs)
    if "cold" not in words or "warm" in words:
        warm(runs)


if __name__ == "__main__":
    main()
