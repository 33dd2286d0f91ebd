"""What the person chose: frozen, validated once, each value with the place it came from."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aws_airflow_tasks.core import UsageError, sh
from aws_airflow_tasks.text.allowed import directory, matching, not_a_url, one_of, seconds
from aws_airflow_tasks.text.calling import PREFIX, command
from aws_airflow_tasks.text.cleaning import cleaned
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.text.mistyped import did_you_mean

#: where each setting may be given, for messages
SECTION = "aws_airflow"
ENVIRONMENT_PREFIX = PREFIX


class Layer(NamedTuple):
    """Values from one place, such as ``invoke.yaml``; later layers win.

    Attributes:
        origin: the place, for messages; of a file its path.
        values: by setting.
        brought: whether a project brings them, which its author wrote and the person has to agree to.
    """

    origin: str
    values: Mapping[str, Any]
    brought: bool = False


class Settings(NamedTuple):
    """Settings and flags of one command line; README's table of settings is made from this.

    Where the default is empty, what then holds stands behind the last colon.

    Attributes:
        project: the Astro project directory: the nearest one upwards with ``.astro/config.yaml``, else here
        cache: the user's cache directory, where Airflow's virtual environments lie; no setting of the table.
        profile: the AWS profile whose identity Airflow gets: as the AWS CLI resolves it
        profiles: further profiles to export beside it, for connections and DAGs that name one
        region: region of the secrets backend: the profile's
        account: the AWS account that keys must be of, before anything is staged: any
        runtime: the Astro CLI's modes ``docker`` and ``standalone``, or Airflow from PyPI; ``auto``: the project's mode
        credentials: ``live`` mounts your directory, ``export`` a copy with this profile alone; ``auto`` decides
        keep_fresh: whether keys that end are renewed while Airflow runs (not where ``CI`` is set)
        mount_path: where the directory appears in the containers
        backend: where Airflow looks for variables and connections
        connections_prefix, variables_prefix: the backend's name prefixes
        check_variable, check_connection: created if absent, read by ``verify`` and the example DAG
        check_entries: ``read``: existing entries of these names are compared, never written, printed or undone
        owner: whose entries of ``secrets.sync`` are, in their tag, the same for a team: the Astro project's name
        kms_key, tags, tier: for the entries that we create; one with another key or tier is a conflict
        throughput: Parameter Store's, as the account has it: 3 writes a second, or 10
        endpoint_url: another AWS endpoint for everything but logins (moto server, LocalStack)
        wait: seconds to wait for a healthy Airflow
        identity_ttl: seconds for which an answer from STS is trusted; ``0`` always asks
        layers: what was given, and where, from the weakest to the strongest; no setting of the table.
    """

    project: Path = Path()
    cache: Path = Path()
    profile: str = ""
    profiles: str = ""
    region: str = ""
    account: str = ""
    runtime: str = "auto"
    credentials: str = "auto"
    keep_fresh: str = "auto"
    mount_path: str = "/home/astro/.aws"
    backend: str = "secrets-manager"
    connections_prefix: str = "airflow/connections"
    variables_prefix: str = "airflow/variables"
    check_variable: str = "aws_airflow_check"
    check_connection: str = "aws_airflow_check"
    check_entries: str = "create"
    owner: str = ""
    kms_key: str = ""
    tags: str = ""
    tier: str = ""
    throughput: str = "standard"
    endpoint_url: str = ""
    wait: int = 300
    identity_ttl: int = 300

    check: bool = False
    diff: bool = False
    json: bool = False
    yes: bool = False
    override: bool = False
    fresh: bool = False

    layers: tuple[Layer, ...] = ()

    def __repr__(self) -> str:
        """Nothing of the values: an endpoint may have a password."""
        return object.__repr__(self)

    def origin(self, key: str) -> str:
        """Where the value of a setting came from; empty: it is the default."""
        return next((layer.origin for layer in reversed(self.layers) if layer.values.get(key) is not None), "")


#: the settings of the table; the flags are not settings
FLAGS = ("check", "diff", "json", "yes", "override", "fresh")
KEYS = tuple(name for name in Settings._fields if name not in (*FLAGS, "cache", "layers"))


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """The settings of ``INVOKE_AWS_AIRFLOW_<KEY>``; raises UsageError for a key that is none of ours."""
    names = {
        name: name.removeprefix(ENVIRONMENT_PREFIX).lower() for name in environ if name.startswith(ENVIRONMENT_PREFIX)
    }
    for name, key in names.items():
        if key not in KEYS:
            known = [ENVIRONMENT_PREFIX + each.upper() for each in KEYS]
            meant = did_you_mean(key, KEYS) and did_you_mean(name, known)  # what all begin with makes none alike
            raise UsageError(
                f"unknown setting in the environment: {name}{meant}", hint=note(f"known: {', '.join(known)}")
            )
    return Layer("the environment", {key: environ[name] for name, key in names.items()})


def load(layers: Iterable[Layer], *, cwd: Path, **flags: bool) -> Settings:
    """Validate every value of every layer and merge them.

    Args:
        layers: from the weakest to the strongest.
        cwd: where the person stands; a relative project and the search for one start here.
        flags: ``check``, ``diff``, ``json``, ``yes``, ``override``, ``fresh``.

    Raises:
        UsageError: an unknown key or a bad value; it names the key, the value, where it came from and what is allowed.
    """
    chosen: dict[str, Any] = {}
    layers = tuple(layers)
    for layer in layers:
        for key, value in layer.values.items():
            if key not in KEYS:
                raise UsageError(
                    f"unknown setting {key!r} (from {layer.origin}){did_you_mean(key, KEYS)}",
                    hint=note(f"known settings: {', '.join(KEYS)}"),
                )
            if value is not None:  # `profile:` with nothing behind it
                chosen[key] = _validated(key, value, layer.origin)
    asked = chosen.pop("project", "")
    return Settings(project=_project(asked, cwd), layers=layers, **chosen, **flags)  # type: ignore[arg-type]


def project(layers: Iterable[Layer], *, cwd: Path) -> Path:
    """The project that :func:`load` chooses: its own file is one of the layers, and is looked for there.

    Raises:
        UsageError: a value that names none.
    """
    named = ((layer.values.get("project"), layer.origin) for layer in layers)
    asked = [_validated("project", value, origin) for value, origin in named if value is not None]
    return _project(str(asked[-1]) if asked else "", cwd)


def own(layer: Layer, folder: Path) -> Layer:
    """The settings in a project's own file, which may not send us to another.

    Args:
        layer: what the file says.
        folder: the project's directory.

    Raises:
        UsageError: it names another project.
    """
    named = layer.values.get("project")
    if named and (there := _absolute(folder, str(_validated("project", named, layer.origin)))) != folder:
        raise UsageError(
            f"{layer.origin} names another project, {there}, and is heeded for its own only",
            hint=command("status", sh("--project {}", there)),
        )
    return layer._replace(values={key: value for key, value in layer.values.items() if key != "project"})


def _project(asked: str, cwd: Path) -> Path:
    return _absolute(cwd, asked) if asked else nearest_project(cwd)


def nearest_project(cwd: Path) -> Path:
    """The nearest directory upwards that is an Astro project; else ``cwd`` itself.

    As git's (CVE-2022-24765: whoever may write to a parent directory would choose for everybody below it), the walk
    ends at a directory, or a project, of another user, and where another file system begins.
    """
    here = _absolute(cwd, ".")
    for folder in (here, *here.parents):
        if not is_trusted(folder) or _device(folder) != _device(here):
            break
        marker = folder / ".astro" / "config.yaml"
        if marker.is_file():
            return folder if is_trusted(marker.parent) and is_trusted(marker) else here
    return here


def is_trusted(path: Path) -> bool:
    """Whether what is at ``path`` (a symlink: the link itself) belongs to this user or to root, or is not there."""
    try:
        return not hasattr(os, "geteuid") or path.lstat().st_uid in (0, os.geteuid())
    except OSError as error:
        return isinstance(error, FileNotFoundError)


def _device(path: Path) -> int:
    try:
        return path.lstat().st_dev
    except OSError:
        return -1


def here() -> Path:
    """The working directory; raises UsageError where it was deleted, or may not be looked at."""
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(f"the working directory cannot be used: {error.strerror}", hint="cd") from None


def home() -> Path:
    """The person's home directory, which credentials and our state lie in; raises UsageError where there is none."""
    try:
        found = Path.home()
    except RuntimeError:  # neither HOME nor an entry in the system's list of users
        found = Path()
    if not found.is_absolute():
        raise UsageError("it is not known where your home directory is", hint='export HOME="/your/directory"')
    if found.exists() and not found.is_dir():
        raise UsageError(f"your home {found} is not a directory", hint='export HOME="/your/directory"')
    return found


