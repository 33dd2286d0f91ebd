"""README.md, SECURITY.md and docs/ say what the program says, show what it prints, and lead to what is there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks import backends, invocation, ns
from aws_airflow_tasks.backends import Backend
from aws_airflow_tasks.program import program
from aws_airflow_tasks.steps.layers import LAYERS
from tests.project import airflow, astro_project, embedded, run
from tests.test_permissions import aws
from tests.test_setup import Run, project, secrets
from tests.world.front import Front

__all__ = ["airflow", "astro_project", "aws", "embedded", "project", "run", "secrets"]

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")] + sorted((ROOT / "docs").glob("*.md"))
#: any text, in what a page shows
GAP = "…"
AGENTS = (ROOT / "docs" / "agents.md").read_text()


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"(?s)```{language}\n(.*?)\n```", text)


def test_what_is_generated_is_what_the_program_says_now() -> None:
    """`python -m tests.docs` writes it."""
    words = [sys.executable, "-m", "tests.docs", "--check"]  # in a process of its own: invoke tells a flag's help once
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pages = [ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]
    assert not [page for page in pages if str(ROOT) in page.read_text() or sys.executable in page.read_text()]


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?s)```.*?```", "", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    text = re.sub(r"(?s)```.*?```", "", page.read_text())
    found = re.findall(r"(?:\]\(|src=\"|srcset=\")(?!https?:)([^)\"#\s]*)(?:#([^)\"\s]*))?", text)
    for path, anchor in found:
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_ours_that_a_page_shows_can_be_typed(page: Path) -> None:
    lines = [line for block in fenced(page.read_text(), "bash") for line in block.splitlines()]
    ours = [line.split("#")[0].split()[1:] for line in lines if re.match(r"aws-airflow (?!--print-completion)", line)]
    for words in ours:
        typed = program()
        typed.create_config()
        typed.parse_core(["aws-airflow", *words])
        typed.parse_collection()
        typed.parse_tasks()
        assert typed.tasks, words


def test_the_page_has_every_layer_of_the_proof_in_its_order() -> None:
    proof = (ROOT / "docs" / "how-it-works.md").read_text().partition("## Proof")[2].partition("\n## ")[0]
    assert re.findall(r"(?m)^\| `([\w-]+)` \|", proof) == [*LAYERS]


def test_the_tutorial_has_every_task_of_its_steps() -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text()
    assert "https://www.astronomer.io/docs/astro/cli/authenticate-to-aws" in text
    typed = " ".join(fenced(text, "bash"))
    assert [task.name for task in ns["setup"].pre if f" {task.name}" not in typed] == []


@pytest.mark.parametrize("backend", [backends.ALL["secrets-manager"]], ids=lambda backend: backend.NAME)
def test_an_agent_gets_the_documents_that_its_page_shows(
    aws: Front, backend: Backend, project: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invocation, "program", lambda: "aws-airflow")
    (project / "task.log").write_text(fenced(AGENTS, "text")[0] + "\n")
    commands, documents = fenced(AGENTS, "bash"), fenced(AGENTS, "json")
    assert len(commands) == len(documents) == 5
    for command, shown in zip(commands, documents, strict=True):
        done = run(*command.split()[1:])
        assert done.code == json.loads(shown)["exit_code"]
        assert without(json.loads(shown), done.document) == [], command


def without(shown: Any, real: Any, at: str = "") -> list[str]:
    """Where a document is not part of another: keys and elements may be left out, and ``…`` is any text."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return [
            each for key, value in shown.items() for each in without(value, real.get(key, "nothing"), f"{at}.{key}")
        ]
    if isinstance(shown, list) and isinstance(real, list):
        rest = iter(real)
        return [f"{at}: {each}" for each in shown if not any(not without(each, one) for one in rest)]
    if isinstance(shown, str) and isinstance(real, str):
        said = re.escape(shown).replace(GAP, "(?s:.*)")
        return [] if re.fullmatch(said, real) else [f"{at}: {real}"]
    return [] if shown == real else [f"{at}: {real}"]
