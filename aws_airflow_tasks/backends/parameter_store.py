"""AWS's Parameter Store, as Airflow's ``SystemsManagerParameterStoreBackend`` reads it (the amazon provider's).

A parameter is known by its name alone: what is deleted is gone at once, and a new one of the name begins at version 1.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aws_airflow_tasks.backends import created, limits
from aws_airflow_tasks.backends.many import Listed, Overtaken, Replaced, Value, Version
from aws_airflow_tasks.backends.protocol import Entry, Read, pairs
from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.world import endpoints, profiles
from aws_airflow_tasks.world.aws import Account
from aws_airflow_tasks.world.profiles import Credentials

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_ssm.type_defs import ParameterHistoryTypeDef

NAME = "parameter-store"
ENTRY = "parameter"
CLASS = "airflow.providers.amazon.aws.secrets.systems_manager.SystemsManagerParameterStoreBackend"
ARGUMENTS: frozenset[str] = frozenset()
ACTIONS = {
    "describe": ("ssm:GetParameterHistory", "ssm:ListTagsForResource"),
    "get": ("ssm:GetParameter",),
    "create": ("ssm:PutParameter", "ssm:AddTagsToResource"),
    "delete": ("ssm:DeleteParameter",),
    "batch": ("ssm:GetParameters",),
    "list": ("ssm:DescribeParameters",),
    "history": ("ssm:GetParameterHistory",),
    "replace": ("ssm:PutParameter",),
    "restore": ("ssm:PutParameter", "ssm:AddTagsToResource"),  # it is made again
}
BATCH = limits.QUOTAS[NAME].ids
RESTORES = False
#: what a parameter is made again with as it was, beside its value and its tags
FORM = ("Type", "Tier", "KeyId", "Description", "AllowedPattern", "DataType")
#: what the API calls the tiers
TIERS = {"standard": "Standard", "advanced": "Advanced", "intelligent-tiering": "Intelligent-Tiering"}


def kwargs(settings: Settings, known: Credentials) -> dict[str, str]:
    """Prefixes with the slash that every name begins with, and region; the endpoint too, for botocore before 1.31."""
    found = {
        "connections_prefix": settings.connections_prefix and _rooted(settings.connections_prefix),
        "variables_prefix": settings.variables_prefix and _rooted(settings.variables_prefix),
        "region_name": known.region,
    }
    endpoint = endpoints.of(known.endpoints, "ssm")
    return found | ({"endpoint_url": endpoint} if endpoint else {})


def _rooted(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def name(prefix: str, entry: str, sep: str = "/") -> str:
    """The name that the backend asks for; its separator is always a slash, and so is what its names begin with."""
    prefix = prefix.rstrip("/")
    return _rooted(f"{prefix}/{entry}" if prefix else entry)


def variable_name(settings: Settings) -> str:
    """The check variable's name."""
    return name(settings.variables_prefix, settings.check_variable)


def connection_name(settings: Settings) -> str:
    """The check connection's name."""
    return name(settings.connections_prefix, settings.check_connection)


def look(name: str, account: Account) -> str:
    """The command that shows what an entry is, without its value."""
    command = sh("aws ssm describe-parameters --parameter-filters {}", f"Key=Name,Values={name}")
    return command + profiles.options(account.credentials, account.settings, "ssm")


def read(name: str) -> Read:
    """One call; ``WithDecryption`` makes no difference to what is not encrypted."""
    return Read("ssm", "get_parameter", {"Name": name, "WithDecryption": True}, ("Parameter", "Value"))


def explained(account: Account, name: str) -> AbstractContextManager[None]:
    """See the protocol."""
    return _explained(account, name)


def describe(account: Account, name: str) -> Entry | None:
    """An entry without its value (two calls); None when there is none.

    Its history has its key and its tier, and asks for it alone: ``DescribeParameters`` lags, and asks for all of them.
    """
    client, history = _client(account), _history(account, name)
    if not history:
        return None
    with _explained(account, name):
        try:
            tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
        except client.exceptions.InvalidResourceId:
            return None
    return _entry(history[-1], {tag["Key"]: tag["Value"] for tag in tags})._replace(rewritten=len(history) > 1)


def _entry(newest: ParameterHistoryTypeDef, tags: Mapping[str, str]) -> Entry:
    name, tier = newest["Name"], newest.get("Tier", "Standard").lower()
    return Entry(name, name, tags, key=newest.get("KeyId", ""), tier=tier)


def _history(account: Account, name: str) -> list[ParameterHistoryTypeDef]:
    """The versions that AWS still has, up to 100, the oldest first; none: there is no such entry."""
    client = _client(account)
    with _explained(account, name):
        try:
            pages = client.get_paginator("get_parameter_history").paginate(Name=name, WithDecryption=False)
            return [each for page in pages for each in page["Parameters"]]
        except client.exceptions.ParameterNotFound:
            return []


