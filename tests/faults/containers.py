"""Faults of containers, and what is to be said of each; written down before they were first provoked.

`python -m tests.faults.containers` provokes them and prints what is said of each and what mends it.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError

from tests.docker import images
from tests.faults import run
from tests.faults.bed import CANARY
from tests.faults.boxes import MOUNT, Boxes, boxes, wait_for
from tests.faults.run import Seen, provoked
from tests.faults.table import FILES, HEALTH, INSIDE, OTHER, RENEW, Fault, answers, keys

#: a fault is put into :class:`Boxes`; ``table.Put`` takes any bed
Put = Callable[[Any], Any]
READABLE, START = "files-readable", "aws-airflow start"
ENV, OVERRIDE, DOCKERFILE = ".env", "docker-compose.override.yml", "Dockerfile"
PROVIDER = "apache-airflow-providers-amazon"
#: what makes any Python in the project's directory of a container end
CRASH = "raise SystemExit(3)\n"


# what is done to containers


def does(how: str, *services: str) -> Put:
    """Do to containers what the SDK has a method for; none are named: to all of them."""

    def put(bed: Boxes) -> None:
        found = bed.boxes()
        for name in services or found:
            getattr(found[name], how)()

    return put


def removed(service: str) -> Put:
    return lambda bed: bed.boxes()[service].remove(force=True)


def paused(service: str) -> Put:
    def put(bed: Boxes) -> None:
        container = bed.boxes()[service]
        container.pause()
        bed.after.append(partial(_if_there, container.unpause))

    return put


def crashing(service: str) -> Put:
    """Something in a container's own files makes it end at every start."""

    def put(bed: Boxes) -> None:
        container = bed.boxes()[service]
        code, said = container.exec_run(["sh", "-c", f"echo '{CRASH}' > /usr/local/airflow/sitecustomize.py"])
        assert code == 0, said
        bed.after.append(partial(_if_there, partial(container.remove, force=True)))
        container.restart(timeout=1)
        wait_for(lambda: bed.boxes()[service].attrs["RestartCount"] > 5)

    return put


def cut_off(service: str) -> Put:
    """A container is taken out of the network in which all the others are."""

    def put(bed: Boxes) -> None:
        container = bed.boxes()[service]
        assert bed.engine
        network = bed.engine.networks.get(f"{bed.compose}_airflow")
        network.disconnect(container)
        bed.after.append(partial(_if_there, partial(network.connect, container, aliases=[service])))

    return put


def cut_off_from_aws(service: str) -> Put:
    """This host does not take what a container sends to AWS."""

    def put(bed: Boxes) -> None:
        networks = bed.boxes()[service].attrs["NetworkSettings"]["Networks"]
        (address,) = [each["IPAddress"] for each in networks.values()]
        port = bed.aws.url.rpartition(":")[2]
        rule = ["INPUT", "-s", address, "-p", "tcp", "--dport", port, "-j", "REJECT"]
        subprocess.run(["iptables", "-I", *rule], check=True)
        bed.after.append(lambda: subprocess.run(["iptables", "-D", *rule], check=True))

    return put


def full(service: str) -> Put:
    """The disk with Airflow's logs is full, until somebody makes room."""
    filler = "/usr/local/airflow/logs/filler"

    def put(bed: Boxes) -> None:
        bed.boxes()[service].exec_run(
            ["sh", "-c", f"dd if=/dev/zero of={filler} bs=64k; dd if=/dev/zero bs=1 >> {filler}"]
        )

        def room() -> None:
            bed.boxes()[service].exec_run(["rm", "-f", filler])

        bed.finish = room
        bed.after.append(partial(_if_there, room))

    return put


def _if_there(act: Callable[[], Any]) -> None:
    """Containers that were mended by others in their place are gone."""
    with contextlib.suppress(APIError):
        act()


# what is in files


def started(name: str, change: Callable[[str], str], *, kept: bool = False, well: bool = True) -> Put:
    """Airflow was started with a file that said otherwise, and is now as it was before; or not, if ``kept``."""

    def put(bed: Boxes) -> None:
        path = bed.project / name
        before = path.read_text()
        path.write_text(change(before))
        assert path.read_text() != before
        bed.astro("start", "--no-browser", "--no-proxy", "--wait", "200s")
        if not kept:
            path.write_text(before)
        if well:
            bed.well()
        bed.finish = lambda: path.write_text(before)

    return put


