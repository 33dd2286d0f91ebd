"""What can be wrong with what a command line is given, as data: where, how, what is typed, and what is to be said."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
import requests  # noqa: F401  # here, as two threads of one command line may load it at a time

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.settings import ENVIRONMENT_PREFIX as PREFIX
from aws_airflow_tasks.settings import KEYS
from aws_airflow_tasks.world import cli, trust
from aws_airflow_tasks.world.airflow_api import Login
from tests.project import StandInAirflow
from tests.world.front import Front, Refusal
from tests.world.server import REAL_SPAWN


@dataclass
class World:
    """The places of a test's own, and who answers there.

    Attributes:
        project: the Astro project.
        home: the person's home.
        state: the project's state directory.
        bin: a directory that comes first in PATH.
        front: what stands before AWS.
        patch: sets what is taken back after the test.
    """

    project: Path
    home: Path
    state: Path
    bin: Path
    front: Front
    patch: pytest.MonkeyPatch

    def at(self, name: str) -> Path:
        """The path of ``project:.env``, with the directory that it is to lie in."""
        root, _, rest = name.partition(":")
        path = Path(getattr(self, root)) / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


Put = Callable[[World], object]


class Case(NamedTuple):
    """One row.

    Attributes:
        name: what is wrong.
        line: what is typed.
        code: the exit code.
        says: a pattern of what is said.
        put: puts the fault there.
        set_up: whether `setup` has run before.
    """

    name: str
    line: Sequence[str]
    code: int
    says: str
    put: Put
    set_up: bool = False


def written(name: str, data: bytes) -> Put:
    return lambda world: world.at(name).write_bytes(data)


def _placed(name: str, make: Callable[[Path], object]) -> Put:
    def put(world: World) -> None:
        path = world.at(name)
        path.unlink(missing_ok=True)
        make(path)

    return put


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(11 << 20)


#: what is no file
PLACES: Mapping[str, Callable[[Path], object]] = {
    "a directory": Path.mkdir,
    "a link to nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a pipe": os.mkfifo,
    "larger than anybody writes": _huge,
}
NO_LARGE = [fault for fault in PLACES if not fault.startswith("larger")]
NO_PIPE = [fault for fault in PLACES if fault != "a pipe"]
#: what is no YAML that anybody could mean, whatever is to be in the file
YAML: Mapping[str, bytes] = {
    "a tab for an indent": b"a:\n\t- b\n",
    "a bracket that is never closed": b"a: [1, 2\n",
    "a brace that is never closed": b"a: {b: 1\n",
    "a quote that is never closed": b'a: "b\n',
    "two colons on a line": b"a: b: c\n",
    "an indent that goes back halfway": b"a:\n    b: 1\n  c: 2\n",
    "an alias of nothing": b"a: *nowhere\n",
    "an unknown directive": b"%NOPE\na: 1\n",
    "a reserved character first": b"a: @b\n",
    "a character that YAML has none of": b"a: \x07\n",
    "two documents": b"a: 1\n---\nb: 2\n",
    "a list": b"- a\n- b\n",
    "a word": b"words\n",
    "a number": b"42\n",
    "nothing but brackets": b"[" * 5_000,
}
#: of these some for who reads it with the same parser as the others
SOME = ("a tab for an indent", "two documents", "a word", "nothing but brackets")
#: what is no text
BYTES: Mapping[str, bytes] = {
    "binary": bytes(range(256)) * 4,
    "with a NUL": b"a: 1\0\n",
    "in UTF-16": "a: 1\n".encode("utf-16"),
    "in Latin-1": "a: pr\xfcf\n".encode("latin-1"),
}
#: what is no JSON of ours
JSON: Mapping[str, bytes] = {
    "half": b'{"a": ',
    "empty": b"",
    "a list": b"[1, 2]",
    "a number": b"1",
    "null": b"null",
    "a text": b'"words"',
    "an object of nobody's": b'{"a": 1}',
    "deep": b"[" * 100_000,
    "a number of many digits": b'{"kind": ' + b"9" * 5000 + b"}",
    "of other types": b'{"kind": [], "format": {}, "path": 1, "checked": "x", "identity": 1, "credentials": []}',
}


#: what a crash, or another version, leaves of a cache
CUT = ("half", "a list", "null", "deep", "of other types")


def faults(name: str, *contents: Mapping[str, bytes], places: Iterable[str] = PLACES) -> Iterator[tuple[str, Put]]:
    """Every fault of a file, by its name."""
    for content in contents:
        for fault, data in content.items():
            yield f"{name} is {fault}", written(name, data)
    for fault in places:
        yield f"{name} is {fault}", _placed(name, PLACES[fault])


ROLE = b"[default]\nrole_arn = arn:aws:iam::123456789012:role/x\n"
#: what is no configuration of AWS's
INI: Mapping[str, tuple[bytes, str]] = {
    "without a section": (b"a = 1\n", "line 1 of"),
    "with a section twice": (b"[default]\na = 1\n[default]\n", "line 3 of .* a second time"),
    "with a key twice": (b"[default]\na = 1\na = 2\n", "line 3 of .* a second time"),
    "with a bracket that is never closed": (b"[default\n", "line 1 of"),
    "with a nested line that is no pair": (b"[default]\ns3 =\n  nonsense\n", "line 3 of"),
    "with half of the keys": (b"[default]\naws_access_key_id = A\n", "half|missing|aws_secret_access_key"),
    "with a source that is not there": (ROLE + b"source_profile = nobody\n", "nobody"),
    "with a source that leads back": (ROLE + b"source_profile = default\n", "leads back"),
    "with a credential_source of nobody's": (ROLE + b"credential_source = Moon\n", "Moon"),
    "with a helper that is not there": (b"[default]\ncredential_process = /nowhere/helper\n", "/nowhere/helper"),
    "with a helper in half a quote": (b"[default]\ncredential_process = 'unclosed\n", "No closing quotation"),
    "with an SSO session that is not there": (b"[default]\nsso_session = gone\nsso_account_id = 1\n", "gone"),
    "with a region that is none": (b"[default]\nregion = mo on!\n", "mo on! is no region"),
}
CHECK = ["creds", "--fresh"]


#: what lies in a project: the command that reads it, and what cannot be in it
IN_PROJECT: Mapping[str, tuple[str, Mapping[str, bytes]]] = {
    "docker-compose.override.yml": ("mount", {**YAML, **BYTES}),
    ".env": ("env", BYTES),
    "requirements.txt": ("provider", BYTES),
    "Dockerfile": ("init", {}),
    ".astro/config.yaml": ("init", {}),
    "dags/example_secrets_dag.py": ("dag", {"binary": BYTES["binary"]}),
}


def of_files() -> Iterator[Case]:
    """What a person, or the Astro CLI, writes."""
    for file in ("project:invoke.yaml", "home:.invoke.yaml"):
        for name, put in faults(file, YAML if file.startswith("project") else {}, BYTES):
            yield Case(name, ["status"] if "project" in file else ["env", "--check"], 2, r"invoke\.yaml", put)
    for file, (task, contents) in IN_PROJECT.items():
        places = NO_LARGE if task == "init" else PLACES
        for name, put in faults(f"project:{file}", contents, places=places):
            agrees = agreed(put) if name.endswith("a link to nowhere") else put
            yield Case(name, [task], 1, file, agrees)
    for file in ("config", "credentials"):
        for name, put in faults(f"home:.aws/{file}", BYTES):
            yield Case(name, CHECK, 1, rf"\.aws/{file}", put)
    for fault, (data, says) in INI.items():
        yield Case(f"~/.aws/config is {fault}", CHECK, 1, says, alone("home:.aws/config", data))


def agreed(put: Put) -> Put:
    """The fault, with the person's answer that what the project asks for may count."""

    def both(world: World) -> None:
        put(world)
        asked = trust.Asked(links=trust.links(world.project))
        trust.agree(world.project, asked)

    return both


