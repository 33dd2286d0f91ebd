"""Every source of keys under every runtime: the way they take, and what Airflow has of them after a renewal too."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import refresh
from aws_airflow_tasks.steps.staging import stale
from aws_airflow_tasks.world import staged_text, staging
from tests.project import embedded
from tests.world import test_staging as sources
from tests.world.sso_server import assumed, center, role
from tests.world.test_staging import World, at_aws, clean_environment, in_airflow, who_airflow_is, world

__all__ = ["at_aws", "center", "clean_environment", "embedded", "world"]

HOST = "live: Airflow runs on this host"


class Source(NamedTuple):
    """A source of keys.

    Attributes:
        set_up: puts it into a world.
        kind: what is seen of it.
        source: likewise, of what its chain begins with.
        docker: why it is exported for containers.
        host: the way it takes to an Airflow on this host.
        renew: has it give other keys of the same identity; None: it does so at every export.
    """

    set_up: Callable[[World], object]
    kind: str
    source: str
    docker: str
    host: str
    renew: Callable[[World], object] | None = None


def renewed_session(world: World) -> None:
    keys = assumed(world.embedded, role_of(world))
    world.credentials(f"[default]\n{world.pairs(keys['AccessKeyId'], keys['SecretAccessKey'], keys['SessionToken'])}")


def renewed_sso(world: World) -> None:
    world.center.keys = assumed(world.embedded, role_of(world))


def renewed_environment(world: World) -> None:
    keys = assumed(world.embedded, role_of(world))
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = keys["AccessKeyId"], keys["SecretAccessKey"]
    os.environ["AWS_SESSION_TOKEN"] = keys["SessionToken"]
    if "AWS_CREDENTIAL_EXPIRATION" in os.environ:
        os.environ["AWS_CREDENTIAL_EXPIRATION"] = keys["Expiration"].isoformat()


def renewed_answer(world: World) -> None:
    path, keys = world.home / "answer.json", assumed(world.embedded, role_of(world))
    answer = json.loads(path.read_text())
    answer |= {name: keys[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    path.write_text(json.dumps(answer))


def role_of(world: World) -> str:
    """The ARN of the role that the world's keys are of."""
    return role(world.embedded, world.arn.split("/")[1])


def environment_session(world: World) -> None:
    sources.environment_that_ends(world)
    del os.environ["AWS_CREDENTIAL_EXPIRATION"]


def helper_without_an_end(world: World) -> None:
    sources.helper(world)
    path = world.home / "answer.json"
    answer = json.loads(path.read_text())
    del answer["Expiration"]
    path.write_text(json.dumps(answer))


def role_of_a_helper(world: World) -> None:
    sources.helper(world)
    config = (world.home / ".aws" / "config").read_text().replace("[default]", "[profile base]")
    world.config(f"{config}[default]\nregion = eu-west-1\nrole_arn = {world.role('upon')}\nsource_profile = base\n")


class Service(BaseHTTPRequestHandler):
    """What gives keys to a container, as of ECS, EKS Pod Identity or `aws-vault exec --server`."""

    world: World

    def do_GET(self) -> None:
        assert self.headers["Authorization"] == "canary-authorization"
        keys = assumed(self.world.embedded, role_of(self.world))
        answer = {name: keys[name] for name in ("AccessKeyId", "SecretAccessKey")} | {"Token": keys["SessionToken"]}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer | {"Expiration": keys["Expiration"].isoformat()}).encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


def container(world: World) -> None:
    world.role("container")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfWorld", (Service,), {"world": world}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    world.closing.append(server.server_close)
    world.closing.append(server.shutdown)
    os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://127.0.0.1:{server.server_port}/keys"
    os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "canary-authorization"
    world.config("[default]\nregion = eu-west-1\n")


def role_of_a_container(world: World) -> None:
    container(world)
    role = f"role_arn = {world.role('upon-container')}\ncredential_source = EcsContainer\n"
    world.config(f"[default]\nregion = eu-west-1\n{role}")


