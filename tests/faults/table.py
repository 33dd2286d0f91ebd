"""Faults, and what is to be said of each: layer, cause and command; written down before they were first provoked."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from tests.faults.bed import CANARY, NAMES, Bed
from tests.world.front import Asked, Refusal

Put = Callable[[Bed], Any]
#: the keys that stand for those which AWS knows, and refuses
OTHER = "AKIAOTHEROTHEROTHER1"
DEAD = "http://127.0.0.1:9"


class Fault(NamedTuple):
    """A fault, and what is to be said of it.

    Attributes:
        put: puts it in.
        layer: the first one that fails.
        cause: a part of what is said of it.
        command: a part of what is to be typed, or of whom to ask.
        who: whether only somebody else can mend it, so that nothing is typed.
        restarts: whether Airflow may be another one afterwards.
        skip: the step before the proof that is left out, as it would mend it by itself.
        since: the major version of Airflow that has it first.
    """

    put: Put
    layer: str
    cause: str
    command: str
    who: bool = False
    restarts: bool = False
    skip: str = ""
    since: int = 2


# what AWS answers


def _refusal(asked: Asked, code: str, said: str, status: int) -> Refusal:
    if asked.service == "sts":
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>"
        return Refusal(status, body, "text/xml")
    return Refusal(status, json.dumps({"__type": code, "message": said}))


def answers(
    operation: str, code: str, said: str = "", status: int = 400, *, key: str = "", airflows: bool = False
) -> Callable[[Bed], Any]:
    """AWS refuses an operation (``*``: any) that is signed with ``key``, if one is given, or Airflow's own requests."""

    def refused(asked: Asked) -> Refusal | None:
        theirs = not airflows or OURS not in asked.agent
        meant = operation in ("*", asked.operation) and key in asked.text and theirs
        return _refusal(asked, code, said, status) if meant else None

    return lambda bed: bed.refuse(refused)


def page(service: str = "") -> Put:
    """A login page stands before AWS."""

    def shown(asked: Asked) -> Refusal | None:
        meant = service in asked.service
        return Refusal(200, "<html><body>Please log in</body></html>", "text/html") if meant else None

    return lambda bed: bed.refuse(shown)


def hangs(operation: str) -> Put:
    """AWS takes the request of an operation, and says nothing."""

    def put(bed: Bed) -> None:
        over = threading.Event()
        bed.after.append(over.set)

        def held(asked: Asked) -> Refusal | None:
            if operation == asked.operation:
                over.wait(90)
            return None

        bed.refuse(held)

    return put


# what is in a file


def keys(key: str = OTHER, secret: str = CANARY, *more: str) -> str:
    return "\n".join(("[default]", f"aws_access_key_id = {key}", f"aws_secret_access_key = {secret}", *more, ""))


def credentials(text: str, staged: bool = False) -> Put:
    return lambda bed: ((bed.staged / "credentials") if staged else bed.credentials).write_text(text)


def config(data: bytes | str, staged: bool = False) -> Put:
    raw = data.encode() if isinstance(data, str) else data
    return lambda bed: ((bed.staged / "config") if staged else bed.config).write_bytes(raw)


def profile(*lines: str, staged: bool = False) -> Put:
    """The profile says these lines, and there are no keys."""
    return both(config("\n".join(("[default]", "region = eu-west-1", *lines, "")), staged), credentials("", staged))


def lines(*more: str, without: str = "nothing") -> Put:
    """``.env`` has these lines too; those that begin otherwise are taken out."""

    def put(bed: Bed) -> None:
        kept = [line for line in bed.dotenv.read_text().splitlines() if not line.startswith(without)]
        bed.dotenv.write_text("\n".join([*kept, *more, ""]))

    return put


def line(name: str, value: str) -> Put:
    """``.env`` has this value."""
    return lines(f"{name}={value}", without=f"{name}=")


def kwargs(change: Callable[[dict[str, Any]], Any], wrapped: str = "{}") -> Put:
    """The backend's arguments in ``.env`` are changed."""

    def put(bed: Bed) -> None:
        name = "AIRFLOW__SECRETS__BACKEND_KWARGS"
        (text,) = [each for each in bed.dotenv.read_text().splitlines() if each.startswith(f"{name}=")]
        found = json.loads(text.partition("=")[2])
        changed = change(found)
        made = json.dumps(changed if changed is not None else found)
        line(name, wrapped.replace("{}", made))(bed)

    return put


