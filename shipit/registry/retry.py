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
_MOST = 100  # failures of one long piece of work, however far it came between them


class Patience:
    """How often a piece of work has failed, and whether it is tried again."""

    def __init__(self, tries: int = TRIES) -> None:
        self._tries = tries
        self._failed = self._in_all = 0

    def progressed(self) -> None:
        """It came further than before: the count begins anew."""
        self._failed = 0

    def spend(self, error: RemoteError) -> None:
        """Wait for the next try. Raises the error when there is none, and then for good."""
        self._failed += 1
        self._in_all += 1
        if not error.temporary or error.retry_after > _LONGEST:
            raise error
        if self._failed >= self._tries or self._in_all >= _MOST:
            error.temporary = False
            raise error
        time.sleep(_pause(self._failed, error.retry_after))


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
