"""Converged commands against their bare equivalents, or against another checkout's.

    python -m benchmarks.commands [RUNS] [--against CHECKOUT]

Each side gets a world of its own (a sandbox with real Airflow and an embedded AWS) in a temporary directory, removed
again. With ``--against`` each side also gets a virtual environment of its own, made there in one way from its checkout
(`uv pip install -e 'CHECKOUT[sandbox]'`, this Python): what differs is the checkout. Every command runs in turn, A B A
B …, at least 15 times each, and the table has the median of the pairwise ratios: "not slower" means at most 1.05. Where
the quartiles beside it lie far apart, the machine was too busy to tell.
CHECKOUT is any directory of this repository, such as one made by `git worktree add CHECKOUT REF`; `--against .` shows
how far the machine alone takes the ratio from 1.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.whole import Command, Pairs, compare, pairs

ROOT = Path(__file__).parent.parent
MENU = {
    "tasks.py": "from aws_airflow_tasks import ns\n",
    "invoke.yaml": "tasks:\n  executor_class: aws_airflow_tasks.executor.Executor\n",
}
NOOP = "from invoke import task\n\n\n@task\ndef noop(c):\n    pass\n"
#: what leads out of the benchmark's own world; without bytecode, which a person's Python keeps, compiling is measured
FOREIGN = ("AIRFLOW_", "AWS_", "INVOKE_", "PYTHONDONTWRITEBYTECODE", "XDG_")
#: pairs against another checkout: fewer tell noise from a change of five per cent too seldom
FEWEST = 15
NOT_SLOWER = 1.05
#: milliseconds that a completion may take longer than bare invoke's
LATER = 150


def main(words: Sequence[str] | None = None) -> None:
    """Prepare, compare, clean up."""
    asked = arguments(words)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        if asked.against:
            against(asked.against, here, asked.runs)
        else:
            against_bare(here, asked.runs)


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """How many ``runs``, and the checkout to run ``against``, if any."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.commands", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="?", type=int, metavar="RUNS", help=f"default 10; {FEWEST} with --against")
    parser.add_argument("--against", type=_checkout, metavar="CHECKOUT")
    found = parser.parse_args(words)
    fewest = FEWEST if found.against else 1
    if found.runs is not None and found.runs < fewest:
        parser.error(f"RUNS is {found.runs}: at least {fewest} are needed")
    found.runs = found.runs or (FEWEST if found.against else 10)
    return found


def _checkout(text: str) -> Path:
    path = Path(text).resolve()
    if not (path / "aws_airflow_tasks" / "__init__.py").is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a checkout of this repository")
    return path


def against(checkout: Path, here: Path, runs: int) -> None:
    """Print a table of every command: both medians, the median ratio, and whether it is slower."""
    with contextlib.ExitStack() as stack:
        ours, other = (
            {command.name: command for command in stack.enter_context(world(_python(path, here / side), here / side))}
            for side, path in (("ours", ROOT), ("other", checkout))
        )
        print(f"{runs} pairs, reach {NOT_SLOWER:.2f}")
        print(f"{'command':<24} {'here':>9} {'against':>9} {'ratio':>7}   quartiles")
        for name in ours:
            print(row(name, pairs(ours[name], other[name], runs)), flush=True)


def row(name: str, found: Pairs) -> str:
    """A line of the table."""
    (mine, theirs), (lower, upper) = found.medians, found.spread
    verdict = "slower" if found.ratio > NOT_SLOWER else "not slower"
    return f"{name:<24} {mine:>7.3f} s {theirs:>7.3f} s {found.ratio:>7.3f}   {lower:.2f} to {upper:.2f}   {verdict}"


def _python(checkout: Path, here: Path) -> Path:
    """The interpreter of a new virtual environment with the code of ``checkout``."""
    uv, made = str(Path(sys.executable).with_name("uv")), here / "venv"
    subprocess.run([uv, "venv", "-q", "-p", sys.executable, made], check=True)
    python = made / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "-p", python, "-e", f"{checkout}[sandbox]"], check=True)
    return python


