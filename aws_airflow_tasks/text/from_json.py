"""JSON that somebody else has written, or a crash has cut: whatever is wrong with it is one error."""

from __future__ import annotations

import json
from typing import Any


def from_json(text: str | bytes) -> Any:
    """As ``json.loads``; what is nested deeper than Python reads is a ValueError, too."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
