"""What an image's name alone tells: the versions of Airflow and Python in it, and whether it has the amazon provider.

By https://www.astronomer.io/docs/runtime/runtime-image-architecture (the tables of Airflow's and Python's versions, and
the suffixes of tags), https://www.astronomer.io/docs/runtime/runtime-provider-reference (what each release bundles) and
astro-cli 1.45, ``airflow/standalone.go`` (the versions of Python since).
"""

import re
from typing import NamedTuple

from aws_airflow_tasks.runtimes.dockerfile import REFERENCE, RUNTIMES, Base

#: the version of Python by Astro Runtime's own major version, of those that are Airflow 2; 3.12 since
_PYTHON = {**dict.fromkeys(range(1, 8), "3.9"), 8: "3.10", 9: "3.11", 10: "3.11", 11: "3.11"}
_NEWEST_PYTHON = "3.12"


class Image(NamedTuple):
    """What an image holds.

    Attributes:
        airflow: Airflow's version, major and minor; None: the name does not tell.
        python: the version of Python, such as ``3.12``.
        bundles_amazon: whether the provider is known to be in it.
        installs: whether building on it installs the project's ``requirements.txt`` (by ``ONBUILD``).
        unlabelled: whether it lacks the label without which the Astro CLI runs no image, and the text does not give it.
    """

    airflow: tuple[int, int] | None
    python: str
    bundles_amazon: bool
    installs: bool
    unlabelled: bool


def read(base: Base) -> Image:
    """What the base image of a Dockerfile holds."""
    found = REFERENCE.fullmatch(base.image)
    path, name, tag = (found["path"] or "", found["name"], found["tag"] or "") if found else ("", "", "")
    astro = name in RUNTIMES
    apache = name == "airflow" and path.endswith("apache/")
    airflow = _airflow(base.runtime or tag, base) if astro or base.runtime else _of_tag(tag) if base.major else None
    slim = "slim" in f"{name}-{tag}"
    python = re.search(r"-python-?(\d+\.\d+)", tag)
    return Image(
        airflow,
        python[1] if python else _python(airflow),
        not slim and (apache or (astro and base.major == 2)),
        not apache and not (astro and re.search(r"-base$", tag)),
        apache and not base.runtime,
    )


def _airflow(version: str, base: Base) -> tuple[int, int] | None:
    """By a version of Astro Runtime, whole or the beginning of one: 3.1-12 is Airflow 3.1, 13.2.0 Airflow 2.11."""
    found = re.match(r"(\d+)(?:\.(\d+))?", version)
    if not found or base.major is None:
        return None
    first, second = int(found[1]), found[2]
    if base.major == 2:
        return (2, first - 2) if first > 2 else (2, int(second)) if "-" in version and second else None
    return (first, int(second)) if second else None


def _of_tag(tag: str) -> tuple[int, int] | None:
    found = re.match(r"(?:slim-)?(\d+)\.(\d+)", tag)
    return (int(found[1]), int(found[2])) if found else None


def _python(airflow: tuple[int, int] | None) -> str:
    if airflow is None or airflow[0] != 2:
        return _NEWEST_PYTHON
    return _PYTHON.get(airflow[1] + 2, _NEWEST_PYTHON)
