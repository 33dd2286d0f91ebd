"""Where the project's files set variables of Airflow's processes, but for ``.env``; facts, nothing is changed here."""

import re
from typing import NamedTuple

from aws_airflow_tasks.core import Pending
from aws_airflow_tasks.runtimes import dockerfile, dockerfile_env, precedence
from aws_airflow_tasks.site import Site

#: the only name that the Astro CLI reads, in the project's directory
OVERRIDE = "docker-compose.override.yml"
#: the directory of ``airflow.cfg`` in the project: Astro's images have the project as Airflow's home
_HOMES = {"docker": "", "standalone": ".astro/standalone/"}


class Placed(NamedTuple):
    """A variable that a file sets.

    Attributes:
        file: the file, relative to the project.
        line: where in it, from 1.
        value: its value; never shown.
    """

    file: str
    line: int
    value: str

    @property
    def said(self) -> str:
        """The place in words."""
        return f"{self.file} line {self.line}"


def beneath(site: Site) -> dict[str, Placed]:
    """By name what ``.env`` wins over: ``ENV`` of the Dockerfile, which wins over ``airflow.cfg``."""
    return {**_airflow_cfg(site), **_image(site)}


def _image(site: Site) -> dict[str, Placed]:
    if not site.runtime.mounts:
        return {}
    try:
        text = dockerfile.text(site.project)
    except Pending:
        return {}
    found = dockerfile_env.variables(text)
    return {name: Placed("Dockerfile", _line(text, rf"{name}[=\s]"), value) for name, value in found.items()}


def _airflow_cfg(site: Site) -> dict[str, Placed]:
    """The options that beat ours from there, by the variables of the same meaning."""
    home = _HOMES.get(site.runtime.name)
    data = None if home is None else site.read(f"{home}airflow.cfg")
    if data is None:
        return {}
    import configparser  # few projects have the file

    text = data.decode("utf-8-sig", errors="replace")
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    rows = "|".join(row.name for row in precedence.ROWS if "airflow.cfg" in row.places)
    return {
        name: Placed(f"{home}airflow.cfg", _line(text, rf"{option}\s*[=:]"), value)
        for section in parser.sections()
        for option, value in parser.items(section)
        if re.fullmatch(rf"({rows})(_KWARGS)?", name := f"AIRFLOW__{section}__{option}".upper())
    }


def _line(text: str, pattern: str) -> int:
    """The last line, from 1, that has the pattern outside a comment and not inside a longer word."""
    found = [
        number
        for number, line in enumerate(text.split("\n"), 1)
        if not line.lstrip().startswith("#") and re.search(rf"(?<![\w]){pattern}", f"{line}\n", re.IGNORECASE)
    ]
    return found[-1] if found else 1
