"""What an embedded Airflow is configured with: the variables that are ours to set, and an ``airflow.cfg`` for the rest.

What must be so for safety or for the thing to work is set in the environment, over whatever ``.env`` says; what is only
a good choice is in ``airflow.cfg``, where the person's ``.env`` wins.
"""

import base64
import io
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from aws_airflow_tasks.text.from_json import from_json
from aws_airflow_tasks.world import files

#: of our own environment, what Airflow needs too; nothing of AWS's: those come from ``.env`` alone
PASSED = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
#: in the environment of every process of an embedded Airflow, and of no other: its directory
MARK = "EMBEDDED_AIRFLOW_STATE"
#: there too: the values of ``.env`` that ours overrule, JSON, so that what was asked for can still be told
OVERRULED = "EMBEDDED_AIRFLOW_OVERRULED"
#: where Airflow looks for DAGs
DAGS = "AIRFLOW__CORE__DAGS_FOLDER"


class Keys(NamedTuple):
    """What an embedded Airflow keeps secret, made once for each project."""

    password: str
    fernet: str
    signing: str


class Place(NamedTuple):
    """Where an embedded Airflow and what it needs lie.

    Attributes:
        project: the Astro project; nothing is written there.
        state: the runtime's own directory.
        venv: the virtual environment of Airflow.
        major: Airflow's major version.
    """

    project: Path
    state: Path
    venv: Path
    major: int

    @property
    def home(self) -> Path:
        """``AIRFLOW_HOME``: configuration, database and the logs of tasks."""
        return self.state / f"airflow-{self.major}"

    @property
    def dags(self) -> Path:
        """The DAG files, which are the project's."""
        return self.project / "dags"

    @property
    def database(self) -> Path:
        """The metadata database."""
        return self.home / "airflow.db"

    @property
    def password_file(self) -> Path:
        """The file that holds the password of the user ``admin``; Airflow 3 reads it itself."""
        return self.state / "passwords.json"  # not deeper: a person copies the path from a terminal


def keys(state: Path) -> Keys:
    """The keys in ``state``, made there (mode 0600) when there are none."""
    file = state / "keys.json"
    data = files.read(file)
    try:
        return Keys(**from_json(data or b""))
    except (ValueError, TypeError):
        made = Keys(
            password=secrets.token_urlsafe(18),
            fernet=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            signing=secrets.token_urlsafe(48),
        )
        text = json.dumps({"password": made.password, "fernet": made.fernet, "signing": made.signing})
        files.replace(file, data, text.encode(), mode=0o600)
        return made


