"""What undo makes of an override that was edited since: no volume of ours is left in it, or it is refused by line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aws_airflow_tasks import undo
from aws_airflow_tasks.core import Change, TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.steps import mount
from aws_airflow_tasks.world import receipts
from aws_airflow_tasks.world import state as states
from tests.steps.test_mount import dockerfile, here, settings

__all__ = ["settings"]

SCHEDULER = "services:\n  scheduler:\n    environment:\n      A: b\n"
FLOW = "services:\n  scheduler:\n    volumes: [./a:/a]\n"
EMPTY = "services: {}\n"
THEIRS = 'services: {scheduler: {volumes: ["./x:/home/astro/.aws"]}}\n'


@pytest.fixture(autouse=True)
def airflow_3(settings: Settings) -> None:
    dockerfile(settings.project, "astrocrpublic.azurecr.io/runtime:3.1-12")


@pytest.fixture
def state(settings: Settings) -> Path:
    return states.make(settings.project)


def override(settings: Settings) -> Path:
    return settings.project / mount.OVERRIDE


def live() -> object:
    """The person's own credentials, mounted as they are."""
    return type("Delivered", (), {"directory": Path.home() / ".aws", "staged": False})


def mounted(settings: Settings, state: Path, delivered: object = None) -> None:
    for change in mount.plan(here(settings, state, delivered)).needed:
        assert change.receipt
        receipts.record(state, change.receipt)
        change.apply()


def change_back(settings: Settings, state: Path) -> Change:
    (change,) = undo.plans(here(settings, state))[mount.OVERRIDE]().changes
    return change


def undone(settings: Settings, state: Path) -> str:
    """Undo the override, by hand as we say where it is refused, and return what is left of it."""
    path = override(settings)
    now = path.read_bytes()
    try:
        change_back(settings, state).apply()
    except TaskError as error:
        assert path.read_bytes() == now
        by_hand(path, error)
        left = change_back(settings, state).after or ""  # nothing more to do, but for our first line
        text = path.read_text() if path.exists() else ""
        assert left.split() == text.replace(mount.compose.HEADER, "").split()
    return path.read_bytes().decode() if path.exists() else ""


def by_hand(path: Path, error: TaskError) -> None:
    """Do exactly what a refusal says."""
    if error.hint.startswith("delete the file"):
        path.unlink()
        return
    assert error.hint.startswith("take these lines out:"), error.hint
    gone = [int(line.split(":")[0]) for line in error.hint.splitlines()[1:]]
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(line for number, line in enumerate(lines, 1) if number not in gone))


def is_clean(rest: str) -> bool:
    found = yaml.safe_load(rest)
    return isinstance(found, dict | None) and not re.search(r"state/aws-airflow/project|create_host_path", rest)


Edit = Callable[[str], str]
ENTRY = re.compile(r"( +)- type: bind\n(?:\1  .*\n)+")


def copied(text: str) -> str:
    entry = ENTRY.search(text)
    assert entry
    return text + "  worker:\n    image: x\n    volumes:\n" + entry[0]


def doubled(text: str) -> str:
    entry = ENTRY.search(text)
    assert entry
    cut = entry[0].replace("read_only: true\n" + entry[1] + "  ", "")
    return text.replace(entry[0], entry[0] + cut, 1)


def aliased(text: str) -> str:
    assert "{" not in text
    shared = "x-a: &a\n  - ~/.local/state/aws-airflow/other/aws:/a\n"
    return shared + text + "  worker:\n    image: x\n    volumes: *a\n"


def dropping(line: str, which: int = 0) -> Edit:
    def edit(text: str) -> str:
        lines = text.splitlines(keepends=True)
        at = [number for number, each in enumerate(lines) if each.strip() == line or each.strip().startswith(line)]
        del lines[at[which]]
        return "".join(lines)

    return edit


EDITS: dict[str, Edit] = {
    "a service renamed": lambda text: text.replace("  triggerer:", "  worker:"),
    "a service copied": copied,
    "an entry doubled, one of them broken": doubled,
    "another target": lambda text: text.replace("target: /home/astro/.aws", "target: /home/dbt/.aws", 1),
    "an extension field": lambda text: "x-a: &a\n  - ~/.local/state/aws-airflow/other/aws:/a\n" + text,
    "an alias": aliased,
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "no final newline": lambda text: text.rstrip("\n"),
    **{
        f"the line {line} dropped in the {'first' if which == 0 else 'last'} service": dropping(line, which)
        for line in (
            "- type: bind",
            "source:",
            "target:",
            "read_only: true",
            "bind:",
            "create_host_path: false",
            "volumes:",
            "triggerer:",
        )
        for which in (0, -1)
    },
}


@pytest.mark.parametrize("before", [None, SCHEDULER, FLOW, EMPTY, "a: 1\n"])
@pytest.mark.parametrize("edit", EDITS)
def test_no_volume_of_ours_is_left_or_the_file_is_refused_with_all_the_lines_to_take_out(
    edit: str, before: str | None, settings: Settings, state: Path
) -> None:
    path = override(settings)
    if before is not None:
        path.write_text(before)
    mounted(settings, state)
    try:
        path.write_text(EDITS[edit](path.read_text()), newline="")
    except (IndexError, AssertionError):
        pytest.skip("in flow style there is no such line")
    rest = undone(settings, state)
    assert is_clean(rest), rest


