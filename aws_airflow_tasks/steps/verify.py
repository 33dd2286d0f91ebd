"""Proof, in layers, up to a real DAG run that prints the value from the backend.

Airflow hides backend errors, and in Airflow 3 a task that has no credentials asks the API server, which may have some:
so a green task proves little. Each layer is probed where it counts, and the first one that fails is named.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from secrets import token_hex

from aws_airflow_tasks.core import NOT_NEEDED, Check, Plan, TaskError
from aws_airflow_tasks.runtimes import Runtime, Service
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import (
    check_values,
    dag,
    env,
    layers,
    mount,
    provider,
    staging,
    start,
    symptoms,
    unwell,
)
from aws_airflow_tasks.steps.layers import LAYERS
from aws_airflow_tasks.steps.probing import SCHEDULER, Expected, backend_check, beaten, hook_check, service_checks
from aws_airflow_tasks.text.calling import command, under
from aws_airflow_tasks.text.cleaning import HIDDEN
from aws_airflow_tasks.text.doing import counted
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import airflow_api, cli, dag_runs
from aws_airflow_tasks.world.airflow_api import Unwell
from aws_airflow_tasks.world.aws import Identity
from aws_airflow_tasks.world.dag_runs import DagRun
from aws_airflow_tasks.world.threads import begin


def checks(site: Site) -> Iterator[Check]:
    """Every layer's finding, in order, up to the first cause; the slow ones are probed side by side."""
    return layers.ended(_found(Site(site.settings._replace(fresh=True, check=False))))


def _found(site: Site) -> Iterator[Check]:
    """What is found, as long as anything can be: what is missing at the end needs a layer that failed."""
    try:
        who = site.identity.identity
        yield Check("host-identity", "ok", f"{who.arn}{staging.lasting(site)}")
    except TaskError as error:
        yield Check("host-identity", "failed", error.message, error.hint)
        yield from (_provider(site), _reported("runtime-healthy", partial(_healthy, site)))
        return
    try:
        values = _values(site)
    except TaskError as error:
        yield Check("raw-secret", "failed", error.message, error.hint)
        values = None
    yield from _converged(site)
    healthy = _reported("runtime-healthy", partial(_healthy, site))
    yield healthy
    if healthy.status == "ok":
        yield from _inside(site, who, values)


def _inside(site: Site, who: Identity, values: tuple[str, str] | None) -> Iterator[Check]:
    try:
        expected = _expected(site, who, values)
    except TaskError:  # as the plan of `.env` has said
        inside = LAYERS[LAYERS.index("runtime-healthy") + 1 :]
        yield from (Check(layer, "skipped", "files-converged failed") for layer in inside)
    else:
        yield from _in_services(site, expected)


def _values(site: Site) -> tuple[str, str]:
    """The check variable's value and the check connection's host, as this host reads them; empty without a backend."""
    if site.backend is None:
        return "", ""
    variable, connection = check_values.both(site, site.backend)
    return variable, check_values.host(site.backend, connection)


def _expected(site: Site, who: Identity, values: tuple[str, str] | None) -> Expected:
    """What the services should see; without ``values`` no more than what needs none is looked at."""
    lines = env.wanted(site)
    ours, wanted = env.ours(site, lines), {name: value for name, value in lines.items() if value is not None}
    variable, host = values or (None, "")
    key = token_hex(16) if site.backend and site.settings.check_entries == "read" else ""
    return Expected(who, wanted, variable, host, ours, key)


def _converged(site: Site) -> Iterator[Check]:
    """`verify` means that applying would do nothing; of a file that is not needed the layer of its own name tells."""
    name = "files-converged"
    found = (_reported(name, partial(_file, name, step.plan, site)) for step in (mount, env, dag))
    yield from (check for check in found if check.status != "skipped")
    yield _provider(site)


def _provider(site: Site) -> Check:
    return _reported("provider", partial(_file, "provider", provider.plan, site, command("provider start")))


def _file(name: str, plan: Callable[[Site], Plan], site: Site, hint: str = command("setup")) -> Check:
    planned = plan(site)
    if planned.needed:
        return Check(name, "failed", f"{planned.about} differs: {planned.needed[0].reason}", hint)
    reason = f"{NOT_NEEDED}{planned.reason}" if planned.skipped else planned.reason
    return Check(name, "skipped" if planned.skipped else "ok", f"{planned.target}: {reason}")


