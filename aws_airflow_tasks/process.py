"""What a command does to its own process, so as to end soon; importing our tasks does none of it to a person's."""

from __future__ import annotations

import atexit
import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def keeping_bytecode() -> Iterator[None]:
    """Let Python keep the bytecode of what is imported meanwhile, unless the person has turned that off.

    Invoke turns it off in its process, for the sake of the person's tasks.py, and has it off again afterwards. To
    compile our menu takes half of the time in which it is listed, and to compile boto3 half a second.
    """
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def collect_no_garbage() -> None:
    """Let Python hardly look for garbage, and not once more at the end: for a command that takes a second or two.

    It would cost more than it frees, up to a fifth of the whole. Only where nothing runs but what is ours.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
