"""The lease: the commit `deployment.started`, and a sign of life beside it.

Nobody compares two machines' clocks: a lease is taken over once its heartbeat has not changed for a
whole TTL on the taker's own monotonic clock, or at once when its owner is provably gone from this
very machine. The take-over is a commit, so there is one taker, and the old owner's commits are
refused from then on.
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import Self

import msgspec

from shipit.errors import ShipitError, UsageError
from shipit.ledger.actor import provably_dead, this_actor
from shipit.ledger.ledger import Ledger
from shipit.ledger.log import numbered
from shipit.model import codec
from shipit.model.duration import format_duration, parse_duration
from shipit.model.events import Actor, Commit, DeploymentInterrupted, Event
from shipit.model.state import Active, State

DEFAULT_TTL = 30.0  # seconds
_BEATS = 3  # in a TTL: two may be lost before anybody takes over
_LOOKS = 20  # in a TTL, by somebody who waits for a sign of life
_LONGEST_TTL = 3600.0


class Standing(StrEnum):
    ALIVE = "alive"
    GONE = "gone"


class Beat(msgspec.Struct, frozen=True):
    """heartbeats/<token>.json: a counter, so that every beat differs from the one before."""

    count: int
    by: Actor


def lease_ttl() -> float:
    """Seconds without a sign of life after which a lease may be taken over: SHIPIT_LEASE_TTL
    (`45s`, `2m`, or a number of seconds), else 30. Raises UsageError."""
    text = os.environ.get("SHIPIT_LEASE_TTL", "").strip()
    if not text:
        return DEFAULT_TTL
    try:
        seconds = float(text) if text[-1].isdigit() else parse_duration(text).total_seconds()
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST_TTL:
        raise UsageError(
            f"SHIPIT_LEASE_TTL is {text!r}",
            "a lease lasts more than nothing and at most an hour",
            "write 30s, 2m or a number of seconds",
        )
    return seconds


def heartbeat_path(token: int) -> str:
    return numbered("heartbeats", token)


class Heartbeat:
    """Rewrites the sign of life of a deployment's lease, from a thread, until the block is left.

    `lost` becomes True when the log says that the lease was taken over or has ended. A store that
    fails is tried again at the next beat; nothing is ever raised in the thread.
    """

    def __init__(
        self, ledger: Ledger, environment: str, token: int, *, ttl: float, by: Actor | None = None
    ) -> None:
        self._ledger = ledger
        self._environment = environment
        self._path = heartbeat_path(token)
        self._token = token
        self._every = ttl / _BEATS
        self._by = by or this_actor()
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"heartbeat-{environment}", daemon=True
        )

    @property
    def lost(self) -> bool:
        return self._lost.is_set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join(self._every)  # a request under way may take longer: it is left behind
        try:
            self._ledger.store.delete(self._path)
        except ShipitError:
            return  # it only tells of a deployment that the log says has ended

    def _run(self) -> None:
        count = 0
        while not self._ended.is_set() and not self.lost:
            count += 1
            self._beat(count)
            self._ended.wait(self._every)

    def _beat(self, count: int) -> None:
        try:
            self._ledger.store.put(self._path, codec.encode(Beat(count, self._by)))
            active = self._ledger.read().environment(self._environment).active
        except ShipitError:
            return
        if active is None or active.token != self._token:
            self._lost.set()


def watch(
    ledger: Ledger,
    active: Active,
    *,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Standing:
    """Whether the owner of a lease shows a sign of life. Takes at most the lease's TTL and a look.

    ALIVE as soon as its heartbeat changes; GONE when it has not for a whole TTL on our own clock.
    A store that fails is no evidence: its error is raised.
    """
    if provably_dead(active.owner):
        return Standing.GONE
    path = heartbeat_path(active.token)
    first, since = ledger.store.get(path), clock()
    while clock() - since < active.ttl:
        wait(min(active.ttl / _LOOKS, 1.0))
        if provably_dead(active.owner):
            return Standing.GONE
        if ledger.store.get(path) != first:
            return Standing.ALIVE
    return Standing.GONE


def take_over(
    ledger: Ledger, environment: str, active: Active, by: Actor | None = None
) -> Commit | None:
    """Commit that the deployment was interrupted; None when it ended, or somebody took it over."""
    why = (
        f"{active.owner} gave no sign of life for {format_duration(timedelta(seconds=active.ttl))}"
    )
    if provably_dead(active.owner):
        why = f"{active.owner} is gone"

    def decide(state: State) -> tuple[Event, ...]:
        now = state.environment(environment).active
        if now is None or now.token != active.token:
            return ()
        return (DeploymentInterrupted(environment=environment, token=active.token, why=why),)

    commit = ledger.commit(decide, by=by)
    try:
        ledger.store.delete(heartbeat_path(active.token))
    except ShipitError:
        return commit
    return commit