def against_bare(here: Path, runs: int) -> None:
    """Print each command beside what it would be without us, and the ratio to reach."""
    (here / "bare").mkdir()
    (here / "bare" / "tasks.py").write_text(NOOP)
    noop = Command("invoke noop", [sys.executable, "-m", "invoke", "noop"], here / "bare", _clean())
    completion(here / "bare", runs)
    with world(Path(sys.executable), here) as commands:
        named = {command.name: command for command in commands}
        setup, aws = named["setup"], str(Path(sys.executable).with_name("aws"))
        inside = {**setup.environment, "AWS_ENDPOINT_URL": setup.environment["INVOKE_AWS_AIRFLOW_ENDPOINT_URL"]}
        who = Command("aws sts get-caller-identity", [aws, "sts", "get-caller-identity"], here, inside)
        compare(setup, who, runs=runs, target=3)
        for name in ("mount env, embedded", "mount env, docker", "--list"):
            if name in named:
                compare(named[name], noop, runs=runs, target=1.5)


def completion(bare: Path, runs: int) -> None:
    """Print how much longer a tab takes than with bare invoke, for a task's name and for a value."""
    ours, invoke = (str(Path(sys.executable).with_name(name)) for name in ("aws-airflow", "invoke"))
    plain = Command("invoke no<tab>", [invoke, "--complete", "--", "invoke no"], bare, _clean())
    for words in (["ver"], ["setup", "--profile", ""]):
        name = f"aws-airflow {' '.join(words)}<tab>"
        found = pairs(Command(name, [ours, "--complete", "--", "aws-airflow", *words], bare, _clean()), plain, runs)
        mine, theirs = found.medians
        more = f"{1000 * (mine - theirs):+4.0f} ms (at most {LATER})"
        print(f"{name:<38} {mine:7.3f} s   {plain.name:<38} {theirs:7.3f} s   {more}", flush=True)


@contextlib.contextmanager
def world(python: Path, here: Path) -> Iterator[list[Command]]:
    """The commands of the checkout that ``python`` imports, in a converged sandbox below ``here``."""
    invoke, clean = [str(python), "-m", "invoke"], _clean()
    _menu(here)
    try:
        subprocess.run([*invoke, "sandbox"], cwd=here, env=clean, check=True, stdout=sys.stderr)
        yield _commands(here, clean, invoke)
    finally:
        subprocess.run([*invoke, "sandbox.clean"], cwd=here, env=clean, check=True, stdout=sys.stderr)


def _commands(here: Path, clean: dict[str, str], invoke: list[str]) -> list[Command]:
    project, url = here / ".sandbox" / "airflow-3", f"http://127.0.0.1:{(here / '.sandbox/aws/port').read_text()}"
    inside = clean | {"HOME": str(here / ".sandbox" / "home"), "XDG_CACHE_HOME": str(Path.home() / ".cache")}
    embedded = inside | {"INVOKE_AWS_AIRFLOW_ENDPOINT_URL": url, "INVOKE_AWS_AIRFLOW_RUNTIME": "embedded"}
    _menu(project)
    words = {"--list": ["--list"], "status": ["status"], "setup": ["setup"], "setup --check": ["setup", "--check"]}
    words |= {"mount env, embedded": ["mount", "env"], "verify": ["verify"]}
    found = [Command(name, [*invoke, *each], project, embedded) for name, each in words.items()]
    if not (named := _named(url)):
        print("mount env, docker: left out, as this machine's name does not lead to 127.0.0.1", file=sys.stderr)
        return found
    docker, other = inside | {"INVOKE_AWS_AIRFLOW_RUNTIME": "docker", "AWS_ENDPOINT_URL": named}, here / "docker"
    shutil.copytree(project, other, ignore=shutil.ignore_patterns(".env"))
    subprocess.run([*invoke, "mount", "env"], cwd=other, env=docker, check=True, stdout=sys.stderr)
    return [*found, Command("mount env, docker", [*invoke, "mount", "env"], other, docker)]


def _named(url: str) -> str:
    """The same by this machine's name, as a loopback address is refused for containers; empty: it leads elsewhere."""
    with contextlib.suppress(OSError):
        if socket.gethostbyname(socket.gethostname()) == "127.0.0.1":
            return url.replace("127.0.0.1", socket.gethostname())
    return ""


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}


def _menu(folder: Path) -> None:
    for name, text in MENU.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