def get(account: Account, name: str) -> str | None:
    """An entry's value; None when there is none."""
    client = _client(account)
    with _explained(account, name):
        try:
            return client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        except client.exceptions.ParameterNotFound:
            return None


def create(account: Account, name: str, value: str, tags: Mapping[str, str]) -> str:
    """Create an encrypted entry and return its name. Raises TaskError when there is one."""
    try:
        _put(account, name, value, created.tags(account, tags), _chosen(account))
    except Overtaken as error:
        raise Overtaken(error.message, hint=command("secrets")) from None
    return name


def _chosen(account: Account) -> Mapping[str, str]:
    """The arguments for one that is new: encrypted, with the key and of the tier that are set."""
    key, tier = account.settings.kms_key, account.settings.tier
    chosen = {"Type": "SecureString"} | ({"KeyId": key} if key else {})
    return chosen | ({"Tier": TIERS[tier]} if tier else {})


def _put(account: Account, name: str, text: str, tags: Mapping[str, str], chosen: Mapping[str, str]) -> None:
    client, more = _client(account), dict[str, Any](chosen)
    with _explained(account, name):
        try:
            client.put_parameter(Name=name, Value=text, Tags=pairs(tags), **more)
        except client.exceptions.ParameterAlreadyExists:
            raise Overtaken(f"parameter {name} has just been created by someone else") from None


def tag(account: Account, entry_id: str, tags: Mapping[str, str]) -> None:
    """Give an entry these tags, whatever others it has."""
    with _explained(account, entry_id):
        _client(account).add_tags_to_resource(ResourceType="Parameter", ResourceId=entry_id, Tags=pairs(tags))


def delete(account: Account, entry_id: str) -> None:
    """Delete an entry, by its name: nothing restores it; one that is gone already is fine."""
    client = _client(account)
    with _explained(account, entry_id), contextlib.suppress(client.exceptions.ParameterNotFound):
        client.delete_parameter(Name=entry_id)


def scheduled(account: Account, name: str) -> TaskError:
    """Nothing is ever scheduled for deletion here."""
    return TaskError(f"there is no parameter {name} any more", hint=look(name, account))


def writes(settings: Settings) -> float:
    """See ``limits``."""
    return limits.writes(NAME, settings)


def refusal(settings: Settings, name: str, text: str) -> str:
    """See ``limits``."""
    return limits.said(NAME, settings, name, text)


def values(account: Account, names: Sequence[str]) -> dict[str, Value | TaskError]:
    """``GetParameters``; AWS refuses it whole where one of the names may not be read, and each is asked for then."""
    client = _client(account)
    with _explained(account, "/*"):
        try:
            page = client.get_parameters(Names=list(names), WithDecryption=True)
            return {each["Name"]: Value(str(each["Version"]), each["Value"]) for each in page["Parameters"]}
        except client.exceptions.ClientError as error:
            if not error.response["Error"].get("Code", "").startswith("AccessDenied"):
                raise
    found = ((name, _single(account, name)) for name in names)
    return {name: value for name, value in found if value is not None}


def _single(account: Account, name: str) -> Value | TaskError | None:
    """What one entry holds; None: there is none."""
    client = _client(account)
    try:
        with _explained(account, name):
            try:
                found = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
                return Value(str(found["Version"]), found["Value"])
            except client.exceptions.ParameterNotFound:
                return None
    except TaskError as error:
        return error


def listed(account: Account, prefix: str, tag: tuple[str, str] | None = None) -> Iterator[Listed]:
    """``DescribeParameters``, 50 a page; it has no tags, but for the one that is asked for."""
    wanted: Any = [{"Key": "Name", "Option": "BeginsWith", "Values": [prefix]}] if prefix else []
    wanted += [{"Key": f"tag:{tag[0]}", "Values": [tag[1]]}] if tag else []
    pages = (
        _client(account)
        .get_paginator("describe_parameters")
        .paginate(ParameterFilters=wanted, PaginationConfig={"PageSize": 50})
    )
    rest = iter(pages)
    while True:
        with _explained(account, "*"):
            page = next(rest, None)
        if page is None:
            return
        for each in page["Parameters"]:
            changed = each["LastModifiedDate"].timestamp()
            yield Listed(each["Name"], each["Name"], dict([tag] if tag else []), changed)


def versions(account: Account, name: str) -> list[Version]:
    """``GetParameterHistory``."""
    return [
        Version(
            str(each["Version"]),
            each["LastModifiedDate"].timestamp(),
            tuple(each.get("Labels", ())),
            each.get("LastModifiedUser", ""),
        )
        for each in reversed(_history(account, name))
    ]


