"""IAM Identity Center's sessions: one refresh at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import sso, state


def test_a_session_is_called_by_its_name_else_by_where_it_starts() -> None:
    assert sso.name({"sso_session": "corp", "sso_start_url": "https://x"}) == "corp"
    assert sso.name({"sso_start_url": "https://x"}) == "https://x"
    assert sso.name({"role_arn": "arn"}) == ""


def test_nobody_is_logged_in_where_there_is_no_token() -> None:
    assert sso.token("corp") is None


def test_another_process_waits_for_who_refreshes_the_same_session_and_for_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two that refresh at once one would have to log in again."""
    holder = (
        "import sys\nfrom aws_airflow_tasks.world import sso\n"
        "with sso.alone('corp'):\n    print('held', flush=True)\n    sys.stdin.readline()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        monkeypatch.setattr(sso, "PATIENCE", 0)
        with pytest.raises(TaskError, match="refreshing corp"), sso.alone("corp"):
            pass
        with sso.alone("another"), sso.alone(""):
            pass
        child.communicate("\n")
    with sso.alone("corp"):
        pass


def test_the_state_directory_that_it_makes_is_the_persons_own(closed_world: Path) -> None:
    with sso.alone("corp"):
        assert state.root().stat().st_mode & 0o777 == 0o700
    assert list(state.root().iterdir()) == []
