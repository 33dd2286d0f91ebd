"""What a service sees from inside: files, environment, identity, the raw secret; where tasks run, backend and hooks."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aws_airflow_tasks.core import NOT_NEEDED, Check, TaskError, digest, sh
from aws_airflow_tasks.runtimes import precedence
from aws_airflow_tasks.runtimes.precedence import Ours
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import diagnosis, env, inside, symptoms
from aws_airflow_tasks.text.calling import command, under
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.text.hints import where
from aws_airflow_tasks.text.telling import telling
from aws_airflow_tasks.world import endpoints, readable, seeing, sessions, staging
from aws_airflow_tasks.world.aws import Identity, principal
from aws_airflow_tasks.world.readable import Files, Place

#: seconds that a probe gets at least, however short the wait for Airflow itself
LIMIT = 120
#: what parts a team's name from the rest of an entry's, in Airflow's multi-team mode
TEAM = "--"
#: where tasks run with the LocalExecutor
SCHEDULER = "scheduler"


class Expected(NamedTuple):
    """What the services should see, as this host sees it.

    Attributes:
        identity: who AWS says we are.
        environment: the lines that we keep in ``.env``.
        variable: the check variable's value; empty without a backend, None where this host cannot read it.
        host: the check connection's host.
        ours: what their processes should resolve; None: nobody looks for what beats it.
        key: under which the example DAG is to print HMACs of the values; empty: it prints them themselves.
    """

    identity: Identity
    environment: Mapping[str, str]
    variable: str | None = ""
    host: str = ""
    ours: Ours | None = None
    key: str = ""


def _script(name: str) -> str:
    return Path(__file__).with_name(f"{name}.py.txt").read_text(encoding="utf-8")


def _ask(site: Site, service: str, script: str, question: dict[str, Any]) -> dict[str, Any]:
    """Run a script where ``service`` runs and return the JSON object that it prints."""
    argv, limit = ["python", "-", json.dumps(question)], max(LIMIT, site.settings.wait)
    done = site.runtime.exec(service, argv, stdin=_script("told") + _script(script), timeout=limit)
    try:
        answer: dict[str, Any] = dict(from_json(done.stdout.strip().splitlines()[-1]).items())
    except (ValueError, IndexError, AttributeError):
        known = next(iter(symptoms.found(done.stderr, site.credentials.profile)), None)
        if known:
            raise TaskError(f"the probe did not run: {known.detail}", hint=known.hint) from None
        raise TaskError(f"the probe did not run: {telling(done.stderr, '')}", hint=command("start")) from None
    return answer


def service_checks(site: Site, service: str, expected: Expected) -> Iterator[Check]:
    """Probe one service where it runs, and say what each layer found.

    Raises:
        TaskError: nothing can be run there.
    """
    wanted, backend = expected.environment, site.backend
    looked_for = backend and expected.variable is not None
    secret = backend.read(backend.variable_name(site.settings)) if backend and looked_for else None
    services = ("sts", secret.service) if secret else ("sts",)
    question = {
        "files": [wanted["AWS_CONFIG_FILE"], wanted["AWS_SHARED_CREDENTIALS_FILE"]],
        "names": list(wanted),
        "endpoints": {each: endpoints.of(site.credentials.endpoints, each) for each in services},
        "region": wanted["AWS_DEFAULT_REGION"],
        "secret": secret._asdict() if secret else None,
        "agent": sessions.agent(),
    }
    found = _ask(site, service, "probe", question)
    yield _files_readable(site, service, found)
    yield _environment(site, service, found["environment"], wanted)
    yield _identity(site, service, found["identity"], expected)
    if "secret" in found:
        yield _raw_secret(site, service, found["secret"], expected)


def _files_readable(site: Site, service: str, found: dict[str, Any]) -> Check:
    seen, process = readable.told(found, contained=site.runtime.mounts)
    if all(each.kind == "absent" for each in seen):
        detail, hint = _nowhere(site, f"there is no {' and no '.join(each.path for each in seen)}")
        return Check("files-readable", "failed", detail, hint, service)
    problem = readable.finding(seen, process, _here(site))
    if problem:
        return Check("files-readable", "failed", *problem, service)
    return Check("files-readable", "ok", f"as uid {found['uid']}", "", service)


def _here(site: Site) -> Files:
    """The files that the services are to read, as this host has them."""
    known = site.delivered
    place: Place = "staged" if known.staged else "live" if site.runtime.mounts else "host"
    there = {path.name: path.is_file() for path in (known.config_file, known.credentials_file)}
    made = staging.last(site.state) if known.staged else None
    lost = [name for name in (made.files if made else ()) if not there.get(name, True)]
    return Files(place, known.directory, [name for name in there if there[name]], lost)


def _nowhere(site: Site, detail: str) -> tuple[str, str]:
    """Why nothing of what is mounted is there, and what to type: the mount may be of another host's directory."""
    if site.runtime.mounts and site.delivered.staged:
        try:
            seeing.check(site.delivered.directory)
        except TaskError as error:
            return error.message, error.hint
    # else it holds a directory that is gone, and looks well to a start
    return detail, f"{command('stop')} && {command('start')}"


