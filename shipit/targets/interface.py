"""What a target is. A new one is a module, a line in the table of `kinds.py` and a folder of cases.

The order of use: `check`, `observe`, `plan` (pure), `apply`, `follow`. What only some targets can
do is a Protocol of its own, asked for with isinstance once.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from shipit.model.deployment import (
    Desired,
    Finding,
    Leftover,
    Observed,
    ObservedService,
    Plan,
    Rollout,
)
from shipit.model.image import Image
from shipit.model.permission import Permission
from shipit.model.progress import Outcome, Progress


class Target(Protocol):
    """One place where an environment runs."""

    name: str

    def check(self, desired: Desired | None) -> Iterator[Finding]:
        """What would stop a deployment here. `desired` is None while there is no release yet."""

    def observe(self) -> Observed:
        """What runs now. Raises PreconditionError when the target cannot be reached."""

    def plan(self, desired: Desired, observed: Observed) -> Plan:
        """Pure. Raises ConfigurationError for what the target cannot honour, by its path."""

    def apply(self, plan: Plan) -> Rollout:
        """Make it so. Raises PreconditionError, with nothing changed, when it no longer holds."""

    def follow(self, rollout: Rollout) -> Iterator[Progress | Outcome]:
        """Progress until the end, which is one Outcome, within the plan's deadline."""


@runtime_checkable
class Preflights(Protocol):
    def preflight(self, plan: Plan) -> Plan | None:
        """Ask the world what `plan`, being pure, cannot: after planning, before anything changes.

        The plan as the world's own dry run tells it, or None where it stays as it is. Raises
        PreconditionError (a port that another program holds). `apply` asks again itself.
        """


@runtime_checkable
class RunsTasks(Protocol):
    def run_task(self, desired: Desired, service: str, key: str) -> Iterator[Progress | Outcome]:
        """Run a one-off service to its end. `key` names this run: asked again with the same key
        after a crash, it waits for (or reports) the run there was instead of starting another."""


@runtime_checkable
class RunsCommands(Protocol):
    def run(self, desired: Desired, service: str, command: Sequence[str], *, tty: bool) -> int:
        """A new container of the service for one command, its exit code returned."""


@runtime_checkable
class Logs(Protocol):
    def logs(
        self, services: Sequence[str], *, follow: bool, tail: int | None, since: str | None
    ) -> Iterator[tuple[str, str]]:
        """(container, line), as they are written."""


@runtime_checkable
class Exec(Protocol):
    def exec(self, service: str, command: Sequence[str], *, tty: bool) -> int:
        """A command in a running container of the service, its exit code returned."""


@runtime_checkable
class Lists(Protocol):
    def containers(self) -> Sequence[dict[str, str]]:
        """Rows for `shipit ps`: name, service, image, digest, state, health, ports, since."""


@runtime_checkable
class Scales(Protocol):
    def stop(self, services: Sequence[str]) -> Sequence[ObservedService]: ...
    def start(self, services: Sequence[str]) -> Sequence[ObservedService]: ...


@runtime_checkable
class NeedsPermissions(Protocol):
    def permissions(
        self, desired: Desired | None, account: str, *, clearing: bool = False
    ) -> Sequence[Permission]:
        """What the identity that deploys has to be allowed in the cloud, and with `clearing` what
        LeavesOver needs. `account` is asked for when it is empty. Raises PreconditionError when
        nothing tells it."""


@runtime_checkable
class NeedsRole(Protocol):
    def role(
        self, releases: Sequence[Desired], subject: tuple[str, str] | None
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """The cluster's objects that allow the identity that deploys what it needs for all of the
        releases: Roles, and their bindings to a `subject` (kind, name). Then, in sentences, what
        they do not say. The newest release is the first; there may be none yet."""


@runtime_checkable
class GoesBack(Protocol):
    def check_return(
        self, desired: Desired | None, earlier: Sequence[Desired]
    ) -> Iterator[Finding]:
        """What would stop going back to releases that were proven here, beside what `check` says
        of `desired`."""


@runtime_checkable
class JudgesUsers(Protocol):
    def check_users(
        self, desired: Desired, read: Callable[[Image], Collection[str]]
    ) -> Iterator[Finding]:
        """The containers that would not be started as the user that their image has. `read` gives
        that of each of its platforms (image-spec config.md, `User`); it may raise ShipitError."""


@runtime_checkable
class LeavesOver(Protocol):
    """Deployments leave things here that outlive them; they are taken away on purpose alone."""

    def leftovers(self, releases: Collection[str], keep: int) -> Sequence[Leftover]:
        """What nothing needs any more, but the newest `keep` of each kind. What the releases with
        these ids left stays."""

    def clear(self, leftovers: Sequence[Leftover]) -> Iterator[str]:
        """Take them away; the names, as they go."""


@runtime_checkable
class Removes(Protocol):
    def remove(self, *, volumes: bool) -> Sequence[str]:
        """Everything of the environment (volumes only when asked); what was removed, by name."""
