"""What steps ask of the place where Airflow looks for variables and connections first; each is a module beside this."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from aws_airflow_tasks.core import TaskError
from aws_airflow_tasks.settings import Settings
from aws_airflow_tasks.world.aws import Account
from aws_airflow_tasks.world.profiles import Credentials


class Entry(NamedTuple):
    """An entry of a backend, without its value.

    Attributes:
        id: by which AWS knows it for certain, such as its ARN.
        name: its name.
        tags: its tags.
        pending_deletion: whether it is scheduled for deletion, and so looks absent to Airflow.
        key: the KMS key that encrypts it, in one of the forms that AWS has for it.
        tier: Parameter Store's, as the setting has it; empty elsewhere.
        rewritten: whether it has been given a value since it was made.
    """

    id: str
    name: str
    tags: Mapping[str, str]
    pending_deletion: bool = False
    key: str = ""
    tier: str = ""
    rewritten: bool = False


def pairs(tags: Mapping[str, str]) -> Any:
    """Tags as AWS takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


class Read(NamedTuple):
    """How botocore reads an entry's value, as data: a service that is probed asks AWS itself so.

    Attributes:
        service: botocore's name of the service.
        operation: its method.
        arguments: the method's keyword arguments.
        answer: the keys that lead to the value in the answer.
    """

    service: str
    operation: str
    arguments: Mapping[str, str | bool]
    answer: tuple[str, ...]


class Backend(Protocol):
    """One of Airflow's secrets backends at AWS; a module has just these names.

    Every function that asks AWS raises TaskError when AWS refuses or does not answer (``world.causes.Unreachable``).
    """

    #: as the setting ``backend`` has it
    NAME: str
    #: what a person calls one entry
    ENTRY: str
    #: the class that Airflow loads
    CLASS: str
    #: which of the arguments that only some of these classes have it has
    ARGUMENTS: frozenset[str]
    #: by the function that asks AWS the IAM actions that it takes: ``describe``, ``get``, ``create``, ``delete`` …
    ACTIONS: dict[str, tuple[str, ...]]

    def kwargs(self, settings: Settings, known: Credentials) -> dict[str, str]:
        """The keyword arguments that Airflow makes the class with."""

    def name(self, prefix: str, entry: str, sep: str = "/") -> str:
        """The name of the entry of a variable's key or a connection's id, as the class joins it to a prefix."""

    def variable_name(self, settings: Settings) -> str:
        """The name of the check variable's entry."""

    def connection_name(self, settings: Settings) -> str:
        """The name of the check connection's entry."""

    def look(self, name: str, account: Account) -> str:
        """The command by which a person looks at an entry, without its value."""

    def read(self, name: str) -> Read:
        """How an entry's value is read."""

    def explained(self, account: Account, name: str) -> AbstractContextManager[None]:
        """Turn the errors of a call about an entry into :class:`TaskError`."""

    def describe(self, account: Account, name: str) -> Entry | None:
        """An entry without its value, pending deletion included; None when there is none."""

    def get(self, account: Account, name: str) -> str | None:
        """An entry's value; None when there is none that Airflow would see."""

    def create(self, account: Account, name: str, value: str, tags: Mapping[str, str]) -> str:
        """Create an entry and return its id. Raises TaskError when there is one, or one is scheduled for deletion.

        Of the account's settings ``kms_key`` encrypts it, where there is one.
        """

    def tag(self, account: Account, entry_id: str, tags: Mapping[str, str]) -> None:
        """Give an entry these tags, whatever others it has."""

    def delete(self, account: Account, entry_id: str) -> None:
        """Delete an entry for good; one that is gone already is fine."""

    def scheduled(self, account: Account, name: str) -> TaskError:
        """The error of an entry whose deletion is scheduled."""
