"""What the errors of AWS and botocore mean: each a cause in one sentence and the command to type, from one table.

Nothing of a request or of credentials gets into a message: AWS quotes signed headers, session token included, when a
signature does not match, helpers print what they like, and an endpoint's URL may have a password.
"""

import contextlib
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from aws_airflow_tasks.core import TaskError, sh
from aws_airflow_tasks.text.calling import command, under
from aws_airflow_tasks.text.cleaning import HIDDEN, cleaned
from aws_airflow_tasks.text.hints import (
    configure,
    edit_config,
    editor,
    install,
    no_region,
    note,
    profile_option,
    set_clock,
    trust,
    without_proxy,
)
from aws_airflow_tasks.world import denials


class Unreachable(TaskError):  # noqa: N818
    """AWS did not answer; whatever needs only files can go on."""


class Denied(TaskError):  # noqa: N818
    """AWS knows us, and does not allow it."""


class Ended(TaskError):  # noqa: N818
    """The keys are not good, or no more, for this call and any other."""


class LoginNeeded(Ended):
    """The person has to type something to their own AWS command line.

    Args:
        message: the cause.
        command: the command line that asks them.
        before: what is typed before it, for a shell in which it would not log in as it should.
    """

    def __init__(self, message: str, command: Sequence[str], before: str = "") -> None:
        super().__init__(message, hint=before + shlex.join(command))
        self.command = tuple(command)
        self.before = before


#: what takes away keys in the environment, which come before a profile's, and their end, which would be that of others
UNSET = (
    "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_CREDENTIAL_EXPIRATION   # or set fresh ones"
)


class Subject(NamedTuple):
    """Whom and what a call was about, for the words of an error.

    Attributes:
        profile: the profile's name.
        region: the region asked, or empty.
        renew: the lines that bring fresh credentials of this kind.
        login: the command line that does so; empty when none can.
        before: what is typed before that, or nothing.
        endpoint: the endpoint that STS is asked at, or empty: AWS's own.
        options: those by which a command line of `aws` asks a service as we do.
        resources: the ARNs, or patterns of them, by which AWS judges what the call was about.
        key: asks for the KMS key of that; empty: not known.
    """

    profile: str
    region: str = ""
    renew: str = ""
    login: tuple[str, ...] = ()
    before: str = ""
    endpoint: str = ""
    options: Callable[[str], str] = lambda service: ""
    resources: tuple[str, ...] = ("*",)
    key: Callable[[], str] = str


@contextlib.contextmanager
def explained(subject: Subject) -> Iterator[None]:
    """Turn errors of botocore, and of a helper that it runs, into :class:`TaskError`; what has no row goes through."""
    try:
        yield
    except Exception as error:
        if not row_of(error):
            raise
        raise explain(error, subject) from None


def explain(error: Exception, subject: Subject) -> TaskError:
    """The cause of ``error``, which has a row, and what to type: Unreachable, LoginNeeded or a plain TaskError."""
    code, said, _ = _answered(error)
    operation, fields = str(getattr(error, "operation_name", "")), getattr(error, "kwargs", {})
    if named := fields.get("profile"):  # another one than ours, where Airflow met the error
        subject = subject._replace(profile=cleaned(str(named)))
    words = _Words(
        {str(key): cleaned(str(value)) for key, value in fields.items()}
        | denials.words(operation, cleaned(said), subject.resources, subject.region, subject.key)
        | {"code": code or type(error).__name__, "said": _first_sentence(cleaned(said))}
        | {"profile": subject.profile, "region": subject.region}
        | {"configure": configure(subject.profile), "renew": subject.renew or configure(subject.profile)}
        | {"at": f" at {cleaned(subject.endpoint)}" if subject.endpoint else "", "kms": subject.options("kms")}
        | {"option": profile_option(subject.profile), "no_region": no_region(subject.profile)}
        | {"restore": _restore(cleaned(said), subject)}
    )
    words |= _commands(words, denials.service(operation, subject.resources))
    row = row_of(error)
    if row == "ValueError" and subject.login[:2] == ("aws", "sso"):  # its token's file: no setting is read then
        row = "SSOError"
    return _made(CAUSES[row], words, subject)


