"""Which `pip install` of a Dockerfile reaches Airflow's own Python."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_airflow_tasks.runtimes.dockerfile_runs import pip_installs

BASE = "FROM astrocrpublic.azurecr.io/runtime:3.1-12\n"


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("RUN pip install x", [["x"]]),
        ("run pip3 install --no-cache-dir 'x>=9' y", [["--no-cache-dir", "x>=9", "y"]]),
        ("RUN pip --quiet install x", [["x"]]),
        ("RUN python -m pip install x", [["x"]]),
        ("RUN /usr/local/bin/python3.12 -m pip install x", [["x"]]),
        ("RUN uv pip install --system x", [["--system", "x"]]),
        ("RUN apt-get update && \\\n    # why\n    pip install \\\n      x \\\n      y", [["x", "y"]]),
        ("RUN pip install x; pip install -r more.txt || true", [["x"], ["-r", "more.txt"]]),
        ("RUN (pip install x)", [["x"]]),
        ("RUN --mount=type=cache,target=/var/cache/pip pip install x", [["x"]]),
        ("RUN PIP_INDEX_URL=https://x.example sudo pip install x", [["x"]]),
        ("RUN pip install x > /dev/null 2>&1", [["x"]]),
        ("RUN pip install x # why", [["x"]]),
        ("RUN pip install git+https://x.example/y#egg=x", [["git+https://x.example/y#egg=x"]]),
        ('RUN ["pip", "install", "x"]', [["x"]]),
        ("RUN <<EOF\nset -e\npip install x\nEOF", [["x"]]),
        ("RUN <<-'END' \n\tpip install x\n\tEND\nRUN pip install y", [["x"], ["y"]]),
        ("RUN pip install x\r", [["x"]]),
    ],
)
def test_an_installing_command_is_found_with_its_arguments(run: str, expected: list[list[str]]) -> None:
    assert pip_installs(f"{BASE}{run}\n") == expected


@pytest.mark.parametrize(
    "run",
    [
        "# RUN pip install x",
        "RUN echo pip install x",
        "RUN pip uninstall -y x",
        "RUN pip download x",
        "RUN python -m venv /v && /v/bin/pip install x",
        "RUN python -m venv /v && . /v/bin/activate && pip install x && deactivate",
        "RUN source /v/bin/activate; pip install x",
        "RUN pip install --target /elsewhere x",
        "RUN uv pip install --python /v/bin/python x",
        "RUN pip install --dry-run x",
        "RUN python -m build install x",
        "COPY <<EOF /run.sh\nRUN pip install x\nEOF",
        "ENV A='RUN pip install x'",
        "RUN pip install 'x",
        'RUN ["pip", "install"',
        "ONBUILD RUN pip install x",
    ],
)
def test_what_does_not_reach_airflows_python_is_none(run: str) -> None:
    assert pip_installs(f"{BASE}{run}\n") == []


def test_only_the_last_stage_and_those_that_it_is_built_on_count() -> None:
    text = "FROM a AS one\nRUN pip install x\nFROM b AS two\nRUN pip install y\nFROM one\nRUN pip install z\n"
    assert pip_installs(text) == [["x"], ["z"]]


@given(st.text(st.sampled_from("pip install RUN<E\\\n'\"[&;# FOM-")))
def test_any_text_gives_an_answer(text: str) -> None:
    assert isinstance(pip_installs(f"RUN {text}"), list)
