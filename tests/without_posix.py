"""What Windows does not have, taken away from this process: a plugin for pytest, and a module to import first.

Other packages are loaded before, as they have their own ways on Windows; ours must not have been.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import types
from collections.abc import Sequence

import boto3
import botocore.session
import docker
import filelock
import invoke.program
import platformdirs.unix
import psutil
import requests
import rich.console
import ruamel.yaml

__all__ = ["GONE"]

OTHERS = (boto3, botocore.session, docker, filelock, invoke.program, platformdirs.unix, psutil, requests, rich, ruamel)
#: of the names that typeshed gives to Unix alone, those that a package like ours might come to use
GONE = {
    os: (
        *("chown", "fchown", "lchown", "fchmod", "lchmod", "chroot", "mkfifo", "mknod", "statvfs", "fstatvfs"),
        *("getuid", "geteuid", "getgid", "getegid", "getgroups", "setuid", "setgid", "getresuid", "uname", "nice"),
        *("fork", "forkpty", "openpty", "setsid", "getsid", "setpgid", "getpgid", "getpgrp", "killpg", "wait"),
        *("getxattr", "setxattr", "listxattr", "removexattr", "posix_spawn", "sched_getaffinity", "getloadavg"),
        *("O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "O_SYNC", "O_PATH", "O_NOCTTY", "ST_RDONLY"),
        *("WNOHANG", "pread", "pwrite", "readv", "writev", "sync", "fdatasync", "sysconf", "confstr", "ttyname"),
    ),
    signal: ("SIGKILL", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGTSTP", "alarm", "pause"),
    time: ("clock_gettime", "CLOCK_BOOTTIME", "CLOCK_MONOTONIC", "CLOCK_REALTIME", "tzset"),
}
MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")


def _take_away(module: types.ModuleType, names: Sequence[str]) -> None:
    """What is loaded already (the standard library of Linux, other packages) goes on with all of ``module``."""
    whole = types.ModuleType(module.__name__)
    whole.__dict__.update(module.__dict__)
    for other in list(sys.modules.values()):
        for name, value in list(getattr(other, "__dict__", {}).items()):
            if value is module:
                setattr(other, name, whole)
    for name in filter(module.__dict__.__contains__, names):
        delattr(module, name)


assert not any(name.startswith("aws_airflow_tasks") for name in sys.modules), "too late"
for _module, _names in list(GONE.items()):
    _take_away(_module, _names)
for _name in MODULES:
    sys.modules[_name] = None  # type: ignore[assignment]
