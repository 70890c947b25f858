"""What goes wrong by script: refusals, lost answers, and reads of an old state."""

import random
from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass, field

from tests.fakes.ecs.errors import EcsError
from tests.fakes.ecs.world import World

THROTTLED = EcsError("ThrottlingException", "Rate exceeded")
WRITES = frozenset(
    ("CreateService", "UpdateService", "DeleteService", "StopServiceDeployment", "RunTask")
)
READS = frozenset(
    (
        "DescribeServices",
        "ListServices",
        "DescribeServiceDeployments",
        "ListServiceDeployments",
        "DescribeServiceRevisions",
        "DescribeTasks",
        "ListTasks",
    )
)


@dataclass
class Refusal:
    """The next `times` requests of `operations` (none named: of all) are answered with `error`.

    `error` None hangs up. `obeyed`: what was asked is done all the same, only the answer is lost.
    """

    error: EcsError | None
    times: int = 1
    operations: Collection[str] = ()
    obeyed: bool = False

    def applies(self, operation: str) -> bool:
        return self.times > 0 and (not self.operations or operation in self.operations)


@dataclass
class Faults:
    refusals: list[Refusal] = field(default_factory=list)
    share: float = 0
    stale_seconds: float = 0
    flapping: bool = False
    _dice: random.Random = field(default_factory=lambda: random.Random(4))
    _old: World | None = None
    _old_until: float = 0
    _reads: int = 0

    def refusal(self, operation: str) -> Refusal | None:
        for refusal in self.refusals:
            if refusal.applies(operation):
                refusal.times -= 1
                return refusal
        thrown = self.share and self._dice.random() < self.share
        return Refusal(THROTTLED) if thrown else None

    def before(self, operation: str, world: World) -> None:
        """Keep the state from before a write, for reads to come."""
        if self.stale_seconds and operation in WRITES:
            if self._old is None or world.now >= self._old_until:
                self._old = deepcopy(world)
            self._old_until = world.now + self.stale_seconds

    def seen_by(self, operation: str, world: World) -> World:
        """The state that this read gets to see."""
        if self._old is None or world.now >= self._old_until or operation not in READS:
            return world
        self._reads += 1
        return world if self.flapping and self._reads % 2 else self._old
