"""The checks of ``doctor`` on what trips people: files that readers see differently, ports, proxies, clocks, labels."""

from __future__ import annotations

import os
import re
import socket
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

from aws_airflow_tasks.core import NOT_NEEDED, Check, Pending, TaskError, sh
from aws_airflow_tasks.patch.dotenv import lines, readers
from aws_airflow_tasks.patch.yaml import parsing, positions
from aws_airflow_tasks.runtimes import astro, dockerfile
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps.prerequisites import is_standalone
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import endpoints, git_index, gitignore, private
from aws_airflow_tasks.world import state as state_

OVERRIDE, ENV = "docker-compose.override.yml", ".env"
#: seconds by which AWS lets a clock be wrong
SKEW = 300
#: what in `.env` or a shell comes before a profile, by botocore's and Airflow's documented order
WINS = r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|SECURITY_TOKEN|DEFAULT_PROFILE|WEB_IDENTITY_TOKEN_FILE)"
_HOSTS = {"localhost", "127.0.0.1", "*"}


def override(site: Site) -> Check:
    """Compose merges it into what the Astro CLI writes."""
    data = site.read(OVERRIDE)
    if data is None:
        return Check("", "skipped", f"{NOT_NEEDED}there is none yet")
    try:
        parsing.parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Check("", "failed", f"{OVERRIDE} is no text in UTF-8", sh("file {}", site.project / OVERRIDE))
    except positions.Refused as refused:
        command = sh("docker compose -f {} config", site.project / OVERRIDE)
        return Check("", "failed", f"{OVERRIDE} cannot be read: {refused}", command)
    return Check("", "ok", "readable")


def env(site: Site) -> Check:
    """Three programs read it, each in its own way."""
    data = site.read(ENV)
    if data is None:
        return Check("", "skipped", f"{NOT_NEEDED}there is none yet")
    if bad := lines.unreadable(data):
        return Check("", "failed", bad, sh("less {}", site.project / ENV))
    found = list(readers.statements(data.decode("utf-8-sig", errors="surrogateescape")))
    said = lines.disagreements(found, readers.views(data, found))
    return (
        Check("", "warning", "; ".join(said), command("env", "--diff --check")) if said else Check("", "ok", "readable")
    )


def env_wins(site: Site) -> Check:
    """What botocore takes before the profile."""
    known = readers.view(site.read(ENV) or b"", "compose").values
    found = [name for name in known if re.fullmatch(WINS, name) and known[name]]
    if not found:
        return Check("", "ok", "nothing wins over our lines")
    return Check("", "warning", f"{', '.join(found)} in .env: it wins over the profile", command("env", "--override"))


def env_ignored(site: Site) -> Check:
    """By git's own files alone: no git is run where a project could have it run something."""
    if site.read(ENV) is None:
        return Check("", "skipped", f"{NOT_NEEDED}there is none yet")
    if (top := git_index.top(site.project / ENV)) is None:
        return Check("", "skipped", f"{NOT_NEEDED}no git repository is here")
    if git_index.tracks(site.project / ENV, top):
        hint = sh("git -C {} rm --cached --force {}", site.project, ENV) + "   # the file itself stays"
        return Check("", "warning", "git has .env already, whatever ignores it, and it may have secrets", hint)
    if line := gitignore.ignoring(site.project / ENV, top):
        return Check("", "ok", f"by the line {line}")
    return Check("", "warning", "no .gitignore here names .env, and it may have secrets", _ignore(site.project))


def _ignore(project: Path) -> str:
    """What adds the line to a .gitignore: a last line that has no end would become part of it."""
    path = project / ".gitignore"
    text = gitignore.text(path)
    return sh("echo .env >> {}" if not text or text.endswith("\n") else r"printf '\n.env\n' >> {}", path)


def shell(site: Site) -> Check:
    """Names alone: values are nobody's to see."""
    found = [name for name in os.environ if re.fullmatch(WINS, name)]
    found += endpoints.of_shell(os.environ)
    if not found:
        return Check("", "ok", "no keys or endpoints in this shell")
    detail = f"{', '.join(sorted(set(found)))}: this shell says otherwise than a file"
    return Check("", "warning", detail, sh("unset" + " {}" * len(set(found)), *sorted(set(found))))