def _reported(name: str, finding: Callable[[], Check], service: str = "") -> Check:
    try:
        return finding()
    except TaskError as error:
        return Check(name, "failed", error.message, error.hint, service)


def _healthy(site: Site) -> Check:
    found = {service.name: service.healthy for service in site.running}
    missing = [name for name in site.runtime.services() if not found.get(name)]
    if missing:
        error = unwell.told(site, TaskError(f"not healthy: {', '.join(missing)}", hint=command("start")), missing)
        return Check("runtime-healthy", "failed", error.message, error.hint)
    return Check("runtime-healthy", "ok", counted(len(found), "service"))


def _in_services(site: Site, expected: Expected) -> Iterator[Check]:
    unwanted, found = threading.Event(), list[Check]()
    if expected.variable is None:  # there is nothing to be found in Airflow, which has been told
        found.append(Check("raw-secret", "failed"))
    else:
        proof = begin(partial(_proof, site, expected, unwanted))
        backend = begin(partial(_reported, "backend", partial(backend_check, site, expected), SCHEDULER))
    probes = [begin(partial(_probed, site, names, expected)) for names in _places(site.runtime, site.running)]

    def told(checks: Iterable[Check]) -> Iterator[Check]:
        for check in checks:
            found.append(check)
            yield check

    try:
        yield from told(_mounts(site))
        probed = [check for probe in probes for check in probe.result()]
        yield from told(sorted(probed, key=lambda check: LAYERS.index(check.check)))
        if not layers.cause("backend", layers.failures(found)):
            yield from told([backend.result()])
        if not layers.cause("dag-run", layers.failures(found)):
            yield from proof.result()
            return
        unwanted.set()
        cli.stop_running()
        if not layers.cause("hook-identity", layers.failures(found)):
            yield _reported("hook-identity", partial(hook_check, site, expected, ()), SCHEDULER)
    except BaseException:  # nobody reads on, so nothing goes on
        unwanted.set()
        cli.stop_running()
        raise


def _places(runtime: Runtime, running: tuple[Service, ...]) -> list[list[str]]:
    """The services' names, those together that see the same: processes of this host with the same environment."""
    places: dict[Hashable, list[str]] = {}
    for service in running:
        place = service.name if runtime.mounts else frozenset(service.environment.items())
        places.setdefault(place, []).append(service.name)
    return list(places.values())


def _probed(site: Site, names: Sequence[str], expected: Expected) -> list[Check]:
    """What one probe finds, said of every service of that place."""
    try:
        found = list(service_checks(site, names[0], expected))
    except TaskError as error:
        found = [Check("files-readable", "failed", error.message, error.hint)]
    if ours := expected.ours:
        variables = next(service.environment for service in site.running if service.name == names[0])
        found = [beaten(site, each, variables, ours) if each.check == "environment" else each for each in found]
    return [check._replace(service=name) for check in found for name in names]


def _mounts(site: Site) -> Iterator[Check]:
    if not site.runtime.mounts:
        yield Check("mount", "skipped", f"{NOT_NEEDED}the {site.runtime.name} runtime reads this host's files itself")
        return
    for service in site.running:
        problem = start.mount_problem(service, site.settings.mount_path, site.delivered.directory)
        yield Check(
            "mount",
            "failed" if problem else "ok",
            problem or "read-only",
            command("start") if problem else "",
            service.name,
        )


def _proof(site: Site, expected: Expected, unwanted: threading.Event) -> list[Check]:
    """What a run of the example DAG proves: whom DAG code acts as, and what it reads."""
    lines: Sequence[str] = ()
    try:
        run, lines = _run(site, unwanted, {"key": expected.key} if expected.key else {})
        proof = _dag_run(site, expected, run, lines)
    except TaskError as error:
        if isinstance(error, Unwell) and not unwanted.is_set():
            error = unwell.told(site, error)
        proof = Check("dag-run", "failed", error.message, error.hint)
    if unwanted.is_set():
        return [proof]
    hook = _reported("hook-identity", partial(hook_check, site, expected, lines), SCHEDULER)
    if hook.status == proof.status == "failed" and _has_printed(site, expected, lines):
        proof = Check("dag-run", "skipped", "hook-identity failed")  # the task's last lines, and all that it failed at
    return [hook, proof]


