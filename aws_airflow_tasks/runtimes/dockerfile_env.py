"""Which environment variables a Dockerfile gives its image. Pure: text in, values out."""

from __future__ import annotations

from aws_airflow_tasks.runtimes.dockerfile import filled, instructions, pairs, words_of


def variables(text: str) -> dict[str, str]:
    """What ``ENV`` says in the last stage and in those that it is built on; ``ARG`` defaults filled in."""
    stages: dict[str, dict[str, str]] = {}
    arguments: dict[str, str] = {}
    found: dict[str, str] = {}
    for word, rest, _ in instructions(text):
        if word == "FROM":
            names = [each for each in rest.split() if not each.startswith("--")]
            found = dict(stages.get(names[0].lower(), {})) if names else {}
            stages |= {names[2].lower(): found} if len(names) == 3 else {}
        elif word == "ARG":
            arguments.update(pairs(words_of(rest)))
        elif word == "ENV":
            name, _, value = rest.partition(" ")
            said = pairs(words_of(rest)) if "=" in name else [(name, value.strip())]
            found.update({name: filled(value, arguments | found) for name, value in said})
    return found
