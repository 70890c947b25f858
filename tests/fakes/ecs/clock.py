"""Time that only tests move."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic

from tests.fakes.ecs import lifecycle, scheduler
from tests.fakes.ecs.world import Task, World


class Clock:
    """The simulation lives a second at a time. `at` hands something over to a later second.

    `listeners` hear of every task whose lastStatus changed (to write its log lines somewhere).
    """

    def __init__(self, world: World, lock: threading.RLock) -> None:
        self._world = world
        self._lock = lock
        self._plans: list[tuple[float, Callable[[], object]]] = []
        self.listeners: list[Callable[[Task], object]] = []

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self._world.now, UTC)

    def advance(self, seconds: float) -> None:
        with self._lock:
            until = self._world.now + seconds
            while self._world.now < until:
                self._world.now = min(self._world.now + 1, until)
                self._act()
                for task in step(self._world):
                    for listener in self.listeners:
                        listener(task)

    def until(self, holds: Callable[[], bool], *, within: float) -> float:
        """Move until something is so; how many seconds that took."""
        start = self._world.now
        while not holds():
            if self._world.now - start >= within:
                raise AssertionError(f"it was not so within {within:.0f} simulated seconds")
            self.advance(1)
        return self._world.now - start

    @contextmanager
    def running(self, speed: float) -> Iterator[None]:
        """Simulated seconds pass by themselves, `speed` in each real one: for benchmarks."""
        over = threading.Event()
        ticking = threading.Thread(target=self._run, args=(speed, over), daemon=True)
        ticking.start()
        try:
            yield
        finally:
            over.set()
            ticking.join(10)

    def _run(self, speed: float, over: threading.Event) -> None:
        last = monotonic()
        while not over.wait(0.01):
            now = monotonic()
            self.advance((now - last) * speed)
            last = now

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """`action`, so many seconds from now."""
        with self._lock:
            self._plans.append((self._world.now + seconds, action))

    def _act(self) -> None:
        due = [plan for plan in self._plans if plan[0] <= self._world.now]
        self._plans = [plan for plan in self._plans if plan not in due]
        for _, action in sorted(due, key=lambda plan: plan[0]):
            action()


def step(world: World) -> list[Task]:
    """One step of everything; the tasks whose status changed."""
    before = {task.arn: task.last for task in world.tasks.values() if task.last != "STOPPED"}
    for arn in before:
        lifecycle.step(world.tasks[arn], world)
    for service in list(world.services.values()):
        scheduler.step(service, world)
    return [world.tasks[arn] for arn, last in before.items() if world.tasks[arn].last != last]
