"""Time that only tests move."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from tests.fakes.ecs import lifecycle, scheduler
from tests.fakes.ecs.world import World


class Clock:
    """The simulation lives a second at a time. `at` hands something over to a later second."""

    def __init__(self, world: World, lock: threading.RLock) -> None:
        self._world = world
        self._lock = lock
        self._plans: list[tuple[float, Callable[[], object]]] = []

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._world.now, UTC)

    def advance(self, seconds: float) -> None:
        with self._lock:
            until = self._world.now + seconds
            while self._world.now < until:
                self._world.now = min(self._world.now + 1, until)
                self._act()
                step(self._world)

    def until(self, holds: Callable[[], bool], *, within: float) -> float:
        """Move until something is so; how many seconds that took."""
        start = self._world.now
        while not holds():
            if self._world.now - start >= within:
                raise AssertionError(f"it was not so within {within:.0f} simulated seconds")
            self.advance(1)
        return self._world.now - start

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """`action`, so many seconds from now."""
        with self._lock:
            self._plans.append((self._world.now + seconds, action))

    def _act(self) -> None:
        due = [plan for plan in self._plans if plan[0] <= self._world.now]
        self._plans = [plan for plan in self._plans if plan not in due]
        for _, action in sorted(due, key=lambda plan: plan[0]):
            action()


def step(world: World) -> None:
    for task in list(world.tasks.values()):
        if task.last != "STOPPED":
            lifecycle.step(task, world)
    for service in list(world.services.values()):
        scheduler.step(service, world)
