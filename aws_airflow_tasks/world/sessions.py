"""botocore and boto3, which load late and from here alone: sessions that never hang, never prompt, never lead past the
endpoint that was asked for, and never lead a login there.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aws_airflow_tasks.core import VERSION, TaskError, expanded
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.text.hints import note
from aws_airflow_tasks.world import (
    answers,
    cli,
    endpoints,
    helpers,
    kinds,
    login,
    malformed,
    profile_settings,
    sso,
    threads,
    waits,
)
from aws_airflow_tasks.world.causes import LoginNeeded, Subject, explained

if TYPE_CHECKING:
    import boto3
    from botocore.session import Session

#: seconds until a connection must stand, until it must go on to answer, and until the answer must be whole
CONNECT, ANSWER, WHOLE = 3, 10, 30
#: seconds that `aws` may take to refresh a login or to export keys
_HELPFUL = 30


def session(settings: Settings) -> Session:
    """A botocore session for the profile asked for, else for the one that the AWS command line would take.

    It never asks the metadata service on its own (that only hangs on a laptop), never prompts for an MFA code, and
    never writes ``~/.aws``: an SSO token near its end is refreshed, and kept, by the AWS command line.

    Raises:
        TaskError: the configuration cannot be read or has no such profile.
    """
    _quieten()
    malformed.refuse_airflows(os.environ, settings.mount_path)
    malformed.refuse_empty(os.environ, explicit=bool(settings.profile))
    made = _session(settings.profile)
    for path in locations(made):
        malformed.refuse_unreadable(path)
    _parsed(made)
    name = profile_name(made)
    with explained(Subject(name)):
        if made.get_config_variable("profile") and name not in made.available_profiles:
            named = {} if settings.profile else os.environ
            raise malformed.misnamed(name, *locations(made)) or malformed.unknown(name, listed(made), named)
        _refuse_impossible(made, explicit=bool(settings.profile))
        profile_settings.refuse_impossible(name, made.get_scoped_config(), os.environ)
        _bound(made, settings.endpoint_url)  # first: the resolver keeps hold of what makes clients
        _know_services_by_name(made)
        _ask_no_more(made)
        _take_answers_alone(made)
        _resolve_quietly(made, name)
    return made


def agent() -> str:
    """What every request of ours has in its user agent, by which CloudTrail tells who asked."""
    return f"aws-airflow-tasks/{VERSION}"


def _session(profile: str) -> Session:
    import botocore.session

    return botocore.session.Session(profile=profile or None)


def of_keys(key: str, secret: str) -> Session:
    """A botocore session with these keys, which looks into no file and no variable of the person's for others."""
    import botocore.session

    nothing = (None, None, os.devnull, None)
    variables = {"profile": (None, None, None, None), "config_file": nothing, "credentials_file": nothing}
    made: Session = botocore.session.Session(session_vars=variables)
    made.set_credentials(key, secret)
    return made


def boto(made: Session, region: str) -> boto3.Session:
    """The boto3 session of a botocore session; an empty region: as that one says."""
    import boto3

    return boto3.Session(botocore_session=made, region_name=region or None)


def load() -> None:
    """Load what keeps, for good, the HOME in which it is loaded; for who is about to change that."""
    import botocore.credentials
    import botocore.tokens  # noqa: F401


def environment(profile: str = "") -> dict[str, str]:
    """The environment for an `aws` command line that logs in, or may refresh a login.

    Args:
        profile: the profile that the command names; empty: as the command line resolves it.
    """
    return endpoints.for_command_line(_session(profile))


