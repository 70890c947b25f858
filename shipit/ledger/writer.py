"""One commit on its way into the log."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from random import uniform

from msgspec.structs import replace

from shipit.errors import LeasedError, RemoteError, ShipitError, StaleTokenError
from shipit.ledger.log import Log, path_of
from shipit.model.duration import format_duration
from shipit.model.events import Actor, Commit, DeploymentStarted, Event
from shipit.model.state import State, fold, refusal

Decide = Callable[[State], Sequence[Event]]

DEADLINE = 60.0  # seconds, for losing to others and for a store that comes and goes
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 1.0  # seconds, after losing to another writer
PATIENCE = 5.0  # seconds; who has lost for longer goes before those who have just come


class Writer:
    """Decides, writes, and decides again when somebody was faster.

    `state` is the newest that was seen. Every attempt carries the same random id, by which one
    that landed although its answer was lost is recognized in the log.
    """

    def __init__(self, log: Log, state: State, decide: Decide, author: Actor) -> None:
        self.state = state
        self._log = log
        self._decide = decide
        self._author = author
        self._id = os.urandom(8).hex()
        self._landed: Commit | None = None
        self._began = time.monotonic()
        self._until = self._began + DEADLINE
        self._longest = _FIRST_PAUSE

    def write(self) -> Commit | None:
        """The commit as it stands in the log; None when there was nothing to commit."""
        while drafted := self._draft():
            draft, after = drafted
            began = time.monotonic()
            if self._create(draft):
                self.state = after
                return draft
            self._catch_up()
            if self._landed:
                break
            self._pause(time.monotonic() - began)
        return self._landed

    def _draft(self) -> tuple[Commit, State] | None:
        """A decision and the state after it. "No" and "nothing" are only said of the newest state;
        a "yes" needs no such reading, since its number would be taken."""
        while True:
            refused = None
            try:
                if events := tuple(self._decide(self.state)):
                    return self._checked(events)
            except ShipitError as error:
                refused = error
            moved = self._catch_up()
            if self._landed:
                return None
            if not moved and refused:
                raise refused
            if not moved:
                return None

    def _checked(self, events: tuple[Event, ...]) -> tuple[Commit, State]:
        number = self.state.number + 1
        commit = Commit(number, datetime.now(UTC), self._author, events, self._id)
        state = self.state
        for event in events:
            if why := refusal(state, event):
                raise _refused(state, event, why)
            state = replace(state, number=number - 1)
            state = fold(state, replace(commit, events=(event,)))
        return commit, state

    def _create(self, draft: Commit) -> bool:
        try:
            return self._log.create(draft)
        except RemoteError as error:
            if not error.temporary or time.monotonic() > self._until:
                raise
            return False  # perhaps it landed: the log will tell

    def _catch_up(self) -> bool:
        """Whether anything was new."""
        before = self.state.number
        for commit in self._log.after(before):
            self.state = fold(self.state, commit)
            if commit.id == self._id:
                self._landed = commit
        return self.state.number > before

    def _pause(self, took: float) -> None:
        """Long enough, in the end, that one of many writers finds the others asleep; short again
        for one that has waited long, since growing pauses alone would starve it. `took` is what
        losing took, in seconds: a disk's millisecond or a bucket's fifty."""
        now = time.monotonic()
        if now > self._until:
            raise RemoteError(
                f"{path_of(self.state.number + 1)} could not be written within {DEADLINE:.0f} s",
                "other writers were faster each time, or the store did not answer",
                "try again",
                temporary=True,
            )
        grown = min(max(self._longest, took) * 2, _LONGEST_PAUSE)
        self._longest = grown if now - self._began < PATIENCE else _FIRST_PAUSE
        time.sleep(uniform(0, self._longest))  # noqa: S311  jitter, not a secret


def _refused(state: State, event: Event, why: str) -> ShipitError:
    if isinstance(event, DeploymentStarted):
        return leased(state, event.environment, why)
    token = getattr(event, "token", None)
    if token is None:
        return ShipitError(why)
    return StaleTokenError(
        why,
        "its lease was taken over after it gave no sign of life, or it has ended already",
        "run `shipit status` to see what happened since",
    )


def leased(state: State, environment: str, why: str = "") -> LeasedError:
    """The error that names who works on the environment, since when, and from where."""
    active = state.environment(environment).active
    if active is None:
        return LeasedError(why or f"{environment} is leased")
    age = format_duration(datetime.now(UTC) - active.started_at)
    return LeasedError(
        f"{environment} is leased by {active.owner}",
        f"release {active.release_id} is being deployed there since {age}",
        "wait until it has ended; if its owner is gone, the next deploy takes over after "
        f"{active.ttl:g} s without a sign of life",
    )
