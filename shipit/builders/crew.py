"""Work on several threads that gives one stream of items, and ends together."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Lock
from typing import TypeVar

import msgspec

T = TypeVar("T")


class Crew:
    """The programs that run now, so that all of them can be ended at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ends: list[Callable[[], None]] = []
        self._stopped = False

    def started(self, end: Callable[[], None]) -> None:
        """`end` ends a program that has just begun: at once, if the crew was stopped before."""
        with self._lock:
            self._ends.append(end)
            if self._stopped:
                end()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            for end in self._ends:
                end()


class _Ended(msgspec.Struct):
    error: BaseException | None = None


def together(tasks: Sequence[Callable[[Crew], Iterator[T]]], at_once: int) -> Generator[T]:
    """Every task's items as they come, `at_once` tasks at a time, begun in the order given.

    The first error stops the others and is raised. So does leaving the iterator early.
    """
    crew, items = Crew(), SimpleQueue[T | _Ended]()
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="build")
    try:
        for task in tasks:
            pool.submit(_drain, task, crew, items)
        left = len(tasks)
        while left:
            item = items.get()
            if not isinstance(item, _Ended):
                yield item
                continue
            if item.error:
                raise item.error
            left -= 1
    finally:
        crew.stop()
        pool.shutdown(cancel_futures=True)


def _drain(
    task: Callable[[Crew], Iterator[T]], crew: Crew, items: "SimpleQueue[T | _Ended]"
) -> None:
    try:
        for item in task(crew):
            items.put(item)
        items.put(_Ended())
    except BaseException as error:  # noqa: BLE001 - raised again where the items are read
        items.put(_Ended(error))
