"""The commit log: `log/<number>.json`, from 1, without gaps, each created only if absent."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from shipit.errors import StoreError
from shipit.ledger.store import Store
from shipit.model import codec
from shipit.model.events import Commit

EVENT_VERSION = 1
_LARGEST_BATCH = 64  # requests at once; S3 serves 5,500 reads a second from one prefix


def numbered(folder: str, number: int) -> str:
    """Twelve digits, so that a listing is in order."""
    return f"{folder}/{number:012d}.json"


def path_of(number: int) -> str:
    return numbered("log", number)


class Log:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._proven = False

    def create(self, commit: Commit) -> bool:
        """False when that number is taken. Raises StoreError on a store that would overwrite it."""
        if not self._proven and (commit.number == 1 or not self._store.vouched):
            self._prove(commit)
        self._proven = True
        return self._store.create(path_of(commit.number), codec.encode(commit))

    def _prove(self, commit: Commit) -> None:
        """Commit 0 holds no events: it is there to be refused when it is written again."""
        beginning = codec.encode(replace(commit, number=0, events=()))
        if self._store.create(path_of(0), beginning) and self._store.create(path_of(0), beginning):
            raise StoreError(
                f"{self._store.name} overwrites objects that it was asked to create only if absent",
                "it does not honour the condition (If-None-Match) that keeps two writers apart",
                "keep the ledger in a store that does: AWS S3, GCS, MinIO, or a local folder",
            )

    def after(self, number: int) -> Iterator[Commit]:
        """The commits that follow, up to the first number that is missing.

        One object at a time while few are expected, then twice as many with each step. What was
        read beyond a missing number is dropped: it may have been written after the miss.
        """
        size = 1
        while True:
            batch = range(number + 1, number + 1 + max(size // 2, 1))
            for commit in self._read(batch):
                if commit is None:
                    return
                yield commit
            number, size = batch[-1], min(size * 2, 2 * _LARGEST_BATCH)

    def between(self, first: int, last: int, *, newest_first: bool) -> Iterator[Commit]:
        """Every commit from `first` to `last`. Raises StoreError when one of them is missing."""
        numbers = range(first, last + 1)
        if newest_first:
            numbers = numbers[::-1]
        for start in range(0, len(numbers), _LARGEST_BATCH):
            batch = numbers[start : start + _LARGEST_BATCH]
            for number, commit in zip(batch, self._read(batch), strict=True):
                if commit is None:
                    raise StoreError(
                        f"{path_of(number)} is missing from the ledger in {self._store.name}",
                        "the log goes on after it, so somebody deleted it",
                        "restore it from a backup or from the bucket's older versions",
                    )
                yield commit

    def _read(self, numbers: Sequence[int]) -> Iterator[Commit | None]:
        found = self._store.get_many([path_of(n) for n in numbers])
        for number, data in zip(numbers, found, strict=True):
            yield None if data is None else self._decode(number, data)

    def _decode(self, number: int, data: bytes) -> Commit:
        """Nothing is guessed from a commit that this version does not understand whole."""
        place = f"{path_of(number)} in {self._store.name}"
        try:
            commit = codec.decode(data, Commit)
        except msgspec.ValidationError as error:
            raise _newer(place, str(error)) from None
        except ValueError as error:
            raise StoreError(
                f"{place} is not a commit",
                f"it was damaged after it was written: {error}",
                "restore it from a backup or from the bucket's older versions",
            ) from None
        if commit.number != number:
            raise StoreError(f"{place} holds commit {commit.number}", "it was moved or copied")
        version = max((event.v for event in commit.events), default=0)
        if version > EVENT_VERSION:
            raise _newer(place, f"it holds an event of version {version}")
        return commit


def _newer(place: str, why: str) -> StoreError:
    return StoreError(
        f"{place} cannot be understood", why, "a newer shipit wrote it: upgrade this one"
    )
