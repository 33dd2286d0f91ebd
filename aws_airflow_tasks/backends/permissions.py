"""What AWS must allow a person for each task: one table, from which a policy and the documentation are made.

A task's row has what it does itself to entries of the backend, by the names in the backend's ``ACTIONS``; what it runs
first has rows of its own. A task without a row asks nothing of AWS but who the person is, if it depends on ``creds``.
That :data:`IDENTITY` needs no permission, unless the profile assumes a role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aws_airflow_tasks.backends import ALL, Backend

#: what a row has for a list of every other backend's entries, which may be denied: then it is not known
ELSEWHERE = "list elsewhere"
#: by task what it does to entries
Rows = Mapping[str, tuple[str, ...]]
#: to the check variable and connection
CHECKS: Rows = {
    "secrets": ("describe", "create", "get", "delete"),
    "status": ("describe",),
    "verify": ("get",),
    "undo": ("describe", "get", "delete"),
}
#: to the person's own variables and connections; `doctor` to one that is not there
OWN: Rows = {
    "doctor": ("describe", "batch", "get"),
    "secrets.list": ("list",),
    "secrets.get": ("batch", "get"),
    "secrets.history": ("history",),
    "secrets.lint": ("list", "batch", "get", ELSEWHERE),
    "secrets.put": ("batch", "get", "describe", "create", "replace", "restore"),
    "secrets.delete": ("batch", "get", "describe", "delete"),
    "secrets.sync": ("list", "batch", "get", "describe", "create", "replace", "delete", "restore"),
    "undo": ("batch", "get", "describe", "replace", "delete", "restore"),
}
#: allowed to everybody: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
IDENTITY = "sts:GetCallerIdentity"
#: by the service in an action's name, the ARNs of an entry: AWS judges a secret that is there by the one with six more
#: characters, and what is asked of one that is not (yet) by its bare name
_ARN = "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}"
RESOURCES = {
    "secretsmanager": (_ARN, f"{_ARN}-??????"),
    "ssm": ("arn:{partition}:ssm:{region}:{account}:parameter{name}",),
}
#: actions that can be allowed for no single entry (the Service Authorization Reference has no resource type for them)
FOR_ALL = frozenset({"secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets", "ssm:DescribeParameters"})


def actions(backend: Backend, rows: Rows) -> tuple[str, ...]:
    """The IAM actions that tasks take themselves, sorted, each once."""
    words = {word for row in rows.values() for word in row}
    others = [each.ACTIONS["list"] for each in ALL.values() if each is not backend] if ELSEWHERE in words else []
    own = [backend.ACTIONS[word] for word in words - {ELSEWHERE}]
    return tuple(sorted({action for some in (*own, *others) for action in some}))


def policy(
    allowed: Sequence[str],
    names: Sequence[str],
    *,
    partition: str = "aws",
    region: str = "*",
    account: str = "*",
) -> dict[str, Any]:
    """The smallest IAM policy that allows actions on entries.

    Args:
        allowed: the actions, all of one service.
        names: the entries' names, or patterns of them.
        partition: of the account.
        region: where the entries are; ``*``: anywhere.
        account: the account's number; ``*``: whichever the policy is attached in.
    """
    where = {"partition": partition, "region": region, "account": account}
    forms = [form for service in _services(allowed) for form in RESOURCES[service]]
    arns = [form.format(name=name, **where) for name in names for form in forms]
    statements = (
        ([action for action in allowed if action not in FOR_ALL], arns),
        ([action for action in allowed if action in FOR_ALL], ["*"]),
    )
    return {"Version": "2012-10-17", "Statement": [_allow(*each) for each in statements if each[0]]}


def _services(allowed: Sequence[str]) -> Iterator[str]:
    return iter(dict.fromkeys(action.partition(":")[0] for action in allowed))


def _allow(allowed: Sequence[str], arns: Sequence[str]) -> Mapping[str, Any]:
    return {"Effect": "Allow", "Action": list(allowed), "Resource": list(arns)}


def table(backends: Sequence[Backend], rows: Rows) -> str:
    """For people: a row a task and a column a backend, in Markdown."""
    lines = [["task", *(f"`{backend.NAME}`" for backend in backends)], ["---"] * (len(backends) + 1)]
    for task, row in rows.items():
        asked = (", ".join(f"`{action}`" for action in actions(backend, {task: row})) for backend in backends)
        lines.append([f"`{task}`", *asked])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
