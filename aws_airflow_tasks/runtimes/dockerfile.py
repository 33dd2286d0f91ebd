"""Airflow's major version from the project's Dockerfile. Pure: text in, number out."""

from __future__ import annotations

import re

#: Astro's images: tags 4.x to 13.x of astro-runtime are Airflow 2, 3.x-y of runtime is Airflow 3
_AIRFLOW_2 = re.compile(r"(?:^|/)(?:astro-runtime|ap-airflow)(?:[:@]|$)")
_AIRFLOW_3 = re.compile(r"(?:^|/)runtime(?:[:@]|$)")
_INSTRUCTION = re.compile(r"^[ \t]*(ARG|FROM)[ \t]+(.+?)[ \t]*$", re.IGNORECASE | re.MULTILINE)


def major(text: str) -> int | None:
    """Airflow's major version, 2 or 3, by the last stage's base image; None when the image tells nothing.

    ``ARG`` defaults are filled in and stages followed by name. The source of the tags' meaning is Astronomer's release
    notes: ``quay.io/astronomer/astro-runtime:13.x`` is Airflow 2, ``astrocrpublic.azurecr.io/runtime:3.x-y`` Airflow 3.
    """
    arguments: dict[str, str] = {}
    stages: dict[str, str] = {}
    image = ""
    for word, rest in _INSTRUCTION.findall(text.replace("\\\n", " ")):
        if word.upper() == "ARG":
            name, _, default = rest.partition("=")
            arguments.setdefault(name.strip(), default.strip().strip("\"'"))
            continue
        words = [part for part in rest.split() if not part.startswith("--")]
        image = _filled(words[0], arguments) if words else ""
        image = stages.get(image.lower(), image)
        if len(words) == 3 and words[1].lower() == "as":
            stages[words[2].lower()] = image
    return _of_image(image)


def _filled(image: str, arguments: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, default = match.group(1) or match.group(3), match.group(2) or ""
        return arguments.get(name) or default

    return re.sub(r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)", value, image)


def _of_image(image: str) -> int | None:
    if _AIRFLOW_2.search(image):
        return 2
    if _AIRFLOW_3.search(image):
        return 3
    found = re.search(r"(?:^|/)airflow:(?:slim-)?([23])\.", image)
    return int(found.group(1)) if found else None