def _run(site: Site, unwanted: threading.Event, conf: Mapping[str, str]) -> tuple[DagRun, Sequence[str]]:
    """Run the example DAG; the run and its task's log."""
    api = airflow_api.connect(site.runtime.login(), wait=site.settings.wait, unwanted=unwanted)
    run = dag_runs.run(api, dag.DAG_ID, conf)
    return run, dag_runs.log_of(api, dag.DAG_ID, run.run_id, dag.TASK_ID)


def _dag_run(site: Site, expected: Expected, run: DagRun, lines: Sequence[str]) -> Check:
    """Search the log of a run's task for what it must have printed: our values, not others.

    Raises:
        Unwell: there is nothing in the log, and Airflow's services may tell why.
        TaskError: the run failed.
    """
    if run.state != "success":
        raise _unsuccessful(site, run.state, lines)
    if site.backend is None:
        return Check("dag-run", "ok", run.run_id)
    if not _has_printed(site, expected, lines):
        if not any(f"variable {site.settings.check_variable} " in line for line in lines):
            unread = f"{run.run_id} succeeded, but its log cannot be read: {telling(chr(10).join(lines), UNREADABLE)}"
            raise Unwell(unread, hint=f"{command('stop')} && {command('start')}")
        if any(f"variable {site.settings.check_variable} = {HIDDEN}" in line for line in lines):
            hidden = (
                f"Airflow hides variable {site.settings.check_variable} in its log: its name or value sounds secret"
            )
            raise TaskError(f"{run.run_id}: {hidden}", hint=under({"check_entries": "read"}, "setup"))
        detail = f"{run.run_id} succeeded, but printed another value than the backend has"
        return Check("dag-run", "failed", detail, dag_runs.anew())
    if expected.key:
        return Check("dag-run", "ok", f"printed what tells the value of variable {site.settings.check_variable}")
    return Check("dag-run", "ok", f"printed: variable {site.settings.check_variable} = {expected.variable}")


def _unsuccessful(site: Site, state: str, lines: Sequence[str]) -> TaskError:
    """What the log of a run that failed says of why; a task that could not even write says nothing."""
    line, known = _telling(lines), symptoms.found("\n".join(lines), site.credentials.profile)
    cause = next((each for each in known if each.check != "files-readable"), None)  # seen before
    if cause:
        return TaskError(f"the DAG run {state}: {cause.detail} ({line})", hint=cause.hint)
    kind = Unwell if line == NO_ERROR else TaskError
    return kind(f"the DAG run {state}: {line}", hint=command("open"))


def _has_printed(site: Site, expected: Expected, lines: Sequence[str]) -> bool:
    name, key = site.settings.check_variable, expected.key
    wanted = [f"variable {name} = {expected.variable}", f"has host = {expected.host}"]
    if key:
        wanted = [f"HMAC = {dag.marked(key, value)}" for value in (expected.variable or "", expected.host)]
    ends = [re.compile(rf"{re.escape(each)}(?![^\s\"'])") for each in wanted]
    return all(any(each.search(line) for line in lines) for each in ends)


#: what is told of a log in which nothing failed
NO_ERROR = "its log names no error"
#: what Airflow logs where its secrets backend raised; a lookup that goes on to the next one hides it otherwise
BACKEND_RAISED = r"(?i)Unable to retrieve (variable|connection)\b.* from secrets backend"


#: how Airflow's web service says that it could not get a task's log from where the task ran
UNREADABLE = r"(?i)could not (read|find)|failed to fetch|does not exist|no such file|forbidden|secret_key|no logs"


def _telling(lines: Sequence[str]) -> str:
    """The line of a task's log that names its failure: what the backend raised, as that is the cause, else the last."""
    last = telling("\n".join(lines), r"(Error|Exception|NOT_FOUND)\b", otherwise=NO_ERROR)
    asked = next((number for number, line in enumerate(lines) if re.search(BACKEND_RAISED, line)), len(lines))
    return telling("\n".join(lines[asked:]), r"^[\w.]+(Error|Exception)\b", first=True, otherwise=last)
