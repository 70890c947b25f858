"""Checkpoints: `state/<number>.json`, the fold up to a commit. A cache, and never more than that:
without them, or with damaged ones, the state is folded from the log again."""

import msgspec

from shipit.errors import ShipitError
from shipit.ledger.log import numbered
from shipit.ledger.store import Store
from shipit.model import codec
from shipit.model import events as e
from shipit.model.digest import Digest
from shipit.model.state import State

KEPT = 3
EVERY = 16  # commits; a reader then fetches at most so many after the checkpoint

# A deployment under way commits many of these, and is followed by one that ends it.
_IN_FLIGHT = (e.DeploymentStarted, e.StageFinished, e.RollbackStarted)


class _Document(msgspec.Struct, frozen=True):
    """`digest` is over the bytes of `state`, so that a half-written file is never believed."""

    digest: Digest
    state: msgspec.Raw


class Checkpoints:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: set[int] = set()

    def newest(self) -> State:
        """The newest that can be believed; the empty state when there is none."""
        for _ in range(2):  # one that was pruned between the listing and the reading: list again
            lost = False
            for number in self._listed():
                data = self._store.get(numbered("state", number))
                lost = lost or data is None
                state = _decode(data or b"")
                if state is not None and state.number == number:
                    return state
            if not lost:
                break
        return State()

    def due(self, commit: e.Commit) -> bool:
        """Whenever the ledger comes to rest, and otherwise every so many commits."""
        if not all(isinstance(event, _IN_FLIGHT) for event in commit.events):
            return True
        return commit.number - max(self._known, default=0) >= EVERY

    def write(self, state: State) -> None:
        """As well as it goes: the commit is already in the log, and that is what counts."""
        try:
            self._store.put(numbered("state", state.number), _encode(state))
            self._known.add(state.number)
            for number in sorted(self._known)[:-KEPT]:
                self._store.delete(numbered("state", number))
                self._known.discard(number)
        except ShipitError:
            return

    def _listed(self) -> list[int]:
        """The newest first. Another folder's file is not a checkpoint."""
        stems = (name.removesuffix(".json") for name in self._store.list("state"))
        self._known = {int(stem) for stem in stems if stem.isdecimal()}
        return sorted(self._known, reverse=True)


def _encode(state: State) -> bytes:
    content = codec.encode(state)
    return codec.encode(_Document(Digest.of(content), msgspec.Raw(content)))


def _decode(data: bytes) -> State | None:
    try:
        document = codec.decode(data, _Document)
        content = bytes(document.state)
        if Digest.of(content) != document.digest:
            return None
        state = codec.decode(content, State)
    except ValueError:
        return None
    return state if state.version == State().version else None