def value_of(account: Account, name: str, version: str) -> str | None:
    """``GetParameter`` of a version."""
    client = _client(account)
    with _explained(account, name):
        try:
            return client.get_parameter(Name=f"{name}:{version}", WithDecryption=True)["Parameter"]["Value"]
        except (client.exceptions.ParameterNotFound, client.exceptions.ParameterVersionNotFound):
            return None


def form(account: Account, name: str) -> Mapping[str, str]:
    """Of ``GetParameterHistory``: a parameter that is gone is gone with its history."""
    history = _history(account, name)
    return {word: str(value) for word in FORM if history and (value := history[-1].get(word))}


def make(
    account: Account,
    name: str,
    text: str,
    tags: Mapping[str, str],
    token: str,
    form: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """``PutParameter``, which takes no token: what stands there as we would have made it counts as made."""
    wanted = dict(tags) if form else created.tags(account, tags)
    try:
        _put(account, name, text, wanted, form or _chosen(account))
    except Overtaken:
        found = describe(account, name)  # the answer of a first attempt may have been lost
        if not found or found.tags != wanted or _single(account, name) != Value("1", text):
            raise
    return "1"


def replace(account: Account, name: str, text: str, over: str, token: str) -> str:
    """``PutParameter``, which tells its version, after ``GetParameterHistory``; key and tier stay as they are."""
    found = _at(account, name, over)
    if found is None:
        raise _changed(name, "none", over)
    settings, entry = account.settings, _entry(found, {})
    if differing := created.differing(account, entry, rewritten=True):
        raise created.conflict(account, ENTRY, entry, differing)
    tier = found.get("Tier", "Standard") if settings.tier in ("", "standard") else TIERS[settings.tier]
    kept: Any = {"Type": found["Type"], "Tier": tier} | ({"KeyId": found["KeyId"]} if found.get("KeyId") else {})
    with _explained(account, name):
        made = _client(account).put_parameter(Name=name, Value=text, Overwrite=True, **kept)["Version"]
    for other in range(made - 1, int(over), -1):
        if value_of(account, name, str(other)) != text:  # else a first attempt of ours, whose answer was lost
            raise Replaced(
                f"parameter {name}: somebody wrote version {other} just before ours, {made}, which has replaced it",
                hint=_back(account, name, other),
            )
    return str(made)


def _back(account: Account, name: str, version: int) -> str:
    """The command that gives a version's value back, of which neither a screen nor an argument has it."""
    options = profiles.options(account.credentials, account.settings, "ssm")
    again = "{Name: Parameter.Name, Value: Parameter.Value, Type: Parameter.Type, Overwrite: `true`}"
    read = sh("aws ssm get-parameter --with-decryption --output json --name {} --query {}", f"{name}:{version}", again)
    write = 'aws ssm put-parameter --cli-input-json "file://$f"'
    return f'f=$(mktemp) && {read}{options} > "$f" && {write}{options}; rm "$f"   # gives the other value back'


def take(account: Account, name: str, over: str) -> None:
    """``DeleteParameter``, from which nothing comes back."""
    if _at(account, name, over):
        delete(account, name)


def restore(account: Account, name: str) -> None:
    """Parameter Store keeps nothing of what is deleted."""
    raise scheduled(account, name)


def erase(account: Account, name: str) -> None:
    """``DeleteParameter``."""
    delete(account, name)


def _at(account: Account, name: str, over: str) -> ParameterHistoryTypeDef | None:
    """The newest version, which must be ``over``; None: there is no such entry. Raises Overtaken if it is another."""
    history = _history(account, name)
    if history and str(history[-1]["Version"]) != over:
        raise _changed(name, str(history[-1]["Version"]), over)
    return history[-1] if history else None


def _changed(name: str, now: str, over: str) -> Overtaken:
    message = f"parameter {name} has been changed meanwhile: version {now} is there, not {over}; it stays"
    return Overtaken(message, hint=note("type the same command again: it plans anew"))


def _client(account: Account) -> SSMClient:
    client: SSMClient = account.client("ssm")
    return client


def _explained(account: Account, name: str) -> AbstractContextManager[None]:
    owner = account.identity.account if account.identity else "*"
    what = name if name == "*" else f"parameter{name}"  # a policy cannot allow to list some of them
    arn = f"arn:{account.partition}:ssm:{account.credentials.region}:{owner}:{what}"
    return account.explained(arn, key=partial(_key, account, name))


def _key(account: Account, name: str) -> str:
    """The KMS key of an entry; of one that is not there, the one that is set; empty: nobody may know."""
    with contextlib.suppress(Exception):  # only words depend on it
        pages = _client(account).get_paginator("get_parameter_history").paginate(Name=name, WithDecryption=False)
        return [each.get("KeyId", "") for page in pages for each in page["Parameters"]][-1] or account.settings.kms_key
    return account.settings.kms_key
