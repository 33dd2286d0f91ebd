"""What README.md, SECURITY.md and docs/ say of the program, made from the program.

`python -m tests.docs` writes it between markers, `<!-- tasks -->` and `<!-- /tasks -->`; a stale text fails a test.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from invoke.tasks import Task

from aws_airflow_tasks import backends, report, runtimes, tasks
from aws_airflow_tasks.backends import Backend, permissions
from aws_airflow_tasks.menu import ns
from aws_airflow_tasks.program import SEVERAL, _sections
from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.settings import _RULES, KEYS, Settings
from aws_airflow_tasks.steps import doctor, layers, symptoms
from aws_airflow_tasks.steps.prerequisites import EXPORTS
from aws_airflow_tasks.text.calling import Calling, called
from aws_airflow_tasks.world.delivery import way
from aws_airflow_tasks.world.kinds import WORDS
from aws_airflow_tasks.world.profiles import Credentials

ROOT = Path(__file__).parent.parent


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown; a line's end in a cell is a line's end in it."""
    cells = [[cell.replace("|", "\\|").replace("\n", "<br>") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *cells])


def code(text: str) -> str:
    """Each line as code."""
    return "<br>".join(f"`` {line} ``" if "`" in line else f"`{line}`" for line in text.splitlines())


def named() -> dict[str, Task[Any]]:
    """Every task in the menu's order, by what is typed for it."""
    from aws_airflow_tasks.menu.project import init_tasks

    names = dict.fromkeys(name for section in _sections().values() for name in section)
    return {name: init_tasks if name == "init-tasks" else ns[name] for name in names}


def paragraphs(task: Task[Any]) -> list[str]:
    """What `--help` says of it, a paragraph each."""
    return [" ".join(part.split()) for part in (inspect.getdoc(task) or "").split("\n\n")]


def task_table() -> str:
    rows = (
        (f"`{name}`", paragraphs(task)[0], ticked(other.name for other in task.pre)) for name, task in named().items()
    )
    return table(["task", "what it does", "runs first"], rows)


