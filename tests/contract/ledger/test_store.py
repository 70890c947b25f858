"""Every store keeps the ledger's few promises."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.contract.ledger.conftest import Opener


def test_what_is_not_there_is_none_and_nothing_is_made_by_looking(opened: Opener) -> None:
    store = opened().store

    assert store.get("log/000000000001.json") is None
    assert store.list("state") == []
    store.delete("heartbeats/000000000001.json")
    assert store.list("log") == []


def test_put_replaces_and_another_reader_sees_it(opened: Opener) -> None:
    store = opened().store
    store.put("heartbeats/000000000001.json", b"one")
    store.put("heartbeats/000000000001.json", b"two")

    assert opened().store.get("heartbeats/000000000001.json") == b"two"
    store.delete("heartbeats/000000000001.json")
    assert opened().store.get("heartbeats/000000000001.json") is None


def test_create_keeps_the_first(opened: Opener) -> None:
    store = opened().store

    assert store.create("log/000000000001.json", b"one")
    assert not store.create("log/000000000001.json", b"two")
    assert store.get("log/000000000001.json") == b"one"


def test_a_digest_is_a_name(opened: Opener) -> None:
    store = opened().store
    name = "sha256:" + "a" * 64 + ".json"
    store.create(f"releases/{name}", b"{}")

    assert store.list("releases") == [name]
    assert store.get(f"releases/{name}") == b"{}"


def test_names_are_listed_in_order_without_their_folder_and_without_others(opened: Opener) -> None:
    store = opened().store
    for number in (3, 1, 20):
        store.put(f"state/{number:012d}.json", b"{}")
    store.put("states/1.json", b"{}")

    assert store.list("state") == [f"{n:012d}.json" for n in (1, 3, 20)]


def test_several_are_read_in_the_order_asked_for(opened: Opener) -> None:
    store = opened().store
    for number in range(40):
        store.put(f"log/{number}.json", str(number).encode())

    found = store.get_many([f"log/{n}.json" for n in (39, 99, *range(39))])

    assert found == [b"39", None, *(str(n).encode() for n in range(39))]


def test_of_eight_who_create_at_once_one_wins(opened: Opener) -> None:
    """And what is kept is the winner's, ten times over."""
    stores = [opened().store for _ in range(8)]
    for turn in range(10):
        start = Barrier(8)

        def create(number: int, turn: int = turn, start: Barrier = start) -> tuple[int, bool]:
            start.wait(10)
            return number, stores[number].create(f"log/{turn}.json", str(number).encode())

        with ThreadPoolExecutor(8) as threads:
            winners = [number for number, won in threads.map(create, range(8)) if won]
        assert len(winners) == 1
        assert stores[0].get(f"log/{turn}.json") == str(winners[0]).encode()
