"""What stands at an anchor: one edit where every user of it is to carry the mount, else the edit that parts them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import assume, event, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from aws_airflow_tasks.patch import Patch, splice
from aws_airflow_tasks.patch.compose import Mount, Ours, ensure, survey, take_out
from tests.patch import reversed_edits
from tests.patch.compose.test_patcher import HOST, LINE, LIVE, STAGED, after, wants
from tests.patch.compose.test_properties import Loader, without_anchors

LONG = "{type: bind, source: ./a, target: /a}"


def read(text: str) -> Any:
    """The file as a second library sees it; in a list of merge keys PyYAML lets the last one win, against the rule."""
    return YAML(typ="safe").load(text) if "<<: [" in text else yaml.load(text, Loader)


def services(text: str) -> Any:
    return read(text)["services"] or {}


# -- case by case ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "patched"),
    [
        (
            "services:\n  webserver: &c\n    volumes: [./a:/a]\n  scheduler: *c\n  triggerer: *c\n",
            f'services:\n  webserver: &c\n    volumes: [./a:/a, "{LINE}"]\n  scheduler: *c\n  triggerer: *c\n',
        ),
        (
            "x-m: &m\n  - ./a:/a\nservices:\n  scheduler:     { volumes: *m }\n  triggerer: { volumes: *m }\n",
            f"x-m: &m\n  - ./a:/a\n  - {LINE}\n"
            "services:\n  scheduler:     { volumes: *m }\n  triggerer: { volumes: *m }\n",
        ),
        (
            "services:\n  webserver: &c\n    image: x\n  triggerer: {<<: *c}\n  scheduler: *c\n",
            f"services:\n  webserver: &c\n    image: x\n    volumes:\n      - {LINE}\n"
            "  triggerer: {<<: *c}\n  scheduler: *c\n",
        ),
        (
            "x-c: &c\nservices:\n  scheduler: *c\n  triggerer: *c\n",
            f"x-c: &c\n  volumes:\n    - {LINE}\nservices:\n  scheduler: *c\n  triggerer: *c\n",
        ),
        (
            "x-m: &m\nservices:\n  scheduler: {volumes: *m}\n",
            f"x-m: &m\n  - {LINE}\nservices:\n  scheduler: {{volumes: *m}}\n",
        ),
        (
            "services:\n  scheduler: &c\n    volumes:\n      - ~/.aws:/home/astro/.aws\n  triggerer: *c\n",
            f"services:\n  scheduler: &c\n    volumes:\n      - {LINE}\n  triggerer: *c\n",
        ),
        (
            f"x-c: &c\n  volumes:\n    - {LONG}\nservices:\n  scheduler:\n    <<: *c\n  triggerer: {{<<: *c}}\n",
            f"x-c: &c\n  volumes:\n    - {LONG}\n    - {LINE}\n"
            "services:\n  scheduler:\n    <<: *c\n  triggerer: {<<: *c}\n",
        ),
    ],
    ids=["a service", "volumes", "merged too", "null service", "null volumes", "read-write", "not to be copied"],
)
def test_what_stands_at_an_anchor_gets_one_entry_for_all_its_users(text: str, patched: str) -> None:
    names = sorted(services(text))
    assert after(wants(text, *names)) == patched
    assert wants(patched, *names).outcome == "satisfied"


def test_the_reason_says_who_has_it_from_whom() -> None:
    patch = wants("x-c: &c\n  image: x\nservices:\n  scheduler: *c\n  triggerer: *c\n", "scheduler", "triggerer")
    assert patch.reason == "scheduler: added ~/.aws at /home/astro/.aws; triggerer: has it from scheduler"


@pytest.mark.parametrize(
    ("text", "reason", "by_hand"),
    [
        (
            "x-m: &m [./a:/a]\nservices:\n  scheduler:\n    volumes: *m\n  db:\n    volumes: *m\n",
            "line 4: scheduler shares &m with db (line 6)",
            'in line 6, in the place of *m: ["./a:/a"]',
        ),
        (
            "x-m: &m [./a:/a]\nservices:\n  scheduler:\n    volumes: *m\n  db:\n    tmpfs: *m\n",
            "line 4: scheduler shares &m with db (line 6)",
            'in line 6, in the place of *m: ["./a:/a"]',
        ),
        (
            f"services:\n  scheduler: &c\n    volumes: [{LONG}]\n  db: *c\n",
            "line 2: scheduler shares &c with db (line 4)",
            'in line 4, in the place of *c: {<<: *c, volumes: [{type: bind, source: "./a", target: "/a"}]}',
        ),
        (
            "services:\n  db: &c\n    volumes: [./a:/a]\n  scheduler: *c\n",
            "line 4: scheduler shares &c with db (line 2)",
            f'in line 4, in the place of *c: {{<<: *c, volumes: ["./a:/a", "{LINE}"]}}',
        ),
        (
            "services:\n  scheduler: &c\n    image: x\n  db: {<<: *c}\n",
            "line 2: scheduler shares &c with db (line 4)",
            "in db (line 4), as a key of its own: volumes: null",
        ),
        (
            "x-c: &c\nservices:\n  scheduler: *c\n  db: *c\n",
            "line 3: scheduler shares &c with db (line 4)",
            "in line 4, in the place of *c: {volumes: null}",
        ),
    ],
    ids=["volumes", "another key", "a service", "an alias of another's", "merged", "null"],
)
def test_where_others_use_the_anchor_too_a_refusal_names_the_line_and_the_edit(
    text: str, reason: str, by_hand: str
) -> None:
    patch = wants(text)
    assert (patch.outcome, patch.reason, patch.by_hand) == ("refusal", reason, by_hand)
    assert patch.after == patch.before


def test_an_edit_that_is_seen_elsewhere_is_refused_whatever_the_key_is_called() -> None:
    text = "services: &s\n  scheduler:\n    image: x\nx-other: *s\n"
    assert wants(text).outcome == "refusal"
    text = "x-c: &c\n  scheduler: &s {image: x}\nservices:\n  scheduler: *s\nconfigs: {a: *s}\n"
    assert wants(text).reason == "line 4: scheduler shares &s with configs (line 5)"


def test_an_anchor_that_another_of_its_name_would_stand_in_for_is_not_taken_out() -> None:
    text = f"x: &i ./a:/a\nservices:\n  webserver:\n    volumes:\n    - &i {LINE}\n    - ./b:/b\ny: *i\n"
    patch = ensure(text.encode(), (), LIVE, host=HOST, absent_from=["webserver"])
    assert (patch.outcome, patch.reason) == ("refusal", "line 5: y would change in more than that")


def test_a_service_that_carried_it_before_us_keeps_it_at_an_anchor_too() -> None:
    text = f"x-m: &m\n  - {LINE}\nservices:\n  scheduler: {{volumes: *m}}\n  triggerer: {{volumes: *m}}\n"
    patch = take_out(text.encode(), Ours((), ("~/.aws",), LIVE.target, theirs=["triggerer"]), host=HOST)
    assert patch.outcome == "refusal"
    assert patch.after == text.encode()


def test_aliases_of_aliases_without_end_are_looked_at_once_each() -> None:
    levels = "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    text = f"x-0: &a0 [x]\n{levels}services:\n  scheduler: &s\n    labels: *a39\n  triggerer: *s\n"
    assert wants(text, "scheduler", "triggerer").outcome == "edits"
    assert wants(text).reason == "line 42: scheduler shares &s with triggerer (line 44)"


# -- whatever the shape ---------------------------------------------------------------------------------------------

NAMES = ("scheduler", "triggerer", "api-server", "db")
COMMON = ("x-c: &c\n", "x-c: &c {}\n", "x-c: &c\n  image: x\n", "x-c: &c\n  volumes: [./c:/c]\n  image: x\n")
COMMON += (
    "x-c: &c\n  image: x\n  volumes: &v\n    - ./c:/c\n",
    f"x-c: &c\n  volumes:\n  - {LONG}\n",
    "x-c: &c\n  volumes:\n",
)
LISTS = ("x-m: &m\n", "x-m: &m []\n", "x-m: &m\n  - ./m:/m\n", "x-m: &m [./m:/m]  # ours\n")
LISTS += ("x-m: &m\n- ~/.aws:/home/astro/.aws\n- ./m:/m\n", f"x-m: &m\n  - {LONG}\n  # - ./old:/old\n")
BODIES = (
    "*c",
    "*s",
    "&s\n    image: y",
    "&s\n    volumes:\n      - ./s:/s",
    "&s\n    <<: *c\n    ports: [1]",
    "\n    <<: *c",
    "\n    <<: *s",
    "{<<: [*s, *c], image: z}",
    "\n    volumes: *m",
    "{volumes: *m}",
    "&s\n    volumes: *m",
    "\n    <<: *s\n    volumes: *m",
    "\n    tmpfs: *m\n    image: w",
    "\n    volumes: [./own:/own]",
    "",
)
SHAPES = st.tuples(
    st.sampled_from(COMMON),
    st.sampled_from(LISTS),
    st.lists(st.sampled_from(BODIES), min_size=1, max_size=4),
    st.permutations(NAMES),
)
WANTED = st.sets(st.sampled_from(NAMES), min_size=1)


def written(shape: tuple[str, str, list[str], Sequence[str]]) -> str:
    """A file of that shape: one anchor, before its aliases, and nothing merged that is null."""
    common, items, bodies, names = shape
    parts, known = [common, items, "services:"], False
    for name, body in zip(names, bodies, strict=False):
        if "&s" in body:
            body, known = (body.replace("&s", "") if known else body), True
        elif not known:
            body = body.replace("*s", "*c")
        body = body.replace("[*c, *c]", "*c")
        if common == COMMON[0]:
            body = body.replace("<<: *c", "init: true").replace("*s, *c", "*s")
        parts.append(f"\n  {name}: {body}".rstrip(" "))
    return "".join(parts) + "\n"


def planned(text: str, names: Sequence[str], mount: Mount) -> Patch:
    patch = ensure(text.encode(), names, mount, host=HOST)
    event(patch.outcome)
    return patch


def plain(service: Any) -> dict[str, Any]:
    """A service without its volumes that are at our target, and without a list of none."""
    kept = dict(service or {})
    rest = [item for item in kept.pop("volumes", None) or [] if LIVE.target not in str(item)]
    return kept | ({"volumes": rest} if rest else {})


def carries(service: Any, mount: Mount) -> bool:
    there = [item for item in (service or {}).get("volumes") or [] if mount.target in str(item)]
    long = [
        item for item in there if isinstance(item, dict) and (item["source"], item["read_only"]) == (mount.source, True)
    ]
    return len(there) == 1 and (bool(long) if mount.long else there == [LINE])


@given(SHAPES, WANTED, st.sampled_from([LIVE, STAGED]))
def test_every_service_that_should_carries_it_and_nothing_else_changes(
    shape: Any, names: set[str], mount: Mount
) -> None:
    text = written(shape)
    patch = planned(text, sorted(names), mount)
    assert (patch.outcome == "edits") == (patch.after != patch.before)
    assume(patch.outcome == "edits")
    assert patch.after
    old, new = (read(data) for data in (text, patch.after.decode()))
    was, now = (data.pop("services") or {} for data in (old, new))
    assert without_anchors(new) == without_anchors(old)
    assert now.keys() == was.keys() | names
    for name in now:
        assert carries(now[name], mount) if name in names else now[name] == was[name]
        assert plain(now[name]) == plain(was.get(name))
    again = ensure(patch.after, sorted(names), mount, host=HOST)
    assert (again.outcome, again.after) == ("satisfied", patch.after)


@given(SHAPES, WANTED, st.sampled_from([LIVE, STAGED]))
def test_what_was_added_at_an_anchor_goes_to_the_byte_in_a_file_that_was_edited_since(
    shape: Any, names: set[str], mount: Mount
) -> None:
    text = written(shape)
    ours = Ours(*(((mount.source,),) if mount.long else ((), (mount.source,))), target=mount.target)
    theirs, empty = survey(text.encode(), ours, host=HOST)
    assume(not theirs)
    patch = planned(text, sorted(names), mount)
    assume(patch.outcome == "edits" and "of the merge key copied" not in patch.reason)  # those stay
    assert patch.after
    assert splice(patch.after, reversed_edits(patch.edits)) == text.encode()
    back = take_out(patch.after + b"# edited\n", ours._replace(empty=empty), host=HOST)
    assert (back.outcome, back.after) == ("edits", text.encode() + b"# edited\n")


@given(SHAPES, st.sampled_from([LIVE, STAGED]))
def test_where_all_services_are_to_carry_it_no_shape_is_refused(shape: Any, mount: Mount) -> None:
    text = written(shape)
    assume("tmpfs" not in text)
    hides = "[*s, *c]" in text and "&c\n  volumes:" in text  # what the nearer one gets, the list of the other
    assume(not hides)
    assert planned(text, sorted(services(text)), mount).outcome in ("edits", "satisfied", "conflict")


@given(SHAPES, WANTED)
def test_the_edits_that_a_refusal_names_part_the_services_and_change_nothing(shape: Any, names: set[str]) -> None:
    text = start = written(shape)
    patch = planned(text, sorted(names), LIVE)
    for _ in range(5):
        edits = re.findall(r"in line (\d+), in the place of (\*\w+): (.*)", patch.by_hand)
        if patch.outcome != "refusal" or len(edits) < patch.by_hand.count("\n") + 1:
            break
        lines = text.split("\n")
        for number, alias, instead in edits:
            assert lines[int(number) - 1].count(alias) == 1
            lines[int(number) - 1] = lines[int(number) - 1].replace(alias, instead)
        text = "\n".join(lines)
        patch = planned(text, sorted(names), LIVE)
    if text == start:
        event("nothing to part")
        return
    assert patch.outcome in ("edits", "satisfied") or "as a key of its own" in patch.by_hand, patch
    was, now = services(start), services(text)
    assert {name: plain(service) for name, service in now.items()} == {n: plain(s) for n, s in was.items()}
