"""What the table says of a variable holds for a container that has it from its image or from a compose file."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker import DockerClient
from docker.errors import ImageNotFound

from aws_airflow_tasks.runtimes import dockerfile_env, venv
from aws_airflow_tasks.runtimes.precedence import Ours, find
from tests.docker import images
from tests.docker.engine import GROUP, engine, with_airflow
from tests.runtimes.test_precedence import AIRFLOW, AIRFLOWS, AWS, BOTOCORE, environment, ours

__all__ = ["engine", "ours", "with_airflow"]
pytestmark = [pytest.mark.e2e, GROUP]

#: a home that every user of the image may write to
HOME = Path("/tmp")
#: what runs in a container, given the variables that it adds to the image's and those that the image itself has
Run = Callable[..., bytes]


def written(variables: dict[str, str]) -> str:
    """Instructions of a Dockerfile that set ``variables``."""
    return "".join(f"ENV {name}={json.dumps(value)}\n" for name, value in variables.items())


@pytest.fixture
def run(with_airflow: DockerClient, tmp_path: Path) -> Iterator[Run]:
    made = dict[str, int]()
    tmp_path.chmod(0o755)

    def in_container(argv: list[str], added: dict[str, str], image: dict[str, str], major: int = 3) -> bytes:
        name, text = images.airflow(major), f"FROM {images.airflow(major)}\n{written(image)}"
        assert dockerfile_env.variables(text).items() >= image.items()
        if image:
            name = str(with_airflow.images.build(fileobj=io.BytesIO(text.encode()), rm=True)[0].id)
            made[name] = len(image)
        container = with_airflow.containers.create(
            name,
            argv,
            environment=added,
            volumes={str(tmp_path): {"bind": str(tmp_path), "mode": "ro"}},
            network_mode="none",
        )
        try:
            container.start()
            container.wait()
            return bytes(container.logs(stderr=False))  # all of it is there now
        finally:
            container.remove(force=True)

    yield in_container
    for name in sorted(made, key=made.__getitem__, reverse=True):  # those that others are built on come last
        with contextlib.suppress(ImageNotFound):  # one that was built on it has taken it along
            with_airflow.images.remove(name)


def seen(run: Run, added: dict[str, str], image: dict[str, str]) -> dict[str, str]:
    """The variables of a process in such a container."""
    lines = run(["env", "-0"], added, image).decode().split("\0")
    return dict(line.split("=", 1) for line in lines if line)


@pytest.mark.parametrize("place", ["ENV", "environment:"])
def test_a_process_in_a_container_resolves_something_else_just_where_the_table_says_so(
    run: Run, place: str, ours: Ours, tmp_path: Path
) -> None:
    for script, rows, reference in ((BOTOCORE, AWS, {}), (AIRFLOW, AIRFLOWS, {"REFERENCE": "1"})):
        environments = [seen(run, environment(ours, reference, HOME), {})]
        for each in rows:
            added, image = ({}, each) if place == "ENV" else (each, {})
            environments.append(seen(run, environment(ours, added, HOME), image))
        (tmp_path / "environments").write_text(json.dumps(environments))
        typed = ["sh", "-c", f"python -c \"$0\" < '{tmp_path}/environments'", script]
        for major in (3, 2):
            first, *answers = json.loads(run(typed, {"AIRFLOW_HOME": str(HOME)}, {}, major).splitlines()[-1])
            if script == AIRFLOW:
                assert first["backends"][0][0] == "SecretsManagerBackend"
                answers = [answer | ({} if answer["hook"] else {"hook": first["hook"]}) for answer in answers]
            else:
                assert first[0] == "AKIADEV"
            known = ours._replace(airflow=tuple(map(int, venv.version(major).split(".")[:2])))
            there = [{**each, **ours.lines} if place == "ENV" else {**ours.lines, **each} for each in rows]
            verdicts = [(each, bool(find(variables, known))) for each, variables in zip(rows, there, strict=True)]
            assert [(each, answer != first) for each, answer in zip(rows, answers, strict=True)] == verdicts
