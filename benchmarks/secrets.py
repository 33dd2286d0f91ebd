"""`secrets.sync` at the sizes that people have: calls, own CPU seconds and peak memory, and the pace of its writes.

    python -m benchmarks.secrets [COUNT ...] [--backend NAME] [--loop COUNT] [--unrelated COUNT] [--ansible VENV]

An embedded AWS (moto) stands behind a proxy that counts every call, and throttles where that is asked for. COUNT
entries (default: 1000 5000 10000) of 1 KB are there already, as a file wants them; the command reads each value and
finds nothing to do. What is measured is the command as a process of its own; moto's time is not in its CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

import boto3

from aws_airflow_tasks.world import moto
from tests.world.aws_rules import Refusal
from tests.world.proxy import Body, Edit, Proxy, Upstream, before

#: what must hold, by backend: calls for a number of entries that are as wanted
MOST = {
    "secrets-manager": {1_000: 52, 5_000: 252, 10_000: 502},
    "parameter-store": {1_000: 102, 10_000: 1_002},
}
#: AWS's quota of writes a second, and ours within it
QUOTA = {"secrets-manager": (50, 45), "parameter-store": (3, 3)}
SIZE = 1_000
RUN = "from aws_airflow_tasks.program import main\nmain()"


class Cost(NamedTuple):
    """What a command took: seconds, own CPU seconds, MB at its peak, and calls."""

    seconds: float
    cpu: float
    memory: float
    calls: int


class World(NamedTuple):
    """A project with keys, and its AWS."""

    project: Path
    environment: dict[str, str]
    proxy: Proxy
    client: Any
    backend: str

    def name(self, key: str) -> str:
        """An entry's whole name."""
        return f"{'/' * (self.backend == 'parameter-store')}airflow/variables/{key}"

    def make(self, name: str, value: str) -> None:
        """One entry of ours, without the command."""
        tags = [{"Key": "aws-airflow-owner", "Value": "bench"}]
        if self.backend == "parameter-store":
            self.client.put_parameter(Name=name, Value=value, Type="SecureString", Tags=tags)
        else:
            self.client.create_secret(Name=name, SecretString=value, Tags=tags)

    def get(self, client: Any, key: str) -> None:
        """A read as a script would have it."""
        if self.backend == "parameter-store":
            client.get_parameter(Name=self.name(key), WithDecryption=True)
        else:
            client.get_secret_value(SecretId=self.name(key))

    def sync(self, *words: str) -> Cost:
        """One run of `secrets.sync`."""
        self.proxy.forget()
        begun = time.perf_counter()
        argv = [sys.executable, "-c", RUN, "secrets.sync", "v.json", *words]
        process = subprocess.Popen(argv, cwd=self.project, env=self.environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"secrets.sync ended with exit code {process.returncode}")
        seconds = time.perf_counter() - begun
        return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, sum(self.proxy.calls.values()))


def main(words: Sequence[str] | None = None) -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.secrets", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("counts", nargs="*", type=int, metavar="COUNT")
    parser.add_argument("--backend", choices=MOST, default="secrets-manager")
    parser.add_argument(
        "--throttled", type=int, default=0, metavar="WRITES", help="how many writes to pace: 10 s of it"
    )
    parser.add_argument("--loop", type=int, default=1_000, metavar="COUNT", help="entries for the loop of single reads")
    parser.add_argument("--unrelated", type=int, default=0, metavar="COUNT", help="entries of others beside ours")
    parser.add_argument("--ansible", metavar="VENV", help="a virtual environment with PyPI's ansible and boto3")
    asked = parser.parse_args(words)
    with world(asked.backend) as here:
        print("| entries | calls | allowed | with --prune | s | own CPU s | peak MB |\n|---|---|---|---|---|---|---|")
        for count in asked.counts or MOST[here.backend]:
            print(row(here, count), flush=True)
        if asked.loop:
            print(loop(here, asked.loop), flush=True)
        if asked.unrelated:
            print(unrelated(here, max(asked.counts or MOST[here.backend]), asked.unrelated), flush=True)
        if asked.ansible and asked.backend == "secrets-manager":
            print(ansible(here, Path(asked.ansible).absolute()), flush=True)
        print(throttled(here, asked.throttled or 10 * QUOTA[here.backend][1]), flush=True)


