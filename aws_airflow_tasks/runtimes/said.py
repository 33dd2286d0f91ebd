"""What Airflow, Docker and the Astro CLI say when something is wrong: a line of a log -> layer, cause and command."""

import re
from typing import NamedTuple

from aws_airflow_tasks.text.calling import command, under

#: what Airflow says of a backend that it cannot load: no command of it starts then
_UNLOADABLE = r'The object could not be loaded\. Please check "backend" key in "secrets" section'
#: where it says which one: a class that is not the amazon provider's
_ANOTHER = r'\.? Current value: "(?!airflow\.providers\.amazon\.|\*)'
#: causes that are mended otherwise where Airflow runs in no container
CORRUPT, FULL = "Airflow's database is corrupt", "the disk is full"
#: the layers without which Airflow does not come up
FATAL = ("provider", "runtime-healthy")


class Symptom(NamedTuple):
    """A pattern of one line of a log, such a line in short, the layer, the cause and the command."""

    seen: str
    says: str
    layer: str
    cause: str
    hint: str


def death(log: str) -> Symptom | None:
    """Why an Airflow did not come up, by the end of its log; None: that tells nothing that is known."""
    return next((row for row in table() if row.layer in FATAL and re.search(row.seen, log)), None)


def table() -> tuple[Symptom, ...]:
    """What is no error of AWS's or botocore's, with commands in the way in which this one was called."""
    return (
        Symptom(
            _UNLOADABLE + _ANOTHER,
            'The object could not be loaded. Please check "backend" key in "secrets" section. Current value: "my.B"',
            "provider",
            "Airflow cannot load its secrets backend, the class that AIRFLOW__SECRETS__BACKEND names",
            "grep -n AIRFLOW__SECRETS__BACKEND= .env   # correct or remove that line, then: "
            + command("env provider start"),
        ),
        Symptom(
            rf"{_UNLOADABLE}(?!{_ANOTHER})|No module named '?airflow\.providers\.amazon",
            'The object could not be loaded. Please check "backend" key in "secrets" section.',
            "provider",
            "Airflow cannot load the secrets backend: the package apache-airflow-providers-amazon is not installed",
            command("provider start"),
        ),
        Symptom(
            r"Cannot connect to the Docker daemon|[Ii]s the docker daemon running",
            "Cannot connect to the Docker daemon",
            "runtime-healthy",
            "no Docker engine answers",
            "docker info",
        ),
        Symptom(
            r"permission denied while trying to connect to the Docker",
            "permission denied while trying to connect to the Docker daemon socket",
            "runtime-healthy",
            "you have no permission on the Docker engine's socket",
            "sudo usermod -aG docker $USER && newgrp docker",
        ),
        Symptom(
            r"port is already allocated|[Aa]ddress already in use|ports are not available",
            "port is already allocated",
            "runtime-healthy",
            "a port that Airflow wants is taken by another program",
            "docker ps   # or another port: astro config set webserver.port 8081",
        ),
        Symptom(
            r"No space left on device|database or disk is full|[Dd]isk quota exceeded",
            "No space left on device",
            "runtime-healthy",
            FULL,
            "df -h && docker system df   # make room where it is full",
        ),
        Symptom(
            r"database disk image is malformed|file is not a database|invalid page in block|could not read block \d+",
            "database disk image is malformed",
            "runtime-healthy",
            CORRUPT,
            f"astro dev kill && {command('start')}   # what is in it is lost",
        ),
        Symptom(
            r"too many clients already|remaining connection slots are reserved",
            "remaining connection slots are reserved",
            "runtime-healthy",
            "Airflow's database takes no further connection",
            f"{command('stop')} && {command('start')}",
        ),
        Symptom(
            r"database is locked",
            "database is locked",
            "runtime-healthy",
            "Airflow's database is locked",
            f"{command('stop')} && {command('start')}",
        ),
        Symptom(
            r"\bOOMKilled\b|exit(?:ed)?(?: with)?(?: code)? \(?137\b|\bSignals\.SIGKILL\b|Out of memory: Killed",
            "exited with code 137",
            "runtime-healthy",
            "a process was killed, most likely as the engine has too little memory",
            "docker info   # Total Memory: Airflow wants 4 GiB and more",
        ),
        Symptom(
            r"Read-only file system: '?[^'\n]*sso/cache",
            "Read-only file system: '/home/astro/.aws/sso/cache/…'",
            "files-readable",
            "Airflow cannot renew an SSO session on a read-only mount",
            under({"credentials": "export"}, "setup"),
        ),
        Symptom(
            r"PermissionError: .*\.aws\b|\[Errno 13\].*\.aws\b|[Pp]ermission denied: '?[^'\n]*\.aws\b",
            "PermissionError: [Errno 13] Permission denied: '/home/astro/.aws/credentials'",
            "files-readable",
            "Airflow may not read the credentials that are mounted",
            command("verify"),
        ),
        Symptom(
            r"\[Errno 21\].*\.aws\b",
            "IsADirectoryError: [Errno 21] Is a directory: '/home/astro/.aws/credentials'",
            "files-readable",
            "a directory stands where Airflow looks for a file of credentials",
            command("mount start"),
        ),
        Symptom(
            r"Failed to parse \[\w+\] backend_kwargs|Invalid.*backend_kwargs|backend_kwargs.* into a dict",
            "Failed to parse [secrets] backend_kwargs as JSON",
            "environment",
            "Airflow ignores AIRFLOW__SECRETS__BACKEND_KWARGS, which is no JSON object: it asks for other names",
            command("env start", "--override"),
        ),
        Symptom(
            r"unexpected character .* in variable name|failed to read .*\.env\b",
            'unexpected character "…" in variable name',
            "environment",
            "docker compose cannot read .env",
            command("doctor"),
        ),
        Symptom(
            r"yaml: (?:line \d+|unmarshal|construct)|docker-compose\.override\.yml\S* is invalid|validating .*override",
            "docker-compose.override.yml is invalid",
            "environment",
            "docker compose cannot read docker-compose.override.yml",
            "docker compose -f docker-compose.override.yml config",
        ),
        Symptom(
            r"(?:Variable (?P<name>\S+) does not exist|VARIABLE_NOT_FOUND|KeyError: 'Variable )",
            "VARIABLE_NOT_FOUND",
            "dag-run",
            "Airflow found a variable neither in the backend nor elsewhere: its name, prefix or region differs",
            command("secrets.lint"),
        ),
        Symptom(
            r"AirflowNotFoundException|[Tt]he conn_id .{1,200} isn't defined|CONNECTION_NOT_FOUND",
            "The conn_id `X` isn't defined",
            "dag-run",
            "Airflow found a connection neither in the backend nor elsewhere: its name, prefix or region differs",
            command("secrets.lint"),
        ),
    )