def _environment(site: Site, service: str, found: dict[str, str | None], wanted: Mapping[str, str]) -> Check:
    differing = [
        name
        for name, value in wanted.items()
        if found.get(name) is None or env.objection(site, name, str(found[name]), value)
    ]
    if differing:
        return Check("environment", "failed", f"not as in .env: {', '.join(differing)}", command("start"), service)
    return Check("environment", "ok", f"{len(wanted)} variables as in .env", "", service)


def beaten(site: Site, check: Check, variables: Mapping[str, str], ours: Ours) -> Check:
    """What is said of a service's environment, with what in its ``variables`` beats a line of ours."""
    found = precedence.find(variables, ours)
    if not found:
        return check
    said = "; ".join([*([check.detail] if check.status == "failed" else []), *(each.said for each in found)])
    conflicts = [each.name for each in found if each.weight == "conflict"]
    if conflicts:
        return check._replace(status="failed", detail=said, hint=env.way_out(site, conflicts, command("start")))
    return check._replace(status="failed" if check.status == "failed" else "warning", detail=said)


def _identity(site: Site, service: str, found: dict[str, Any], expected: Expected) -> Check:
    if "error" in found:
        told = diagnosis.met(site, service, found["error"], plain=True)
        return Check("identity-in-service", "failed", told.message, told.hint or command("start"), service)
    arn = found["value"]["arn"]
    if stranger := _stranger(arn, expected):
        return Check("identity-in-service", "failed", stranger, diagnosis.other_keys(site), service)
    return Check("identity-in-service", "ok", arn, "", service)


def _stranger(arn: str, expected: Expected) -> str:
    """What is wrong with somebody's being ``arn``; empty: it is us."""
    ours = expected.identity.arn
    return "" if principal(arn) == principal(ours) else f"{arn}, but this host is {ours}"


def _raw_secret(site: Site, service: str, found: dict[str, Any], expected: Expected) -> Check:
    if "error" in found:
        told = diagnosis.met(site, service, found["error"], entry=_entry(site, "variable"), plain=True)
        return Check("raw-secret", "failed", told.message, told.hint or command("secrets"), service)
    same = found["value"] == digest(expected.variable)
    if same:
        return Check("raw-secret", "ok", "the value that this host reads", "", service)
    detail = "another value than this host has just read: somebody has changed it meanwhile"
    return Check("raw-secret", "failed", detail, command("verify"), service)


def backend_check(site: Site, expected: Expected) -> Check:
    """Ask the backend that Airflow's own configuration names, where tasks run, for both check entries.

    Raises:
        TaskError: nothing can be run there.
    """
    if site.backend is None:
        return Check("backend", "skipped", f"{NOT_NEEDED}no backend is set")
    names = {"variable": site.settings.check_variable, "connection": site.settings.check_connection}
    found = _ask(site, SCHEDULER, "backend", names)
    want = {"variable": digest(expected.variable), "connection": expected.host}
    for_tasks = found.get("for_tasks")
    if for_tasks and for_tasks["backend"] != found["backend"]:
        detail = f"{precedence.WORKERS} ({for_tasks['place']}): {_means(precedence.WORKERS)}: {for_tasks['backend']}"
        hint = env.way_out(site, [precedence.WORKERS], sh("less {}", for_tasks["place"]))
        return Check("backend", "failed", detail, hint, SCHEDULER)
    for answers, whose in ((found, ""), *([(for_tasks, "in a task, ")] if for_tasks else [])):
        for kind, value in want.items():
            answer = answers[kind]
            if answer.get("value") != value:
                return _not_found(site, answers, whose, kind, names[kind], bool(found.get("multi_team")))
    return Check("backend", "ok", f"{found['backend']} finds the variable and the connection", "", SCHEDULER)


