"""What holds of the compose patcher for every file: real-looking ones, damaged ones, and any bytes at all."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import yaml
from hypothesis import assume, event, given
from hypothesis import strategies as st

from aws_airflow_tasks.patch import Patch, splice
from aws_airflow_tasks.patch.compose import Host, Mount, ensure
from tests.patch import reversed_edits

HOST = Host("/home/me", "/home/me/proj", {"HOME": "/home/me"})
MOUNT = Mount("~/.aws", "/home/astro/.aws")
LINE = "~/.aws:/home/astro/.aws:ro"
#: entries that carry our mount but let the container write
READ_WRITE = ("~/.aws:/home/astro/.aws", "/home/me/.aws:/home/astro/.aws/:rw", "${HOME}/.aws:/home/astro/.aws")
SERVICES = ("scheduler", "triggerer", "api-server")
BOM = b"\xef\xbb\xbf"


class Loader(yaml.CSafeLoader):
    """libyaml, which shares no code with the parser under test; Compose's own tags are kept as data."""


Loader.add_multi_constructor("!", lambda _, suffix, node: (suffix, type(node).__name__))
Loader.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)


def remove(data: bytes, services: Sequence[str], mount: Mount | None, **more: Any) -> Patch:
    return ensure(data, (), mount, absent_from=services, **more)


def parsed(data: bytes) -> Any:
    """The one document that holds something, as the second library sees it."""
    documents = [d for d in yaml.load_all(data.removeprefix(BOM).decode(), Loader) if d is not None]
    return documents[0] if documents else None


# -- files as people write them -------------------------------------------------------------------------------------


class Writer:
    """Writes a file by taking every decision from a string of bytes; smaller bytes make plainer files."""

    def __init__(self, decisions: bytes, *, ours: bool = False) -> None:
        self.decisions = iter(decisions)
        self.ours = ours
        self.anchors = 0

    def pick(self, *options: Any) -> Any:
        return options[next(self.decisions, 0) % len(options)]

    def some(self, most: int, options: tuple[str, ...]) -> list[str]:
        return list(dict.fromkeys(self.pick(*options) for _ in range(self.pick(*range(most + 1)))))

    def comment(self) -> str:
        return str(self.pick("", "", "", "", "  # a note", " # - x: y", "  #"))

    def end(self) -> str:
        return str(self.pick("", ",", " # end", ", # end"))

    def volumes(self, step: int) -> str:
        items = [self.numbered(item) for item in self.some(3, VOLUMES)]
        if self.ours:
            items.insert(self.pick(0, len(items)), self.pick(f"'{LINE}'", LINE, *READ_WRITE))
        form = self.pick("block", "block", "block", "flow", "flow lines", "null", "~", "[]", "alias")
        single = [item for item in items if "\n" not in item and item]
        if form == "flow":
            return f"volumes: [{', '.join(single)}]"
        if form == "flow lines" and single:
            return "volumes: [\n  " + ",\n  ".join(single) + self.end() + "\n]"
        if form == "alias":
            return "volumes: *items" + self.comment()
        if form != "block" or not items:
            return "volumes:" + {"~": " ~", "[]": " []"}.get(form, "") + self.comment()
        pad, gap = " " * self.pick(step, 0), " " * self.pick(1, 1, 3)
        lines = [self.item(item, pad, gap) for item in items]
        return "volumes:" + self.comment() + "\n" + "\n".join([*lines, *self.pick([], [f"{pad}# - ./old:/old"])])

    def numbered(self, item: str) -> str:
        """The second library, unlike Compose, takes no anchor twice."""
        self.anchors += 1
        return item.replace("&item", f"&item{self.anchors}")

    def item(self, item: str, pad: str, gap: str) -> str:
        comment = self.comment() if "#" not in item else ""
        return f"{pad}-{gap}{item}".rstrip().replace("\n", "\n" + pad + " " + gap) + comment

    def service(self, name: str, step: int) -> str:
        form = self.pick(*["block"] * 7, "null", "{}", "flow", "merge", "merge", "alias")
        key = self.pick(name, name, name, f'"{name}"', f"'{name}'", f"{name} ")
        if form in ("null", "{}", "alias"):
            return f"{key}:" + {"null": "", "{}": " {}", "alias": " *common"}[form] + self.comment()
        if form == "flow":
            return f"{key}: {{image: x, volumes: ['{self.pick('./a:/a', LINE, *READ_WRITE)}']}}"
        pairs = ["<<: *common"] if form == "merge" else []
        pairs += {pair.partition(":")[0]: pair for pair in self.some(3, PAIRS)}.values()
        if not pairs or self.ours or self.pick(True, False):
            pairs.insert(self.pick(len(pairs), 0), self.volumes(step))
        return f"{key}:{self.comment()}\n" + indented("\n".join(pairs), " " * step)

    def file(self) -> bytes:
        pad = " " * self.pick(2, 2, 4, 1)
        names = self.some(4, SERVICES if self.ours else (*SERVICES, "db", "worker"))
        parts = [indented(self.service(name, self.pick(2, 2, 4, 1, 3)), pad) for name in names]
        body = "services:" + (
            "\n" + self.pick("\n", "\n\n", f"\n{pad}# next\n").join(parts) if parts else self.pick("", " {}", " ~")
        )
        common = "x-common: &common\n  image: x\n" + self.pick(
            "", "  volumes:\n    - ./c:/c\n", "  volumes: [./c:/c]\n"
        )
        common += "x-items: &items\n  - ./i:/i\n"
        head = self.pick("", "# mine\n", "\n", "---\n", "%YAML 1.2\n---\n", 'version: "3"\n')
        foot = self.pick("", "", "\n", "\nvolumes:\n  data:", "\n# end", "\n...", "\nx-after: |\n  text\n")
        text = head + (common if "*" in body else "") + body + foot + self.pick("\n", "\n", "")
        data: bytes = text.replace("\n", self.pick("\n", "\n", "\r\n")).encode()
        return bytes(self.pick(b"", b"", b"", BOM)) + data


