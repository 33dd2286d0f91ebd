"""Command lines of `aws` and of installers, or parts of them, for a person to type."""

from __future__ import annotations

import importlib.util
import os
import ssl
import sys
from collections.abc import Collection
from pathlib import Path

from aws_airflow_tasks.core import expanded, sh

#: where each of the ways to ask for a proxy is named (urllib's order does not matter here)
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def note(text: str) -> str:
    """What no command mends: whom to ask for what. A comment, so that who types every hint types nothing with it."""
    return f"# {' '.join(text.split())}"


#: each names a file that `aws configure` is to write
_WRITTEN = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


def configure(profile: str) -> str:
    """What has a profile's keys written, once they can be."""
    return unwritable() or f"aws configure{profile_option(profile)}"


def unwritable(*places: Path) -> str:
    """What takes away the variables that have `aws` write where no file can be, such as /dev/null; empty: none does.

    Args:
        places: of those that lead there alone; none: wherever they lead.
    """
    named = {name: expanded(os.environ[name]).absolute() for name in _WRITTEN if name in os.environ}
    found = [name for name, path in named.items() if path in (places or (path,)) and not _takes_a_file(path)]
    where_to = "where it leads" if len(found) == 1 else "where they lead"
    again = f"no file can be written {where_to}; then type the same command again"
    return f"unset {' '.join(found)}   # {again}" if found else ""


def _takes_a_file(path: Path) -> bool:
    """Whether a file can be written there; `aws` makes the directories that are missing above it."""
    place = next(each for each in (path, *path.parents) if os.path.lexists(each))
    return (place.is_file() if place == path else place.is_dir()) and os.access(place, os.W_OK)


def no_region(profile: str) -> str:
    """What gives a region to a profile that has none; which one, nobody but the person knows."""
    option = profile_option(profile)
    return unwritable() or f"aws configure set region eu-west-1{option}   # or the one that your secrets are in"


def editor(path: str | Path, line: int = 0) -> str:
    """What opens a file, at a line."""
    return "${EDITOR:-vi} " + (f"+{line} " if line else "") + sh("{}", path)


def where(names: Collection[str], *files: str | Path) -> str:
    """What shows in which lines of files names stand: their numbers, and nothing of the values behind them."""
    return sh(" ".join(["grep -noE {}", *("{}" for _ in files)]), "|".join(names), *files)


def edit_config() -> str:
    """What opens the AWS configuration file."""
    return editor(expanded(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"))


def set_clock() -> str:
    """What has this machine ask for the time."""
    if sys.platform == "darwin":
        return "sudo sntp -sS time.apple.com"
    if sys.platform == "win32":
        return "w32tm /resync"
    if "microsoft" in os.uname().release.lower():  # WSL, whose clock stands still while the machine sleeps
        return "sudo hwclock -s"
    return "sudo timedatectl set-ntp true"


def trust() -> str:
    """What has botocore trust the authorities that this system trusts, a company's among them if it is set up here."""
    named, ours = os.environ.get("AWS_CA_BUNDLE", ""), ssl.get_default_verify_paths().cafile
    if not ours or named == ours:
        return note("AWS_CA_BUNDLE has to name a file with the certificate of who answers: ask who runs your network")
    return sh("export AWS_CA_BUNDLE={}   # this system's; or the file with your proxy's certificate", ours)


def without_proxy() -> str:
    """What takes away the proxy that does not answer."""
    named = [name for name in PROXIES if os.environ.get(name)]
    if not named:
        return note("start the proxy that this system is set to use, or ask who runs your network for its address")
    return f"unset {' '.join(named)}   # or, where only a proxy leads out: start it"


def endpoint_option(url: str) -> str:
    """`` --endpoint-url URL`` for a command line of `aws`; nothing for AWS's own endpoint."""
    return sh(" --endpoint-url {}", url) if url else ""


def profile_option(profile: str) -> str:
    """`` --profile dev`` for a command line of `aws`; nothing for the default one where no variable names another."""
    others = any(os.environ.get(name) for name in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE"))
    return "" if profile == "default" and not others else sh(" --profile {}", profile)


def by_hand(profile: str) -> str:
    """What runs a profile's credential helper in a shell, where it can show and ask, without showing keys."""
    return f'sh -c "$(aws configure get credential_process{profile_option(profile)})" > /dev/null'


def install(*packages: str, upgrade: bool = False) -> str:
    """What installs packages beside this program, where `pip`, `uv` or `pipx` has put it.

    pipx keeps a file of this name in a virtual environment of its own, which has no pip.

    Args:
        packages: as an installer names them.
        upgrade: whether they are there already, and too old.
    """
    place, words = Path(sys.prefix), " ".join(["--upgrade"] * upgrade + [sh("{}", package) for package in packages])
    if (place / "pipx_metadata.json").is_file():
        return sh("pipx runpip {} install " if upgrade else "pipx inject {} ", place.name) + words
    if importlib.util.find_spec("pip"):
        return sh("{} -m pip install ", sys.executable) + words
    return sh("uv pip install --python {} ", sys.executable) + words


#: what the sandbox needs besides, as the extra of its name has it
SANDBOX = ("awscli", "moto[server]", "uv")
