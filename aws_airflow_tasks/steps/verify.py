"""Proof, in layers, up to a real DAG run that prints the value from the backend.

Airflow hides backend errors, and in Airflow 3 a task that has no credentials asks the API server, which may have some:
so a green task proves little. Each layer is probed where it counts, and the first one that fails is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Check, Plan, TaskError
from aws_airflow_tasks.runtimes import Runtime, Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import creds, dag, env, mount, secrets, start
from aws_airflow_tasks.steps.probing import LAYERS, SCHEDULER, Expected, backend_check, service_checks
from aws_airflow_tasks.world import airflow_api, aws, identity


def checks(settings: Settings, state: Path) -> Iterator[Check]:
    """Every layer's finding, in order; the slow ones are probed side by side."""
    settings = replace(settings, fresh=True, check=False)
    try:
        expected = _expected(settings, state)
    except TaskError as error:
        yield Check("host-identity", "failed", error.message, error.hint)
        return
    yield Check("host-identity", "ok", expected.identity.arn)
    yield from _converged(settings, state)
    runtime = runtimes.choose(settings, state)
    try:
        running = runtime.running()
    except TaskError as error:
        yield Check("runtime-healthy", "failed", error.message, error.hint)
        return
    yield _healthy(runtime, running)
    yield from _in_services(settings, state, runtime, running, expected)


def _expected(settings: Settings, state: Path) -> Expected:
    who = identity.known(settings, state).identity
    wanted = {name: value for name, value in env.wanted(settings, state).items() if value is not None}
    if settings.backend == "none":
        return Expected(who, wanted)
    account = aws.connect(settings)
    variable = _value(account, secrets.variable_name(settings))
    connection = _value(account, secrets.connection_name(settings))
    return Expected(who, wanted, variable, secrets.connection_host(connection) or "")


def _value(account: aws.Account, name: str) -> str:
    value = aws.get_secret(account, name)
    if value is None:
        raise TaskError(f"there is no secret {name} with a text value", hint="invoke secrets")
    return value


def _converged(settings: Settings, state: Path) -> Iterator[Check]:
    """`verify` means that applying would do nothing."""
    for step in (mount, env, dag):
        yield _reported("files-converged", partial(_file, step.plan, settings, state))


def _file(plan: Callable[[Settings, Path], Plan], settings: Settings, state: Path) -> Check:
    planned = plan(settings, state)
    if planned.needed:
        return Check(
            "files-converged", "failed", f"{planned.about} differs: {planned.needed[0].reason}", "invoke setup"
        )
    return Check("files-converged", "skipped" if planned.skipped else "ok", f"{planned.target}: {planned.reason}")


def _reported(name: str, finding: Callable[[], Check], service: str = "") -> Check:
    try:
        return finding()
    except TaskError as error:
        return Check(name, "failed", error.message, error.hint, service)


def _healthy(runtime: Runtime, running: tuple[Service, ...]) -> Check:
    found = {service.name: service.healthy for service in running}
    missing = [name for name in runtime.services() if not found.get(name)]
    if missing:
        return Check("runtime-healthy", "failed", f"not healthy: {', '.join(missing)}", "invoke start")
    return Check("runtime-healthy", "ok", ", ".join(found))


def _in_services(
    settings: Settings, state: Path, runtime: Runtime, running: tuple[Service, ...], expected: Expected
) -> Iterator[Check]:
    with ThreadPoolExecutor(max_workers=len(running) + 2) as pool:
        proof = pool.submit(_reported, "dag-run", partial(_dag_run, settings, runtime, expected))
        backend = pool.submit(_reported, "backend", partial(backend_check, settings, runtime, expected), SCHEDULER)
        probes = [pool.submit(_probed, settings, runtime, names, expected) for names in _places(runtime, running)]
        try:
            yield from _mounts(settings, state, runtime, running)
            found = [check for probe in probes for check in probe.result()]
            yield from sorted(found, key=lambda check: LAYERS.index(check.check))
            yield backend.result()
            yield proof.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _places(runtime: Runtime, running: tuple[Service, ...]) -> list[list[str]]:
    """The services' names, those together that see the same: processes of this host with the same environment."""
    places: dict[Hashable, list[str]] = {}
    for service in running:
        place = service.name if runtime.mounts else frozenset(service.environment.items())
        places.setdefault(place, []).append(service.name)
    return list(places.values())


def _probed(settings: Settings, runtime: Runtime, names: Sequence[str], expected: Expected) -> list[Check]:
    """What one probe finds, said of every service of that place."""
    try:
        found = list(service_checks(settings, runtime, names[0], expected))
    except TaskError as error:
        found = [Check("files-readable", "failed", error.message, error.hint)]
    return [check._replace(service=name) for check in found for name in names]


def _mounts(settings: Settings, state: Path, runtime: Runtime, running: tuple[Service, ...]) -> Iterator[Check]:
    if not runtime.mounts:
        yield Check("mount", "skipped", f"the {runtime.name} runtime reads this host's files itself")
        return
    source = creds.delivered(settings, state).directory
    for service in running:
        problem = start.mount_problem(service, settings.mount_path, source)
        yield Check(
            "mount",
            "failed" if problem else "ok",
            problem or "read-only",
            "invoke start" if problem else "",
            service.name,
        )


def _dag_run(settings: Settings, runtime: Runtime, expected: Expected) -> Check:
    """Run the example DAG and search its task's log for what it must have printed: our values, not others."""
    api = airflow_api.connect(runtime.login())
    run = airflow_api.run(api, dag.DAG_ID, wait=settings.wait)
    lines = api.log(dag.DAG_ID, run.run_id, dag.TASK_ID).splitlines()
    if run.state != "success":
        return Check("dag-run", "failed", f"the DAG run {run.state}: {_telling(lines)}", f"open {runtime.login().url}")
    if settings.backend == "none":
        return Check("dag-run", "ok", run.run_id)
    for wanted in (f"variable {settings.check_variable} = {expected.variable}", f"has host = {expected.host}"):
        if not any(wanted in line for line in lines):
            detail = f"{run.run_id} succeeded, but printed another value than the backend has"
            return Check("dag-run", "failed", detail, "invoke dag --diff")
    return Check("dag-run", "ok", f"printed: variable {settings.check_variable} = {expected.variable}")


#: what Airflow logs where its secrets backend raised; a lookup that goes on to the next one hides it otherwise
BACKEND_RAISED = re.compile(r"Unable to retrieve (variable|connection)\b.* from secrets backend", re.IGNORECASE)


def _telling(lines: Sequence[str]) -> str:
    """The line of a task's log that names its failure: what the backend raised, as that is the cause, else the last."""
    asked = next((number for number, line in enumerate(lines) if BACKEND_RAISED.search(line)), len(lines))
    raised = [line for line in lines[asked:] if re.match(r"[\w.]+(Error|Exception)\b", line)]
    named = [line for line in lines if re.search(r"(Error|Exception|NOT_FOUND)\b", line)]
    return [*raised[:1], *reversed(named), "its log names no error"][0].strip()[:300]
