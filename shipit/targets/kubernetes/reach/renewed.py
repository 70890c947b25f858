"""A token that is made again before it ends."""

import time
from collections.abc import Callable
from threading import Lock

import msgspec

_JUST_NOW = 5.0  # seconds in which a token is fresh also for the threads that met the same 401


class Token(msgspec.Struct, frozen=True):
    """`ends` is in seconds of time.time(): a laptop that slept does not take an old one for new."""

    value: str
    ends: float = float("inf")

    def __repr__(self) -> str:
        return "Token(***)"


class Renewed:
    """`Access.authorization` over a function that makes a token. Threads share it.

    `early` is how long before its end a token is replaced, in seconds.
    """

    def __init__(
        self,
        make: Callable[[], Token],
        *,
        early: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._make, self._early, self._clock = make, early, clock
        self._lock = Lock()
        self._token: Token | None = None
        self._made = float("-inf")

    def __call__(self, fresh: bool) -> str:
        with self._lock:
            now = self._clock()
            held = self._token
            if held is None or now >= held.ends - self._early or (fresh and self._is_old(now)):
                held = self._token = self._make()
                self._made = now
            return f"Bearer {held.value}" if held.value else ""

    def _is_old(self, now: float) -> bool:
        return now - self._made > _JUST_NOW
