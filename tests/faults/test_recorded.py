"""What proofs were told of faults in a real Airflow comes to the layer and the cause that the table has for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aws_airflow_tasks.core import Check
from aws_airflow_tasks.runtimes.protocol import Service
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.site import Site
from aws_airflow_tasks.steps import layers, probing, symptoms, verify
from aws_airflow_tasks.steps.probing import Expected
from aws_airflow_tasks.world import causes, dag_runs
from aws_airflow_tasks.world.airflow_api import DagImportError
from aws_airflow_tasks.world.aws import Identity
from aws_airflow_tasks.world.dag_runs import DagRun
from tests import facts
from tests.faults import table
from tests.faults.bed import CANARY

RECORDED: Mapping[str, Any] = json.loads(Path(__file__).with_name("recorded.json").read_text())
FAULTS = table.LIVE | table.IN_THE_COPY
ME = Identity("123456789012", "arn:aws:iam::123456789012:user/airflow-sandbox", "A")
EXPECTED = Expected(ME, {}, "nonce", "example.com")


class Told:
    """Answers as the services of a real Airflow did."""

    def __init__(self, data: Mapping[str, Any], staged: bool) -> None:
        self.data = data
        self.site = facts.site(
            Settings(region="eu-west-1"),
            runtime=SimpleNamespace(mounts=False, name="embedded"),
            way=SimpleNamespace(name="export" if staged else "live"),
            running=(Service("scheduler", True, {}),),
            delivered=SimpleNamespace(
                staged=staged,
                profile="default",
                directory=Path("/staged"),
                config_file=Path("/staged/config"),
                credentials_file=Path("/staged/credentials"),
            ),
        )

    def ask(self, site: Site, service: str, script: str, question: Any) -> Any:
        return self.data[script]

    def import_errors(self) -> list[DagImportError]:
        return [DagImportError(*each) for each in self.data["imports"]]

    def checks(self) -> Iterator[Check]:
        """What a proof finds by that, layer by layer."""
        data, expected = self.data, EXPECTED
        if "host" in data:
            yield self.host(data["host"])
        if "probe" in data:
            expected = Expected(ME, data["probe"]["environment"], "nonce", EXPECTED.host)
            yield from probing.service_checks(self.site, "scheduler", expected)
        if "backend" in data:
            yield probing.backend_check(self.site, expected)
        if "hook" in data:
            yield probing.hook_check(self.site, expected, data.get("log", ()))
        if "state" in data:
            yield verify._dag_run(self.site, expected, DagRun("manual__1", data["state"]), data["log"])
        elif "imports" in data:
            yield verify._reported("dag-run", self.imported)

    def host(self, error: Mapping[str, Any]) -> Check:
        more = {name: error[name] for name in ("code", "operation", "status", "kwargs")}
        told = causes.explain(symptoms.told(error["names"], error["said"], **more), causes.Subject("default"))
        of_an_entry = ":secretsmanager:" in str(error.get("about", "")) and not isinstance(told, causes.Ended)
        layer = "raw-secret" if of_an_entry else "host-identity"
        return Check(layer, "failed", told.message, told.hint)

    def imported(self) -> Check:
        api: Any = self
        dag_runs._unimported(api, "example_secrets_dag")
        raise AssertionError("nothing is said of it")


@pytest.mark.parametrize("name", RECORDED)
def test_what_a_proof_was_told_of_a_fault_is_its_layer_its_cause_and_what_mends_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = FAULTS[name.rpartition(" (")[0]]
    told = Told(RECORDED[name], staged=name.startswith("copy: "))
    monkeypatch.setattr(probing, "_ask", told.ask)
    made: Any = SimpleNamespace(files=("config", "credentials"))
    monkeypatch.setattr(probing.staging, "last", lambda state: made)
    failed = next(check for check in layers.ended(told.checks()) if check.status == "failed")
    assert failed.check == fault.layer
    assert fault.cause in failed.detail
    assert failed.hint


def test_nothing_secret_and_no_place_of_a_machine_was_recorded() -> None:
    text = json.dumps(RECORDED)
    assert CANARY not in text
    assert not {word for word in ("/tmp/", "/root/") if word in text}


def test_faults_of_every_layer_that_errors_tell_of_were_recorded_of_both_versions_of_airflow() -> None:
    seen = {(FAULTS[name.rpartition(" (")[0]].layer, name[-2]) for name in RECORDED}
    wanted = ("host-identity", "files-readable", "identity-in-service", "backend", "hook-identity", "dag-run")
    assert {(layer, major) for layer in wanted for major in "23"} <= seen
