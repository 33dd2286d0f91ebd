"""AWS itself, through boto3: a profile's access, and who we are. Errors become :class:`TaskError` here."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.hints import no_region
from aws_airflow_tasks.world import endpoints, profiles, sessions, waits
from aws_airflow_tasks.world.causes import Unreachable, explained
from aws_airflow_tasks.world.kinds import Profiles
from aws_airflow_tasks.world.profiles import Credentials

if TYPE_CHECKING:
    import boto3

#: asked for the identity where no region is set: STS answers the same everywhere
ANY_REGION = "us-east-1"


class Identity(NamedTuple):
    """Who AWS says we are.

    Attributes:
        account: the account's number.
        arn: the user's or assumed role's ARN.
        user_id: its unique id.
        expiry: seconds since the epoch at which the credentials used end; None: they do not.
    """

    account: str
    arn: str
    user_id: str
    expiry: float | None = None

    @property
    def partition(self) -> str:
        """The part of AWS that it belongs to, as every ARN there has it: ``aws``, ``aws-cn``, ``aws-us-gov`` …"""
        return [*self.arn.split(":"), "aws"][1]


def principal(arn: str) -> str:
    """An identity without the name of an assumed role's session, which every process makes up anew."""
    return arn.rpartition("/")[0] if ":assumed-role/" in arn else arn


class Account:
    """A profile's access to AWS: one session, and what the configuration says of it. No call is made by making one.

    Attributes:
        credentials: what the configuration says.
        settings: those it was made from.
        identity: who AWS says we are, where that is known.
    """

    def __init__(self, settings: Settings, identity: Identity | None, at: Mapping[str, str]) -> None:
        made = sessions.session(settings)
        self.settings = settings
        self.identity = identity
        self._at = at
        self.credentials: Credentials = profiles.read(made, settings, os.environ)
        self._core = made
        self._clients: dict[str, Any] = {}

    @property
    def elsewhere(self) -> bool:
        """Whether any endpoint but AWS's own is to be asked."""
        return bool(self.settings.endpoint_url) or endpoints.elsewhere(self._core)

    @property
    def profiles(self) -> Profiles:
        """What the configuration says of every profile."""
        found: Profiles = self._core.full_config["profiles"]
        return found

    @property
    def listed(self) -> dict[str, str]:
        """The profiles that have credentials, by name, and what kind."""
        return sessions.listed(self._core)

    @property
    def partition(self) -> str:
        """The identity's; while that is not known, the region's."""
        if self.identity:
            return self.identity.partition
        with contextlib.suppress(TaskError), self.explained():
            return str(self._core.get_partition_for_region(self.credentials.region or ANY_REGION))
        return "aws"

    @functools.cached_property
    def session(self) -> boto3.Session:
        """The boto3 session, in the credentials' region."""
        return sessions.boto(self._core, self.credentials.region)

    def be_patient(self) -> None:
        """Let clients that are made from now on try again for long, at the pace that AWS takes."""
        sessions.be_patient(self._core)

    def client(self, service: str) -> Any:
        """The client of a service, such as ``secretsmanager``; made once."""
        if service not in self._clients:
            with self.explained():
                made: Any = self.session.client
                self._clients[service] = made(service, endpoint_url=self._at.get(service))
        return self._clients[service]

    @contextmanager
    def explained(self, *resources: str, key: Callable[[], str] = str) -> Iterator[None]:
        """Turn the errors of a call into :class:`TaskError`.

        Args:
            resources: what it is about, as ARNs or patterns of them; none: that is not known.
            key: asks for the KMS key of that, where a call is denied for it; empty: not known.
        """
        subject = profiles.subject(self.credentials, self.settings, resources or ("*",), key)
        with waits.told(f"AWS, asked with profile {subject.profile}"), explained(subject):
            yield


def connect(
    settings: Settings, identity: Identity | None = None, at: Mapping[str, str] = MappingProxyType({})
) -> Account:
    """Access to AWS with the profile, region and endpoint of ``settings``; nothing is asked yet.

    Args:
        settings: of the command line.
        identity: who AWS says we are, where that is known.
        at: by service the URL to ask, whatever settings, environment and profile say.

    Raises:
        TaskError: the configuration is broken or has no such profile.
    """
    return Account(settings, identity, at)


def caller_identity(account: Account, **keys: str) -> Identity:
    """Ask STS who we are (one call).

    Args:
        account: access to AWS.
        keys: boto3's arguments for the keys to ask with, where they are not to be resolved once more.

    Raises:
        Unreachable: AWS does not answer.
        LoginNeeded: there are no credentials, or a session is over.
        TaskError: AWS refuses them, or they are of another account than the one that is set.
    """
    region = account.credentials.region or ANY_REGION
    try:
        with account.explained():
            make: Any = account.session.client
            answer = make("sts", region_name=region, **keys).get_caller_identity()
            expires = getattr(account.session.get_credentials(), "_expiry_time", None)
    except Unreachable:
        if endpoints.of(account.credentials.endpoints, "sts") or _is_region(account, region):
            raise
        hint = no_region(account.credentials.profile)
        raise TaskError(f"AWS has no region {region} (from {account.credentials.region_origin})", hint=hint) from None
    _refuse_another(account, answer["Account"], answer["Arn"])
    account.identity = Identity(
        answer["Account"], answer["Arn"], answer["UserId"], expires.timestamp() if expires else None
    )
    return account.identity


def _refuse_another(account: Account, found: str, arn: str) -> None:
    """Raise TaskError where keys are of another account than the one that is set."""
    wanted, credentials = account.settings.account, account.credentials
    if wanted in ("", found):
        return
    others = profiles.of_account(account.profiles, wanted)
    hint = "".join(command("creds", sh("--profile {}", name)) + "\n" for name in others)
    if credentials.source == "environment":
        hint = profiles.subject(credentials, account.settings).renew
    raise TaskError(
        f"the keys of profile {credentials.profile} are of account {found} ({arn}), but account is set to {wanted}",
        hint=hint or f"aws configure list-profiles   # which of them is of account {wanted}?",
    )


def _is_region(account: Account, region: str) -> bool:
    """Whether botocore knows the region; only asked after silence, as a region may be newer than botocore."""
    session = account.session
    return any(region in session.get_available_regions("ec2", each) for each in session.get_available_partitions())
