"""How results look: rows whose columns hold."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks import report
from aws_airflow_tasks.core import NOT_NEEDED, Change, Check, CheckStatus, Result, TaskError
from aws_airflow_tasks.text.layout import Layout
from tests import schema

ROLE = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/me@example.com"


def test_services_that_say_the_same_are_counted_and_others_are_named() -> None:
    names = ("scheduler", "triggerer", "api-server")
    alike = [Check("mount", "ok", "read-only", service=name) for name in names]
    assert report.check_lines(alike) == f"ok       {'mount':<20} read-only (3 services)"
    other = alike[2]._replace(status="failed", hint="invoke start")
    lines = report.check_lines([*alike[:2], other]).splitlines()
    assert lines[0].endswith("read-only (scheduler, triggerer)")
    assert [line.split()[-1] for line in lines[1:]] == ["(api-server)", "start"]
    assert report.check_lines(alike[:1]).endswith("read-only (scheduler)")


def test_a_check_of_no_service_is_told_before_the_next_is_looked_for() -> None:
    told: list[str] = []

    def found() -> Iterator[Check]:
        yield Check("backend", "ok", service="scheduler")
        yield Check("backend", "ok", service="triggerer")
        yield Check("dag-run", "ok")
        assert told == ["backend", "dag-run"]
        yield Check("dag-run", "ok")

    for layer in report.layers(found()):
        told.append(layer[0].check)
    assert told == ["backend", "dag-run", "dag-run"]


@pytest.mark.parametrize("width", [None, 60, 80, 200])
def test_the_command_to_type_next_is_never_broken(width: int | None) -> None:
    command = f"aws sts get-caller-identity --profile {'x' * 30} --endpoint-url http://{'y' * 80}"
    failed = Result("env", "failed", error=TaskError("why " * 40, hint=command))
    shown = (
        report.result_lines(failed, Layout(width=width)),
        report.check_lines([Check("mount", "failed", "why " * 40, command)], Layout(width=width)),
        report.error_lines(TaskError("why " * 40, hint=command), Layout(width=width)),
    )
    assert [text.splitlines()[-1] for text in shown] == [f"-> {command}"] * 3


def test_a_warning_and_what_was_changed_before_a_failure_stand_in_the_columns_of_their_step() -> None:
    said = Result("secrets.sync", "ok", "here", "as wanted", warnings=("mind this",))
    first, second = report.result_lines(said, Layout(names=12)).splitlines()
    assert first.index("here") == second.index("mind") == 22


def test_a_check_has_the_seconds_for_which_it_alone_was_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def found() -> Iterator[Check]:
        for seconds in (2.5, 0.0, 7.0):
            now[0] += seconds
            yield Check("mount", "ok", service=str(seconds))

    timed = []
    for check in report.timed(found()):
        timed.append(check)
        now[0] += 50  # such as a terminal that is slow to show it
    assert [check.seconds for check in timed] == [2.5, 0.0, 7.0]
    assert report.check_lines(timed) == f"ok       {'mount':<20} 3 services"
    document = report.document(
        "t", check=False, code=0, seconds=0, results=[], checks=timed, error=None, notes=[], extra={}
    )
    assert [check["seconds"] for check in schema.held(document)["checks"]] == [2.5, 0, 7]


@pytest.mark.parametrize(
    ("done", "ends"),
    [
        (("started (was not running)",), "started (was not running) in 2.5s"),
        (("would start: not running",), "would start: not running (2.5s)"),
        (("created", "created"), "created (2.5s)"),
    ],
)
def test_how_long_it_took_belongs_to_what_was_done_and_not_to_what_would_be(done: tuple[str, ...], ends: str) -> None:
    changes = tuple(Change("Airflow", "start", None, "runs\n", apply=lambda: None) for _ in done)
    said = report.result_lines(Result("start", "changed", changes=changes, done=done, seconds=2.5))
    assert said.endswith(f"Airflow: {ends}")


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ("default", "arn:aws:iam::123456789012:user/airflow-sandbox in eu-west-1; live: Airflow runs on this host"),
        ("default", f"{ROLE} in us-east-1; identity checked 4 min ago; keys until 18:30"),
        ("dev", f"{ROLE} in eu-west-1; keys until 18:30; profile from AWS_PROFILE"),
        ("dev", f"{ROLE} in eu-west-1; exported; profile from ~/.invoke.yaml; region from AWS_REGION"),
    ],
)
def test_who_one_is_and_until_when_takes_two_lines_of_80_columns_at_the_most(profile: str, reason: str) -> None:
    done = Result("creds", "ok", f"profile {profile}", reason)
    lines = report.result_lines(done, Layout(width=80)).split("\n")
    assert len(lines) <= 2, lines
    assert all(len(line) <= 80 for line in lines)
    assert report.result_lines(done) == f"ok       creds    profile {profile}: {reason}"


def test_how_many_services_said_it_is_not_broken_between_the_number_and_the_word() -> None:
    arn = "arn:aws:iam::123456789012:user/airflow-sandbox"
    found = [Check("identity-in-service", "failed", arn, service=name) for name in "abcd"]
    head, indent = f"failed   {'identity-in-service':<21}", " " * 30
    assert report.check_lines(found, Layout(width=80)).split("\n") == [head + arn, f"{indent}(4 services)"]


def test_what_is_not_needed_here_and_what_a_failure_left_out_differ_in_their_word() -> None:
    left = Result("secrets", "skipped", reason="creds failed")
    unneeded = Result("mount", "skipped", "docker-compose.override.yml", f"{NOT_NEEDED}no containers")
    assert report.result_lines(left) == "skipped  secrets  creds failed"
    assert report.result_lines(unneeded) == "n/a      mount    docker-compose.override.yml: no containers"
    assert report.check_lines([Check("mount", "skipped", f"{NOT_NEEDED}no containers")]).split() == [
        *("n/a", "mount", "no", "containers")
    ]
    assert report.check_lines([Check("mount", "skipped", "env failed")]).split()[0] == "skipped"


CHECKS: list[CheckStatus] = ["ok", "warning", "failed", "skipped"]


@given(
    st.lists(st.sampled_from(report.STATUSES).map(lambda status: Result("env", status, warnings=("mind",)))),
    st.lists(st.sampled_from(CHECKS).map(lambda status: Check("mount", status))),
)
def test_the_recap_of_a_person_and_of_a_program_count_every_step_check_and_warning(
    results: list[Result], checks: list[Check]
) -> None:
    found = report.counts(results, checks)
    statuses = [*(each.status for each in results), *(each.status for each in checks)]
    assert found == {status: statuses.count(status) for status in report.STATUSES} | {
        "warnings": statuses.count("warning") + len(results)
    }
    document = schema.held(
        report.document(
            "t", check=False, code=0, seconds=0, results=results, checks=checks, error=None, notes=[], extra={}
        )
    )
    assert document["recap"] == found
    said = dict(each.split("=") for each in report.recap_line(results, checks, 3.2).split()[1:-2])
    assert said == {word: str(count) for word, count in found.items() if count or word != "warnings"}


def test_the_document_of_a_proof_that_had_no_turn_names_the_layer_and_counts_the_step_alone() -> None:
    failed = Result("creds", "failed", error=TaskError("no keys", hint="aws configure"))
    results = [failed, Result("verify", "skipped", reason="creds failed")]
    document = schema.held(
        report.document(
            "verify", check=False, code=1, seconds=0, results=results, checks=[], error=None, notes=[], extra={}
        )
    )
    first = document["checks"][0]
    assert (first["check"], first["status"], first["detail"]) == ("host-identity", "failed", "no keys")
    assert document["recap"]["failed"] == 1


def test_a_failed_proof_never_ends_in_nothing_failed() -> None:
    proof = [Check("dag-run", "failed"), Check("backend", "ok"), Check("provider", "warning")]
    assert report.recap_line([], proof, 3.21) == "recap: ok=1 changed=0 skipped=0 failed=1 warnings=1 in 3.2s"


def test_where_airflow_is_breaks_at_words_under_its_own_column_and_a_home_directory_is_a_tilde() -> None:
    where = "Airflow 3: http://127.0.0.1:8080   user admin, password in /home/me/state/passwords.json"
    assert report.last_lines(where, [], Layout(width=60, home="/home/me")).split("\n") == [
        "Airflow 3: http://127.0.0.1:8080   user admin, password in",
        "           ~/state/passwords.json",
    ]
    assert report.last_lines(where, []) == where
    assert report.last_lines("", []) == ""


def test_each_command_to_choose_from_has_a_line_of_its_own_and_stays_whole() -> None:
    note = report.next_note("/home/me/bin/aws-airflow verify --project 'a b'", "aws-airflow stop")
    assert report.last_lines("", [note], Layout(width=20, home="/home/me")).split("\n") == [
        "next: ~/bin/aws-airflow verify --project 'a b'",
        "      aws-airflow stop",
    ]


def test_a_hint_that_no_command_mends_is_read_as_prose_and_a_command_stays_whole_to_be_pasted() -> None:
    narrow, whom = Layout(width=24), 'ask an administrator to allow {"Action": "kms:Decrypt"}'
    assert report.hint_lines(f"# {whom}\ninvoke creds --region eu-west-1", narrow) == [
        "-> ask an administrator",
        '   to allow {"Action":',
        '   "kms:Decrypt"}',
        "   invoke creds --region eu-west-1",
    ]
    assert report.hint_lines(f"# {whom}") == [f"-> {whom}"]


@pytest.mark.parametrize("width", [None, 40])
def test_what_differs_breaks_at_words_where_it_is_no_file_and_a_files_diff_is_whole(width: int | None) -> None:
    long = " ".join(["word"] * 20)
    other = Change("Airflow", "start", None, f"{long}\n", apply=lambda: None)
    lines = report.diff_lines(other, Layout(width=width)).split("\n")
    assert " ".join(line.strip() for line in lines) == f"Airflow: absent -> {long}"
    assert all(line.startswith("  ") and (width is None or len(line) <= width) for line in lines)
    file = other._replace(file=True)
    assert report.diff_lines(file, Layout(width=width)) == file.diff().rstrip("\n")
    assert report.diff_lines(other._replace(after=None), Layout(width=width)) == ""