def row_of(error: Exception) -> str:
    """Which row of :data:`CAUSES` an error has; empty: none, it is no error of AWS's or botocore's."""
    code, said, response = _answered(error)
    names = [cls.__name__ for cls in type(error).__mro__]
    if response:
        names = [code, *_of_status(code, response), "ClientError"]
    told = (row for name, pattern, row in _BY_WORDS if (not name or name in names) and re.search(pattern, said))
    return next(told, "") or next((name for name in names if name in CAUSES), "")


#: the code or class that has several causes (empty: whatever it is), the words that tell one, and the row of that
_BY_WORDS = (
    ("", r"Signature (expired|not yet current)", "RequestTimeTooSkewed"),
    ("InvalidRequestException", r"(marked|scheduled) for deletion", "marked for deletion"),
    ("ValueError", r"Unsupported host '", "Unsupported host"),  # botocore.utils.ContainerMetadataFetcher
    ("ParamValidationError", r"parameter (RoleArn|RoleSessionName|DurationSeconds|ExternalId)\b", "InvalidConfigError"),
    ("ParamValidationError", r"parameter WebIdentityToken\b", "EmptyToken"),
)


def _answered(error: Exception) -> tuple[str, str, Mapping[str, Any]]:
    """The code and the message of AWS's answer, and all of it; the error's own words where there is none."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    answer = response.get("Error", {})
    code = str(answer.get("Code", ""))
    return code, str(answer.get("Message", "")) or ("it says no more" if code else str(error)), response


def _of_status(code: str, response: Mapping[str, Any]) -> Iterator[str]:
    """The row of an answer by its HTTP status: whose trouble it is, where its code has no row; 5xx is not ours."""
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode") or (int(code) if code.isdigit() else 0)
    if status >= 500:
        yield "InternalFailure"
    elif status == 429:
        yield "Throttling"
    elif not code.strip("0123456789"):  # without a code of AWS's
        yield "ResponseParserError"


#: by service where AWS's manual tells an operation's errors
_MANUALS = {
    "secretsmanager": "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_{}.html",
    "ssm": "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_{}.html",
    "sts": "https://docs.aws.amazon.com/STS/latest/APIReference/API_{}.html",
    "kms": "https://docs.aws.amazon.com/kms/latest/APIReference/API_{}.html",
}


def _commands(words: Mapping[str, str], service: str) -> dict[str, str]:
    """The fields of hints that depend on this machine, or on other fields."""
    url, manual = words["endpoint_url"], _MANUALS.get(service, "").format(words["operation"])
    ours = url != "…" and ".amazonaws.com" not in url
    return {
        "edit": editor(words["path"]) if "path" in words else edit_config(),
        "edit_config": edit_config(),
        "setting": _setting(words),
        "whole": _whole(words),
        "clock": set_clock(),
        "trust": trust(),
        "without_proxy": without_proxy(),
        "crt": install("botocore[crt]"),
        "elsewhere": command("creds", "--region us-east-1"),
        "advanced": under({"tier": "advanced"}, "secrets") + "; $0.05 a month each",
        "manual": note(f"what AWS means by it: {manual}" if manual else "AWS says no more"),
        "reach": note(
            f"start what has to answer at {url}, or name another endpoint; then type the same command again"
            if ours
            else "once this machine reaches AWS (network, VPN, proxy), type the same command again"
        ),
    }


def _whole(words: Mapping[str, str]) -> str:
    """What completes half of a profile's credentials: the half of a role's is its source, which is a setting."""
    if words.get("provider") == "env":
        return UNSET
    return edit_config() if words.get("provider") == "assume-role" else words["configure"]


def _setting(words: Mapping[str, str]) -> str:
    """What mends a setting: half of a web identity is one of the shell, unless a profile has the token's file."""
    if "no role ARN configured" in words["said"] and "AWS_WEB_IDENTITY_TOKEN_FILE" in os.environ:
        return "unset AWS_WEB_IDENTITY_TOKEN_FILE   # or set AWS_ROLE_ARN"
    return edit_config()


