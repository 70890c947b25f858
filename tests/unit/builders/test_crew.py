import sys
import threading
from typing import Any

import pytest

from shipit import process
from shipit.builders.crew import Crew, together
from shipit.errors import ShipitError

SLEEPER = [sys.executable, "-c", "print('begun', flush=True); import time; time.sleep(600)"]


def counting(name: str, count: int) -> Any:
    def task(crew: Crew) -> Any:
        for number in range(count):
            yield f"{name}{number}"

    return task


def test_every_item_of_every_task_comes() -> None:
    items = list(together([counting("a", 3), counting("b", 2)], 2))
    assert sorted(items) == ["a0", "a1", "a2", "b0", "b1"]
    assert [i for i in items if i.startswith("a")] == ["a0", "a1", "a2"]


def test_tasks_begin_in_the_order_given() -> None:
    items = list(together([counting("a", 1), counting("b", 1), counting("c", 1)], 1))
    assert items == ["a0", "b0", "c0"]


def sleeping(ended: Any) -> Any:
    def task(crew: Crew) -> Any:
        yield from process.stream(SLEEPER, deadline=100, started=crew.started)
        ended.set()

    return task


def test_the_first_error_ends_the_others_and_is_raised() -> None:
    ended, begun = threading.Event(), threading.Event()

    def failing(crew: Crew) -> Any:
        assert begun.wait(60)
        yield "about to fail"
        raise ShipitError("it broke")

    items = together([sleeping(ended), failing], 2)
    assert next(items) == "begun"
    begun.set()
    with pytest.raises(ShipitError, match="it broke"):
        list(items)
    assert ended.is_set()


def test_leaving_early_ends_what_runs() -> None:
    ended = threading.Event()
    items = together([sleeping(ended)], 2)
    assert next(items) == "begun"
    items.close()
    assert ended.is_set()


def test_what_begins_after_the_end_is_ended_at_once() -> None:
    crew, ended = Crew(), threading.Event()
    crew.stop()
    crew.started(ended.set)
    assert ended.is_set()