VOLUMES = (
    "./dags:/dags",
    "'./quo''ted:/q'",
    '"${HOME}/.cache:/cache:ro"',
    "data:/data",
    "~/.aws:/home/other/.aws:ro",
    "~/.aws/config:/home/astro/.aws/config:ro",
    "&item ./anchored:/a",
    "!!str ./tagged:/t",
    "",
    "{type: bind, source: ./x, target: /x}",
    "type: volume\nsource: data\ntarget: /long",
    "type: tmpfs\ntarget: /tmp/x  # a note",
    f'"{LINE}"',
    *READ_WRITE,
)
PAIRS = (
    "image: registry/x:1.2",
    "command: |\n  first\n    # no comment\n\n",
    "command: >-\n  folded\n  text",
    "command: |+\n  kept\n\n",
    'command: "a \\\n  b"',
    "command: plain\n  and more",
    "ports: [80, '81:81',]",
    "ports:\n- 80\n- 81",
    "environment: {A: b, C: }",
    "environment:\n  A: b\n  C:",
    "healthcheck:\n  # how\n  test: [CMD, 'x']\n  disable: false",
    "labels:",
    "x-note: é😀",
    "? x-explicit\n: yes",
    "# image: commented/out",
)


def indented(text: str, pad: str) -> str:
    return "\n".join(pad + line if line.strip() else line for line in text.split("\n"))


DECISIONS = st.binary(min_size=16, max_size=80)
COMPOSE_FILES = DECISIONS.map(lambda decisions: Writer(decisions).file())
WITH_OURS = DECISIONS.map(lambda decisions: Writer(decisions, ours=True).file())
WANTED = st.sampled_from([list(names) for size in (1, 2, 3) for names in combinations(SERVICES, size)])
TOKENS = st.sampled_from(
    [
        *(bytes([character]) for character in b"\n\r\t -:,[]{}#'\"|>?%@~\\\0\xff"),
        *(b"", b"\r\n", b"  ", b"- ", b": ", b" #", b"? ", b"&a ", b"*a", b"!x ", b"---\n", b"...\n", b"null", BOM),
        *(b"\xc2\x85", b"\xe2\x80\xa8", b"<<: *common\n", b"volumes:\n", b"services:\n", b"scheduler:\n"),
    ]
)
#: where, as a share of the file; how much goes; what comes
ACCIDENTS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0, 0, 1, 3, 30]), TOKENS), min_size=1, max_size=3)