def _absolute(cwd: Path, path: str) -> Path:
    return Path(os.path.normpath(cwd / Path(path).expanduser()))


def listed(text: str) -> tuple[str, ...]:
    """The names of the setting ``profiles``, each once: ``dev, prod-read``."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def joined(key: str, value: Any) -> Any:
    """The value of a setting, a list of profiles as the text that means the same."""
    names = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return ", ".join(value) if key == "profiles" and names else value


def _profiles(text: str) -> str | None:
    rule = _RULES["profile"]
    return "names of profiles, by commas or as a list" if any(map(rule, listed(text))) or "\0" in text else None


def tagged(text: str) -> dict[str, str]:
    """The tags of the setting ``tags``, by key: ``team=data, env=dev``."""
    pairs = [pair.strip().partition("=") for pair in text.split(",") if pair.strip()]
    return {key.strip(): value.strip() for key, _, value in pairs}


def _tags(text: str) -> str | None:
    """AWS takes 50 tags; one is ours, and one says whose a synced entry is (docs.aws.amazon.com/tag-editor)."""
    pair = r"\s*(?!aws:)[\w .:/+@-]{1,128}=[\w .:/=+@-]{0,256}\s*"
    whole = not text.strip() or re.fullmatch(rf"{pair}(,{pair})*", text, re.IGNORECASE)
    several = len(tagged(text)) == text.count(",") + 1 or not text.strip()
    fine = whole and several and "aws-airflow-tasks" not in tagged(text) and len(tagged(text)) <= 48
    return None if fine else "up to 48 tags such as team=data, env=dev; none that begins with aws:, nor our own"


#: what is allowed, as a function from a value to the words for what is allowed (None: the value is fine)
_RULES: dict[str, Callable[[str], str | None]] = {
    "project": directory,
    "profile": matching(r"[^\s\[\]$#'\"\\=\0]*([ ][^\s\[\]$#'\"\\=\0]+)*", "a profile name of ~/.aws/config"),
    "profiles": _profiles,
    "region": matching(r"[a-z]{2,}(-[a-z]+)+-\d+|", "a region such as eu-west-1"),
    "account": matching(r"[0-9]{12}|", "an account's 12 digits, in quotes"),
    "runtime": one_of("auto", "docker", "standalone", "embedded"),
    "credentials": one_of("auto", "live", "export"),
    "keep_fresh": one_of("auto", "off"),
    "mount_path": matching(r"/[A-Za-z0-9._/-]*[A-Za-z0-9._-]", "an absolute path in the containers"),
    "backend": one_of("secrets-manager", "parameter-store", "none"),
    "connections_prefix": matching(r"[A-Za-z0-9/_+=.@-]*", "a name prefix such as airflow/connections"),
    "variables_prefix": matching(r"[A-Za-z0-9/_+=.@-]*", "a name prefix such as airflow/variables"),
    "check_variable": matching(r"[A-Za-z0-9_.-]{1,200}", "an Airflow variable name"),
    "check_connection": matching(r"[A-Za-z0-9_.-]{1,200}", "an Airflow conn_id"),
    "owner": matching(r"[\w .:/=+@-]{0,256}", "a team's name: letters, digits, spaces and _.:/=+-@ (a tag's value)"),
    "kms_key": matching(
        r"(?:(?:arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:)?(?:alias/[A-Za-z0-9/_-]+|key/[A-Za-z0-9-]+)|[a-z0-9-]{32,40})?",
        "a KMS key: alias/NAME, a key's id or ARN",
    ),
    "tags": _tags,
    "tier": matching(r"standard|advanced|intelligent-tiering|", "one of standard, advanced, intelligent-tiering"),
    "throughput": one_of("standard", "higher"),
    "check_entries": one_of("create", "read"),
    "endpoint_url": lambda value: not_a_url(value) if value else None,
    "wait": seconds,
    "identity_ttl": seconds,
}
_INTEGERS = ("wait", "identity_ttl")


def is_allowed(key: str, value: str) -> bool:
    """Whether a setting may have a value."""
    return _RULES[key](value) is None


def _validated(key: str, value: Any, origin: str) -> str | int:
    """The value as text or number; what YAML or JSON made something else of (yes, 1.10, a list) is none."""
    value = joined(key, value)
    meant = isinstance(value, str | int) and not isinstance(value, bool)
    text = str(value) if meant or isinstance(value, bool | float) else f"a {type(value).__name__}"
    allowed = _RULES[key](text if meant else "[\0")
    if allowed:
        near = did_you_mean(text, allowed.removeprefix("one of ").split(", ")) if allowed.startswith("one of ") else ""
        words = (text, "off") if value is False else (text,)  # which YAML takes for a no
        quoted = isinstance(value, bool | float) and not all(map(_RULES[key], words))
        allowed += ", in quotes" if quoted else ""
        raise UsageError(f"bad value for {key}: {shown(text)} (from {origin}){near}", hint=note(f"allowed: {allowed}"))
    return int(text) if key in _INTEGERS else text


def shown(text: str) -> str:
    """The value as it was given, quoted; a URL may have a password, or a token in its query."""
    return repr(cleaned(text))
