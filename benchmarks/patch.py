"""What patching a compose file costs, against one bare parse with the same parser.

    python -m benchmarks.patch

Prints two tables: by size with ten services patched, and by the number of services patched in one file of 100 KB that
holds about a thousand. Each row gives CPU milliseconds for a bare parse and for plan + edit + proof, their ratio, and
the exponent of growth from the row above (1 is linear). Each figure is the best of several runs, the two measured in
turn.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterable, Iterator
from math import log

from aws_airflow_tasks.patch.compose import Host, Mount, ensure
from aws_airflow_tasks.patch.yaml.parsing import events

HOST = Host("/home/me", "/home/me/project", {"HOME": "/home/me"})
MOUNT = Mount("~/.aws", "/home/astro/.aws")
#: one service of a file as people write them, about 500 bytes
SERVICE = """\
  # {name}: one of many
  {name}:
    image: "registry.example.com/team/{name}:1.2.3"  # pinned
    environment:
      - LOG_LEVEL=info
      - DATABASE_URL=postgres://user@db:5432/{name}
    ports:
      - "{port}:8080"
    volumes:
      - ./dags:/usr/local/airflow/dags:rw
      - ${{HOME}}/.cache:/cache
      # - ./plugins:/usr/local/airflow/plugins
    depends_on: [db, cache]
    command: >
      serve --name {name}
      --verbose

"""


#: the least of a service that can be patched, about 100 bytes
SMALL_SERVICE = """\
  {name}:
    image: registry.example.com/{name}:1.2.3
    volumes:
      - ./dags:/dags
"""


def compose_file(size: int, service: str = SERVICE) -> bytes:
    """A compose file of about ``size`` bytes, never without a service."""
    text, number = "services:\n", 0
    while number == 0 or len(text) + len(service) <= size:
        text += service.format(name=f"service-{number}", port=1024 + number)
        number += 1
    return text.encode()


def seconds(action: Callable[[], object]) -> float:
    """CPU seconds that ``action`` takes: what else runs on the machine counts less."""
    gc.collect()
    started = time.process_time()
    action()
    return time.process_time() - started


def measured(data: bytes, count: int, rounds: int) -> tuple[float, float]:
    """Seconds of a bare parse, and of plan + edit + proof for ``count`` services."""
    text, names = data.decode(), [f"service-{number}" for number in range(count)]
    patch = ensure(data, names, MOUNT, host=HOST)
    assert patch.outcome == "edits", patch.reason
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(seconds(lambda: sum(1 for _ in events(text))))
        ours.append(seconds(lambda: ensure(data, names, MOUNT, host=HOST)))
    return min(bare), min(ours)


def by_size(rounds: int) -> Iterator[tuple[int, int, float, float]]:
    """Bytes, services patched, seconds of both; the smaller files are repeated more often."""
    for size in (1_000, 10_000, 100_000, 1_000_000):
        data = compose_file(size)
        yield (len(data), 10, *measured(data, 10, rounds if size > 100_000 else 3 * rounds))


def by_services(rounds: int) -> Iterator[tuple[int, int, float, float]]:
    """The same for one file of a thousand services."""
    data = compose_file(100_000, SMALL_SERVICE)
    for count in (1, 10, 100, 1_000):
        yield (len(data), count, *measured(data, count, 3 * rounds))


def show(title: str, rows: Iterable[tuple[int, int, float, float]], grows: int) -> None:
    """Print one table; the column ``grows`` is what growth is measured against."""
    print(f"{title}\n{'bytes':>9} {'services':>9} {'bare parse':>11} {'patch':>10} {'ratio':>6} {'growth':>7}")
    previous = None
    for row in rows:
        size, count, bare, ours = row
        growth = "-" if previous is None else f"{log(ours / previous[3]) / log(row[grows] / previous[grows]):.2f}"
        print(f"{size:>9,} {count:>9,} {bare * 1e3:>8.1f} ms {ours * 1e3:>7.1f} ms {ours / bare:>6.2f} {growth:>7}")
        previous = row
    print()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="runs of the largest file; smaller ones get more")
    rounds = parser.parse_args().rounds
    show("by size", by_size(rounds), grows=0)
    show("by services patched", by_services(rounds), grows=1)


if __name__ == "__main__":
    main()
