"""What is wrong with a configuration file of AWS, or with how it names a profile: the file, the line, the reason."""

from __future__ import annotations

import codecs
import difflib
import os
import re
import shlex
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from aws_airflow_tasks.core import TaskError, expanded, sh
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.hints import configure, editor, unwritable
from aws_airflow_tasks.world import readable, state
from aws_airflow_tasks.world.readable import Files, Process


def refuse_unreadable(path: Path) -> None:
    """Raise TaskError for what botocore takes for an empty file, and says nothing of; one that is not there is fine.

    So is the null device, which is how a person says that there is to be none.
    """
    if path == Path(os.devnull):
        return
    seen = readable.look(path)
    if seen.kind == "directory" and (name := _variable(path)) and os.access(path, os.R_OK) and any(path.iterdir()):
        raise TaskError(
            f"{name} is {path}, which is a directory", hint=f"unset {name}   # or have it name a file there"
        )
    who = Process(os.getuid() if hasattr(os, "getuid") else 0)
    found = readable.finding([seen], who, Files("host", path.parent))
    if found:
        elsewhere = unwritable(path) if seen.kind in ("directory", "link", "other") else ""
        raise TaskError(found[0], hint=elsewhere or found[1])


def _variable(path: Path) -> str:
    """The variable that names a file; empty: it is where it lies without one."""
    names = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
    return next((name for name in names if name in os.environ and expanded(os.environ[name]).absolute() == path), "")


def explained(path: Path, error: Exception | None) -> TaskError:
    """The words for a file that botocore cannot parse.

    Args:
        path: the file.
        error: what the parser said of it.
    """
    data = path.read_bytes() if path.is_file() else b""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _rewritten(path, "is UTF-16, which no SDK reads", "iconv -f UTF-16 -t UTF-8")
    if data.startswith(codecs.BOM_UTF8):
        return _rewritten(path, "begins with a byte order mark, which no SDK reads", "tail -c +4")
    line, why = _place(data, error)
    where = f"line {line} of {path}" if line else str(path)
    return TaskError(f"{where} {why}", hint=editor(path, line))


def _rewritten(path: Path, why: str, command: str) -> TaskError:
    new = path.with_name(f"{path.name}.new")  # written back into the file, which keeps its mode, owner and link
    rewrite = f"(umask 077 && {command} {{}} > {{}}) && cat {{}} > {{}} && rm {{}}"
    return TaskError(f"{path} {why}", hint=sh(rewrite, path, new, new, path, new))


def _place(data: bytes, error: Exception | None) -> tuple[int, str]:
    """The line's number (0: not known) and what is wrong with it; nothing of its text, which may be a key."""
    import configparser  # a file that can be parsed needs none of ours

    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as found:
        return data.count(b"\n", 0, found.start) + 1, "is not UTF-8"
    if isinstance(error, configparser.DuplicateSectionError):
        return error.lineno or 0, f"begins [{error.section}] a second time: both are to be one section"
    if isinstance(error, configparser.DuplicateOptionError):
        return error.lineno or 0, f"has {error.option} a second time in its section"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return error.lineno, "stands before the first [section]"
    if isinstance(error, configparser.ParsingError) and error.errors:
        return error.errors[0][0], "is neither a [section] nor NAME = VALUE"
    nested = (number for number, line in enumerate(lines, 1) if re.match(r"[ \t]+[^#;\s][^=]*$", line))
    return next(nested, 0), "is indented, so that it belongs to the name above, and is not NAME = VALUE"


def misnamed(profile: str, config: Path, credentials: Path) -> TaskError | None:
    """The words for a section that is meant for ``profile`` and is not looked for; None: there is none.

    In the configuration file a section has a prefix, in small letters, and quotes around a name with a space; in the
    other it has neither.
    """
    plain, prefixed, quoted = f"[{profile}]", f"[profile {profile}]", f"[profile {shlex.quote(profile)}]"
    for path, right in ((config, quoted), (credentials, plain)):
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for number, line in enumerate(text.split("\n"), 1):
            found = " ".join(re.split("[#;]", line)[0].split())
            if found != right and re.sub("(?i)^.profile ", "[profile ", found) in {plain, prefixed, quoted}:
                message = f"line {number} of {path} has {found}, where it has to be {right}"
                return TaskError(message, hint=editor(path, number))
    return None