def web_identity_of_the_environment(world: World) -> None:
    sources.web_identity(world)
    world.config("[default]\nregion = eu-west-1\n")
    os.environ["AWS_ROLE_ARN"] = role_of(world)
    os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(world.home / "token")


ENVIRONMENT = "exported: keys in environment variables are in no file"
SERVICE = "exported: the service that gives keys is named by this shell's environment alone"
ALONE = "exported: Airflow is to see profile default only"
SOURCES = {
    "static": Source(sources.static, "static", "static", ALONE, HOST),
    "session": Source(sources.with_token, "session", "session", ALONE, HOST, renewed_session),
    "environment": Source(
        environment_session, "environment", "environment", ENVIRONMENT, ENVIRONMENT, renewed_environment
    ),
    "environment that ends": Source(
        sources.environment_that_ends, "environment", "environment", ENVIRONMENT, ENVIRONMENT, renewed_environment
    ),
    "sso": Source(
        sources.sso, "sso", "sso", "exported: an SSO token cannot be refreshed on a read-only mount", HOST, renewed_sso
    ),
    "assume-role": Source(sources.assume_role, "assume-role", "static", ALONE, HOST),
    "assume-role from sso": Source(
        sources.assume_role_from_sso,
        "assume-role",
        "sso",
        "exported: an SSO token cannot be refreshed on a read-only mount",
        HOST,
    ),
    "web-identity": Source(
        sources.web_identity,
        "web-identity",
        "web-identity",
        "exported: the identity token's file is not in the container",
        HOST,
    ),
    "web-identity of the environment": Source(
        web_identity_of_the_environment,
        "web-identity",
        "web-identity",
        "exported: the identity token's file is not in the container",
        "exported: the web identity is named by this shell's environment alone",
    ),
    "container": Source(container, "metadata", "metadata", "exported: the metadata service is this host's", SERVICE),
    "assume-role from container": Source(
        role_of_a_container, "assume-role", "metadata", "exported: the metadata service is this host's", SERVICE
    ),
    "process": Source(
        sources.helper,
        "process",
        "process",
        "exported: the credential helper is not in Airflow's image",
        HOST,
        renewed_answer,
    ),
    "process without an end": Source(
        helper_without_an_end,
        "process",
        "process",
        "exported: the credential helper is not in Airflow's image",
        HOST,
        renewed_answer,
    ),
    "assume-role from process": Source(
        role_of_a_helper, "assume-role", "process", "exported: the credential helper is not in Airflow's image", HOST
    ),
}


