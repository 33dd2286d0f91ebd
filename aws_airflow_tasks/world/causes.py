"""What the errors of AWS and botocore mean: each a cause in one sentence and the command to type, from one table.

Nothing of a request or of credentials gets into a message: AWS quotes signed headers, session token included, when a
signature does not match, helpers print what they like, and an endpoint's URL may have a password.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.cleaning import HIDDEN, cleaned
from aws_airflow_tasks.text.hints import no_region, profile_option


class Unreachable(TaskError):  # noqa: N818
    """AWS did not answer; whatever needs only files can go on."""


class Denied(TaskError):  # noqa: N818
    """AWS knows us, and does not allow it."""


class Ended(TaskError):  # noqa: N818
    """The keys are good no more, for this call and any other."""


class LoginNeeded(Ended):
    """The person has to type something to their own AWS command line.

    Args:
        message: the cause.
        command: the command line that asks them.
    """

    def __init__(self, message: str, command: Sequence[str]) -> None:
        super().__init__(message, hint=shlex.join(command))
        self.command = tuple(command)


class Subject(NamedTuple):
    """Whom and what a call was about, for the words of an error.

    Attributes:
        profile: the profile's name.
        region: the region asked, or empty.
        renew: the lines that bring fresh credentials of this kind.
        login: the command line that does so; empty when none can.
        endpoint: the endpoint that STS is asked at, or empty: AWS's own.
        options: those by which a command line of `aws` asks as we do.
        resource: the pattern of what the call was about, for a policy statement.
    """

    profile: str
    region: str = ""
    renew: str = ""
    login: tuple[str, ...] = ()
    endpoint: str = ""
    options: str = ""
    resource: str = "*"


@contextlib.contextmanager
def explained(subject: Subject) -> Iterator[None]:
    """Turn errors of botocore, and of a helper that it runs, into :class:`TaskError`; what has no row goes through."""
    try:
        yield
    except Exception as error:
        if not any(cls.__name__ in CAUSES for cls in type(error).__mro__):
            raise
        raise explain(error, subject) from None


def explain(error: Exception, subject: Subject) -> TaskError:
    """The cause of ``error`` and what to type: :class:`Unreachable`, :class:`LoginNeeded` or plain."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    code = str(response.get("Error", {}).get("Code", ""))
    said = str(response.get("Error", {}).get("Message", "")) or str(error)
    names = [code, "ClientError"] if code else [cls.__name__ for cls in type(error).__mro__]
    if response and not code.strip("0123456789"):  # an HTTP answer without a code of AWS's
        names = ["ResponseParserError"]
    cause = next(CAUSES[name] for name in names if name in CAUSES)
    words = _Words(
        {str(key): cleaned(str(value)) for key, value in getattr(error, "kwargs", {}).items()}
        | _allowed(error, cleaned(said), subject)
        | {"code": code or type(error).__name__, "said": _first_sentence(cleaned(said))}
        | {"profile": subject.profile, "region": subject.region, "renew": subject.renew}
        | {"option": profile_option(subject.profile), "no_region": no_region(subject.profile)}
        | {"options": subject.options or profile_option(subject.profile)}
        | {"in_another": command("creds", "--region R"), "secrets": command("secrets")}
        | {"at": f" at {cleaned(subject.endpoint)}" if subject.endpoint else ""}
    )
    if re.search(r"Signature (expired|not yet current)", said):
        cause = CAUSES["RequestTimeTooSkewed"]
    return _made(cause, words, subject)


def _made(cause: Cause, words: _Words, subject: Subject) -> TaskError:
    message, hint = cause.message.format_map(words), cause.hint.format_map(words)
    if cause.kind == "unreachable":
        return Unreachable(message, hint=hint)
    if cause.kind == "denied":
        return Denied(message, hint=hint)
    if cause.kind == "login" and subject.login:
        return LoginNeeded(message, subject.login)
    if cause.kind == "login":
        return Ended(message, hint=hint)
    return TaskError(message, hint=hint)


def _allowed(error: Exception, said: str, subject: Subject) -> dict[str, str]:
    """The IAM action that was denied, the resource, and why, as far as AWS says so."""
    operation = getattr(error, "operation_name", "")
    asked = subject.resource.split(":")[2] if subject.resource.startswith("arn:") else "secretsmanager"
    service = {"GetCallerIdentity": "sts", "AssumeRole": "sts"}.get(operation, asked)
    action = re.search(r"not authorized to perform: ([\w-]+:\w+)", said)
    resource = re.search(r"on resource: ([^\s,]+)", said)
    reason = re.search(r"because (no [\w -]+ policy allows)|with (an explicit deny in an? [\w -]+)", said)
    return {
        "operation": operation,
        "action": action[1] if action else f"{service}:{operation}",
        "resource": _resource(resource[1] if resource else "", subject.resource),
        "why": f" ({reason[1] + ' it' if reason[1] else reason[2]})" if reason else "",
    }


def _resource(said: str, known: str) -> str:
    """What a policy can name: AWS repeats a resource as it was asked for, and a bare name is no ARN."""
    return said if said and (said.startswith("arn:") or known == "*") else known


def _first_sentence(text: str) -> str:
    """Without a value that AWS repeats because it would not take it."""
    said = re.sub(r"\bValue '.*' at '", f"Value {HIDDEN} at '", text.strip(), flags=re.DOTALL)
    return re.split(r"(?<=[.!?])\s|\n", said, maxsplit=1)[0][:300]


class _Words(dict[str, str]):
    """The fields of a row; one that an error does not carry is a gap, never an error of its own."""

    def __missing__(self, key: str) -> str:
        return "…"


