"""Leases: a sign of life, the want of one, and the take-over."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from shipit.errors import LeasedError, RemoteError, StaleTokenError, UsageError
from shipit.ledger import Heartbeat, Ledger, Standing, lease_ttl, take_over, this_actor, watch
from shipit.ledger.actor import process_identity, provably_dead
from shipit.model.events import Actor, DeploymentInterrupted
from tests.contract.ledger.conftest import Opener
from tests.fakes.facts import ANNA, active, commit, stage, started, succeeded

BEN = Actor("ben", host="laptop")
BEAT = "heartbeats/000000000001.json"


class Clock:
    """A monotonic clock that moves when somebody waits; `then` happens on the way."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.then: dict[float, Callable[[], None]] = {}

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for moment in [m for m in self.then if m <= self.now]:
            self.then.pop(moment)()

    def watch(self, ledger: Ledger) -> Standing:
        return watch(ledger, active(ledger), clock=self, wait=self.wait)


def until(condition: Callable[[], bool], deadline: float = 10.0) -> None:
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)


def test_nobody_beats_for_a_whole_ttl(opened: Opener) -> None:
    commit(opened(), started(ttl=30))
    clock = Clock()

    assert clock.watch(opened()) is Standing.GONE
    assert 30 <= clock.now - 1000 <= 31


def test_a_beat_at_the_last_moment(opened: Opener) -> None:
    ledger = opened()
    commit(ledger, started(ttl=30))
    ledger.store.put(BEAT, b"1")
    clock = Clock()
    clock.then[1029.0] = lambda: ledger.store.put(BEAT, b"2")

    assert clock.watch(opened()) is Standing.ALIVE
    assert clock.now - 1000 < 30


def test_a_beat_from_before_is_no_sign_of_life(opened: Opener) -> None:
    ledger = opened()
    commit(ledger, started(ttl=30))
    ledger.store.put(BEAT, b"7")

    assert Clock().watch(opened()) is Standing.GONE


def test_a_first_beat_is_a_sign_of_life(opened: Opener) -> None:
    ledger = opened()
    commit(ledger, started(ttl=30))
    clock = Clock()
    clock.then[1010.0] = lambda: ledger.store.put(BEAT, b"1")

    assert clock.watch(opened()) is Standing.ALIVE


def test_the_taker_takes_over_and_the_old_owner_is_refused(opened: Opener) -> None:
    old, new = opened(), opened()
    token = commit(old, started(), by=ANNA).number
    commit(old, stage(token), by=ANNA)

    taken = take_over(new, "dev", active(new), BEN)

    assert taken is not None
    [event] = taken.events
    assert isinstance(event, DeploymentInterrupted)
    assert event.why == "anna (https://ci.example/run/7) gave no sign of life for 30s"
    with pytest.raises(StaleTokenError) as refused:
        commit(old, succeeded(token), by=ANNA)
    assert "taken over" in refused.value.why
    state = opened().read().environment("dev")
    assert state.active is None
    assert state.interrupted is not None
    assert [s.stage for s in state.interrupted.finished] == ["copy"]
    assert commit(new, started(), by=BEN).number == 4


def test_there_is_one_taker(opened: Opener) -> None:
    commit(opened(), started())
    stale = active(opened())

    assert take_over(opened(), "dev", stale, BEN) is not None
    assert take_over(opened(), "dev", stale, ANNA) is None
    commit(opened(), started(), by=BEN)
    assert take_over(opened(), "dev", stale, ANNA) is None  # it is another deployment now
    with pytest.raises(LeasedError, match="leased by ben"):
        commit(opened(), started(), by=ANNA)


def test_a_heartbeat_beats_and_is_gone_at_the_end(opened: Opener) -> None:
    ledger, other = opened(), opened()
    token = commit(ledger, started(ttl=0.15)).number

    with Heartbeat(ledger, "dev", token, ttl=0.15) as heartbeat:
        assert watch(other, active(other)) is Standing.ALIVE
        assert watch(other, active(other)) is Standing.ALIVE
        commit(ledger, stage(token))
        assert not heartbeat.lost
    assert other.store.get(BEAT) is None


def test_a_heartbeat_learns_that_it_was_taken_over(opened: Opener) -> None:
    ledger, other = opened(), opened()
    token = commit(ledger, started(ttl=0.15)).number

    with Heartbeat(ledger, "dev", token, ttl=0.15) as heartbeat:
        take_over(other, "dev", active(other), BEN)
        until(lambda: heartbeat.lost)


def test_a_store_that_fails_for_a_while_ends_no_heartbeat(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, other = opened(), opened()
    token = commit(ledger, started(ttl=0.3)).number
    tries: list[str] = []
    real = ledger.store.put

    def put(path: str, data: bytes) -> None:
        tries.append(path)
        if len(tries) < 3:
            raise RemoteError("not now", temporary=True)
        real(path, data)

    monkeypatch.setattr(ledger.store, "put", put)
    with Heartbeat(ledger, "dev", token, ttl=0.15) as heartbeat:
        until(lambda: other.store.get(BEAT) is not None)
        assert not heartbeat.lost


@contextmanager
def sleeping_process() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def owner_of(process: "subprocess.Popen[bytes]") -> Actor:
    return Actor("anna", os.uname().nodename, process.pid, process_identity(process.pid))


def test_an_owner_killed_on_this_machine_is_gone_at_once(opened: Opener) -> None:
    """Before anybody has waited for it, too: a zombie does not deploy."""
    with sleeping_process() as process:
        owner = owner_of(process)
        commit(opened(), started(ttl=3600), by=owner)
        assert not provably_dead(owner)
        process.kill()
        until(lambda: provably_dead(owner))
        assert watch(opened(), active(opened())) is Standing.GONE
    assert provably_dead(owner)
    taken = take_over(opened(), "dev", active(opened()), BEN)
    assert taken is not None
    assert "is gone" in getattr(taken.events[0], "why", "")


def test_a_process_that_got_the_same_pid_is_somebody_else() -> None:
    with sleeping_process() as process:
        owner = owner_of(process)
        machine = owner.process.rpartition(":")[0]
        assert provably_dead(Actor("anna", owner.host, process.pid, f"{machine}:1"))


@pytest.mark.parametrize("process", ["", "another-boot:4026531836:77"])
def test_of_another_machine_nothing_is_proven(process: str) -> None:
    assert not provably_dead(Actor("anna", "elsewhere", 999_999_999, process))


def test_this_process_is_alive_and_says_who_it_is() -> None:
    actor = this_actor()

    assert actor.pid == os.getpid()
    assert not provably_dead(actor)
    assert actor.version


def test_the_ttl(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lease_ttl() == 30
    for text, seconds in [("45s", 45), ("2m", 120), ("1m30s", 90), ("5", 5), ("0.5", 0.5)]:
        monkeypatch.setenv("SHIPIT_LEASE_TTL", text)
        assert lease_ttl() == seconds


@pytest.mark.parametrize("text", ["soon", "0", "-3", "2h", "nan", "inf", "1e9", "5 s", "²"])
def test_a_ttl_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SHIPIT_LEASE_TTL", text)

    with pytest.raises(UsageError, match="SHIPIT_LEASE_TTL"):
        lease_ttl()
