"""The checks of ``doctor`` on what must be there: programs, the engine, the project, the identity. They only look."""

from __future__ import annotations

import re
import secrets
import shutil
import sys
from collections.abc import Callable
from typing import Any

from aws_airflow_tasks.backends import MANY
from aws_airflow_tasks.core import NOT_NEEDED, Check, CheckStatus, Pending, TaskError
from aws_airflow_tasks.runtimes import astro, dockerfile
from aws_airflow_tasks.runtimes import image as image_
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import aws, cli, docker_engine
from aws_airflow_tasks.world.causes import Denied, Unreachable

GIB = 1024**3
#: bytes that Airflow's containers want of memory, and of disk for images
MEMORY, DISK = 4 * GIB, 5 * GIB
#: the first version of `aws` that has `configure export-credentials`, by its changelog
EXPORTS = (2, 9, 0)
#: seconds for an answer of a program; who looks at all of them waits less
_SECONDS = 10


def python(site: Site) -> Check:
    """The Python that we run in."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("", "ok", f"{version}, {sys.prefix}")


def aws_cli(site: Site) -> Check:
    """Logins and their renewal are the AWS command line's."""
    try:
        cli.find("aws")
    except TaskError as error:
        return Check("", "warning", f"{error.message}: no login can be made or renewed from here", error.hint)
    done = cli.run(["aws", "--version"], timeout=_SECONDS)
    version = cli.parse_aws_version(done.stdout or done.stderr)
    if version is None:
        return Check("", "warning", "`aws --version` does not say a version", "aws --version")
    said, install = ".".join(map(str, version)), cli.install("aws")
    if version[0] < 2:
        return Check("", "warning", f"{said}: version 1 has no `aws sso login`; keys in files work", install)
    if version < EXPORTS:
        return Check("", "warning", f"{said}: too old for `aws configure export-credentials`", install)
    return Check("", "ok", f"{said}: logins, and their renewal")


def astro_cli(site: Site) -> Check:
    """Airflow is started by the Astro CLI, but for the embedded runtime."""
    if site.settings.runtime == "embedded":
        return Check("", "skipped", f"{NOT_NEEDED}the embedded runtime needs none")
    cli.find("astro")
    done = cli.run(["astro", "version"], timeout=_SECONDS)
    found = re.search(r"(\d+\.\d+\.\d+\S*)", done.stdout)
    if not found:
        return Check("", "warning", "`astro version` does not say a version", "astro version")
    return Check("", "ok", f"{found[1]}, mode {'standalone' if is_standalone(site) else 'docker'}")


def is_standalone(site: Site) -> bool:
    """Whether Airflow is the Astro CLI's without containers, by the settings or else by the project."""
    chosen = site.settings.runtime
    return chosen == "standalone" or (chosen == "auto" and astro.is_standalone(site.project))


def engine(site: Site) -> Check:
    """Where Airflow runs in containers."""
    if site.settings.runtime == "embedded" or is_standalone(site):
        return Check("", "skipped", f"{NOT_NEEDED}Airflow runs without containers here")
    with docker_engine.client(timeout=_SECONDS) as client:
        info: dict[str, Any] = client.info()
        api = client.api.api_version if hasattr(client.api, "api_version") else "?"
    options = " ".join(map(str, info.get("SecurityOptions") or ()))
    root = str(info.get("DockerRootDir", ""))
    memory = int(info.get("MemTotal") or 0)
    kinds = [word for word in ("rootless", "userns") if word in options] + ["snap"] * ("/snap/" in root)
    said = f"{info.get('ServerVersion', '?')}, API {api}, {memory / GIB:.1f} GiB of memory{_listed(kinds)}"
    if memory < MEMORY:
        return Check("", "warning", f"{said}: Airflow wants 4 GiB", "docker info   # Total Memory")
    if "snap" in kinds:
        return Check("", "warning", f"{said}: a snap sees no hidden directory such as ~/.aws", "snap remove docker")
    return Check("", "ok", said)


def _listed(kinds: list[str]) -> str:
    return f", {', '.join(kinds)}" if kinds else ""


def disk(site: Site) -> Check:
    """Images and Airflow's database need room."""
    free = shutil.disk_usage(site.project).free
    said = f"{free / GIB:.1f} GiB free"
    return Check("", "ok", said) if free >= DISK else Check("", "warning", f"{said}: images want 5", "docker system df")


def project(site: Site) -> Check:
    """``astro dev init`` was here."""
    if (site.project / astro.CONFIG).is_file():
        return Check("", "ok", str(site.project))
    return Check("", "warning", f"no Astro project is at {site.project}", command("init"))


def image(site: Site) -> Check:
    """What the Dockerfile is built on."""
    try:
        base = dockerfile.read(dockerfile.text(site.project))
    except Pending:
        return Check("", "skipped", f"{NOT_NEEDED}no Dockerfile is here")
    found = image_.read(base)
    if base.major is None:
        detail = f"{base.image or 'the Dockerfile'} does not tell Airflow's version"
        return Check("", "warning", detail, "grep -n FROM Dockerfile")
    lacks = "without the amazon provider: requirements.txt has to ask for it"  # whether it does, `provider` finds out
    return Check("", "ok", f"Airflow {base.major}, {'with the amazon provider' if found.bundles_amazon else lacks}")


def identity(site: Site) -> Check:
    """Nobody logs in: what is there is used."""
    known = site.account
    try:
        found = aws.caller_identity(known)
    except Unreachable as error:
        return Check("", "warning", error.message, error.hint)
    return Check("", "ok", f"{found.arn}, profile {known.credentials.profile}")


def permissions(site: Site) -> Check:
    """Of an entry that nobody has: that it is not found means that we may ask."""
    backend = site.backend
    if backend is None:
        return Check("", "skipped", f"{NOT_NEEDED}no backend is set")
    name = backend.name(site.settings.variables_prefix, f"aws_airflow_doctor_{secrets.token_hex(4)}")
    denied: dict[str, str] = {}
    asks: dict[str, Callable[[], object]] = {
        "metadata": lambda: backend.describe(site.account, name),
        "values": lambda: _value(site, name),
    }
    for what, ask in asks.items():
        try:
            ask()
        except Denied as error:
            denied[what] = error.message
        except TaskError:
            return Check("", "skipped", "identity failed")
    if not denied:
        return Check("", "ok", f"may read metadata and values ({backend.NAME})")
    status: CheckStatus = "failed" if "values" in denied else "warning"  # without metadata the value says what is there
    return Check("", status, "; ".join(denied.values()), command("secrets.policy"))


def _value(site: Site, name: str) -> None:
    """Ask for the value of an entry; raises TaskError where that is not allowed."""
    answer = MANY[site.settings.backend].values(site.account, [name]).get(name)
    if isinstance(answer, TaskError):
        raise answer
