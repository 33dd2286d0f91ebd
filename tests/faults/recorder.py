"""Runs `aws-airflow` as it is, and writes down what it tells causes from: errors, probes' answers, a DAG run's end.

``FAULTS_RECORD`` names the file; a line of JSON each: what it is, and the data.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # this is run by its path, where anybody is

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.program import main
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import probing, symptoms
from aws_airflow_tasks.world import causes, dag_runs
from aws_airflow_tasks.world.airflow_api import Api, DagImportError
from tests.steps.raised import data

ask, explain, run, log_of, import_errors = (
    probing._ask,
    causes.explain,
    dag_runs.run,
    dag_runs.log_of,
    Api.import_errors,
)


def wrote(kind: str, what: Any) -> None:
    with Path(os.environ["FAULTS_RECORD"]).open("a") as file:
        file.write(json.dumps([kind, what]) + "\n")


def asked(site: Site, service: str, script: str, question: dict[str, Any]) -> dict[str, Any]:
    """A probe's answer."""
    answer = ask(site, service, script, question)
    wrote(script, answer)
    return answer


def explained(error: Exception, subject: causes.Subject) -> TaskError:
    """An error that this host met; one that a probe has told of is part of that one's answer."""
    if not isinstance(error, symptoms.Told):
        wrote("host", {**data(error), "about": list(subject.resources)})
    return explain(error, subject)


def ran(api: Api, dag_id: str, conf: Mapping[str, str] | None = None) -> dag_runs.DagRun:
    """The end of a DAG's run."""
    ended = run(api, dag_id, conf)
    wrote("state", ended.state)
    return ended


def logged(api: Api, dag_id: str, run_id: str, task_id: str) -> list[str]:
    """The log of a run's task."""
    lines = log_of(api, dag_id, run_id, task_id)
    wrote("log", lines)
    return lines


def unimported(api: Api) -> list[DagImportError]:
    """What Airflow could not import."""
    found = import_errors(api)
    wrote("imports", [list(each) for each in found])
    return found


if __name__ == "__main__":
    probing._ask, causes.explain = asked, explained
    dag_runs.run, dag_runs.log_of = ran, logged
    Api.import_errors = unimported  # type: ignore[method-assign]
    sys.argv[0] = str(Path(sys.executable).with_name("aws-airflow"))
    sys.exit(main())
