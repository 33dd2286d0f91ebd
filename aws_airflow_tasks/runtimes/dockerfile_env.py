"""Which environment variables a Dockerfile gives its image. Pure: text in, values out."""

from __future__ import annotations

from aws_airflow_tasks.runtimes.dockerfile import filled, instructions, pairs, words_of


def variables(text: str) -> dict[str, str]:
    """What ``ENV`` says in the last stage and in those that it is built on; ``ARG`` defaults filled in.

    An ``ARG`` from before the first stage is known in one that declares it, and in those that are built on that
    (docs.docker.com/build/building/variables, "Scoping").
    """
    stages: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    before: dict[str, str] = {}
    arguments, found = before, dict[str, str]()
    for word, rest, _ in instructions(text):
        known = arguments | found
        if word == "FROM":
            names = [each for each in rest.split() if not each.startswith("--")]
            below = stages.get(names[0].lower() if names else "", ({}, {}))
            arguments, found = dict(below[0]), dict(below[1])
            stages |= {names[2].lower(): (arguments, found)} if len(names) == 3 else {}
        elif word == "ARG":
            declared = pairs(words_of(rest), known)
            arguments.update({name: value or before.get(name, "") for name, value in declared})
        elif word == "ENV":
            name, _, value = rest.partition(" ")
            found.update(pairs(words_of(rest), known) if "=" in name else [(name, filled(value.strip(), known))])
    return found
