"""A sync of fifty entries, killed at every one of its calls: no figure but a proof.

    python -m benchmarks.killed [--backend NAME] [--every COUNT] [--at CALL]

Half of the entries are to be made and half to be given another value. For each call of that the world is made anew and
the process is killed (SIGKILL) there, by turns before AWS has the call and before its answer is passed on. Then one
more run ends well, every entry has the value that is wanted, and none has been written twice.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

from benchmarks.secrets import MOST, World, world
from tests.world.killer import Killer

KEYS = [f"k{number:02}" for number in range(50)]
#: without the pace of AWS's quotas, which a proxy of ours does not ask for
RUN = "from aws_airflow_tasks.world import pace\npace.SHARE = 1_000\nfrom aws_airflow_tasks.program import main\nmain()"


def main(words: Sequence[str] | None = None) -> None:
    """Kill at each call in turn, until a run has fewer calls than that."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.killed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", choices=MOST, default="secrets-manager")
    parser.add_argument("--every", type=int, default=1, metavar="COUNT", help="kill at every so manieth call")
    parser.add_argument("--at", type=int, default=1, metavar="CALL", help="the first call to be killed at")
    asked = parser.parse_args(words)
    with world(asked.backend) as here:
        at, killed = asked.at, 0
        while attempt(here, at):
            at, killed = at + asked.every, killed + 1
            print(f"\rkilled at {killed} calls", end="", flush=True)
    print(
        f"\nkilled at {killed} calls, up to the {at - asked.every}th: finished by the next run, nothing written twice"
    )


def attempt(here: World, at: int) -> bool:
    """One world, one kill, one more run; False: there was no such call.

    Raises:
        SystemExit: what came of it is not what is wanted.
    """
    fresh(here)
    killer = Killer(at, answered=bool(at % 2))
    here.proxy.rules.append(killer.before)
    here.proxy.edits.append(killer.after)
    killer.process = begun(here)
    code = killer.process.wait(300)
    here.proxy.rules.pop()
    here.proxy.edits.pop()
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"\nthe run that was to be killed at call {at} ended with exit code {code}")
    if code and (again := begun(here).wait(300)):
        raise SystemExit(f"\nafter a kill at call {at} the next run ended with exit code {again}")
    if (found := held(here)) != {key: ("new", 2 - number % 2) for number, key in enumerate(KEYS)}:
        raise SystemExit(f"\nafter a kill at call {at} there are, by value and versions: {Counter(found.values())}")
    return bool(code)


def fresh(here: World) -> None:
    """Every second entry there, of ours, with another value."""
    if here.backend == "parameter-store":
        for first in range(0, len(KEYS), 10):
            here.client.delete_parameters(Names=[here.name(key) for key in KEYS[first : first + 10]])
    else:
        for key in held(here):
            here.client.delete_secret(SecretId=here.name(key), ForceDeleteWithoutRecovery=True)
    for key in KEYS[::2]:
        here.make(here.name(key), "old")
    (here.project / "v.json").write_text(json.dumps(dict.fromkeys(KEYS, "new")))


def begun(here: World) -> subprocess.Popen[bytes]:
    """A sync, as a process."""
    argv = [sys.executable, "-c", RUN, "secrets.sync", "v.json"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(argv, cwd=here.project, env=here.environment, stdin=quiet, stdout=quiet, stderr=quiet)


def held(here: World) -> dict[str, tuple[str, int]]:
    """By key the value, and how many versions there are."""
    if here.backend == "parameter-store":
        pages = (
            here.client.get_parameters(Names=[here.name(key) for key in KEYS[first : first + 10]], WithDecryption=True)
            for first in range(0, len(KEYS), 10)
        )
        return {each["Name"][-3:]: (each["Value"], each["Version"]) for page in pages for each in page["Parameters"]}
    known = here.client.list_secrets(MaxResults=100)["SecretList"]
    found = {}
    for each in (each["Name"] for each in known):
        versions = here.client.list_secret_version_ids(SecretId=each, IncludeDeprecated=True)["Versions"]
        found[each[-3:]] = (here.client.get_secret_value(SecretId=each)["SecretString"], len(versions))
    return found


if __name__ == "__main__":
    main()