def ticked(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def task_pages() -> str:
    return "\n\n".join(f"### {name}\n\n" + "\n\n".join(page(name, task)) for name, task in named().items())


def page(name: str, task: Task[Any]) -> Iterator[str]:
    """A task's help, with the flags that are its own alone."""
    own = [each for each in task.get_arguments() if each.name not in tasks.COMMON]
    words = "".join(f" {each.name.upper()}" for each in own if each.positional)
    words += f" [{SEVERAL[name][2]} …]" if name in SEVERAL else ""
    yield f"`aws-airflow {name}{words}`"
    yield from paragraphs(task)
    flags = [(f"`--{each.name.strip('_')}`", each.help or "") for each in own if not each.positional]
    if flags:
        yield table(["flag", "meaning"], flags)
    given = {each.name for each in task.get_arguments()}
    yield f"Takes {ticked(f'--{name}' for name in tasks.COMMON if name in given)}."


def flag_table() -> str:
    """The flags that tasks share, and which tasks take them: those that heed them, or run first what does."""
    where = {True: "all", False: "those that heed it"}
    rows = [(f"`--{name}`", text, where[name in tasks.EVERYWHERE]) for name, (_, text) in tasks.COMMON.items()]
    return table(["flag", "meaning", "tasks"], rows)


def setting_table() -> str:
    """A row a setting, or a line of the class's docstring: default and rule are the program's."""
    lines = re.findall(r"(?m)^ {4}([a-z_, ]+): (.+)", inspect.getdoc(Settings) or "")
    plain, rows = Settings(), []
    for names, meaning in lines:
        keys = [key for key in names.split(", ") if key in KEYS]
        if keys:
            defaults = [str(getattr(plain, key)) if key != "project" else "" for key in keys]
            meaning, _, without = (
                meaning.rpartition(": ") if not any(defaults) and ": " in meaning else (meaning, "", "")
            )
            shown = [f"`{each}`" for each in defaults if each] or [without.replace("``", "`") or "none"]
            rules = dict.fromkeys(_RULES[key]("[\0") or "" for key in keys)
            rows.append((ticked(keys), ", ".join(dict.fromkeys(shown)), meaning.replace("``", "`"), "; ".join(rules)))
    return table(["key", "default", "meaning", "allowed"], rows)


def exit_codes() -> str:
    return table(["code", "means"], ((str(each), text) for each, text in report.EXIT_CODES.items()))


def check_table() -> str:
    return table(["check", "looks at"], ((f"`{name}`", about) for name, about in doctor.listed().items()))


def symptom_table() -> str:
    """The table that `explain` goes by, in the order in which one layer is the cause of the next."""
    return table(
        ["layer", "seen", "cause", "type"],
        ((f"`{row.layer}`", code(row.symptom), row.cause + told(row), code(row.command)) for row in symptoms.rows()),
    )


def told(row: symptoms.Row) -> str:
    return f" (simulated: {row.simulated})" if row.simulated else ""


def graph(arrows: Iterable[tuple[str, str]]) -> str:
    """For Mermaid, which GitHub draws."""
    return "\n".join(["```mermaid", "graph LR", *(f"  {one} --> {other}" for one, other in arrows), "```"])


def task_graph() -> str:
    """The declared dependencies; what another one implies is left out."""
    arrows = []
    for task in (ns[name] for name in ns.task_names if ns[name].pre):
        implied = {name for other in task.pre for name in behind(other)}
        arrows += [(other.name, task.name) for other in task.pre if other.name not in implied]
    return graph(arrows)


def layer_graph() -> str:
    """Which check of `verify` needs which."""
    return graph((needed, layer) for layer, needs in layers.NEEDS.items() for needed in needs)


def behind(task: Task[Any]) -> set[str]:
    """The names of all that a task needs, itself not."""
    return {name for other in task.pre for name in (other.name, *behind(other))}


def ways() -> str:
    """The way that credentials take, per source and runtime, as `credentials: auto` decides."""
    rows = []
    for kind, words in WORDS.items():
        nowhere = Path("/nonexistent")
        found = Credentials("P", kind, kind, "", "", "", ("P",), nowhere, nowhere)
        taken = (way(Settings(), found, mounts=runtime == "docker").reason for runtime in runtimes.ALL)
        rows.append((f"{words} (`{kind}`)", *taken))
    return table(["credentials of the profile", *(f"`runtime: {name}`" for name in runtimes.ALL)], rows)


def versions() -> str:
    """What it was tried with."""
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    pythons = [each.rpartition(" ")[2] for each in classifiers if re.search(r":: 3\.\d+$", each)]
    rows = [("Python of these tasks", ", ".join(pythons))]
    rows += [
        (
            f"Airflow {venv.version(major)}, of `sandbox` and `embedded`",
            "Python " + " to ".join(f"{a}.{b}" for a, b in span),
        )
        for major, span in sorted(venv.PYTHONS.items(), reverse=True)
    ]
    rows += [
        (
            "Airflow of your own project",
            "2 and 3, by the Dockerfile's image: Astro Runtime 4 to 13 and 3.x, or Apache's",
        ),
        (
            "[Astro CLI](https://www.astronomer.io/docs/astro/cli/install-cli)",
            "written for 1.45 and 1.46",
        ),
        (
            "[AWS CLI](https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html)",
            f"{'.'.join(map(str, EXPORTS[:2]))} or later for logins (`aws login`: 2.32); 1 for keys in files",
        ),
        ("Docker engine", "tests: 20.10; what speaks its API: Docker Desktop, Podman, rootless ones"),
    ]
    return table(["program", "versions"], rows)


def policies() -> str:
    each = (f"`backend: {backend.NAME}`:\n\n```json\n{policy_of_checks(backend)}\n```" for backend in BACKENDS)
    return "\n\n".join(each)


def policy_of_checks(backend: Backend) -> str:
    names = [backend.variable_name(Settings()), backend.connection_name(Settings())]
    return json.dumps(permissions.policy(permissions.actions(backend, permissions.CHECKS), names), indent=2)


BACKENDS = list(backends.ALL.values())
#: by file what stands between which of its markers
PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {
        "versions": versions,
        "tasks": task_table,
        "flags": flag_table,
        "exit-codes": exit_codes,
        "settings": setting_table,
    },
    "SECURITY.md": {
        "tasks": lambda: permissions.table(BACKENDS, permissions.CHECKS),
        "policy": policies,
        "own": lambda: permissions.table(BACKENDS, permissions.OWN),
    },
    "docs/tasks.md": {"tasks": task_pages},
    "docs/how-it-works.md": {"graph": task_graph, "ways": ways, "layers": layer_graph},
    "docs/troubleshooting.md": {"symptoms": symptom_table, "checks": check_table},
}


def generated(name: str) -> str:
    """A file with what follows from the program between its markers."""
    text = (ROOT / name).read_text()
    with called(Calling("aws-airflow")):
        parts = {marker: made() for marker, made in PARTS[name].items()}
    for marker, part in parts.items():
        between = rf"(?s)(?<=<!-- {marker} -->\n)(?:.*?\n)??(?=<!-- /{marker} -->)"
        assert re.search(between, text), f"{name} has no <!-- {marker} --> … <!-- /{marker} -->"
        text = re.sub(between, lambda _, part=part: f"{part}\n", text)
    return text


def main() -> None:
    """Write them; with `--check` only name those that are stale, with exit code 1."""
    made = {name: generated(name) for name in PARTS}
    stale = [name for name, text in made.items() if (ROOT / name).read_text() != text]
    if "--check" in sys.argv:
        raise SystemExit("\n".join(stale) or 0)
    for name in stale:
        (ROOT / name).write_text(made[name])


if __name__ == "__main__":
    main()
