"""What Compose makes of a volume entry, as measured with compose-go 2.9.1."""

from __future__ import annotations

import pytest

from aws_airflow_tasks.patch import compose
from aws_airflow_tasks.patch.compose.mounts import Host, Mount, entry, from_short, made_read_only, resolve

HOST = Host("/home/me", "/home/me/proj", {"A": "val", "E": ""})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A/${A}", "val/val"),
        ("$$A $$", "$A $"),
        ("$HOME", "/home/me"),
        ("$U${U}", ""),
        ("${U-d}${E-d}${A-d}", "dval"),
        ("${U:-d}${E:-d}${A:-d}", "ddval"),
        ("${U+y}${E+y}${A+y}", "yy"),
        ("${U:+y}${E:+y}${A:+y}", "y"),
        ("${A?m}${A:?m}${E?m}", "valval"),
        ("${U:-${A:-x}/y}", "val/y"),
        ("$1 $/ $", "$1 $/ $"),
        ("${U?m}", "\0"),
        ("${E:?m}", "\0"),
        ("${1}", "\0"),
        ("x${A", "x\0"),
        ("${A/x}", "\0"),
    ],
)
def test_variables_are_put_in_as_compose_does_and_what_it_rejects_is_unknown(text: str, value: str) -> None:
    assert HOST.interpolated(text) == value


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("~", "/home/me"),
        ("~/.aws/", "/home/me/.aws"),
        ("~x", "/home/me/x"),
        (".", "/home/me/proj"),
        ("../.aws", "/home/me/.aws"),
        ("//x/./y//z", "/x/y/z"),
        ("C:\\Users\\me\\", "C:/Users/me"),
        ("\\\\.\\pipe\\x", "//./pipe/x"),
        ("a\0", None),
    ],
)
def test_a_source_is_resolved_against_home_and_project(source: str, path: str | None) -> None:
    assert resolve(source, HOST) == path


@pytest.mark.parametrize(
    ("text", "path", "target", "read_only"),
    [
        ("/target", None, "/target", False),
        ("named:/t:ro", None, "/t", True),
        ("./x:/t/:z", "/home/me/proj/x", "/t", False),
        ("/x://t:rw,ro", "/x", "/t", True),
        ("/x:/t:ro,rw", "/x", "/t", False),
        ("C:\\x:/t", "C:/x", "/t", False),
        ("${U:-~/q}:/t", "/home/me/q", "/t", False),
        ("${U:?m}:/t:ro", None, "/t", True),
        ("${U}:/t", None, "/t", False),
        ("/x:${U:?m}", "/x", "", False),
    ],
)
def test_the_short_syntax_is_read(text: str, path: str | None, target: str, read_only: bool) -> None:
    volume = from_short(text, HOST)
    assert (volume.path, volume.target, volume.read_only) == (path, target, read_only)


def test_a_mount_is_written_short_unless_asked_otherwise_or_a_colon_forbids_it() -> None:
    assert entry(Mount("~/.aws", "/t")) == "~/.aws:/t:ro"
    assert entry(Mount("~/.aws", "/t", read_only=False)) == "~/.aws:/t"
    assert entry(Mount("/a$b", "/t")) == "/a$$b:/t:ro"
    assert entry(Mount("C:/x", "/t")) == "C:/x:/t:ro"
    long = {"type": "bind", "source": "/a:b", "target": "/t", "read_only": True, "bind": {"create_host_path": False}}
    assert entry(Mount("/a:b", "/t")) == long
    assert entry(Mount("/a:b", "/t", long=True)) == long


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("~/x:/t", "~/x:/t:ro"),
        ("~/x:/t:rw", "~/x:/t:ro"),
        ("~/x:/t:z,rw,cached", "~/x:/t:ro,z,cached"),
        ("${A:-~/x}:/t:rw", "${A:-~/x}:/t:ro"),
        ("C:\\x:/t", "C:\\x:/t:ro"),
    ],
)
def test_a_mode_is_made_read_only_and_the_rest_kept(text: str, repaired: str) -> None:
    assert made_read_only(text) == repaired


BELOW = "services:\n  scheduler:\n    volumes:\n      - {}\n"


@pytest.mark.parametrize("name", ["credentials", "config", "creds.json"])
def test_a_file_over_one_of_ours_is_a_conflict_that_names_its_line_and_gives_way_with_override(name: str) -> None:
    text = BELOW.format(f"./mine:/home/astro/.aws/{name}:ro").encode()
    staged = Mount("/state/aws", "/home/astro/.aws", long=True)
    patch = compose.ensure(text, ["scheduler"], staged, host=HOST)
    assert (patch.outcome, patch.after) == ("conflict", text)
    assert patch.reason == f"scheduler: line 4 mounts ./mine at /home/astro/.aws/{name}, over what /state/aws has there"
    assert patch.by_hand == "(take line 4 out of services.scheduler.volumes)"
    mended = compose.ensure(text, ["scheduler"], staged, host=HOST, replace_conflicts=True)
    assert mended.after
    assert b"mine" not in mended.after
    assert compose.ensure(mended.after, ["scheduler"], staged, host=HOST).outcome == "satisfied"


@pytest.mark.parametrize("name", ["sso/cache", "cli", "configuration"])
def test_what_lies_over_nothing_of_ours_stays(name: str) -> None:
    text = BELOW.format(f"./mine:/home/astro/.aws/{name}").encode()
    patch = compose.ensure(text, ["scheduler"], Mount("/state/aws", "/home/astro/.aws", long=True), host=HOST)
    assert patch.outcome == "edits"
    assert b"./mine" in (patch.after or b"")