def dag(old: str, new: str) -> Put:
    """The example DAG is another one."""

    def put(bed: Bed) -> None:
        text = bed.dag.read_text()
        assert old in text
        bed.dag.write_text(text.replace(old, new, 1))

    return put


def shell(**variables: str) -> Put:
    return lambda bed: bed.variables.update(variables)


def both(*puts: Put) -> Put:
    return lambda bed: [put(bed) for put in puts]


# what is in the backend


def entry(kind: str, how: Callable[[Any, str], Any]) -> Put:
    """The check entry of a kind is made another one, in the embedded AWS itself."""
    return lambda bed: how(bed.client("secretsmanager"), NAMES[kind])


def gone(secrets: Any, name: str) -> None:
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def going(secrets: Any, name: str) -> None:
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)


def bytes_(secrets: Any, name: str) -> None:
    tags = secrets.describe_secret(SecretId=name)["Tags"]
    gone(secrets, name)
    secrets.create_secret(Name=name, SecretBinary=b"\x00\x01", Tags=tags)


def text(value: str) -> Callable[[Any, str], Any]:
    return lambda secrets, name: secrets.put_secret_value(SecretId=name, SecretString=value)


def somebody(bed: Bed) -> None:
    """The copy has the keys of another user of the same account."""
    iam = bed.client("iam")
    name = "somebody-else"
    if name not in [user["UserName"] for user in iam.list_users()["Users"]]:
        iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    (bed.staged / "credentials").write_text(keys(made["AccessKeyId"], made["SecretAccessKey"]))


def second_key(bed: Bed) -> None:
    """The copy has a second access key of ours."""
    made = bed.client("iam").create_access_key(UserName="airflow-sandbox")["AccessKey"]
    (bed.staged / "credentials").write_text(keys(made["AccessKeyId"], made["SecretAccessKey"]))
    bed.after.append(
        lambda: bed.client("iam").delete_access_key(UserName="airflow-sandbox", AccessKeyId=made["AccessKeyId"])
    )


def key_of(bed: Bed) -> str:
    return (bed.staged / "credentials").read_text().split("aws_access_key_id = ")[1].split("\n")[0]


def after_login(put: Put, finish: Callable[[Bed], Any]) -> Put:
    """With what comes of it when the person has logged in, or done what `sudo` asks them for."""

    def made(bed: Bed) -> None:
        put(bed)
        bed.finish = partial(finish, bed)

    return made


def logged_in(bed: Bed) -> None:
    for path in (bed.config, bed.credentials):
        bed.correct(path)


def no_fault(bed: Bed) -> None:
    bed.aws.refuse = lambda asked: None


def directory(staged: bool = False) -> Put:
    def put(bed: Bed) -> None:
        path = bed.staged / "credentials" if staged else bed.credentials
        path.unlink()
        path.mkdir()
        (bed.after.append)(lambda: path.is_dir() and path.rmdir())

    return put


def unlinked(*names: str) -> Put:
    return lambda bed: [(bed.staged / name).unlink() for name in names]


def dangling(bed: Bed) -> None:
    path = bed.staged / "credentials"
    path.unlink()
    path.symlink_to(bed.staged / "nowhere")


def kill(*services: str) -> Put:
    """Some components are killed; without any, all."""
    return lambda bed: [bed.signal(service, signal.SIGKILL) for service in services or bed.services]


def stop_the_web(bed: Bed) -> None:
    """What answers requests is stopped, and lives on."""
    bed.signal(next(each for each in bed.services if each in ("api-server", "webserver")), signal.SIGSTOP)


USER = "User: arn:aws:iam::123456789012:user/airflow-sandbox is not authorized to perform: "
NOT_ALLOWED = (
    f"{USER}secretsmanager:GetSecretValue on resource: airflow/variables/aws_airflow_check because no identity-based "
    "policy allows the secretsmanager:GetSecretValue action"
)
DENIED = (
    f"{USER}secretsmanager:GetSecretValue on resource: airflow/variables/aws_airflow_check with an explicit deny in a "
    "service control policy"
)
LATE = "Signature expired: 20261124T010000Z is now earlier than 20261124T020000Z (20261124T021500Z - 15 min.)"
SIGNATURE = f"The request signature we calculated does not match.\nx-amz-security-token:{CANARY}"
SSO = (
    "sso_start_url = https://x.awsapps.com/start",
    "sso_region = eu-west-1",
    "sso_account_id = 123456789012",
    "sso_role_name = R",
)
ROLE = "role_arn = arn:aws:iam::123456789012:role/"
SECRET, HOST, FILES = "raw-secret", "host-identity", "files-converged"
INSIDE, HEALTH, BACKEND = "identity-in-service", "runtime-healthy", "backend"
RENEW, CONFIGURE, EDIT = "aws-airflow refresh --force", "aws configure", "${EDITOR:-vi}"
OVERRIDE = "aws-airflow env --override"
OURS = "aws-airflow-tasks"  # in the user agent of what this tool and its probes ask