def _restore(said: str, subject: Subject) -> str:
    """What takes a deletion back that is pending; where nothing names the entry, what names each that is so."""
    named = re.search(r"arn:aws[a-z-]*:secretsmanager:[\w:-]+:secret:[\w/+=.@-]*[\w/+=@-]", said)
    of = named[0] if named else subject.resources[0].partition(":secret:")[2]
    if not of or "*" in of:
        return command("secrets.lint")
    return sh("aws secretsmanager restore-secret --secret-id {}", of) + subject.options("secretsmanager")


def _made(cause: "Cause", words: "_Words", subject: Subject) -> TaskError:
    message, hint = cause.message.format_map(words), cause.hint.format_map(words)
    if cause.kind == "unreachable":
        return Unreachable(message, hint=hint)
    if cause.kind == "denied":
        return Denied(message, hint=hint)
    if cause.kind == "login" and subject.login:
        return LoginNeeded(message, subject.login, subject.before)
    if cause.kind in ("login", "ended"):
        return Ended(message, hint=hint)
    return TaskError(message, hint=hint)


def _first_sentence(text: str) -> str:
    """Without a value that AWS repeats because it would not take it."""
    said = text.strip().removeprefix("Parameter validation failed:\n")  # which parameter, and why, comes after it
    said = re.sub(r"\bValue '.*' at '", f"Value {HIDDEN} at '", said, flags=re.DOTALL)
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


