"""Ends a process at one of its calls, as a lost battery would."""

from __future__ import annotations

import signal
import subprocess
import threading

from tests.world.aws_rules import Refusal
from tests.world.proxy import Body


class Killer:
    """Kills a process at its n-th call, before AWS has it or before the answer is passed on."""

    def __init__(self, at: int, *, answered: bool) -> None:
        self.at, self.answered, self.seen, self.thread = at, answered, 0, 0
        self.process: subprocess.Popen[bytes] | None = None

    def before(self, operation: str, body: Body) -> Refusal | None:
        self.seen += 1
        if self.seen == self.at and not self.answered:
            self.kill()
            return 500, "InternalServiceError", "killed"
        if self.seen == self.at:
            self.thread = threading.get_ident()
        return None

    def after(self, operation: str, body: Body, answer: Body) -> Body:
        if self.thread == threading.get_ident():
            self.kill()
        return answer

    def kill(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