#: faults that this host meets: no more of Airflow is asked than whether it is well
ON_THIS_HOST = {
    "expired session": Fault(
        both(
            credentials(keys(OTHER, CANARY, f"aws_session_token = {CANARY}")), answers("*", "ExpiredToken", key=OTHER)
        ),
        HOST,
        "have expired",
        EDIT,
    ),
    "unknown key": Fault(
        both(credentials(keys()), answers("*", "InvalidClientTokenId", key=OTHER)),
        HOST,
        "does not know the access key",
        CONFIGURE,
    ),
    "wrong secret key": Fault(
        both(credentials(keys()), answers("*", "SignatureDoesNotMatch", SIGNATURE, 403, key=OTHER)),
        HOST,
        "does not fit its access key",
        CONFIGURE,
    ),
    "clock": Fault(
        after_login(answers("*", "SignatureDoesNotMatch", LATE, 403), no_fault),
        HOST,
        "clock is wrong",
        "sudo timedatectl",
    ),
    "half a profile": Fault(
        credentials(f"[default]\naws_access_key_id = {OTHER}\n"),
        HOST,
        "only half of its credentials: aws_secret_access_key",
        CONFIGURE,
    ),
    "no keys": Fault(credentials(""), HOST, "has no credentials", CONFIGURE),
    "broken config": Fault(config("[default\nregion = eu-west-1\n"), HOST, "line 1 of", EDIT),
    "broken credentials": Fault(credentials(f"[default]\n{CANARY}\n"), HOST, "line 2 of", EDIT),
    "a line before the first section": Fault(
        config("region = eu-west-1\n[default]\n"), HOST, "before the first [section]", EDIT
    ),
    "a section twice": Fault(credentials(keys() + keys()), HOST, "begins [default] a second time", EDIT),
    "byte order mark": Fault(
        config(b"\xef\xbb\xbf[default]\nregion = eu-west-1\n"), HOST, "byte order mark", "tail -c +4"
    ),
    "UTF-16": Fault(config("[default]\nregion = eu-west-1\n".encode("utf-16")), HOST, "UTF-16", "iconv"),
    "not UTF-8": Fault(config(b"[default]\nregion = eu-west-1\n# \xfc\n"), HOST, "is not UTF-8", EDIT),
    "a directory for a file": Fault(directory(), HOST, "a directory stands", "rmdir"),
    "unknown profile": Fault(shell(AWS_PROFILE="nosuch"), HOST, "there is no profile nosuch", "AWS_PROFILE"),
    "empty profile": Fault(shell(AWS_PROFILE=""), HOST, "AWS_PROFILE is set, and empty", "unset AWS_PROFILE"),
    "a section without its prefix": Fault(
        both(config("[default]\nregion = eu-west-1\n[dev]\nregion = eu-west-1\n"), shell(AWS_PROFILE="dev")),
        HOST,
        "it has to be [profile dev]",
        EDIT,
    ),
    "keys in the shell": Fault(
        both(
            shell(AWS_ACCESS_KEY_ID=OTHER, AWS_SECRET_ACCESS_KEY=CANARY),
            answers("*", "InvalidClientTokenId", key=OTHER),
        ),
        HOST,
        "does not know the access key",
        "unset AWS_ACCESS_KEY_ID",
    ),
    "half of keys in the shell": Fault(
        shell(AWS_ACCESS_KEY_ID=OTHER), HOST, "only half of its credentials", "unset AWS_ACCESS_KEY_ID"
    ),
    "SSO session gone": Fault(after_login(profile(*SSO), logged_in), HOST, "SSO session", "aws sso login"),
    "helper not installed": Fault(
        profile("credential_process = /nowhere/helper"), HOST, "`helper` of profile default is not there", "/nowhere"
    ),
    "helper fails": Fault(profile("credential_process = false"), HOST, "ended with exit code 1", "credential_process"),
    "helper speaks no JSON": Fault(
        profile(f"credential_process = echo {CANARY}"), HOST, "printed no JSON", "credential_process"
    ),
    "a role that assumes itself": Fault(
        profile(f"{ROLE}r", "source_profile = other", "[profile other]", f"{ROLE}o", "source_profile = default"),
        HOST,
        "leads back to itself",
        EDIT,
    ),
    "a role without a source": Fault(profile(f"{ROLE}r", "source_profile = nosuch"), HOST, "nosuch", EDIT),
    "not allowed to assume": Fault(
        both(
            config(f"[default]\nregion = eu-west-1\n{ROLE}r\nsource_profile = base\n"),
            lambda bed: bed.credentials.write_text(bed.credentials.read_text().replace("[default]", "[base]")),
            answers(
                "AssumeRole", "AccessDenied", f"{USER}sts:AssumeRole on resource: arn:aws:iam::123456789012:role/r"
            ),
        ),
        HOST,
        "not allowed: sts:AssumeRole",
        "# ask an administrator",
        who=True,
    ),
    "invalid region": Fault(
        config("[default]\nregion = eu west 1\n"), HOST, "is no region", "aws configure set region"
    ),
    "login page": Fault(page(), HOST, "does not answer as AWS does", "# in a network with a login page", who=True),
    "STS is down": Fault(answers("*", "InternalFailure", status=500), HOST, "trouble of its own", "# ", who=True),
    "STS is unavailable": Fault(
        answers("*", "ServiceUnavailable", status=503), HOST, "trouble of its own", "# ", who=True
    ),
    "STS is busy": Fault(answers("*", "Throttling", "Rate exceeded"), HOST, "fewer calls", "# ", who=True),
    "STS denied": Fault(
        answers(
            "GetCallerIdentity",
            "AccessDenied",
            f"{USER}sts:GetCallerIdentity with an explicit deny in an identity-based policy",
            403,
        ),
        HOST,
        "not allowed: sts:GetCallerIdentity",
        "# no Allow beats a deny",
        who=True,
    ),
    "nobody answers": Fault(
        lambda bed: bed.refuse(lambda asked: Refusal(0, "")),
        HOST,
        "AWS cannot be reached: no answer from",
        "# start what has to answer",
        who=True,
    ),
    "dead proxy": Fault(
        shell(HTTP_PROXY=f"http://u:{CANARY}@127.0.0.1:9"), HOST, "the proxy does not answer", "unset HTTP_PROXY"
    ),
    "AWS hangs": Fault(hangs("GetCallerIdentity"), HOST, "cannot be reached", "# start what has to answer", who=True),
}

