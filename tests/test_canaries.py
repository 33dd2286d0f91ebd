"""Nothing secret is shown, whoever quotes it: by command, by what fails, as text and JSON, with and without debug."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.world.airflow_api import Login
from aws_airflow_tasks.world.cli import Completed
from tests.project import StandInAirflow, airflow, astro_project, embedded, heeded, run
from tests.test_setup import Run, project, secrets
from tests.world.front import Asked, Front, Refusal, front
from tests.world.server import Embedded

__all__ = ["airflow", "astro_project", "embedded", "project", "run", "secrets"]

TOKEN = "IQoJb3JpZ2luX2VjE" + "CanaryTokInErr00000" * 9 + "=="
PASSWORD = "CanaryEndpointPw01"
QUERY = "CanaryInQuery"
#: what of these may be shown is found in pieces of this length: a text that was cut may end in one
PIECE = 12


def quoted(asked: Asked) -> str:
    """The words of AWS for a signature that does not match, with the request that it has seen."""
    headers = "\n".join(line for line in asked.text.splitlines() if line)
    return (
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        f"Key.\n\nThe Canonical String for this request should have been\n'{headers}'\n\nThe String-to-Sign should be"
        f" x-amz-security-token:{TOKEN}"
    )


def refused(code: str, status: int = 400, say: Callable[[Asked], str] = quoted) -> Callable[[Asked], Refusal]:
    def refusal(asked: Asked) -> Refusal:
        if asked.service == "sts":
            error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(say(asked))}</Message></Error>"
            return Refusal(status, f"<ErrorResponse>{error}</ErrorResponse>", "text/xml")
        return Refusal(status, json.dumps({"__type": code, "message": say(asked)}))

    return refusal


def denied(asked: Asked) -> str:
    what = f"User: me is not authorized to perform: {asked.service}:{asked.operation} on resource: {TOKEN}"
    return f"{what} with an explicit deny in a resource policy\n{asked.text}"


def link(asked: Asked) -> str:
    return f"See http://me:{PASSWORD}@aws.example/why?token={QUERY} and x-amz-security-token:{TOKEN}"


#: what AWS, or what stands where it should, answers to every request but those of ``Before``
FAILURES: dict[str, Callable[[Asked], Refusal]] = {
    "the signature does not match": refused("SignatureDoesNotMatch"),
    "a code that has no row": refused("SomethingNew"),
    "a link with a password": refused("SomethingOther", say=link),
    "denied": refused("AccessDeniedException", say=denied),
    "the server fails": refused("InternalFailure", 500),
    "no answer of AWS's": lambda asked: Refusal(200, quoted(asked), "text/html"),
}
COMMANDS = (
    *("creds", "secrets", "status", "setup --check", "setup", "verify", "refresh --force", "undo"),
    *("secrets.list", "secrets.get x", "secrets.history x", "secrets.put x --file v", "secrets.delete x --yes"),
    "secrets.sync v.env --prune --yes",
)
OUTPUTS = [(debug, form) for debug in ([], ["--echo"], ["--debug"]) for form in ("--diff", "--json")]


def outputs(failure: str, command: str) -> Sequence[tuple[list[str], str]]:
    """All of them before a change lands; else one, another for each neighbour."""
    one = ([*FAILURES].index(failure) + COMMANDS.index(command)) % len(OUTPUTS)
    return OUTPUTS if os.environ.get("CI") else OUTPUTS[one : one + 1]


class Talkative(StandInAirflow):
    """Everything that is asked of its services fails and quotes the request."""

    said = f"ClientError: An error occurred (X): x-amz-security-token:{TOKEN} at http://me:{PASSWORD}@a/?{QUERY}\nmore"

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Completed:
        if service == "triggerer":
            return Completed(1, "", f"Traceback\nKeyError: {self.said}")
        error = {"error": self.said}
        process = {"groups": [], "label": "", "uid_map": "", "kernel": ""}
        found = {"uid": 1, "process": process, "files": [], "environment": {}, "identity": error, "secret": error}
        hooks = {"boto3": error, "aws_default": error, "place": error}
        backend = {"backend": "B", "variable": error, "connection": error, "for_tasks": None}
        return Completed(0, json.dumps(found | hooks | backend), "")

    def login(self) -> Login:
        return Login(self.kept, "admin", "CanaryOfAirflow", 2)


@pytest.fixture
def before(project: Path, embedded: Embedded, closed_world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    """A project with keys that have a session token, and a front of AWS that all is asked at."""
    keys = closed_world / ".aws" / "credentials"
    (project / "v").write_text("x")
    (project / "v.env").write_text("x=1\n")
    keys.write_text(keys.read_text().rstrip("\n") + f"\naws_session_token = {TOKEN}\n")
    with front(embedded.url) as made:
        monkeypatch.setenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL", made.url)
        talkative = Talkative(mounts=False, name="embedded", kept=made.url)
        monkeypatch.setattr(runtimes, "choose", lambda settings, state: talkative)
        yield made


def canaries(home: Path) -> list[str]:
    """Every piece of a secret that may not be shown; of the person's keys, those of the file."""
    keys = re.findall(r"(?:secret_access_key|access_key_id) = (\S+)", (home / ".aws" / "credentials").read_text())
    assert len(keys) == 2
    return [*keys, TOKEN[17 : 17 + PIECE], TOKEN[:PIECE], PASSWORD, QUERY, "CanaryOfAirflow"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("failure", FAILURES)
def test_nothing_that_aws_quotes_is_shown(
    failure: str, command: str, before: Front, closed_world: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    if command in ("refresh --force", "undo", "verify"):
        assert run("setup").code == 0
    before.refuse = FAILURES[failure]
    if command == "verify":  # the host is answered, what Airflow runs is not
        before.refuse = lambda asked: None if asked.service else FAILURES[failure](asked)
    elif command.startswith("secrets"):  # nothing would be asked of the backend if nobody said who we are
        before.refuse = lambda asked: None if asked.service == "sts" else FAILURES[failure](asked)
    caplog.set_level(logging.DEBUG)
    for debug, form in outputs(failure, command):
        caplog.clear()
        done = run(*debug, *command.split(), *heeded(command.split()[0], form, "--fresh"))
        assert done.code in (1, 3, 4) if "verify" in command else done.code != 2, done.err
        text = f"{done.out}{done.err}{caplog.text}"
        assert [canary for canary in canaries(closed_world) if canary in text] == []


@pytest.mark.parametrize("debug", [[], ["--echo"], ["--debug"]], ids=str)
@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "INVOKE_AWS_AIRFLOW_ENDPOINT_URL", "profile"])
@pytest.mark.parametrize("url", [f"http://me:{PASSWORD}@127.0.0.1:9", f"http://127.0.0.1:9/?token={QUERY}"])
def test_a_secret_in_an_endpoint_is_refused_and_not_shown(
    url: str, name: str, debug: list[str], project: Path, closed_world: Path, run: Run, monkeypatch, caplog
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
    if name == "profile":
        (closed_world / ".aws" / "config").write_text(f"[default]\nregion = eu-west-1\nendpoint_url = {url}\n")
    else:
        monkeypatch.setenv(name, url)
    for form in ("--diff", "--json"):
        done = run(*debug, "creds", form)
        text = f"{done.out}{done.err}{caplog.text}"
        assert (done.code in (1, 2), "allowed: a URL without a" in text) == (True, True)
        assert [canary for canary in (PASSWORD, QUERY) if canary in text] == []


def test_a_password_of_an_endpoint_for_logins_or_of_a_proxy_is_not_shown(
    project: Path, closed_world: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INVOKE_AWS_AIRFLOW_ENDPOINT_URL")
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PASSWORD}@127.0.0.1:9")
    done = run("creds", "--diff")
    assert "AWS cannot be reached" in done.out
    assert PASSWORD not in done.out + done.err


def test_under_debug_nobody_prints_what_configuration_files_hold(
    project: Path, closed_world: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    (closed_world / ".invoke.yaml").write_text(f"sudo: {{password: {PASSWORD}}}\nmine: {{value: {QUERY}}}\n")
    caplog.set_level(logging.DEBUG)
    done = run("--debug", "env", "--check")
    assert done.code == 3
    assert [canary for canary in (PASSWORD, QUERY) if canary in done.out + done.err + caplog.text] == []


def test_under_plain_invokes_debug_no_secret_of_configuration_files_is_printed(
    project: Path, closed_world: Path
) -> None:
    (project / "tasks.py").write_text("from aws_airflow_tasks import ns\n")
    (closed_world / ".invoke.yaml").write_text(f"sudo: {{password: {PASSWORD}}}\n")
    ours = f"aws_airflow: {{endpoint_url: 'http://me:{PASSWORD}@127.0.0.1:9/?token={QUERY}'}}\n"
    executors = ("", "tasks: {executor_class: aws_airflow_tasks.executor.Executor}\n")
    for executor in executors:
        (project / "invoke.yaml").write_text(executor + ours)
        argv = [Path(sys.executable).with_name("invoke"), "--debug", "env", "--check"]
        done = subprocess.run(argv, cwd=project, capture_output=True, text=True, check=False)
        assert "'endpoint_url': 'http://***@127.0.0.1:9/?***" in done.stderr
        assert [canary for canary in (PASSWORD, QUERY) if canary in done.stdout + done.stderr] == []
