"""Which variables an image has of its Dockerfile."""

from __future__ import annotations

import pytest

from aws_airflow_tasks.runtimes.dockerfile_env import variables

TEXTS = {
    "several, quoted, over lines": (
        "FROM a\nENV A=1 B=\"2 3\" \\\n  # no\n  C='4'\n",
        {"A": "1", "B": "2 3", "C": "4"},
    ),
    "the older form": ("FROM a\nENV A b = c\n", {"A": "b = c"}),
    "an argument's default": ("ARG X=1\nFROM a\nARG Y=2\nENV A=$Y B=${Z:-3}\n", {"A": "2", "B": "3"}),
    "the last one": ("FROM a\nENV A=1\nenv A=2\n", {"A": "2"}),
    "a stage that it is built on": (
        "FROM a AS one\nENV A=1\nFROM b\nENV B=2\nFROM one\nENV C=3\n",
        {"A": "1", "C": "3"},
    ),
    "quotes within quotes": (
        'FROM a\nENV A="{\\"a\\": \\"b c\\"}" B=\'{"a": "b"}\' C=a\\ b D="\\d"\n',
        {"A": '{"a": "b c"}', "B": '{"a": "b"}', "C": "a b", "D": "\\d"},
    ),
    "no variables": (
        'FROM a\nARG X=1\nENV A=\'$X\' B=\\$X C="\\$X" D="$X" E=\'a\'"b"c\n',
        {"A": "$X", "B": "$X", "C": "$X", "D": "1", "E": "abc"},
    ),
    "quotes in the older form": ('FROM a\nENV A one "two  two" 3\n', {"A": "one two  two 3"}),
    "an argument from before the stages": (
        "ARG X=1\nARG Y=$X\nFROM a\nENV A=$X\nARG X\nARG Z=${X}2\nARG Y=3\nENV B=$X C=$Y D=$Z\n",
        {"A": "", "B": "1", "C": "3", "D": "12"},
    ),
    "an argument and a variable of one name": ("FROM a\nENV X=1\nARG X=2\nENV A=$X\n", {"X": "1", "A": "1"}),
    "none": ("FROM a\n# ENV A=1\nRUN ENV=1\n", {}),
}


@pytest.mark.parametrize(("text", "found"), TEXTS.values(), ids=TEXTS.keys())
def test_the_variables_are_those_of_the_last_stage(text: str, found: dict[str, str]) -> None:
    assert variables(text) == found
