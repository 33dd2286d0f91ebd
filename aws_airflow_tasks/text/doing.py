"""What was done to a target, or would be: the words of a step's line."""

from __future__ import annotations

from aws_airflow_tasks.core import Action, Change

#: by action the infinitive and the participle; neither where the reason says what is done
WORDS: dict[Action, tuple[str, str]] = {
    "agree": ("agree", "agreed"),
    "copy": ("copy", "copied"),
    "create": ("create", "created"),
    "delete": ("remove", "removed"),
    "disable": ("disable", "disabled"),
    "enable": ("enable", "enabled"),
    "login": ("log in", "logged in"),
    "patch": ("patch", "patched"),
    "refresh": ("refresh", "refreshed"),
    "remove": ("remove", "removed"),
    "restart": ("restart", "restarted"),
    "restore": ("restore", "restored"),
    "revoke": ("revoke", "revoked"),
    "start": ("start", "started"),
    "stop": ("stop", "stopped"),
    "switch": ("switch", "switched"),
    "sync": ("", ""),
    "tag": ("tag", "tagged"),
    "wait": ("wait", "waited"),
}
#: what check mode has before the infinitive
WOULD = "would "
#: of what runs it is news how it is now
RUNS: tuple[Action, ...] = ("start", "restart", "wait")


def done(change: Change, *, check: bool, now: str = "") -> str:
    """A clause: ``started (was not running), 4 services healthy``, in check mode ``would start: not running``.

    Args:
        change: what was made, or would be.
        check: it would.
        now: how the target is since; empty: it is not known.
    """
    infinitive, participle = WORDS[change.action]
    if not infinitive:
        return change.reason
    if check:
        return f"{WOULD}{infinitive}" + (f": {change.reason}" if change.reason else "")
    since = f", {now}" if now and change.action in RUNS else ""
    return participle + (f" ({change.reason})" if change.reason else "") + since


def awaited(change: Change) -> str:
    """What is waited for while it is made: ``Airflow to be started``."""
    participle = "" if change.action == "wait" else WORDS[change.action][1]
    return f"{change.target} to be {participle or 'ready'}"


def counted(number: int, noun: str) -> str:
    """``1 secret``, ``2 secrets``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
