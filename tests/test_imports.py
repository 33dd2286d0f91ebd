"""How the modules hang together: who imports what, where, and when."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.runtimes import ALL

PACKAGE = "aws_airflow_tasks"
ROOT = Path(__file__).parent.parent
#: by the package that a person installs, what is imported of it where that has another name
OF_ONE = {"botocore": "boto3"}


class Import(NamedTuple):
    """One import: by which module, of which one, and whether in a function (``late``) or for types alone."""

    by: str
    of: str
    late: bool
    types: bool


def named(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {named(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}


def imports(by: str, node: ast.AST, *, late: bool = False, types: bool = False) -> Iterator[Import]:
    """What stands in ``node``, at any depth."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(by, alias.name, late, types) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            of = child.module or ""
            names = {inner if (inner := f"{of}.{alias.name}") in MODULES else of for alias in child.names}
            yield from (Import(by, name, late, types) for name in sorted(names))
        else:
            inside = late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            typing = types or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
            yield from imports(by, child, late=inside, types=typing)


FOUND = [each for name, path in MODULES.items() for each in imports(name, ast.parse(path.read_text()))]
EDGES = {(each.by, each.of) for each in FOUND if each.of in MODULES and each.of != each.by}


def library(module: str) -> str:
    top = module.partition(".")[0]
    return OF_ONE.get(top, top)


def test_a_library_that_loads_late_loads_from_one_module_alone() -> None:
    places: dict[bool, dict[str, set[str]]] = {True: defaultdict(set), False: defaultdict(set)}
    for each in FOUND:
        if not each.types and library(each.of) not in {PACKAGE, *sys.stdlib_module_names}:
            places[each.late][library(each.of)].add(each.by)
    doors = {name: found for name, found in places[True].items() if name not in places[False]}
    assert {"boto3", "docker", "psutil", "requests", "rich", "ruamel"} <= doors.keys()
    assert {name: found for name, found in doors.items() if len(found) > 1} == {}


def test_our_own_modules_load_late_at_four_doors_alone() -> None:
    """The menu; ``Play.site``, which a play without one does without; the table of runtimes, for the one in use; and
    what cleans invoke's own log, if there is one.
    """
    late = {(each.by, each.of) for each in FOUND if each.late and each.of.startswith(PACKAGE)}
    runtimes = {(f"{PACKAGE}.runtimes", f"{PACKAGE}.runtimes.{name}") for name in ALL}
    assert {edge for edge in late if not edge[0].startswith(f"{PACKAGE}.menu")} == {
        (PACKAGE, f"{PACKAGE}.text.cleaning"),
        (f"{PACKAGE}.play", f"{PACKAGE}.site"),
        *runtimes,
    }
    assert len(late) > 10


def test_for_one_runtime_none_of_the_others_is_loaded_nor_what_only_they_or_few_projects_need(tmp_path: Path) -> None:
    others = [f"{PACKAGE}.runtimes.{name}" for name in ("embedded", "standalone", "venv", "airflow_config")]
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        f"from {PACKAGE} import runtimes\n"
        f"from {PACKAGE}.settings import Settings\n"
        f"from {PACKAGE}.steps import creds, env, mount\n"
        "found = runtimes.choose(Settings(runtime='docker', project=Path.cwd()), Path.cwd())\n"
        f"print(found.name, [name for name in {[*others, 'configparser', 'uuid']!r} if name in sys.modules])"
    )
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.stdout == "docker []\n", done.stderr


def test_no_import_leads_back_to_where_it_came_from() -> None:
    """Late ones, and those for types, count too."""
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for by, of in EDGES:
        graph[by].add(of)
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


if __name__ == "__main__":
    print(f"{len(EDGES)} imports among {len(MODULES)} modules: {len(EDGES) / len(MODULES):.2f} a module")
