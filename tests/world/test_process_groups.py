"""What is left of a process group whose leader has ended is stopped, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from aws_airflow_tasks.world import processes

#: starts a child that ignores SIGTERM, says its pid once it does, and ends
LEADER = """
import subprocess, sys
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
"""


def test_a_member_that_ignores_sigterm_is_killed_though_its_leader_is_gone(tmp_path: Path) -> None:
    done = subprocess.Popen([sys.executable, "-c", LEADER], stdout=subprocess.PIPE, start_new_session=True)
    assert done.stdout
    with done:
        member = int(done.stdout.readline())
    assert (processes.lives(done.pid), processes.lives(member)) == (False, True)
    processes.stop_group(done.pid, seconds=0.2)
    assert not processes.lives(member)


def test_our_own_group_and_one_that_is_not_there_are_left_alone() -> None:
    processes.stop_group(os.getpgrp(), seconds=0.1)
    processes.stop_group(2**22 + 1, seconds=0.1)
    assert processes.lives(os.getpid())


def test_a_process_that_has_ended_does_not_live_even_before_anybody_waited_for_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    try:
        psutil.Process(child.pid).wait(60)
    except psutil.Error:
        pytest.fail("it does not end")
    assert not processes.lives(child.pid)
    child.wait()
