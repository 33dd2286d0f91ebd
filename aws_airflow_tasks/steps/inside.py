"""What mends an error that a service meets while this host, which asks the same, does not."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from aws_airflow_tasks.text.calling import command
from aws_airflow_tasks.text.hints import note, where

#: variables that lead a process's requests another way, or have it trust others
ROUTES = (
    *("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"),
    *("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
)
#: in whose lines Airflow's services find their variables
FILES = (".env", "docker-compose.override.yml", "Dockerfile")


class There(NamedTuple):
    """How Airflow gets what it asks AWS with.

    Attributes:
        copied: whether it has a staged copy of the credentials.
        contained: whether its services are containers.
        routes: what of :data:`ROUTES` the service has.
    """

    copied: bool = True
    contained: bool = True
    routes: Collection[str] = ()


def renewed(there: There) -> str:
    """What gives Airflow the credentials of this host as they are now."""
    return command("refresh", "--force") if there.copied else f"{command('stop')} && {command('start')}"


def _route(there: There) -> str:
    again = f"correct the line, then: {command('stop')} && {command('start')}"
    if there.routes or not there.contained:
        return f"{where(there.routes or ROUTES, *FILES)}   # {again}"
    return note("ask who runs your network what leads containers to AWS: this machine reaches it, and they do not")


def _clock(there: There) -> str:
    return "docker desktop restart   # or start the machine anew that the engine runs on"


class Row(NamedTuple):
    """Errors that have another cause in a service, and another command.

    Attributes:
        names: as ``world.causes`` has them.
        said: where, for the cause.
        command: what to type.
        simulated: see ``symptoms.Row``.
    """

    names: frozenset[str]
    said: str
    command: Callable[[There], str]
    simulated: str = ""


_KEYS = (
    "ExpiredToken ExpiredTokenException RefreshWithMFAUnsupportedError RuntimeError InvalidClientTokenId"
    " UnrecognizedClientException InvalidAccessKeyId AuthFailure SignatureDoesNotMatch IncompleteSignature"
    " InvalidSignatureException UnauthorizedException SSOError TokenRetrievalError LoginError NoCredentialsError"
    " PartialCredentialsError ConfigParseError ProfileNotFound InfiniteLoopConfigError InvalidConfigError"
    " MissingDependencyException CredentialRetrievalError MetadataRetrievalError OSError JSONDecodeError EmptyToken"
)
_NETWORK = "SSLError ProxyConnectionError ConnectionError EndpointSilentError HTTPClientError ResponseParserError"
_TIME = "RequestExpired RequestTimeTooSkewed"

#: what is not in it has the same cause and command wherever it is met
ROWS = (
    Row(frozenset(_KEYS.split()), "in Airflow, and not on this host", renewed),
    Row(frozenset(_NETWORK.split()), "from Airflow, and not from this host", _route),
    Row(
        frozenset(_TIME.split()),
        "in Airflow: that of the machine which the Docker engine runs on",
        _clock,
        simulated="https://github.com/docker/for-mac/issues/2921",
    ),
)


def row(name: str) -> Row | None:
    """The row of an error's name; None: it has none."""
    return next((each for each in ROWS if name in each.names), None)
