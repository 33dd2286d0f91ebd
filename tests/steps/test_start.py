"""When Airflow is started, restarted or left alone, what is said to differ, and what undo goes back to."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aws_airflow_tasks import runtimes
from aws_airflow_tasks.core import Change, Pending, TaskError
from aws_airflow_tasks.runtimes.embedded import LEFT
from aws_airflow_tasks.runtimes.protocol import Ailing, Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import start
from aws_airflow_tasks.steps.start import Started
from aws_airflow_tasks.world import receipts
from aws_airflow_tasks.world.delivery import Way
from aws_airflow_tasks.world.profiles import Credentials
from aws_airflow_tasks.world.staging import Staged
from tests.facts import site

TARGET = "/home/astro/.aws"
NAMES = ("scheduler", "triggerer")
ENV = {"AWS_PROFILE": "dev", "TEAM": "data"}


@dataclass
class Airflow:
    """A docker runtime of which only this object knows."""

    services_: dict[str, Service] = field(default_factory=dict)
    starts: list[bool] = field(default_factory=list)
    #: the seconds that each start was given
    patience: list[int] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    #: why what is waited for does not become healthy
    sick: TaskError | None = None
    #: what stands in a compose file's `environment:`
    stronger: dict[str, str] = field(default_factory=dict)
    name: str = "docker"
    names: tuple[str, ...] = (*NAMES, "webserver")
    mounts: bool = True
    reads: str = "compose"
    kept: str = "docker volume ls"
    leaves: str = ""
    discarded: bool = False
    stops: int = 0
    #: what there is of it that does not run
    containers: Mapping[str, str] = field(default_factory=dict)

    def major(self) -> int:
        return 3

    def version(self) -> tuple[int, ...]:
        return (3, 3)

    def credentials(self, host: Path) -> str:
        return TARGET

    def services(self) -> tuple[str, ...]:
        return NAMES

    def running(self) -> tuple[Service, ...]:
        return tuple(self.services_.values())

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int) -> None:
        self.starts.append(restart)
        self.patience.append(wait)
        self.services_ = {name: self.service(name, environment) for name in NAMES}

    def await_healthy(self, environment: Mapping[str, str], *, wait: int) -> None:
        assert all(service.environment.items() >= environment.items() for service in self.running())
        self.waits.append(wait)
        if self.sick:
            raise self.sick
        self.services_ = {name: service._replace(healthy=True) for name, service in self.services_.items()}

    def service(self, name: str, environment: Mapping[str, str]) -> Service:
        identity, mounts = f"{name} {len(self.starts)}", {TARGET: ("/staged", True)}
        return Service(name, True, {**environment, **self.stronger, "HOME": "/"}, identity, mounts)

    def ailing(self) -> tuple[Any, ...]:
        return ()

    def database(self) -> Path:
        return Path("/x/airflow.db")

    def stop(self) -> None:
        self.stops += 1
        self.services_ = {}

    def made(self) -> Mapping[str, str]:
        return self.containers

    def discard(self) -> None:
        self.discarded, self.containers = True, {}
        self.stop()


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    made = Airflow()
    monkeypatch.setattr(runtimes, "choose", lambda settings, state: made)
    return made


def here(settings: Settings, state: Path, **facts: Any) -> Site:
    """The project as it is now, whose staged credentials are in one directory."""
    files = Path("/staged/config"), Path("/staged/credentials")
    delivered = Credentials("dev", "static", "static", "eu-west-1", "", "", ("dev",), *files)
    return site(settings, state=state, delivered=delivered, way=Way("export", ""), **facts)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    project = tmp_path / "project"
    project.mkdir()
    write(project, ENV)
    return Settings(project=project)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path / "state"


def write(project: Path, lines: Mapping[str, str]) -> None:
    (project / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


def only(settings: Settings, state: Path, **facts: Any) -> Change:
    (change,) = start.plan(here(settings, state, **facts)).needed
    return change


def changed(airflow: Airflow, name: str, **values: Any) -> None:
    airflow.services_[name] = airflow.services_[name]._replace(**values)


def test_what_does_not_run_is_started_and_then_nothing_is_to_do(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    change = only(settings, state)
    assert (change.target, change.action, change.reason) == ("Airflow", "start", "was not running")
    healthy = "".join(f"{name}: healthy, environment as in .env\n" for name in NAMES)
    assert (change.before, change.after) == ("not running\n", healthy)
    change.apply()
    planned = start.plan(here(settings, state))
    assert (planned.needed, planned.target, planned.reason) == ((), "Airflow", "2 services healthy")
    assert (airflow.starts, airflow.patience) == ([False], [settings.wait])


def test_a_service_that_ran_when_anothers_keys_were_staged_is_stopped_and_started_and_then_it_is_well(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    """Nothing else differs, so that `astro dev start` would leave it running with the keys that it has read."""
    only(settings, state).apply()
    staged = Staged("", "", 0, None, "", ["triggerer 1"])
    change = only(settings, state, staged=staged)
    assert (change.action, change.reason) == ("restart", "triggerer: it may use the credentials from before")
    change.apply()
    assert (airflow.stops, airflow.starts) == (1, [False, True])
    assert start.plan(here(settings, state, staged=staged)).needed == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"mounts": {}}, f"no mount at {TARGET}"),
        ({"mounts": {TARGET: ("/staged", False)}}, "mount read-write, wanted read-only"),
        ({"mounts": {TARGET: ("/other", True)}}, f"mount at {TARGET} is /other, wanted /staged"),
        ({"environment": {"AWS_PROFILE": "dev"}}, "TEAM not as in .env"),
        ({"environment": {**ENV, "AWS_PROFILE": "prod"}}, "AWS_PROFILE not as in .env"),
        ({"environment": {**ENV, "AWS_REGION": "eu-west-1"}}, "AWS_REGION not as in .env"),
        ({"mounts": {}, "healthy": False}, f"no mount at {TARGET}, not healthy"),
    ],
)
def test_the_service_and_what_differs_are_named_and_never_a_value(
    values: dict[str, Any], said: str, airflow: Airflow, settings: Settings, state: Path
) -> None:
    only(settings, state).apply()
    changed(airflow, "scheduler", **values)
    change = only(settings, state)
    assert (change.action, change.reason) == ("restart", f"scheduler: {said}")
    assert "prod" not in change.diff()


def test_what_is_only_not_healthy_yet_is_waited_for_and_never_restarted(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    only(settings, state).apply()
    changed(airflow, "scheduler", healthy=False)
    change = only(settings, state)
    assert (change.action, change.reason, change.receipt) == ("wait", "scheduler: not healthy", None)
    change.apply()
    assert start.plan(here(settings, state)).needed == ()
    assert (airflow.starts, airflow.waits) == ([False], [settings.wait])


@pytest.mark.parametrize(
    "differs",
    [
        lambda airflow: airflow.services_.pop("triggerer"),
        lambda airflow: changed(airflow, "triggerer", environment={}),
        lambda airflow: changed(airflow, "triggerer", mounts={}),
        lambda airflow: airflow.services_.update(webserver=airflow.service("webserver", ENV)),
    ],
    ids=["one does not run", "another environment", "no mount", "one of another version"],
)
def test_what_differs_in_more_than_its_health_is_restarted_and_not_waited_for(
    differs: Callable[[Airflow], Any], airflow: Airflow, settings: Settings, state: Path
) -> None:
    only(settings, state).apply()
    changed(airflow, "scheduler", healthy=False)
    differs(airflow)
    change = only(settings, state)
    assert change.action == "restart"
    change.apply()
    assert (airflow.starts, airflow.waits) == ([False, True], [])


def test_what_does_not_become_healthy_says_how_to_begin_anew(airflow: Airflow, settings: Settings, state: Path) -> None:
    only(settings, state).apply()
    changed(airflow, "scheduler", healthy=False)
    airflow.sick = TaskError("scheduler was not healthy within 300 seconds", hint="docker logs x")
    with pytest.raises(TaskError, match="scheduler was not healthy within 300 seconds") as caught:
        only(settings, state).apply()
    first, second = caught.value.hint.splitlines()
    assert first == "docker logs x"
    assert second.startswith("invoke stop && invoke start")
    assert airflow.starts == [False]


def test_what_ends_of_a_known_cause_while_it_is_waited_for_says_only_what_mends_that(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    only(settings, state).apply()
    changed(airflow, "scheduler", healthy=False)
    airflow.sick = TaskError("scheduler ended by itself: Airflow's database is corrupt", hint="less x")
    with pytest.raises(TaskError) as caught:
        only(settings, state).apply()
    assert caught.value.hint == "invoke stop && rm /x/airflow.db && invoke start   # what is in it is lost"


def test_a_service_that_ends_again_and_again_is_not_waited_for_but_started_anew(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    only(settings, state).apply()
    changed(airflow, "scheduler", healthy=False, crashes=True)
    change = only(settings, state)
    assert (change.action, change.reason) == ("restart", "scheduler: it ends again and again")


def test_what_no_waiting_mends_is_not_waited_for(
    airflow: Airflow, settings: Settings, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(settings, state).apply()
    changed(airflow, "scheduler", healthy=False)
    monkeypatch.setattr(Airflow, "ailing", lambda self: (Ailing("postgres", "its container is paused"),))
    change = only(settings, state)
    assert (change.action, change.reason) == ("restart", "scheduler: not healthy")


def test_services_that_differ_alike_share_a_clause(airflow: Airflow, settings: Settings, state: Path) -> None:
    only(settings, state).apply()
    write(settings.project, ENV | {"TEAM": "science"})
    assert only(settings, state).reason == "TEAM not as in .env", "all of them need no names"
    changed(airflow, "scheduler", environment=ENV | {"TEAM": "science"})
    assert only(settings, state).reason == "triggerer: TEAM not as in .env"


def test_a_service_of_another_version_differs_though_nobody_wants_it(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    only(settings, state).apply()
    airflow.services_["webserver"] = airflow.service("webserver", ENV)
    assert only(settings, state).reason == "webserver: not of Airflow 3"


def test_what_an_earlier_run_has_left_is_not_said_to_be_of_another_version(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    airflow.services_ = {LEFT: airflow.service(LEFT, ENV)}
    assert only(settings, state).reason == f"{', '.join(NAMES)}: not running; {LEFT}: to be replaced"


def test_a_line_of_the_persons_that_something_stronger_wins_over_does_not_start_airflow_for_ever(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    """The Astro CLI's compose file sets a dozen variables itself, and `environment:` beats `.env`."""
    airflow.stronger = {"TEAM": "theirs"}
    only(settings, state).apply()
    assert start.plan(here(settings, state)).needed == ()
    assert stat.S_IMODE((state / start.BEATEN).stat().st_mode) == 0o600
    write(settings.project, ENV | {"TEAM": "science"})
    change = only(settings, state)
    assert change.reason == "TEAM not as in .env"
    change.apply()
    assert start.plan(here(settings, state)).needed == ()
    airflow.stronger = {}
    write(settings.project, ENV)
    only(settings, state).apply()
    assert start.plan(here(settings, state)).needed == ()