def damaged(data: bytes, accidents: list[tuple[float, int, bytes]]) -> bytes:
    """A file after a few accidents of editing."""
    for share, gone, come in accidents:
        start = int(share * len(data))
        data = data[:start] + come + data[start + gone :]
    return data


# -- what holds of them ---------------------------------------------------------------------------------------------


def edited(data: bytes, names: list[str]) -> tuple[Patch, bytes]:
    """The patch and the bytes after it, or the end of this example."""
    patch = ensure(data, names, MOUNT, host=HOST)
    event(patch.outcome)
    assume(patch.outcome == "edits")
    assert patch.after is not None
    assert splice(data, patch.edits) == patch.after
    return patch, patch.after


@given(COMPOSE_FILES, WANTED)
def test_planning_after_applying_is_satisfied(data: bytes, names: list[str]) -> None:
    _, after = edited(data, names)
    again = ensure(after, names, MOUNT, host=HOST)
    assert (again.outcome, again.after) == ("satisfied", after)


@given(COMPOSE_FILES, WANTED)
def test_undoing_and_deleting_what_was_inserted_gives_the_original(data: bytes, names: list[str]) -> None:
    patch, after = edited(data, names)
    assert splice(after, reversed_edits(patch.edits)) == data
    kept, at = [], 0
    for back, edit in zip(reversed_edits(patch.edits), patch.edits, strict=True):
        kept += [after[at : back.start], edit.old]
        at = back.start + len(edit.new)
    assert b"".join([*kept, after[at:]]) == data
    replaced = b" ".join(edit.old for edit in patch.edits).decode()
    for entry in READ_WRITE:
        replaced = replaced.replace(entry, "")
    assert not replaced.strip("~-, \r\n'\"")


@given(COMPOSE_FILES, WANTED)
def test_a_second_library_sees_the_old_data_plus_the_change(data: bytes, names: list[str]) -> None:
    _, after = edited(data, names)
    assert_only_ours_was_added(parsed(data), parsed(after), names)


def assert_only_ours_was_added(old: Any, new: Any, names: list[str]) -> None:
    old, new = copy.deepcopy(old or {}), copy.deepcopy(new)
    before, after = old.pop("services", None) or {}, new.pop("services")
    assert without_anchors(new) == without_anchors(old)
    assert {n: s for n, s in after.items() if n not in names} == {n: s for n, s in before.items() if n not in names}
    for name in names:
        was, now = dict(before.get(name) or {}), dict(after[name])
        volumes, carried = was.pop("volumes", None) or [], now.pop("volumes")
        assert now == was
        assert carried in changed(volumes, carried)


def without_anchors(data: dict[str, Any]) -> dict[str, Any]:
    """Without what is there for its anchors alone: Compose does not read it."""
    return {key: value for key, value in data.items() if not str(key).startswith("x-")}


def changed(volumes: list[Any], carried: list[Any]) -> list[list[Any]]:
    """The lists that ``volumes`` may become: as they are, with our line, or with one made read-only and others gone.

    How the one made read-only is written, with what other modes, is taken from ``carried``.
    """
    loose = [item for item in volumes if stem(item) and item != f"{stem(item)}:ro"]
    others = [item for item in volumes if item not in loose]
    if any(stem(item) for item in others):
        return [others]
    if not loose:
        return [[*volumes, LINE]]
    kept = [item for item in volumes if item not in loose[1:]]
    read_only = f"{stem(loose[0])}:ro"
    repaired = next((item for item in carried if item == read_only or str(item).startswith(f"{read_only},")), None)
    return [[*others, LINE], [repaired if item == loose[0] else item for item in kept]]


