"""Real Airflow of both majors, from the lock files: one start each, and all that must hold while it runs and after."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psutil
import pytest

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.runtimes import airflow_config
from aws_airflow_tasks.runtimes.embedded import Embedded
from aws_airflow_tasks.world import airflow_api, cli, dag_runs, processes
from tests.conftest import USER_CACHE
from tests.project import tree
from tests.world.server import REAL_SPAWN

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("embedded")]

DAG = """
import pendulum
from include.greeting import WORDS
try:
    from airflow.sdk import DAG
    from airflow.providers.standard.operators.python import PythonOperator
except ImportError:
    from airflow import DAG
    from airflow.operators.python import PythonOperator

with DAG(dag_id="%s", start_date=pendulum.datetime(2024, 1, 1, tz="UTC"), schedule=None):
    PythonOperator(task_id="greet", python_callable=lambda: print(WORDS))
"""
DOTENV = {"AWS_PROFILE": "dev", "AWS_EC2_METADATA_DISABLED": "true", "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"}


@pytest.fixture(scope="module", params=[3, 2])
def airflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    root = tmp_path_factory.mktemp("embedded")
    project = root / "a pröject, 100%"
    for name, text in {"dags/greet.py": DAG % "greet", "include/greeting.py": "WORDS = 'hello there'\n"}.items():
        (project / name).parent.mkdir(parents=True)
        (project / name).write_text(text)
    runtime = Embedded(project, root / "a stäte", USER_CACHE / "aws-airflow-tasks", request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(root))
        before = tree(project)
        runtime.start(DOTENV, restart=False, wait=300)
    yield runtime
    runtime.stop()
    assert family(runtime) == []
    assert tree(project) == before


def family(runtime: Embedded) -> list[psutil.Process]:
    return processes.marked(airflow_config.MARK, str(runtime.state))


def test_every_component_is_healthy_and_has_what_dotenv_says(airflow: Embedded) -> None:
    running = airflow.running()
    assert [service.name for service in running if service.healthy] == list(airflow.services())
    assert not [service.name for service in running if not DOTENV.items() <= service.environment.items()]


def test_a_dag_is_run_and_its_log_read(airflow: Embedded) -> None:
    api = airflow_api.connect(airflow.login(), wait=120)
    done = dag_runs.run(api, "greet")
    assert done.state == "success"
    assert "hello there" in api.log("greet", done.run_id, "greet")


def test_only_this_machine_can_reach_it_while_a_dag_has_run(airflow: Embedded) -> None:
    listening: set[str] = set()
    for process in family(airflow):
        with contextlib.suppress(psutil.NoSuchProcess):  # a task's own process may end while we look
            listening |= {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_the_password_lets_in_no_other_does_and_it_is_in_no_argument_and_no_log(airflow: Embedded) -> None:
    login = airflow.login()
    with pytest.raises(TaskError, match="refuses the user admin"):
        airflow_api.connect(airflow_api.Login(login.url, "admin", "wrong", login.major)).has_dag("greet")
    arguments = []
    for process in family(airflow):
        with contextlib.suppress(psutil.NoSuchProcess):
            arguments += process.cmdline()
    assert arguments
    assert not [argument for argument in arguments if login.password in argument]
    logs = [path for path in airflow.state.rglob("*.log") if login.password in path.read_text(errors="replace")]
    assert logs == []


def test_a_dag_file_that_cannot_be_imported_is_named_with_the_reason(
    airflow: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dag_runs, "STALE", 0)
    broken = airflow.project / "dags" / "broken.py"
    broken.write_text("import nowhere\n" + DAG % "broken")
    try:
        with pytest.raises(TaskError, match=r"broken\.py cannot be imported: .*nowhere"):
            dag_runs.run(airflow_api.connect(airflow.login(), wait=60), "broken")
    finally:
        broken.unlink()


def test_a_start_after_everything_was_killed_finds_the_data_from_before(
    airflow: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "spawn", REAL_SPAWN)
    run = dag_runs.run(airflow_api.connect(airflow.login(), wait=120), "greet")
    scheduler = next(service for service in airflow.running() if service.name == "scheduler")
    victim = psutil.Process(int(scheduler.identity.split(":")[0]))
    victim.kill()
    victim.wait(10)
    assert "scheduler" not in [service.name for service in airflow.running()]
    for process in family(airflow):
        process.kill()
    airflow.start(DOTENV, restart=False, wait=300)
    assert airflow_api.connect(airflow.login()).state("greet", run.run_id) == "success"
