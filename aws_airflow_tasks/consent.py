"""The person's agreement to what a project asks for: before a command line that goes by it, and by the task ``trust``.

Nobody but the person at a terminal agrees, or ``trust --yes``: no other ``--yes`` does, and in check mode nobody is
asked.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING

from aws_airflow_tasks import settings as settings_
from aws_airflow_tasks.core import Change, Plan, UsageError, sh
from aws_airflow_tasks.play import Play
from aws_airflow_tasks.screen import Screen
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.tasks import Heeds
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.world import trust
from aws_airflow_tasks.world.trust import Answer, Asked

if TYPE_CHECKING:
    from aws_airflow_tasks.site import Site

TARGET = "what the project asks for"


def settled(settings: Settings, heeds: Collection[Heeds], screen: Screen) -> Settings:
    """The settings that count for a command line.

    Args:
        settings: as they were given, the project's among them.
        heeds: what its tasks go by.
        screen: asks.

    Raises:
        UsageError: the person has not agreed to what the project asks for.
    """
    wanted = trust.asked(settings.project, settings.layers)
    if not any(wanted) or set(heeds) <= {"nothing"}:
        return settings
    found = trust.answers(settings.project)
    if trust.holds(wanted, found):
        return settings
    if set(heeds) <= {"answers", "nothing"}:
        return _as_agreed(settings, found[-1].asked if found else Asked(), screen)
    if settings.check or "asks" not in heeds or not screen.ask(_question(settings, wanted, found)):
        raise _not_agreed(settings, wanted, screen)
    trust.agree(settings.project, wanted)
    return settings


def _as_agreed(settings: Settings, agreed: Asked, screen: Screen) -> Settings:
    """The settings of which the project's go no further than what was agreed to last."""
    project = settings.project
    wanted = trust.asked(project, settings.layers)._replace(links={})  # whoever writes through one looks at it
    left_out = [line for line in wanted.lines if line not in agreed.lines]
    if left_out:
        screen.tell("warning  ", f"left out, as you have not agreed to it: {'; '.join(left_out)}")
    flags = {name: getattr(settings, name) for name in settings_.FLAGS}
    counting = settings_.load(trust.without(project, settings.layers, agreed), cwd=project, **flags)
    return counting._replace(project=project, cache=settings.cache)


def run(play: Play, *, listed: bool, revoked: bool) -> None:
    """Agree to what the project asks for now; or list every answer; or take back those for this project.

    Raises:
        UsageError: nobody is there to be asked.
    """
    settings = play.settings
    project, wanted = settings.project, trust.asked(settings.project, settings.layers)
    if listed:
        found = trust.everywhere() or {TARGET: []}
        for whose, answers in sorted(found.items()):
            play.converge("trust", partial(_told, whose, answers))
    elif revoked:
        play.converge("trust", lambda _: _revoked(settings, trust.answers(project)))
    elif trust.holds(wanted, trust.answers(project)) or settings.check or settings.yes or play.screen.answers:
        play.converge("trust", lambda _: _agreed(settings, wanted, trust.answers(project)))
    else:
        raise _not_agreed(settings, wanted, play.screen)


def _agreed(settings: Settings, wanted: Asked, found: Sequence[Answer]) -> Plan:
    if not any(wanted):
        return Plan(target=TARGET, reason="nothing beyond its own directory")
    if trust.holds(wanted, found):
        return Plan(target=TARGET, reason=f"agreed to: {'; '.join(wanted.lines)}")
    change = Change(
        target=TARGET,
        action="agree",
        before=_text(found[-1:]),
        after=_text([Answer(wanted, 0)]),
        apply=lambda: trust.agree(settings.project, wanted),
        reason="; ".join(line for line in _difference(wanted, found) if not line.startswith(" ")),
        ask="" if settings.check else _question(settings, wanted, found),
    )
    return Plan((change,))


def _revoked(settings: Settings, found: Sequence[Answer]) -> Plan:
    change = Change(TARGET, "revoke", _text(found), None, lambda: trust.revoke(settings.project))
    return Plan((change,), target=TARGET, reason="you have agreed to nothing")


def _told(whose: str, found: Sequence[Answer], _: Site) -> Plan:
    said = [f"{time.strftime('%Y-%m-%d', time.localtime(at))}: {', '.join(asked.lines)}" for asked, at in found]
    return Plan(target=whose, reason="; ".join(said) or "you have agreed to nothing")


def _text(found: Sequence[Answer]) -> str | None:
    return "".join(f"{line}\n" for answer in found for line in answer.asked.lines) or None


def _difference(wanted: Asked, found: Sequence[Answer]) -> list[str]:
    """What is asked for, and what of it is new since the last answer, if there is one."""
    if not found:
        return list(wanted.lines)
    before = found[-1].asked.lines
    gone = [f"- {line}" for line in before if line not in wanted.lines]
    return gone + [f"  {line}" if line in before else f"+ {line}" for line in wanted.lines]


def _question(settings: Settings, wanted: Asked, found: Sequence[Answer]) -> str:
    lines = "".join(f"  {line}\n" for line in _difference(wanted, found))
    return f"{settings.project} asks for more than you have agreed to:\n{lines}Agree to it, until it changes?"


def _not_agreed(settings: Settings, wanted: Asked, screen: Screen) -> UsageError:
    named = settings_.nearest_project(settings_.here()) != settings.project
    where = sh("--project {}", settings.project) if named else ""
    return UsageError(
        f"the project asks for what you have not agreed to: {'; '.join(wanted.lines)}",
        hint=command("trust", where if screen.answers else f"{where} --yes".strip()),
    )