def stem(item: Any) -> str:
    """Source and target of an entry that carries our mount, whatever its mode; empty for other entries."""
    if not isinstance(item, str):
        return ""
    return next((known for known in STEMS if item == known or item.startswith(f"{known}:")), "")


STEMS = {entry.removesuffix(":rw").removesuffix(":ro") for entry in (LINE, *READ_WRITE)}


@given(COMPOSE_FILES, WANTED)
def test_byte_order_mark_line_endings_and_the_final_line_end_stay(data: bytes, names: list[str]) -> None:
    _, after = edited(data, names)
    assert after.startswith(BOM) == data.startswith(BOM)
    assert after.endswith(b"\n") == data.endswith(b"\n")
    if b"\n" in data:
        assert (b"\r\n" in after, b"\n" in after.replace(b"\r\n", b"")) == (
            b"\r\n" in data,
            b"\n" in data.replace(b"\r\n", b""),
        )


@given(COMPOSE_FILES, st.permutations(SERVICES), st.permutations(SERVICES))
def test_the_order_of_services_does_not_matter(data: bytes, one: list[str], other: list[str]) -> None:
    assert ensure(data, one, MOUNT, host=HOST) == ensure(data, other, MOUNT, host=HOST)


@given(WITH_OURS, WANTED)
def test_taking_out_leaves_nothing_of_ours_and_all_that_is_not(data: bytes, names: list[str]) -> None:
    patch = remove(data, names, MOUNT, host=HOST)
    event(patch.outcome)
    assert patch.outcome in ("satisfied", "edits", "refusal")
    assume(patch.outcome == "edits")
    assert patch.after is not None
    assert remove(patch.after, names, MOUNT, host=HOST).outcome == "satisfied"
    assert splice(patch.after, reversed_edits(patch.edits)) == data
    assert patch.after.count(b"#") == data.count(b"#")
    if patch.after not in (b"", BOM) and b"\n\n" not in data.replace(b"\r", b""):
        assert patch.after.endswith(b"\n") == data.endswith(b"\n")
    assert not any(edit.new for edit in patch.edits)
    old, new = parsed(data), parsed(patch.after) or {}
    before, after = old.pop("services"), new.pop("services", None) or {}
    assert new == old
    for name, service in before.items():
        if name not in names or after.get(name, 0) == service:
            assert after[name] == service
            continue
        was, now = dict(service), dict(after.get(name) or {})
        theirs = [item for item in was.pop("volumes") if item not in (LINE, *READ_WRITE)]
        assert now.pop("volumes", []) == theirs
        assert now == was


@given(COMPOSE_FILES, ACCIDENTS, WANTED)
def test_a_damaged_file_has_one_of_four_outcomes_and_is_never_edited_wrongly(
    whole: bytes, accidents: list[tuple[float, int, bytes]], names: list[str]
) -> None:
    data = damaged(whole, accidents)
    patch = ensure(data, names, MOUNT, host=HOST)
    event(patch.outcome)
    assert patch.outcome in ("satisfied", "edits", "conflict", "refusal")
    assert patch.after is not None
    assert splice(patch.after, reversed_edits(patch.edits)) == data
    if patch.outcome != "edits":
        assert patch.after == data
        return
    try:
        old = parsed(data)
    except (yaml.YAMLError, ValueError, TypeError):
        event("only one library reads it")
        return
    assert_only_ours_was_added(old, parsed(patch.after), names)


@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode), st.lists(TOKENS).map(b"".join)), WANTED
)
def test_any_bytes_at_all_have_one_of_four_outcomes(data: bytes, names: list[str]) -> None:
    for patch in (ensure(data, names, MOUNT, host=HOST), remove(data, names, MOUNT, host=HOST)):
        event(patch.outcome)
        assert patch.outcome in ("satisfied", "edits", "conflict", "refusal")
        assert patch.before == data
        assert patch.after == splice(data, patch.edits)
        assert (patch.outcome == "edits") == bool(patch.edits)
