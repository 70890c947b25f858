"""A writer that has lost for long asks more often than one that has just come."""

import pytest

from shipit.ledger import writer
from shipit.ledger.log import Log
from shipit.ledger.store import open_store
from shipit.model.events import Actor, HoldSet
from shipit.model.state import State


class _Losing(Log):
    """Somebody else was faster, `times` times."""

    def __init__(self, times: int) -> None:
        super().__init__(open_store("memory://", None))  # type: ignore[arg-type]
        self.times = times

    def create(self, commit: object) -> bool:
        self.times -= 1
        return self.times < 0


def test_who_has_waited_long_does_not_wait_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 0.5
        pauses.append(seconds)

    monkeypatch.setattr("shipit.ledger.writer.time.sleep", sleep)
    monkeypatch.setattr("shipit.ledger.writer.time.monotonic", lambda: now)
    monkeypatch.setattr("shipit.ledger.writer.uniform", lambda _, most: most)
    decided = [HoldSet(environment="dev", reason="a test")]
    made = writer.Writer(_Losing(30), State(), lambda _: decided, Actor("ada"))
    assert made.write() is not None
    early = pauses[: int(writer.PATIENCE / 0.5)]
    late = pauses[len(early) :]
    assert early == sorted(early)
    assert max(late) < max(early)
    assert max(late) == min(early) / 2
