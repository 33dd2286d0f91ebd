"""What a step's line says of a target: what was done, never what was."""

from __future__ import annotations

from typing import get_args

import pytest

from aws_airflow_tasks.core import Action, Change
from aws_airflow_tasks.text.doing import WORDS, awaited, done


def change(action: Action, reason: str = "") -> Change:
    return Change("it", action, None, "x", lambda: None, reason=reason)


@pytest.mark.parametrize(
    ("action", "reason", "said"),
    [
        ("start", "was not running", "started (was not running), 4 services healthy"),
        ("restart", "TEAM not as in .env", "restarted (TEAM not as in .env), 4 services healthy"),
        ("create", "", "created"),
        ("patch", "adds AWS_PROFILE", "patched (adds AWS_PROFILE)"),
        ("delete", "", "removed"),
        ("sync", "2 created, 1 as wanted", "2 created, 1 as wanted"),
    ],
)
def test_after_a_change_it_says_what_was_done_and_of_what_runs_how_it_is_now(
    action: Action, reason: str, said: str
) -> None:
    assert done(change(action, reason), check=False, now="4 services healthy") == said


@pytest.mark.parametrize(
    ("action", "reason", "said"),
    [
        ("restart", "region differs", "would restart: region differs"),
        ("create", "", "would create"),
        ("delete", "", "would remove"),
        ("login", "expired", "would log in: expired"),
        ("sync", "2 to create", "2 to create"),
    ],
)
def test_in_check_mode_it_says_what_would_be_done(action: Action, reason: str, said: str) -> None:
    assert done(change(action, reason), check=True, now="4 services healthy") == said


def test_there_are_words_for_every_action() -> None:
    assert sorted(WORDS) == sorted(get_args(Action))
    assert all(len(set(words)) == 2 for action, words in WORDS.items() if action != "sync")


@pytest.mark.parametrize(
    ("action", "said"), [("start", "it to be started"), ("wait", "it to be ready"), ("sync", "it to be ready")]
)
def test_while_a_change_is_made_it_says_what_is_waited_for(action: Action, said: str) -> None:
    assert awaited(change(action)) == said
