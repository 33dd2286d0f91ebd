"""When a process was started, by clocks that tell a heartbeat of the one before from its own."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.world import processes


def test_our_own_clock_is_read_before_a_process_starts_and_kept_with_it(tmp_path: Path) -> None:
    record, before = tmp_path / "p.pid.json", time.time()
    made = processes.start(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env=dict(os.environ),
        cwd=tmp_path,
        log=tmp_path / "log",
        record=record,
    )
    try:
        after = time.time()
        assert before <= made.started <= after
        assert processes.running(record) == made
    finally:
        processes.stop_all([record], seconds=5)


def test_a_process_that_cannot_be_recorded_is_ended_and_the_disk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, mark = tmp_path / "p.pid.json", ("AAT_TEST", str(tmp_path))

    def full(path: Path, text: str, **_: object) -> int:
        path.touch()
        deadline = time.monotonic() + 30  # Linux shows its environment a moment after it began
        while not processes.marked(*mark) and processes.wait_until(deadline):
            pass
        assert len(processes.marked(*mark)) == 1
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(TaskError, match="No space left on device") as caught:
        processes.start(
            [sys.executable, "-c", "import time; time.sleep(60)"],
            env=dict([*os.environ.items(), mark]),
            cwd=tmp_path,
            log=tmp_path / "log",
            record=record,
        )
    assert caught.value.message.startswith(f"cannot write {record}: ")
    assert caught.value.hint == f"df -h {tmp_path}"
    assert not processes.marked(*mark)
    assert not record.exists()


def test_a_log_that_cannot_be_written_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with pytest.raises(TaskError, match=r"cannot write .*log: Is a directory"):
        processes.start(["true"], env={}, cwd=tmp_path, log=tmp_path / "log", record=tmp_path / "p.pid.json")
    assert not (tmp_path / "p.pid.json").exists()


def test_a_record_of_a_version_that_kept_no_clock_is_still_read(tmp_path: Path) -> None:
    record = tmp_path / "p.pid.json"
    processes.start(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env=dict(os.environ),
        cwd=tmp_path,
        log=tmp_path / "log",
        record=record,
    )
    try:
        text = record.read_text()
        record.write_text(text[: text.index(', "started"')] + "}")
        found = processes.running(record)
        assert found is not None
        assert found.started == 0
    finally:
        processes.stop_all([record], seconds=5)


@pytest.mark.parametrize("boots", [True, False], ids=["this boot", "no boot is told"])
@pytest.mark.parametrize("earlier", [3600, -3600], ids=["started before", "started after"])
def test_the_leader_of_a_session_that_has_a_pid_of_ours_again_is_a_stranger_and_is_not_stopped(
    tmp_path: Path, earlier: float, boots: bool
) -> None:
    ours, record = tmp_path / "ours.json", tmp_path / "p.pid.json"
    made = processes.start(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env=dict(os.environ),
        cwd=tmp_path,
        log=tmp_path / "log",
        record=ours,
    )
    try:
        other = made._replace(created=made.created - earlier, after=made.after - earlier)
        record.write_text(json.dumps(other._replace(boot=made.boot if boots else "")._asdict()))
        assert processes.running(record) is None
        assert not processes.stop_all([record], seconds=5)
        assert processes.running(ours) == made
    finally:
        processes.stop_all([ours], seconds=5)


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
@pytest.mark.parametrize("step", [3600, -3600, 86400])
def test_a_step_of_the_clock_makes_nobody_of_a_process_that_lives_and_another_boot_does(
    tmp_path: Path, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, booted, started = tmp_path / "p.pid.json", psutil.boot_time(), psutil.Process.create_time
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    made = processes.start(argv, env=dict(os.environ), cwd=tmp_path, log=tmp_path / "log", record=record)
    try:
        monkeypatch.setattr(psutil, "boot_time", lambda: booted + step)
        monkeypatch.setattr(psutil.Process, "create_time", lambda self: started(self) + step)
        assert processes.running(record) == made
        record.write_text(json.dumps(made._replace(boot="another")._asdict()))
        assert processes.running(record) is None
    finally:
        monkeypatch.undo()
        record.write_text(json.dumps(made._asdict()))
        processes.stop_all([record], seconds=5)


def test_the_start_of_a_process_of_others_is_told_to_a_tick() -> None:
    """psutil's own figure is up to a second early, by the part of a second that the boot time lacks."""
    before = time.time()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        after = time.time()
        found = processes.of_another(child.pid)
        child.communicate(b"\n")
    assert found
    assert before - 0.02 <= found.started <= after + 0.02
