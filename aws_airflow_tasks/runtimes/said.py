"""What Airflow, Docker and the Astro CLI say when something is wrong: a line of a log -> layer, cause and command."""

import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from aws_airflow_tasks.text.calling import command, under
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.hints import note

#: what Airflow says of a backend that it cannot load: no command of it starts then
_UNLOADABLE = r'The object could not be loaded\. Please check "backend" key in "secrets" section'
#: where it says which one: a class that is not the amazon provider's
_ANOTHER = r'\.? Current value: "(?!airflow\.providers\.amazon\.|\*)'
#: which port it is that somebody has
_PORT = (
    r"[Bb]ind for [\w.:\[\]]*?:(?P<port>\d+) failed: port is already allocated"
    r"|listen tcp\w? [\w.:\[\]]*?:(?P<port2>\d+): bind: address already in use"
    r"|[Pp]orts are not available: [^\n]*?:(?P<port3>\d+)\b"
    r"|failed to bind host port (?:for )?(?:\[[^\]\s]*\]|[\d.]*|::):(?P<port4>\d+)[:/][^\n]*?address already in use"
)
_ANOTHER_PORT = "   # stop that, or choose another: astro config set webserver.port, api-server.port or postgres.port"
#: takes a byte order mark from a file, which keeps its mode and link
_WITHOUT_MARK = (
    r"""(umask 077 && LC_ALL=C sed "1s/^$(printf '\357\273\277')//" {path} > {path}.new)"""
    " && cat {path}.new > {path} && rm {path}.new"
)
#: causes that are mended otherwise where Airflow runs in no container
CORRUPT, FULL, LOCKED = "Airflow's database is corrupt", "the disk is full", "Airflow's database is locked"
#: the layers without which Airflow does not come up
FATAL = ("provider", "runtime-healthy")


class Symptom(NamedTuple):
    """A pattern of one line of a log, such a line in short, the layer, the cause and the command.

    Cause and command may have ``{port}`` for what a group of the pattern found that is called ``port``, or ``port2``.
    """

    seen: str
    says: str
    layer: str
    cause: str
    hint: str

    def of(self, text: str) -> "Symptom | None":
        """The row with the words that ``text`` has for it, quoted in its command; None: it says nothing of the kind."""
        found = re.search(self.seen, text)
        return found and self.filled({name: cleaned(value) for name, value in found.groupdict().items() if value})

    def filled(self, words: Mapping[str, str]) -> "Symptom":
        """The row with ``words`` for its groups."""
        cause, hint = self.cause, self.hint
        for name, word in words.items():
            mark = f"{{{name.rstrip('0123456789')}}}"
            cause, hint = cause.replace(mark, word), hint.replace(mark, shlex.quote(word))
        return self._replace(cause=cause, hint=hint)


def death(log: str) -> Symptom | None:
    """Why an Airflow did not come up, by the end of its log; None: that tells nothing that is known."""
    return next((known for row in table() if row.layer in FATAL and (known := row.of(log))), None)


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
            r"[Cc]annot connect to the Docker daemon|error during connect|docker daemon (?:is )?not running"
            r"|[Ii]s the docker daemon running|[Ff]ailed to connect to the docker API",
            "Cannot connect to the Docker daemon",
            "runtime-healthy",
            "no Docker engine answers",
            f"docker info   # then: {command('start')}",
        ),
        Symptom(
            r"permission denied while trying to connect to the [Dd]ocker",
            "permission denied while trying to connect to the Docker daemon socket",
            "runtime-healthy",
            "you have no permission on the Docker engine's socket",
            "sudo usermod -aG docker $USER && newgrp docker",
        ),
        Symptom(
            r"client version [\d.]+ is too old\D+(?P<version>\d+\.\d+)",
            "client version 1.43 is too old. Minimum supported API version is 1.44",
            "runtime-healthy",
            "what asks the Docker engine, such as the Astro CLI, is too old for it: API {version} is needed",
            "export DOCKER_API_VERSION={version}"
            "   # or bring the Astro CLI up to date: https://www.astronomer.io/docs/astro/cli/install-cli",
        ),
        Symptom(
            r"(?:client version [\d.]+ is too new|client is newer than server\D+[\d.]+)\D+(?P<version>\d+\.\d+)",
            "client version 1.51 is too new. Maximum supported API version is 1.41",
            "runtime-healthy",
            "the Docker engine is too old for what asks it, such as the Astro CLI: it knows API {version} at most",
            "export DOCKER_API_VERSION={version}"
            "   # or bring the Docker engine up to date: https://docs.docker.com/engine/install/",
        ),
        Symptom(
            _PORT,
            "Bind for 0.0.0.0:8080 failed: port is already allocated",
            "runtime-healthy",
            "port {port} is taken by another program",
            f"lsof -i :{{port}}{_ANOTHER_PORT}",
        ),
        Symptom(
            rf"(?m)^(?!.*(?:{_PORT})).*(?:[Aa]ddress already in use|port is already allocated|orts are not available)",
            "Address already in use",
            "runtime-healthy",
            "a port that Airflow wants is taken by another program",
            f"lsof -nP -iTCP -sTCP:LISTEN{_ANOTHER_PORT}",
        ),
        Symptom(
            r"service \"(?P<service>[\w.-]+)\" has neither an image nor a build context",
            'service "webserver" has neither an image nor a build context specified',
            "runtime-healthy",
            "docker-compose.override.yml names the service {service}, which this version of Airflow does not have",
            "grep -n -A5 {service}: docker-compose.override.yml   # take it out",
        ),
        Symptom(
            r"bind source path does not exist: (?P<path>[^\n\"]+)|bind mount .*? (?P<path2>/\S+): no such file",
            "bind source path does not exist: /home/me/.aws",
            "runtime-healthy",
            "a directory to mount does not exist: {path}",
            command("creds start"),
        ),
        Symptom(
            r"runtime version label not found",
            "runtime version label not found",
            "runtime-healthy",
            "the image has no label io.astronomer.docker.runtime.version, so the Astro CLI does not run it",
            note("begin the Dockerfile with FROM astrocrpublic.azurecr.io/runtime:3.1-12, or an image built on such"),
        ),
        Symptom(
            r"'uv' is required for standalone mode",
            "'uv' is required for standalone mode",
            "runtime-healthy",
            "the Astro CLI's standalone mode needs `uv`",
            "pip install uv",
        ),
        Symptom(
            r"error fetching constraints from (?P<url>\S+)",
            "error fetching constraints from https://…",
            "runtime-healthy",
            "the Astro CLI cannot reach {url}, which its standalone mode installs from",
            "curl -sSI {url}",
        ),
        Symptom(
            r"(?m)file: '(?:/usr/local/airflow/)?(?P<path>[^'\n]*airflow\.cfg)'(?:, line: \d|$)",
            "File contains no section headers. file: '/usr/local/airflow/airflow.cfg'",
            "runtime-healthy",
            "Airflow cannot read {path}: it does not begin with a [section], or a byte order mark is before that",
            f"{_WITHOUT_MARK}   # unless that mends it: ${{EDITOR:-vi}} {{path}}",
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
            LOCKED,
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