_WRONG_KEYS = Cause("AWS does not know the access key of profile {profile}", "{renew}", "ended")
_EXPIRED = Cause("the credentials of profile {profile} have expired", "{renew}", "login")
_SIGNATURE = Cause(
    "the secret access key of profile {profile} does not fit its access key (or this machine's clock is wrong)",
    "{renew}",
    "ended",
)
_CLOCK = Cause("AWS refuses the request's time: this machine's clock is wrong", "{clock}", "ended")
_DENIED = Cause("not allowed: {action} on {resource}{why}", "{cure}", "denied")
_KEY = Cause("AWS cannot use the KMS key of it: not allowed, or the key is disabled or deleted", "{cure}", "denied")
_UNREACHABLE = Cause("AWS cannot be reached: no answer from {endpoint_url}", "{reach}", "unreachable")
_SSO = Cause("the SSO session of profile {profile} is not there or has ended", "{renew}", "login")
_BUSY = Cause(
    "AWS asks for fewer calls at a time ({code})",
    note("nothing is wrong here: type the same command again in a minute"),
    "unreachable",
)
_TROUBLE = Cause(
    "AWS has trouble of its own{at} ({code}: {said}), and no refusal",
    note(
        "nothing is wrong here: type the same command again in some minutes; "
        "AWS's own state: https://health.aws.amazon.com/health/status"
    ),
    "unreachable",
)

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
    "RegionDisabledException": Cause(
        "the region {region} is not enabled in this account",
        note("ask an administrator of the account to enable it; or take a region that is:") + "\n{elsewhere}",
    ),
    "DecryptionFailure": _KEY,
    "EncryptionFailure": _KEY,
    "Throttling": _BUSY,
    "ThrottlingException": _BUSY,
    "ThrottledException": _BUSY,
    "TooManyRequestsException": _BUSY,
    "RequestLimitExceeded": _BUSY,
    "InternalFailure": _TROUBLE,
    "InternalServiceError": _TROUBLE,
    "InternalServerError": _TROUBLE,
    "InternalError": _TROUBLE,
    "ServiceUnavailable": _TROUBLE,
    "ServiceUnavailableException": _TROUBLE,
    "LimitExceededException": Cause(
        "a limit of the AWS account is reached: {said}",
        note("ask AWS for more, or remove what is not needed: https://console.aws.amazon.com/servicequotas/home"),
    ),
    "ParameterLimitExceeded": Cause(
        "the account has as many standard parameters in {region} as AWS takes, 10,000",
        "{advanced}",
    ),
    "InvalidKeyId": Cause("AWS cannot use the KMS key: {said}", "aws kms list-aliases{kms}"),
    "TooManyUpdates": _BUSY,
    "marked for deletion": Cause("an entry is scheduled for deletion: it is there, and cannot be read", "{restore}"),
    "ClientError": Cause("AWS refuses {operation} ({code}): {said}", "{manual}"),
    # nothing was asked
    "NoCredentialsError": Cause("profile {profile} has no credentials", "{configure}", "login"),
    "PartialCredentialsError": Cause(
        "profile {profile} has only half of its credentials: {cred_var} is missing", "{whole}"
    ),
    "ConfigParseError": Cause("{path} is no valid AWS configuration", "{edit}"),
    "ProfileNotFound": Cause("there is no profile {profile}", "{configure}"),
    "NoRegionError": Cause("no region is set for profile {profile}", "{no_region}"),
    "InvalidRegionError": Cause("{region_name} is no region", "{no_region}"),
    "InfiniteLoopConfigError": Cause("the source_profile of profile {profile} leads back to itself", "{edit_config}"),
    "InvalidConfigError": Cause("profile {profile} cannot be used: {said}", "{setting}"),
    "EmptyToken": Cause("the web identity's token that profile {profile} needs is empty, or cut off", "{renew}"),
    "MissingDependencyException": Cause("profile {profile} needs a package that is not there: {said}", "{crt}"),
    "RefreshWithMFAUnsupportedError": _EXPIRED,
    "SSOError": _SSO,
    "LoginError": Cause("the login of profile {profile} (aws login) is not there or has ended", "{renew}", "login"),
    "LoginInsufficientPermissions": Cause(
        "not allowed: signin:CreateOAuth2Token, by which the login of profile {profile} (aws login) is renewed",
        note("ask an administrator of AWS to allow it"),
        "denied",
    ),
    "TokenRetrievalError": _SSO,
    "CredentialRetrievalError": Cause("{provider} gives no keys to profile {profile}", "{renew}"),
    "MetadataRetrievalError": Cause("the service that gives keys to profile {profile} gives none", "{renew}"),
    "RuntimeError": _EXPIRED,  # botocore's own word for credentials that were refreshed and are still expired
    "OSError": Cause("what profile {profile} needs cannot be read: {said}", "{renew}"),
    "JSONDecodeError": Cause("what gives keys to profile {profile} does not answer in JSON", "{renew}"),
    "ValueError": Cause("a setting of profile {profile} has an impossible value", "{edit_config}"),
    "Unsupported host": Cause(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI names a host that no SDK asks for keys over plain http",
        "unset AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    # no answer
    "SSLError": Cause(
        "AWS cannot be reached{at}: its certificate is not trusted here (a proxy?)", "{trust}", "unreachable"
    ),
    "ProxyConnectionError": Cause("AWS cannot be reached: the proxy does not answer", "{without_proxy}", "unreachable"),
    "ConnectionError": _UNREACHABLE,
    "EndpointSilentError": _UNREACHABLE,
    "HTTPClientError": _UNREACHABLE,
    "ResponseParserError": Cause(
        "what answers{at} does not answer as AWS does",
        note(
            "in a network with a login page, log in there with a browser; else name an endpoint of AWS's in "
            "endpoint_url of invoke.yaml or the profile, AWS_ENDPOINT_URL or HTTPS_PROXY: whichever of them is set"
        ),
        "unreachable",
    ),
    "BotoCoreError": Cause("{code}: {said}", "aws configure list{option}"),
}
