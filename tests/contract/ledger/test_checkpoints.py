"""Checkpoints are a cache: they make reading cheap, and nothing depends on them."""

from collections.abc import Sequence

import pytest

from shipit.errors import RemoteError
from shipit.ledger import Ledger
from shipit.ledger.store import Store
from shipit.model.digest import Digest
from shipit.model.state import State
from tests.contract.ledger.conftest import Opener
from tests.fakes.facts import commit, held, stage, started, succeeded


class Counted:
    """A store that counts what is read from it, and may fail or lose objects on the way."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.name, self.vouched = store.name, store.vouched
        self.reads: list[str] = []
        self.broken_folder = ""
        self.prune_after_list: list[str] = []

    def get(self, path: str) -> bytes | None:
        self.reads.append(path)
        return self._store.get(path)

    def get_many(self, paths: Sequence[str]) -> list[bytes | None]:
        self.reads += paths
        return self._store.get_many(paths)

    def create(self, path: str, data: bytes) -> bool:
        return self._store.create(path, data)

    def put(self, path: str, data: bytes) -> None:
        if self.broken_folder and path.startswith(self.broken_folder):
            raise RemoteError(f"no {path} today", temporary=True)
        self._store.put(path, data)

    def delete(self, path: str) -> None:
        self._store.delete(path)

    def list(self, folder: str) -> list[str]:
        self.reads.append(f"{folder}/")
        names = self._store.list(folder)
        for path in self.prune_after_list:
            self._store.delete(path)
        return names


def deploy(ledger: Ledger, times: int) -> None:
    for _ in range(times):
        token = commit(ledger, started()).number
        commit(ledger, stage(token))
        commit(ledger, succeeded(token))


def signed(state: bytes) -> bytes:
    return b'{"digest":"%s","state":%s}' % (str(Digest.of(state)).encode(), state)


def fresh_read(opened: Opener) -> tuple[State, list[str]]:
    store = Counted(opened().store)
    return Ledger(store).read(), store.reads


def test_a_ledger_at_rest_is_read_with_three_requests(opened: Opener) -> None:
    deploy(opened(), 12)

    state, reads = fresh_read(opened)

    assert reads == ["state/", "state/000000000036.json", "log/000000000037.json"]
    assert state.number == 36
    assert state.deployments == 12


def test_old_checkpoints_go(opened: Opener) -> None:
    for _ in range(4):
        deploy(opened(), 3)  # a process each

    assert opened().store.list("state") == [f"{n:012d}.json" for n in (30, 33, 36)]


def test_a_deployment_of_many_stages_stays_cheap_to_read(opened: Opener) -> None:
    ledger = opened()
    token = commit(ledger, started()).number
    for _ in range(40):
        commit(ledger, stage(token))

    state, reads = fresh_read(opened)

    assert state.number == 41
    assert len(reads) <= 2 + 16 + 32  # a list, a checkpoint, at most 16 commits and some misses


def test_without_checkpoints_nothing_is_lost(opened: Opener) -> None:
    ledger = opened()
    deploy(ledger, 7)
    before = ledger.read()
    for name in ledger.store.list("state"):
        ledger.store.delete(f"state/{name}")

    assert opened().read() == before
    assert commit(opened(), held("qa")).number == 22


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage", "flipped", "version", "moved"])
def test_a_damaged_checkpoint_is_passed_over(opened: Opener, damage: str) -> None:
    ledger = opened()
    deploy(ledger, 3)
    before = ledger.read()
    store = ledger.store
    newest = f"state/{store.list('state')[-1]}"
    content = store.get(newest) or b""
    older = store.get(f"state/{store.list('state')[0]}") or b""
    damaged = {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "garbage": b"\xff\x00 no JSON",
        "flipped": content.replace(b'"deployments":3', b'"deployments":9'),
        "version": signed(b'{"number":9,"version":99,"deployments":77}'),
        "moved": older,
    }[damage]
    assert damaged != content
    store.put(newest, damaged)

    assert opened().read() == before


def test_all_checkpoints_damaged_is_a_fold_from_the_log(opened: Opener) -> None:
    ledger = opened()
    deploy(ledger, 3)
    for name in ledger.store.list("state"):
        ledger.store.put(f"state/{name}", b"{")

    assert opened().read() == ledger.read()


def test_a_reader_that_loses_a_pruned_checkpoint_lists_again(opened: Opener) -> None:
    ledger = opened()
    deploy(ledger, 2)
    store = Counted(ledger.store)
    store.prune_after_list = [f"state/{name}" for name in ledger.store.list("state")]

    assert Ledger(store).read() == ledger.read()
    assert store.reads.count("state/") == 2


def test_a_checkpoint_that_cannot_be_written_fails_no_commit(opened: Opener) -> None:
    store = Counted(opened().store)
    store.broken_folder = "state/"
    deploy(Ledger(store), 2)

    assert opened().store.list("state") == []
    assert opened().read().deployments == 2


def test_killed_between_the_log_and_the_checkpoint(opened: Opener) -> None:
    """The next reader folds what the checkpoint lacks, the next writer writes a new one."""
    deploy(opened(), 2)
    store = Counted(opened().store)
    store.broken_folder = "state/"  # as far as anybody can see: it died before it got there
    deploy(Ledger(store), 1)

    assert opened().store.list("state")[-1] == "000000000006.json"
    assert opened().read().deployments == 3
    deploy(opened(), 1)
    assert opened().store.list("state")[-1] == "000000000012.json"


def test_a_file_of_somebody_else_s_among_the_checkpoints(opened: Opener) -> None:
    ledger = opened()
    deploy(ledger, 1)
    ledger.store.put("state/notes.txt", b"hello")
    ledger.store.put("state/9.json", b"{}")

    assert opened().read() == ledger.read()


def test_a_commit_after_another_costs_one_request_and_its_checkpoint(opened: Opener) -> None:
    store = Counted(opened().store)
    ledger = Ledger(store)
    token = commit(ledger, started()).number
    store.reads.clear()

    commit(ledger, stage(token))

    assert store.reads == []
