"""The same work by us, by those who do such work, and by hand, in one run: `docs/performance.md` and its plot.

    python -m benchmarks.peers [RUNS] [--quick]

All commands of a comparison run in turn, A B C A B C …, after one round that does not count; a ratio is the median of
each round's. Every peer has a virtual environment of its own. Converged is: nothing is left to change, and AWS's answer
about the identity is remembered. ``--quick`` leaves the sandbox out, whose cold runs install everything anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import commands, sandbox
from benchmarks.whole import Command

ROOT = Path(__file__).parent.parent
PAGE, PLOT = ROOT / "docs" / "performance.md", ROOT / "docs" / "peers.svg"
#: by peer the package that a virtual environment gets
PEERS = {"ansible": "ansible-core", "pyinfra": "pyinfra"}
OURS = "aws-airflow-tasks"


@dataclass(frozen=True)
class Measured:
    """A command beside ours: medians in seconds, the ratio ours / its, what that is to be, and both peaks in MB."""

    what: str
    name: str
    ours: float
    other: float
    ratio: float
    memory: tuple[float, float]
    reach: float


def side_by_side(what: str, ours: Command, others: Sequence[tuple[Command, float]], runs: int) -> list[Measured]:
    """Ours beside each of the others, all of them in turn."""
    every = [ours, *(command for command, _ in others)]
    rounds = [[command.run() for command in every] for _ in range(runs + 1)][1:]
    seconds = list(zip(*([time for time, _ in each] for each in rounds), strict=True))
    memory = [max(each[at][1] for each in rounds) for at in range(len(every))]
    return [
        Measured(
            what,
            command.name,
            statistics.median(seconds[0]),
            statistics.median(seconds[at]),
            statistics.median(mine / its for mine, its in zip(seconds[0], seconds[at], strict=True)),
            (memory[0], memory[at]),
            reach,
        )
        for at, (command, reach) in enumerate(others, 1)
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print, and write the page with its plot."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="?", type=int, default=10, metavar="RUNS")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        found, versions = of_tasks(Path(folder), asked.runs)
    if not asked.quick:
        found += of_sandbox(max(2, asked.runs // 4))
    report(found, versions, asked.runs)


def of_tasks(here: Path, runs: int) -> tuple[list[Measured], dict[str, str]]:
    """The tasks of a converged project, each beside who does the same or the least that it could be; the versions."""
    bare = here / "bare"
    bare.mkdir(parents=True)
    (bare / "tasks.py").write_text(commands.NOOP)
    invoke = [sys.executable, "-m", "invoke"]
    clean = commands._clean()
    noop, listing = (Command(f"bare `invoke {word}`", [*invoke, word], bare, clean) for word in ("noop", "--list"))
    with commands.world(Path(sys.executable), here) as ours:
        named = {command.name: command for command in ours}
        setup = named["setup"]
        inside = {**setup.environment, "AWS_ENDPOINT_URL": setup.environment["INVOKE_AWS_AIRFLOW_ENDPOINT_URL"]}
        aws = [str(Path(sys.executable).with_name("aws")), "sts", "get-caller-identity"]
        who = Command("`aws sts get-caller-identity`", aws, here, inside)
        mount = named.get("mount env, docker", named["mount env, embedded"])
        python = {name: installed(here / name, package) for name, package in PEERS.items()}
        peers = of_peers(here, mount.cwd, python, clean)
        found = side_by_side("mount env", mount, [(noop, 1.2), *peers], runs)
        found += side_by_side("--list", named["--list"], [(listing, 1.05)], runs)
        found += side_by_side("setup", setup, [(who, 0.9)], runs)
    versions = {name: version(name) for name in ("invoke", "awscli")}
    return found, versions | {PEERS[name]: version_of(PEERS[name], path) for name, path in python.items()}


def of_peers(
    here: Path, project: Path, python: Mapping[str, Path], environment: dict[str, str]
) -> list[tuple[Command, float]]:
    """The same lines in the same two files, kept by those who keep lines in files; converged."""
    lines = [line for line in (project / ".env").read_text().splitlines() if re.match(r"\w+=", line)]
    override = project / "docker-compose.override.yml"
    block = override.read_text() if override.exists() else "services: {}\n"
    kept = here / "kept"
    for way in ("tasks", "loop", "pyinfra"):
        (kept / way).mkdir(parents=True)
    (kept / "tasks" / "play.yml").write_text(playbook(block, lines, loop=False))
    (kept / "loop" / "play.yml").write_text(playbook(block, lines, loop=True))
    (kept / "pyinfra" / "deploy.py").write_text(deploy(block, lines))
    play = [str(python["ansible"].with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "play.yml"]
    play += ["-e", f"ansible_python_interpreter={python['ansible']}"]
    count = len(lines) + 1
    found = [
        (Command(f"ansible-core, {count} tasks", play, kept / "tasks", environment), 1 / 20),
        (Command("ansible-core, a task with a loop", play, kept / "loop", environment), 1 / 20),
        (
            Command(
                f"pyinfra, {count} operations",
                [str(python["pyinfra"].with_name("pyinfra")), "@local", "deploy.py", "-y"],
                kept / "pyinfra",
                environment,
            ),
            1 / 4,
        ),
    ]
    for command, _ in found:
        command.run()  # what is left to change
    return found


def installed(folder: Path, package: str) -> Path:
    """The interpreter of a new virtual environment with a package."""
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, folder], check=True)
    subprocess.run([uv, "pip", "install", "-q", "-p", folder / "bin" / "python", package], check=True)
    return folder / "bin" / "python"


def version_of(package: str, python: Path) -> str:
    """The version of a package in another environment."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def playbook(block: str, lines: Sequence[str], *, loop: bool) -> str:
    """A play of one block and some lines, by a task each or by one with a loop. JSON is YAML, too."""
    tasks: list[dict[str, Any]] = [
        {"blockinfile": {"path": "{{ playbook_dir }}/docker-compose.override.yml", "create": True, "block": block}}
    ]
    each = [{"regexp": f"^{line.partition('=')[0]}=", "line": line} for line in lines]
    keep = {"path": "{{ playbook_dir }}/.env", "create": True}
    if loop:
        item = {"regexp": "{{ item.regexp }}", "line": "{{ item.line }}"}
        tasks.append({"lineinfile": {**keep, **item}, "loop": each})
    else:
        tasks += [{"lineinfile": {**keep, **one}} for one in each]
    return json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}], indent=1)


