"""`doctor` sees what is missing and what trips people, changes nothing, and works where nothing else does."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aws_airflow_tasks.core import Check, TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import doctor, pitfalls, prerequisites
from aws_airflow_tasks.world import cli
from tests.conftest import HOSTS
from tests.project import Done, StandInAirflow, airflow, astro_project, embedded, run, tree

__all__ = ["airflow", "astro_project", "embedded", "run"]

Run = Callable[..., Done]
ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loaded machine takes its time; how long is waited is a test of its own."""
    monkeypatch.setattr(doctor, "PATIENCE", 60)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "here"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def found(done: Done) -> dict[str, dict[str, str]]:
    return {check["check"]: check for check in done.document["checks"]}


def test_it_tells_all_in_order_where_there_is_nothing_at_all_and_leaves_it_so(here: Path, run: Run) -> None:
    before = tree(here, Path.home())
    done = run("doctor", "--json")
    assert list(found(done)) == list(doctor.listed())
    assert done.code == 4
    assert found(done)["identity"]["status"] == "failed"
    assert found(done)["project"]["hint"].endswith("init")
    assert tree(here, Path.home()) == before
    assert all(each["hint"] for name, each in found(done).items() if each["status"] == "failed")


@pytest.mark.parametrize(
    ("text", "said"), [("aws_airflow: [", "line 1"), ("aws_airflow: {regoin: x}", "regoin"), ("\0", "cannot be read")]
)
def test_an_invoke_yaml_that_cannot_be_read_is_named_and_the_rest_is_looked_at(
    text: str, said: str, here: Path, run: Run
) -> None:
    (here / "invoke.yaml").write_text(text)
    done = run("doctor", "--json")
    assert done.code == 4
    assert found(done)["settings"]["status"] == "failed"
    assert said in found(done)["settings"]["detail"]
    assert found(done)["python"]["status"] == "ok"


def test_a_project_that_nobody_has_agreed_to_sends_nobody_anywhere(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        monkeypatch.setitem(HOSTS, "theirs.test", listener.getsockname()[1])
        (here / "invoke.yaml").write_text("aws_airflow: {endpoint_url: 'http://theirs.test'}")
        done = run("doctor", "--json")
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert "not agreed to" in found(done)["settings"]["detail"]


def test_checks_lists_them_and_looks_at_none(here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "checks", lambda *_, **__: pytest.fail("it looked"))
    done = run("doctor", "--checks")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines() if line.startswith("  ")] == list(doctor.listed())
    assert run("doctor", "--checks", "--json").document["available"] == doctor.listed()


def test_who_works_has_an_identity_and_may_read_and_nothing_is_written(
    astro_project: Path, airflow: StandInAirflow, run: Run
) -> None:
    before = tree(astro_project, Path.home())
    seen = found(run("doctor", "--json"))
    assert [seen[name]["status"] for name in ("settings", "identity", "permissions", "project", "image")] == ["ok"] * 5
    assert seen["astro-cli"]["status"] == seen["engine"]["status"] == "skipped"
    assert tree(astro_project, Path.home()) == before


def one(look: doctor.Look, monkeypatch: pytest.MonkeyPatch, *, redact: bool = False) -> Check:
    monkeypatch.setattr(doctor, "CHECKS", {"one": doctor.Row("one", look)})
    return list(doctor.checks(Settings(project=Path("/")), None, redact=redact))[-1]


def test_what_is_told_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "AKIAIOSFODNN7EXAMPLE"
    look = Check("", "ok", f"{Path.home()}/x arn:aws:iam::{ACCOUNT}:user/u {key}")
    assert one(lambda _: look, monkeypatch).detail == f"~/x arn:aws:iam::{ACCOUNT}:user/u ***"
    assert one(lambda _: look, monkeypatch, redact=True).detail == "~/x arn:aws:iam::************:user/u ***"


