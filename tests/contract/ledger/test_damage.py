"""A log that somebody damaged is an error that names the object, and never a guess."""

import json

import pytest

from shipit.errors import StoreError
from tests.contract.ledger.conftest import Opener
from tests.fakes.facts import commit, held

SECOND = "log/000000000002.json"


@pytest.fixture
def damaged(opened: Opener) -> Opener:
    """Five commits, no checkpoints: whoever reads must read the log."""
    ledger = opened()
    for number in range(1, 6):
        commit(ledger, held("dev", str(number)))
    for name in ledger.store.list("state"):
        ledger.store.delete(f"state/{name}")
    return opened


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "damaged"),
        (b'{"number":2,"at":"2026-', "damaged"),
        (b'{"number": 2}', "upgrade"),
        (b"[]", "upgrade"),
    ],
)
def test_a_commit_that_is_none(damaged: Opener, content: bytes, why: str) -> None:
    damaged().store.put(SECOND, content)

    with pytest.raises(StoreError) as refused:
        damaged().read()
    assert SECOND in refused.value.what
    assert why in str(refused.value)


def test_a_commit_in_the_wrong_place(damaged: Opener) -> None:
    store = damaged().store
    store.put(SECOND, store.get("log/000000000003.json") or b"")

    with pytest.raises(StoreError, match=f"{SECOND} in .* holds commit 3"):
        damaged().read()


@pytest.mark.parametrize("change", [{"type": "environment.moved"}, {"v": 2}])
def test_an_event_of_a_newer_shipit(damaged: Opener, change: dict[str, object]) -> None:
    store = damaged().store
    document = json.loads(store.get(SECOND) or b"")
    document["events"][0].update(change)
    store.put(SECOND, json.dumps(document).encode())

    with pytest.raises(StoreError) as refused:
        damaged().read()
    assert "a newer shipit wrote it: upgrade this one" in refused.value.next_step


def test_fields_that_a_newer_shipit_added_are_passed_over(damaged: Opener) -> None:
    store = damaged().store
    document = json.loads(store.get(SECOND) or b"")
    document["events"][0]["colour"] = "green"
    store.put(SECOND, json.dumps(document).encode())

    assert damaged().read().number == 5


def test_reading_stops_at_a_gap_and_writing_fills_it(damaged: Opener) -> None:
    """What lies beyond a missing number was never decided on what is before it."""
    damaged().store.delete("log/000000000004.json")

    assert damaged().read().number == 3
    assert commit(damaged(), held("qa")).number == 4


def test_history_says_which_commit_is_missing(damaged: Opener) -> None:
    ledger = damaged()
    ledger.read()
    ledger.store.delete("log/000000000004.json")

    with pytest.raises(StoreError, match=r"log/000000000004\.json is missing"):
        list(ledger.history())
