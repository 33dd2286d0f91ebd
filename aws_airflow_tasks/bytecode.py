"""Python's bytecode of our own modules, kept although invoke keeps none of a person's ``tasks.py``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def kept() -> Iterator[None]:
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
