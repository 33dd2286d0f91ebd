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


def compare(ours: Command, other: Command, *, runs: int, target: float) -> None:
    """Print both medians and the median of the pairwise ratios beside the ratio to reach."""
    ours.run(), other.run()
    pairs = [(ours.run(), other.run()) for _ in range(runs)]
    ratio = statistics.median(a[0] / b[0] for a, b in pairs)
    mine, theirs = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    memory = max(a[1] for a, _ in pairs)
    print(f"{ours.name:<38} {mine:7.2f} s   {other.name:<38} {theirs:7.2f} s   ratio {ratio:5.2f} (reach {target:.2f})")
    print(f"{'':<38} {memory:7.0f} MB peak (reach 120)")
