"""A run of the product's own that is killed at any moment is mended by the next, and undo gives every byte back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.world.test_files_crash import run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="system calls are stepped with Linux's ptrace")

CODE = """
from aws_airflow_tasks import undo as undoing
from aws_airflow_tasks.play import Play
from aws_airflow_tasks.screen import Screen
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import env, mount
from aws_airflow_tasks.world import state
from aws_airflow_tasks.world.profiles import Credentials

class Silent(Screen):
    def say(self, text):
        pass

BEFORE = {{
    ".env": b"# mine\\r\\nAWS_PROFILE=work  # theirs\\r\\nA=1\\r\\n",
    "docker-compose.override.yml": b"# mine\\nservices:\\n  scheduler:\\n      image: x   # odd\\n",
    "Dockerfile": b"FROM astrocrpublic.azurecr.io/runtime:3.1-12\\n",
    ".astro/config.yaml": b"project:\\n  name: mine\\n",
}}
found, outcomes = {{}}, set()

def at_home(place):
    '''A HOME of its own; what the profile says is given, so that nothing but files and receipts is stepped through.'''
    os.environ["HOME"] = str(place)
    known = Credentials(
        profile="default", kind="static", source="static", region="eu-west-1", region_origin="the profile",
        output="json", chain=("default",), config_file=place / ".aws" / "config",
        credentials_file=place / ".aws" / "credentials", staged=False,
    )
    Site.credentials = Site.delivered = property(lambda site: known)
    return place / "dwh"

def play(place):
    return Play(Settings(project=at_home(place), runtime="docker", credentials="live", override=True), "it", Silent())

def done(playing):
    code = playing.finish()
    assert not playing.failed and code == 0, [str(result.error) for result in playing.results]
    return {{result.step: result.status for result in playing.results}}

def setup(place):
    playing = play(place)
    playing.converge({step!r}, {step}.plan)
    return done(playing)

def undo(place):
    playing = play(place)
    playing.converge_each("undo", undoing.plans, undoing.rest)
    return done(playing)

def files_of(place):
    return {{name: files.read(place / "dwh" / name) for name in BEFORE}}

def begin(place):
    for name, data in BEFORE.items():
        path = place / "dwh" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

def no_leftover(place):
    assert not list(place.rglob(".aws-airflow-*")), list(place.rglob(".aws-airflow-*"))

def converges_and_goes_back(place):
    now = files_of(place)
    for name, data in now.items():
        assert data in (BEFORE[name], found["after"][name]), (name, data)
    changed = tuple(name for name in now if now[name] != BEFORE[name])
    outcomes.add((changed, len(receipts.load(state.locate(place / "dwh")))))
    if {first!r} == "setup":
        setup(place)
        no_leftover(place)
        assert files_of(place) == found["after"], files_of(place)
        assert set(setup(place).values()) == {{"ok"}}
    undo(place)
    no_leftover(place)
    assert files_of(place) == BEFORE, files_of(place)
    assert not state.locate(place / "dwh").exists()
    assert {{path.name for path in place.iterdir()}} <= {{".local", "dwh"}}, sorted(place.iterdir())

def prepare(place):
    begin(place)
    at_home(place)
    if {killed!r} == "undo":
        setup(place)

def work(place):
    {killed}(place)

(Path(sys.argv[1]) / "0").mkdir()
begin(Path(sys.argv[1]) / "0")
setup(Path(sys.argv[1]) / "0")
found["after"] = files_of(Path(sys.argv[1]) / "0")
undo(Path(sys.argv[1]) / "0")  # with this all is loaded that is imported late
kills = killed_everywhere(Path(sys.argv[1]), prepare, work, converges_and_goes_back, look=on_disk)
print(json.dumps({{"kills": kills, "outcomes": sorted(outcomes)}}))
"""


FILES = {"env": ".env", "mount": "docker-compose.override.yml"}


@pytest.mark.parametrize("first", ["setup", "undo"], ids="{} comes next".format)
@pytest.mark.parametrize("killed", ["setup", "undo"], ids="{} is killed".format)
@pytest.mark.parametrize("step", FILES)
def test_killed_after_each_system_call_that_changes_anything_on_disk(
    step: str, killed: str, first: str, tmp_path: Path
) -> None:
    """Each file is the old or the new one, whole; the next setup converges, the next undo leaves nothing of ours."""
    found = run(CODE.format(step=step, killed=killed, first=first), tmp_path)
    assert found["outcomes"] == [[[], 0], [[], 1], [[FILES[step]], 1]]  # what was changed, and how many receipts
    assert int(str(found["kills"])) > 12