def alone(name: str, data: bytes) -> Put:
    """The one file of ``~/.aws``."""

    def put(world: World) -> None:
        world.at("home:.aws/credentials").unlink()
        world.at(name).write_bytes(data)

    return put


#: what no setting may be, as YAML has it
NO_VALUE = {"a mapping": "{a: 1}", "a text with a NUL": '"a\\0b"'}
#: by setting what it may not be, in the environment
BAD: Mapping[str, str] = {
    "project": "~nosuchuser/x",
    "profile": "a]b",
    "profiles": "dev, a]b",
    "region": "eu_west_1",
    "account": "123",
    "runtime": "podman",
    "credentials": "none",
    "keep_fresh": "on",
    "mount_path": "relative",
    "backend": "vault",
    "connections_prefix": "a b",
    "variables_prefix": "a\nb",
    "check_variable": "a/b",
    "check_connection": "",
    "check_entries": "write",
    "owner": "a;b",
    "kms_key": "key",
    "tags": "team",
    "tier": "gold",
    "throughput": "max",
    "endpoint_url": "http://[::1",
    "wait": "long",
    "identity_ttl": "-1",
}


def of_settings() -> Iterator[Case]:
    """Every setting, in a file and in the environment."""
    for key in KEYS:
        for fault, value in NO_VALUE.items():
            data = f"aws_airflow:\n  {key}: {value}\n".encode()
            yield Case(f"{key} is {fault}", ["status"], 2, f"bad value for {key}", written("home:.invoke.yaml", data))
        yield Case(f"${key} is bad", ["env"], 2, f"bad value for {key}", variable(f"{PREFIX}{key.upper()}", BAD[key]))
    for name, value, says in (
        ("INVOKE_AWS_AIRFLOW_REGOIN", "x", "unknown setting in the environment: INVOKE_AWS_AIRFLOW_REGOIN"),
        ("HOME", "/dev/null", "/dev/null is not a directory"),
        ("HOME", "relative", "home directory"),
    ):
        yield Case(f"{name} is {value}", ["status"], 2, says, variable(name, value))
    for name, value, says in (
        ("AWS_PROFILE", "", "AWS_PROFILE is set, and empty"),
        ("AWS_PROFILE", "nobody", "no profile nobody"),
        ("AWS_PROFILE", "a\nb", "no profile a"),
        ("AWS_CONFIG_FILE", "/", "a directory"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/zero", "/dev/zero"),
        ("AWS_ACCESS_KEY_ID", "A", "AWS_SECRET_ACCESS_KEY|half|missing"),
    ):
        yield Case(f"{name} is {value!r}", CHECK, 1, says, variable(name, value))


def variable(name: str, value: str) -> Put:
    """An environment variable."""
    return lambda world: world.patch.setenv(name, value)


def nothing(world: World) -> None:
    """What is typed is bad enough."""


def of_arguments() -> Iterator[Case]:
    """What is typed, of every task with arguments."""
    rows: Sequence[tuple[Sequence[str], int, str]] = (
        (["nosuchtask"], 2, "nosuchtask"),
        (["setpu"], 2, "setup"),
        (["setup", "--nope"], 2, "--nope"),
        (["setup", "--profile"], 2, "profile"),
        (["setup", "--profile", "a]b"], 2, "bad value for profile"),
        (["setup", "--region", "eu_west"], 2, "bad value for region"),
        (["setup", "--runtime", "podman"], 2, "one of auto, docker"),
        (["status", "--project", "~nosuchuser/x"], 2, "bad value for project"),
        (["env", "--project", "/nowhere/at/all"], 1, "/nowhere/at/all"),
        (["status", "--profile", "a", "env", "--profile", "b"], 2, "--profile was given twice"),
        (["explain"], 2, "file"),
        (["explain", "/nowhere"], 2, "/nowhere"),
        (["explain", "."], 2, "is no file"),
        (["explain", "x" * 5000], 2, "cannot read"),
        (["secrets.get"], 2, "key"),
        (["secrets.sync"], 2, "file"),
        (["secrets.sync", "/nowhere.yaml"], 1, "/nowhere.yaml"),
        (["secrets.sync", "."], 1, "cannot read"),
        (["secrets.put", "x", "--file", "/nowhere"], 1, "/nowhere"),
        (["secrets.put", "x", "--file", "."], 1, "cannot read"),
        (["sandbox", "--airflow", "4"], 2, "neither 2 nor 3"),
        (["sandbox", "--backend", "vault"], 2, "vault"),
        (["refresh", "--install", "--uninstall"], 2, "install"),
        (["status", "--version"], 2, "--version"),
        (["-f", "/nowhere.yaml", "status"], 2, "/nowhere.yaml"),
        (["-f", "/dev/null/x.yaml", "status"], 2, "x.yaml"),
    )
    for line, code, says in rows:
        yield Case("what is typed", line, code, says, nothing)
    for key in ("x" * 600, "a\nb", "a b", "prüf", "\x1b[31m", "*", "\udcff"):
        for task, *more in (["get"], ["put", "--file", "v"]) if len(key) < 600 else (["history"], ["delete", "--yes"]):
            line, says = [f"secrets.{task}", key, *more], "its name (has other characters|is longer)"
            yield Case(f"a key of {key[:9]!r}", line, 1, says, written("project:v", b"x"))


def of_state() -> Iterator[Case]:
    """What this tool keeps, after an edit, a full disk or a crash: what can be asked again is none."""
    for name, put in faults("state:receipts/0001.json", JSON, places=("a directory", "a link to nowhere")):
        yield Case(name, ["undo", "--check"], 1, r"0001\.json|receipt 1 is damaged", put, set_up=True)
    for name, put in faults("state:trust.json", JSON, places=()):
        yield Case(name, ["trust", "--list"], 0, "", put, set_up=True)
    kept = {
        "identity.json": ["creds"],
        "staged.json": ["creds"],
        "keeper.json": ["creds"],
        "history.jsonl": ["creds", "--log"],
    }
    for file, line in kept.items():
        for name, put in faults(f"state:{file}", {fault: JSON[fault] for fault in CUT}, places=()):
            yield Case(name, line, 0, "", put, set_up=True)


def of_wishes() -> Iterator[Case]:
    """Files of entries, and values by themselves."""
    for name, put in faults(
        "project:f.yaml", {fault: YAML[fault] for fault in SOME}, BYTES, places=NO_PIPE
    ):  # one that a shell makes is read
        yield Case(name, ["secrets.sync", "f.yaml"], 1, r"f\.yaml", put)
    contents = {fault: JSON[fault] for fault in ("half", "a list", "a number", "deep", "a number of many digits")}
    for name, put in faults("project:f.json", contents, {"half a surrogate": b'{"a": "\\ud800"}'}, places=()):
        yield Case(name, ["secrets.sync", "f.json"], 1, r"f\.json|half of a surrogate", put)
    digits = written(
        "project:f.yaml", b"airflow:\n  variables:\n  - {variable_name: a, variable_value: %s}\n" % (b"9" * 5000)
    )
    yield Case("project:f.yaml has a number of many digits", ["secrets.sync", "f.yaml"], 1, "4300 digits", digits)
    for fault, data in {**BYTES, "no connection": b"words", "deep": b"{" * 100_000, "nothing": b""}.items():
        line = ["secrets.put", "x", "--connection"]
        yield Case(f"standard input is {fault}", line, 1, "connection x|standard input", standard_input(data))
        yield Case(f"standard input is {fault}", ["explain", "-"], 1, "nothing in it is known", standard_input(data))


def standard_input(data: bytes) -> Put:
    """What is piped into a command."""
    return lambda world: world.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


#: what is no answer of AWS's, whoever is asked what
ANSWERS: Mapping[str, str] = {
    "a page of HTML": "<html>log in</html>",
    "nothing": "",
    "an empty object": "{}",
    "a list": "[]",
    "null": "null",
    "half": '{"a":',
    "deep": "[" * 100_000,
    "of other types": '{"SecretList": 1, "Versions": "x", "SecretValues": {}, "Parameters": 1, "Name": 1, "Tags": 1}',
    "without what each has": '{"SecretList": [{}], "Versions": [{}], "SecretValues": [{}], "Parameters": [{}]}',
}
NOT_AWS = "does not answer as AWS does"


def of_answers() -> Iterator[Case]:
    """What others say: AWS, Airflow's services, Airflow's API, the engine, command lines."""
    put = ["secrets.put", "x", "--file", "v", "--check"]
    for fault, body in ANSWERS.items():
        for status in (200, 400) if fault in ("nothing", "a list", "deep") else (200,):
            name = f"AWS answers {status} and {fault}"
            for line in (
                (["secrets.list"], ["secrets.get", "x"], put, ["secrets"]) if status == 200 else (["secrets.list"],)
            ):
                yield Case(
                    name, line, 1, "AWS|secrets?manager|answers|refuses|error", aws("secretsmanager", status, body)
                )
        yield Case(f"STS answers 200 and {fault}", CHECK, 0, NOT_AWS, aws("sts", 200, body))
        for line in (["secrets.list"], ["secrets.history", "x"], ["secrets"]):
            yield Case(f"Parameter Store answers {fault}", line, 1, NOT_AWS, parameters(aws("ssm", 200, body)))
    for fault in ("a page of HTML", "nothing", "a list", "half"):
        put = service(ANSWERS[fault])
        yield Case(f"a service says {fault}", ["verify"], 4, "the probe did not run", put, set_up=True)
    for fault, body in ANSWERS.items():
        yield Case(f"Airflow answers {fault}", ["verify"], 4, "dag-run", api(body), set_up=True)
        yield Case(f"the engine answers {fault}", ["stop"], 1, "engine|Docker", engine(body))
    for fault, script in PROGRAMS.items():
        yield Case(f"astro {fault}", ["init", "--yes"], 1, "astro", installed(script))


def aws(service: str, status: int, body: str) -> Put:
    """What stands where a service of AWS's should."""

    def put(world: World) -> None:
        world.at("project:v").write_text("x")
        world.front.refuse = lambda asked: Refusal(status, body) if asked.service == service else None
        world.patch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", world.front.url)

    return put


def parameters(put: Put) -> Put:
    """The fault, with the other backend."""

    def both(world: World) -> None:
        world.patch.setenv("INVOKE_AWS_AIRFLOW_BACKEND", "parameter-store")
        put(world)

    return both


def service(says: str) -> Put:
    """What a probe prints in a service."""
    return lambda world: world.patch.setattr(StandInAirflow, "exec", lambda *_, **__: cli.Completed(0, says, "said"))


def api(body: str) -> Put:
    """What Airflow's API answers; its services say nothing of use."""

    def put(world: World) -> None:
        world.front.refuse = lambda asked: Refusal(200, body)
        login = Login(world.front.url, "admin", "word", 3, "/password.json")
        world.patch.setattr(StandInAirflow, "login", lambda self: login)
        service("")(world)

    return put


#: as it is before a test has Airflow stand in
CHOOSE = runtimes.choose


def engine(body: str) -> Put:
    """What answers where the engine of Docker should."""

    def put(world: World) -> None:
        world.front.refuse = lambda asked: Refusal(200, body)
        world.patch.setattr(runtimes, "choose", CHOOSE)
        world.patch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
        world.patch.setenv("INVOKE_AWS_AIRFLOW_RUNTIME", "docker")
        world.patch.setenv("DOCKER_HOST", world.front.url.replace("http", "tcp"))

    return put


#: what a program does that is none, or not well
PROGRAMS: Mapping[str, str] = {
    "says nothing": "#!/bin/sh\n",
    "says what is no text": "#!/bin/sh\nprintf '\\377\\376\\000'\n",
    "fails": "#!/bin/sh\necho boom >&2\nexit 7\n",
    "is killed": "#!/bin/sh\nkill -9 $$\n",
    "says what is deep": "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' '['\n",
    "is no program": "\x7fELF no",
}


def installed(script: str) -> Put:
    """An Astro CLI, and no project yet."""

    def put(world: World) -> None:
        world.patch.setattr(cli, "spawn", REAL_SPAWN)
        path = world.bin / "astro"
        path.write_text(script)
        path.chmod(0o755)
        world.patch.setenv("PATH", f"{world.bin}:{os.environ['PATH']}")
        for name in (".astro/config.yaml", "Dockerfile"):
            world.at(f"project:{name}").unlink()

    return put


CASES = [*of_files(), *of_settings(), *of_arguments(), *of_state(), *of_wishes(), *of_answers()]
