"""Verdict and truth agree: what the real backend of Airflow 3 and 2 asks AWS for, and as whom, with each argument."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks.backends import Backend, parameter_store, secrets_manager
from aws_airflow_tasks.backends.arguments import objections
from aws_airflow_tasks.runtimes import venv
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world import cli
from aws_airflow_tasks.world.profiles import Credentials
from tests.conftest import USER_CACHE
from tests.world.server import REAL_SPAWN

pytestmark = pytest.mark.e2e

SETTINGS = Settings(
    variables_prefix="team/vars"
)  # not the provider's default, to tell what is ignored from what is not
KNOWN = Credentials("dev", "static", "static", "eu-west-1", "", "", (), Path("config"), Path("credentials"))
OTHER_KEYS = {"aws_access_key_id": "AKIAOTHER", "aws_secret_access_key": "x"}
BESIDE: tuple[dict[str, Any], ...] = (
    {"connections_lookup_pattern": "^aws_", "variables_lookup_pattern": "AWS"},
    {"variables_lookup_pattern": None, "config_prefix": None, "config_lookup_pattern": "^no"},
    {"variables_lookup_pattern": "^prod_"},
    {"connections_lookup_pattern": "check$"},
    {"variables_lookup_pattern": "("},
    {"variables_lookup_pattern": ["a"]},
    {"variables_lookup_pattern": ""},
    *({"sep": sep} for sep in ("/", "-", "", None, 7)),
    {"sep": "/vars/", "variables_prefix": "team"},
    *({"variables_prefix": prefix} for prefix in ("team/vars/", "", None, 7, "airflow/variables")),
    *({"connections_prefix": prefix} for prefix in ("airflow/connections//", "", None)),
    *({"extra_conn_words": words} for words in (None, {"user": ["u"]}, {"host": "xyz"}, {"hostname": ["h"]}, ["h"])),
    *({"profile_name": name} for name in (None, "dev", "ops", "", "nobody", ["dev"])),
    {"role_arn": None, "endpoint_url": None, "region_name": None},
    {"role_arn": "", "aws_access_key_id": "", "session_kwargs": {}},
    {"role_arn": "arn:aws:iam::1:role/r"},
    OTHER_KEYS,
    {"session_kwargs": OTHER_KEYS},
    {"aws_session_token": "t"},
    *({"region_name": region} for region in ("us-east-2", "")),
    *({"endpoint_url": url} for url in ("http://127.0.0.1:1", "")),
    {"verify": False, "anything": "else", "external_id": "x"},
)
WHOLE = (
    "",
    "{}",
    "null",
    "[]",
    "0",
    "7",
    "[1]",
    '"x"',
    "{'variables_prefix': 'team/vars'}",
    '{"variables_prefix": "team/vars"}',
)


def truth(major: int, backend: Backend, texts: list[str], home: Path) -> list[list[Any]]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__SECRETS__BACKEND": backend.CLASS,
        "AWS_PROFILE": "dev",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }
    python = venv.ensure(major, USER_CACHE / "aws-airflow-tasks") / "bin" / "python"
    argv = [str(python), str(Path(__file__).with_name("real_backend.py"))]
    done = subprocess.run(argv, input=json.dumps(texts), env=environment, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


def aws_files(home: Path, keys: Mapping[str, str]) -> None:
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text("".join(f"[profile {name}]\nregion = eu-west-1\n" for name in keys))
    sections = (f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = x\n" for name, key in keys.items())
    (home / ".aws" / "credentials").write_text("".join(sections))


@pytest.mark.parametrize("major", [3, 2])
@pytest.mark.parametrize(
    ("backend", "slash"), [(secrets_manager, ""), (parameter_store, "/")], ids=["secrets-manager", "parameter-store"]
)
def test_arguments_will_do_just_where_the_real_backend_makes_the_same_of_them(
    major: int, backend: Backend, slash: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    aws_files(tmp_path, {"dev": "AKIADEV", "ops": "AKIAOPS"})
    known = backend.kwargs(SETTINGS, KNOWN)
    wanted = json.dumps(known)
    texts = [*(json.dumps(known | others) for others in BESIDE), *WHOLE]
    ours, *made = truth(major, backend, [wanted, *texts], tmp_path)
    assert ours[2:] == [
        "AKIADEV",
        f"{slash}airflow/connections/aws_airflow_check",
        f"{slash}team/vars/aws_airflow_check",
        "the-host",
    ]
    verdicts = {text: not objections(backend, SETTINGS, ("dev",), text, wanted) for text in texts}
    assert verdicts == {text: found == ours for text, found in zip(texts, made, strict=True)}