def test_who_does_not_answer_in_time_is_said_to_be_silent_and_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PATIENCE", 0.01)
    never = threading.Event()

    def silent(_: Site) -> Check:
        never.wait()
        return Check("", "ok")

    assert one(silent, monkeypatch) == Check("one", "warning", "no answer in time")
    never.set()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TaskError("gone", hint="mend it"), Check("one", "failed", "gone", "mend it")),
        (ZeroDivisionError("secret"), Check("one", "warning", "cannot be told here (ZeroDivisionError)")),
    ],
)
def test_what_a_check_raises_is_its_finding(error: Exception, said: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(_: Site) -> Check:
        raise error

    assert one(look, monkeypatch) == said


VERSIONS = {
    "aws-cli/1.32.1 Python/3.11": ("warning", "no `aws sso login`"),
    "aws-cli/2.8.1 Python/3.11": ("warning", "too old"),
    "aws-cli/2.17.1 Python/3.11": ("ok", "2.17.1"),
    "hello": ("warning", "does not say"),
}


@pytest.mark.parametrize("printed", VERSIONS)
def test_the_aws_command_line_is_told_by_what_it_can_do(printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find", lambda _: "aws")
    monkeypatch.setattr(cli, "run", lambda *_, **__: cli.Completed(0, printed, ""))
    told = prerequisites.aws_cli(Site(Settings()))
    assert told.status == VERSIONS[printed][0]
    assert VERSIONS[printed][1] in told.detail


#: files -> the check, its status, words of what is told
FILES: list[tuple[dict[str, str], doctor.Look, str, str]] = [
    ({"docker-compose.override.yml": "a: ["}, pitfalls.override, "failed", "cannot be read"),
    ({"docker-compose.override.yml": "services: {}\n"}, pitfalls.override, "ok", "readable"),
    ({}, pitfalls.override, "skipped", "none yet"),
    ({".env": "A=1\n"}, pitfalls.env, "ok", "readable"),
    ({".env": "A='x\n"}, pitfalls.env, "warning", "line 1"),
    ({".env": "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\n"}, pitfalls.env_wins, "warning", "AWS_ACCESS_KEY_ID in .env"),
    ({".env": "AWS_PROFILE=dev\n"}, pitfalls.env_wins, "ok", "nothing wins"),
    ({".env": "", ".git/HEAD": ""}, pitfalls.env_ignored, "warning", "no .gitignore"),
    ({".env": "", ".git/HEAD": "", ".gitignore": "*.pyc\n.env\n"}, pitfalls.env_ignored, "ok", ".env"),
    ({".env": "", ".git/HEAD": "", ".gitignore": "\ufeff.env\n"}, pitfalls.env_ignored, "ok", ".env"),
    ({".env": "", ".git/HEAD": "", ".gitignore": ".env\n!.env\n"}, pitfalls.env_ignored, "warning", "no .gitignore"),
    ({"Dockerfile": "FROM quay.io/astronomer/astro-runtime:12.1.0\n"}, prerequisites.image, "ok", "Airflow 2"),
    ({"Dockerfile": "\ufeffFROM quay.io/astronomer/astro-runtime:12.1.0\n"}, prerequisites.image, "ok", "Airflow 2"),
    (
        {"Dockerfile": "FROM astrocrpublic.azurecr.io/runtime:3.1-12\n", "requirements.txt": ""},
        prerequisites.image,
        "ok",
        "requirements.txt has to ask for it",
    ),
    ({"Dockerfile": "FROM scratch\n"}, prerequisites.image, "warning", "does not tell"),
    ({}, prerequisites.image, "skipped", "no Dockerfile"),
]


@pytest.mark.parametrize(("files", "look", "status", "said"), FILES, ids=[str(number) for number in range(len(FILES))])
def test_a_projects_files_are_told(
    files: dict[str, str], look: doctor.Look, status: str, said: str, here: Path
) -> None:
    for name, text in files.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    told = look(Site(Settings(project=here)))
    assert (told.status, said in told.detail) == (status, True), told
    assert "EXAMPLE" not in json.dumps(told)


@pytest.mark.parametrize("text", [None, "", "*.log", "*.log\n", "*.log\r\n", "\ufeff*.log"])
def test_the_command_for_a_env_that_git_would_take_mends_it_whatever_its_file_ends_in(
    text: str | None, here: Path
) -> None:
    for name in (".env", ".git/HEAD"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).touch()
    if text is not None:
        (here / ".gitignore").write_bytes(text.encode())
    site = Site(Settings(project=here))
    subprocess.run(["sh", "-c", pitfalls.env_ignored(site).hint], check=True)
    assert pitfalls.env_ignored(site).status == "ok"
    assert (here / ".gitignore").read_text(encoding="utf-8").splitlines() == [*(text or "").splitlines(), ".env"]


#: the .gitignore of the repository, of a directory in it, and of the project in that
IGNORED = [
    ("/.env", "", ""),
    ("airflow/.env", "", ""),
    ("in/airflow/.env", "", ""),
    ("/in/airflow/.env", "", ""),
    (".env\n!/.env", "", ""),
    (".env\n!.env", "", ""),
    ("**/.env", "", ""),
    ("**/airflow/.env", "", ""),
    ("in/**/.env", "", ""),
    ("in/**", "", ""),
    ("in/*", "", ""),
    ("in/*.env", "", ""),
    ("/**", "", ""),
    (".env/", "", ""),
    ("in/", "", ""),
    ("airflow", "", "!.env"),
    ("/airflow", "", ""),
    ("in/airflow/", "", "!.env"),
    ("in/*\n!in/airflow", "", ""),
    ("*", "", ""),
    ("*\n!*/\n!.env", "", ""),
    (".env", "!.env", ""),
    (".env", "!.env", ".env"),
    ("!.env", ".env", ""),
    (".env", "", "!/.env"),
    ("", "/.env", ""),
    ("", "airflow/.env", ""),
    ("", "/airflow/.env", "!/airflow/.env"),
    ("", "", "/.env"),
    ("#.env", "", ""),
    (" .env", "", ""),
    (".env  ", "", ""),
    (".env\r\n", "", ""),
    (".env\r*.log\n", "", ""),
    (".env\x0c", "", ""),
    ("\\.env", "", ""),
    (".e?v", "", ""),
    (".en[v]", "", ""),
    (".en[^v]", "", ""),
    (".en[!a]", "", ""),
    (".env.*", "", ""),
    ("*.env*", "", ""),
    ("!", "/", "//.env"),
]


@pytest.mark.parametrize("files", IGNORED, ids=[str(number) for number in range(len(IGNORED))])
def test_a_env_is_ignored_where_git_itself_says_so(
    files: tuple[str, str, str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    project = here / "in" / "airflow"
    project.mkdir(parents=True)
    (project / ".env").touch()
    for folder, text in zip((here, here / "in", project), files, strict=True):
        (folder / ".gitignore").write_bytes(text.encode())
    subprocess.run(["git", "init", "-q"], check=True)
    git = subprocess.run(["git", "check-ignore", "-q", "in/airflow/.env"], check=False).returncode
    assert pitfalls.env_ignored(Site(Settings(project=project))).status == {0: "ok", 1: "warning"}[git]


def git(*words: str) -> int:
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(["git", *words], env=os.environ | who, capture_output=True, check=False)
    return done.returncode


#: what git ignores by, beside the .gitignore files, and that of the repository: files in HOME and in the repository
BESIDE: list[dict[str, str]] = [
    {".git/info/exclude": "in/airflow/.env\n"},
    {".git/info/exclude": "/.env\n"},
    {".git/info/exclude": ".env\n", ".gitignore": "!.env\n"},
    {".git/info/exclude": "!.env\n", ".gitignore": ".env\n"},
    {"~/.config/git/ignore": ".env\n"},
    {"~/.config/git/ignore": ".env\n", ".git/info/exclude": "!.env\n"},
    {"~/.config/git/ignore": ".env\n", "~/.gitconfig": "[core]\n\texcludesFile = ~/mine\n"},
    {"~/mine": ".env\n", "~/.gitconfig": "[user]\nname = a\n[Core] ; mine\n\texcludesfile=~/mine # mine\n"},
    {"~/mine": ".env\n", "~/.gitconfig": '[core] excludesFile = "~/mine"\n'},
    {"~/mine": ".env\n", "~/.gitconfig": "[core]\n# excludesFile = ~/mine\n"},
    {"~/mine": ".env\n", "~/.gitconfig": '[core "x"]\nexcludesFile = ~/mine\n'},
    {"~/mine": ".env\n", "~/.config/git/config": "[core]\nexcludesFile = ~/mine\n"},
    {"~/mine": ".env\n", ".git/config": "[core]\nexcludesFile = ~/mine\n"},
    {"~/a": ".env\n", ".git/config": "[core]\nexcludesFile = ~/b\n", "~/.gitconfig": "[core]\nexcludesFile = ~/a\n"},
    {".gitignore": ".env\n", "~/.gitconfig": "canary\n\0["},
]  # fmt: skip


@pytest.mark.parametrize("files", BESIDE, ids=[str(number) for number in range(len(BESIDE))])
def test_a_env_is_ignored_by_what_git_keeps_beside_the_work_tree_too(files: dict[str, str], here: Path) -> None:
    git("init", "-q")
    project = here / "in" / "airflow"
    project.mkdir(parents=True)
    (project / ".env").touch()
    for name, text in files.items():
        path = Path(name).expanduser() if name.startswith("~") else here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    ignored = git("check-ignore", "-q", "in/airflow/.env")
    status = {0: "ok", 1: "warning", 128: "ok"}[ignored]  # 128: git cannot read its own configuration
    assert pitfalls.env_ignored(Site(Settings(project=project))).status == status


def test_in_a_further_work_tree_the_lists_of_the_repository_count(here: Path) -> None:
    git("init", "-q", "first")
    git("-C", "first", "commit", "-q", "--allow-empty", "-m", "x")
    git("-C", "first", "worktree", "add", "-q", "../second")
    (here / "second" / ".env").touch()
    site = Site(Settings(project=here / "second"))
    assert pitfalls.env_ignored(site).status == "warning"
    (here / "first" / ".git" / "info" / "exclude").write_text(".env\n")
    assert pitfalls.env_ignored(site).status == "ok"
    git("-C", "second", "add", "-f", ".env")
    assert "git has .env already" in pitfalls.env_ignored(site).detail


@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("hashes", ["sha1", "sha256"])
def test_a_env_that_git_has_already_is_not_safe_whatever_ignores_it_until_what_is_to_be_typed_takes_it_out(
    version: str, hashes: str, here: Path
) -> None:
    git("init", "-q", f"--object-format={hashes}")
    (here / ".gitignore").write_text(".env\n.env.d/\n")
    project = here / "my airflow"
    for name in (".env", ".env2", "a/.env", "b/.env", "zz/.env"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("A=1\n")
    site = Site(Settings(project=project))
    others = ["my airflow/.env2", "my airflow/a/.env", "my airflow/b/.env", "my airflow/zz/.env", ".gitignore"]
    assert git("add", "-f", "-N" if version == "3" else "-f", *others) == 0
    assert git("update-index", "--index-version", version if version == "4" else "2") == 0
    assert (here / ".git" / "index").read_bytes()[7] == int(version)
    assert pitfalls.env_ignored(site).status == "ok"
    assert git("add", "-f", "my airflow/.env") == 0
    (project / ".env").write_text("A=2\n")
    told = pitfalls.env_ignored(site)
    assert (told.status, "git has .env already" in told.detail) == ("warning", True)
    subprocess.run(["sh", "-c", told.hint], check=True, capture_output=True)
    assert (pitfalls.env_ignored(site).status, (project / ".env").read_text()) == ("ok", "A=2\n")


def test_a_env_that_git_has_in_the_shared_part_of_a_split_index_is_not_safe_either(here: Path) -> None:
    git("init", "-q")
    (here / ".env").touch()
    assert git("add", "-f", ".env") == 0
    assert git("update-index", "--split-index") == 0
    (here / ".gitignore").write_text(".env\n")
    assert "git has .env already" in pitfalls.env_ignored(Site(Settings(project=here))).detail


DAMAGED = {
    "empty": b"",
    "cut off": b"DIRC",
    "a name that has nothing before it": b"DIRC\0\0\0\4\0\0\0\1" + b"\xff" * 70,
    "another file": b"\0" * 200,
    "no entries": b"DIRC\0\0\0\2\xff\xff\xff\xff",
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_an_index_that_is_damaged_is_no_reason_to_stumble(data: bytes, here: Path) -> None:
    git("init", "-q")
    (here / ".env").touch()
    (here / ".gitignore").write_text(".env\n")
    (here / ".git" / "index").write_bytes(data)
    assert pitfalls.env_ignored(Site(Settings(project=here))).status == "ok"


def variables(**values: str) -> dict[str, str]:
    return values


#: variables of the shell -> the check, its status, words of what is told
SHELL: list[tuple[dict[str, str], doctor.Look, str, str]] = [
    (variables(AWS_SESSION_TOKEN="x"), pitfalls.shell, "warning", "AWS_SESSION_TOKEN"),
    (variables(AWS_ENDPOINT_URL="http://x"), pitfalls.shell, "warning", "AWS_ENDPOINT_URL"),
    (variables(HTTPS_PROXY="http://u:hunter2@x", NO_PROXY=""), pitfalls.proxy, "warning", "HTTPS_PROXY"),
    (variables(HTTPS_PROXY="http://x", NO_PROXY="localhost"), pitfalls.proxy, "ok", "not for this machine"),
    (variables(AWS_CA_BUNDLE="/nowhere/ca.pem"), pitfalls.ca_bundle, "failed", "AWS_CA_BUNDLE"),
]


@pytest.mark.parametrize(("names", "look", "status", "said"), SHELL, ids=[str(number) for number in range(len(SHELL))])
def test_a_shells_variables_are_told_without_their_values(
    names: dict[str, str], look: doctor.Look, status: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    told = look(Site(Settings()))
    assert (told.status, said in told.detail) == (status, True), told
    assert "hunter2" not in str(told)


class Late(http.server.BaseHTTPRequestHandler):
    """Answers as an AWS whose clock is an hour behind this one."""

    def do_HEAD(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", self.date_time_string(int(time.time()) - 3600))
        self.end_headers()


@pytest.fixture
def late() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_clock_is_held_against_who_says_the_identity(late: str) -> None:
    config = Path.home() / ".aws" / "config"
    config.parent.mkdir(exist_ok=True)
    config.write_text(f"[default]\nregion = eu-west-1\nendpoint_url = {late}\n")
    told = pitfalls.clock(Site(Settings()))
    off = [f"this machine's clock is {seconds} s off" for seconds in (3600, 3601)]  # HTTP has whole ones
    assert (told.status, told.detail in off) == ("failed", True), told
    config.write_text("[default\n")
    assert pitfalls.clock(Site(Settings(endpoint_url=late))).status == "failed"


def test_who_does_not_say_the_time_is_named(here: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        told = pitfalls.clock(Site(Settings(endpoint_url=url)))
    assert (told.status, told.detail) == ("skipped", "127.0.0.1 does not answer, without a proxy")


#: what the Dockerfile is built on -> the service that has Airflow's port
WEB = {"quay.io/astronomer/astro-runtime:12.1.0": "webserver", "astrocrpublic.azurecr.io/runtime:3.1-12": "api-server"}
WEB |= {"": "api-server"}


def busy(monkeypatch: pytest.MonkeyPatch, *taken: int) -> None:
    monkeypatch.setattr(pitfalls, "_answers", lambda port: port in taken)


@pytest.mark.parametrize(("image", "web"), WEB.items())
def test_a_port_that_somebody_has_is_told_with_the_key_that_moves_it(
    image: str, web: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if image:
        (here / "Dockerfile").write_text(f"FROM {image}\n")
    busy(monkeypatch, 8080)
    told = pitfalls.ports(Site(Settings(project=here)))
    assert told.detail == "8080 in use, by Airflow or another program"
    assert told.hint == f"docker ps   # or another: astro config set {web}.port 8081"


def test_a_port_of_the_database_that_somebody_has_is_told_with_its_own_key(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy(monkeypatch, 5432)
    assert pitfalls.ports(Site(Settings(project=here))).hint.endswith(": astro config set postgres.port 5433")


def test_the_ports_that_are_looked_at_are_those_that_the_project_has_set(here: Path) -> None:
    (here / ".astro").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (here / ".astro" / "config.yaml").write_text(f"api-server: {{port: '{port}'}}\npostgres: {{port: 1}}\n")
        told = pitfalls.ports(Site(Settings(project=here)))
    assert told.detail == f"{port} in use, by Airflow or another program"
    assert pitfalls.ports(Site(Settings(project=here))).detail == f"free: {port}, 1"


def test_only_the_ports_that_the_runtime_has_are_looked_at(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch, 8080, 5432)
    assert pitfalls.ports(Site(Settings(project=here, runtime="embedded"))).status == "skipped"
    alone = pitfalls.ports(Site(Settings(project=here, runtime="standalone"))).detail
    assert alone == "8080 in use, by Airflow or another program"
