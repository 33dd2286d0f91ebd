"""The table of what AWS takes agrees with what AWS's own pages say, as the tests' proxy has it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aws_airflow_tasks.backends import limits
from aws_airflow_tasks.settings import Settings
from tests.world import aws_rules

NAMES = st.text(st.sampled_from("aAzZ09/_+=.@-wWsSmM é$"), max_size=20) | st.builds(
    lambda piece, times: f"/{piece}" * times, st.sampled_from(["a", "x" * 100, "aws", "ssm.x"]), st.integers(0, 18)
)
VALUES = st.text(max_size=8) | st.builds(
    lambda piece, times, more: piece * times + more,
    st.sampled_from(["x", "ä", "{", "}", "{{ds}}", "\n"]),
    st.sampled_from([0, 1, 2, 1024, 2048, 4096, 8192, 32_768, 65_536]),
    st.sampled_from(["", "x", "}}", "\ud800"]),
)


def of_aws(backend: str, tier: str, name: str, value: str) -> aws_rules.Refusal | None:
    if backend == "secrets-manager":
        return aws_rules.limits("CreateSecret", {"Name": name, "SecretString": value})
    body: dict[str, Any] = {"Name": name, "Value": value}
    return aws_rules.limits("PutParameter", body | ({"Tier": tier.title()} if tier else {}))


@pytest.mark.parametrize("backend", list(limits.LIMITS))
@given(tier=st.sampled_from(["", "standard", "advanced", "intelligent-tiering"]), name=NAMES, value=VALUES)
@example(tier="", name="/a", value="{{ ds }}")
@example(tier="", name="/awsome/x", value="x")
@example(tier="", name="/a//x", value="x")
@example(tier="", name="/a/x/", value="x")
@example(tier="", name="/a" * 16, value="x")
@example(tier="", name="/a" * 15, value="x" * 4096)
@example(tier="", name="x" * 512, value="x")
@example(tier="", name="x" * 513, value="x")
def test_what_the_table_lets_through_aws_takes(backend: str, tier: str, name: str, value: str) -> None:
    said = limits.said(backend, Settings(tier=tier), name, value)
    refused = of_aws(backend, tier, name, value)
    assert not refused or said, refused
    stricter = (
        "is longer than" in said or "surrogate" in said or (backend == "parameter-store" and not name.startswith("/"))
    )
    assert refused or not said or stricter, said
