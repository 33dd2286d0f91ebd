"""The JSON document's schema, held more strictly than a reader needs to: a key that it does not name is a fault."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parent.parent / "docs" / "output.schema.json").read_text())


def held(text: str) -> dict[str, Any]:
    """The document, once it holds what the schema says.

    Raises:
        AssertionError: it does not.
    """
    document = dict(json.loads(text))
    faults = [f"{error.json_path}: {error.message}" for error in _strict().iter_errors(document)]
    assert not faults, "; ".join(faults)
    return document


@functools.cache
def _strict() -> Draft202012Validator:
    schema = copy.deepcopy(SCHEMA)
    for each in objects(schema):
        each.setdefault("additionalProperties", False)
    return Draft202012Validator(schema)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that names properties."""
    if isinstance(schema, dict) and "properties" in schema:
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from objects(part)
