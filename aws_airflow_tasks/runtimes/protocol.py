"""What steps ask of the way Airflow runs; each runtime is a module beside this one that answers it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, Self

from aws_airflow_tasks.world.airflow_api import Login
from aws_airflow_tasks.world.cli import Completed


class Service(NamedTuple):
    """One of Airflow's running services, as it is now.

    Attributes:
        name: ``scheduler``, ``api-server``, ``webserver``, ``dag-processor`` or ``triggerer``.
        healthy: whether Airflow itself (or the engine) says so.
        environment: the environment variables it was started with.
        identity: what changes when it is started anew: a container's id and start time, a pid and its start time.
        mounts: a container's bind mounts: target -> (source, whether it is read-only).
        crashes: whether it ends by itself again and again: waiting for it is in vain.
    """

    name: str
    healthy: bool
    environment: Mapping[str, str] = MappingProxyType({})
    identity: str = ""
    mounts: Mapping[str, tuple[str, bool]] = MappingProxyType({})
    crashes: bool = False


class Ailing(NamedTuple):
    """A part of Airflow, its database included, that no waiting makes well.

    Attributes:
        name: the service's, as Compose has it.
        how: what is wrong with it, in a clause.
        by_itself: whether it ended by itself, so that its log may tell why.
    """

    name: str
    how: str
    by_itself: bool = False


class Runtime(Protocol):
    """One project's Airflow.

    Attributes:
        name: as the setting ``runtime`` has it.
        mounts: whether Airflow's processes are in containers, which credentials reach through a mount in
            ``docker-compose.override.yml``; else they are the person's own, on this host.
        names: the services that Airflow has in any of its versions.
        installs: where the project's ``requirements.txt`` is installed: in the ``image`` that the Dockerfile makes, on
            this ``host``; empty: nowhere, as all that Airflow needs is brought along.
        reads: which reader of ``.env`` it has (``patch.dotenv.read``).
        leaves: what a start leaves in the state directory; empty: nothing.
        kept: what stays of Airflow itself after an undo, and where, for a person; empty: nothing.
    """

    name: str
    mounts: bool
    names: tuple[str, ...]
    installs: Literal["image", "host", ""]
    reads: Literal["compose", "standalone"]
    leaves: str
    kept: str

    @classmethod
    def of(cls, project: Path, state: Path, *, mount_path: str, cache: Path) -> Self:
        """The runtime of a project, with its state directory and what the settings of these names are."""

    def major(self) -> int:
        """Airflow's major version, 2 or 3. Raises TaskError when it cannot be told."""

    def version(self) -> tuple[int, ...]:
        """Airflow's version as far as it is known before it runs: ``(3, 1)``, or ``(3,)``. Raises as :meth:`major`."""

    def services(self) -> tuple[str, ...]:
        """The services of Airflow's own that need credentials."""

    def credentials(self, host: Path) -> str:
        """Where Airflow's processes see the host's credentials directory ``host``."""

    def running(self) -> tuple[Service, ...]:
        """What runs now; empty when nothing does."""

    def start(self, environment: Mapping[str, str], *, restart: bool, wait: int) -> None:
        """Start Airflow and wait until it is healthy, at most ``wait`` seconds; ``environment`` is what ``.env`` says.

        Raises:
            TaskError: it did not come up; the message names the service, the hint the log.
        """

    def await_healthy(self, environment: Mapping[str, str], *, wait: int) -> None:
        """Wait until what runs is healthy, at most ``wait`` seconds, and disturb nothing; ``environment`` as above.

        Raises:
            TaskError: it does not become so; the message names the service, the hint the log.
        """

    def ailing(self) -> tuple[Ailing, ...]:
        """What no waiting makes well, the database first; empty where nothing tells, or nothing was ever started."""

    def stop(self) -> None:
        """Stop Airflow, if it runs."""

    def made(self) -> Mapping[str, str]:
        """By a container's name how it goes on (``paused``), nothing where it has ended; empty: a stop leaves none."""

    def discard(self) -> None:
        """Stop Airflow and remove what its start made, but for its data."""

    def exec(self, service: str, argv: Sequence[str], *, stdin: str = "", timeout: int = 120) -> Completed:
        """Run ``argv`` where ``service`` runs, with the environment it has; a leading ``python`` is Airflow's own."""

    def login(self) -> Login:
        """The REST API of the running Airflow."""

    def database(self) -> Path | None:
        """The file on this host that is Airflow's metadata database; None: it is in a container."""

    def logs(self, services: Sequence[str], *, follow: bool) -> list[str]:
        """The command line that shows, from the project's directory, what services have written; none: all of them.

        Args:
            services: of :meth:`services`.
            follow: whether it goes on with what they write from now on.

        Raises:
            TaskError: they have written nothing.
        """