#: faults of what is read: seen by this host, before Airflow is asked
OF_ENTRIES = {
    "not allowed to read": Fault(
        answers("GetSecretValue", "AccessDeniedException", NOT_ALLOWED),
        SECRET,
        "not allowed: secretsmanager:GetSecretValue",
        "# ask an administrator",
        who=True,
    ),
    "explicit deny": Fault(
        answers("GetSecretValue", "AccessDeniedException", DENIED),
        SECRET,
        "explicit deny in a service control policy",
        "# no Allow beats a deny",
        who=True,
    ),
    "key not allowed": Fault(
        answers("GetSecretValue", "AccessDeniedException", "Access to KMS is not allowed"),
        SECRET,
        "not allowed: kms:Decrypt",
        "kms:Decrypt",
        who=True,
    ),
    "key disabled": Fault(
        answers(
            "GetSecretValue",
            "DecryptionFailure",
            "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
        ),
        SECRET,
        "KMS key",
        "# ",
        who=True,
    ),
    "Secrets Manager is down": Fault(
        answers("GetSecretValue", "InternalServiceError", status=500), SECRET, "trouble of its own", "# ", who=True
    ),
    "Secrets Manager is busy": Fault(
        answers("GetSecretValue", "ThrottlingException", "Rate exceeded"), SECRET, "fewer calls", "# ", who=True
    ),
    "login page for Secrets Manager": Fault(
        page("secretsmanager"), SECRET, "does not answer as AWS does", "# in a network", who=True
    ),
    "variable gone": Fault(
        entry("variable", gone), SECRET, "there is no secret airflow/variables", "aws-airflow secrets", skip="secrets"
    ),
    "connection gone": Fault(
        entry("connection", gone),
        SECRET,
        "there is no secret airflow/connections",
        "aws-airflow secrets",
        skip="secrets",
    ),
    "variable pending deletion": Fault(entry("variable", going), SECRET, "deletion", "restore-secret"),
    "connection pending deletion": Fault(entry("connection", going), SECRET, "deletion", "restore-secret"),
    "binary variable": Fault(entry("variable", bytes_), SECRET, "holds bytes", "aws-airflow secrets.delete"),
    "binary connection": Fault(entry("connection", bytes_), SECRET, "holds bytes", "--connection"),
}

