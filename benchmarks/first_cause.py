"""How soon `verify` names the cause of a fault that AWS answers at once, beside the AWS command line's own answer.

    python -m benchmarks.first_cause [RUNS]

In turn, A B A B …: seconds until `verify` has said what failed, and those of a whole `aws sts get-caller-identity`
which is refused likewise. Something on this machine answers both; no Airflow runs, and none is waited for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.whole import Pairs
from tests.world.front import Refusal, front

FOREIGN = ("AIRFLOW_", "ASTRO", "AWS_", "INVOKE_", "XDG_", "PYTHONDONTWRITEBYTECODE")
#: the ratio to reach
REACH = 1.5
#: what AWS says, by its code; the HTTP status with it
FAULTS = {
    "ExpiredToken": ("The security token included in the request is expired", 403),
    "InvalidClientTokenId": ("The security token included in the request is invalid.", 403),
    "SignatureDoesNotMatch": ("The request signature we calculated does not match the signature you provided.", 403),
    "AccessDenied": (
        "User: arn:aws:iam::123456789012:user/me is not authorized to perform: sts:GetCallerIdentity",
        403,
    ),
}


def world(folder: Path, url: str) -> dict[str, str]:
    """A HOME with keys, and a project that is as `setup` makes one, all but Airflow."""
    home, project = folder / "home", folder / "project"
    for place in (home / ".aws", project / ".astro", project / "dags"):
        place.mkdir(parents=True)
    (project / ".astro" / "config.yaml").write_text("project: {name: mine}\n")
    (project / "Dockerfile").write_text("FROM astrocrpublic.azurecr.io/runtime:3.1-12\n")
    (home / ".aws" / "config").write_text("[default]\nregion = eu-west-1\n")
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = example\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    ours = {"INVOKE_AWS_AIRFLOW_ENDPOINT_URL": url, "INVOKE_AWS_AIRFLOW_RUNTIME": "embedded", "AWS_ENDPOINT_URL": url}
    return kept | {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"} | ours


def until_told(project: Path, environment: Mapping[str, str]) -> float:
    """Seconds until `verify` has said what failed; it is let go on."""
    argv, begin, told = [str(Path(sys.executable).with_name("aws-airflow")), "verify"], time.perf_counter(), 0.0
    with subprocess.Popen(
        argv,
        cwd=project,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdout
        for line in child.stdout:
            told = told or (line.startswith("failed") and time.perf_counter() - begin) or 0.0
    if not told:
        raise SystemExit("nothing failed")
    return told


def by_hand(project: Path, environment: Mapping[str, str]) -> float:
    """Seconds of the AWS command line's refusal."""
    argv, begin = [str(Path(sys.executable).with_name("aws")), "sts", "get-caller-identity"], time.perf_counter()
    done = subprocess.run(argv, cwd=project, env=dict(environment), capture_output=True, check=False)
    if not done.returncode:
        raise SystemExit("nothing was refused")
    return time.perf_counter() - begin


def row(code: str, runs: int) -> str:
    """A line of the table."""
    said, status = FAULTS[code]
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>"
    with tempfile.TemporaryDirectory() as folder, front("http://127.0.0.1:9") as aws:
        aws.refuse = lambda asked: Refusal(status, body, "text/xml")
        environment, project = world(Path(folder), aws.url), Path(folder) / "project"
        until_told(project, environment), by_hand(project, environment)
        timed = [(until_told(project, environment), by_hand(project, environment)) for _ in range(runs)]
    found = Pairs([ours for ours, _ in timed], [theirs for _, theirs in timed], 0)
    (mine, theirs), (lower, upper) = found.medians, found.spread
    return (
        f"{code:<24} {mine:6.2f} s   aws sts {theirs:6.2f} s   ratio {found.ratio:5.2f} (reach {REACH:.2f})"
        f"   quartiles {lower:.2f} to {upper:.2f}"
    )


def main(words: Sequence[str] = ()) -> None:
    """Measure all of them."""
    runs = int(words[0]) if words else 10
    for code in FAULTS:
        print(row(code, runs), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
