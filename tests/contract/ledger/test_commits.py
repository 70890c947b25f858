"""Commits: in order, decided again after losing, refused when they may not follow."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest

from shipit.errors import HeldError, LeasedError, ShipitError, StaleTokenError
from shipit.ledger import Ledger
from shipit.model.digest import Digest
from shipit.model.events import Event, HoldLifted, HoldSet, ReleaseCreated
from shipit.model.release import ReleaseSummary, Source
from shipit.model.state import State
from tests.contract.ledger.conftest import Opener
from tests.fakes.facts import ANNA, RELEASE, active, commit, held, stage, started, succeeded


def test_commits_are_numbered_from_one_and_read_by_others(opened: Opener) -> None:
    ledger = opened()
    first = commit(ledger, held("dev"))
    second = commit(ledger, held("qa"), HoldLifted(environment="dev"))

    assert (first.number, second.number) == (1, 2)
    assert first.by == ANNA
    state = opened().read()
    assert state.number == 2
    assert state.environment("dev").hold is None
    assert state.environment("qa").hold is not None


def test_deciding_for_nothing_writes_nothing(opened: Opener) -> None:
    ledger = opened()

    assert ledger.commit(lambda _: ()) is None
    assert ledger.store.list("log") == []


def test_who_loses_decides_again_on_what_won(opened: Opener) -> None:
    slow, fast = opened(), opened()
    slow.read()
    seen: list[int] = []

    def decide(state: State) -> Sequence[Event]:
        if not seen:
            commit(fast, held("qa", "the fast one"))
        seen.append(state.number)
        return (held("dev", f"after {state.number}"),)

    done = slow.commit(decide, by=ANNA)

    assert seen == [0, 1]
    assert done is not None
    assert done.number == 2
    hold = opened().read().environment("dev").hold
    assert hold is not None
    assert hold.reason == "after 1"


def test_no_is_only_said_of_the_newest_state(opened: Opener) -> None:
    """What this process saw last holds the environment; somebody has lifted that since."""
    ledger = opened()
    commit(ledger, held("dev"))
    commit(opened(), HoldLifted(environment="dev"))

    def decide(state: State) -> Sequence[Event]:
        if state.environment("dev").hold:
            raise HeldError("dev is held")
        return (started(),)

    assert ledger.commit(decide) is not None


def test_nothing_to_do_is_only_said_of_the_newest_state(opened: Opener) -> None:
    ledger = opened()
    ledger.read()
    commit(opened(), held("dev"))

    done = ledger.commit(
        lambda state: (HoldLifted(environment="dev"),) if state.environment("dev").hold else ()
    )

    assert done is not None


def test_what_decide_raises_comes_out_and_nothing_is_written(opened: Opener) -> None:
    ledger = opened()

    def decide(_: State) -> Sequence[Event]:
        raise HeldError("a gate holds it")

    with pytest.raises(HeldError, match="a gate holds it"):
        ledger.commit(decide)
    assert opened().read().number == 0


def test_a_second_deployment_is_refused_and_the_owner_named(opened: Opener) -> None:
    commit(opened(), started())

    with pytest.raises(LeasedError) as refused:
        commit(opened(), started())
    assert "dev is leased by anna (https://ci.example/run/7)" in refused.value.what
    assert "r1" in refused.value.why
    assert refused.value.exit_code == 6
    assert opened().read().number == 1


def test_another_environment_is_another_lease(opened: Opener) -> None:
    commit(opened(), started("dev"))
    assert commit(opened(), started("qa")).number == 2


def test_a_stale_token_is_refused(opened: Opener) -> None:
    ledger = opened()
    token = commit(ledger, started()).number
    commit(ledger, stage(token))
    commit(ledger, succeeded(token))

    with pytest.raises(StaleTokenError) as refused:
        commit(ledger, stage(token))
    assert f"deployment {token} does not hold dev" in refused.value.what
    assert opened().read().number == 3


def test_events_of_one_commit_follow_each_other(opened: Opener) -> None:
    """A whole deployment in one commit; and none of it when its last event may not follow."""
    ledger = opened()
    commit(ledger, started(), stage(1), succeeded(1))
    current = opened().read().environment("dev").current
    assert current is not None
    assert current.release == RELEASE

    with pytest.raises(StaleTokenError):
        commit(ledger, held("qa"), started(), succeeded(2), stage(2))
    assert opened().read().environment("qa").hold is None


def test_a_release_id_is_given_once(opened: Opener) -> None:
    ledger = opened()
    release = ReleaseSummary("r1", RELEASE, datetime.now(UTC), "anna", Source(), {})
    commit(ledger, ReleaseCreated(release=release))

    with pytest.raises(ShipitError, match="release r1 exists already"):
        commit(opened(), ReleaseCreated(release=release))


def test_of_eight_who_start_at_once_one_deploys(opened: Opener) -> None:
    """The rest are told who does."""
    ledgers = [opened() for _ in range(8)]
    start = Barrier(8)

    def deploy(ledger: Ledger) -> str:
        start.wait(10)
        try:
            return f"token {commit(ledger, started()).number}"
        except LeasedError as error:
            return error.what

    with ThreadPoolExecutor(8) as threads:
        said = sorted(threads.map(deploy, ledgers))

    assert said == ["dev is leased by anna (https://ci.example/run/7)"] * 7 + ["token 1"]
    assert active(opened()).token == 1


def test_every_thread_s_commits_are_kept_in_its_order(opened: Opener) -> None:
    def write(number: int) -> None:
        ledger = opened()
        for turn in range(10):
            commit(ledger, held(f"env{number}", str(turn)))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))

    log = list(opened().history(newest_first=False))
    events = [event for entry in log for event in entry.events if isinstance(event, HoldSet)]
    assert [c.number for c in log] == list(range(1, 41))
    for number in range(4):
        said = [event.reason for event in events if event.environment == f"env{number}"]
        assert said == [str(turn) for turn in range(10)]


def test_one_ledger_is_shared_by_threads(opened: Opener) -> None:
    ledger = opened()

    with ThreadPoolExecutor(4) as threads:
        numbers = list(threads.map(lambda n: commit(ledger, held(f"env{n}")).number, range(20)))

    assert sorted(numbers) == list(range(1, 21))
    assert len(opened().read().environments) == 20


def test_history_is_the_log_itself_from_either_end(opened: Opener) -> None:
    ledger = opened()
    for number in range(1, 8):
        commit(ledger, held("dev", str(number)))

    assert [c.number for c in opened().history()] == [7, 6, 5, 4, 3, 2, 1]
    assert [c.number for c in opened().history(newest_first=False, first=3, last=5)] == [3, 4, 5]
    assert list(opened().history(first=9)) == []


def test_the_digest_of_an_approval_comes_back_as_a_digest(opened: Opener) -> None:
    ledger = opened()
    commit(ledger, started(), succeeded(1))
    current = opened().read().environment("dev").current
    assert current is not None
    assert current.services == {"web": Digest.of(b"an image")}