def environment(place: Place, port: int, dotenv: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of Airflow's processes.

    Args:
        place: where everything lies.
        port: of the web service on 127.0.0.1.
        dotenv: what the project's ``.env`` says.
        ours: the environment of this process, of which :data:`PASSED` is taken.
    """
    passed = {name: ours[name] for name in PASSED if name in ours}
    made = passed | {"PYTHONPATH": str(place.project)} | dict(dotenv) | pinned(place, port)
    made["PATH"] = f"{place.venv / 'bin'}:{made.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"
    made |= no_proxy(made)
    return made | {OVERRULED: json.dumps({name: value for name, value in dotenv.items() if made[name] != value})}


def as_asked(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process with what ``.env`` asked for where ours overruled it."""
    asked: dict[str, str] = from_json(environment.get(OVERRULED, "{}"))
    return {**environment, **asked}


def no_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that keep 127.0.0.1 off the proxy which ``environment`` names; none where it names none."""
    if not any(name.lower().endswith("_proxy") for name in environment):
        return {}
    hosts = [environment.get("NO_PROXY", ""), environment.get("no_proxy", ""), "127.0.0.1", "localhost"]
    return dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(dict.fromkeys(filter(None, hosts))))


def pinned(place: Place, port: int) -> dict[str, str]:
    """The variables that ``.env`` cannot change: where things lie, who may log in, and that only 127.0.0.1 is bound."""
    common = {
        MARK: str(place.state),
        "VIRTUAL_ENV": str(place.venv),
        # Python's byte code goes beside the environment it belongs to, and never into the project
        "PYTHONPYCACHEPREFIX": str(place.venv / "bytecode"),
        # setproctitle would write the title over the environment that is read from outside
        "SPT_NOENV": "1",
        "AIRFLOW_HOME": str(place.home),
        "AIRFLOW_CONFIG": str(place.home / "airflow.cfg"),
        DAGS: str(place.dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(place.project / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_in_url(place)}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"sqlite+aiosqlite:///{_in_url(place)}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(place.home / "logs"),
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    }
    if sys.platform == "darwin":
        common["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"  # Airflow forks, as its own documentation asks for
    return common | (_pinned_3(place, port) if place.major == 3 else _pinned_2(place, port))


def _in_url(place: Place) -> str:
    """The database's path as SQLAlchemy reads it in a URL: 2 decodes it, 1.4, which Airflow 2 has, does not."""
    path = str(place.database)
    return path.replace("%", "%25").replace("?", "%3F") if place.major == 3 else path


def _pinned_3(place: Place, port: int) -> dict[str, str]:
    simple = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
    return {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__AUTH_MANAGER": simple,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(place.password_file),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
    }


def _pinned_2(place: Place, port: int) -> dict[str, str]:
    basic, session = (
        "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth",
        "airflow.api.auth.backend.session",
    )
    return {
        "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",  # the only one that Airflow 2 allows with SQLite
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__API__AUTH_BACKENDS": f"{basic},{session}",
        "AIRFLOW__WEBSERVER__CONFIG_FILE": str(place.home / "webserver_config.py"),
        "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
        "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
        "AIRFLOW__WEBSERVER__BASE_URL": f"http://127.0.0.1:{port}",
    }


def airflow_cfg(place: Place, keys: Keys) -> str:
    """The text of ``airflow.cfg``: quick to start, quick to see a new DAG, small; and the keys."""
    import configparser  # it is written once, and not by what finds it as it should be

    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(_choices_3(keys) if place.major == 3 else _choices_2(keys))
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()


def _choices_3(keys: Keys) -> dict[str, dict[str, str]]:
    return {
        "core": {"load_examples": "False", "parallelism": "2", "fernet_key": keys.fernet},
        "api": {"secret_key": keys.signing, "workers": "1"},
        "api_auth": {"jwt_secret": keys.signing},
        "dag_processor": {
            "refresh_interval": "1",
            "bundle_refresh_check_interval": "1",
            "min_file_process_interval": "2",
            "parsing_processes": "1",
        },
        "scheduler": {"scheduler_heartbeat_sec": "2"},
        "logging": {"colored_console_log": "False"},
        "usage_data_collection": {"enabled": "False"},
    }


def _choices_2(keys: Keys) -> dict[str, dict[str, str]]:
    return {
        "core": {"load_examples": "False", "fernet_key": keys.fernet},
        "database": {"load_default_connections": "False"},
        "webserver": {"secret_key": keys.signing},
        "scheduler": {
            "dag_dir_list_interval": "1",
            "min_file_process_interval": "2",
            "parsing_processes": "1",
            "scheduler_heartbeat_sec": "2",
        },
        "logging": {"colored_console_log": "False"},
        "usage_data_collection": {"enabled": "False"},
    }


def password_file(keys: Keys) -> str:
    """The text of :attr:`Place.password_file`, in the form of Airflow 3's simple auth manager."""
    return json.dumps({"admin": keys.password}) + "\n"


def database_script(major: int, keys: Keys) -> str:
    """Python for Airflow's interpreter: makes the metadata database or brings it up to date, with the user ``admin``.

    Airflow 3 has its user in the configuration; Airflow 2's command line for it would show the password to everybody.
    """
    migrate = "from airflow.utils import db\ndb.initdb()\n"
    if major == 3:
        return migrate
    return f"""{migrate}
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

with get_application_builder() as builder:
    if not builder.sm.find_user("admin"):
        role = builder.sm.find_role("Admin")
        builder.sm.add_user("admin", "Admin", "User", "admin@localhost", role, {keys.password!r})
"""