def line(text: str) -> Callable[[str], str]:
    return lambda before: f"{before}{text}\n"


def region(before: str) -> str:
    return before.replace("AWS_DEFAULT_REGION=eu-west-1", "AWS_DEFAULT_REGION=us-east-1")


def without(service: str) -> Callable[[str], str]:
    """The override without the lines of a service."""
    return lambda before: re.sub(rf"  {service}:\n(?:    .*\n)+", "", before)


def of(service: str, old: str, new: str) -> Callable[[str], str]:
    """The override with other words in the lines of a service."""

    def change(before: str) -> str:
        return re.sub(rf"  {service}:\n(?:    .*\n)+", lambda found: re.sub(old, new, found[0]), before)

    return change


def environment(service: str, name: str, value: str) -> Callable[[str], str]:
    return lambda before: before.replace(f"  {service}:\n", f"  {service}:\n    environment:\n      {name}: {value}\n")


def other_name(bed: Boxes) -> None:
    """The override has a name that Compose knows and the Astro CLI does not, and Airflow was started so."""
    path = bed.project / OVERRIDE
    path.rename(path.with_suffix(".yaml"))
    bed.astro("start", "--no-browser", "--no-proxy", "--wait", "200s")
    bed.well()


def permitted(name: str, mode: int) -> Put:
    """A staged file, or their directory, has another mode."""

    def put(bed: Boxes) -> None:
        path = bed.staged / name if name else bed.staged
        before = path.stat().st_mode & 0o7777
        path.chmod(mode)
        bed.after.append(lambda: path.chmod(before))

    return put


def made_anew(bed: Boxes) -> None:
    """The staged directory is another one of the same name: what runs has the one that is gone."""
    kept = {path.name: path.read_bytes() for path in bed.staged.iterdir()}
    bed.staged.rename(bed.root / "gone")
    bed.staged.mkdir(mode=0o755)
    for name, data in kept.items():
        (bed.staged / name).write_bytes(data)
        (bed.staged / name).chmod(0o644)
    for path in (bed.root / "gone").iterdir():
        path.unlink()
    (bed.root / "gone").rmdir()


def expired(bed: Boxes) -> None:
    """The copy has keys that AWS takes no more."""
    path = bed.staged / "credentials"
    path.write_text(keys(OTHER, CANARY, f"aws_session_token = {CANARY}"))
    answers("*", "ExpiredToken", key=OTHER)(bed)


def provider_line(before: str) -> str:
    return re.sub(rf"(?m)^{PROVIDER}.*\n", "", before)


