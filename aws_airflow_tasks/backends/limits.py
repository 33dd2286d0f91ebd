"""What AWS takes, asked before anything is written: one table, as emulators take nearly everything.

Sources: the API references of ``CreateSecret`` and ``PutParameter``, and the pages "AWS Secrets Manager quotas" and
"AWS Systems Manager endpoints and quotas" (https://docs.aws.amazon.com/general/latest/gr/).
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.calling import under


class Limit(NamedTuple):
    """Something that AWS takes or refuses.

    Attributes:
        of: ``name`` or ``value``.
        refused: whether a name or value is refused.
        words: why, as what follows it in a sentence; nothing of a value.
        tiers: Parameter Store's tiers that have this limit, by the setting; none: there are no tiers.
        way_out: the settings, with values, under which it is taken; empty: it takes another name or value.
    """

    of: str
    refused: Callable[[str], object]
    words: str
    tiers: tuple[str, ...] = ()
    way_out: Mapping[str, str] = MappingProxyType({})


class Quota(NamedTuple):
    """What AWS takes of many entries, for one account and region.

    Attributes:
        ids: names in one call that reads values.
        writes: a second, with some left for others who write.
        higher: likewise, with the throughput that an account can pay for.
        entries: how many there may be, by tier.
    """

    ids: int
    writes: float
    higher: float
    entries: dict[str, int]


#: without the setting, Parameter Store's tier is the account's default: a standard one, until somebody has changed that
STANDARD = ("", "standard")
LARGER = ("advanced", "intelligent-tiering")
#: AWS counts the ARN before the name, which differs by partition and region: this many are free in each
LONGEST_NAME = 1011 - len("arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter")
#: settings under which every name is taken
DEFAULTS = {f"{kind}_prefix": f"airflow/{kind}" for kind in ("variables", "connections")}
ADVANCED = {"tier": "advanced"}


def _longer(size: int) -> Callable[[str], bool]:
    return lambda text: len(text) > size


def _larger(size: int) -> Callable[[str], bool]:
    return lambda text: len(text.encode("utf-8", "surrogatepass")) > size


def _unlike(pattern: str) -> Callable[[str], bool]:
    return lambda text: not re.fullmatch(pattern, text)


def _having(pattern: str) -> Callable[[str], bool]:
    return lambda text: bool(re.search(pattern, text))


#: as JSON can write it, and no UTF-8 has it
_HALF = Limit("value", _having("[\ud800-\udfff]"), "has half of a surrogate pair, which is no character")
LIMITS: dict[str, tuple[Limit, ...]] = {
    "secrets-manager": (
        Limit("name", _unlike(r"[A-Za-z0-9/_+=.@-]+"), "has other characters than A-Z, a-z, 0-9 and /_+=.@-"),
        Limit("name", _longer(512), "is longer than 512 characters"),
        Limit("name", _having(r"(?i)\Aaws/"), "begins with aws/"),
        Limit("value", lambda text: not text, "is empty"),
        _HALF,
        Limit("value", _larger(65_536), "is larger than 65,536 bytes"),
    ),
    "parameter-store": (
        Limit("name", _unlike(r"[A-Za-z0-9/_.-]+"), "has other characters than A-Z, a-z, 0-9 and /_.-"),
        Limit("name", _unlike(r"(/[^/]+)+"), "has nothing between two of its slashes, or behind the last one"),
        Limit("name", _having(r"(?i)\A/?(aws|ssm)"), "begins with aws or ssm"),
        Limit("name", lambda text: text.count("/") > 15, "has more than 15 levels"),
        Limit("name", _longer(LONGEST_NAME), f"is longer than {LONGEST_NAME} characters"),
        Limit("value", lambda text: not text, "is empty"),
        _HALF,
        Limit("value", _having(r"(?s)\{\{.*\}\}"), "has {{…}}, which means another parameter there"),
        Limit(
            "value",
            _larger(4096),
            "is larger than 4,096 bytes, which an advanced parameter may be ($0.05 a month each)",
            STANDARD,
            ADVANCED,
        ),
        Limit("value", _larger(8192), "is larger than 8,192 bytes", LARGER),
    ),
}

QUOTAS = {
    "secrets-manager": Quota(ids=20, writes=45.0, higher=45.0, entries={"": 500_000}),
    "parameter-store": Quota(
        ids=10, writes=3.0, higher=10.0, entries=dict.fromkeys(STANDARD, 10_000) | dict.fromkeys(LARGER, 100_000)
    ),
}


def refusal(backend: str, settings: Settings, name: str, value: str | None = None) -> Limit | None:
    """What AWS would refuse of an entry; None: nothing that is known before.

    Args:
        backend: its name.
        settings: the tier is heeded.
        name: of the entry.
        value: its value; None: it is not known yet.
    """
    given = {"name": name, "value": value}
    for limit in LIMITS[backend]:
        text = given[limit.of]
        if text is not None and (not limit.tiers or settings.tier in limit.tiers) and limit.refused(text):
            return limit
    return None


def said(backend: str, settings: Settings, name: str, value: str) -> str:
    """Why AWS would refuse an entry, in a clause without its value; empty: it would not.

    Args:
        backend: its name.
        settings: the tier is heeded.
        name: of the entry.
        value: its value.
    """
    limit = refusal(backend, settings, name, value)
    return f"its {limit.of} {limit.words}" if limit else ""


def too_many(backend: str, settings: Settings, count: int) -> str:
    """Why AWS would not take so many entries of an account in a region, in a clause; empty: it would.

    Args:
        backend: its name.
        settings: the tier is heeded.
        count: how many there are to be, at least: others there may be are not counted.
    """
    most = QUOTAS[backend].entries[settings.tier if backend == "parameter-store" else ""]
    return f"there would be {count:,} entries, and AWS takes {most:,} in a region" if count > most else ""


def writes(backend: str, settings: Settings) -> float:
    """How many writes a second AWS allows, as far as the settings say."""
    quota = QUOTAS[backend]
    return quota.higher if settings.throughput == "higher" else quota.writes


def check(backend: str, settings: Settings, what: str, name: str, value: str) -> None:
    """Raise TaskError where AWS would refuse an entry.

    Args:
        backend: its name.
        settings: the tier is heeded.
        what: what a person calls an entry there.
        name: of the entry.
        value: its value; the error has nothing of it.
    """
    limit = refusal(backend, settings, name, value)
    if limit is None:
        return
    hint = under(limit.way_out or DEFAULTS, "setup") if limit.of == "name" or limit.way_out else ""
    raise TaskError(f"AWS would refuse {what} {name}: its {limit.of} {limit.words}", hint=hint)