def shared(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """The profiles of a shared credentials file alone, without those of the configuration file."""
    from botocore.configloader import raw_config_parse

    return raw_config_parse(str(path)) if path.is_file() else {}


def no_credentials() -> Exception:
    """botocore's error where nothing gives credentials."""
    from botocore.exceptions import NoCredentialsError

    return NoCredentialsError()


def profile_name(made: Session) -> str:
    """The profile that a session uses."""
    return made.get_config_variable("profile") or "default"


def locations(made: Session) -> tuple[Path, Path]:
    """The configuration file and the shared credentials file, absolute, whether they exist or not.

    One whose variable is empty is none, which the null device stands for.
    """
    named = (made.get_config_variable(name) or os.devnull for name in ("config_file", "credentials_file"))
    config, credentials = (expanded(name).absolute() for name in named)
    return config, credentials


def _refuse_impossible(made: Session, *, explicit: bool) -> None:
    from dateutil.parser import parse  # type: ignore[import-untyped]  # as botocore's provider of the environment does

    malformed.refuse_empty_bundle(os.environ, made.get_config_variable("ca_bundle"))
    if not explicit:
        malformed.refuse_timeless(os.environ, parse)


def _quieten() -> None:
    for name in ("botocore", "boto3", "urllib3"):  # below WARNING they print secrets and tokens
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("botocore.credentials", "botocore.tokens"):  # they log a traceback of what they raise as well
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _parsed(made: Session) -> None:
    """Have both files parsed; TaskError names what is wrong with one."""
    from botocore.exceptions import ConfigParseError

    try:
        made.full_config  # noqa: B018  # it is parsed when it is first asked for
    except ConfigParseError as error:
        said: Any = error.kwargs
        raise malformed.explained(Path(said["path"]), said["error"]) from None


def listed(made: Session) -> dict[str, str]:
    """The profiles that have credentials, by name, and what kind."""
    return kinds.listed(made.full_config["profiles"], shared(locations(made)[1]), os.environ)


def _resolve_quietly(made: Session, name: str) -> None:
    """No metadata service, no prompt; roles that the AWS command line has assumed already are not assumed again."""
    from botocore.credentials import create_credential_resolver

    resolver = create_credential_resolver(made, cache=_cli_cache(Path.home() / ".aws" / "cli" / "cache"))
    resolver.remove("iam-role")
    assume_role: Any = resolver.get_provider("assume-role")
    assume_role._prompter = lambda _: _mfa(name)
    builder = assume_role._profile_provider_builder
    create = builder.providers

    def of_source(profile_name: str, **how: Any) -> list[Any]:
        return _ours(made, profile_name, create(profile_name, **how))

    builder.providers = of_source  # a role's source profile has providers of its own, made when they are needed
    resolver.providers = _ours(made, name, resolver.providers)
    made.register_component("credential_provider", resolver)


def _ours(made: Session, name: str, providers: list[Any]) -> list[Any]:
    """A profile's providers, of which those that log in, or run a program, do so by our rules."""
    found = []
    for provider in providers:
        if provider.METHOD == "sso":
            _take_whole_tokens_alone(provider)
            _read_only(provider._token_provider)
        if provider.METHOD == "container-role":
            _in_time(provider._fetcher._session)
        if provider.METHOD == "custom-process":
            found.append(_of_login(made, name))
            _asked_by_us(provider)
        if provider.METHOD != "login":  # botocore's own needs awscrt
            found.append(provider)
    return found


def _of_login(made: Session, name: str) -> login.Provider:
    from botocore.credentials import Credentials, RefreshableCredentials
    from botocore.utils import parse_timestamp

    def export(*words: str) -> cli.Completed:
        return command_line(*words, env=environment(name) | {"AWS_EC2_METADATA_DISABLED": "true"})

    def of_botocore(found: dict[str, Any], again: Any) -> Any:
        if found["expiry_time"]:
            return RefreshableCredentials.create_from_metadata(found, again, "login")
        return Credentials(**{name: value for name, value in found.items() if name != "expiry_time"})

    values: Any = made.full_config["profiles"]
    return login.Provider(name, lambda: values.get(name, {}), export, parse_timestamp, of_botocore)


def _asked_by_us(provider: Any) -> None:
    """Have the profile's credential helper run with bounds (:mod:`.helpers`)."""
    from botocore.compat import compat_shell_split
    from botocore.utils import parse_timestamp

    def retrieve(command: str) -> dict[str, Any]:
        helper = helpers.of(provider._profile_name, command, compat_shell_split)
        found = helpers.credentials(helper, parse_timestamp)
        return found | {"account_id": found["account_id"] or provider.profile_config.get("aws_account_id")}

    provider._retrieve_credentials_using = retrieve


def _take_whole_tokens_alone(provider: Any) -> None:
    """Have a damaged token of SSO count as none, in the cache of either kind of profile."""
    from dateutil.parser import parse  # as botocore does

    provider._token_cache = sso.Whole(provider._token_cache, parse)
    loader = provider._token_provider._token_loader
    loader._cache = sso.Whole(loader._cache, parse)


def _read_only(tokens: Any) -> None:
    """Have an SSO token refreshed by the AWS command line: the old one is void then, so who refreshes must write."""
    from botocore.utils import parse_timestamp

    def refreshed(_: object) -> dict[str, Any]:
        where = tokens._sso_config
        _ask_command_line(tokens._profile_name, where["session_name"])
        token: dict[str, Any] = tokens._token_loader(where["sso_start_url"], session_name=where["session_name"])
        return token | {"expiresAt": parse_timestamp(token["expiresAt"])}

    tokens._refresh_access_token = refreshed
    tokens._token_loader.save_token = lambda *_, **__: None


def _ask_command_line(profile: str, session: str) -> None:
    """Any command that logs in refreshes; where it cannot, what is in the cache says how things stand.

    What STS answers is of no account, so that it need not be asked at ``endpoint_url``.
    """
    with contextlib.suppress(TaskError), sso.alone(session):
        command_line("sts", "get-caller-identity", "--profile", profile, env=environment(profile))


def command_line(*words: str, env: Mapping[str, str]) -> cli.Completed:
    """Run `aws` with its output captured; where it hung once, it is not started again in this command line.

    Raises:
        TaskError: it is not installed, or hangs.
    """
    if waits.is_silent("aws"):
        raise TaskError("`aws` hangs", hint=note("see what `aws --version` waits for, in another terminal"))
    try:
        return cli.run(["aws", *words], env=env, timeout=_HELPFUL)
    except cli.TimedOut:
        waits.note_silence("aws")
        raise


def _mfa(name: str) -> str:
    raise LoginNeeded(f"profile {name} asks for an MFA code", ("aws", "sts", "get-caller-identity", "--profile", name))


def _cli_cache(folder: Path) -> dict[str, Any]:
    """What the AWS command line has cached of assumed roles, MFA sessions among them; ours is never written back."""
    cached = {}
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError, ValueError):
            cached[path.stem] = from_json(path.read_text(encoding="utf-8"))
    return cached


