"""What the benchmarks say of figures; nothing here is timed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import commands, peers, whole


@dataclass
class Scripted:
    """A command that takes the given seconds, one after the other, and notes when it ran."""

    name: str
    seconds: Iterator[float]
    notes: list[str] = field(default_factory=list)

    def run(self) -> tuple[float, float]:
        self.notes.append(self.name)
        return next(self.seconds), 50


def pairs(ours: list[float], other: list[float]) -> tuple[whole.Pairs, list[str]]:
    notes: list[str] = []
    a, b = (Scripted(name, iter([99.0, *each]), notes) for name, each in (("A", ours), ("B", other)))
    return whole.pairs(a, b, len(ours)), notes  # type: ignore[arg-type]


def test_two_commands_run_in_turn_after_a_warm_up_that_does_not_count() -> None:
    found, notes = pairs([1, 2, 3], [1, 1, 1])
    assert "".join(notes) == "AB" * 4
    assert (found.ours, found.other, found.memory) == ([1, 2, 3], [1, 1, 1], 50)


def test_the_ratio_is_the_median_of_the_pairs_ratios_not_the_ratio_of_the_medians() -> None:
    found, _ = pairs([1, 20, 3], [2, 10, 1])
    assert (found.medians, found.ratio, found.spread) == ((3, 2), 2, (0.5, 3))


@pytest.mark.parametrize(("seconds", "verdict"), [(1.05, "not slower"), (1.06, "slower"), (0.5, "not slower")])
def test_not_slower_is_at_most_five_per_cent(seconds: float, verdict: str) -> None:
    line = commands.row("setup", whole.Pairs([seconds] * 3, [1] * 3, 0))
    assert line.split()[:6] == ["setup", f"{seconds:.3f}", "s", "1.000", "s", f"{seconds:.3f}"]
    assert line.endswith(f"  {verdict}")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "aws_airflow_tasks").mkdir()
    (tmp_path / "aws_airflow_tasks" / "__init__.py").touch()
    return tmp_path


def test_against_a_checkout_there_are_never_fewer_than_fifteen_pairs(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.arguments(["--against", str(checkout)]).runs == 15
    asked = commands.arguments(["30", "--against", str(checkout)])
    assert (asked.runs, asked.against) == (30, checkout)
    with pytest.raises(SystemExit, match="2"):
        commands.arguments(["14", "--against", str(checkout)])
    assert "at least 15" in capsys.readouterr().err
    assert (commands.arguments([]).runs, commands.arguments(["3"]).runs) == (10, 3)


@pytest.mark.parametrize("words", [["--against", "nowhere"], ["0"], ["many"]])
def test_what_cannot_be_run_is_refused_before_anything_starts(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "world", None)
    with pytest.raises(SystemExit, match="2"):
        commands.main(words)


def measured(ours: float, other: float, reach: float, name: str = "peer") -> peers.Measured:
    return peers.Measured("mount env", name, ours, other, ours / other, (50, 70), reach)


def test_peers_run_in_turn_with_ours_and_the_first_round_does_not_count() -> None:
    notes: list[str] = []
    seconds = {"A": [99.0, 1, 2, 3], "B": [99.0, 2, 2, 2], "C": [99.0, 4, 8, 4]}
    ours, *others = (Scripted(name, iter(each), notes) for name, each in seconds.items())
    found = peers.side_by_side("it", ours, [(other, 1.0) for other in others], 3)  # type: ignore[arg-type,list-item]
    assert "".join(notes) == "ABC" * 4
    assert [(each.name, each.ours, each.other, each.ratio) for each in found] == [("B", 2, 2, 1), ("C", 2, 4, 0.25)]


def test_the_table_of_peers_says_what_was_missed_and_the_plot_has_a_bar_for_each() -> None:
    found = [measured(1, 2, 0.4), measured(1, 20, 0.1, "other")]
    lines = peers.table(found, {"invoke": "3.0"}, 10).splitlines()
    assert [line for line in lines if "(missed)" in line] == [lines[2]]
    assert "invoke 3.0; 10 rounds." in lines[-1]
    plot = ElementTree.fromstring(peers.plot(found))
    assert [each.text for each in plot.iter() if (each.text or "").endswith(" s")] == ["1.00 s", "2.00 s", "20.00 s"]


@pytest.mark.parametrize(("loop", "tasks"), [(False, 3), (True, 2)])
def test_a_peer_keeps_the_same_lines_by_a_task_each_or_by_a_loop(loop: bool, tasks: int) -> None:
    (play,) = json.loads(peers.playbook("services: {}\n", ["A=1", "B=2"], loop=loop))
    assert len(play["tasks"]) == tasks
    assert "B=2" in json.dumps(play)
    compile(peers.deploy("services: {}\n", ["A=1", "B=2"]), "deploy.py", "exec")
