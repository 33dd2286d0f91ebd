"""What the compose patcher says of a file, case by case."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from aws_airflow_tasks.patch import Patch, splice
from aws_airflow_tasks.patch.compose import HEADER, Host, Mount, ensure, patcher
from aws_airflow_tasks.patch.compose.patcher import MAX_SIZE
from tests.patch import reversed_edits

CASES = Path(__file__).parent / "cases"
HOST = Host("/Users/me", "/Users/me/proj", {"HOME": "/Users/me"})
LIVE = Mount("~/.aws", "/home/astro/.aws")
STAGED = Mount("/Users/me/.local/state/x/aws", "/home/astro/.aws", long=True)
LINE = "~/.aws:/home/astro/.aws:ro"


def remove(data: bytes, services: Sequence[str], mount: Mount | None, **more: Any) -> Patch:
    return ensure(data, (), mount, absent_from=services, **more)


def cases(name: str) -> list[Any]:
    table = json.loads((CASES / name).read_text("utf-8"))["cases"]
    return [pytest.param(case, id=str(case.get("name", case.get("existing")))) for case in table]


def wants(text: str, *services: str, mount: Mount = LIVE, **options: Any) -> Patch:
    return ensure(text.encode(), services or ("scheduler",), mount, host=HOST, **options)


def after(patch: Patch) -> str:
    assert patch.outcome == "edits", patch.reason
    assert patch.after is not None
    assert patch.before is not None
    assert splice(patch.before, patch.edits) == patch.after
    assert splice(patch.after, reversed_edits(patch.edits)) == patch.before
    return patch.after.decode()


def one(*volumes: str) -> str:
    return "services:\n  scheduler:\n    volumes:\n" + "".join(f"      {line}\n" for line in volumes)


# -- the shapes of files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("shapes.json"))
def test_every_shape_of_file_has_its_outcome(case: dict[str, str]) -> None:
    patch = wants(case["text"])
    outcome = {"refusal": "refuse"}.get(patch.outcome, patch.outcome)
    if patch.outcome == "edits":
        outcome = "replace" if any(edit.old for edit in patch.edits) else "insert"
        assert wants(after(patch)).outcome == "satisfied"
    may_be_refused = case["name"] in ("tab after colon", "tab before comment")
    assert outcome == case["outcome"] or (may_be_refused and outcome == "refuse"), patch.reason


@pytest.mark.parametrize("case", [c for c in cases("shapes.json") if c.values[0]["outcome"] == "refuse"])
def test_a_refusal_names_the_line_and_gives_the_lines_to_add(case: dict[str, str]) -> None:
    patch = wants(case["text"])
    assert patch.reason.startswith("line ")
    assert int(patch.reason.split()[1].rstrip(":")) <= case["text"].count("\n") + 1
    said = "more than one document" in patch.reason or "not readable" in patch.reason
    assert patch.by_hand.startswith("# correct that line first; ") or not said
    if " shares &" not in patch.reason:  # see test_sharing
        assert yaml.safe_load(patch.by_hand) == {"services": {"scheduler": {"volumes": [LINE]}}}
    assert patch.after == patch.before


@pytest.mark.parametrize("case", cases("mount_equivalence.json"))
def test_an_equivalent_mount_is_known_for_what_it_is(case: dict[str, Any]) -> None:
    text = yaml.safe_dump({"services": {"scheduler": {"volumes": [case["existing"]]}}})
    outcomes = {
        "satisfied": "satisfied",
        "satisfied, read-write": "edits",
        "satisfied by a parent mount": "satisfied",
        "conflict": "conflict",
        "partial": "edits",
        "absent": "edits",
    }
    patch = wants(text)
    assert patch.outcome == outcomes[case["verdict"]]
    assert ("read-write, wanted read-only" in patch.reason) == (case["verdict"] == "satisfied, read-write")


# -- new files ----------------------------------------------------------------------------------------------------


def test_a_missing_file_is_made_with_a_comment_that_says_what_it_is() -> None:
    patch = ensure(None, ["scheduler", "api-server"], LIVE, host=HOST)
    service = f":\n    volumes:\n      - {LINE}\n"
    assert patch.after == (HEADER + "services:\n  api-server" + service + "  scheduler" + service).encode()
    assert patch.before is None
    assert splice(b"", patch.edits) == patch.after
    assert HEADER.startswith("# ")


def test_what_a_new_file_holds_is_satisfied_at_once() -> None:
    patch = ensure(None, ["scheduler"], STAGED, host=HOST)
    assert patch.after is not None
    again = ensure(patch.after, ["scheduler"], STAGED, host=HOST)
    assert again.outcome == "satisfied"


def test_nothing_asked_for_is_satisfied_without_a_file() -> None:
    assert ensure(None, [], LIVE, host=HOST).outcome == "satisfied"


# -- nulls in flow style ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "patched"),
    [
        ('{"services": null}', f'{{"services": {{"scheduler": {{"volumes": ["{LINE}"]}}}}}}'),
        ("services: {scheduler: }\n", f'services: {{scheduler: {{volumes: ["{LINE}"]}} }}\n'),
        ("services: {scheduler: {volumes: ~}}\n", f'services: {{scheduler: {{volumes: ["{LINE}"]}}}}\n'),
        (
            "services:\n  scheduler:\n    volumes:\n      ~\n",
            f"services:\n  scheduler:\n    volumes:\n\n      - {LINE}\n",
        ),
    ],
)
def test_a_null_gives_way_to_what_is_wanted(text: str, patched: str) -> None:
    assert after(wants(text)) == patched


def test_an_entry_of_the_long_syntax_is_written_in_flow_style_in_a_flow_list() -> None:
    text = "services:\n  scheduler: {volumes: [./x:/home/astro/.aws, ./b:/b]}\n"
    there = yaml.safe_load(after(wants(text, mount=STAGED, replace_conflicts=True)))
    assert there["services"]["scheduler"]["volumes"][0]["bind"] == {"create_host_path": False}
    assert there["services"]["scheduler"]["volumes"][1] == "./b:/b"


# -- several services ---------------------------------------------------------------------------------------------


def test_all_services_are_patched_in_one_plan_each_in_its_own_indentation() -> None:
    text = "services:\n  a:\n      image: x\n  b:\n    volumes:\n    - ./b:/b\n  c:\n  d: {image: y}\n"
    assert after(wants(text, "d", "c", "b", "a", "e")) == (
        "services:\n"
        f"  a:\n      image: x\n      volumes:\n      - {LINE}\n"
        f"  b:\n    volumes:\n    - ./b:/b\n    - {LINE}\n"
        f"  c:\n    volumes:\n    - {LINE}\n"
        f'  d: {{image: y, volumes: ["{LINE}"]}}\n'
        f"  e:\n      volumes:\n      - {LINE}\n"
    )


def test_one_conflict_leaves_every_service_alone() -> None:
    patch = wants("services:\n  a:\n    image: x\n  b:\n    volumes: [./x:/home/astro/.aws]\n", "a", "b")
    assert patch.outcome == "conflict"
    assert patch.after == patch.before


# -- read-write, conflicts, ours ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "repaired"),
    [
        ("- ~/.aws:/home/astro/.aws", "- ~/.aws:/home/astro/.aws:ro"),
        ("- '~/.aws:/home/astro/.aws:rw'  # mine", "- '~/.aws:/home/astro/.aws:ro'  # mine"),
        ('- "${HOME:-/x}/.aws:/home/astro/.aws:rw,z"', '- "${HOME:-/x}/.aws:/home/astro/.aws:ro,z"'),
        ("- ~/.aws:/home/astro/.aws:z", "- ~/.aws:/home/astro/.aws:ro,z"),
        (
            "- {type: bind, source: ~/.aws, target: /home/astro/.aws}",
            "- {type: bind, source: ~/.aws, target: /home/astro/.aws, read_only: true}",
        ),
        (
            "- {type: bind, source: ~/.aws, read_only: false, target: /home/astro/.aws}",
            "- {type: bind, source: ~/.aws, read_only: true, target: /home/astro/.aws}",
        ),
    ],
)
def test_a_read_write_mount_is_made_read_only_and_the_reason_says_so(line: str, repaired: str) -> None:
    patch = wants(one("- ./x:/x", line, "- ./y:/y"))
    assert after(patch) == one("- ./x:/x", repaired, "- ./y:/y")
    assert patch.reason == "scheduler: read-write, wanted read-only (line 5)"


def test_a_long_read_write_mount_gets_its_line_read_only_true() -> None:
    lines = ["- type: bind", "  source: ~/.aws", "  target: /home/astro/.aws"]
    assert after(wants(one(*lines, "- ./y:/y"))) == one(*lines, "  read_only: true", "- ./y:/y")


def test_a_conflict_names_the_service_the_line_both_sources_and_what_to_do() -> None:
    patch = wants(one("- ./b:/b", "- ./mine:/home/astro/.aws"))
    assert patch.reason == "scheduler: line 5 mounts ./mine at /home/astro/.aws, wanted ~/.aws"
    assert patch.by_hand == f"in services.scheduler.volumes, in the place of line 5:\n      - {LINE}"


@pytest.mark.parametrize("existing", ["./mine:/home/astro/.aws", "/home/astro/.aws", "mine:/home/astro/.aws"])
def test_a_conflict_is_replaced_in_its_place_when_that_is_asked_for(existing: str) -> None:
    patch = wants(one("- ./a:/a", f"- '{existing}'  # why", "- ./b:/b"), replace_conflicts=True)
    assert after(patch) == one("- ./a:/a", f"- '{LINE}'  # why", "- ./b:/b")
    assert "gives way to ~/.aws (line 5)" in patch.reason


def test_a_long_conflict_is_replaced_whole_but_not_when_it_holds_a_comment() -> None:
    lines = ["- type: tmpfs", "  target: /home/astro/.aws"]
    assert after(wants(one(*lines, "- ./b:/b"), replace_conflicts=True)) == one(f"- {LINE}", "- ./b:/b")
    lines[0] += "  # a note"
    assert wants(one(*lines), replace_conflicts=True).outcome == "refusal"


def test_a_line_of_ours_from_another_source_is_repaired_not_a_conflict() -> None:
    text = one("- ./a:/a", f"- {LINE}  # a note", "- ./b:/b")
    staged = Mount("/state/aws", "/home/astro/.aws")
    assert wants(text, mount=staged).outcome == "conflict"
    patch = wants(text, mount=staged, ours=["~/.aws"])
    assert after(patch) == one("- ./a:/a", "- /state/aws:/home/astro/.aws:ro  # a note", "- ./b:/b")
    assert patch.reason == "scheduler: ~/.aws gives way to /state/aws (line 5)"


def test_a_source_whose_name_only_begins_like_one_of_ours_is_a_conflict() -> None:
    text = one("- ~/.local/state/aws-airflow-other/aws:/home/astro/.aws:ro")
    assert wants(text, mount=STAGED, ours=["~/.local/state/aws-airflow"]).outcome == "conflict"
    assert after(wants(text, mount=STAGED, ours=["~/.local/state/aws-airflow-other"]))
    assert after(wants(text, mount=STAGED, ours=["/"]))


def test_an_edit_that_leaves_something_to_be_done_is_refused_as_planning_again_finds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan, planned = patcher._planned, list[int]()

    def forgetful(document: Any, names: list[str], *rest: Any) -> Any:
        planned.append(len(names))
        return plan(document, names[:1] if len(planned) == 1 else names, *rest)

    monkeypatch.setattr(patcher, "_planned", forgetful)
    patch = wants(one("- ./a:/a"), "scheduler", "triggerer")
    assert (patch.outcome, "the edit would not have done" in patch.reason) == ("refusal", True), patch
    assert planned == [2, 2]


def test_ours_switch_from_the_short_to_the_long_syntax_and_back() -> None:
    text = one("- ./a:/a", f"- {LINE}", "- ./b:/b")
    roots = ["~/.aws", "~/.local/state/x"]
    there = after(wants(text, mount=STAGED, ours=roots))
    assert yaml.safe_load(there)["services"]["scheduler"]["volumes"][1] == {
        "type": "bind",
        "source": STAGED.source,
        "target": STAGED.target,
        "read_only": True,
        "bind": {"create_host_path": False},
    }
    assert after(wants(there, mount=LIVE, ours=roots)) == text


def test_two_entries_at_our_target_become_one() -> None:
    text = one("- ~/.aws:/home/astro/.aws", "- ./b:/b", f"- {LINE}")
    assert after(wants(text)) == one("- ./b:/b", f"- {LINE}")


def test_a_parent_mount_is_enough_and_a_warning_says_that_it_is_read_write() -> None:
    patch = wants(one("- ~:/home/astro"))
    assert patch.outcome == "satisfied"
    assert patch.reason == "scheduler: carries ~/.aws at /home/astro/.aws within ~ at /home/astro (line 4)"
    assert patch.warnings == ("scheduler: ~ (line 4) is mounted read-write",)
    assert wants(one("- ~:/home/astro:ro")).warnings == ()


def test_variables_come_from_the_host_and_what_cannot_be_told_is_a_conflict() -> None:
    text = one("- ${KEYS}:/home/astro/.aws:ro")
    known = Host(HOST.home, HOST.project, {"KEYS": "/Users/me/.aws"})
    assert ensure(text.encode(), ["scheduler"], LIVE, host=known).outcome == "satisfied"
    assert wants(text).outcome == "conflict"
    assert wants(one("- ${KEYS:?set it}:/home/astro/.aws:ro")).outcome == "conflict"


# -- merge keys, aliases ------------------------------------------------------------------------------------------


def test_services_that_are_there_and_those_that_are_new_are_all_named_in_the_reason() -> None:
    before = b"services:\n  scheduler:\n    environment:\n      A: b\n"
    plan = ensure(before, ["scheduler", "triggerer", "dag-processor"], Mount("~/.aws", "/a"), host=HOST)
    assert plan.reason.startswith("scheduler, dag-processor, triggerer: added ")


def test_items_of_a_merge_key_are_copied_and_the_reason_says_so() -> None:
    text = "x-c: &c\n  volumes: [&a './a:/a', ./b:/b]\nservices:\n  scheduler:\n    <<: *c\n"
    patch = wants(text)
    assert after(patch) == text + f"    volumes:\n      - './a:/a'\n      - ./b:/b\n      - {LINE}\n"
    assert "volumes of the merge key copied (2)" in patch.reason


def test_a_mount_that_comes_through_a_merge_key_or_an_alias_is_satisfied() -> None:
    common = f"x-c: &c\n  volumes: &v\n    - {LINE}\n"
    assert wants(common + "services:\n  scheduler:\n    <<: *c\n").outcome == "satisfied"
    assert wants(common + "services:\n  scheduler:\n    volumes: *v\n").outcome == "satisfied"
    assert wants(common + "services:\n  scheduler: *c\n").outcome == "satisfied"


def test_a_service_that_others_inherit_from_is_refused() -> None:
    patch = wants("services:\n  scheduler: &s\n    image: x\n  other:\n    <<: *s\n")
    assert patch.reason == "line 2: scheduler shares &s with other (line 5)"


@pytest.mark.parametrize(
    "text",
    [
        "x: &i ~/.aws:/home/astro/.aws\n" + one("- *i"),
        one("- &i ~/.aws:/home/astro/.aws") + "x: *i\n",
        "x: &c\n  volumes: ['./a\n    b:/a']\nservices:\n  scheduler:\n    <<: *c\n",
        "x: &c\n  volumes: [!!str ./a:/a]\nservices:\n  scheduler:\n    <<: *c\n",
        one("- ./a:/a", "? command\n    : |\n     a"),
    ],
    ids=["an alias to repair", "an anchor to repair", "several lines to copy", "a tag to copy", "not readable"],
)
def test_what_is_shared_or_cannot_be_copied_is_refused(text: str) -> None:
    assert wants(text).outcome == "refusal"


# -- taking out ---------------------------------------------------------------------------------------------------


def without(text: str, *services: str, **options: Any) -> Patch:
    return remove(text.encode(), services or ("webserver",), LIVE, host=HOST, **options)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (
            f"services:\n  webserver:\n    volumes:\n      - {LINE}\n  a:\n    image: x\n",
            "services:\n  a:\n    image: x\n",
        ),
        (f"# head\nservices:\n  webserver:\n    volumes:\n      - {LINE}\n", "# head\n"),
        (f"services:\n  a:\n    image: x\n  webserver:\n    volumes: ['{LINE}']", "services:\n  a:\n    image: x"),
        (
            f"services:\n  webserver:\n    image: x\n    volumes:\n      - {LINE}\n    ports: [1]\n",
            "services:\n  webserver:\n    image: x\n    ports: [1]\n",
        ),
        (
            f"services:\r\n  webserver:\r\n    volumes:\r\n      - ./a:/a\r\n      - {LINE}",
            "services:\r\n  webserver:\r\n    volumes:\r\n      - ./a:/a",
        ),
        (
            f"services:\n  webserver:\n    volumes: ['./a:/a', '{LINE}', './b:/b']\n",
            "services:\n  webserver:\n    volumes: ['./a:/a', './b:/b']\n",
        ),
        (
            f"services:\n  webserver:\n    volumes: ['{LINE}', './a:/a', '{LINE}', '{LINE}']\n",
            "services:\n  webserver:\n    volumes: ['./a:/a']\n",
        ),
        (
            f'{{"services": {{"a": {{"image": "x"}}, "webserver": {{"volumes": ["{LINE}"]}}}}}}',
            '{"services": {"a": {"image": "x"}}}',
        ),
        ('{"services": {"webserver": {"volumes": ["~/.aws:/home/astro/.aws"]}}}', "{}"),
    ],
)
def test_our_line_goes_with_all_it_leaves_empty_and_nothing_else(text: str, rest: str) -> None:
    patch = without(text)
    assert after(patch) == rest
    assert patch.reason == "webserver: taken out"
    assert without(rest).outcome == "satisfied"


def test_comments_beside_and_between_what_goes_stay() -> None:
    text = f"services:  # s\n  # about\n  webserver:  # w\n    volumes:\n      # our\n      - {LINE} # x\n\n# tail\n"
    assert after(without(text)) == "# s\n  # about\n  # w\n      # our\n      # x\n\n# tail\n"


def test_what_is_not_ours_stays() -> None:
    for line in ("./mine:/home/astro/.aws", "~/.aws:/home/other/.aws", "~:/home/astro"):
        assert without(f"services:\n  webserver:\n    volumes:\n      - {line}\n").outcome == "satisfied"
    assert without("services:\n  webserver:\n    volumes: []\n").outcome == "satisfied"


def test_what_we_add_to_a_file_we_can_take_out_to_the_byte() -> None:
    text = (
        "# mine\nservices:\n  a:\n    image: x  # pinned\n\n  b:\n    volumes:\n    - ./b:/b\n    ports: [1]\nx-y: 1\n"
    )
    with_ours = after(wants(text, "a", "b", "c", mount=STAGED))
    patch = remove(with_ours.encode(), ["a", "b", "c"], STAGED, host=HOST)
    assert after(patch) == text


def test_lines_move_from_one_service_to_another_when_airflow_renames_it() -> None:
    text = f"services:\n  scheduler:\n    volumes:\n      - {LINE}\n  webserver:\n    volumes:\n      - {LINE}"
    patch = wants(text, "api-server", "scheduler", absent_from=["webserver"])
    assert after(patch) == text.replace("webserver", "api-server")


def test_an_only_service_that_is_renamed_keeps_services() -> None:
    text = f"services:\n  webserver:\n    volumes:\n      - {LINE}\n"
    assert after(wants(text, "api-server", absent_from=["webserver"])) == text.replace("webserver", "api-server")


@pytest.mark.parametrize(
    "text",
    [
        f"x: &x\n  volumes: [./a:/a]\nservices:\n  webserver:\n    <<: *x\n    volumes: ['{LINE}']\n",
        f"x: &x\n  webserver: {{image: x}}\nservices:\n  <<: *x\n  webserver:\n    volumes: ['{LINE}']\n",
        f"---\nservices:\n  webserver:\n    volumes: ['{LINE}']\n",
        f"services:\n  webserver:\n    volumes: [\n      '{LINE}' # a note\n    ]\n",
        f"services:\n  webserver:\n    volumes: [ ./a:/a, # a note\n      '{LINE}' ]\n",
        f"services:\n  webserver:\n    volumes:\n      - ./a:/a\n      - # a note\n        {LINE}\n",
        f"services:\n  ? webserver\n  : volumes:\n    - {LINE}\n  a: {{}}\n",
        f"services:\n  webserver:\n    volumes:\n    - &i {LINE}\n    - ./a:/a\nx: *i\n",
    ],
    ids=[
        "volumes inherited",
        "service inherited",
        "an empty document left",
        "a comment within",
        "a comment before",
        "a comment behind the dash",
        "an explicit key",
        "an anchor used elsewhere",
    ],
)
def test_nothing_is_taken_out_where_that_would_change_more(text: str) -> None:
    assert without(text).outcome == "refusal"


def test_a_comment_that_would_become_text_is_not_left_behind() -> None:
    text = f"services:\n  webserver:\n    command: |\n     a\n    volumes:\n          - {LINE} # deep\n"
    assert without(text).reason == "line 5: the edit could not be proven"


def test_a_refusal_to_take_out_says_what_to_take_out() -> None:
    text = f"services:\n  webserver: &w\n    volumes:\n      - {LINE}\n  other: *w\n"
    patch = without(text)
    assert patch.outcome == "refusal"
    assert patch.by_hand == "# and take the volume for /home/astro/.aws out of webserver"


# -- any bytes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"services:\n  a: \xff\n", 2),
        (b"services:\n\n  a: \0\n", 3),
        ("services:\n".encode("utf-16"), 1),
        (b"\xef\xbb\xbfa: 1\nb: \xed\xa0\x80\n", 2),
        (b"services: " + b"[" * 200, 1),
        (b"- " * 5_000, 1),
        (b"services:\n  b: {}\n  c: *nobody\n", 3),
        (b"services: &a\n  b: *a\n", 2),
        (b"!x services:\n", 1),
        ("a: x\nb: y \x85# z\n".encode(), 2),
        (b"x" * (MAX_SIZE + 1), 1),
        (b"services:\n  scheduler: !override {}\n", 2),
        (b"[]\n", 1),
        (b"services: []\n", 1),
        (b"text\n", 1),
        (b"services:\n  scheduler: text\n", 2),
        (b"x: &x\n  services: {}\n<<: *x\n", 2),
        (b"x: &x\n  scheduler: {}\nservices:\n  <<: *x\n", 2),
    ],
    ids=range(18),
)
def test_what_cannot_be_patched_is_refused_at_its_line(data: bytes, line: int) -> None:
    patch = ensure(data, ["scheduler"], LIVE, host=HOST)
    assert patch.outcome == "refusal"
    assert patch.reason.startswith(f"line {line}: ")
    assert (patch.before, patch.after, patch.edits) == (data, data, ())


def test_an_anchor_that_holds_itself_is_no_endless_loop() -> None:
    text = "services: &s\n  scheduler: &a\n    <<: [*a, *s]\n"
    assert wants(text).outcome == "refusal"


def test_variables_nested_without_end_are_no_stack_overflow() -> None:
    text = one(f"- {'${A:-' * 5_000}:/home/astro/.aws")
    assert wants(text).outcome in ("conflict", "edits")


def test_deep_nesting_of_defaults_is_not_followed() -> None:
    nested = "${A:-" * 60 + "/Users/me" + "}" * 60
    assert wants(one(f"- '{nested}/.aws:/home/astro/.aws:ro'")).outcome == "conflict"