def _know_services_by_name(made: Session) -> None:
    """Have no client look into the folders of all of AWS's services, which takes longer than a call, for its own."""
    loader = made.get_component("data_loader")

    def list_available_services(_: str) -> list[str]:
        return sorted({each.name for place in loader.search_paths for each in Path(place).glob("*")})

    loader.list_available_services = list_available_services


def _ask_no_more(made: Session) -> None:
    """Have no client ask again where it was silent once, as that takes its time."""
    from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

    def note(**event: Any) -> None:
        if isinstance(event["exception"], ConnectTimeoutError | ReadTimeoutError):
            waits.note_silence(urlsplit(event["exception"].kwargs["endpoint_url"]).netloc)

    def refuse(**event: Any) -> None:
        if waits.is_silent(urlsplit(event["request"].url).netloc):
            raise _silence(event["request"].url)

    made.register("after-call-error", note)
    made.register("before-send", refuse)


def _silence(url: str) -> Exception:
    """Note it; the error for who is not asked again: none of those at which botocore does."""
    from botocore.exceptions import BotoCoreError

    class EndpointSilentError(BotoCoreError):
        fmt = "no answer from {endpoint_url}"

    waits.note_silence(urlsplit(url).netloc)
    return EndpointSilentError(endpoint_url=url)


def _in_time(http: Any) -> None:
    """Bound what one of botocore's HTTP sessions waits for an answer with all that it holds."""
    send = http.send
    http.send = lambda request: threads.within(WHOLE, lambda: send(request), lambda: _silence(request.url))


def _take_answers_alone(made: Session) -> None:
    """Have every client raise botocore's ``ResponseParserError`` at what is no answer of AWS's."""
    from botocore.parsers import ResponseParserError, ResponseParserFactory

    class Strict(ResponseParserFactory):
        def create_parser(self, protocol_name: Any) -> Any:
            return answers.strict(super().create_parser(protocol_name), ResponseParserError)

    made.register_component("response_parser_factory", Strict())


def _bound(made: Session, for_everything: str) -> None:
    """Every client, botocore's own for roles and tokens included, fails soon and asks that endpoint if there is one.

    But not one that sends a login (:mod:`.endpoints`): of STS that is the client that does not sign, which botocore
    makes for AssumeRoleWithWebIdentity alone. AssumeRole and GetCallerIdentity are signed, and go there.
    """
    from botocore import UNSIGNED
    from botocore.config import Config

    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    bounds = Config(connect_timeout=CONNECT, read_timeout=ANSWER, retries=retries, user_agent_extra=agent())
    made.set_default_client_config(bounds)
    no_other = Config(ignore_configured_endpoint_urls=True)  # type: ignore[call-arg]  # the stubs do not know it
    create: Any = made.create_client

    def create_client(service: str, *args: Any, config: Any = None, endpoint_url: Any = None, **kwargs: Any) -> Any:
        endpoint = endpoint_url or for_everything
        if service in endpoints.LOGIN or (config and config.signature_version is UNSIGNED):
            endpoint, config = endpoints.of_login(made, service), config.merge(no_other) if config else no_other
        client = create(service, *args, config=config, endpoint_url=endpoint or None, **kwargs)
        _in_time(client._endpoint.http_session)
        return client

    made.create_client = create_client  # type: ignore[method-assign,assignment]


def be_patient(made: Session) -> None:
    """For work of minutes: retries that go on for long and slow down as AWS asks (botocore's mode ``adaptive``)."""
    from botocore.config import Config

    retries: Any = {"mode": "adaptive", "total_max_attempts": 10}
    known = made.get_default_client_config() or Config()
    made.set_default_client_config(known.merge(Config(retries=retries)))