#: faults of the files that Airflow reads, not of what runs
OF_FILES = {
    "another profile": Fault(line("AWS_PROFILE", "other"), FILES, "AWS_PROFILE", OVERRIDE),
    "another region": Fault(line("AWS_DEFAULT_REGION", "us-east-1"), FILES, "AWS_DEFAULT_REGION", "--region us-east-1"),
    "another backend": Fault(
        line("AIRFLOW__SECRETS__BACKEND", "airflow.secrets.environment_variables.EnvironmentVariablesBackend"),
        FILES,
        "AIRFLOW__SECRETS__BACKEND",
        "aws-airflow env",
    ),
    "another prefix": Fault(
        kwargs(lambda found: found.update(variables_prefix="prod")), FILES, "variables_prefix", "aws-airflow env"
    ),
    "a pattern that does not fit": Fault(
        kwargs(lambda found: found.update(variables_lookup_pattern="^prod_")),
        FILES,
        "variables_lookup_pattern",
        OVERRIDE,
    ),
    "a role in the arguments": Fault(
        kwargs(lambda found: found.update(role_arn="arn:aws:iam::123456789012:role/r")), FILES, "role_arn", OVERRIDE
    ),
    "arguments that are cut off": Fault(kwargs(lambda found: None, "{"), FILES, "KWARGS", OVERRIDE),
    "arguments in a list": Fault(kwargs(lambda found: [found]), FILES, "KWARGS", OVERRIDE),
    "keys in .env": Fault(
        lines(f"AWS_ACCESS_KEY_ID={OTHER}", f"AWS_SECRET_ACCESS_KEY={CANARY}"), FILES, "AWS_ACCESS_KEY_ID", OVERRIDE
    ),
    "a backend for workers": Fault(
        lines("AIRFLOW__WORKERS__SECRETS_BACKEND=airflow.secrets.environment_variables.EnvironmentVariablesBackend"),
        FILES,
        "AIRFLOW__WORKERS__SECRETS_BACKEND",
        OVERRIDE,
        since=3,
    ),
    "an argument of its own": Fault(
        lines("AIRFLOW__SECRETS__BACKEND_KWARG__REGION_NAME=us-east-1"),
        FILES,
        "BACKEND_KWARG__REGION_NAME",
        OVERRIDE,
        since=3,
    ),
    "a connection for hooks": Fault(
        lines(f"AIRFLOW_CONN_AWS_DEFAULT=aws://{OTHER}:{CANARY}@"), FILES, "AIRFLOW_CONN_AWS_DEFAULT", OVERRIDE
    ),
    "an endpoint of a service": Fault(
        lines(f"AWS_ENDPOINT_URL_SECRETS_MANAGER={DEAD}"), FILES, "AWS_ENDPOINT_URL_SECRETS_MANAGER", OVERRIDE
    ),
    "a default profile": Fault(lines("AWS_DEFAULT_PROFILE=other"), FILES, "AWS_DEFAULT_PROFILE", OVERRIDE),
    "DAG gone": Fault(
        lambda bed: bed.dag.unlink(), FILES, "example_secrets_dag.py differs", "aws-airflow setup", skip="dag"
    ),
    "no region": Fault(config("[default]\noutput = json\n"), FILES, "no region", "aws configure set region"),
}

#: faults that a run of the DAG meets
OF_RUNS = {
    "DAG cannot be imported": Fault(
        dag("from __future__ import annotations", "from __future__ import annotations\nimport nosuchmodule"),
        "dag-run",
        "nosuchmodule",
        "aws-airflow dag",
    ),
    "DAG without sense": Fault(
        dag("from __future__ import annotations", "def ("), "dag-run", "SyntaxError", "aws-airflow dag"
    ),
    "backend denied": Fault(
        answers("GetSecretValue", "AccessDeniedException", NOT_ALLOWED, airflows=True),
        BACKEND,
        "not allowed: secretsmanager:GetSecretValue",
        "# ask an administrator",
        who=True,
    ),
    "backend is busy": Fault(
        answers("GetSecretValue", "ThrottlingException", "Rate exceeded", airflows=True),
        BACKEND,
        "fewer calls",
        "# ",
        who=True,
    ),
    "backend meets AWS's trouble": Fault(
        answers("GetSecretValue", "InternalServiceError", status=500, airflows=True),
        BACKEND,
        "trouble of its own",
        "# ",
        who=True,
    ),
    "hook denied": Fault(
        answers(
            "GetCallerIdentity",
            "AccessDenied",
            f"{USER}sts:GetCallerIdentity with an explicit deny in a session policy",
            403,
            airflows=True,
        ),
        "hook-identity",
        "not allowed: sts:GetCallerIdentity",
        "# no Allow beats a deny",
        who=True,
    ),
}

