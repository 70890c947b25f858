"""The one retry policy. Whoever owns a piece of work wraps it once; nothing below tries again."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from shipit.errors import RemoteError

T = TypeVar("T")

TRIES = 5
_FIRST = 0.2  # seconds; doubled each time, with full jitter
_LONGEST = 30.0  # seconds; a registry that asks for more has to be asked again by a person


def persist(work: Callable[[], T], *, tries: int = TRIES) -> T:
    """Run `work` until it succeeds, `tries` times at most, while its errors are temporary."""
    for attempt in range(1, tries):
        try:
            return work()
        except RemoteError as error:
            if not error.temporary or error.retry_after > _LONGEST:
                raise
            time.sleep(_pause(attempt, error.retry_after))
    return work()


def _pause(attempt: int, retry_after: float) -> float:
    """Seconds: what the other side asked for, else exponential with full jitter."""
    if retry_after:
        return retry_after + random.uniform(0, _FIRST)  # noqa: S311 - no secret in it
    return random.uniform(0, _FIRST * 2**attempt)  # noqa: S311