@pytest.mark.parametrize(
    "since",
    ["# older\nservices:\n  scheduler:\n    volumes: [./b:/b]\n", "", "# nothing\n", "services: [\n", "- a\n", "\0"],
    ids=["another version", "empty", "a comment", "no YAML", "a list", "no text"],
)
@pytest.mark.parametrize("before", [FLOW, EMPTY, THEIRS, SCHEDULER], ids=["flow", "no services", "override", "block"])
def test_a_file_that_holds_nothing_of_ours_any_more_is_done(
    before: str, since: str, settings: Settings, state: Path
) -> None:
    override(settings).write_text(before)
    mounted(settings._replace(override=True), state)
    override(settings).write_text(since)
    assert not change_back(settings, state).needed


@pytest.mark.parametrize("edit", ["Windows line ends", "no final newline"])
def test_a_file_that_we_created_is_gone_whatever_became_of_its_line_ends(
    edit: str, settings: Settings, state: Path
) -> None:
    mounted(settings, state)
    text = EDITS[edit](override(settings).read_text())
    for now in (text, text.replace("  triggerer:", "  worker:")):
        override(settings).write_text(now, newline="")
        assert change_back(settings, state).after is None


NULLS = 'services:\n  scheduler:\n    ports: ["1:1"]\n    volumes:\n  triggerer:\n'


@pytest.mark.parametrize("known", [True, False], ids=["", "receipt of version 0.1.0"])
@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("read_only: true\n", "read_only: true \n"),
        lambda text: text.replace("  dag-processor:\n", "  processor:\n"),
    ],
    ids=["Windows line ends", "trailing blanks", "another service renamed"],
)
def test_what_was_there_and_empty_before_us_stays(
    edit: Edit, known: bool, settings: Settings, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not known:
        monkeypatch.setattr(mount, "_before_us", lambda *_: {})
    path = override(settings)
    path.write_text(NULLS)
    mounted(settings, state)
    path.write_text(edit(path.read_text()), newline="")
    rest = undone(settings, state).replace("\r\n", "\n")
    assert rest == (NULLS if known else NULLS.replace("    volumes:\n", "")) or rest == NULLS


def test_what_other_services_of_the_persons_mounted_before_us_stays(settings: Settings, state: Path) -> None:
    theirs = "  dbt:\n    image: x\n    volumes:\n      - ~/.aws:/home/astro/.aws:ro\n"
    override(settings).write_text("services:\n" + theirs)
    mounted(settings, state, live())
    copy = theirs.replace("dbt", "worker")
    override(settings).write_text(override(settings).read_text() + "# mine\n" + copy)
    rest = undone(settings, state)
    assert rest == "services:\n" + theirs + "# mine\n  worker:\n    image: x\n"


def test_a_mount_of_the_persons_own_directory_elsewhere_in_a_service_of_theirs_stays(
    settings: Settings, state: Path
) -> None:
    mounted(settings, state, live())
    theirs = "  dbt:\n    image: x\n    volumes:\n      - ~/.aws:/home/dbt/.aws\n"
    override(settings).write_text(override(settings).read_text() + theirs)
    assert undone(settings, state).endswith("services:\n" + theirs)


LINE_EDITS = st.lists(
    st.tuples(st.sampled_from(["drop", "double", "deeper", "rename", "comment", "swap"]), st.integers(0, 60)),
    max_size=4,
)


def edited(text: str, edits: list[tuple[str, int]]) -> str:
    lines = text.splitlines(keepends=True)
    for kind, place in edits:
        at = place % max(len(lines), 1)
        line = lines[at : at + 1] or [""]
        lines[at : at + 1] = {
            "drop": [],
            "double": line * 2,
            "deeper": ["  " + line[0]],
            "rename": [re.sub(r"\w+:", "other:", line[0], count=1)],
            "comment": ["# mine\n", line[0].rstrip("\n") + "  # mine\n"],
            "swap": [*lines[at + 1 : at + 2], *line],
        }[kind]
        if kind == "swap":
            del lines[at + 1 : at + 2]
    return "".join(lines)


@pytest.mark.parametrize("before", [None, SCHEDULER, FLOW, NULLS, "a: 1\n"])
def test_after_any_edits_no_volume_of_ours_is_left_or_the_file_is_refused_by_line(
    before: str | None, settings: Settings, state: Path
) -> None:
    if before is not None:
        override(settings).write_text(before)
    mounted(settings, state)
    text = override(settings).read_text()

    @hypothesis_settings(max_examples=60)
    @given(LINE_EDITS)
    def check(edits: list[tuple[str, int]]) -> None:
        override(settings).write_text(edited(text, edits))
        try:
            rest = change_back(settings, state).after
        except TaskError as error:
            assert re.match("it was edited since, and ", error.message)
            assert re.search(r"^\d+: |^delete the file", error.hint, re.MULTILINE), error.hint
            if "take these lines out" in error.hint:
                by_hand(override(settings), error)
                rest = change_back(settings, state).after
            else:
                return
        kept = [line for line in (rest or "").splitlines() if not line.lstrip().startswith("#")]
        assert not [line for line in kept if "state/aws-airflow/project" in line], rest
        yaml.safe_load(rest or "")

    check()