def test_a_damaged_note_of_such_lines_costs_a_start_and_no_more(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    airflow.stronger = {"TEAM": "theirs"}
    only(settings, state).apply()
    (state / start.BEATEN).write_text("{")
    only(settings, state).apply()
    assert start.plan(here(settings, state)).needed == ()
    assert airflow.starts == [False, True]


def test_an_airflow_on_this_host_needs_no_mount(airflow: Airflow, settings: Settings, state: Path) -> None:
    airflow.mounts = False
    only(settings, state).apply()
    for name in NAMES:
        changed(airflow, name, mounts={})
    assert start.plan(here(settings, state)).needed == ()


def test_a_line_of_ours_that_something_stronger_wins_over_is_an_error_that_says_where_to_look(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    airflow.stronger = {"AWS_PROFILE": "prod"}
    change = only(settings, state)
    with pytest.raises(TaskError, match=r"AWS_PROFILE: \.env says otherwise, but something stronger sets it") as caught:
        change.apply()
    assert "grep -noE AWS_PROFILE docker-compose.override.yml" in caught.value.hint
    assert "prod" not in str(caught.value) + caught.value.hint


def test_what_beats_a_line_of_ours_from_elsewhere_is_an_error_that_says_what_it_does(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    airflow.stronger = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_REGION": "us-east-2"}
    change = only(settings, state)
    with pytest.raises(TaskError, match=r"^AWS_ACCESS_KEY_ID: botocore takes keys in the environment") as caught:
        change.apply()
    assert "grep -noE AWS_ACCESS_KEY_ID docker-compose.override.yml" in caught.value.hint
    assert "AKIA" not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize(
    ("runtime", "hint"),
    [
        ("docker", "grep -noE AWS_PROFILE docker-compose.override.yml   # `environment:` wins over .env"),
        ("embedded", "env | grep -oE AWS_PROFILE   # unset it, and start again"),
    ],
)
def test_of_what_differs_that_alone_is_an_error_which_is_ours_or_beats_ours_and_the_hint_looks_where_it_may_be(
    runtime: str, hint: str, airflow: Airflow, settings: Settings, state: Path
) -> None:
    airflow.name, airflow.mounts = runtime, runtime == "docker"
    airflow.stronger = {"AWS_PROFILE": "prod", "AWS_ACCESS_KEY_ID": "AKIA"}
    airflow.start({}, restart=False, wait=1)
    made = here(settings, state)
    start._raise_beaten(made, ["TEAM", "AWS_REGION"])
    with pytest.raises(TaskError) as caught:
        start._raise_beaten(made, ["TEAM", "AWS_PROFILE"])
    assert caught.value.message == "AWS_PROFILE: .env says otherwise, but something stronger sets it"
    assert caught.value.hint == hint


def test_what_changes_nothing_of_ours_does_not_start_airflow_for_ever_and_is_no_error(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    airflow.stronger = {"AWS_REGION": "us-east-2"}
    only(settings, state).apply()
    assert start.plan(here(settings, state)).needed == ()
    write(settings.project, ENV | {"AWS_REGION": "eu-west-1"})
    assert only(settings, state).reason == "AWS_REGION not as in .env"


def test_only_the_first_start_leaves_a_receipt_which_says_whether_airflow_ran_before(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    assert only(settings, state).receipt == Started("docker", running=False, made=True)
    airflow.start({}, restart=False, wait=1)
    change = only(settings, state)
    assert change.receipt == Started("docker", running=True, made=True)
    receipts.record(state, change.receipt)
    airflow.stop()
    assert only(settings, state).receipt is None


def test_without_env_it_is_known_after_that_step(airflow: Airflow, settings: Settings, state: Path) -> None:
    (settings.project / ".env").unlink()
    with pytest.raises(Pending, match="known after env"):
        start.plan(here(settings, state))


def test_an_env_that_compose_would_reject_is_an_error_without_its_values(
    airflow: Airflow, settings: Settings, state: Path
) -> None:
    (settings.project / ".env").write_text('TOKEN="hunter2\n')
    with pytest.raises(TaskError, match=r"\.env cannot be read: line 1: a quote that is never closed") as caught:
        start.plan(here(settings, state))
    assert "hunter2" not in caught.value.message


def test_variables_in_env_are_filled_in_from_the_shell_as_compose_does(
    airflow: Airflow, settings: Settings, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRANCH", "main")
    write(settings.project, ENV | {"TAG": "$BRANCH"})
    only(settings, state).apply()
    assert airflow.services_["scheduler"].environment["TAG"] == "main"


def test_stop_stops_what_runs_and_has_nothing_to_do_then(airflow: Airflow, settings: Settings, state: Path) -> None:
    only(settings, state).apply()
    planned = start.stop(here(settings, state))
    (change,) = planned.needed
    assert (change.target, change.action, planned.reason) == ("Airflow", "stop", "")
    change.apply()
    planned = start.stop(here(settings, state))
    assert (planned.needed, planned.target, planned.reason) == ((), "Airflow", "not running")


@pytest.mark.parametrize(("status", "stops"), [("paused", True), ("running", True), ("", False)])
def test_stop_stops_what_has_not_ended_of_an_airflow_that_does_not_run(
    airflow: Airflow, settings: Settings, state: Path, status: str, stops: bool
) -> None:
    airflow.containers = {"demo-postgres-1": status}
    planned = start.stop(here(settings, state))
    assert [change.before for change in planned.needed] == ([f"demo-postgres-1: {status}\n"] if stops else [])
    assert planned.reason == ("" if stops else "not running")
