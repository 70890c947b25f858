"""The ledger: read its state, commit decisions to it, keep release documents."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from shipit.errors import StoreError, UnknownNameError
from shipit.ledger.actor import this_actor
from shipit.ledger.checkpoint import Checkpoints
from shipit.ledger.log import Log
from shipit.ledger.store import Store, open_store
from shipit.ledger.writer import Decide, Writer
from shipit.model import codec
from shipit.model.digest import Digest
from shipit.model.events import Actor, Commit
from shipit.model.release import VERSION, Release
from shipit.model.state import State, fold

DEFAULT_FOLDER = ".shipit/ledger"


class Ledger:
    """One ledger, as this process sees it. Threads may share it.

    The newest state is kept: the next commit then costs one request when nobody else wrote.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._log = Log(store)
        self._checkpoints = Checkpoints(store)
        self._state: State | None = None

    @classmethod
    def open(cls, url: str, *, root: Path) -> "Ledger":
        """The ledger at `url`, or `<root>/.shipit/ledger` for "". Creates and contacts nothing.

        Raises UsageError for a URL of no known kind, PreconditionError without credentials.
        """
        return cls(open_store(url or DEFAULT_FOLDER, root))

    @property
    def name(self) -> str:
        """Where it is, for messages."""
        return self.store.name

    def read(self) -> State:
        """The state now: the newest checkpoint (or what this process saw last), and the log after.

        Raises PreconditionError when the store cannot be reached or entered, StoreError when the
        log is damaged, RemoteError when the store fails.
        """
        state = self._known()
        for commit in self._log.after(state.number):
            state = fold(state, commit)
        return self._remember(state)

    def commit(self, decide: Decide, *, by: Actor | None = None) -> Commit | None:
        """Commit what `decide` makes of the state; None when it decides for nothing.

        `decide` is called again whenever somebody else was faster, so it has no side effects; what
        it raises is raised here, once the state it saw is known to be the newest. Events may rely
        on `state.number + 1` being the number of their commit.

        Raises LeasedError, StaleTokenError or ShipitError for an event that may not follow,
        RemoteError when it does not get through within a minute, and what `read` raises.
        """
        writer = Writer(self._log, self._known(), decide, by or self._author)
        try:
            commit = writer.write()
        finally:
            self._remember(writer.state)
        if commit is not None and self._checkpoints.due(commit):
            self._checkpoints.write(writer.state)
        return commit

    def history(
        self, *, newest_first: bool = True, first: int = 1, last: int | None = None
    ) -> Iterator[Commit]:
        """The commits themselves, `first` to `last` (the newest), read in parallel batches.

        Raises StoreError when one is missing or damaged.
        """
        head = self.read().number
        end = head if last is None else min(last, head)
        return self._log.between(max(first, 1), end, newest_first=newest_first)

    def put_release(self, release: Release) -> Digest:
        """Keep the document under its own digest. The same release again changes nothing."""
        content = codec.canonical(release)
        digest = Digest.of(content)
        if not self.store.create(_release_path(digest), content):
            self._release_bytes(digest)
        return digest

    def get_release(self, digest: Digest) -> Release:
        """Raises UnknownNameError when there is none, StoreError when it is not what it was."""
        try:
            found = codec.decode(self._release_bytes(digest), Release)
        except ValueError as error:
            raise self._not_understood(digest, str(error)) from None
        if found.version > VERSION:
            raise self._not_understood(digest, f"it is of version {found.version}")
        return found

    def _not_understood(self, digest: Digest, why: str) -> StoreError:
        return StoreError(
            f"{_release_path(digest)} in {self.name} cannot be understood",
            why,
            "a newer shipit wrote it: upgrade this one",
        )

    def _release_bytes(self, digest: Digest) -> bytes:
        path = _release_path(digest)
        content = self.store.get(path)
        if content is None:
            raise UnknownNameError(
                f"there is no release {digest} in {self.name}",
                next_step="list the releases with `shipit releases`",
            )
        if Digest.of(content) != digest:
            raise StoreError(
                f"{path} in {self.name} has other content than its name says",
                f"its digest is {Digest.of(content)}: it was changed or damaged",
                "delete it and restore it from a backup, or build the release again",
            )
        return content

    def _known(self) -> State:
        return self._checkpoints.newest() if self._state is None else self._state

    def _remember(self, state: State) -> State:
        if self._state is None or state.number >= self._state.number:
            self._state = state
        return state

    @cached_property
    def _author(self) -> Actor:
        return this_actor()


def _release_path(digest: Digest) -> str:
    return f"releases/{digest}.json"
