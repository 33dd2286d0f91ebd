"""What logs and tracebacks say when Airflow gets no secret: symptom -> layer, cause and command, from one table.

What AWS and botocore say is in ``world.causes``, what Airflow, Docker and the Astro CLI say in ``runtimes.said``, what
the docker SDK says in ``world.docker_engine``, and what is another matter where a service meets it in ``steps.inside``;
here they become one table.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aws_airflow_tasks.core import Check, TaskError
from aws_airflow_tasks.runtimes.said import Symptom, table
from aws_airflow_tasks.steps import inside
from aws_airflow_tasks.steps.layers import LAYERS
from aws_airflow_tasks.text.calling import command, under
from aws_airflow_tasks.text.cleaning import HIDDEN, cleaned
from aws_airflow_tasks.text.hints import no_region, note
from aws_airflow_tasks.text.printable import uncoloured
from aws_airflow_tasks.world import docker_engine
from aws_airflow_tasks.world.causes import CAUSES, Cause, Subject, explain, row_of


class Row(NamedTuple):
    """A row of the whole table, as a person reads it.

    Attributes:
        layer: the check of ``verify`` that fails.
        symptom: what is seen: AWS's code or botocore's exception, or a line of a log.
        cause: why.
        command: what to type, or whom to ask; several lines where it takes several.
        simulated: where a symptom is known from that no Linux machine can provoke; empty: it was provoked.
    """

    layer: str
    symptom: str
    cause: str
    command: str
    simulated: str = ""


def rows() -> tuple[Row, ...]:
    """Every symptom that is known, layer by layer, with commands in the way in which this one was called."""
    return tuple(sorted((*_of_causes(), *_of_lines(), *_of_the_engine()), key=lambda row: LAYERS.index(row.layer)))


def _of_lines() -> Iterator[Row]:
    for each in table():
        row = each.filled({name: name.upper() for name in re.compile(each.seen).groupindex})
        yield Row(row.layer, row.says, row.cause, row.hint)


def _of_the_engine() -> Iterator[Row]:
    """What the docker SDK says where this host asks the engine."""
    words = _Placeholders()
    for each in docker_engine.CAUSES:
        yield Row("runtime-healthy", each.says, each.cause.format_map(words), each.hint.format_map(words))


def _of_causes() -> Iterator[Row]:
    """Those of AWS and botocore; names that mean the same share a row, and in a service another command may mend."""
    words, same = _Placeholders(), dict[tuple[str, Cause, inside.Row | None], list[str]]()
    for name, cause in CAUSES.items():
        same.setdefault((layer_of(name), cause, inside.row(name)), []).append(name)
    for (layer, cause, there), names in same.items():
        here = "host-identity" if there else layer
        first = Row(here, ", ".join(names), cause.message.format_map(words), cause.hint.format_map(words))
        yield first
        if there:
            command = there.command(inside.There(routes=["HTTPS_PROXY"]))
            yield Row(layer, first.symptom, f"{first.cause} ({there.said})", command, there.simulated)


class _Placeholders(dict[str, str]):
    """What a page says where an error, or this machine, has a word of its own."""

    def __missing__(self, name: str) -> str:
        said = dict.fromkeys(("at", "why"), "") | {"said": "WHAT IT SAYS", "option": " --profile PROFILE"}
        said["configure"] = said["whole"] = f"aws configure{said['option']}"
        said |= {"kms": " --profile PROFILE --region REGION", "region_name": "REGION", "cred_var": "VARIABLE"}
        said |= {
            "renew": command("creds"),
            "advanced": under({"tier": "advanced"}, "secrets"),
            "no_region": no_region("PROFILE"),
        }
        said |= {"elsewhere": command("creds", "--region us-east-1")}
        said |= {"edit": "${EDITOR:-vi} FILE", "path": "FILE"}
        said |= dict.fromkeys(("edit_config", "setting"), "${EDITOR:-vi} ~/.aws/config")
        said |= {"api": "VERSION", "paramiko": "python -m pip install paramiko"}
        said["docker"] = "python -m pip install --upgrade docker"
        said |= {"clock": "sudo timedatectl set-ntp true", "trust": "export AWS_CA_BUNDLE=FILE"}
        said |= {"without_proxy": "unset HTTPS_PROXY", "crt": 'python -m pip install "botocore[crt]"'}
        said |= {"restore": "aws secretsmanager restore-secret --secret-id NAME"}
        said |= {"manual": note("what AWS means by it: https://docs.aws.amazon.com/…/API_OPERATION.html")}
        said |= {"reach": note("once this machine reaches AWS (network, VPN, proxy), type the same command again")}
        said |= {"cure": note(f"ask an administrator of AWS to allow it: {_ALLOWED}")}
        return said.get(name, name.upper())


#: a statement of a policy, as a page has it
_ALLOWED = '{"Effect": "Allow", "Action": "ACTION", "Resource": "ARN"}'


#: botocore's exceptions that have no row of their own -> the base that has one
BASES = {
    "EndpointConnectionError": "ConnectionError",
    "ConnectionClosedError": "HTTPClientError",
    "ConnectTimeoutError": "ConnectionError",
    "ReadTimeoutError": "HTTPClientError",
    "SSOTokenLoadError": "SSOError",
    "UnauthorizedSSOTokenError": "SSOError",
    "LoginRefreshRequired": "LoginError",
    "LoginTokenLoadError": "LoginError",
    "LoginAuthorizationCodeError": "LoginError",
}
#: names that Python and other libraries use too: seen alone, they say nothing of AWS
_COMMON = {"RuntimeError", "OSError", "JSONDecodeError", "ValueError", "ConnectionError", "SSLError"}
_COMMON |= {"ClientError", "HTTPClientError", "BotoCoreError", "ResponseParserError", "AuthFailure", "Throttling"}
#: the sentences of botocore's that the AWS CLI prints alone -> the class whose they are
_SENTENCES = {
    r"Unable to locate credentials\b": "NoCredentialsError",
    r"Partial credentials found in \S+, missing:": "PartialCredentialsError",
    r"Unable to parse config file: \S": "ConfigParseError",
    r"The config profile \([^)]+\) could not be found": "ProfileNotFound",
    r"You must specify a region\b": "NoRegionError",
    r"Error when retrieving token from \S+:": "TokenRetrievalError",
    r"Error loading SSO Token:|The SSO session associated with this profile has expired": "SSOError",
    r"Please reauthenticate using 'aws login'|Error loading login session token:": "LoginError",
    r"SSL validation failed for \S": "SSLError",
    r"Failed to connect to proxy URL:": "ProxyConnectionError",
    r"(?:Could not connect to|Connect timeout on) (?:the )?endpoint URL:": "ConnectionError",
    r"Read timeout on endpoint URL:|before we received a valid response from endpoint URL:": "HTTPClientError",
    r"Unsupported host '[^']*'\.\s+Can only retrieve metadata": "ValueError",
}
#: where an error of botocore's is seen, if not as an identity that does not work
_LAYER = {
    "NoCredentialsError": "files-readable",
    "PartialCredentialsError": "files-readable",
    "ConfigParseError": "files-readable",
    "ProfileNotFound": "environment",
    "NoRegionError": "environment",
    "InvalidRegionError": "environment",
    "AccessDenied": "raw-secret",
    "AccessDeniedException": "raw-secret",
    "DecryptionFailure": "raw-secret",
    "InvalidKeyId": "raw-secret",
    "marked for deletion": "raw-secret",
}


def layer_of(name: str) -> str:
    """Where an error of that code or class is seen, in a service."""
    return _LAYER.get(name, "identity-in-service")


#: how botocore writes an answer of AWS's
_ANSWER = (
    r"An error occurred \((?P<code>[\w.]+)\) when calling the (?P<operation>\w+) operation[^:\n]*: ?(?P<said>[^\n\"]*)"
)
#: the fields of a row's words, as botocore's sentences have them
_FIELDS = (
    r"endpoint URL: \\?\"(?P<endpoint_url>[^\"\\]+)|Unable to parse config file: (?P<path>\S+)"
    r"|missing: (?P<cred_var>\w+)|config profile \((?P<profile>[^)]{1,200})\)"
)
#: what AWS says of an entry that is not there, of which no row of ``CAUSES`` tells
_ABSENT = {"ResourceNotFoundException", "ParameterNotFound"}


class Told(Exception):  # noqa: N818
    """An error that was only told of, as ``world.causes`` takes one.

    Args:
        said: its message.
        code: AWS's, if AWS answered.
        operation: what AWS was asked.
        status: of HTTP.
        kwargs: the fields of botocore's sentence; None: those that are found in it.
    """

    def __init__(
        self, said: str, code: str = "", operation: str = "", status: int = 0, kwargs: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(said)
        self.operation_name = operation
        answer = {"Error": {"Code": code, "Message": said}, "ResponseMetadata": {"HTTPStatusCode": status}}
        self.code = code
        self.response = answer if code or status else {}
        known = {name: value for found in re.finditer(_FIELDS, said) for name, value in found.groupdict("").items()}
        self.kwargs = {name: value for name, value in known.items() if value} if kwargs is None else kwargs


def found(text: str, profile: str) -> list[Check]:
    """What a log or a traceback tells, the earliest in the chain first, each cause once.

    Args:
        text: the log, as it is; what looks like a secret is nowhere in what comes of it.
        profile: whose credentials Airflow has, where the text names no other.
    """
    plain = uncoloured(text)
    known = table()
    rows = dict.fromkeys(row for line in plain.splitlines() for row in _of_line(line, known, profile))
    return sorted(rows, key=lambda row: LAYERS.index(row.check))


def _of_line(line: str, known: Sequence[Symptom], profile: str) -> Iterator[Check]:
    for row in known:
        if symptom := row.of(line):
            yield Check(symptom.layer, "warning", symptom.cause, symptom.hint)
    answers = list(re.finditer(_ANSWER, line))
    for answer in answers:
        error = Told(answer["said"], answer["code"], answer["operation"])
        yield absent(error) or _explained(error, profile)
    for name in () if answers else dict.fromkeys((*_classes(line), *_sentences(line))):
        yield _explained(told([name, BASES.get(name, name)], line), profile)


def _classes(line: str) -> Iterator[str]:
    """The errors that a line names; those whose name others use too where it says that botocore's is meant."""
    for module, name in re.findall(r"(?<!except )\b(botocore\.(?:\w+\.)+)?([A-Z]\w+)\b", line):
        if name in BASES or (name in CAUSES and (name not in _COMMON or (module and name != "ClientError"))):
            yield name


