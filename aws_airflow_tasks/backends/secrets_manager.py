"""AWS Secrets Manager, as Airflow's ``SecretsManagerBackend`` reads it (apache-airflow-providers-amazon)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
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
    from mypy_boto3_secretsmanager import SecretsManagerClient

NAME = "secrets-manager"
ENTRY = "secret"
CLASS = "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"
ARGUMENTS = frozenset({"sep", "extra_conn_words"})
ACTIONS = {
    "describe": ("secretsmanager:DescribeSecret",),
    "get": ("secretsmanager:GetSecretValue",),
    "create": ("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
    "delete": ("secretsmanager:DeleteSecret",),
    "batch": ("secretsmanager:BatchGetSecretValue",),
    "list": ("secretsmanager:ListSecrets",),
    "history": ("secretsmanager:ListSecretVersionIds",),
    "replace": ("secretsmanager:PutSecretValue",),
    "restore": ("secretsmanager:RestoreSecret",),
}
BATCH = limits.QUOTAS[NAME].ids
RESTORES = True


def kwargs(settings: Settings, known: Credentials) -> dict[str, str]:
    """Prefixes and region; the endpoint too, as botocore before 1.31 ignores ``AWS_ENDPOINT_URL``."""
    found = {
        "connections_prefix": settings.connections_prefix,
        "variables_prefix": settings.variables_prefix,
        "region_name": known.region,
    }
    endpoint = endpoints.of(known.endpoints, "secretsmanager")
    return found | ({"endpoint_url": endpoint} if endpoint else {})


def name(prefix: str, entry: str, sep: str = "/") -> str:
    """The SecretId that the backend asks for (the provider's ``build_path``): without a prefix it is the key itself."""
    prefix = prefix.rstrip(sep) if sep else prefix
    return f"{prefix}{sep}{entry}" if prefix else entry


def variable_name(settings: Settings) -> str:
    """The check variable's SecretId."""
    return name(settings.variables_prefix, settings.check_variable)


def connection_name(settings: Settings) -> str:
    """The check connection's SecretId."""
    return name(settings.connections_prefix, settings.check_connection)


def look(name: str, account: Account) -> str:
    """The command that shows what an entry is, without its value."""
    command = sh("aws secretsmanager describe-secret --secret-id {}", name)
    return command + profiles.options(account.credentials, account.settings, "secretsmanager")


def read(name: str) -> Read:
    """One call; a binary secret has no such key."""
    return Read("secretsmanager", "get_secret_value", {"SecretId": name}, ("SecretString",))


def explained(account: Account, name: str) -> AbstractContextManager[None]:
    """See the protocol."""
    return _explained(account, name)


def describe(account: Account, name: str) -> Entry | None:
    """An entry without its value, pending deletion included; None when there is none."""
    client = _client(account)
    with _explained(account, name):
        try:
            found = client.describe_secret(SecretId=name)
        except client.exceptions.ResourceNotFoundException:
            return None
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
    key = found.get("KmsKeyId", "alias/aws/secretsmanager")
    again = len(found.get("VersionIdsToStages", {})) > 1  # the one before is AWSPREVIOUS
    return Entry(found["ARN"], found["Name"], tags, "DeletedDate" in found, key, rewritten=again)


def get(account: Account, name: str) -> str | None:
    """An entry's value; None when there is none or it is binary: Airflow sees neither."""
    client = _client(account)
    with _explained(account, name), _scheduled(account, name):
        try:
            return client.get_secret_value(SecretId=name).get("SecretString")
        except client.exceptions.ResourceNotFoundException:
            return None


def create(account: Account, name: str, value: str, tags: Mapping[str, str]) -> str:
    """Create an entry and return its ARN. Raises TaskError when there is one, or one is scheduled for deletion."""
    client = _client(account)
    with _explained(account, name), _scheduled(account, name):
        try:
            made = client.create_secret(Name=name, SecretString=value, **_chosen(account, tags))
        except client.exceptions.ResourceExistsException:
            found = describe(account, name)
            raise scheduled(account, name) if found and found.pending_deletion else _made_meanwhile(name) from None
        return made["ARN"]


def tag(account: Account, entry_id: str, tags: Mapping[str, str]) -> None:
    """Give an entry these tags, whatever others it has."""
    with _explained(account, entry_id):
        _client(account).tag_resource(SecretId=entry_id, Tags=pairs(tags))


def delete(account: Account, entry_id: str) -> None:
    """Delete an entry, by its ARN, with no recovery window; one that is gone already is fine."""
    client = _client(account)
    with _explained(account, entry_id), contextlib.suppress(client.exceptions.ResourceNotFoundException):
        client.delete_secret(SecretId=entry_id, ForceDeleteWithoutRecovery=True)


def scheduled(account: Account, name: str) -> TaskError:
    """The error of an entry whose deletion is scheduled: it is there, and Airflow does not see it."""
    options = profiles.options(account.credentials, account.settings, "secretsmanager")
    hint = sh("aws secretsmanager restore-secret --secret-id {}", name) + options
    return TaskError(f"secret {name} is scheduled for deletion", hint=hint)


def writes(settings: Settings) -> float:
    """See ``limits``."""
    return limits.writes(NAME, settings)


def refusal(settings: Settings, name: str, text: str) -> str:
    """See ``limits``."""
    return limits.said(NAME, settings, name, text)


def values(account: Account, names: Sequence[str]) -> dict[str, Value | TaskError]:
    """``BatchGetSecretValue``; who may not call that, or what it could not give, is asked for one by one."""
    found, rest = dict[str, Value | TaskError](), list(names)
    with _explained(account, "*"):
        try:
            asked = {"SecretIdList": list(names)}
            while rest and asked:
                page = _client(account).batch_get_secret_value(**asked)  # type: ignore[arg-type]
                for each in page["SecretValues"]:
                    found[each["Name"]] = Value(each["VersionId"], each.get("SecretString"))
                gone = {each["SecretId"] for each in page.get("Errors", ()) if _is_gone(each.get("ErrorCode", ""))}
                rest = [name for name in rest if name not in found and name not in gone]
                asked = {**asked, "NextToken": page["NextToken"]} if page.get("NextToken") else {}  # type: ignore[dict-item]
        except _client(account).exceptions.ClientError as error:
            if not _is_denied(error.response["Error"].get("Code", "")):
                raise
    for name in rest:
        if (value := _single(account, name)) is not None:
            found[name] = value
    return found


def _is_gone(code: str) -> bool:
    return code.startswith("ResourceNotFound")


def _is_denied(code: str) -> bool:
    return code.startswith("AccessDenied")


def _single(account: Account, name: str) -> Value | TaskError | None:
    """What one entry holds; None: there is none."""
    client = _client(account)
    try:
        with _explained(account, name):
            try:
                found = client.get_secret_value(SecretId=name)
                return Value(found["VersionId"], found.get("SecretString"))
            except client.exceptions.ResourceNotFoundException:
                return None
            except client.exceptions.InvalidRequestException as error:
                if "delet" in str(error):
                    return Value("", None, pending_deletion=True)
                raise
    except TaskError as error:
        return error


def listed(account: Account, prefix: str, tag: tuple[str, str] | None = None) -> Iterator[Listed]:
    """``ListSecrets``, 100 a page, whose filters go by the beginning of names and of tags."""
    client, more = _client(account), dict[str, str]()
    filters = [("name", prefix)] if prefix else []
    filters += [("tag-key", tag[0]), ("tag-value", tag[1])] if tag else []
    wanted = {"Filters": [{"Key": key, "Values": [value]} for key, value in filters]} if filters else {}
    while True:
        with _explained(account, "*"):
            page = client.list_secrets(MaxResults=100, IncludePlannedDeletion=True, **wanted, **more)  # type: ignore[arg-type]
        for each in page["SecretList"]:
            tags = {found["Key"]: found["Value"] for found in each.get("Tags", ())}
            if each["Name"].startswith(prefix) and (not tag or tags.get(tag[0]) == tag[1]):
                changed, accessed = _seconds(each.get("LastChangedDate")), _seconds(each.get("LastAccessedDate"))
                yield Listed(each["ARN"], each["Name"], tags, changed, accessed, bool(each.get("DeletedDate")))
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def _seconds(when: datetime | None) -> float | None:
    return when.timestamp() if when else None


def versions(account: Account, name: str) -> list[Version]:
    """``ListSecretVersionIds``, those without a label included (AWS keeps up to 100 of a day)."""
    client, found, more = _client(account), list[Version](), dict[str, str]()
    with _explained(account, name):
        try:
            while True:
                page = client.list_secret_version_ids(SecretId=name, IncludeDeprecated=True, **more)  # type: ignore[arg-type]
                for each in page["Versions"]:
                    labels = tuple(each.get("VersionStages", ()))
                    found.append(Version(each["VersionId"], _seconds(each.get("CreatedDate")), labels))
                if not page.get("NextToken"):
                    break
                more = {"NextToken": page["NextToken"]}
        except client.exceptions.ResourceNotFoundException:
            return []
    return sorted(found, key=lambda each: ("AWSCURRENT" in each.labels, each.changed or 0.0), reverse=True)


def value_of(account: Account, name: str, version: str) -> str | bytes | None:
    """``GetSecretValue`` of a version."""
    client = _client(account)
    with _explained(account, name), _scheduled(account, name):
        try:
            found = client.get_secret_value(SecretId=name, VersionId=version)
            return found.get("SecretString", found.get("SecretBinary"))
        except client.exceptions.ResourceNotFoundException:
            return None


def form(account: Account, name: str) -> Mapping[str, str]:
    """Nothing: AWS restores what is deleted."""
    return {}


def make(
    account: Account,
    name: str,
    text: str,
    tags: Mapping[str, str],
    token: str,
    form: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """``CreateSecret``, whose token becomes the version at AWS; at its emulators not always."""
    client = _client(account)
    with _explained(account, name), _scheduled(account, name):
        try:
            chosen = _chosen(account, tags)
            made = client.create_secret(Name=name, SecretString=text, ClientRequestToken=token, **chosen)
            return made["VersionId"]
        except client.exceptions.ResourceExistsException:
            if _stages(account, name).get("AWSCURRENT") != token:  # else the answer of a first attempt was lost
                raise Overtaken(*_made_meanwhile(name).args) from None
    return token


def replace(account: Account, name: str, text: str | bytes, over: str, token: str) -> str:
    """``PutSecretValue``, with the same of its token, between two ``DescribeSecret``."""
    client = _client(account)
    _at(account, name, over)
    value: Any = {"SecretString": text} if isinstance(text, str) else {"SecretBinary": text}
    with _explained(account, name), _scheduled(account, name):
        ours = client.put_secret_value(SecretId=name, ClientRequestToken=token, **value)["VersionId"]
    after = _stages(account, name)
    options = profiles.options(account.credentials, account.settings, "secretsmanager")
    look = sh("aws secretsmanager list-secret-version-ids --include-deprecated --secret-id {}", name) + options
    if after.get("AWSCURRENT") != ours:
        raise Overtaken(
            f"secret {name} was given version {after.get('AWSCURRENT')} by somebody else after ours, {ours}", hint=look
        )
    other = after.get("AWSPREVIOUS", "")
    if not other:  # as with an emulator to which the same call twice is two writes
        raise Replaced(f"secret {name}: nobody says which version ours, {ours}, has replaced", hint=look)
    if other != over:
        move = "aws secretsmanager update-secret-version-stage --version-stage AWSCURRENT --secret-id {} "
        raise Replaced(
            f"secret {name}: somebody wrote version {other} just before ours, {ours}, which has replaced it",
            hint=sh(move + "--move-to-version-id {} --remove-from-version-id {}", name, other, ours)
            + options
            + "   # gives the other value back",
        )
    return ours


def take(account: Account, name: str, over: str) -> None:
    """``DeleteSecret`` with 30 days to restore it."""
    client = _client(account)
    found = _stages(account, name)
    if not found:
        return
    _at(account, name, over, found)
    with _explained(account, name), contextlib.suppress(client.exceptions.ResourceNotFoundException):
        client.delete_secret(SecretId=name, RecoveryWindowInDays=30)


def restore(account: Account, name: str) -> None:
    """``RestoreSecret``."""
    with _explained(account, name):
        _client(account).restore_secret(SecretId=name)


def erase(account: Account, name: str) -> None:
    """``DeleteSecret`` with no time to restore it."""
    delete(account, name)


def _at(account: Account, name: str, over: str, known: Mapping[str, str] | None = None) -> None:
    """Raise Overtaken unless the version ``over`` stands there."""
    now = (known or _stages(account, name)).get("AWSCURRENT", "none")
    if now != over:
        message = f"secret {name} has been changed meanwhile: version {now} is there, not {over}; it stays"
        raise Overtaken(message, hint=note("type the same command again: it plans anew"))


def _stages(account: Account, name: str) -> dict[str, str]:
    """By label the version that has it; empty where there is no such entry."""
    client = _client(account)
    with _explained(account, name):
        try:
            found = client.describe_secret(SecretId=name).get("VersionIdsToStages", {})
        except client.exceptions.ResourceNotFoundException:
            return {}
    return {stage: version for version, stages in found.items() for stage in stages}


def _chosen(account: Account, tags: Mapping[str, str]) -> Any:
    """The arguments for tags, the person's too, and for the key that is set."""
    key = account.settings.kms_key
    return {"Tags": pairs(created.tags(account, tags))} | ({"KmsKeyId": key} if key else {})


def _client(account: Account) -> SecretsManagerClient:
    client: SecretsManagerClient = account.client("secretsmanager")
    return client


def _explained(account: Account, name: str) -> AbstractContextManager[None]:
    """A policy names a secret that is there with six characters more, and one that is not (yet) by its name."""
    if name == "*":  # of calls that can be allowed for no single secret
        return account.explained(name)
    owner = account.identity.account if account.identity else "*"
    where = f"arn:{account.partition}:secretsmanager:{account.credentials.region}:{owner}:secret"
    arns = [name] if name.startswith("arn:") else [f"{where}:{name}", f"{where}:{name}-??????"]
    return account.explained(*arns, key=partial(_key, account, name))


def _key(account: Account, name: str) -> str:
    """The KMS key of an entry; of one that is not there, the one that is set; empty: nobody may know."""
    with contextlib.suppress(Exception):  # only words depend on it
        return _client(account).describe_secret(SecretId=name).get("KmsKeyId", "") or account.settings.kms_key
    return account.settings.kms_key


@contextlib.contextmanager
def _scheduled(account: Account, name: str) -> Iterator[None]:
    """AWS says "marked for deletion" in the words of an invalid request."""
    try:
        yield
    except _client(account).exceptions.InvalidRequestException as error:
        if "delet" not in str(error):
            raise
        raise scheduled(account, name) from None


def _made_meanwhile(name: str) -> TaskError:
    return TaskError(f"secret {name} has just been created by someone else", hint=command("secrets"))
