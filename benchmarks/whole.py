"""Times whole processes: alternating runs after a warm-up, medians, the ratio of each pair, peak memory.

Shared by the other benchmarks; nothing here is asserted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A command line, where it runs and with which environment."""

    name: str
    argv: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]

    def run(self) -> tuple[float, float]:
        """Seconds of wall-clock time, and the peak memory of its largest process in MB."""
        started = time.perf_counter()
        process = subprocess.Popen(
            self.argv, cwd=self.cwd, env=dict(self.environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{self.name} ended with exit code {process.returncode}")
        return time.perf_counter() - started, usage.ru_maxrss / 1024


@dataclass(frozen=True)
class Pairs:
    """The seconds of two commands that ran in turn, and the peak memory of the first in MB."""

    ours: Sequence[float]
    other: Sequence[float]
    memory: float

    @property
    def medians(self) -> tuple[float, float]:
        """Seconds of each."""
        return statistics.median(self.ours), statistics.median(self.other)

    @property
    def ratio(self) -> float:
        """The median of the ratios of each pair: what slows the machine for a while slows both of a pair."""
        return statistics.median(self._ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of those ratios: far apart, the machine was too busy to tell."""
        lower, _, upper = statistics.quantiles(self._ratios, n=4)
        return lower, upper

    @property
    def _ratios(self) -> list[float]:
        return [a / b for a, b in zip(self.ours, self.other, strict=True)]


def pairs(ours: Command, other: Command, runs: int) -> Pairs:
    """Run both once to warm up, then in turn (A B A B …), ``runs`` times each."""
    ours.run(), other.run()
    found = [(ours.run(), other.run()) for _ in range(runs)]
    return Pairs([a[0] for a, _ in found], [b[0] for _, b in found], max(a[1] for a, _ in found))


def compare(ours: Command, other: Command, *, runs: int, target: float) -> None:
    """Print both medians and the median of the pairwise ratios beside the ratio to reach."""
    found = pairs(ours, other, runs)
    mine, theirs = found.medians
    ratio = f"ratio {found.ratio:5.2f} (reach {target:.2f})"
    print(f"{ours.name:<38} {mine:7.2f} s   {other.name:<38} {theirs:7.2f} s   {ratio}")
    print(f"{'':<38} {found.memory:7.0f} MB peak (reach 120)", flush=True)