def _sentences(line: str) -> Iterator[str]:
    return (name for pattern, name in _SENTENCES.items() if re.search(pattern, line))


def told(names: Sequence[str], *said: Any, **more: Any) -> Told:
    """An error by the names of its class and of that one's bases, the last the most general; see :class:`Told`."""
    made: Any = Told
    for name in reversed(names):
        made = type(name, (made,), {})
    error: Told = made(*said, **more)
    return error


def absent(error: Told) -> Check | None:
    """What an answer of AWS's tells of an entry that is not there; None: it tells something else."""
    if error.code not in _ABSENT:
        return None
    cause = f"what Airflow asks for is not there ({error.operation_name}): another name, prefix or region"
    return Check("raw-secret", "warning", cause, command("secrets.list"))


def _explained(error: Told, profile: str) -> Check:
    said: TaskError = explain(error, Subject(profile, "the region asked", renew=command("refresh")))
    name = row_of(error)
    layer = "identity-in-service" if error.operation_name == "AssumeRole" else layer_of(name)
    if name == "NoCredentialsError":
        message = "Airflow finds no credentials: the file is not there, not readable, or a directory"
        return Check(layer, "warning", message, f"{command('setup')} && {command('verify')}")
    return Check(layer, "warning", cleaned(said.message), cleaned(said.hint))


def hidden(line: str) -> str:
    """A line of a log as it may be quoted: the values of what it assigns are not."""
    return re.sub(r"(\b[A-Z][A-Z0-9_]{3,}=)\S+", rf"\1{HIDDEN}", cleaned(line))