def ports(site: Site) -> Check:
    """Airflow itself may have them."""
    if site.settings.runtime == "embedded":
        return Check("", "skipped", f"{NOT_NEEDED}the embedded runtime takes any that is free")
    wanted = {name: astro.port(site.project, name) for name in _published(site)}
    taken = {name: port for name, port in wanted.items() if _answers(port)}
    if not taken:
        return Check("", "ok", f"free: {', '.join(map(str, wanted.values()))}")
    detail = f"{', '.join(map(str, taken.values()))} in use, by Airflow or another program"
    others = " && ".join(f"astro config set {name}.port {port + 1}" for name, port in taken.items())
    return Check("", "warning", detail, f"docker ps   # or another: {others}")


def _published(site: Site) -> tuple[str, ...]:
    """The services that have a port of this machine: Airflow's own, and in containers its database."""
    try:
        major = dockerfile.declared_major(site.project)
    except Pending:
        major = None
    web = astro.WEB.get(major or 0, astro.WEB[max(astro.WEB)])
    return (web,) if is_standalone(site) else (web, astro.DATABASE)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(0.5)
        return tried.connect_ex(("127.0.0.1", port)) == 0


def proxy(site: Site) -> Check:
    """Airflow's own API is on this machine."""
    named = [name for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy") if os.environ.get(name)]
    if not named:
        return Check("", "ok", "no proxy is set")
    none = (os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "").replace(" ", "").split(",")
    if _HOSTS.intersection(none):
        return Check("", "ok", f"{', '.join(named)}, not for this machine")
    return Check("", "warning", f"{', '.join(named)} counts here too", "export NO_PROXY=localhost,127.0.0.1")


def ca_bundle(site: Site) -> Check:
    """What a company's proxy needs."""
    named = [name for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE") if os.environ.get(name)]
    gone = [name for name in named if not os.access(os.environ[name], os.R_OK)]
    if gone:
        return Check(
            "", "failed", f"{', '.join(gone)}: no such file can be read", sh("unset" + " {}" * len(gone), *gone)
        )
    return Check("", "ok", ", ".join(named) or "no certificates of your own are set")


def clock(site: Site) -> Check:
    """By the date of an answer; what the answer says does not count, and nothing of ours is sent."""
    import http.client  # only here
    from urllib.parse import urlsplit

    asked = urlsplit(_sts(site) or "https://sts.amazonaws.com")
    made = http.client.HTTPSConnection if asked.scheme == "https" else http.client.HTTPConnection
    connection = made(asked.hostname or "", asked.port, timeout=2)
    try:
        connection.request("HEAD", "/")
        said = connection.getresponse().getheader("Date")
    except (OSError, http.client.HTTPException):
        return Check("", "skipped", f"{asked.hostname} does not answer, without a proxy")
    finally:
        connection.close()
    if not said:
        return Check("", "skipped", "the answer has no date")
    wrong = abs(time.time() - parsedate_to_datetime(said).timestamp())
    if wrong < SKEW:
        return Check("", "ok", f"within {max(1, round(wrong))} s")
    return Check("", "failed", f"this machine's clock is {round(wrong)} s off", "sudo timedatectl set-ntp true")


def _sts(site: Site) -> str:
    """Where `identity` asks, as its answer is the one to hold a clock against; empty: at AWS."""
    try:
        return endpoints.of(site.credentials.endpoints, "sts")
    except TaskError:
        return site.settings.endpoint_url


def state(site: Site) -> Check:
    """Where receipts and staged keys lie."""
    private.check_way(state_.root())
    if not os.path.lexists(site.state):
        return Check("", "ok", f"{site.state}, not there yet")
    private.check(site.state)
    return Check("", "ok", str(site.state))


def orphans(site: Site) -> Check:
    """A project that is gone leaves what could take it back, and perhaps keys."""
    left = state_.orphans(site.state)
    if not left:
        return Check("", "ok", "nothing is left of projects that are gone")
    return Check("", "warning", "; ".join(map(str, left)))


def selinux(site: Site) -> Check:
    """A mount of a home directory is refused, whatever its mode."""
    try:
        enforcing = Path("/sys/fs/selinux/enforce").read_text().strip() == "1"
    except OSError:
        return Check("", "ok", "no SELinux here")
    if not enforcing:
        return Check("", "ok", "not enforcing")
    return Check("", "warning", "enforcing: containers may not read ~/.aws", "sudo ausearch -m avc -ts recent")


def wsl(site: Site) -> Check:
    """On Windows's own disk files have no modes, and are slow."""
    try:
        here = "microsoft" in Path("/proc/version").read_text().lower()
    except OSError:
        here = False
    if not here:
        return Check("", "ok", "this is no WSL")
    if re.match(r"/mnt/[a-z]/", f"{site.project}/"):
        return Check("", "warning", "the project lies on Windows's disk: files have no modes there", "cd ~")
    return Check("", "ok", "on Linux's own disk")