@contextmanager
def world(backend: str) -> Iterator[World]:
    """Everything in a temporary directory, removed again."""
    with tempfile.TemporaryDirectory() as folder:
        state, home, project = Path(folder) / "moto", Path(folder) / "home", Path(folder) / "project"
        for place in (state, home, project / ".astro"):
            place.mkdir(parents=True)
        (project / ".astro" / "config.yaml").write_text("project:\n  name: bench\n")
        url = moto.ensure(state, home)
        try:
            with before(url) as proxy:
                proxy.keeps = False
                proxy.edits.append(paged(url))
                environment = {"PATH": os.environ["PATH"], "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
                environment |= {"INVOKE_AWS_AIRFLOW_ENDPOINT_URL": proxy.url, "INVOKE_AWS_AIRFLOW_RUNTIME": "embedded"}
                environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
                environment["INVOKE_AWS_AIRFLOW_BACKEND"] = backend
                yield World(project, environment, proxy, _client(backend, url), backend)
        finally:
            moto.stop(state)


def paged(url: str) -> Edit:
    """Pages as long as AWS has them, up to 50 (DescribeParameters): moto lists ten a page, whatever was asked for."""
    upstream = Upstream(url)
    scope = "Credential=x/20260101/eu-west-1/ssm/aws4_request, SignedHeaders=host, Signature=x"
    headers = {"X-Amz-Target": "AmazonSSM.DescribeParameters", "Content-Type": "application/x-amz-json-1.1"}
    headers["Authorization"] = f"AWS4-HMAC-SHA256 {scope}"

    def edit(operation: str, body: Body, answer: Body) -> Body:
        while operation == "DescribeParameters" and "NextToken" in answer:
            if len(answer["Parameters"]) + 10 > body.get("MaxResults", 10):
                break
            asked = json.dumps(body | {"NextToken": answer["NextToken"]}).encode()
            more = json.loads(upstream.ask("/", headers, asked)[1])
            answer = more | {"Parameters": answer["Parameters"] + more["Parameters"]}
        return answer

    return edit


def _client(backend: str, url: str) -> Any:
    service = {"secrets-manager": "secretsmanager", "parameter-store": "ssm"}[backend]
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "eu-west-1"}
    made: Any = boto3.client
    return made(service, endpoint_url=url, **keys)


