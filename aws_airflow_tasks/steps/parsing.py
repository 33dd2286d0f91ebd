"""Every DAG of a copied project is parsed where Airflow does it, and what cannot be imported is named."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aws_airflow_tasks.core import Check, TaskError, sh
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import start
from aws_airflow_tasks.steps.dag import DAG, DAG_ID
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.text.redaction import redact_output
from aws_airflow_tasks.text.telling import telling

#: the name of the check
NAME = "dags-parsed"
#: seconds for all of them, at least; Airflow itself gives each file 30
LIMIT = 600

#: the line of a traceback that names what was raised
_RAISED = r"^[\w.]+(?:Error|Exception|Timeout|Exit)\b"


def checks(site: Site, source: Path) -> Iterator[Check]:
    """One finding for each file that cannot be imported, and one for the rest.

    Args:
        site: of the copy; Airflow runs there.
        source: the project that it is a copy of, whose files a person mends.
    """
    try:
        found = _parsed(site)
    except TaskError as error:
        yield Check(NAME, "failed", error.message, error.hint)
        return
    for file, trace in sorted(found["errors"].items()):
        yield _broken(site, source, file, trace)
    dags = sorted(dag for dag in found["dags"] if dag != DAG_ID)
    files = {file for dag, file in found["dags"].items() if dag != DAG_ID}
    if dags:
        shown = f"{', '.join(dags[:5])}{', …' if len(dags) > 5 else ''}"
        yield Check(NAME, "ok", f"{_many(len(dags), 'DAG')} in {_many(len(files), 'file')}: {shown}")
    elif not found["errors"]:
        yield Check(NAME, "failed", f"no file in {source / 'dags'} has a DAG in it", sh("ls {}", source / "dags"))


def _many(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _parsed(site: Site) -> dict[str, Any]:
    script = Path(__file__).with_name("parse.py.txt").read_text(encoding="utf-8")
    question = {"folder": str(site.project / "dags"), "major": site.runtime.major()}
    limit = max(LIMIT, site.settings.wait)
    done = site.runtime.exec("scheduler", ["python", "-", json.dumps(question)], stdin=script, timeout=limit)
    try:
        return dict(from_json(done.stdout.strip().splitlines()[-1]).items())
    except (ValueError, IndexError, AttributeError):
        said = redact_output(telling(done.stderr), start.read_environment(site))
        raise TaskError(f"the DAGs were not parsed: {said}", hint=command("start")) from None


def _broken(site: Site, source: Path, file: str, trace: str) -> Check:
    """What a file cannot be imported for, and the line of the person's own code that it fails in."""
    name, own = _within(site, file), [*_frames(site, trace)]
    place, line = own[-1] if own else (name, "1")
    why = redact_output(telling(trace, _RAISED), start.read_environment(site))
    where = "" if place == name else f" (in {place}, line {line})" if own else ""
    return Check(NAME, "failed", f"{name}: {why}{where}", sh(f"less +{line} {{}}", source / place))


def _frames(site: Site, trace: str) -> Iterator[tuple[str, str]]:
    """The places in the project that a traceback leads through, the outermost first."""
    for file, line in re.findall(r'File "([^"]+)", line (\d+)', trace):
        if Path(file).is_relative_to(site.project):
            yield _within(site, file), line


def _within(site: Site, file: str) -> str:
    """A file's path in the project; Airflow 3 names it from the DAGs' folder on."""
    return os.path.relpath(site.project / Path(DAG).parent / file, site.project)
