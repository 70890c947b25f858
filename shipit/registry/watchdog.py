"""Deadlines for whole exchanges: a peer that sends a byte a minute never runs into a socket's
timeout, and would keep a deployment for hours."""

import time
from threading import Condition, Thread
from typing import Protocol

_LOOK = 0.5  # seconds between two looks at what is under way
_IDLE = 20  # looks with nothing under way, after which the thread ends


class Watched(Protocol):
    def abort(self) -> None:
        """Wake up whoever waits for it."""


class Watchdog:
    """Ends what is not done in time. One thread, which is there only while something is watched."""

    def __init__(self) -> None:
        self._ends: dict[Watched, float] = {}
        self._changed = Condition()
        self._thread: Thread | None = None
        self._stopped = False

    def watch(self, what: Watched, end: float) -> None:
        """Until `leave`: ended at `end`, by the monotonic clock."""
        with self._changed:
            self._ends[what] = end
            if self._thread is None and not self._stopped:
                self._thread = Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()

    def leave(self, what: Watched) -> None:
        with self._changed:
            self._ends.pop(what, None)

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        with self._changed:
            idle = 0
            while not self._stopped and idle < _IDLE:
                idle = 0 if self._ends else idle + 1
                now = time.monotonic()
                for what in [w for w, end in self._ends.items() if end <= now]:
                    del self._ends[what]
                    what.abort()
                self._changed.wait(_LOOK)
            self._thread = None