@pytest.fixture
def found(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Source:
    """One row, set up; nothing else decides of its way: its files can be read by all, and nothing runs."""
    source: Source = SOURCES[request.param]
    source.set_up(world)
    for path in (world.home / ".aws").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (world.home / ".aws").chmod(0o755)
    monkeypatch.setattr(Site, "running", ())
    return source


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize("runtime", ["docker", "standalone", "embedded"])
@pytest.mark.parametrize("found", SOURCES, indirect=True)
def test_each_source_takes_its_way_for_its_own_reason(found: Source, runtime: str, at_aws: Settings) -> None:
    site = Site(at_aws._replace(runtime=runtime))
    assert (site.credentials.kind, site.credentials.source) == (found.kind, found.source)
    assert site.way.reason == (found.docker if runtime == "docker" else found.host)
    assert site.way.name == ("live" if site.way.reason == HOST else "export")


GONE = {
    "container": (
        "container-role gives no keys to profile default",
        "# start anew what gives keys where AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    "web-identity of the environment": (
        "what profile default needs cannot be read: [Errno 2] No such file",
        "# have a fresh token written where AWS_WEB_IDENTITY_TOKEN_FILE leads",
    ),
    "web-identity": (
        "what profile default needs cannot be read: [Errno 2] No such file",
        "# have a fresh token written where web_identity_token_file of profile default leads",
    ),
}


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize("found", GONE, indirect=True)
def test_a_source_that_is_gone_is_answered_with_what_renews_it_not_with_keys_that_would_hide_it(
    found: Source, world: World, request: pytest.FixtureRequest
) -> None:
    (world.home / "token").unlink(missing_ok=True)
    while world.closing:
        world.closing.pop()()
    with pytest.raises(TaskError) as caught:
        staging.export(world.settings)
    words, hint = GONE[request.node.callspec.params["found"]]
    assert caught.value.message.startswith(words)
    assert caught.value.hint.startswith(hint)


@pytest.mark.usefixtures("clean_environment")
def test_a_role_of_the_environments_keys_that_are_not_there_is_no_helper_that_fails(world: World) -> None:
    role = "role_arn = arn:aws:iam::123456789012:role/r\ncredential_source = Environment\n"
    world.config(f"[default]\nregion = eu-west-1\n{role}")
    with pytest.raises(TaskError, match=r"^Environment gives no keys to profile default") as caught:
        staging.export(world.settings)
    assert caught.value.hint.startswith("# set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    assert "credential_source" in caught.value.hint


#: what a process of Airflow does that runs for long: it prints its access key whenever so many seconds have passed
RUNNING = """
import datetime, sys
import botocore.credentials, botocore.session
found = botocore.session.Session().get_credentials()
now = botocore.credentials._local_now
for line in sys.stdin:
    found._time_fetcher = lambda: now() + datetime.timedelta(seconds=float(line))
    print(found.get_frozen_credentials().access_key, flush=True)
"""


@contextmanager
def running(environ: dict[str, str]) -> Iterator[Callable[[float], str]]:
    """A process that has read its keys already; what it has of them when so many seconds have passed."""
    argv = [sys.executable, "-c", RUNNING]
    with subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin
        assert child.stdout

        def after(seconds: float) -> str:
            child.stdin.write(f"{seconds}\n")
            child.stdin.flush()
            return child.stdout.readline().strip()

        yield after
        child.stdin.close()


def key(world: World) -> str:
    """The access key that is staged."""
    texts = [path.read_text() for path in world.staged.iterdir() if path.name in ("creds.json", "credentials")]
    return texts[0].split("ccessKeyId")[-1].split('"')[2] if "AccessKeyId" in texts[0] else texts[0].split()[3]


def renew(world: World, found: Source) -> None:
    """The source gives other keys, and somebody types `refresh`; `--force` where those of before are not due yet."""
    if found.renew:
        found.renew(world)
    site = Site(world.settings)
    plan = refresh.planner(force=site.staged is not None and site.staged.expiry is not None)(site)
    for change in plan.needed:
        change.apply()
    shutil.copytree(world.staged, world.settings.mount_path, dirs_exist_ok=True)


ENDING = [name for name in SOURCES if name != "static"]


@pytest.mark.usefixtures("clean_environment")
@pytest.mark.parametrize("found", ENDING, indirect=True)
def test_a_process_that_was_there_before_a_renewal_has_the_new_keys_in_time(found: Source, world: World) -> None:
    world.converge()
    assert who_airflow_is(world).startswith(world.arn)
    before = key(world)
    said = Site(world.settings).staged
    assert said
    ends = said.expiry
    with running(in_airflow(world)) as after:
        assert after(0) == before
        renew(world, found)
        assert key(world) != before
        assert after(60) == before
        assert after(6 * 60 if ends is None else ends - time.time() - 14 * 60) == key(world)
    assert who_airflow_is(world).startswith(world.arn)
    assert stale(Site(world.settings)) == []


@pytest.mark.parametrize("found", ["process", "process without an end"], indirect=True)
def test_no_end_is_written_that_the_source_did_not_state(found: Source, world: World) -> None:
    world.converge()
    answer = json.loads((world.home / "answer.json").read_text())
    written = json.loads((world.staged / "creds.json").read_text())
    assert ("Expiration" in written) == ("Expiration" in answer)


@pytest.mark.parametrize("found", ["process without an end"], indirect=True)
def test_keys_that_nobody_renews_are_good_for_as_long_as_aws_takes_them(
    found: Source, world: World, tmp_path: Path
) -> None:
    """All day, with a clock of the shell's own that is as late as the process's."""
    world.converge()
    shutil.copytree(world.staged, world.settings.mount_path)
    late, date = tmp_path / "late", tmp_path / "bin" / "date"
    date.parent.mkdir()
    real = shutil.which("date")
    date.write_text(f'#!/bin/sh\n[ "$1" = +%s ] || exec {real} "$@"\necho $(($({real} +%s) + $(cat \'{late}\')))\n')
    date.chmod(0o755)
    environ = in_airflow(world)
    environ["PATH"] = f"{date.parent}{os.pathsep}{environ['PATH']}"
    late.write_text("0")
    with running(environ) as after:
        for minutes in range(0, 24 * 60, 7):
            late.write_text(str(minutes * 60))
            assert after(minutes * 60) == key(world)


SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox", "zsh", "ksh", "mksh") if shutil.which(shell)]
DATES = {
    "GNU": 'exec {date} "$@"',
    "busybox": 'case "$*" in *-r*) exit 1;; esac\nexec {date} "$@"',
    "macOS": 'case "$*" in "-u -r"*) exec {date} -u -d "@$3" "$4";; *-d*) exit 1;; esac\nexec {date} "$@"',
}


@pytest.mark.parametrize("date", DATES)
@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_what_is_staged_in_any_shell_and_with_any_date(
    shell: str, date: str, tmp_path: Path
) -> None:
    folder, program = tmp_path / "it's a `folder` $HOME", tmp_path / "bin" / "date"
    for path in (folder, program.parent):
        path.mkdir()
    program.write_text("#!/bin/sh\n" + DATES[date].format(date=shutil.which("date")) + "\n")
    program.chmod(0o755)
    environ = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "TZ": "Asia/Kathmandu"}
    answer = {
        "Version": 1,
        "AccessKeyId": "AKIA",
        "SecretAccessKey": "a\\b $(id) `id` %s \\n '\" } ",
        "SessionToken": "x" * 9000,
    }
    (folder / "creds.sh").write_text(staged_text.PRINT_KEYS)
    for stated in ({}, {"Expiration": "2030-01-31T12:00:00+00:00"}):
        (folder / "creds.json").write_text(json.dumps(answer | stated) + "\n")
        argv = [*([shell, "sh"] if shell == "busybox" else [shell]), str(folder / "creds.sh")]
        before = time.time()
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
        found = json.loads(done.stdout)
        end = found.pop("Expiration")
        assert (found, done.stderr) == (answer, "")
        assert stated == {"Expiration": end} or 0 <= datetime.fromisoformat(end).timestamp() - int(before) - 1200 < 60


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_says_so_where_no_keys_are_staged(shell: str, tmp_path: Path) -> None:
    (tmp_path / "creds.sh").write_text(staged_text.PRINT_KEYS)
    argv = [*([shell, "sh"] if shell == "busybox" else [shell]), str(tmp_path / "creds.sh")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("no keys are staged here now: aws-airflow refresh\n")


def test_a_user_s_own_keys_of_a_file_are_kept_for_good_and_other_ones_are_a_reason_to_restart(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Site, "running", (runtimes.Service("scheduler", healthy=True, identity="one"),))
    sources.static(world)
    world.converge()
    assert {path.name for path in world.staged.iterdir()} == {"config", "credentials"}
    key, secret = world.keys
    world.credentials(f"[default]\naws_access_key_id = {key}X\naws_secret_access_key = {secret}\n")
    for change in refresh.plan(Site(world.settings)).needed:
        change.apply()
    assert stale(Site(world.settings)) == ["one"]