class Cause(NamedTuple):
    """A row: the message and the hint, with fields in braces; ``kind`` says which error it becomes."""

    message: str
    hint: str
    kind: str = ""


_WRONG_KEYS = Cause("AWS does not know the access key of profile {profile}", "{renew}")
_EXPIRED = Cause("the credentials of profile {profile} have expired", "{renew}", "login")
_SIGNATURE = Cause(
    "the secret access key of profile {profile} does not fit its access key (or this machine's clock is wrong)",
    "{renew}",
)
_CLOCK = Cause("AWS refuses the request's time: this machine's clock is wrong", "sudo timedatectl set-ntp true")
_DENIED = Cause(
    "not allowed: {action} on {resource}{why}",
    'let an administrator allow it:\n{{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}',
    "denied",
)
_UNREACHABLE = Cause(
    "AWS cannot be reached: no answer from {endpoint_url}",
    "aws sts get-caller-identity{options}   # works once the network is there and {region} is a region",
    "unreachable",
)
_SSO = Cause("the SSO session of profile {profile} is not there or has ended", "{renew}", "login")
_BUSY = Cause("AWS asks for fewer calls at a time ({code})", "try again in a minute")

#: by the error's code where AWS answered, else by the name of botocore's exception or one of its bases
CAUSES: dict[str, Cause] = {
    # AWS answered
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "InvalidClientTokenId": _WRONG_KEYS,
    "UnrecognizedClientException": _WRONG_KEYS,
    "InvalidAccessKeyId": _WRONG_KEYS,
    "AuthFailure": _WRONG_KEYS,
    "SignatureDoesNotMatch": _SIGNATURE,
    "InvalidSignatureException": _SIGNATURE,
    "IncompleteSignature": _SIGNATURE,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "UnauthorizedException": _SSO,
    "RegionDisabledException": Cause("the region {region} is not enabled in this account", "{in_another}"),
    "DecryptionFailure": Cause(
        "AWS cannot decrypt it with its KMS key", 'let an administrator allow "kms:Decrypt" on that key'
    ),
    "Throttling": _BUSY,
    "ThrottlingException": _BUSY,
    "TooManyRequestsException": _BUSY,
    "LimitExceededException": Cause("a limit of the AWS account is reached: {said}", "ask AWS to raise it"),
    "ParameterLimitExceeded": Cause(
        "the account has as many standard parameters in {region} as AWS takes, 10,000",
        "INVOKE_AWS_AIRFLOW_TIER=advanced {secrets}   # $0.05 a month each",
    ),
    "InvalidKeyId": Cause("AWS cannot use the KMS key: {said}", "aws kms list-aliases{options}"),
    "TooManyUpdates": _BUSY,
    "InvalidRequestException": Cause("AWS refuses {operation}: {said}", "aws secretsmanager list-secrets{option}"),
    "ClientError": Cause("AWS refuses {operation} ({code}): {said}", "aws sts get-caller-identity{options}"),
    # nothing was asked
    "NoCredentialsError": Cause("profile {profile} has no credentials", "aws configure{option}", "login"),
    "PartialCredentialsError": Cause(
        "profile {profile} has only half of its credentials: {cred_var} is missing", "aws configure{option}"
    ),
    "ConfigParseError": Cause("{path} is no valid AWS configuration", "mend that file, or move it away"),
    "ProfileNotFound": Cause("there is no profile {profile}", "aws configure{option}"),
    "NoRegionError": Cause("no region is set for profile {profile}", "{no_region}"),
    "InvalidRegionError": Cause("{region_name} is no region", "{no_region}"),
    "InfiniteLoopConfigError": Cause(
        "the source_profile of profile {profile} leads back to itself", "aws configure set source_profile P{option}"
    ),
    "InvalidConfigError": Cause("profile {profile} cannot be used: {said}", "aws configure list{option}"),
    "MissingDependencyException": Cause(
        "profile {profile} needs a package that is not there: {said}", 'pip install "botocore[crt]"'
    ),
    "RefreshWithMFAUnsupportedError": _EXPIRED,
    "SSOError": _SSO,
    "TokenRetrievalError": _SSO,
    "CredentialRetrievalError": Cause("{provider} gives no keys to profile {profile}", "{renew}"),
    "MetadataRetrievalError": Cause("the service that gives keys to profile {profile} gives none", "{renew}"),
    "RuntimeError": _EXPIRED,  # botocore's own word for credentials that were refreshed and are still expired
    "OSError": Cause("what profile {profile} needs cannot be read: {said}", "{renew}"),
    "JSONDecodeError": Cause("what gives keys to profile {profile} does not answer in JSON", "{renew}"),
    "ValueError": Cause("a setting of profile {profile} has an impossible value", "aws configure list{option}"),
    # no answer
    "SSLError": Cause(
        "AWS cannot be reached{at}: its certificate is not trusted here (a proxy?)",
        "export AWS_CA_BUNDLE=/path/to/your/ca.pem",
        "unreachable",
    ),
    "ProxyConnectionError": Cause(
        "AWS cannot be reached: the proxy does not answer", "echo $HTTPS_PROXY", "unreachable"
    ),
    "ConnectionError": _UNREACHABLE,
    "EndpointSilentError": _UNREACHABLE,
    "HTTPClientError": _UNREACHABLE,
    "ResponseParserError": Cause(
        "what answers{at} does not answer as AWS does",
        "check endpoint_url in invoke.yaml and of the profile, AWS_ENDPOINT_URL and HTTPS_PROXY",
        "unreachable",
    ),
    "BotoCoreError": Cause("{code}: {said}", "aws sts get-caller-identity{options}"),
}