def _not_found(site: Site, answers: Mapping[str, Any], whose: str, kind: str, name: str, multi_team: bool) -> Check:
    answer = answers[kind]
    if multi_team and TEAM in name:
        detail = f"in multi-team mode Airflow looks for no {kind} with {TEAM} in its name: {name}"
        hint = under({f"check_{kind}": "another_name"}, "secrets dag start")
        return Check("backend", "failed", detail, hint, SCHEDULER)
    told = TaskError("it found none" if answer.get("value") is None else "it found another one")
    if "error" in answer:
        told = diagnosis.met(site, SCHEDULER, answer["error"], entry=_entry(site, kind))
    detail = f"{whose}{answers['backend'] or 'no backend'} on {kind} {name}: {told.message}"
    return Check("backend", "failed", detail, told.hint or command("env start", "--override"), SCHEDULER)


def _entry(site: Site, kind: str) -> str:
    return str(getattr(site.backend, f"{kind}_name")(site.settings)) if site.backend else ""


#: the connection of Airflow's AWS hooks, where DAG code names no other
HOOK = "aws_default"
#: how DAG code reaches AWS, as the example DAG prints it and ``hook.py.txt`` answers it
WAYS = ("boto3", HOOK)


def hook_check(site: Site, expected: Expected, lines: Sequence[str]) -> Check:
    """Whether DAG code is us, by plain boto3 and by a hook of Airflow's.

    Args:
        site: the project.
        expected: who we are.
        lines: the log of the example DAG's task, which prints both; where it has not, the scheduler is asked.

    Raises:
        TaskError: nothing can be run there.
    """
    if site.backend is None:
        return Check("hook-identity", "skipped", f"{NOT_NEEDED}no backend is set")
    printed = {way: {"value": arn} for way in WAYS if (arn := _printed(way, lines))}
    if printed.keys() == set(WAYS) and not any(_stranger(arn["value"], expected) for arn in printed.values()):
        return Check("hook-identity", "ok", f"{printed[HOOK]['value']}, by {' and by '.join(WAYS)}")
    found = _ask(site, SCHEDULER, "hook", {}) | printed
    for way in WAYS:
        error, stranger = found[way].get("error"), _stranger(found[way].get("value", ""), expected)
        if error or stranger:
            place, hint = _place(site, found["place"].get("value")) if way == HOOK else ("", "")
            if error:  # of a connection's own keys, if there is one, and not of a profile's
                told = diagnosis.unknown(error) if place else diagnosis.met(site, SCHEDULER, error)
                stranger, hint = told.message, hint or told.hint
            where = f", a connection in {place}" if place else ""
            return Check("hook-identity", "failed", f"by {way}{where}: {stranger}", hint or command("start"), SCHEDULER)
    return Check("hook-identity", "ok", f"{found[HOOK]['value']}, by {' and by '.join(WAYS)}", "", SCHEDULER)


def _printed(way: str, lines: Sequence[str]) -> str:
    """The ARN that the example DAG printed; empty: it did not, or Airflow hid a part of it."""
    found = (re.search(rf"identity by {way} = (arn:[^\s*]+)(?!\S)", line) for line in lines)
    return next((match[1] for match in found if match), "")


def _place(site: Site, holder: str | None) -> tuple[str, str]:
    """Where the hook's connection stands, and the command that looks at it.

    Args:
        site: the project.
        holder: the class of the secrets backend that has it; None: there is no such connection.
    """
    if holder and site.backend and holder == site.backend.CLASS.rpartition(".")[2]:
        name = site.backend.name(site.settings.connections_prefix, HOOK)
        return f"{site.backend.ENTRY} {name}", site.backend.look(name, site.account)
    if holder == "EnvironmentVariablesBackend":
        variable = f"AIRFLOW_CONN_{HOOK.upper()}"
        return variable, where([variable], *inside.FILES)
    if holder == "MetastoreBackend":
        return "Airflow's database", command("open") + "   # Admin, Connections"
    return holder or "", ""


def _means(name: str) -> str:
    return next(row.means for row in precedence.ROWS if row.name == name)