#: which name a profile, the first that is set
_NAMING = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")


def named(environ: Mapping[str, str]) -> str:
    """The profile that the environment names, as every SDK takes it; empty: none."""
    return next((environ[name] for name in _NAMING if environ.get(name)), "")


def unknown(
    name: str, there: Mapping[str, str], environ: Mapping[str, str], instead: Callable[[str], str] | None = None
) -> TaskError:
    """The words for a profile that is not among those that are there, by name and kind: the nearest, or all.

    Args:
        name: the profile.
        there: those that are there.
        environ: the environment; empty: the profile was asked for by flag or setting, which come before.
        instead: by another profile the command that takes it; None: as what names it is.
    """
    known = ", ".join(f"{each} ({kind})" for each, kind in there.items()) or "none"
    near = difflib.get_close_matches(name, there, 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    variable = next((each for each in _NAMING if environ.get(each) == name), "")  # it names it for what comes next too
    named = f"export {variable}={{}}" if variable else command("creds", "--profile {}")
    hint = "\n".join(instead(each) if instead else sh(named, each) for each in (near or list(there)[:5]))
    return TaskError(f"there is no profile {name} (there are: {known}){meant}", hint=hint or configure(name))


def refuse_empty(environ: Mapping[str, str], *, explicit: bool) -> None:
    """Raise TaskError for a variable that is there and names no profile, at which every SDK would fail.

    Args:
        environ: the environment.
        explicit: whether the profile was asked for by flag or setting, which come before.
    """
    name = next((name for name in _NAMING if name in environ), "")
    if name and not environ[name].strip() and not explicit:
        raise TaskError(f"{name} is set, and empty: it names no profile", hint=f"unset {name}")


def refuse_empty_bundle(environ: Mapping[str, str], bundle: str | None) -> None:
    """Raise TaskError for a variable that names no file of certificates, where nothing that comes before it does.

    Args:
        environ: the environment.
        bundle: what botocore takes of profile and environment; None: what requests takes comes next.
    """
    name = "AWS_CA_BUNDLE" if bundle is not None else "REQUESTS_CA_BUNDLE"
    if name in environ and not environ[name].strip():
        raise TaskError(f"{name} is set, and empty: it names no file of certificates", hint=f"unset {name}")


def refuse_timeless(environ: Mapping[str, str], parse: Callable[[str], datetime]) -> None:
    """Raise TaskError where keys of the environment end at what is no time, or a time without a zone.

    Args:
        environ: the environment.
        parse: reads a time as botocore does.
    """
    text = environ.get("AWS_CREDENTIAL_EXPIRATION", "")
    if not (text and environ.get("AWS_ACCESS_KEY_ID")):
        return
    try:
        zone = parse(text).tzinfo
    except (ValueError, OverflowError):
        zone = None
    if zone is None:
        raise TaskError(
            "AWS_CREDENTIAL_EXPIRATION is no time with its zone, such as 2030-01-31T12:00:00Z",
            hint="unset AWS_CREDENTIAL_EXPIRATION   # or set it, and the keys, afresh",
        )


def refuse_airflows(environ: Mapping[str, str], mount_path: str) -> None:
    """Refuse the paths of a project's ``.env`` that a shell or an editor has loaded: they are for Airflow's processes.

    Those in containers lead nowhere here; the staged copy would be made from itself, and could never be renewed.

    Args:
        environ: the environment.
        mount_path: where the containers see the files.
    """
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        path = expanded(environ.get(name, ""))
        inside = path.is_relative_to(mount_path) and not path.exists()
        if inside or path.is_relative_to(state.root()):
            what = "a path in Airflow's containers" if inside else "the copy that is staged for Airflow"
            raise TaskError(
                f"{name} is {path}, {what}: your shell or editor has loaded the project's .env",
                hint="unset AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE   # or take a shell that has not loaded it",
            )