CONTAINERS = {
    "scheduler killed": Fault(
        does("kill", "scheduler"), HEALTH, "scheduler: its container was killed", START, restarts=True, skip="start"
    ),
    "triggerer stopped": Fault(
        does("stop", "triggerer"),  # the engine kills what has not ended within ten seconds
        HEALTH,
        "triggerer: its container ",
        START,
        restarts=True,
        skip="start",
    ),
    "api-server paused": Fault(
        paused("api-server"), HEALTH, "api-server: its container is paused", START, restarts=True, skip="start"
    ),
    "dag-processor removed": Fault(
        removed("dag-processor"), HEALTH, "dag-processor: it has no container", START, restarts=True, skip="start"
    ),
    "all stopped": Fault(does("stop"), HEALTH, "scheduler: its container ended", START, restarts=True, skip="start"),
    "triggerer ends at every start": Fault(
        crashing("triggerer"),
        HEALTH,
        "triggerer: its container ends again and again",
        START,
        restarts=True,
        skip="start",
    ),
    "database stopped": Fault(
        does("stop", "postgres"),  # it waits for who is connected, until the engine kills it
        HEALTH,
        "postgres: its container was killed",
        START,
        restarts=True,
        skip="start",
    ),
    "database paused": Fault(
        paused("postgres"), HEALTH, "postgres: its container is paused", START, restarts=True, skip="start"
    ),
    "scheduler in no network": Fault(
        cut_off("scheduler"), HEALTH, "scheduler: its container is in no network", START, restarts=True, skip="start"
    ),
    "scheduler cut off from AWS": Fault(
        cut_off_from_aws("scheduler"), INSIDE, "from Airflow, and not from this host", "# ask who runs", who=True
    ),
    "a proxy that is dead": Fault(
        started(ENV, line(f"HTTP_PROXY=http://u:{CANARY}@127.0.0.1:9"), kept=True, well=False),
        INSIDE,
        "proxy does not answer (from Airflow, and not from this host)",
        "grep -noE HTTP_PROXY",
        restarts=True,
    ),
    "mount gone": Fault(
        started(OVERRIDE, without("triggerer")), "mount", f"no mount at {MOUNT}", START, restarts=True, skip="start"
    ),
    "mount of another directory": Fault(
        started(OVERRIDE, of("dag-processor", r"source: .*", "source: ~/.aws")),
        "mount",
        "/home/.aws, wanted",
        START,
        restarts=True,
        skip="start",
    ),
    "mount that can be written to": Fault(
        started(OVERRIDE, of("triggerer", "read_only: true", "read_only: false")),
        "mount",
        "wanted read-only",
        START,
        restarts=True,
        skip="start",
    ),
    "file of somebody else": Fault(
        permitted("credentials", 0o600), READABLE, "(mode 0600, uid 0) cannot be read by uid 50000", RENEW, skip="creds"
    ),
    "closed directory": Fault(
        permitted("", 0o700), READABLE, "(mode 0700, uid 0) cannot be entered by uid 50000", RENEW, skip="creds"
    ),
    "directory made anew": Fault(
        made_anew, READABLE, "there is no", f"aws-airflow stop && {START}", restarts=True, skip="creds"
    ),
    ".env changed after the start": Fault(
        started(ENV, region), "environment", "AWS_DEFAULT_REGION", START, restarts=True, skip="start"
    ),
    "environment: wins": Fault(
        started(OVERRIDE, environment("scheduler", "AWS_DEFAULT_REGION", "us-east-1"), kept=True),
        FILES,
        "AWS_DEFAULT_REGION",
        "aws-airflow mount --override",
        restarts=True,
        skip="start",
    ),
    "override of another name": Fault(
        other_name, FILES, f"{OVERRIDE} differs", "aws-airflow setup", restarts=True, skip="mount start"
    ),
    "profile in the Dockerfile": Fault(
        started(DOCKERFILE, line("ENV AWS_PROFILE=nosuch"), kept=True),
        FILES,
        "Dockerfile line 2: AWS_PROFILE",
        "aws-airflow env --override",
        restarts=True,
    ),
    "keys expired inside": Fault(expired, INSIDE, "have expired", RENEW, skip="creds"),
    "provider not asked for": Fault(
        started("requirements.txt", provider_line, kept=True, well=False),
        "provider",
        PROVIDER,
        "aws-airflow provider start",
        restarts=True,
        skip="provider start",
    ),
    "image from before the provider": Fault(
        started("requirements.txt", provider_line, well=False),
        HEALTH,
        f"the package {PROVIDER} is not installed",
        "aws-airflow provider start",
        restarts=True,
        skip="start",
    ),
    "disk of the logs full": Fault(full("scheduler"), "dag-run", "the disk is full", "df -h"),
}


def all_of(bed: Boxes, names: Sequence[str] = (), *, look: bool = False) -> Iterator[Seen]:
    """Every fault, or those whose names have one of ``names`` in them, in that order, one after the other."""
    for name in dict.fromkeys(name for each in names or [""] for name in CONTAINERS if each in name):
        yield provoked(bed, name, CONTAINERS[name], look=look)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.containers", description=__doc__)
    parser.add_argument("--keep", type=Path, help="a directory for the project, whose Airflow is left running")
    parser.add_argument("--look", action="store_true", help="type nothing of what is said")
    parser.add_argument("names", nargs="*", help="parts of the names of faults; none: all")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, contextlib.closing(docker.from_env(timeout=1200)) as client:
        images.ensure_bare(client)
        found = []
        with boxes((asked.keep or Path(scratch)).resolve(), client, keep=bool(asked.keep)) as bed:
            for seen in all_of(bed, asked.names, look=asked.look):
                found.append(seen)
                print(run.line(seen), flush=True)
        print(run.summary(found))
    raise SystemExit(0 if found and all(all(each.right) and not each.leaked for each in found) else 1)


if __name__ == "__main__":
    main()
