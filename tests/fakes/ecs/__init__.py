"""A simulated ECS: the real protocol on a socket, and a clock that tests move."""

from tests.fakes.ecs.behaviour import (
    Behaviour,
    cannot_pull,
    ends,
    never_healthy,
    out_of_memory,
    runs,
)
from tests.fakes.ecs.simulation import Request, SimulatedEcs
from tests.fakes.ecs.world import Timings

__all__ = [
    "Behaviour",
    "Request",
    "SimulatedEcs",
    "Timings",
    "cannot_pull",
    "ends",
    "never_healthy",
    "out_of_memory",
    "runs",
]
