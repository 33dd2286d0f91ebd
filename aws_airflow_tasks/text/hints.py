"""Commands for a person to type: whatever a directory or a profile is called, pasting one does what it says."""

from __future__ import annotations

import shlex


def sh(template: str, *words: object) -> str:
    """``template`` with each ``{}`` filled by one of ``words`` (a path, a name, a URL), quoted for a POSIX shell."""
    return template.format(*(shlex.quote(str(word)) for word in words))


def no_region(profile: str) -> str:
    """What gives a region to a profile that has none."""
    return f"aws configure set region eu-west-1{profile_option(profile)}"


def profile_option(profile: str) -> str:
    """`` --profile dev`` for a command line of `aws`; nothing for the default profile."""
    return "" if profile == "default" else sh(" --profile {}", profile)