def filled(here: World, count: int) -> dict[str, str]:
    """So many entries in AWS, ours and as the file wants them; what is there already is kept."""
    file = here.project / "v.json"
    known = json.loads(file.read_text()) if file.is_file() else {}
    wanted = {f"key-{number:05d}": token_hex(SIZE // 2) for number in range(len(known), count)} | known
    wanted = dict(sorted(wanted.items())[:count])
    for key in wanted.keys() - known.keys():
        here.make(here.name(key), wanted[key])
    file.write_text(json.dumps(wanted))
    return wanted


def row(here: World, count: int) -> str:
    """The cost of a run that finds nothing to do."""
    filled(here, count)
    here.sync()  # STS's answer is remembered then
    cost = here.sync()
    pruning = here.sync("--prune").calls
    most = MOST[here.backend].get(count, 0)
    cells = (
        count,
        f"{cost.calls}{' TOO MANY' if 0 < most < cost.calls else ''}",
        most or "",
        pruning,
        f"{cost.seconds:.1f}",
    )
    return f"| {' | '.join(map(str, cells))} | {cost.cpu:.2f} | {cost.memory:.0f} |"


def loop(here: World, count: int) -> str:
    """A loop of single reads, as a script would have it, against one run."""
    wanted = filled(here, count)
    client = _client(here.backend, here.proxy.url)
    here.proxy.forget()
    begun = time.perf_counter()
    for key in wanted:
        here.get(client, key)
    single, calls = time.perf_counter() - begun, sum(here.proxy.calls.values())
    cost = here.sync()
    return (
        f"{count} entries: a loop of single reads {calls} calls in {single:.1f} s,"
        f" ours {cost.calls} calls in {cost.seconds:.1f} s: {calls / cost.calls:.1f} times fewer calls"
    )


def unrelated(here: World, ours: int, count: int) -> str:
    """Entries of others, with our very tag: how many requests name one, where one of ours is new and one goes."""
    wanted = filled(here, ours)
    for number in range(count):
        here.make(here.name("x").replace("airflow/variables/x", f"others/{number:05d}"), "theirs")
    here.make(here.name("zz-left"), "x")
    (here.project / "v.json").write_text(json.dumps(wanted | {"zz-new": "x"}))
    here.proxy.keeps = True
    cost = here.sync("--prune", "--yes")
    named = sum("others/" in json.dumps(body) for _, body in here.proxy.asked)
    here.proxy.keeps = False
    counts = [here.proxy.calls[name] for name in ("CreateSecret", "PutParameter", "DeleteSecret", "DeleteParameter")]
    return f"{count} entries of others: {cost.calls} calls, {sum(counts)} of them writes, {named} about the others"


def ansible(here: World, venv: Path) -> str:
    """Ansible's module on 100 entries that are as wanted, a loop in one playbook, against one run of ours."""
    filled(here, 100)
    module = "community.aws.secretsmanager_secret"
    entry = {"name": "airflow/variables/{{ item.key }}", "secret": "{{ item.value }}", "purge_tags": False}
    access = {"region": "eu-west-1", "access_key": "x", "secret_key": "x", "endpoint_url": here.proxy.url}
    wish = f"{{{{ lookup('file', '{here.project}/v.json') | from_json | dict2items }}}}"
    task = {module: entry | access, "loop": wish, "no_log": True}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    (here.project / "play.yml").write_text(json.dumps([play]))
    python = {"ANSIBLE_PYTHON_INTERPRETER": str(venv / "bin" / "python"), "LC_ALL": "C.UTF-8"}
    here.proxy.forget()
    begun = time.perf_counter()
    argv = [str(venv / "bin" / "ansible-playbook"), "play.yml"]
    subprocess.run(argv, cwd=here.project, env=here.environment | python, stdout=subprocess.DEVNULL, check=True)
    seconds, calls = time.perf_counter() - begun, sum(here.proxy.calls.values())
    cost = here.sync()
    return (
        f"100 entries: Ansible {calls} calls in {seconds:.1f} s, ours {cost.calls} calls in {cost.seconds:.1f} s:"
        f" {seconds / cost.seconds:.0f} times faster"
    )


def throttled(here: World, count: int) -> str:
    """Writes against AWS's quota, which the proxy judges second by second: how near, and never above."""
    second: list[float] = []
    refused, (quota, pace) = 0, QUOTA[here.backend]

    def rule(operation: str, body: Body) -> Refusal | None:
        nonlocal refused
        if operation not in ("CreateSecret", "PutSecretValue", "PutParameter"):
            return None
        now = time.monotonic()
        second[:] = [at for at in second if at > now - 1]
        if len(second) >= quota:
            refused += 1
            return 400, "ThrottlingException", "Rate exceeded"
        second.append(now)
        return None

    here.proxy.rules.append(rule)
    wanted = {f"new-{number:05d}": token_hex(8) for number in range(count)}
    (here.project / "v.json").write_text(json.dumps(wanted))
    here.sync()
    here.proxy.rules.remove(rule)
    times = sorted(here.proxy.times.get("CreateSecret", []) + here.proxy.times.get("PutParameter", []))
    rate = (len(times) - 1) / (times[-1] - times[0])
    here.sync("--check")  # ends the benchmark with exit code 3 if one was lost
    share = f"{rate / pace:.0%} of the {pace} that are ours of AWS's {quota}"
    return f"{count} writes: {rate:.1f} a second ({share}), {refused} refused, none lost"


if __name__ == "__main__":
    main()
