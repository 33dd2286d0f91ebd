"""The images that the container tests run: built once on a machine from Debian and PyPI, where no registry is needed.

Four kinds: Debian with Python and PostgreSQL (debootstrap), a PostgreSQL that takes the settings that Docker's own
image takes, for each major version an Airflow as Astro's images have it: the user ``astro`` (uid 50000, gid 0), the
home directory of Airflow, and the labels by which the Astro CLI tells the version; and one without the amazon provider,
as Astro Runtime 3 is, which installs a project's ``requirements.txt`` when that is built on it.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aws_airflow_tasks.runtimes import venv

if TYPE_CHECKING:
    from docker import DockerClient

HERE = Path(__file__).parent
NAMES = "aws-airflow-tasks-tests"
#: by Airflow's major version: the repository's last part and tag, as Astronomer names its own
RUNTIMES = {2: ("astro-runtime", "13.2.0"), 3: ("runtime", "3.1-12")}
PACKAGES = "python3,python3-psycopg,python3-psycopg2,postgresql,ca-certificates,tini"
#: what takes room and nothing needs
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")
#: says which recipe an image was built from
RECIPE = "aws-airflow-tasks.recipe"


def airflow(major: int) -> str:
    """The name of the image of Airflow ``major``."""
    repository, tag = RUNTIMES[major]
    return f"{NAMES}/{repository}:{tag}"


def bare() -> str:
    """The name of the image of Airflow 3 without the amazon provider."""
    return f"{NAMES}/bare/{':'.join(RUNTIMES[3])}"


def postgres() -> tuple[str, str]:
    """The repository and the tag of the database's image."""
    return f"{NAMES}/postgres", "15"


def ensure(client: DockerClient, *majors: int) -> None:
    """Build what is not there, or was built from another recipe."""
    debian = _recipe(PACKAGES, *LEFT_OUT)
    _ensure(client, f"{NAMES}/debian:bookworm", debian, _debian)
    database = functools.partial(_build, client, HERE / "postgres")
    _ensure(client, ":".join(postgres()), _recipe(debian, HERE / "postgres"), database)
    for major in majors:
        recipe = _recipe(debian, HERE / "airflow", HERE / "beside.txt", venv.lock_file(major), *RUNTIMES[major])
        _ensure(client, airflow(major), recipe, functools.partial(_airflow, client, major))


def ensure_bare(client: DockerClient) -> None:
    """Build :func:`bare`, and what it is built on."""
    ensure(client, 3)
    below = str(client.images.get(airflow(3)).labels[RECIPE])
    _ensure(client, bare(), _recipe(below, HERE / "bare"), functools.partial(_bare, client))


def _ensure(client: DockerClient, name: str, recipe: str, build: Callable[[str, str], None]) -> None:
    from docker.errors import ImageNotFound

    try:
        found = client.images.get(name).labels.get(RECIPE)
    except ImageNotFound:
        found = None
    if found != recipe:
        print(f"building {name}", file=sys.stderr)
        build(name, recipe)


def _recipe(*parts: str | Path) -> str:
    """A hash of everything that an image is made from: words, files, and folders with all their files."""
    digest = hashlib.sha256()
    for part in parts:
        files = sorted(part.iterdir()) if isinstance(part, Path) and part.is_dir() else [part]
        for each in files:
            digest.update(each.encode() if isinstance(each, str) else each.read_bytes())
    return digest.hexdigest()[:16]


def _debian(name: str, recipe: str) -> None:
    """debootstrap, as a tar that goes straight into `docker import`; its root is the only user that can make it."""
    with tempfile.TemporaryDirectory(prefix="debootstrap-") as made:
        root = Path(made) / "root"
        _run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root))
        for folder in LEFT_OUT:
            shutil.rmtree(root / folder, ignore_errors=True)
        tar = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
        with tar:
            _run("docker", "import", "--change", f"LABEL {RECIPE}={recipe}", "-", name, stdin=tar.stdout)


def _airflow(client: DockerClient, major: int, name: str, recipe: str) -> None:
    with tempfile.TemporaryDirectory(prefix="airflow-image-") as made:
        context = Path(made)
        shutil.copytree(HERE / "airflow", context, dirs_exist_ok=True)
        packages = ["--require-hashes", "-r", str(venv.lock_file(major)), "-r", str(HERE / "beside.txt")]
        target = ["--target", str(context / "site"), "--python-version", "3.11"]
        system = ["--python-platform", f"{platform.machine()}-manylinux_2_36"]
        _run(_uv(), "-q", "pip", "install", *target, *system, *packages)
        runtime, version = RUNTIMES[major][1], venv.version(major)
        _build(client, context, name, recipe, RUNTIME_VERSION=runtime, AIRFLOW_VERSION=version)


def _bare(client: DockerClient, name: str, recipe: str) -> None:
    """The provider's wheel and uv lie in the image: what builds on it needs no network."""
    with tempfile.TemporaryDirectory(prefix="bare-image-") as made:
        context = Path(made)
        shutil.copytree(HERE / "bare", context, dirs_exist_ok=True)
        shutil.copy(_uv(), context / "uv")
        provider = re.search(r"(?m)^apache-airflow-providers-amazon==[\w.]+", venv.lock_file(3).read_text())
        assert provider, "the lock has no amazon provider"
        _run(sys.executable, "-m", "pip", "-q", "download", "--no-deps", "-d", str(context / "wheels"), provider[0])
        _build(client, context, name, recipe)


def _uv() -> str:
    import uv

    return str(uv.find_uv_bin())


def _build(client: DockerClient, context: Path, name: str, recipe: str, **arguments: str) -> None:
    client.images.build(
        path=str(context), tag=name, buildargs=arguments, labels={RECIPE: recipe}, rm=True, forcerm=True, timeout=1200
    )


def _run(*argv: str, **streams: object) -> None:
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **streams}
    done = subprocess.run(argv, check=False, **streams)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed: {done.stderr.decode(errors='replace')[-2000:]}")
