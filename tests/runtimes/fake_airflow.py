"""A virtual environment with an Airflow that starts in no time and does as the test's `.env` says.

`FAKE_<COMPONENT>` is `die` (end with an error), `sick` (never healthy), `stubborn` (ignore SIGTERM) or `escape` (start
a child in a session of its own); `FAKE_DATABASE` is `die` or `slow`.
"""

from __future__ import annotations

import venv
from pathlib import Path

#: what `python -m uvicorn …` is: the health endpoint, which knows the components that have signed in
UVICORN = """
import http.server, json, os, pathlib, sys, time
home, port = pathlib.Path(os.environ["AIRFLOW_HOME"]), int(sys.argv[sys.argv.index("--port") + 1])
if os.environ.get("FAKE_API_SERVER") == "die":
    sys.exit("ValueError: the API server says " + os.environ.get("SAY", ""))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = {"metadatabase": {"status": "healthy" if (home / "airflow.db").exists() else "unhealthy"}}
        for name in ("scheduler", "dag_processor", "triggerer"):
            signed = home / (name + ".alive")
            beat = signed.read_text() if signed.exists() else None
            answer[name] = {"status": "healthy" if beat else "unhealthy", "latest_" + name + "_heartbeat": beat}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

#: the script `airflow`: a component that signs in with a heartbeat and stays
AIRFLOW = """
import datetime, os, pathlib, signal, subprocess, sys, time
name = sys.argv[1]
mood = os.environ.get("FAKE_" + name.upper().replace("-", "_"))
if mood == "die":
    print("warming up")
    sys.exit("RuntimeError: " + name + " says " + os.environ.get("SAY", ""))
if mood == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(sleeper, start_new_session=mood == "escape")
if mood != "sick":
    home = pathlib.Path(os.environ["AIRFLOW_HOME"])
    beat = datetime.datetime.now(datetime.timezone.utc).isoformat()
    (home / (name.replace("-", "_") + ".alive")).write_text(beat)
time.sleep(600)
"""

#: `airflow.utils.db`: leaves a trace of every call
DATABASE = """
import os, pathlib, sys, time
home = pathlib.Path(os.environ["AIRFLOW_HOME"])

def initdb():
    with (home / "made.txt").open("a") as trace:
        trace.write("upgraded\\n" if (home / "airflow.db").exists() else "made\\n")
    (home / "argv.txt").write_bytes(pathlib.Path("/proc/self/cmdline").read_bytes())
    (home / "airflow.db").write_text("half")
    if os.environ.get("FAKE_DATABASE") == "slow":
        time.sleep(600)
    if os.environ.get("FAKE_DATABASE") == "die":
        raise OSError("disk full of " + os.environ.get("SAY", ""))
    (home / "airflow.db").write_text("whole")
"""


def make(folder: Path) -> None:
    """Make the virtual environment in ``folder``, without any package but these."""
    venv.create(folder, symlinks=True, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    for path, text in {
        packages / "uvicorn" / "__main__.py": UVICORN,
        packages / "airflow" / "utils" / "db.py": DATABASE,
        folder / "bin" / "airflow": AIRFLOW,
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
