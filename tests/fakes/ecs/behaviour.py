"""What the containers of an image do: data that a test puts into `sim.images`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Behaviour:
    """Times are seconds: `pull` before the container starts, the others after it started.

    The default pulls within 5 s, runs for ever and is healthy after 5 s.
    `exits` and `exit_code`: it ends by itself then. `healthy_after` None: its health check never
    passes. `in_service_after` None: the load balancer's never does. `stop_takes`: from SIGTERM to
    its end. `cannot_pull`: why the image cannot be pulled; `cannot_start`: the whole reason why
    the task cannot start (`ResourceInitializationError: …`). `digest` is reported instead of the
    reference's own, and stands for a tag's. `commands`: what it does when its command, from the
    task definition or an override, is another.
    """

    pull: float = 5
    exits: float | None = None
    exit_code: int = 0
    out_of_memory: bool = False
    healthy_after: float | None = 5
    unhealthy_after: float | None = None
    in_service_after: float | None = 5
    stop_takes: float = 2
    cannot_pull: str = ""
    cannot_start: str = ""
    digest: str = ""
    commands: Mapping[tuple[str, ...], "Behaviour"] = field(default_factory=dict)

    def with_command(self, command: tuple[str, ...], does: "Behaviour") -> "Behaviour":
        return replace(self, commands={**self.commands, command: does})


def runs(*, pull: float = 5, healthy_after: float = 5) -> Behaviour:
    return Behaviour(pull=pull, healthy_after=healthy_after, in_service_after=healthy_after)


def ends(exit_code: int = 0, *, after: float = 3) -> Behaviour:
    """A task that is run once, or a service's container that crashes when the code is not 0."""
    return Behaviour(exits=after, exit_code=exit_code)


def never_healthy() -> Behaviour:
    return Behaviour(healthy_after=None, in_service_after=None)


def out_of_memory(*, after: float = 3) -> Behaviour:
    return Behaviour(exits=after, exit_code=137, out_of_memory=True)


def cannot_pull(reason: str = "") -> Behaviour:
    return Behaviour(cannot_pull=reason or "not found")
