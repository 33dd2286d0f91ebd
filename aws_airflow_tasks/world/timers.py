"""A timer of the system that renews a project's staged keys: systemd's for a user, or a launchd agent.

Units: systemd.exec(5), systemd.service(5), systemd.timer(5), whose quoting is in systemd.syntax(7); launchd.plist(5).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.hints import PROXIES
from aws_airflow_tasks.world import cli, files, identity, keeper

#: seconds between two looks: keys are renewed a quarter of an hour before their end
EVERY = 300
#: variables of a shell that make a difference to what it runs, but for AWS's
PASSED = (
    *("PATH", "HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "ASTRO_HOME"),
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"),
    *("SSL_CERT_FILE", "NO_PROXY", "no_proxy", *PROXIES),
)
#: in the names of variables that are secret, and so go into no file
_SENSITIVE = r"KEY|SECRET|TOKEN(?!_FILE)"


def name(state: Path) -> str:
    """What the system calls a project's timer."""
    return f"aws-airflow-{re.sub(r'[^A-Za-z0-9_.-]', '-', state.name)}"


def is_launchd() -> bool:
    """Whether this system has launchd, not systemd."""
    return sys.platform == "darwin"


def units(settings: Settings, state: Path) -> dict[Path, str]:
    """The files of a project's timer, by path, with what is to be in them.

    Raises:
        TaskError: this system has neither launchd nor a systemd for its users.
    """
    if not (is_launchd() or shutil.which("systemctl")):
        raise TaskError("this system has no timers of systemd or launchd", hint=command("refresh", "--watch"))
    argv, variables = (sys.executable, "-P", "-m", keeper.MODULE, "--once"), _variables(settings)
    if is_launchd():
        return {places(state)[0]: _plist(argv, variables, state)}
    service, timer = places(state)
    return {service: _service(argv, variables, settings.project), timer: _timer(settings.project)}


def places(state: Path) -> tuple[Path, ...]:
    """Where the files of a project's timer lie."""
    if is_launchd():
        return (Path.home() / "Library" / "LaunchAgents" / f"{name(state)}.plist",)
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    return folder / f"{name(state)}.service", folder / f"{name(state)}.timer"


def installed(state: Path) -> bool:
    """Whether a project has a timer."""
    return all(path.exists() for path in places(state))


def enabled(state: Path) -> bool:
    """Whether the system runs a project's timer.

    Raises:
        TaskError: the system cannot be asked.
    """
    if is_launchd():
        return _ask("launchctl", "print", f"{_domain()}/{name(state)}") == 0
    return all(_ask("systemctl", "--user", word, f"{name(state)}.timer") == 0 for word in ("is-enabled", "is-active"))


def enable(state: Path) -> None:
    """Have the system run a project's timer as its files are now.

    Raises:
        TaskError: it does not.
    """
    if is_launchd():
        _ask("launchctl", "bootout", f"{_domain()}/{name(state)}")
        _tell("launchctl", "bootstrap", _domain(), str(places(state)[0]))
        return
    _tell("systemctl", "--user", "daemon-reload")
    _tell("systemctl", "--user", "enable", f"{name(state)}.timer")
    _tell("systemctl", "--user", "restart", f"{name(state)}.timer")


def disable(state: Path) -> None:
    """Have the system run it no more.

    Raises:
        TaskError: it still does.
    """
    if is_launchd():
        _tell("launchctl", "bootout", f"{_domain()}/{name(state)}")
    else:
        _tell("systemctl", "--user", "disable", "--now", f"{name(state)}.timer")


def write(path: Path, text: str | None) -> None:
    """Write one of its files, or remove it (None)."""
    files.replace(path, files.read(path), None if text is None else text.encode(), mode=0o600)


def _domain() -> str:
    return f"gui/{os.getuid() if hasattr(os, 'getuid') else 0}"


def _ask(*argv: str) -> int:
    return cli.run(argv, timeout=60).code


def _tell(*argv: str) -> None:
    done = cli.run(argv, timeout=60)
    if done.code:
        said = cli.said(done)
        again = command("refresh", "--watch") if "connect to bus" in said else " ".join(argv)  # no systemd is there
        raise TaskError(f"`{' '.join(argv)}` failed: {said}", hint=again)


def _variables(settings: Settings) -> dict[str, str]:
    """What its environment has: no secret, as it goes into a file."""
    if named := [key for key in PROXIES if re.search(r"://[^/@]+@", os.environ.get(key, ""))]:
        raise TaskError(
            f"{named[0]} has a password in it, which would stand in a file", hint=command("refresh", "--watch")
        )
    chosen = {
        key: value
        for key, value in os.environ.items()
        if key in PASSED or (key.startswith(identity.VARIABLES) and not re.search(_SENSITIVE, key))
    }
    return dict(sorted(chosen.items())) | {keeper.SETTINGS: keeper.written(settings)}


def _service(argv: Sequence[str], variables: Mapping[str, str], project: Path) -> str:
    environment = "".join(f"Environment={_quoted(f'{key}={value}')}\n" for key, value in variables.items())
    command = " ".join(_quoted(word).replace("$", "$$") for word in argv)
    return (
        f"[Unit]\nDescription=AWS keys for Airflow in {_line(project)}\n\n"
        f"[Service]\nType=oneshot\nWorkingDirectory={_line(Path.cwd())}\n{environment}ExecStart={command}\n"
    )


def _timer(project: Path) -> str:
    """By the wall clock, as a laptop's sleep counts too."""
    return (
        f"[Unit]\nDescription=AWS keys for Airflow in {_line(project)}\n\n"
        f"[Timer]\nOnCalendar=*:0/{EVERY // 60}\nAccuracySec=30\n\n[Install]\nWantedBy=timers.target\n"
    )


def _quoted(text: str) -> str:
    escaped = _line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _line(text: object) -> str:
    """Text in which systemd expands nothing; what would end the line is refused by the file systems that have it."""
    return str(text).replace("%", "%%").replace("\n", " ")


def _plist(argv: Sequence[str], variables: Mapping[str, str], state: Path) -> str:
    import plistlib  # with it come parsers that nothing else needs

    log = str(state / keeper.LOG)
    content = {
        "Label": name(state),
        "ProgramArguments": list(argv),
        "EnvironmentVariables": dict(variables),
        "WorkingDirectory": str(Path.cwd()),
        "StartInterval": EVERY,
        "RunAtLoad": True,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return plistlib.dumps(content).decode()
