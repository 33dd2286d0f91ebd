"""CONTRIBUTING.md is true of the code as it is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "aws_airflow_tasks"
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def found(name: str) -> list[Path]:
    return [path for folder in (ROOT, PACKAGE) for path in folder.glob(name.replace("NAME", "*"))]


def test_every_file_it_names_is_there() -> None:
    named = re.findall(r"`((?:[\w*-]+/)*[\w*-]+\.(?:py|txt|md)(?:\.txt)?|[\w.]+/(?:\w+)?)`", TEXT)
    assert len(named) > 20
    assert [name for name in named if not found(name)] == []


def test_every_name_it_sends_the_reader_to_is_in_that_file() -> None:
    sent = re.findall(r"`(\w+)`\s(?:of|in)\s`([\w/.]+\.py)`", TEXT)
    assert len(sent) > 5
    assert [(name, file) for name, file in sent if not any(name in path.read_text() for path in found(file))] == []


def test_it_installs_what_the_readme_installs_for_the_tests() -> None:
    installed = re.search(r"```bash\n(.*)\n", TEXT)
    assert installed
    assert f"{installed[1]} && .venv/bin/python -m pytest\n" in (ROOT / "README.md").read_text()


def test_each_how_to_fits_on_the_palm_of_a_hand() -> None:
    how_to = re.findall(r"## How to add an? (.+)\n\n((?:.+\n)+)", TEXT)
    assert [name for name, _ in how_to] == ["step", "backend", "runtime", "credential kind", "diagnosis"]
    assert max(len(lines.splitlines()) for _, lines in how_to) <= 5