def deploy(block: str, lines: Sequence[str]) -> str:
    """The same as operations of pyinfra."""
    found = ["from pyinfra.operations import files", "", 'files.file(path=".env")']
    found.append(f'files.block(path="docker-compose.override.yml", content={block!r})')
    for line in lines:
        name = line.partition("=")[0]
        found.append(f'files.line(path=".env", line={f"^{name}=.*$"!r}, replace={line!r})')
    return "\n".join(found) + "\n"


def of_sandbox(runs: int) -> list[Measured]:
    """The sandbox beside the same by hand."""
    cold = [
        Measured("sandbox, cold", "by hand", ours, hand, ours / hand, (0, 0), 0.85) for ours, hand in sandbox.cold(runs)
    ]
    warm = [
        Measured(
            "sandbox, warm", "the slower of one DAG run and one backend call", ours, other, ours / other, (0, 0), 1.15
        )
        for ours, other in sandbox.warm(runs)
    ]
    return [together(cold), together(warm)]


def together(found: Sequence[Measured]) -> Measured:
    """The medians of several."""
    ours, other, ratio = (
        statistics.median(getattr(each, name) for each in found) for name in ("ours", "other", "ratio")
    )
    return replace(found[0], ours=ours, other=other, ratio=ratio)


def report(found: Sequence[Measured], versions: dict[str, str], runs: int) -> None:
    """Print the table; write the page and its plot."""
    text = table(found, versions, runs)
    print(text)
    page = re.sub(r"(?s)(?<=<!-- peers -->\n).*(?=<!-- /peers -->)", lambda _: f"{text}\n", PAGE.read_text())
    PAGE.write_text(page)
    PLOT.write_text(plot([each for each in found if each.what == "mount env"]))


def table(found: Sequence[Measured], versions: dict[str, str], runs: int) -> str:
    """The figures in Markdown, and where they are from."""
    rows = [
        "| ours | beside | ours, s | its, s | ratio | reach | memory, MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in found:
        memory = f"{each.memory[0]:.0f}, {each.memory[1]:.0f}" if any(each.memory) else ""
        rows.append(
            f"| `{each.what}` | {each.name} | {each.ours:.2f} | {each.other:.2f} | {each.ratio:.2f} "
            f"| {each.reach:.2f}{'' if each.ratio <= each.reach else ' (missed)'} | {memory} |"
        )
    named = ", ".join(f"{name} {each}" for name, each in versions.items())
    machine = f"{platform.system()} on {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return "\n".join([*rows, "", f"{machine}, {named}; {runs} rounds."])


def plot(found: Sequence[Measured]) -> str:
    """Bars of seconds, ours first, as an SVG that loads nothing."""
    bars = [(OURS, found[0].ours), *((each.name.replace("`", ""), each.other) for each in found)]
    longest, height = max(seconds for _, seconds in bars), 28 * len(bars) + 44
    rows = []
    for at, (name, seconds) in enumerate(bars):
        y, width = 40 + 28 * at, max(2, 360 * seconds / longest)
        colour = "#1a7f37" if name == OURS else "#6e7781"
        rows.append(f'<text x="250" y="{y + 15}" text-anchor="end">{name}</text>')
        rows.append(f'<rect x="260" y="{y}" width="{width:.0f}" height="20" fill="{colour}"/>')
        rows.append(f'<text x="{266 + width:.0f}" y="{y + 15}">{seconds:.2f} s</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" role="img">\n'
        "<style>text { font: 14px sans-serif; fill: #1f2328 } .head { font-weight: bold }</style>\n"
        f'<rect width="720" height="{height}" fill="#ffffff"/>\n'
        '<text class="head" x="20" y="24">mount env, converged: seconds of the whole process</text>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )


if __name__ == "__main__":
    main()