#: faults of Airflow itself
OF_AIRFLOW = {
    "scheduler killed": Fault(
        kill("scheduler"), HEALTH, "not healthy: scheduler", "aws-airflow start", restarts=True, skip="start"
    ),
    "triggerer killed": Fault(
        kill("triggerer"), HEALTH, "not healthy: triggerer", "aws-airflow start", restarts=True, skip="start"
    ),
    "all killed": Fault(
        kill(),
        HEALTH,
        "not healthy: ",
        "aws-airflow start",
        restarts=True,
        skip="start",
    ),
    "web service stopped": Fault(
        stop_the_web, HEALTH, "a signal has stopped it", "aws-airflow start", restarts=True, skip="start"
    ),
}

#: faults that only Airflow meets, as it has a staged copy of its own
IN_THE_COPY = {
    "copy: unknown key": Fault(
        both(credentials(keys(), True), answers("*", "InvalidClientTokenId", key=OTHER)),
        INSIDE,
        "does not know the access key",
        RENEW,
    ),
    "copy: expired": Fault(
        both(
            credentials(keys(OTHER, CANARY, f"aws_session_token = {CANARY}"), True),
            answers("*", "ExpiredToken", key=OTHER),
        ),
        INSIDE,
        "have expired",
        RENEW,
    ),
    "copy: wrong secret key": Fault(
        both(credentials(keys(), True), answers("*", "SignatureDoesNotMatch", SIGNATURE, 403, key=OTHER)),
        INSIDE,
        "does not fit its access key",
        RENEW,
    ),
    "copy: half a profile": Fault(
        credentials(f"[default]\naws_access_key_id = {OTHER}\n", True), INSIDE, "only half of its credentials", RENEW
    ),
    "copy: no keys": Fault(credentials("", True), INSIDE, "has no credentials", RENEW),
    "copy: broken config": Fault(
        config("[default\nregion", True), INSIDE, "no valid AWS configuration", RENEW, skip="creds"
    ),
    "copy: somebody else": Fault(somebody, INSIDE, "user/somebody-else, but this host is", RENEW),
    "copy: another profile": Fault(
        credentials(keys().replace("[default]", "[other]"), True), INSIDE, "has no credentials", RENEW
    ),
    "copy: helper not installed": Fault(
        profile("credential_process = /nowhere/helper", staged=True), INSIDE, "cannot be read", RENEW
    ),
    "copy: helper fails": Fault(profile("credential_process = false", staged=True), INSIDE, "gives no keys", RENEW),
    "copy: SSO": Fault(profile(*SSO, staged=True), INSIDE, "SSO session", RENEW),
    "copy: gone": Fault(
        unlinked("config", "credentials"), "files-readable", "there is no", "aws-airflow", restarts=True, skip="creds"
    ),
    "copy: one file gone": Fault(
        unlinked("credentials"), "files-readable", "there is no", RENEW, restarts=True, skip="creds"
    ),
    "copy: a directory for a file": Fault(directory(True), HOST, "is no file but a directory", "mv "),
    "copy: a link that leads nowhere": Fault(dangling, HOST, "a symlink that somebody planted", "rm "),
    "copy: not allowed to read": Fault(
        both(
            second_key,
            lambda bed: answers("GetSecretValue", "AccessDeniedException", NOT_ALLOWED, key=key_of(bed))(bed),
        ),
        SECRET,
        "not allowed: secretsmanager:GetSecretValue",
        "# ask an administrator",
        who=True,
    ),
}


PARTS = (ON_THIS_HOST, OF_ENTRIES, OF_FILES, OF_RUNS, OF_AIRFLOW, IN_THE_COPY)
#: those of an Airflow that reads the person's own files
LIVE = ON_THIS_HOST | OF_ENTRIES | OF_FILES | OF_RUNS | OF_AIRFLOW
