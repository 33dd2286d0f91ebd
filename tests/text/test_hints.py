"""Commands for a person to type do what they say, whatever a directory or a profile is called."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aws_airflow_tasks.core import sh
from aws_airflow_tasks.text import hints
from aws_airflow_tasks.text.hints import no_region, profile_option

HOSTILE = ["a'$(touch x)'", "a b", "a;touch x", "`touch x`", "$(touch x)", "a\ntouch x", "-rf", '"', "*"]
SOURCES = sorted((Path(__file__).parents[2] / "aws_airflow_tasks").rglob("*.py"))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("template", ["printf %s {}", "printf %s {}   # and a word"])
def test_pasting_a_command_gives_the_program_that_very_name_and_runs_nothing_else(
    name: str, template: str, tmp_path: Path
) -> None:
    done = subprocess.run(["sh", "-c", sh(template, name)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, list(tmp_path.iterdir())) == (name, [])


def test_harmless_names_stay_as_they_are() -> None:
    assert sh("ls -ld {} {}", Path("/a/b"), "c") == "ls -ld /a/b c"


@pytest.mark.parametrize("profile", ["dev", "my dev", "a'b"])
def test_a_profile_is_one_word_and_the_default_one_needs_none(profile: str, tmp_path: Path) -> None:
    done = subprocess.run(["sh", "-c", f"printf '%s,' {profile_option(profile)}"], capture_output=True, text=True)
    assert done.stdout == f"--profile,{profile},"
    assert profile_option("default") == ""
    assert no_region("default").partition("   #")[0] == "aws configure set region eu-west-1"


def test_the_default_profile_is_named_where_a_variable_names_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert profile_option("default") == " --profile default"


def quoted_by_hand(path: Path) -> list[str]:
    """The f-strings given as a ``hint`` that put quotes around a value themselves."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        hint = node.value if isinstance(node, ast.keyword) and node.arg == "hint" else None
        texts = [part for part in ast.walk(hint) if isinstance(part, ast.JoinedStr)] if hint else []
        found += [ast.unparse(text) for text in texts if "'{" in ast.unparse(text)[2:-1]]
    return found


def test_no_hint_quotes_by_hand() -> None:
    assert {path.name: found for path in SOURCES if (found := quoted_by_hand(path))} == {}


#: hosts that are this machine, the engine's way to it, or its own metadata service: nobody stands between
HERE = {"127.0.0.1", "localhost", "172.17.0.1", "host.docker.internal", "169.254.169.254"}


def in_plain_text(path: Path) -> list[str]:
    """What a module tells a person, or asks itself, to fetch without TLS; a URL that is filled in is another's."""
    texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    said = " ".join(text for text in texts if isinstance(text, str))
    fetched = re.findall(r"\b(?:curl|wget)\s+(?:-\S+\s+)*([^\s{-]\S*)", said)
    plain = [url for url in fetched if not url.startswith(("https://", *(f"http://{host}" for host in HERE)))]
    return plain + [host for host in re.findall(r"\bhttp://([\w.-]+)", said) if host not in HERE]


def test_no_command_in_a_hint_fetches_anything_without_tls() -> None:
    assert {path.name: found for path in SOURCES if (found := in_plain_text(path))} == {}


@pytest.mark.parametrize(("has_pip", "typed"), [(True, "{} -m pip install"), (False, "uv pip install --python {}")])
def test_what_is_missing_is_installed_by_what_has_installed_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_pip: bool, typed: str
) -> None:
    monkeypatch.setattr(hints.importlib.util, "find_spec", lambda _: has_pip or None)
    assert hints.install("uv", "moto[server]") == f"{typed.format(sys.executable)} uv 'moto[server]'"
    assert hints.install("docker", upgrade=True) == f"{typed.format(sys.executable)} --upgrade docker"
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "aws-airflow-tasks"))
    (tmp_path / "aws-airflow-tasks").mkdir()
    (tmp_path / "aws-airflow-tasks" / "pipx_metadata.json").touch()
    assert hints.install("uv", "moto[server]") == "pipx inject aws-airflow-tasks uv 'moto[server]'"
    assert hints.install("docker", upgrade=True) == "pipx runpip aws-airflow-tasks install --upgrade docker"


def test_where_names_stand_is_shown_without_what_is_behind_them(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nHTTP_PROXY=http://u:canary@h\n")
    (tmp_path / "my file").write_text("ENV NO_PROXY=canary\n")
    line = hints.where(["HTTP_PROXY", "NO_PROXY"], ".env", "my file")
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines() == [".env:2:HTTP_PROXY", "my file:1:NO_PROXY"]


@pytest.mark.parametrize("name", ["a file", "plain"])
def test_an_editor_that_is_set_with_flags_of_its_own_is_run_with_them(name: str, tmp_path: Path) -> None:
    """As by git and by others that go by EDITOR: `code --wait` is a program with a flag."""
    line, editor = hints.editor(tmp_path / name, 3), {"EDITOR": "printf %s,%s,"}
    done = subprocess.run(["sh", "-c", line], env=editor, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"+3,{tmp_path / name},"), done.stderr
