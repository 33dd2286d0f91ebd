"""``requirements.txt`` asks for the amazon provider, without which Airflow cannot load the backend.

Astro Runtime 3 has no ``apache-airflow-providers-amazon``, nor have the ``-slim`` images of Airflow 2, and with a
backend that it cannot load no ``airflow`` command starts. Astro's images install ``requirements.txt`` when a project is
built on them, and pin Airflow's own version meanwhile (ap-airflow's pull request 274 says why; in astronomer/docs issue
1261 pip names the pin, ``apache-airflow==2.3.3+astro.1``). So does the CLI in its standalone mode (astro-cli 1.45,
``airflow/standalone.go``). Where nothing pins it, as in other images, the line for Airflow 2 does.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from aws_airflow_tasks.core import Pending, Plan, Target, TaskError
from aws_airflow_tasks.patch import requirements
from aws_airflow_tasks.patch.requirements import NAME
from aws_airflow_tasks.runtimes import dockerfile, dockerfile_runs, image
from aws_airflow_tasks.runtimes.image import Image
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import files, init
from aws_airflow_tasks.world import receipts


def plan(site: Site) -> Plan:
    """One line, where neither the file nor the image has the provider yet.

    Raises:
        TaskError: the file cannot be patched with proof.
    """
    if site.backend is None:
        return Plan(skipped=True, target=NAME, reason="no backend is set")
    runtime = site.runtime
    if not runtime.installs:
        return Plan(skipped=True, target=NAME, reason=f"the {runtime.name} runtime brings the provider itself")
    if not init.is_project(site.project):
        raise Pending("init")
    text = dockerfile.text(site.project)
    base = dockerfile.read(text)
    if base.guessed and base.major and runtime.installs == "image":  # the image may be here already, and knows better
        base = base._replace(major=runtime.major())
    found = image.read(base)
    target = _on_host(found) if runtime.installs == "host" else _in_image(found, text)
    patch = requirements.plan(site.read(NAME), target, _reader(site), ours=set(_written(site)))
    planned = files.readable(site, NAME, files.plan("provider", site.project, NAME, patch, mode=files.SHARED))
    unheeded = runtime.installs == "image" and not found.installs and not target.bundled and NAME not in text
    unlabelled = runtime.installs == "image" and found.unlabelled
    return planned._replace(warnings=(*[_UNHEEDED] * unheeded, *[_UNLABELLED] * unlabelled))


_UNHEEDED = (
    f"the Dockerfile's base image does not install {NAME} by itself; add: COPY {NAME} . and RUN pip install -r {NAME}"
)


_UNLABELLED = (
    "the Astro CLI runs no image of Apache's without its label; add what fits to the Dockerfile, such as: "
    f"LABEL {dockerfile.RUNTIME_LABEL}=3.1-12"
)


def _in_image(found: Image, text: str) -> requirements.Target:
    """Linux with the image's Python; on a Mac with its own processor the engine's containers have that, too."""
    machine = platform.machine().lower()
    environment = _python(found) | {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": {"arm64": "aarch64", "amd64": "x86_64"}.get(machine, machine),
    }
    bundled = "the Dockerfile's base image has the amazon provider" if found.bundles_amazon else ""
    return requirements.Target(found.airflow, environment, dockerfile_runs.pip_installs(text), bundled)


def _on_host(found: Image) -> requirements.Target:
    """This machine, with the image's Python: nothing of what the Dockerfile builds is there."""
    return requirements.Target(found.airflow, _python(found))


def _python(found: Image) -> dict[str, str]:
    return {
        "python_version": found.python,
        "python_full_version": f"{found.python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }


def _reader(site: Site) -> Callable[[str], bytes | None]:
    """Reads what a requirements file follows; what is no readable file, or leads out of the project, is none."""

    def read(name: str) -> bytes | None:
        try:
            inside = (site.project / name).resolve().is_relative_to(site.project.resolve())
            return site.read(name) if inside else None
        except (TaskError, OSError, RuntimeError, ValueError):
            return None

    return read


def _written(site: Site) -> list[str]:
    """The lines that we ever wrote."""
    return [text.strip() for text in receipts.written_text(site.receipts, NAME)]


def undo(site: Site) -> list[Target]:
    """``requirements.txt`` without our line; one that the person changed since is the person's own."""
    return files.undo(site, NAME, without=_without_ours)


def _without_ours(site: Site, versions: Sequence[bytes]) -> bytes | None:
    left = requirements.without(versions[0], _written(site))
    created = receipts.of_file(site.receipts, NAME)[0].record.before is None
    return None if created and not left.strip() else left
